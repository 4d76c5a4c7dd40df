//! Every fixture and what becomes of it.

use serde_json::{Value, json};

use super::*;

fn rules() -> Rules {
    serde_json::from_str(include_str!("../../fixtures/rules.json")).unwrap()
}

fn fixture(name: &str) -> Value {
    let path = format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn seen(event: &Value) -> String {
    match translate(event, &rules()) {
        Ok(message) => message.write().unwrap(),
        Err(not_ours) => format!("not ours: {not_ours}"),
    }
}

/// Goal: nobody changes what an event asks for without seeing this table change.
/// Method: translate every fixture and print the text for the queue.
#[test]
fn every_fixture_and_its_message() {
    let mut names: Vec<String> =
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures"))
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .filter(|name| name != "rules")
            .collect();
    names.sort();
    let table: String =
        names.iter().map(|name| format!("{name}\n  {}\n", seen(&fixture(name)))).collect();
    assert_eq!(
        table,
        r#"rds-automated-snapshot-created
  {"v":1,"kind":{"nudge":{"about":"arn:aws:rds:us-east-1:123456789012:cluster-snapshot:rds:orders-east-2026-03-01-05-09"}},"dedupe_key":"rds|RDS-EVENT-0169|arn:aws:rds:us-east-1:123456789012:cluster-snapshot:rds:orders-east-2026-03-01-05-09|2026-03-01T05:10:01.87Z","source":{"account":"123456789012","region":"us-east-1","event_id":"c7f0c0de-1111-4222-8333-abcdefabcdef","event_type":"RDS DB Cluster Snapshot Event"},"occurred_at":"2026-03-01T05:10:01.87Z","not_after":"2026-03-01T06:10:01.87Z"}
rds-global-failover-completed
  not ours: no translation for `RDS DB Cluster Event` of `aws.rds`
rds-manual-snapshot-created
  {"v":1,"kind":{"nudge":{"about":"arn:aws:rds:us-east-1:123456789012:cluster-snapshot:muster-orders-daily-20260301t0200z-a1b2c3d4"}},"dedupe_key":"rds|RDS-EVENT-0075|arn:aws:rds:us-east-1:123456789012:cluster-snapshot:muster-orders-daily-20260301t0200z-a1b2c3d4|2026-03-01T02:09:41.412Z","source":{"account":"123456789012","region":"us-east-1","event_id":"b6f0c0de-1111-4222-8333-abcdefabcdef","event_type":"RDS DB Cluster Snapshot Event"},"occurred_at":"2026-03-01T02:09:41.412Z","not_after":"2026-03-01T03:09:41.412Z"}
rds-snapshot-creating
  not ours: nothing waits for `RDS-EVENT-0074`
s3-replication-failed
  not ours: it is no EventBridge event: missing field `detail-type`
schedule-daily-backup
  {"v":1,"kind":{"request":{"runbook":"daily-backup","application":"covetpy","inputs":{},"reason":"nightly backup"}},"dedupe_key":"schedule|123456789012|muster-daily-backup|daily-backup|covetpy|2026-03-01T02:00:00Z","source":{"account":"123456789012","region":"us-west-2","event_id":"53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa","event_type":"Scheduled Event"},"occurred_at":"2026-03-01T02:00:00Z","not_after":"2026-03-01T08:00:00Z"}
schedule-failover
  {"v":1,"kind":{"request":{"runbook":"region-failover","application":"covetpy","inputs":{"data_loss_max":"1m"},"reason":"quarterly move"}},"dedupe_key":"schedule|123456789012|muster-failover|region-failover|covetpy|2026-03-01T04:30:00Z","source":{"account":"123456789012","region":"us-west-2","event_id":"0a1b2c3d-0000-4f76-80c9-8b7d4a4d2eaa","event_type":"Scheduled Event"},"occurred_at":"2026-03-01T04:30:59Z","not_after":"2026-03-01T05:30:59Z"}
"#
    );
}

/// Goal: nothing that is missing, foreign or strange becomes a message, and nothing panics.
/// Method: put one value into a good event after the other.
#[test]
fn a_spoilt_event_is_not_ours() {
    let (schedule, rds) = ("schedule-daily-backup", "rds-manual-snapshot-created");
    let other = json!("arn:aws:rds:us-east-1:999999999999:cluster-snapshot:a");
    let elsewhere = json!("arn:aws:rds:eu-west-1:123456789012:cluster-snapshot:a");
    let spaced = json!("arn:aws:rds:us-east-1:123456789012:cluster-snapshot:a b");
    let bus = json!(["arn:aws:events:us-west-2:123456789012:event-bus/default"]);
    let unknown = json!(["arn:aws:events:us-west-2:123456789012:rule/unknown"]);
    for (name, pointer, value, wanted) in [
        (schedule, "/account", json!("999999999999"), "account `999999999999` is not listed"),
        (schedule, "/account", Value::Null, "`account` is missing"),
        (schedule, "/region", json!("eu-west-1"), "region `eu-west-1` is not listed"),
        (schedule, "/region", json!("moon\u{1b}[2J"), "region `moon[2J` is not listed"),
        (schedule, "/source", json!("acme.orders"), "no translation for `Scheduled Event`"),
        (schedule, "/source", json!(7), "it is no EventBridge event: invalid type: integer `7`"),
        (schedule, "/resources", json!([]), "`resources[0]` is missing"),
        (schedule, "/resources", Value::Null, "`resources[0]` is missing"),
        (schedule, "/resources", json!([""]), "`resources[0]` is missing"),
        (schedule, "/resources", json!(["rule/muster-daily-backup"]), "`rule/muster-daily-backup`"),
        (schedule, "/resources", bus, "`resources[0]` is missing or unreadable"),
        (schedule, "/resources", unknown, "no schedule is configured for rule `unknown`"),
        (schedule, "/time", json!("2026-03-01"), "it is no EventBridge event: premature end"),
        (schedule, "/time", json!(1_772_330_400), "it is no EventBridge event: invalid type"),
        (schedule, "/time", json!("9999-12-30T22:00:00Z"), "`time` is missing or unreadable"),
        (schedule, "/time", Value::Null, "`time` is missing or unreadable"),
        (rds, "/detail", Value::Null, "`detail.EventID` is missing"),
        (rds, "/detail/EventID", json!("RDS-EVENT-9999"), "nothing waits for `RDS-EVENT-9999`"),
        (rds, "/detail/SourceArn", other, "is not in the event's own account"),
        (rds, "/detail/SourceArn", elsewhere, "is not in the event's own account"),
        (rds, "/detail/SourceArn", spaced, "`detail.SourceArn` is missing or unreadable"),
        (rds, "/detail/Date", json!("yesterday"), "`detail.Date` is missing or unreadable"),
    ] {
        let mut event = fixture(name);
        *event.pointer_mut(pointer).unwrap() = value;
        let found = seen(&event);
        assert!(found.starts_with("not ours: ") && found.contains(wanted), "{found}\n{wanted}");
    }
    for event in [json!(null), json!([]), json!("text"), json!({})] {
        assert!(matches!(translate(&event, &rules()), Err(NotOurs::Shape { .. })), "{event}");
    }
}

/// Goal: one occurrence is one key, through whichever rule, region and delivery it comes.
/// Method: change what differs between deliveries, and then what differs between occurrences.
#[test]
fn a_key_says_what_happened_not_how_it_came() {
    let key = |event: &Value| translate(event, &rules()).unwrap().dedupe_key;
    let mut event = fixture("schedule-daily-backup");
    let first = key(&event);
    event["id"] = json!("another");
    event["time"] = json!("2026-03-01T02:00:41Z");
    event["region"] = json!("us-east-1");
    event["resources"][0] = json!("arn:aws:events:us-east-1:123456789012:rule/muster-daily-backup");
    assert_eq!(key(&event), first);
    event["time"] = json!("2026-03-01T02:01:00Z");
    assert_ne!(key(&event), first);

    let mut event = fixture("rds-manual-snapshot-created");
    let first = key(&event);
    event["id"] = json!("another");
    event["time"] = json!("2026-03-01T02:12:00Z");
    event["detail"]["Message"] = json!("anything");
    assert_eq!(key(&event), first);
    event["detail"]["Date"] = Value::Null;
    assert_ne!(key(&event), first);
}
