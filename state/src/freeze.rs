//! Whether an application is frozen: while it is being moved, or because a person said so, nothing changes
//! it but what protects or moves it.

use jiff::Timestamp;
use muster_runbooks::{
    action::backup::SnapshotDatabase,
    application::Purpose,
    name::{ApplicationName, RunId},
    plan::{Arg, Part, Plan, Step},
};
use serde::{Deserialize, Serialize};

use crate::{event::Claim, progress::Progress, run::Run, step::StepState};

/// A freeze that a person asked for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Freeze {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub at: Timestamp,
    /// It ends by itself then.
    pub until: Timestamp,
}

/// Why an application is frozen now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Frozen {
    /// A run moves it, from its approval to its end.
    Moving {
        /// The run.
        run: RunId,
        /// Its title.
        title: String,
        /// Since when it is open.
        since: Timestamp,
    },
    /// A person said so.
    Said(Freeze),
}

impl Frozen {
    /// Why, in a sentence.
    pub fn because(&self) -> String {
        match self {
            Frozen::Moving { run, title, .. } => format!("run `{run}` is moving it: {title}"),
            Frozen::Said(freeze) => format!("{}: {}", freeze.by, freeze.reason),
        }
    }

    /// Until when; nobody knows while a run moves it.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Frozen::Moving { .. } => None,
            Frozen::Said(freeze) => Some(freeze.until),
        }
    }
}

impl Progress {
    /// Why an application is frozen at an instant, if it is. A run that moves it comes first.
    pub fn frozen(&self, name: &ApplicationName, now: Timestamp) -> Option<Frozen> {
        let holder = self.claims.get(&Claim::lock_key(name)).map(|held| &held.holder);
        if let Some(run) = holder.and_then(|id| self.runs.get(id)).filter(|run| moves(run)) {
            let (id, title) = (run.id.clone(), run.plan.title.clone());
            return Some(Frozen::Moving { run: id, title, since: run.admitted_at });
        }
        let said = self.applications.get(name)?.frozen.as_ref()?;
        (said.until > now).then(|| Frozen::Said(said.clone()))
    }
}

/// Whether a live run moves its application: once it was approved, or has changed something. One that is
/// forced is asked anew, and moves it all the same.
fn moves(run: &Run) -> bool {
    if !run.is_live_failover() {
        return false;
    }
    let steps = || run.steps().filter(|(step, _)| step.part == Part::Steps);
    let is_asked = |step: &Step| step.task(run.manner).action == "approval";
    let mut asks = steps().filter(|(step, _)| is_asked(step));
    let is_given = |state: &StepState| matches!(state, StepState::Succeeded { .. });
    let changes =
        |step: &Step| step.task(run.manner).spec().is_some_and(|spec| spec.reach.mutates());
    asks.all(|(_, state)| is_given(state))
        || steps().any(|(step, state)| changes(step) && state.attempts() > 0)
}

/// Whether a plan changes an application, and neither protects nor moves it: what waits until a freeze is
/// over. Backups, checks and what takes old points away go on.
pub fn is_change(plan: &Plan) -> bool {
    !plan.exclusive && plan.steps.iter().any(|step| step.part == Part::Steps && changes(step))
}

fn changes(step: &Step) -> bool {
    let tasks = step.forced.iter().chain([&step.task]);
    let mut tasks = tasks.filter_map(|task| Some((task, task.spec()?)));
    tasks.any(|(task, spec)| match spec.name {
        // A snapshot for a deployment or for maintenance says that one is about to begin.
        name if name == SnapshotDatabase::SPEC.name => match task.with.get("purpose") {
            Some(Arg::Literal(purpose)) => purpose
                .as_str()
                .and_then(|word| word.parse::<Purpose>().ok())
                .is_some_and(announces),
            Some(Arg::Input(_) | Arg::Output { .. } | Arg::Worst { .. }) | None => false,
        },
        "open-window" => true,
        name => CHANGES.contains(&name),
    })
}

fn announces(purpose: Purpose) -> bool {
    match purpose {
        Purpose::PreDeployment | Purpose::PreMaintenance => true,
        Purpose::Backup | Purpose::PreFailover => false,
    }
}

/// The actions that change what serves, and not what protects it. A failover inside the region is none, nor is a
/// lost pod that is replaced: they bring back what serves.
const CHANGES: &[&str] =
    &["apply-objects", "scale-workload", "weigh-traffic", "call-http", "run-job"];

#[cfg(test)]
mod tests {
    use muster_runbooks::action::Action;

    use super::*;

    /// Goal: what changes an application is named as actions are named.
    #[test]
    fn changes_are_actions() {
        for name in CHANGES {
            assert!(Action::SPECS.iter().any(|spec| spec.name == *name), "{name}");
        }
    }
}
