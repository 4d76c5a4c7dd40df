//! What follows when a region is lost: nothing, a proposal, or the run itself.

use jiff::{Timestamp, tz::TimeZone};
use muster_runbooks::{
    application::{
        Application,
        detection::{Authorised, Detection, Then},
    },
    name::{ApplicationName, RunId, RunbookName},
    request::Trigger,
};

use crate::{lease::Lease, progress::Progress};

/// What follows, and why not more.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Follow {
    /// What.
    pub then: Then,
    /// Why, in a sentence.
    pub because: String,
}

impl Follow {
    fn new(then: Then, because: impl Into<String>) -> Follow {
        Follow { then, because: because.into() }
    }
}

/// What follows from the loss of the active region of an application now.
///
/// Whatever is not certain makes it less: from the run to a proposal, and from that to a finding alone.
pub fn follow(
    known: &Progress,
    application: &Application,
    policy: &Detection,
    lease: &Lease,
    now: Timestamp,
) -> Follow {
    let state = known.applications.get(&application.name);
    if let Some((by, reason)) = &known.off {
        return Follow::new(Then::Nothing, format!("{by} switched Muster off: {reason}"));
    }
    if let Some(why) = lease.forbids(now) {
        return Follow::new(Then::Nothing, format!("this process does not act: {why}"));
    }
    let downtime = state.and_then(|state| state.downtime.as_ref());
    if let Some(downtime) = downtime.filter(|downtime| downtime.until > now) {
        let why = format!(
            "{} declared downtime until {:.0}: {}",
            downtime.by, downtime.until, downtime.reason
        );
        return Follow::new(Then::Nothing, why);
    }
    if let Some(run) = moving(known, &application.name) {
        return Follow::new(Then::Nothing, format!("run `{run}` moves it already"));
    }
    match policy.then {
        Then::Nothing => Follow::new(Then::Nothing, "its policy says so"),
        Then::Propose => Follow::new(Then::Propose, "its policy leaves the start to a person"),
        Then::Auto => match by_itself(known, application, policy, lease, now) {
            Ok(authorised) => {
                Follow::new(Then::Auto, format!("{} approved it beforehand", authorised.by))
            }
            Err(why) => Follow::new(Then::Propose, format!("it does not start by itself: {why}")),
        },
    }
}

/// Whether everything holds without which nothing starts by itself.
fn by_itself<'a>(
    known: &Progress,
    application: &Application,
    policy: &'a Detection,
    lease: &Lease,
    now: Timestamp,
) -> Result<&'a Authorised, String> {
    if *lease == Lease::NotConfigured {
        return Err("no lease says that this process alone acts".to_owned());
    }
    if application.write_lease.is_none() {
        return Err("nothing proves that the lost side no longer writes; \
                    the application holds no write lease"
            .to_owned());
    }
    let authorised = policy.authorised.as_ref().ok_or("nobody approved it beforehand")?;
    if now.to_zoned(TimeZone::UTC).date() > authorised.until {
        return Err(format!("what {} approved counted until {}", authorised.by, authorised.until));
    }
    let state = known.applications.get(&application.name);
    let last = state.and_then(|state| state.moved.as_ref());
    let Some(last) = last else { return Ok(authorised) };
    let acknowledged_at = state.and_then(|state| state.acknowledged_at);
    let is_acknowledged = acknowledged_at.is_some_and(|at| at >= last.at);
    if !is_acknowledged && now.duration_since(last.at) < policy.min_delay.duration() {
        return Err(format!(
            "run `{}` ended less than {} ago, and nobody has acknowledged it",
            last.run, policy.min_delay
        ));
    }
    Ok(authorised)
}

/// The live run that moves the application.
fn moving<'a>(known: &'a Progress, application: &ApplicationName) -> Option<&'a RunId> {
    let moves =
        |run: &&crate::run::Run| run.is_live_failover() && run.application() == Some(application);
    known.runs.values().find(moves).map(|run| &run.id)
}

/// The open proposal that was made for the same reason.
pub fn proposed<'a>(
    known: &'a Progress,
    application: &ApplicationName,
    runbook: &RunbookName,
    now: Timestamp,
) -> Option<&'a RunId> {
    let mut open = known.proposals.iter().filter(|(_, proposal)| proposal.expires_at >= now);
    let same = |request: &muster_runbooks::request::Request| {
        request.application.as_ref() == Some(application)
            && request.runbook == *runbook
            && matches!(request.trigger, Trigger::Observers { .. })
    };
    open.find(|(_, proposal)| same(&proposal.request)).map(|(id, _)| id)
}

#[cfg(test)]
mod tests;
