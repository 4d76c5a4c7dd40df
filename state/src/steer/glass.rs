//! A lone person opens approvals that others sealed beforehand: loud, once, and reviewed by somebody else.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    action::control::{PersonRole, Risk},
    name::StepId,
};

use super::{asked, may_approve, require, ticked};
use crate::{
    catalog::Finding,
    command::{Person, Refusal},
    event::{ApplicationEvent, Entry, RunEvent, Seal},
    run::Run,
};

/// What the id of the finding begins with that stands until somebody has reviewed a broken glass.
pub const GLASS: &str = "break-glass/";

/// How long the review may take.
const REVIEWED_WITHIN: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What is opened, and for what.
pub(super) struct Broken<'a> {
    pub(super) step: &'a StepId,
    pub(super) accepts: &'a [Risk],
    pub(super) plan_hash: &'a str,
    pub(super) needed: usize,
    pub(super) seals: &'a [Seal],
}

/// Each seal counts as an approval of whoever made it, under the rules that hold for an approval: nobody
/// who asked for the run, nobody twice, and every risk ticked by name.
pub(super) fn open(
    now: Timestamp,
    run: &Run,
    by: &Person,
    reason: &str,
    broken: &Broken<'_>,
) -> Result<Vec<RunEvent>, Refusal> {
    require(by, PersonRole::Operator)?;
    let (_, offers, insists) = asked(now, run, broken.step)?;
    ticked(run, broken.step, broken.accepts, broken.plan_hash, &offers, insists.clone())?;
    // Who is there to open it is there to approve, and needs no seal of his own.
    let counts = |seal: &&Seal| !run.requesters.contains(&seal.by) && seal.by != by.name;
    let people: BTreeSet<&str> =
        broken.seals.iter().filter(counts).map(|seal| seal.by.as_str()).collect();
    if people.len() < broken.needed.max(1) || people.len() < broken.seals.len() {
        return Err(Refusal::FewSeals { have: people.len(), needed: broken.needed.max(1) });
    }
    for who in people {
        may_approve(run, broken.step, who, &insists)?;
    }
    Ok(vec![RunEvent::GlassBroken {
        step: broken.step.clone(),
        by: by.name.clone(),
        accepts: broken.accepts.to_vec(),
        seals: broken.seals.to_vec(),
        reason: reason.to_owned(),
    }])
}

/// The duty that a broken glass leaves, for each application that the run moves: somebody else looks at
/// what was done with it.
pub fn review(run: &Run, by: &Person, now: Timestamp) -> Vec<Entry> {
    let (id, who) = (format!("{GLASS}{}", run.id), by.name.clone());
    let message = format!("{who} approved run {} alone, by approvals that were sealed", run.id);
    let hint = "somebody else reads the run's report, has new seals made, and settles this by \
                `muster finding settle`"
        .to_owned();
    let reason = "glass was broken".to_owned();
    let raised = ApplicationEvent::FindingRaised {
        finding: Finding { id: id.clone(), message, hint },
        by: who.clone(),
        reason: reason.clone(),
    };
    let assigned = ApplicationEvent::FindingAssigned {
        id,
        owner: "the approvers".to_owned(),
        due_at: now + REVIEWED_WITHIN,
        ticket: None,
        by: who,
        reason,
    };
    let moved = run.plan.steps.iter().filter_map(|step| step.moves(run.manner));
    let applications = run.application().cloned().into_iter().chain(moved);
    let duties = |name| {
        [&raised, &assigned].map(|event| Entry::application(&name, ApplicationEvent::clone(event)))
    };
    applications.flat_map(duties).collect()
}
