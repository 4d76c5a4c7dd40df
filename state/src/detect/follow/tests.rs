//! What follows, and why not more.

use jiff::SignedDuration;
use muster_runbooks::{name::Region, value::Span};

use super::*;
use crate::{
    lease::Missing,
    progress::{ApplicationState, Downtime, Moved},
};

fn now() -> Timestamp {
    "2026-03-02T01:00:00Z".parse().unwrap()
}

fn mins(mins: i64) -> SignedDuration {
    SignedDuration::from_mins(mins)
}

fn id(text: &str) -> RunId {
    text.parse().unwrap()
}

/// An application that everything was done for, so that its failover may start by itself.
fn shop() -> Application {
    serde_json::from_str(
        r#"{ "name": "shop", "title": "Shop", "home": "us-east-1", "standby": "us-west-2",
             "objectives": { "rto": "15m", "rpo": "5m" },
             "detection": { "quorum": 2, "window": "2m", "clear_after": "5m", "then": "auto", "min_delay": "1h",
                            "authorised": { "by": "ana", "until": "2026-03-02", "because": "agreed" } },
             "write_lease": { "region": "eu-central-1", "bucket": "b", "key": "k", "length": "30s", "skew": "2s" } }"#,
    )
    .unwrap()
}

fn held() -> Lease {
    Lease::Held { epoch: 7, acts_until: now() + mins(1) }
}

/// What is changed, and what follows then.
type Case = (&'static str, fn(&mut Progress, &mut Application, &mut Lease), Then);

fn state(known: &mut Progress) -> &mut ApplicationState {
    known.applications.entry("shop".parse().unwrap()).or_default()
}

fn moved(known: &mut Progress, ago: i64) {
    state(known).moved = Some(Moved { run: id("f00000000001"), at: now() - mins(ago) });
}

const CASES: &[Case] = &[
    ("nothing", |_, _, _| {}, Then::Auto),
    (
        "off",
        |known, _, _| known.off = Some(("dan".to_owned(), "a flood".to_owned())),
        Then::Nothing,
    ),
    (
        "downtime",
        |known, _, _| {
            let (by, reason) = ("dan".to_owned(), "a move".to_owned());
            state(known).downtime = Some(Downtime { by, reason, until: now() + mins(1) });
        },
        Then::Nothing,
    ),
    (
        "downtime that is over",
        |known, _, _| {
            let (by, reason) = ("dan".to_owned(), "a move".to_owned());
            state(known).downtime = Some(Downtime { by, reason, until: now() });
        },
        Then::Auto,
    ),
    (
        "another process acts",
        |_, _, lease| *lease = Lease::Missing(Missing::Unasked),
        Then::Nothing,
    ),
    ("no lease", |_, _, lease| *lease = Lease::NotConfigured, Then::Propose),
    ("no write lease", |_, shop, _| shop.write_lease = None, Then::Propose),
    (
        "nobody approved it",
        |_, shop, _| shop.detection.as_mut().unwrap().authorised = None,
        Then::Propose,
    ),
    (
        "approved until yesterday",
        |_, shop, _| {
            let policy = shop.detection.as_mut().unwrap();
            policy.authorised.as_mut().unwrap().until = "2026-03-01".parse().unwrap();
        },
        Then::Propose,
    ),
    ("moved a while ago", |known, _, _| moved(known, 61), Then::Auto),
    ("moved just now", |known, _, _| moved(known, 59), Then::Propose),
    (
        "moved just now, and acknowledged",
        |known, _, _| {
            moved(known, 59);
            state(known).acknowledged_at = Some(now() - mins(10));
        },
        Then::Auto,
    ),
    (
        "acknowledged before it moved",
        |known, _, _| {
            moved(known, 59);
            state(known).acknowledged_at = Some(now() - mins(70));
        },
        Then::Propose,
    ),
    (
        "the policy proposes",
        |_, shop, _| shop.detection.as_mut().unwrap().then = Then::Propose,
        Then::Propose,
    ),
    (
        "the policy keeps quiet",
        |_, shop, _| shop.detection.as_mut().unwrap().then = Then::Nothing,
        Then::Nothing,
    ),
];

/// Goal: nothing starts by itself unless everything holds (design §9), and whatever does not says why.
/// Method: an application for which everything holds, with one thing changed each.
#[test]
fn what_follows_from_a_loss() {
    for (name, change, wanted) in CASES {
        let (mut known, mut shop, mut lease) = (Progress::default(), shop(), held());
        change(&mut known, &mut shop, &mut lease);
        let policy = shop.detection().clone();
        let found = follow(&known, &shop, &policy, &lease, now());
        assert_eq!(found.then, *wanted, "{name}: {}", found.because);
        assert!(!found.because.is_empty(), "{name}");
    }
}

/// Goal: whoever holds the write lease before a change has stopped when the next one begins.
#[test]
fn the_next_holder_waits() {
    let lease = shop().write_lease.unwrap();
    // A renewal that was sent before it was stored lets its holder write for its length from then on.
    assert_eq!(lease.free_at(now()), now() + SignedDuration::from_secs(32));
    assert_eq!(
        (lease.length, lease.region),
        (Span::from_secs(30), "eu-central-1".parse::<Region>().unwrap())
    );
}
