//! Those who watch the active region, each from a failure domain of its own.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{action::check::CheckObservers, application::Observer, name::Region};
use muster_state::call::{Call, CallError, Done, Progress};
use serde_json::json;

use super::{
    Sim,
    fault::Fault,
    no_outside,
    wire::{Door, Side},
};

/// An observer needs so long to see that something has changed.
const NOTICES_AFTER: SignedDuration = SignedDuration::from_secs(10);

/// What one observer, or one failure domain, says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Vote {
    /// The region has been lost since then.
    Lost(Timestamp),
    /// It serves.
    Healthy,
    /// It cannot tell, or does not answer.
    Unknown,
}

const ASK: Door<'static> = Door { service: "observer", operation: "GET", side: Side::Elsewhere };

pub(super) fn observe(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &CheckObservers,
) -> Result<Progress, CallError> {
    let on = call.on().ok_or_else(|| no_outside(call))?;
    sim.ask(now, ASK)?;
    let mut domains: BTreeMap<&str, Vote> = BTreeMap::new();
    let mut seen = Vec::new();
    for observer in &on.application.observers {
        let vote = vote(sim, observer, on.active, now);
        seen.push(match vote {
            Vote::Lost(since) => format!("{}: lost since {since}", observer.name),
            Vote::Healthy => format!("{}: healthy", observer.name),
            Vote::Unknown => format!("{}: unknown", observer.name),
        });
        // One vote per domain: two that fail together and disagree know nothing.
        let domain = domains.entry(&observer.domain).or_insert(vote);
        *domain = match (*domain, vote) {
            (Vote::Lost(one), Vote::Lost(other)) => Vote::Lost(one.max(other)),
            (Vote::Healthy, Vote::Healthy) => Vote::Healthy,
            (Vote::Lost(_) | Vote::Healthy | Vote::Unknown, _) => Vote::Unknown,
        };
    }
    let quorum = action.quorum.max(1) as usize;
    let lost = |vote: &&Vote| matches!(vote, Vote::Lost(_));
    let stands = |vote: &&Vote| matches!(vote, Vote::Lost(since) if now.duration_since(*since) >= action.window.duration());
    let count = |vote: Vote| domains.values().filter(|one| **one == vote).count();
    let verdict = if domains.values().filter(stands).count() >= quorum {
        "lost"
    } else if domains.values().filter(lost).count() >= quorum {
        return Ok(Progress::in_progress(format!("not lost for {} yet", action.window)));
    } else if count(Vote::Healthy) >= quorum && !domains.values().any(|vote| lost(&vote)) {
        "healthy"
    } else if count(Vote::Unknown) + quorum > domains.len() {
        "unknown"
    } else {
        "disagree"
    };
    let outputs = [("verdict", json!(verdict)), ("seen", json!(seen.join("; ")))];
    Ok(Progress::Done(Done::with(outputs)))
}

/// Whether an observer does not answer: it was silenced, or sits in a region that fails with it.
pub(super) fn is_silent(sim: &Sim, observer: &Observer, now: Timestamp) -> bool {
    let silent = Fault::ObserverSilent { observer: observer.name.clone() };
    let domain = observer.domain.strip_prefix("aws-").unwrap_or(&observer.domain);
    let place: Option<Region> = domain.parse().ok();
    sim.faults.at(now).any(|fault| *fault == silent)
        || place.is_some_and(|place| !sim.regions.is_reachable(&place, now))
}

fn vote(sim: &Sim, observer: &Observer, region: &Region, now: Timestamp) -> Vote {
    let lying = Fault::ObserverLies { observer: observer.name.clone() };
    let lies = sim.faults.at(now).any(|fault| *fault == lying);
    if is_silent(sim, observer, now) {
        return Vote::Unknown;
    }
    let lost_since = sim.lost_since(region, now - NOTICES_AFTER);
    match (lost_since, lies) {
        (Some(since), false) => Vote::Lost(since),
        (None, false) | (Some(_), true) => Vote::Healthy,
        (None, true) => Vote::Lost(sim.since),
    }
}
