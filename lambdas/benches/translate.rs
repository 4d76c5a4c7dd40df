//! Events per second and core through the translation alone, as they come and as they are spoilt: what is left
//! for the runtime and the queue to cost.
//!
//! Prints one JSON line each. `cargo bench -p muster-lambdas --bench translate`

#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

// Only some of what the tests share is wanted here.
#[allow(dead_code, reason = "the rest is for the tests")]
#[path = "../src/translate/tests/spoil.rs"]
mod spoil;

use std::{
    hint::black_box,
    io::{self, Write as _},
    time::{Duration, Instant},
};

use muster_lambdas::{settings::Rules, translate::translate, unpack::unpack};
use serde_json::{Value, json};

use spoil::{Dice, SEED, fixtures, spoilt};

/// So long is each list gone through, again and again.
const PLAYED: Duration = Duration::from_secs(3);

/// How many spoilt ones there are.
const SPOILT: usize = 2_000;

fn main() {
    let rules = include_str!("../fixtures/rules.json");
    let rules: Rules = serde_json::from_str(rules).expect("rules");
    let good = fixtures();
    let mut dice = Dice(SEED);
    let spoilt: Vec<Value> = (0..SPOILT).map(|_| spoilt(&good, &mut dice)).collect();
    let mut out = io::stdout();
    for (what, payloads) in [("as they come", &good), ("spoilt", &spoilt)] {
        // As the runtime has them: bytes.
        let texts: Vec<String> = payloads.iter().map(Value::to_string).collect();
        let (mut events, mut messages) = (0_u64, 0_u64);
        let begun = Instant::now();
        while begun.elapsed() < PLAYED {
            for text in &texts {
                let payload: Value = serde_json::from_str(text).unwrap_or_default();
                for parcel in unpack(&payload, &rules).parcels {
                    let told = parcel.event.and_then(|event| translate(&event, &rules));
                    events += 1;
                    messages += u64::from(black_box(told).is_ok());
                }
            }
        }
        let secs = begun.elapsed().as_secs_f64();
        let line = json!({
            "events": what,
            "per_second_and_core": (events as f64 / secs).round(),
            "share_with_a_message": (messages as f64 / events as f64 * 100.0).round() / 100.0,
        });
        writeln!(out, "{line}").expect("printed");
    }
}
