//! What a snapshot's description means.

use aws_sdk_rds::primitives::DateTime;
use muster_runbooks::action::Action;

use super::*;
use crate::world::aws::fixture::{at, call};

const NAME: &str = "muster-r00000000001-work-1";
const ARN: &str = "arn:aws:rds:us-east-1:123456789012:cluster-snapshot:muster-r00000000001-work-1";
const SOURCE: &str = "arn:aws:rds:us-east-1:123456789012:cluster-snapshot:muster-r0-snapshot-1";

fn taking() -> Call {
    call("snapshot-database", json!({ "at": "active", "schema_version": "v42" }))
}

fn with(schema_version: &str) -> SnapshotDatabase {
    let with = json!({ "at": "active", "schema_version": schema_version });
    serde_json::from_value(with).unwrap()
}

fn found(call: &Call, status: &str) -> DbClusterSnapshot {
    DbClusterSnapshot::builder()
        .db_cluster_snapshot_identifier(NAME)
        .db_cluster_snapshot_arn(ARN)
        .db_cluster_resource_id("cluster-ABC")
        .snapshot_create_time(DateTime::from_secs(at("2026-03-01T02:00:30Z").as_second()))
        .allocated_storage(20)
        .kms_key_id("key-east")
        .percent_progress(40)
        .status(status)
        .set_tag_list(Some(tags(call, 7, None, Some(&with("v42")))))
        .build()
}

/// Goal: only `available` is done, only what AWS calls terminal is failed, and a stranger's snapshot is
/// nobody's success.
/// Method: every documented status, one that is new, and wrong tags.
#[test]
fn what_a_status_means() {
    let call = taking();
    let table = [
        ("creating", "is creating, 40 %"),
        ("copying", "is copying, 40 %"),
        ("available", "done"),
        ("failed", "failed: "),
        ("deleting", "failed: "),
        ("incompatible-restore", "failed: "),
        ("something-new", "is something-new"),
    ];
    for (status, meant) in table {
        let said = seen(&call, Some(&found(&call, status)), Origin::Cluster).to_string();
        assert!(said.contains(meant), "{status}: {said}");
    }
    assert_eq!(seen(&call, None, Origin::Cluster), Progress::not_started());
    let mut stranger = found(&call, "available");
    stranger.tag_list = None;
    let said = seen(&call, Some(&stranger), Origin::Cluster);
    assert!(matches!(said, Progress::Foreign { .. }), "{said}");
}

#[test]
fn the_data_time_is_the_providers() {
    let call = taking();
    let Progress::Done(done) = seen(&call, Some(&found(&call, "available")), Origin::Cluster)
    else {
        panic!("not done");
    };
    assert_eq!(done.outputs["data_time"], json!("2026-03-01T02:00:30Z"));
    let [PointChange::Recorded(point)] = done.points.as_slice() else {
        panic!("{:?}", done.points)
    };
    assert_eq!((point.region.as_str(), point.key.as_deref()), ("us-east-1", Some("key-east")));
    assert_eq!(point.data_time, at("2026-03-01T02:00:30Z"));
    // Without its time a snapshot is no recovery point yet.
    let mut timeless = found(&call, "available");
    timeless.snapshot_create_time = None;
    assert!(matches!(seen(&call, Some(&timeless), Origin::Cluster), Progress::InProgress { .. }));
}

#[test]
fn a_copy_keeps_its_sources_time_and_names_its_source() {
    let data_time = "2026-03-01T01:00:00Z";
    let with = json!({ "snapshot": SOURCE, "data_time": data_time, "to": "standby" });
    let call = call("copy-snapshot", with);
    let Action::CopySnapshot(action) = &*call.action else { panic!() };
    let mut copy = found(&call, "available");
    copy.source_db_cluster_snapshot_arn = Some(SOURCE.to_owned());
    let origin = Origin::Copy { source: &action.snapshot, data_time: action.data_time };
    let Progress::Done(done) = seen(&call, Some(&copy), origin) else { panic!() };
    let [PointChange::Recorded(point)] = done.points.as_slice() else { panic!() };
    assert_eq!(point.data_time, at(data_time));
    assert_eq!(point.copied_from.as_deref(), Some(SOURCE));
    copy.source_db_cluster_snapshot_arn = Some(ARN.to_owned());
    let said = seen(&call, Some(&copy), origin);
    assert!(matches!(said, Progress::Foreign { .. }), "{said}");
}

#[test]
fn a_full_region_is_told_from_a_queue() {
    let code = "SnapshotQuotaExceeded";
    assert!(waits_for_a_place(code, "You have reached the maximum number of in progress copies"));
    assert!(!waits_for_a_place(code, "Cannot create more than 100 manual snapshots"));
    assert!(!waits_for_a_place("KMSKeyNotAccessibleFault", "copies"));
}

/// Goal: no copy is sent that must be refused: AWS takes five at a time, from everybody.
#[test]
fn copies_under_way_are_counted() {
    let one = |status: &str| DbClusterSnapshot::builder().status(status).build();
    let list = [one("copying"), one("available"), one("creating"), one("copying")];
    assert_eq!(copying(&list), 2);
}

#[test]
fn tags_are_legal() {
    let call = taking();
    let tags = tags(&call, 7, None, Some(&with("v1 (<prod>)")));
    let said: Vec<String> =
        tags.iter().map(|tag| format!("{}={}", tag.key().unwrap(), tag.value().unwrap())).collect();
    assert_eq!(
        said,
        [
            "muster:run=r00000000001",
            "muster:step=work",
            "muster:application=shop",
            "muster:component=orders",
            "muster:epoch=7",
            "muster:schema-version=v1 __prod__",
            "muster:purpose=backup",
        ]
    );
}
