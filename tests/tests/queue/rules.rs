//! The whole way of an event: a rule of the bus, the function, a queue, the daemon's journal.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use jiff::Timestamp;
use muster::clock::Clock;
use muster_lambdas::{settings::Rules, translate::translate, unpack::unpack};
use muster_tests::emulator::{aws::ACCOUNT, ministack::Ministack};
use serde_json::{Value, json};

use super::{
    EAST, WEST, fixture, read,
    runtime::{self, spoil, wanted},
    say, until,
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

/// How a refusal begins that is about lateness.
const LATE: &str = "refused event:events: it was worth acting on until";

/// So many events are on their way at a time: each takes an environment of the function.
const WAVE: usize = 8;

/// What is deployed for events in both regions.
struct Deployed {
    stack: Ministack,
    rules: Rules,
    patterns: BTreeMap<String, Value>,
    queues: [(&'static str, String); 2],
}

impl Deployed {
    /// Buses with their rules, functions and queues; `None`, and a skip, where the emulator is missing.
    async fn make() -> Option<Deployed> {
        let stack = Ministack::start().await?;
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
        let (zip, patterns) = (stack.on_event_zip().await, patterns());
        for region in [EAST, WEST] {
            let function = stack.on_event(region, zip.clone(), &env).await;
            for (name, pattern) in &patterns {
                let how = ("EventPattern", &*pattern.to_string());
                stack.rule(region, &format!("muster-{name}"), how, &function).await;
            }
            for schedule in &rules.schedules {
                let how = ("ScheduleExpression", "cron(0 2 * * ? *)");
                stack.rule(region, &schedule.rule, how, &function).await;
            }
        }
        Some(Deployed { stack, rules, patterns, queues })
    }

    /// Waits until so many messages have come to both queues.
    async fn until_held(&self, count: usize) {
        for (region, url) in &self.queues {
            let have_come = async || self.stack.held(region, url).await as usize >= count;
            until("the messages are on the queue", have_come).await;
        }
    }
}

/// What the daemon makes of one queue, in words.
async fn taken_in(stack: &Ministack, queue: &(&'static str, String)) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = folder.path().join("clock");
    fs::write(&clock, spoil::NOW).expect("the clock is written");
    let held = async |region: &str, url: &str| stack.held(region, url).await;
    read(stack.env(), &clock, folder.path(), std::slice::from_ref(queue), held).await
}

fn starts(facts: &[String]) -> Vec<String> {
    let is_start = |fact: &&String| fact.starts_with("run ") || fact.starts_with("proposal ");
    facts.iter().filter(is_start).cloned().collect()
}

fn count(facts: &[String], start: &str) -> usize {
    facts.iter().filter(|fact| fact.starts_with(start)).count()
}

/// Goal: what AWS tells goes its whole way by the rules as they are deployed, and comes into the journal as the
/// translation says; what no rule is about goes nowhere.
/// Method: buses, functions and queues of two regions; each fixture is put on the bus of its region by AWS's own
/// hand, a schedule's through the rule that is a schedule. What comes to the function past the buses, from
/// alarms, topics and buckets, is given to it. One queue is compared with the translation, the other is read by
/// the daemon.
#[tokio::test(flavor = "multi_thread")]
async fn every_event_by_its_rule_into_the_journal() {
    let Some(Deployed { stack, rules, queues, .. }) = Deployed::make().await else { return };
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
    let facts = taken_in(&stack, west).await;
    let wanted = wanted(&told, spoil::NOW.parse().expect("an instant"));
    assert_eq!(starts(&facts), wanted.starts);
    assert_eq!(count(&facts, "nudge by events about"), wanted.nudges);
    // Told of one queue of the two.
    assert_eq!(count(&facts, LATE) * 2, *wanted.late.end());
    let is_all_met = !wanted.starts.is_empty() && wanted.nudges > 3 && *wanted.late.end() > 3;
    assert!(is_all_met, "{facts:#?}");
}

/// An event as a bus delivers it, under an id of its own; `None` for what no bus takes: each has a source, a kind, an
/// account, an instant to the second, and details.
fn on_a_bus(event: &Value) -> Option<Value> {
    let text = |key: &str| event[key].as_str().filter(|text| !text.is_empty());
    let at = text("time")?;
    let is_instant = at.len() == "2026-03-01T02:05:13Z".len() && at.parse::<Timestamp>().is_ok();
    let account = text("account")?;
    let is_account = account.len() == 12 && account.bytes().all(|digit| digit.is_ascii_digit());
    let is_region = [EAST, WEST].contains(&text("region")?);
    let resources = event["resources"].as_array()?;
    let is_list = resources.iter().all(Value::is_string);
    if !(is_instant && is_account && is_region && is_list && event["detail"].is_object()) {
        return None;
    }
    Some(json!({
        "version": "0", "id": "its own", "source": text("source")?, "detail-type": text("detail-type")?,
        "account": account, "time": at, "region": event["region"], "resources": resources,
        "detail": event["detail"],
    }))
}

/// Whether a pattern lets an event through, as far as the deployed ones go: lists of texts and of beginnings.
fn lets_through(pattern: &Value, event: &Value) -> bool {
    let fits = |wanted: &Value, found: &Value| match wanted["prefix"].as_str() {
        Some(prefix) => found.as_str().is_some_and(|text| text.starts_with(prefix)),
        None => wanted == found,
    };
    pattern.as_object().expect("a pattern").iter().all(|(key, wanted)| match wanted.as_array() {
        Some(any) => {
            let found = &event[key];
            let found = found.as_array().map_or(std::slice::from_ref(found), Vec::as_slice);
            any.iter().any(|wanted| found.iter().any(|found| fits(wanted, found)))
        }
        None => lets_through(wanted, &event[key]),
    })
}

/// How often an event comes to the function of its region: once for each rule.
fn deliveries(event: &Value, patterns: &BTreeMap<String, Value>, rules: &Rules) -> usize {
    if event["source"] != "aws.events" {
        return patterns.values().filter(|pattern| lets_through(pattern, event)).count();
    }
    let region = event["region"].as_str().unwrap_or_default();
    let is_named = |rule: &str| {
        let arn = json!(format!("arn:aws:events:{region}:{ACCOUNT}:rule/{rule}"));
        event["resources"].as_array().is_some_and(|all| all.contains(&arn))
    };
    rules.schedules.iter().filter(|schedule| is_named(&schedule.rule)).count()
}

/// Goal: whatever is wrong with an event, the whole way from the bus to the journal makes of it what the rules and
/// the translation say: a request, a nudge, a refusal or nothing; and nothing becomes two runs.
/// Method: the ten thousand of the other test. What a bus takes is put on the bus of its region, all else is given to
/// the function. The rules are read a second time here, and what lies on a queue must be that and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_spoilt_events_by_the_rules() {
    let Some(deployed) = Deployed::make().await else { return };
    let Deployed { stack, rules, patterns, queues } = &deployed;
    let events = runtime::events(rules);
    let (mut all, mut on_buses, mut passed) = (Vec::new(), 0, 0);
    let begun_at = Clock::Real.now();
    for wave in events.chunks(WAVE) {
        for event in wave {
            let comes = match on_a_bus(event) {
                Some(event) => {
                    stack.emit(&event).await;
                    on_buses += 1;
                    let times = deliveries(&event, patterns, rules);
                    passed += times;
                    vec![event; times]
                }
                None => {
                    stack.tell_function(EAST, event).await;
                    vec![event.clone()]
                }
            };
            all.extend(told(&comes, rules));
        }
        deployed.until_held(all.len()).await;
    }
    let took = Clock::Real.now().duration_since(begun_at).as_secs_f64();
    say(&format!(
        "{} events, {on_buses} by a bus, {passed} let through, {} messages on each queue: {:.0} events per second",
        events.len(),
        all.len(),
        events.len() as f64 / took,
    ));

    let [(east, url), west] = queues;
    let wanted_texts: BTreeSet<String> = all.iter().map(|text| without_id(text)).collect();
    let mut found = BTreeSet::new();
    // A send whose answer came late was made twice, so that as many as are wanted are not yet all.
    let have_come = async || {
        found.extend(stack.take_all(east, url).await.iter().map(|text| without_id(text)));
        wanted_texts.is_subset(&found)
    };
    until("each message has come", have_come).await;
    let strange: Vec<&String> = found.difference(&wanted_texts).take(5).collect();
    assert!(strange.is_empty(), "{strange:#?}");

    let facts = taken_in(stack, west).await;
    let wanted = wanted(&all, spoil::NOW.parse().expect("an instant"));
    assert_eq!(starts(&facts), wanted.starts, "one for each occurrence");
    assert_eq!(count(&facts, "nudge by events about"), wanted.nudges);
    let late = count(&facts, LATE);
    assert!((*wanted.late.start()..=*wanted.late.end()).contains(&(late * 2)), "{late} are late");
    assert!(late > 0 && wanted.nudges > 0 && !wanted.starts.is_empty() && passed > 1_000);
}
