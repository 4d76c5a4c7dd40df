//! What the world is asked: one attempt with everything that it needs to know.

use std::{borrow::Cow, sync::Arc};

use jiff::Timestamp;
use muster_runbooks::{
    action::Action,
    name::{ComponentName, RunId, Token},
    request::Mode,
};

use super::Engine;
use crate::{
    call::Call,
    catalog::RecoveryPoint,
    event::Claim,
    progress::{Counted, Peak},
    run::Run,
    step::{Attempt, StepState},
};

impl Engine {
    /// The call for the open attempt at a place, or for another look at what an ended one gave.
    pub(super) fn call(&self, now: Timestamp, id: &RunId, place: usize) -> Option<Call> {
        let run = self.known.runs.get(id)?;
        let (step, state) = run.at(place);
        let attempt = match state {
            StepState::Running(attempt) => Cow::Borrowed(attempt),
            StepState::Succeeded { .. } => Cow::Owned(again(run, place, now)?),
            StepState::Pending { .. }
            | StepState::Held { .. }
            | StepState::BackingOff { .. }
            | StepState::Failed { .. }
            | StepState::Skipped { .. }
            | StepState::DoneByHand { .. }
            | StepState::Previewed { .. }
            | StepState::Superseded { .. } => return None,
        };
        let is_drill = run.plan.mode == Mode::Drill || attempt.action.spec().is_drill_owned();
        Some(Call {
            run: id.clone(),
            step: step.id.clone(),
            attempt: attempt.number,
            token: Token::new(id, &step.id, attempt.number, is_drill),
            action: Arc::clone(&attempt.action),
            binding: run.plan.shared_binding(),
            component: run.plan.component_at(place),
            mode: run.plan.mode,
            manner: attempt.manner,
            started_at: attempt.started_at,
            asked_at: now,
            not_after: self.not_after(now, attempt.deadline),
            aim: attempt.aim.clone(),
            best_effort: step.best_effort,
            points: self.points(run, step.component.as_ref(), &attempt.action),
            open_runs: self.open_runs(&attempt.action),
            counted: self.counted(run, step.component.as_ref(), &attempt.action),
            peak: self.peak(run, step.component.as_ref(), &attempt.action),
            moving: self.moving(run, &attempt.action),
            summary: summary(run, &attempt.action),
        })
    }

    /// The runs whose drill-owned objects are no leaks.
    fn open_runs(&self, action: &Action) -> Arc<[RunId]> {
        if !matches!(action, Action::FindLeaks(_)) {
            return Arc::default();
        }
        self.known.runs.keys().cloned().collect()
    }

    /// The rows that were last counted, for the action that compares with them.
    fn counted(
        &self,
        run: &Run,
        component: Option<&ComponentName>,
        action: &Action,
    ) -> Option<Arc<Counted>> {
        let (Action::CheckSql(_) | Action::CheckRestored(_)) = action else { return None };
        let state = self.known.applications.get(run.application()?)?;
        state.rows.get(component?).cloned().map(Arc::new)
    }

    /// How strong a workload was, for the actions that make another side as strong.
    fn peak(
        &self,
        run: &Run,
        component: Option<&ComponentName>,
        action: &Action,
    ) -> Option<Arc<Peak>> {
        let (Action::ScaleWorkload(_) | Action::ResumeWorkers(_)) = action else { return None };
        let state = self.known.applications.get(run.application()?)?;
        state.peaks.get(component?).cloned().map(Arc::new)
    }

    /// The recovery points that an expiring action judges, or that one is chosen from.
    fn points(
        &self,
        run: &Run,
        component: Option<&ComponentName>,
        action: &Action,
    ) -> Arc<[RecoveryPoint]> {
        let chooses = matches!(action, Action::ChoosePoint(_));
        if !(chooses || expires(action)) {
            return Arc::default();
        }
        let state = run.application().and_then(|name| self.known.applications.get(name));
        let points = state.map(|state| state.points.values()).into_iter().flatten();
        points.filter(|point| chooses || Some(&point.component) == component).cloned().collect()
    }

    /// The live failover or failback that the run's application is in the middle of: until it has
    /// ended, nobody knows which point will be needed (design §3.10).
    fn moving(&self, run: &Run, action: &Action) -> Option<RunId> {
        let application = run.application().filter(|_| expires(action))?;
        let holder = &self.known.claims.get(&Claim::lock_key(application))?.holder;
        let holder = self.known.runs.get(holder).filter(|holder| holder.is_live_failover())?;
        Some(holder.id.clone())
    }
}

/// The attempt that looks at a step's outputs again; nothing before its arguments are known.
fn again(run: &Run, place: usize, now: Timestamp) -> Option<Attempt> {
    let (step, state) = run.at(place);
    Some(Attempt {
        number: state.attempts(),
        manner: run.manner,
        started_at: now,
        deadline: now + step.limit.duration(),
        action: run.action_at(place, run.manner).ok()?,
        aim: None,
        begun_at: None,
    })
}

fn expires(action: &Action) -> bool {
    matches!(action, Action::MarkExpired(_)) || deletes_points(action)
}

/// Whether an action deletes recovery points.
pub(super) fn deletes_points(action: &Action) -> bool {
    matches!(action, Action::DeleteExpired(_))
}

/// How the run stands, in a sentence; only a notice says it.
fn summary(run: &Run, action: &Action) -> String {
    if !matches!(action, Action::Notify(_)) {
        return String::new();
    }
    let open = run.steps().filter(|(_, state)| !state.is_over()).count();
    let title = &run.plan.title;
    let drill = if run.plan.mode == Mode::Drill { "DRILL: " } else { "" };
    let worst = run.steps().find_map(|(step, state)| {
        let StepState::Failed { fault, .. } = state else { return None };
        Some(format!("; `{}` failed: {fault}", step.id))
    });
    let application = run.application().map_or_else(String::new, |name| format!(" of {name}"));
    let outcome = run.outcome();
    format!(
        "{drill}{title}{application}: run {} is at `{outcome}`, {open} steps open{}",
        run.id,
        worst.unwrap_or_default()
    )
}
