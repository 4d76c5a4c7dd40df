//! What may be marked and deleted, given what is really there.

use std::sync::Arc;

use aws_sdk_elasticache::types::Snapshot;
use aws_sdk_rds::types::{DbClusterSnapshot, Tag};
use jiff::SignedDuration;
use muster_runbooks::{
    action::Keeper,
    application::{Component, Database, Vault},
    name::Region,
};
use muster_state::step::Aim;

use super::*;
use crate::world::aws::{
    database,
    fixture::{at, call},
};

const NOW: &str = "2026-03-01T02:01:00Z";

fn arn(days: i64) -> String {
    format!(
        "arn:aws:rds:us-east-1:123456789012:cluster-snapshot:muster-r0000000000{}-s-1",
        (b'a' + days as u8) as char
    )
}

/// A point whose data is so many days old, marked two days ago if it is to be deleted.
fn point(days: i64, marked: bool) -> RecoveryPoint {
    RecoveryPoint {
        source_resource: Some("cluster-ABC".to_owned()),
        marked_at: marked.then(|| at(NOW) - SignedDuration::from_hours(48)),
        ..RecoveryPoint::new(
            arn(days),
            "orders".parse().unwrap(),
            "us-east-1".parse().unwrap(),
            "123456789012".to_owned(),
            at(NOW) - SignedDuration::from_hours(24 * days),
            "r00000000000".parse().unwrap(),
        )
    }
}

fn snapshot(id: &str) -> DbClusterSnapshot {
    DbClusterSnapshot::builder()
        .db_cluster_snapshot_arn(id)
        .db_cluster_snapshot_identifier(id.rsplit(':').next().unwrap())
        .db_cluster_resource_id("cluster-ABC")
        .snapshot_type("manual")
        .status("available")
        .tag_list(Tag::builder().key("muster:run").value("r00000000000").build())
        .build()
}

/// Points of 1, 2 and 3 days, which are the newest, and of 20, 21 and 22, which may go.
fn world(name: &str, with: serde_json::Value) -> (Call, Database, Region, Vec<DbClusterSnapshot>) {
    let mut call = call(name, with);
    let days = [1, 2, 3, 20, 21, 22];
    call.points = days.map(|days| point(days, days >= 20)).into_iter().collect::<Vec<_>>().into();
    let database = database(&call).unwrap().clone();
    let snapshots = days.map(|days| snapshot(&arn(days))).to_vec();
    (call, database, "us-east-1".parse().unwrap(), snapshots)
}

fn east<'a>(database: &'a Database, region: &'a Region) -> Place<'a> {
    Place::clusters(database, region, None)
}

fn listed(snapshots: &[DbClusterSnapshot]) -> Listing {
    snapshots.iter().filter_map(clusters::item).collect()
}

fn targets(progress: &Progress) -> Vec<String> {
    let Progress::NotStarted { targets, .. } = progress else { panic!("{progress}") };
    targets.clone()
}

/// Goal: a snapshot goes only when everything says that it is ours and may go.
/// Method: spoil one proof at a time, and see it stay.
#[test]
fn every_proof_is_needed() {
    let (call, database, region, good) =
        world("delete-expired", json!({ "at": "active", "cap": 10 }));
    let judge = |snapshots: Vec<DbClusterSnapshot>| {
        targets(&to_delete(&call, &east(&database, &region), &listed(&snapshots), 10))
    };
    assert_eq!(judge(good.clone()), [arn(22), arn(21), arn(20)]);
    let spoil: [fn(&mut DbClusterSnapshot); 5] = [
        |snapshot| snapshot.tag_list = None,
        |snapshot| snapshot.db_cluster_resource_id = Some("cluster-XYZ".to_owned()),
        |snapshot| snapshot.db_cluster_snapshot_identifier = Some("by-hand".to_owned()),
        |snapshot| snapshot.status = Some("copying".to_owned()),
        |snapshot| snapshot.snapshot_type = Some("shared".to_owned()),
    ];
    for (number, spoil) in spoil.iter().enumerate() {
        let mut snapshots = good.clone();
        spoil(&mut snapshots[4]);
        assert_eq!(judge(snapshots), [arn(22), arn(20)], "spoilt {number}");
    }
    // One of the newest is gone: the next one takes its place and stays.
    assert_eq!(judge(good[1..].to_vec()), [arn(22), arn(21)]);
}

#[test]
fn no_more_than_the_cap_and_only_what_was_aimed_at() {
    let (mut call, database, region, good) =
        world("delete-expired", json!({ "at": "active", "cap": 2 }));
    let seen = to_delete(&call, &east(&database, &region), &listed(&good), 2);
    assert_eq!(targets(&seen), [arn(22), arn(21)], "the oldest first");
    call.aim = Some(Arc::new(Aim { at: at(NOW), before: json!({}), targets: targets(&seen) }));
    let left = to_delete(&call, &east(&database, &region), &listed(&good[4..]), 2);
    assert_eq!(targets(&left), [arn(22), arn(21)]);
    let gone = to_delete(&call, &east(&database, &region), &listed(&good[..4]), 2);
    let Progress::Done(done) = gone else { panic!("{gone}") };
    assert_eq!(done.points.len(), 2);
    // Nothing to delete is aimed at and begun like everything else: an empty list, and no gate.
    call.aim = None;
    let none = to_delete(&call, &east(&database, &region), &listed(&good[..3]), 2);
    assert_eq!(targets(&none), Vec::<String>::new());
}

#[test]
fn marking_tells_what_is_missing() {
    let (mut call, database, region, good) = world("mark-expired", json!({ "at": "active" }));
    let mut points = call.points.to_vec();
    points[3].marked_at = None;
    call.points = Arc::from(points);
    let Progress::Done(done) = marked(&call, &east(&database, &region), &listed(&good[..5])) else {
        panic!()
    };
    assert_eq!((&done.outputs["marked"], &done.outputs["kept"]), (&json!(1), &json!(3)));
    let is_marked =
        |change: &PointChange| matches!(change, PointChange::Marked { id, .. } if *id == arn(20));
    assert!(done.points.iter().any(is_marked), "{:?}", done.points);
    let is_gone =
        |change: &PointChange| matches!(change, PointChange::Deleted { id } if *id == arn(22));
    assert!(done.points.iter().any(is_gone), "{:?}", done.points);
    assert_eq!(done.notes.len(), 1);
}

/// Goal: where no role may delete nothing is marked, and each point says why; the points of one account are
/// never judged with those of another.
/// Method: the same points, said to lie in a vault, with and without a role; and one of the other account
/// among them.
#[test]
fn a_vault_lets_go_only_by_a_role() {
    let (mut call, mut database, region, good) = world("mark-expired", json!({ "at": "vault" }));
    let vault = json!({
        "account": "123456789012", "region": "us-east-1", "key": "arn:aws:kms:us-east-1:123456789012:key/a",
        "role": "arn:aws:iam::123456789012:role/muster-vault",
    });
    let mut vault: Vault = serde_json::from_value(vault).unwrap();
    database.retention.keep_for = "24h".parse().unwrap();
    let mut points = call.points.to_vec();
    points.iter_mut().for_each(|point| point.marked_at = None);
    let stranger = RecoveryPoint { account: "999988887777".to_owned(), ..points[0].clone() };
    points.push(RecoveryPoint {
        id: stranger.id.replace("123456789012", "999988887777"),
        ..stranger
    });
    call.points = points.into();
    let judge = |vault: &Vault| {
        let place = Place::clusters(&database, &region, Some(vault));
        let Progress::Done(done) = marked(&call, &place, &listed(&good)) else { panic!() };
        done
    };
    let none = judge(&vault);
    assert_eq!((&none.outputs["marked"], &none.outputs["kept"]), (&json!(0), &json!(6)));
    assert_eq!(none.outputs["keeps"].to_string().matches("no role may delete").count(), 6);
    vault.expiry_role = Some("arn:aws:iam::123456789012:role/muster-vault-expiry".to_owned());
    let some = judge(&vault);
    assert_eq!((&some.outputs["marked"], &some.outputs["kept"]), (&json!(3), &json!(3)));
}

/// Goal: a snapshot of a cache counts as the catalogue's only when everything that a list shows says so.
/// Method: spoil one proof at a time.
#[test]
fn every_proof_of_a_cache_is_needed() {
    let good = Snapshot::builder()
        .arn("arn:aws:elasticache:us-east-1:123456789012:snapshot:muster-r00000000000-s-1")
        .snapshot_name("muster-r00000000000-s-1")
        .replication_group_id("sessions")
        .snapshot_source("manual")
        .snapshot_status("available")
        .build();
    let point = |found: &Snapshot| RecoveryPoint {
        source_resource: Some("sessions".to_owned()),
        ..RecoveryPoint { id: found.arn().unwrap().to_owned(), ..point(20, false) }
    };
    let is_it = |found: &Snapshot| caches::item(found).unwrap().1.is(&point(found));
    assert!(is_it(&good));
    let spoil: [fn(&mut Snapshot); 6] = [
        |one| one.snapshot_name = Some("by-hand".to_owned()),
        |one| one.replication_group_id = Some("carts".to_owned()),
        |one| one.replication_group_id = None,
        |one| one.snapshot_source = Some("automated".to_owned()),
        |one| one.snapshot_source = None,
        |one| one.snapshot_status = Some("creating".to_owned()),
    ];
    for (number, spoil) in spoil.iter().enumerate() {
        let mut spoilt = good.clone();
        spoil(&mut spoilt);
        assert!(!is_it(&spoilt), "spoilt {number}");
    }
    let unknown = RecoveryPoint { source_resource: None, ..point(&good) };
    assert!(!caches::item(&good).unwrap().1.is(&unknown));
}

/// Goal: what is not in the list because it lies under another bucket or prefix is not taken for gone.
/// Method: marked exports here and elsewhere; the list is empty.
#[test]
fn an_export_elsewhere_is_not_gone() {
    let mut call = call("mark-expired", json!({ "at": "active" }));
    let workload = json!({
        "name": "orders", "namespace": "shop", "contexts": {},
        "exports": { "buckets": { "us-east-1": "exports" }, "prefix": "objects" },
    });
    let workload = serde_json::from_value(workload).unwrap();
    call.component = Some(Arc::new(Component::Workload(workload)));
    let ids = ["exports/objects", "exports/older", "others/objects"]
        .map(|folder| format!("arn:aws:s3:::{folder}/shop/orders/muster-r00000000000-e-1.json"));
    let point = |id: &String| RecoveryPoint { id: id.clone(), ..point(20, true) };
    call.points = ids.iter().map(point).collect();
    let place = Place::of(&call, Keeper::Active).unwrap();
    let Progress::Done(done) = marked(&call, &place, &Listing::default()) else { panic!() };
    assert_eq!(done.points, [PointChange::Deleted { id: ids[0].clone() }]);
}
