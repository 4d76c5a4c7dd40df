//! Payloads with something changed, from one seed. The tests of the whole send the same ones through the real
//! Lambda runtime, so this file is a part of both.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// The seed of both.
pub(super) const SEED: u64 = 0x6d75_7374_6572;

/// Late enough for some of the fixtures, and not for others.
pub(crate) const NOW: &str = "2026-03-01T09:06:00Z";

/// An account that nobody lists.
pub(super) const FOREIGN: &str = "999999999999";

/// Everything that a function is invoked with in the fixtures.
pub(super) fn fixtures() -> Vec<Value> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../lambdas/fixtures");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| !path.ends_with("rules.json"));
    paths.sort();
    let read = |path: &std::path::PathBuf| std::fs::read_to_string(path).unwrap();
    paths.iter().map(|path| serde_json::from_str(&read(path)).unwrap()).collect()
}

/// The splitmix64 generator: a seed says everything.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
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

/// One of the fixtures with one to three things changed.
pub(super) fn spoilt(fixtures: &[Value], dice: &mut Dice) -> Value {
    let mut payload = dice.pick(fixtures).clone();
    for _ in 0..=dice.below(3) {
        mutate(&mut payload, dice);
    }
    payload
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
pub(super) fn each_text(value: &mut Value, change: &impl Fn(&str) -> String) {
    match value {
        Value::String(text) => *text = change(text),
        Value::Array(list) => list.iter_mut().for_each(|inner| each_text(inner, change)),
        Value::Object(map) => map.values_mut().for_each(|inner| each_text(inner, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The same twenty hours ago.
pub(super) fn earlier(payload: &mut Value) {
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
pub(super) fn batch(queue: &str, payloads: &[&Value]) -> Value {
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
