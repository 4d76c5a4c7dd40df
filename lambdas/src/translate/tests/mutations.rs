//! Ten thousand spoilt payloads, from one seed.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::{
    spoil::{Dice, FOREIGN, NOW, SEED, batch, each_text, earlier, fixtures, spoilt},
    *,
};

const ROUNDS: usize = 10_000;

/// What becomes of an event in the end.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Fate {
    Request,
    Nudge,
    /// It came too late: the daemon writes it down and does nothing.
    Parked,
    Refused,
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

/// Goal: nothing that comes in makes a function panic, and everything ends as one of four things.
/// Method: ten thousand payloads with one to three things changed; every fifth is a queue's batch of
/// two and of one of them again, whose repeat must bear the same key.
#[test]
fn ten_thousand_spoilt_events_end_as_something() {
    let (fixtures, rules) = (fixtures(), rules());
    let queue = rules.carriers.iter().find(|arn| arn.contains(":sqs:")).unwrap().clone();
    let mut dice = Dice(SEED);
    let mut counts: BTreeMap<Fate, usize> = BTreeMap::new();
    for round in 0..ROUNDS {
        let [first, second] = [(); 2].map(|()| spoilt(&fixtures, &mut dice));
        let ends = if round % 5 == 0 {
            let alone = fates(&batch(&queue, &[&first]), &rules);
            let ends = fates(&batch(&queue, &[&second, &first, &first]), &rules);
            let tail = alone.len() * 2;
            assert_eq!(ends[ends.len() - tail..], [alone.clone(), alone].concat(), "round {round}");
            ends
        } else {
            fates(&first, &rules)
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
