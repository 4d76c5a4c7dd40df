//! Six hours in which nobody reads the queues, and two deaths while they are caught up with.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use muster::clock::Clock;
use muster_tests::{
    aws,
    daemon::{Daemon, Setup, pause},
    emulator::{EAST, Emulator, WEST},
};
use serde_json::{Value, json};

use super::say;

/// What happened meanwhile. Each is told in both regions, and each fifth of those twice.
const FACTS: i64 = 5_000;

/// For how long nobody was there.
const DOWN: SignedDuration = SignedDuration::from_hours(6);

/// No fact turns too late while it is caught up with: that would depend on the machine.
const MARGIN: SignedDuration = SignedDuration::from_mins(31);

/// How long this may take by the machine's clock.
const PATIENCE: SignedDuration = SignedDuration::from_secs(240);

/// What is left on the queues, of a hundred, when the process is killed.
const KILLED_AT: [u32; 2] = [75, 40];

/// A received message that nobody deleted comes again after so many real seconds.
const HIDDEN_SECS: u32 = 5;

/// What starts: nothing that asks anybody outside.
const RUNBOOKS: &str = "
name: keep-the-night
title: Leave a note
inputs:
  what: { type: text, required: true, why: which one it was }
steps:
  - id: note
    title: Leave a note
    do: rehearse
    with: { say: \"it was asked for\" }
    expect: the note comes back
    limit: 1m
";

/// What one message is, and what is to become of it.
struct Fact {
    text: String,
    /// None where it is for nobody to act on, whenever it comes.
    key: Option<String>,
    acts: bool,
}

/// Who waits for what: the kind, the most that it may be late, and how many of a hundred.
fn kind(number: i64) -> (&'static str, i64, Value) {
    let request = |runbook: &str, inputs: Value| {
        let why = "told by an event";
        json!({ "request": { "runbook": runbook, "application": "covetpy", "inputs": inputs, "reason": why } })
    };
    let about = format!("arn:aws:rds:{WEST}:123456789012:cluster:orders-{}", number % 40);
    match number % 100 {
        0..6 => {
            ("schedule", 6, request("keep-the-night", json!({ "what": format!("night {number}") })))
        }
        6..9 => {
            ("deploy", 2, request("keep-the-night", json!({ "what": format!("before {number}") })))
        }
        9 => ("failover", 1, request("region-failover", json!({ "data_loss_max": "1m" }))),
        10..40 => ("alarm", 6, json!({ "nudge": { "about": about, "says": "it is well" } })),
        _ => ("rds", 1, json!({ "nudge": { "about": about } })),
    }
}

/// Everything that happens in the night, in its order.
fn night(begun: Timestamp) -> Vec<Fact> {
    let read_at = begun + DOWN;
    let fact = |number: i64| {
        let (kind, hours, what) = kind(number);
        let key = format!("{kind}|{number}");
        let age = SignedDuration::from_hours(hours);
        let mut at = begun + DOWN * i32::try_from(number).unwrap() / i32::try_from(FACTS).unwrap();
        if at + age >= read_at && at + age < read_at + MARGIN {
            at += MARGIN;
        }
        let message = json!({
            "v": if kind == "alarm" { 2 } else { 1 },
            "kind": what,
            "dedupe_key": key,
            "source": {
                "account": "123456789012", "region": WEST,
                "event_id": format!("event-{number}"), "event_type": kind,
            },
            "occurred_at": at,
            "not_after": at + age,
        });
        let text = message.to_string();
        match number % 300 {
            50 => Fact { text: format!("{number} {}", "[".repeat(500)), key: None, acts: false },
            150 => {
                Fact { text: text.replace("123456789012", "999999999999"), key: None, acts: false }
            }
            250 => Fact { text: text.replace("\"v\":1", "\"v\":71"), key: None, acts: false },
            _ => Fact { text, key: Some(key), acts: at + age >= read_at },
        }
    };
    (0..FACTS).map(fact).collect()
}

/// What the journal holds, by the keys that were taken for what events asked.
#[derive(Default)]
struct Journal {
    /// How often each was taken.
    keys: BTreeMap<String, usize>,
    /// How often each began a run.
    runs: BTreeMap<String, usize>,
}

/// Reads an export of the state directory of a daemon that is not running.
fn journal(setup: &Setup) -> Journal {
    let export = setup.folder.join("all.export");
    let exported = std::process::Command::new(muster_tests::daemon::binary())
        .args(["state", "export"])
        .args([&setup.state(), &export])
        .output()
        .expect("muster runs");
    assert!(exported.status.success(), "{exported:?}");
    let text = std::fs::read_to_string(export).expect("an export");
    let mut journal = Journal::default();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    for line in lines {
        let commit = &line["commit"];
        for taken in commit["take"].as_array().into_iter().flatten() {
            if let Some(key) =
                taken["key"].as_str().and_then(|key| key.strip_prefix("dedupe/queue/"))
            {
                *journal.keys.entry(key.to_owned()).or_default() += 1;
            }
        }
        for entry in commit["entries"].as_array().into_iter().flatten() {
            let request = &entry["event"]["run"]["admitted"]["request"];
            if let Some(key) =
                request["dedupe_key"].as_str().and_then(|key| key.strip_prefix("queue/"))
            {
                *journal.runs.entry(key.to_owned()).or_default() += 1;
            }
        }
    }
    journal
}

/// All that the API shows of a list that comes in pages.
async fn all(daemon: &Daemon, path: &str) -> Vec<Value> {
    let (mut items, mut after) = (Vec::new(), String::new());
    loop {
        let (status, page) =
            daemon.get(&format!("{path}?limit=200{after}")).await.expect("an answer");
        assert_eq!(status, 200, "{page}");
        items.extend(page["items"].as_array().expect("items").iter().cloned());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return items,
        }
    }
}

/// Goal: after six hours in which nobody was there, each of five thousand facts is acted on once or lies where
/// the API shows it with the reason, whatever happens to whoever catches up (I21).
/// Method: what the functions of both regions would have put on their queues, some of it twice, some too old
/// by now and some spoilt; the process is killed while it catches up, twice, and whoever comes last finishes.
#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_facts_of_six_hours() {
    let Some(mut world) = Emulator::start() else { return };
    world.set(json!({ "message_hidden_secs_max": HIDDEN_SECS })).await;
    let queues = [
        (EAST, world.queue(EAST, "events-east").await),
        (WEST, world.queue(WEST, "events-west").await),
    ];
    let setup = setup(&world, &queues);
    let night = night(world.now());
    let mut sent = 0;
    for (region, url) in &queues {
        let twice = |number: usize| number % 5 == usize::from(*region == EAST);
        let mut texts: Vec<String> = night.iter().map(|fact| fact.text.clone()).collect();
        // The second one comes later than what happened after it.
        let again = night.iter().enumerate().filter(|(number, _)| twice(*number));
        texts.extend(again.map(|(_, fact)| fact.text.clone()));
        world.send_messages(region, url, &texts).await;
        sent += texts.len();
    }
    world.pass(DOWN.as_secs());
    let came_back_at = world.now();

    let (mut daemon, mut kills) = (setup.start().await, KILLED_AT.iter().peekable());
    let begun_at = Clock::Real.now();
    loop {
        let mut left = 0;
        for (region, url) in &queues {
            left += world.held(region, url).await;
        }
        if left == 0 {
            break;
        }
        let of_hundred = u64::from(left) * 100 / sent as u64;
        if kills.next_if(|kill_at| of_hundred < u64::from(**kill_at)).is_some() {
            daemon.kill();
            daemon = setup.start().await;
        }
        assert!(Clock::Real.now() < begun_at + PATIENCE, "{left} left: {}", daemon.last_words());
        assert!(!daemon.has_ended(), "{}", daemon.last_words());
        // As fast as the machine's, so that what is in time stays so.
        let passed = world.now().duration_since(came_back_at).as_secs();
        world.pass(Clock::Real.now().duration_since(begun_at).as_secs() - passed);
        pause().await;
    }
    assert_eq!(kills.next(), None, "it was killed as often as it should be");
    let secs = Clock::Real.now().duration_since(begun_at).as_secs_f64();
    say(&format!(
        "{sent} messages of {FACTS} facts: {:.0} per second from queue to journal",
        sent as f64 / secs
    ));

    let refused = refused(&all(&daemon, "/v1/refusals").await);
    // One that ends between two pages is on both.
    let shown: BTreeSet<String> =
        all(&daemon, "/v1/runs").await.iter().map(|run| run["id"].to_string()).collect();
    daemon.kill();
    let wanted = |is: fn(&Fact) -> bool| -> BTreeMap<String, usize> {
        let facts = night.iter().filter(|fact| fact.acts && is(fact));
        facts.filter_map(|fact| Some((fact.key.clone()?, 1))).collect()
    };
    let journal = journal(&setup);
    assert_eq!(journal.keys, wanted(|_| true), "each once and no other");
    let starts = |fact: &Fact| fact.text.contains("keep-the-night");
    assert_eq!(journal.runs, wanted(starts), "a run for each, and for no other");
    assert_eq!(shown.len(), journal.runs.len(), "and the API shows them");
    // A message whose record was made and which was not deleted before the kill has a second record.
    let parked = |number: usize| 2 + usize::from(number % 5 < 2);
    let parked: usize =
        night.iter().enumerate().filter(|(_, fact)| !fact.acts).map(|(n, _)| parked(n)).sum();
    assert_eq!(refused.len(), parked, "each message that does nothing is shown");
    assert!(journal.runs.len() > 300 && parked > 2_000 && journal.keys.len() > 1_500);
}

/// A daemon that reads both queues, past the faults.
fn setup(world: &Emulator, queues: &[(&str, String)]) -> Setup {
    let runbooks = world.folder().join("runbooks");
    std::fs::create_dir(&runbooks).expect("a folder");
    std::fs::write(runbooks.join("night.yaml"), RUNBOOKS).expect("a runbook");
    let applications = format!("{}/../deploy/covetpy/applications", env!("CARGO_MANIFEST_DIR"));
    let mut more =
        format!("applications: [{applications}]\nrunbooks: [{}]\nqueues:\n", runbooks.display());
    for (region, url) in queues {
        more += &format!(
            "  - principal: events\n    region: {region}\n    url: {url}\n    \
             accounts: [\"123456789012\"]\n    may_start: [keep-the-night]\n"
        );
    }
    let mut setup = Setup::write(world.folder(), &more);
    setup.clock = Some(world.clock_file());
    setup.env = aws::env(&world.aws_url());
    setup
}

/// The messages that were refused, each for one of the reasons that there are.
fn refused(refusals: &[Value]) -> BTreeSet<String> {
    let mut messages = BTreeSet::new();
    for refusal in refusals {
        assert_eq!(refusal["who"], "event:events", "{refusal}");
        let because = refusal["because"].as_str().expect("a reason");
        let known = [
            "it was worth acting on until",
            "not the JSON of a message",
            "account 999999999999",
            "message version 71",
        ];
        assert!(known.iter().any(|known| because.contains(known)), "{refusal}");
        let what = refusal["what"].as_str().expect("what was asked for");
        let (_, message) = what.split_once("(message ").expect("the message's id");
        messages.insert(message.to_owned());
    }
    messages
}
