//! Steps that are `always` due: each closes what a step before it opened, whatever came of it in between.
//!
//! The application stands still between the two. So the one that closes is due as soon as nothing that
//! it rests on goes on any more: all has ended, or what has not is held up by one that failed, or the run
//! is given up. A person's pause holds it back like everything else (I11).

use muster_runbooks::plan::Part;

use super::Run;
use crate::step::StepState;

impl Run {
    /// Whether nothing new may be begun for the step at `place`.
    ///
    /// A pause that somebody asked for stops everything. A failed step elsewhere does not stop what is
    /// always due, nor what it waits for once that was opened: nothing stands still for longer because
    /// of what happened to another component.
    pub fn is_held_back(&self, place: usize) -> bool {
        if !self.pauses.is_empty() {
            return true;
        }
        self.failed_step().is_some()
            && !self.plan.steps[place].always
            && !self.stands_between(place)
    }

    /// Whether the run ends early: what has not begun does not begin any more.
    pub(crate) fn is_on_its_way_out(&self) -> bool {
        self.failing || self.abandoned.is_some()
    }

    /// Whether a step that is always due, and not over, is due.
    pub(super) fn has_closing_due(&self) -> bool {
        (0..self.states.len()).any(|place| {
            let step = &self.plan.steps[place];
            step.always
                && step.part == Part::Steps
                && !self.states[place].is_over()
                && self.is_closing_due(place)
        })
    }

    /// Whether the always due step at `place` may start.
    pub(super) fn is_closing_due(&self, place: usize) -> bool {
        let Some(rests_on) = self.plan.rests_on(place) else { return false };
        if !self.is_on_its_way_out() && rests_on.iter().all(|place| self.states[*place].is_over()) {
            return true;
        }
        let goes_on = |place: usize| {
            let state = &self.states[place];
            let may_go_on = !self.is_on_its_way_out() && !self.is_stuck(place);
            state.attempt().is_some() || !state.is_over() && may_go_on
        };
        if rests_on.iter().any(|place| goes_on(*place)) {
            return false;
        }
        // What was never opened has nothing to close (I13).
        let component = &self.plan.steps[place].component;
        rests_on.iter().any(|place| {
            self.plan.steps[*place].component == *component && has_begun(&self.states[*place])
        })
    }

    /// Whether a step that has not ended rests on one that failed and does not let it start.
    fn is_stuck(&self, place: usize) -> bool {
        let rests_on = self.plan.rests_on(place).unwrap_or_default();
        rests_on.iter().any(|place| {
            matches!(self.states[*place], StepState::Failed { .. }) && !self.lets_go_on(*place)
        })
    }

    /// Whether the step at `place` lies between one of its component that has opened something and the
    /// one that closes it.
    fn stands_between(&self, place: usize) -> bool {
        let component = &self.plan.steps[place].component;
        let is_closed = self.plan.steps.iter().enumerate().any(|(closing, step)| {
            let rests_on = || self.plan.rests_on(closing).unwrap_or_default();
            step.always && step.component == *component && rests_on().contains(&place)
        });
        let opened = |place: usize| {
            let state = &self.states[place];
            self.plan.steps[place].component == *component
                && matches!(state, StepState::Succeeded { .. } | StepState::DoneByHand { .. })
        };
        is_closed && self.plan.rests_on(place).is_some_and(|all| all.iter().any(|at| opened(*at)))
    }
}

/// Whether a step may have done something. One that a person skipped may have been tried before.
fn has_begun(state: &StepState) -> bool {
    match state {
        StepState::Pending { attempts } => *attempts > 0,
        StepState::Previewed { .. } => false,
        StepState::Running(_)
        | StepState::Held { .. }
        | StepState::BackingOff { .. }
        | StepState::Succeeded { .. }
        | StepState::Failed { .. }
        | StepState::Skipped { .. }
        | StepState::DoneByHand { .. }
        | StepState::Superseded { .. } => true,
    }
}
