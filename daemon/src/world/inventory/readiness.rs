//! Whether the other side could take over now: the checklist of facts §11, each point with what was seen.
//!
//! A point passes only when something that was read says so. What could not be read, and what nobody
//! looks at, is unknown. What a takeover would find depends on the manner, and is the plan's to say; here
//! stands what must be true beforehand.

mod beside;
mod database;
mod path;
pub mod recovery;
mod worker;

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_runbooks::{
    application::ByHand,
    name::{ComponentName, Region},
    value::words,
};
use muster_state::{lease::Lease, progress::Peak};

pub use path::{Open, path};

use super::{Said, judge::Judged, objectives::Evidence};
use crate::{
    by_hand::{Kept, NOT_KEPT},
    config::Home,
    lease::NO_LEASE,
    ship::{NOT_SHIPPED, Shipped},
};

words! {
    /// How a point of the checklist stands.
    Standing {
        /// It was seen to be so.
        Pass = "pass",
        /// Nobody can say.
        Unknown = "unknown",
        /// It was seen not to be so.
        Fail = "fail",
    }
}

/// One point of the checklist.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Point {
    /// Stable: the kind, and the component where it is about one.
    pub id: String,
    /// How it stands.
    pub standing: Standing,
    /// What was seen, in a sentence.
    pub saw: String,
    /// What to do about it; empty where it passes.
    pub hint: String,
    /// The finding that already says so, if there is one.
    pub finding: Option<String>,
}

/// What is known beside the evidence.
#[derive(Clone, Copy, Debug)]
pub struct Ready<'a> {
    /// What was read and measured.
    pub known: &'a Evidence<'a>,
    /// What follows from the inventory.
    pub judged: &'a Judged,
    /// How strong each workload was where it serves.
    pub peaks: &'a BTreeMap<ComponentName, Peak>,
    /// Whether Muster itself would survive.
    pub actor: &'a Actor,
}

/// Whether this process acts, and whether another could go on from what it has written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Actor {
    /// The lease.
    pub lease: Lease,
    /// How far the log is shipped; nothing where it is not shipped.
    pub shipped: Option<Shipped>,
    /// Where this process runs, if its configuration says so.
    pub runs_in: Option<Home>,
    /// What became of the pages for doing it by hand; nothing where nobody keeps any.
    pub pages: Option<Kept>,
}

/// The kind of the findings that are opened here.
pub const NOT_READY: &str = "not-ready";

/// Judges every point. Without knowing from where the application is served nobody knows which side would
/// have to take over: then every point is unknown.
pub fn checklist(ready: &Ready<'_>) -> Vec<Point> {
    let mut points = Vec::new();
    match sides(ready.known) {
        Ok(sides) => {
            for declared in &ready.known.application.databases {
                database::points(ready, &sides, declared, &mut points);
            }
            if !ready.known.application.databases.is_empty() {
                points.push(database::quota(ready, &sides));
            }
            beside::points(ready, &sides, &mut points);
        }
        Err(why) => points.push(Point::unknown("active-region", None, &why, LOOK)),
    }
    points.push(home(ready));
    points.push(lease(ready.actor));
    points.push(shipped(ready.actor, ready.known.now));
    points.push(pages(ready.actor));
    by_hand(ready.known, &mut points);
    points
}

const LOOK: &str = "look at `muster findings`: what is active is seen, and never assumed";

/// The worst of all.
pub fn verdict(points: &[Point]) -> Standing {
    points.iter().map(|point| point.standing).max().unwrap_or(Standing::Unknown)
}

/// The two sides, by what they are now.
struct Sides<'a> {
    active: &'a Region,
    standby: &'a Region,
}

fn sides<'a>(known: &'a Evidence<'_>) -> Result<Sides<'a>, String> {
    let Some(active) = known.active else {
        return Err("nobody has seen from where it is served".to_owned());
    };
    let Some(standby) = known.application.other(active) else {
        return Err(format!("it is served from {active}, neither home nor standby"));
    };
    if known.seen.is_none() {
        return Err("nobody has looked yet".to_owned());
    }
    Ok(Sides { active, standby })
}

impl Point {
    fn pass(kind: &str, about: Option<&ComponentName>, saw: impl Into<String>) -> Point {
        let (saw, hint) = (saw.into(), String::new());
        Point { id: id(kind, about), standing: Standing::Pass, saw, hint, finding: None }
    }

    fn unknown(
        kind: &str,
        about: Option<&ComponentName>,
        why: impl Into<String>,
        hint: &str,
    ) -> Point {
        let (saw, hint) = (why.into(), hint.to_owned());
        Point { id: id(kind, about), standing: Standing::Unknown, saw, hint, finding: None }
    }

    fn fail(
        kind: &str,
        about: Option<&ComponentName>,
        saw: impl Into<String>,
        hint: &str,
    ) -> Point {
        let (saw, hint) = (saw.into(), hint.to_owned());
        Point { id: id(kind, about), standing: Standing::Fail, saw, hint, finding: None }
    }
}

fn id(kind: &str, about: Option<&ComponentName>) -> String {
    about.map_or_else(|| kind.to_owned(), |about| format!("{kind}/{about}"))
}

/// A value that could be read; else the point that says why not.
fn read<'a, T>(
    said: &'a Said<T>,
    kind: &str,
    about: Option<&ComponentName>,
) -> Result<&'a T, Point> {
    said.as_ref().map_err(|why| Point::unknown(kind, about, why.clone(), READ))
}

const READ: &str = "see that Muster may read it, and that its service answers";

/// Whoever is lost together with what he protects protects nothing (design §9).
fn home(ready: &Ready<'_>) -> Point {
    const KIND: &str = "muster-home";
    let hint = "run Muster in a third region or at the standby, and say so with `runs_in`";
    match (&ready.actor.runs_in, ready.known.active) {
        (None, _) => Point::unknown(KIND, None, "nobody says where Muster runs", hint),
        (Some(Home::Region(here)), Some(active)) if here == active => {
            Point::fail(KIND, None, format!("Muster runs in {here}, and is lost with it"), hint)
        }
        (Some(Home::Region(_)), None) => {
            Point::unknown(KIND, None, "nobody has seen from where it is served", LOOK)
        }
        (Some(here), _) => Point::pass(
            KIND,
            None,
            format!("Muster runs in {here}").replace("in elsewhere", "elsewhere"),
        ),
    }
}

/// Two Musters on two hosts would both act, and one that is lost with its region acts no more.
fn lease(actor: &Actor) -> Point {
    const KIND: &str = "lease";
    match &actor.lease {
        Lease::Held { epoch, .. } => Point::pass(KIND, None, format!("it is ours, epoch {epoch}")),
        Lease::Missing(why) => {
            Point::fail(KIND, None, why.to_string(), "see that its storage answers")
        }
        Lease::NotConfigured => Point {
            finding: Some(NO_LEASE.to_owned()),
            ..Point::fail(
                KIND,
                None,
                "no lease says which Muster acts",
                "add `lease` to the configuration: an object in a third region",
            )
        },
    }
}

/// Whether another host could go on from where this one is.
fn shipped(actor: &Actor, now: Timestamp) -> Point {
    const KIND: &str = "shipped-log";
    let Some(shipped) = &actor.shipped else {
        let hint = "add `ship` to the configuration: with this host its log would be lost";
        let point = Point::fail(KIND, None, "the log is shipped nowhere", hint);
        // Who has neither is told of both at once.
        let finding = (actor.lease == Lease::NotConfigured).then(|| NO_LEASE.to_owned());
        return Point { finding, ..point };
    };
    match shipped.behind_since.map(|since| now.duration_since(since)) {
        Some(behind) if behind > SHIPPED_WITHIN => Point {
            finding: Some(NOT_SHIPPED.to_owned()),
            ..Point::fail(
                KIND,
                None,
                format!("it is {behind:#} behind"),
                "see that its bucket answers",
            )
        },
        Some(_) | None => Point::pass(KIND, None, "it is shipped"),
    }
}

/// Whether a person could do it without Muster, from a page that outlives this host.
fn pages(actor: &Actor) -> Point {
    const KIND: &str = "by-hand";
    let Some(kept) = actor.pages.as_ref().filter(|kept| kept.pages > 0) else {
        let hint = "see that Muster may write its state directory";
        return Point::unknown(KIND, None, "no page for doing it by hand was made yet", hint);
    };
    if let Some((trouble, since)) = kept.troubles.first() {
        let saw = format!("the pages are not kept since {since}: {trouble}");
        let point = Point::fail(KIND, None, saw, "mend the place: a page there may be old");
        return Point { finding: Some(NOT_KEPT.to_owned()), ..point };
    }
    if kept.copies == 0 {
        let hint = "add `by_hand.copies` to the configuration: a bucket in each region";
        let point = Point::fail(KIND, None, "the pages are on this host only", hint);
        // Who has no lease either is told of all of it at once.
        let finding = (actor.lease == Lease::NotConfigured).then(|| NO_LEASE.to_owned());
        return Point { finding, ..point };
    }
    let saw = format!("{} pages, here and in {} buckets", kept.pages, kept.copies);
    Point::pass(KIND, None, saw)
}

/// A log that is further behind than this is a finding of the one who ships it.
const SHIPPED_WITHIN: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);

/// What people look at. Their word counts until the day that they named.
fn by_hand(known: &Evidence<'_>, points: &mut Vec<Point>) {
    for what in ByHand::ALL {
        let word = known.application.attested.iter().find(|word| word.what == what);
        let hint = format!("{}; then write it under `attested` with a last day", todo(what));
        points.push(match word {
            Some(word) if today(known.now) <= word.until => {
                let saw = format!("{} says so until {}: {}", word.by, word.until, word.because);
                Point::pass(what.word(), None, saw)
            }
            Some(word) => {
                let saw = format!("what {} saw was believed until {}", word.by, word.until);
                Point::unknown(what.word(), None, saw, &hint)
            }
            None => Point::unknown(what.word(), None, "Muster does not look at it", &hint),
        });
    }
}

fn today(now: Timestamp) -> jiff::civil::Date {
    now.to_zoned(jiff::tz::TimeZone::UTC).date()
}

fn todo(what: ByHand) -> &'static str {
    match what {
        ByHand::Certificates => {
            "see that the certificates at the standby's load balancer cover the application's names and \
             end late enough"
        }
        ByHand::Capacity => {
            "see that nodes, free addresses of the subnets and quotas of the standby carry the whole load"
        }
        ByHand::Images => "see that the running images' digests are in the standby's registry",
        ByHand::Roles => "use each role of a failover once, from the standby and with its own STS",
        ByHand::BreakGlass => "log in once without the identity provider",
    }
}

#[cfg(test)]
mod tests;
