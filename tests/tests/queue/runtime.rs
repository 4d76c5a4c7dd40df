//! Ten thousand spoilt events through the real Lambda runtime, and what the daemon makes of them.

#[path = "../../../lambdas/src/translate/tests/spoil.rs"]
pub(super) mod spoil;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use jiff::{SignedDuration, Timestamp};
use muster::clock::Clock;
use muster_lambdas::{settings::Rules, translate::translate, unpack::unpack};
use muster_runbooks::message::{Kind, Message};
use serde_json::{Value, json};

use self::spoil::{Dice, SEED, batch, fixtures, spoilt};
use super::{Stage, fixture, say};

const EVENTS: usize = 10_000;

/// What a queue gives a function at a time, at most.
const BATCH: usize = 10;

/// The daemon's own limit: what happened later than that has not happened (`queue/judge.rs`).
const AHEAD_MAX: SignedDuration = SignedDuration::from_mins(5);

/// Refusals that an hour has room for (`queue/audit.rs`), and some to spare.
const WRONG_MAX: usize = 80;

/// Spoilt ones; each seventh is one that came before.
pub(super) fn events(rules: &Rules) -> Vec<Value> {
    let (fixtures, mut dice) = (fixtures(), Dice(SEED));
    let mut events: Vec<Value> = Vec::new();
    let mut asked = BTreeMap::new();
    while events.len() < EVENTS {
        let again = !events.is_empty() && dice.below(7) == 0;
        let event = if again { dice.pick(&events).clone() } else { spoilt(&fixtures, &mut dice) };
        // One job of AWS Backup that is about two things is a forgery, and there is a test of those: whoever
        // comes second is refused, and who that is hangs on which of the queues is read first.
        let is_torn = told(&event, rules).iter().any(|text| {
            let message = Message::read(text).expect("a message");
            let what = match message.kind {
                Kind::Nudge { about, .. } => about,
                Kind::Request { runbook, inputs, .. } => format!("{runbook} {inputs:?}"),
            };
            *asked.entry(message.dedupe_key).or_insert_with(|| what.clone()) != what
        });
        if !is_torn {
            events.push(event);
        }
    }
    events
}

/// What functions are invoked with: each second time one event, else a queue's batch.
fn payloads(rules: &Rules) -> Vec<Value> {
    let queue = rules.carriers.iter().find(|arn| arn.contains(":sqs:")).expect("a queue");
    let events = events(rules);
    let mut payloads = Vec::new();
    let mut rest = &events[..];
    while !rest.is_empty() {
        let size = if payloads.len() % 2 == 0 { 1 } else { BATCH.min(rest.len()) };
        let (some, others) = rest.split_at(size);
        let some: Vec<&Value> = some.iter().collect();
        payloads.push(if size == 1 { some[0].clone() } else { batch(queue, &some) });
        rest = others;
    }
    payloads
}

/// What the translation says that the queues are told of a payload.
fn told(payload: &Value, rules: &Rules) -> Vec<String> {
    let parcels = unpack(payload, rules).parcels.into_iter();
    let texts = parcels.filter_map(|parcel| translate(&parcel.event.ok()?, rules).ok());
    texts.map(|(_, text)| text).collect()
}

/// What the daemon does with messages: the words of [`super::facts`] about what starts, in their order, and how
/// many nudges there are; what is refused lies between two numbers.
pub(super) struct Wanted {
    pub(super) starts: Vec<String>,
    pub(super) nudges: usize,
    /// Of both queues.
    pub(super) late: std::ops::RangeInclusive<usize>,
    /// Of both queues.
    pub(super) wrong_max: usize,
}

pub(super) fn wanted(texts: &[String], now: Timestamp) -> Wanted {
    let messages: Vec<Message> =
        texts.iter().map(|text| Message::read(text).expect("a message")).collect();
    let is_ahead = |one: &&Message| one.occurred_at.duration_since(now) > AHEAD_MAX;
    let (ahead, rest): (Vec<&Message>, Vec<&Message>) = messages.iter().partition(is_ahead);
    let (late, good): (Vec<&Message>, Vec<&Message>) =
        rest.into_iter().partition(|one| one.not_after < now);
    let mut starts = BTreeMap::new();
    let mut nudges = BTreeSet::new();
    for message in &good {
        match &message.kind {
            Kind::Request { runbook, .. } => {
                let word = match runbook.as_str() {
                    "region-failover" => "proposal region-failover".to_owned(),
                    name => format!("run {name} by event:events"),
                };
                starts.insert(&*message.dedupe_key, word);
            }
            Kind::Nudge { .. } => {
                nudges.insert(&*message.dedupe_key);
            }
        }
    }
    let mut starts_in_order: Vec<String> = starts.values().cloned().collect();
    starts_in_order.sort();
    let is_new = |one: &&&Message| {
        !starts.contains_key(&*one.dedupe_key) && !nudges.contains(&*one.dedupe_key)
    };
    Wanted {
        starts: starts_in_order,
        nudges: nudges.len(),
        // What was done before in time is no refusal, however late it comes again.
        late: late.iter().filter(is_new).count() * 2..=late.len() * 2,
        wrong_max: ahead.len() * 2,
    }
}

/// Goal: whatever AWS sends, the function answers and lives, its answer is no error, and what it puts on the queues
/// is what the translation says; and the daemon acts on each occurrence once.
/// Method: the payloads of the translation's own test, of other accounts, twenty hours old, twice and out of order
/// among them, through the real runtime onto two queues and into the journal. Batches go with single events,
/// because an invocation costs what ten events cost.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_spoilt_events_through_the_runtime() {
    let Some(stage) = Stage::set("ten_thousand_spoilt_events_through_the_runtime").await else {
        return;
    };
    fs::write(&stage.clock, spoil::NOW).expect("the clock is written");
    let rules: Rules = serde_json::from_value(fixture("rules")).expect("rules");
    let payloads = payloads(&rules);
    let texts: Vec<String> = payloads.iter().flat_map(|payload| told(payload, &rules)).collect();
    let wanted = wanted(&texts, spoil::NOW.parse().expect("an instant"));
    assert!(
        wanted.wrong_max < WRONG_MAX * 2,
        "{} would fill the hour: another seed",
        wanted.wrong_max
    );

    let mut function = stage.function(&stage.queues).await;
    let begun_at = Clock::Real.now();
    let answers = function.invoke_all(&payloads).await;
    let took = Clock::Real.now().duration_since(begun_at).as_secs_f64();
    for (payload, answer) in payloads.iter().zip(answers) {
        // No event of AWS nests so deep that JSON itself is refused.
        let is_json = serde_json::from_str::<Value>(&payload.to_string()).is_ok();
        let all_delivered = match unpack(payload, &rules).is_batch {
            true => json!({ "batchItemFailures": [] }),
            false => Value::Null,
        };
        match answer {
            Ok(answer) => assert_eq!(answer, all_delivered, "{payload}"),
            Err(why) => assert!(!is_json, "{why}: {payload}"),
        }
    }
    // A send whose answer came too late for the function was made twice.
    let mut again = 0;
    for (region, url) in &stage.queues {
        let held = stage.aws.held(region, url).await as usize;
        again += held.checked_sub(texts.len()).expect("each message is on each queue");
    }

    let read_at = Clock::Real.now();
    let facts = stage.read().await;
    let read_for = Clock::Real.now().duration_since(read_at).as_secs_f64();
    say(&format!(
        "{EVENTS} events in {} invocations: {:.0} per second through the function; {} messages: {:.0} per second \
         from both queues to the journal",
        payloads.len(),
        EVENTS as f64 / took,
        texts.len() * 2,
        (texts.len() * 2) as f64 / read_for,
    ));
    let of = |start: &str| facts.iter().filter(|fact| fact.starts_with(start)).count();
    let is_start = |fact: &&String| fact.starts_with("run ") || fact.starts_with("proposal ");
    let starts: Vec<String> = facts.iter().filter(is_start).cloned().collect();
    assert_eq!(starts, wanted.starts, "one for each occurrence");
    assert_eq!(of("nudge by events about"), wanted.nudges);
    let late = of("refused event:events: it was worth acting on until");
    let (least, most) = (*wanted.late.start(), *wanted.late.end() + again);
    assert!((least..=most).contains(&late), "{late} of {least} to {most}");
    let wrong = of("refused event:events") - late;
    assert!(wrong <= wanted.wrong_max + again, "{wrong} of {}", wanted.wrong_max);
    let ends = [wanted.starts.len(), wanted.nudges, late];
    say(&format!("runs and proposals, nudges, late: {ends:?}"));
    assert!(ends.iter().all(|count| *count > 0), "all ends are met: {ends:?}");
}
