//! What was asked to stand still before a snapshot goes on after it.

use muster::world::sim::Sim;
use muster_runbooks::action::{Action, hook::RunHooks};
use muster_state::{call::Call, run::Run, step::StepState};

use super::Watch;

/// Whether a call may be begun although a step of its run failed: it lets an application go on, or it
/// takes the snapshot for which that stands still.
pub(super) fn goes_on(run: &Run, call: &Call) -> bool {
    if run.plan.step(&call.step).is_some_and(|step| step.always) {
        return true;
    }
    let own = call.component.as_ref().map(|component| component.name());
    let stands_still = run.steps().any(|(step, state)| {
        step.task.action == RunHooks::SPEC.name
            && !step.always
            && step.component.as_ref() == own
            && matches!(state, StepState::Succeeded { .. } | StepState::DoneByHand { .. })
    });
    stands_still && matches!(*call.action, Action::SnapshotDatabase(_))
}

impl Watch {
    /// Nothing stands still once its run has come to an end, whatever that was.
    pub(super) fn stands_still(&mut self, sim: &Sim) {
        for (database, token) in sim.truth().standing_still() {
            let ended = self.outcomes.keys().any(|run| run.as_str() == super::run_of(token));
            self.check("hooks", !ended, || format!("`{database}` still stands still for {token}"));
        }
    }
}
