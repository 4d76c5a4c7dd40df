//! The whole way of an event: a rule of the bus, the function, a queue, the daemon's journal.

use std::{collections::BTreeMap, fs};

use muster_lambdas::{settings::Rules, translate::translate, unpack::unpack};
use muster_tests::emulator::ministack::Ministack;
use serde_json::{Value, json};

use super::{
    EAST, WEST, fixture, read,
    runtime::{spoil, wanted},
    until,
};

/// Whose events the rules let through; what Terraform is given as variables.
const NAMES: [(&str, &str); 4] = [
    ("health_services", r#"["RDS"]"#),
    ("alarm_names", r#"[{"prefix":"orders-"}]"#),
    ("pipelines", r#"["covetpy-release"]"#),
    ("deployments", r#"["covetpy"]"#),
];

/// The patterns that are deployed, by the names of their rules.
fn patterns() -> BTreeMap<String, Value> {
    let mut text =
        include_str!("../../../deploy/terraform/modules/events/patterns.json.tftpl").to_owned();
    for (name, value) in NAMES {
        text = text.replace(&format!("${{{name}}}"), value);
    }
    serde_json::from_str(&text).expect("the patterns are JSON once the names stand in them")
}

/// What the function is invoked with, by the names of the fixtures.
fn events() -> Vec<(String, Value)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../lambdas/fixtures");
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("fixtures")
        .map(|entry| entry.expect("a fixture").path())
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .filter(|name| name != "rules")
        .collect();
    names.sort();
    names.into_iter().map(|name| (name.clone(), fixture(&name))).collect()
}

/// What the queues are told of events. A bus gives each its own id.
fn told(payloads: &[Value], rules: &Rules) -> Vec<String> {
    let mut told: Vec<String> = payloads
        .iter()
        .flat_map(|payload| unpack(payload, rules).parcels)
        .filter_map(|parcel| translate(&parcel.event.ok()?, rules).ok())
        .map(|(_, text)| text)
        .collect();
    told.sort();
    told
}

fn without_id(text: &str) -> String {
    let mut message: Value = serde_json::from_str(text).expect("a message");
    message["source"]["event_id"] = Value::Null;
    message.to_string()
}

fn all_without_id(texts: &[String]) -> Vec<String> {
    let mut texts: Vec<String> = texts.iter().map(|text| without_id(text)).collect();
    texts.sort();
    texts
}

/// Goal: what AWS tells goes its whole way by the rules as they are deployed, and comes into the journal as the
/// translation says; what no rule is about goes nowhere.
/// Method: buses, functions and queues of two regions; each fixture is put on the bus of its region by AWS's own
/// hand, a schedule's through the rule that is a schedule. What comes to the function past the buses, from
/// alarms, topics and buckets, is given to it. One queue is compared with the translation, the other is read by
/// the daemon.
#[tokio::test(flavor = "multi_thread")]
async fn every_event_by_its_rule_into_the_journal() {
    let Some(stack) = Ministack::start().await else { return };
    let queues = [
        (EAST, stack.queue(EAST, "events-east").await),
        (WEST, stack.queue(WEST, "events-west").await),
    ];
    let rules: Rules = serde_json::from_value(fixture("rules")).expect("rules");
    let addresses: Vec<Value> =
        queues.iter().map(|(region, url)| json!({ "region": region, "url": url })).collect();
    let env = [
        ("MUSTER_RULES", fixture("rules").to_string()),
        ("MUSTER_QUEUES", Value::from(addresses).to_string()),
    ];
    let zip = stack.on_event_zip().await;
    for region in [EAST, WEST] {
        let function = stack.on_event(region, zip.clone(), &env).await;
        for (name, pattern) in patterns() {
            let how = ("EventPattern", &*pattern.to_string());
            stack.rule(region, &format!("muster-{name}"), how, &function).await;
        }
        for schedule in &rules.schedules {
            let how = ("ScheduleExpression", "cron(0 2 * * ? *)");
            stack.rule(region, &schedule.rule, how, &function).await;
        }
    }

    // First, so that it would be there before the others are.
    let strange =
        fixture("alarm-over-eventbridge").to_string().replace("orders-rpo-lag", "other-lag");
    let strange: Value = serde_json::from_str(&strange).expect("an event");
    assert_eq!(told(std::slice::from_ref(&strange), &rules).len(), 1, "the function would take it");
    stack.emit(&strange).await;
    let mut payloads = Vec::new();
    for (name, payload) in events() {
        match payload["detail-type"].is_string() {
            true => stack.emit(&payload).await,
            false => stack.tell_function(EAST, &payload).await,
        }
        let is_for_nobody = ["ec2-instance-stopped", "pipeline-succeeded", "s3-test-event"];
        let told = told(std::slice::from_ref(&payload), &rules);
        assert_eq!(told.is_empty(), is_for_nobody.contains(&&*name), "{name}: {told:?}");
        payloads.push(payload);
    }
    let told = told(&payloads, &rules);
    for (region, url) in &queues {
        let have_come = async || stack.held(region, url).await as usize >= told.len();
        until("the messages are on the queue", have_come).await;
    }

    let [(east, url), west] = &queues;
    assert_eq!(all_without_id(&stack.take_all(east, url).await), all_without_id(&told));
    let folder = tempfile::tempdir().expect("a folder");
    let clock = folder.path().join("clock");
    fs::write(&clock, spoil::NOW).expect("the clock is written");
    let held = async |region: &str, url: &str| stack.held(region, url).await;
    let facts = read(stack.env(), &clock, folder.path(), std::slice::from_ref(west), held).await;
    let wanted = wanted(&told, spoil::NOW.parse().expect("an instant"));
    let is_start = |fact: &&String| fact.starts_with("run ") || fact.starts_with("proposal ");
    let starts: Vec<String> = facts.iter().filter(is_start).cloned().collect();
    assert_eq!(starts, wanted.starts);
    let of = |start: &str| facts.iter().filter(|fact| fact.starts_with(start)).count();
    assert_eq!(of("nudge by events about"), wanted.nudges);
    // Told of one queue of the two.
    assert_eq!(of("refused event:events: it was worth acting on until") * 2, *wanted.late.end());
    assert!(!starts.is_empty() && wanted.nudges > 3 && *wanted.late.end() > 3, "{facts:#?}");
}
