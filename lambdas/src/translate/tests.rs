//! Every fixture and what becomes of it.

mod mutations;
mod spoil;

use muster_runbooks::message::Kind;
use serde_json::{Value, json};

use super::*;
use crate::unpack::unpack;

fn rules() -> Rules {
    serde_json::from_str(include_str!("../../fixtures/rules.json")).unwrap()
}

fn fixture(name: &str) -> Value {
    let path = format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// What becomes of each event in a payload, one to a line.
fn seen(payload: &Value) -> String {
    let rules = rules();
    let word =
        |event: Result<Value, NotOurs>| match event.and_then(|event| translate(&event, &rules)) {
            Ok((_, text)) => text,
            Err(not_ours) => format!("not ours: {not_ours}"),
        };
    let parcels = unpack(payload, &rules).parcels;
    parcels.into_iter().map(|parcel| word(parcel.event)).collect::<Vec<_>>().join("\n  ")
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
    assert_eq!(table, include_str!("fixtures.txt"));
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
        (rds, "/detail/EventID", json!("RDS EVENT"), "`detail.EventID` is missing or unreadable"),
        (rds, "/source", json!("aws.health"), "no translation for `RDS DB Cluster Snapshot Event`"),
        (rds, "/detail/SourceArn", other, "is not in the event's own account"),
        (rds, "/detail/SourceArn", elsewhere, "is not in the event's own account"),
        (rds, "/detail/SourceArn", spaced, "`detail.SourceArn` is missing or unreadable"),
        (rds, "/detail/Date", json!("yesterday"), "`detail.Date` is missing or unreadable"),
    ] {
        spoilt(name, pointer, value, wanted);
    }
    for event in [json!(null), json!([]), json!("text"), json!({})] {
        assert!(matches!(translate(&event, &rules()), Err(NotOurs::Shape { .. })), "{event}");
    }
}

/// Goal: the same for everything that is no schedule and no snapshot.
#[test]
fn spoilt_words_are_not_ours() {
    let (health, alarm, action) =
        ("health-issue-open", "alarm-over-eventbridge", "alarm-as-an-action");
    let (backup, deploy, s3) = ("backup-job-failed", "pipeline-started", "s3-replication-failed");
    let record = |field: &str| format!("/Records/0/{field}");
    let foreign = |service: &str, name: &str| {
        json!(format!("arn:aws:{service}:us-west-2:999999999999:{name}"))
    };
    for (name, pointer, value, wanted) in [
        (health, "/detail/eventRegion", json!("eu-west-1"), "region `eu-west-1` is not listed"),
        (health, "/detail/affectedAccount", json!("999999999999"), "account `999999999999`"),
        (health, "/detail/eventArn", json!("RDS"), "`detail.eventArn` is missing"),
        (health, "/detail/communicationId", json!("a b"), "`detail.communicationId` is missing"),
        (health, "/time", Value::Null, "`time` is missing"),
        (alarm, "/resources/0", foreign("cloudwatch", "alarm:a"), "is not in the event's own"),
        (alarm, "/detail/state/value", json!(1), "`detail.state.value` is missing"),
        (alarm, "/detail/state/timestamp", json!("now"), "`detail.state.timestamp` is missing"),
        (action, "/accountId", json!("999999999999"), "account `999999999999` is not listed"),
        (action, "/region", json!("us-west-2"), "is not in the event's own account and region"),
        (backup, "/detail/resourceArn", foreign("rds", "cluster:a"), "is not in the event's own"),
        (backup, "/detail/backupJobId", Value::Null, "`the job's id` is missing"),
        (backup, "/detail/state", Value::Null, "`detail.state` is missing"),
        (deploy, "/detail/pipeline", json!("other"), "no deployment rule names `other`"),
        (deploy, "/detail/execution-id", json!("a b"), "`detail.execution-id` is missing"),
        (deploy, "/detail/state", json!("RESUMED"), "nothing waits for `RESUMED`"),
        (s3, &record("eventName"), json!("ObjectCreated:Put"), "no translation for `ObjectCreated"),
        (s3, &record("s3/bucket/name"), json!("another"), "bucket `another` is not listed"),
        (s3, &record("awsRegion"), json!("eu-west-1"), "region `eu-west-1` is not listed"),
        (s3, &record("s3/object/key"), Value::Null, "`s3.object.key` is missing"),
    ] {
        spoilt(name, pointer, value, wanted);
    }
}

fn spoilt(name: &str, pointer: &str, value: Value, wanted: &str) {
    let mut event = fixture(name);
    *event.pointer_mut(pointer).unwrap() = value;
    let found = seen(&event);
    assert!(found.starts_with("not ours: ") && found.contains(wanted), "{found}\n{wanted}");
}

/// Goal: what is unknown is said to be unknown, and a truth may come as a text.
#[test]
fn words_say_what_they_are() {
    let says = |name: &str, pointer: &str, value: Value| {
        let mut event = fixture(name);
        *event.pointer_mut(pointer).unwrap() = value;
        let (message, _) = translate(&event, &rules()).unwrap();
        let Kind::Nudge { says, .. } = message.kind else { panic!("{name} asks for something") };
        says.unwrap()
    };
    let health = "health-issue-open";
    for (value, is_backup) in
        [(json!(true), true), (json!("true"), true), (json!("false"), false), (json!(7), false)]
    {
        let said = says(health, "/detail/backupEvent", value.clone());
        assert_eq!(said.ends_with("told by the backup region"), is_backup, "{value}: {said}");
    }
    let alarm = "alarm-over-eventbridge";
    let said = says(alarm, "/detail/state/value", json!("SLEEPING"));
    assert!(said.ends_with("is in the unknown state `SLEEPING`"), "{said}");
    let said = says("backup-job-failed", "/detail/state", json!("DREAMING"));
    assert!(said.contains("is in the unknown state DREAMING: example"), "{said}");
}

/// Goal: one occurrence is one key, through whichever rule, region and delivery it comes.
/// Method: change what differs between deliveries, and then what differs between occurrences.
#[test]
fn a_key_says_what_happened_not_how_it_came() {
    let key = |event: &Value| translate(event, &rules()).unwrap().0.dedupe_key;
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

    // Health says everything twice, from two regions.
    let mut event = fixture("health-issue-open");
    let first = key(&event);
    (event["id"], event["region"]) = (json!("another"), json!("us-east-1"));
    event["time"] = json!("2026-03-01T06:51:30Z");
    event["detail"]["backupEvent"] = json!(false);
    assert_eq!(key(&event), first);
    event["detail"]["communicationId"] = json!("9f1c-2");
    assert_ne!(key(&event), first);

    // One change of an alarm through two of its shapes.
    let mut event = fixture("alarm-over-eventbridge");
    let mut action = fixture("alarm-as-an-action");
    action["alarmData"]["state"] = event["detail"]["state"].clone();
    (event["region"], event["resources"][0]) =
        (action["region"].clone(), action["alarmArn"].clone());
    assert_eq!(key(&event), key(&action));
    action["alarmData"]["state"]["value"] = json!("OK");
    assert_ne!(key(&event), key(&action));
}
