//! Where a run stands, derived from its steps and never stored.

use muster_runbooks::{
    action::{Action, hook::RunHooks},
    plan::{Part, Step},
};
use serde_json::Value;

use super::{Outcome, PauseCause, Run, Status};
use crate::step::StepState;

impl Run {
    /// Where it stands, in a word.
    pub fn status(&self) -> Status {
        if let Some(ended) = self.ended {
            return match ended.outcome {
                Outcome::Succeeded => Status::Succeeded,
                Outcome::SucceededWithExceptions => Status::SucceededWithExceptions,
                Outcome::Failed => Status::Failed,
                Outcome::Abandoned => Status::Abandoned,
            };
        }
        match self.pauses.first() {
            Some(PauseCause::Operator { .. }) => return Status::PausedByOperator,
            Some(PauseCause::Gate { .. } | PauseCause::Failover { .. }) => {
                return Status::PausedByGate;
            }
            None => {}
        }
        if self.failed_step().is_some() {
            return Status::PausedByFailedStep;
        }
        if self.awaits_undo() && self.part() == Part::Undo {
            return Status::PausedByGate;
        }
        let open = || self.steps().filter(|(_, state)| state.attempt().is_some());
        let asks = |state: &StepState| match state {
            StepState::Held { .. } => true,
            StepState::Running(attempt) => matches!(*attempt.action, Action::Approval(_)),
            StepState::Pending { .. }
            | StepState::BackingOff { .. }
            | StepState::Succeeded { .. }
            | StepState::Failed { .. }
            | StepState::Skipped { .. }
            | StepState::DoneByHand { .. }
            | StepState::Previewed { .. }
            | StepState::Superseded { .. } => false,
        };
        if open().any(|(_, state)| asks(state)) && open().all(|(_, state)| asks(state)) {
            return Status::AwaitingApproval;
        }
        if self.only_looks_remain() { Status::VerifyingHealth } else { Status::Running }
    }

    /// Whether something was changed and every step that is left only reads.
    fn only_looks_remain(&self) -> bool {
        let mutates =
            |place| self.plan.spec_at(place, self.manner).is_some_and(|spec| spec.reach.mutates());
        let main = || self.steps().enumerate().filter(|(_, (step, _))| step.part == Part::Steps);
        main().any(|(_, (_, state))| !state.is_over())
            && main().any(|(place, (_, state))| state.is_over() && mutates(place))
            && main().all(|(place, (_, state))| state.is_over() || !mutates(place))
    }

    /// How it ends when nothing is left to do.
    pub fn outcome(&self) -> Outcome {
        if self.abandoned.is_some() {
            Outcome::Abandoned
        } else if self.failing {
            Outcome::Failed
        } else if self.steps().any(|(step, state)| is_exception(step, state)) {
            Outcome::SucceededWithExceptions
        } else {
            Outcome::Succeeded
        }
    }
}

/// Whether a run that reached its end past this step did so with an exception: also when the step went on
/// past a hook that failed.
fn is_exception(step: &Step, state: &StepState) -> bool {
    match state {
        StepState::Failed { .. } | StepState::Skipped { .. } | StepState::DoneByHand { .. } => true,
        StepState::Succeeded { outputs, .. } => {
            let failed = outputs.get("failed").and_then(Value::as_array);
            step.task.action == RunHooks::SPEC.name && failed.is_some_and(|hooks| !hooks.is_empty())
        }
        StepState::Pending { .. }
        | StepState::Running(_)
        | StepState::Held { .. }
        | StepState::BackingOff { .. }
        | StepState::Previewed { .. }
        | StepState::Superseded { .. } => false,
    }
}
