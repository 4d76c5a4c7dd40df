//! Ten thousand spoilt payloads, from one seed.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::*;

const SEED: u64 = 0x6d75_7374_6572;
const ROUNDS: usize = 10_000;

/// Late enough for some of the fixtures, and not for others.
const NOW: &str = "2026-03-01T09:06:00Z";

const FOREIGN: &str = "999999999999";

/// What becomes of an event in the end.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Fate {
    Request,
    Nudge,
    /// It came too late: the daemon writes it down and does nothing.
    Parked,
    Refused,
}

/// The splitmix64 generator: a seed says everything.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Where every value of a tree stands.
fn places(value: &Value, at: &str, out: &mut Vec<String>) {
    out.push(at.to_owned());
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    if let Some(map) = value.as_object() {
        for (key, inner) in map {
            places(inner, &format!("{at}/{}", escaped(key)), out);
        }
    }
    for (index, inner) in value.as_array().into_iter().flatten().enumerate() {
        places(inner, &format!("{at}/{index}"), out);
    }
}

fn junk(dice: &mut Dice) -> Value {
    let mut deep = json!("deep");
    for _ in 0..dice.below(100) {
        deep = json!([deep]);
    }
    let all = [
        Value::Null,
        json!(true),
        json!(-1),
        json!(1.5e300),
        json!(""),
        json!("\u{0}\u{1b}[2J"),
        json!("a b|c"),
        json!("é漢🦀".repeat(400)),
        json!("x".repeat(5_000)),
        json!([]),
        json!({}),
        json!("9999-12-31T23:59:59Z"),
        json!("-009999-01-01T00:00:00Z"),
        json!("arn:aws:rds:us-east-1:123456789012:"),
        json!("::::::"),
        deep,
    ];
    dice.pick(&all).clone()
}

/// Changes one thing about a payload.
fn mutate(payload: &mut Value, dice: &mut Dice) {
    let mut all = Vec::new();
    places(payload, "", &mut all);
    let at = dice.pick(&all).clone();
    let other = dice.pick(&all).clone();
    match dice.below(6) {
        0 => {
            let (parent, key) = at.rsplit_once('/').unwrap_or_default();
            if let Some(map) = payload.pointer_mut(parent).and_then(Value::as_object_mut) {
                map.remove(key);
            }
        }
        1 => *payload.pointer_mut(&at).unwrap() = junk(dice),
        2 => {
            let value = payload.pointer(&other).unwrap().clone();
            *payload.pointer_mut(&at).unwrap() = value;
        }
        3 => {
            let spot = payload.pointer_mut(&at).unwrap();
            if let Some(list) = spot.as_array_mut() {
                list.reverse();
                list.extend(list.clone());
            } else if let Some(text) = spot.as_str() {
                let keep = dice.below(text.chars().count() + 1);
                *spot = json!(text.chars().take(keep).collect::<String>());
            }
        }
        4 => each_text(payload, &|text| text.replace("123456789012", FOREIGN)),
        _ => earlier(payload),
    }
}

/// Changes every text, also the texts inside a wrapping's text.
fn each_text(value: &mut Value, change: &impl Fn(&str) -> String) {
    match value {
        Value::String(text) => *text = change(text),
        Value::Array(list) => list.iter_mut().for_each(|inner| each_text(inner, change)),
        Value::Object(map) => map.values_mut().for_each(|inner| each_text(inner, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The same twenty hours ago.
fn earlier(payload: &mut Value) {
    each_text(payload, &|text| {
        let moved = |at: Timestamp| {
            let earlier = at.checked_sub(SignedDuration::from_hours(20));
            earlier.map_or_else(|_| text.to_owned(), |at| at.to_string())
        };
        if let Ok(at) = text.parse::<Timestamp>() {
            return moved(at);
        }
        if let Ok(at) = Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text) {
            return moved(at);
        }
        match serde_json::from_str::<Value>(text) {
            Ok(mut inner) if inner.is_object() => {
                earlier(&mut inner);
                inner.to_string()
            }
            Ok(_) | Err(_) => text.to_owned(),
        }
    });
}

/// A queue's batch of payloads.
fn batch(payloads: &[&Value]) -> Value {
    let queue = rules().carriers.into_iter().find(|arn| arn.contains(":sqs:")).unwrap();
    let item = |(index, payload): (usize, &&Value)| {
        json!({
            "messageId": format!("item-{index}"),
            "eventSource": "aws:sqs",
            "eventSourceARN": queue,
            "body": payload.to_string(),
        })
    };
    json!({ "Records": payloads.iter().enumerate().map(item).collect::<Vec<_>>() })
}

/// What becomes of everything in a payload. Whatever gets through holds what every message must.
fn fates(payload: &Value, rules: &Rules) -> Vec<(Fate, String)> {
    let now: Timestamp = NOW.parse().unwrap();
    let parcels = unpack(payload, rules).parcels;
    let fate = |event: Result<Value, NotOurs>| {
        let (message, text) = match event.and_then(|event| translate(&event, rules)) {
            Ok(translated) => translated,
            Err(not_ours) => return (Fate::Refused, not_ours.to_string()),
        };
        assert_eq!(Message::read(&text).unwrap(), message, "the daemon reads what is written");
        assert!(rules.accounts.contains(&message.source.account), "{text}");
        assert!(rules.regions.contains(&message.source.region), "{text}");
        let life = message.not_after.duration_since(message.occurred_at);
        assert!(life <= SignedDuration::from_hours(23), "{text}");
        let allowed = rules.schedules.iter().map(|rule| &rule.runbook);
        let mut allowed = allowed.chain(rules.deployments.iter().map(|rule| &rule.runbook));
        let fate = match &message.kind {
            Kind::Request { runbook, .. } => {
                assert!(allowed.any(|one| one == runbook), "{text}");
                Fate::Request
            }
            Kind::Nudge { .. } => Fate::Nudge,
        };
        let fate = if message.not_after < now { Fate::Parked } else { fate };
        (fate, message.dedupe_key)
    };
    parcels.into_iter().map(|parcel| fate(parcel.event)).collect()
}

fn fixtures() -> Vec<Value> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let names = names.iter().map(|path| path.file_stem().unwrap().to_str().unwrap());
    names.filter(|name| *name != "rules").map(fixture).collect()
}

/// Goal: nothing that comes in makes a function panic, and everything ends as one of four things.
/// Method: ten thousand payloads with one to three things changed; every fifth is a queue's batch of
/// two and of one of them again, whose repeat must bear the same key.
#[test]
fn ten_thousand_spoilt_events_end_as_something() {
    let (fixtures, rules) = (fixtures(), rules());
    let mut dice = Dice(SEED);
    let mut counts: BTreeMap<Fate, usize> = BTreeMap::new();
    for round in 0..ROUNDS {
        let mut spoilt = [dice.pick(&fixtures).clone(), dice.pick(&fixtures).clone()];
        for payload in &mut spoilt {
            for _ in 0..=dice.below(3) {
                mutate(payload, &mut dice);
            }
        }
        let [first, second] = &spoilt;
        let ends = if round % 5 == 0 {
            let alone = fates(&batch(&[first]), &rules);
            let ends = fates(&batch(&[second, first, first]), &rules);
            let tail = alone.len() * 2;
            assert_eq!(ends[ends.len() - tail..], [alone.clone(), alone].concat(), "round {round}");
            ends
        } else {
            fates(first, &rules)
        };
        for (fate, _) in ends {
            *counts.entry(fate).or_default() += 1;
        }
    }
    for fate in [Fate::Request, Fate::Nudge, Fate::Parked, Fate::Refused] {
        assert!(counts.get(&fate).is_some_and(|count| *count > 20), "{counts:?}");
    }
}

/// Goal: nothing of another account, and nothing of yesterday, does anything.
#[test]
fn every_fixture_of_strangers_and_of_yesterday() {
    let rules = rules();
    for payload in fixtures() {
        let mut foreign = payload.clone();
        each_text(&mut foreign, &|text| text.replace("123456789012", FOREIGN));
        let mut old = payload;
        earlier(&mut old);
        for (fate, what) in fates(&old, &rules) {
            assert!(matches!(fate, Fate::Parked | Fate::Refused), "{what}");
        }
        // A record of S3 bears no account: its bucket is listed with one.
        let is_s3 = foreign["Records"][0]["eventSource"] == "aws:s3";
        for (fate, what) in fates(&foreign, &rules) {
            assert!(is_s3 || fate == Fate::Refused, "{what}");
        }
    }
}
