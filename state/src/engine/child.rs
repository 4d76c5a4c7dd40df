//! What a run and the runs of its steps learn from each other.

use jiff::Timestamp;
use muster_runbooks::{
    action::control::PersonRole,
    name::{RunId, StepId},
};

use super::{Engine, Output};
use crate::{
    approval,
    child::Wanted,
    command::{Accepted, Person, Refusal, Steer},
    event::{Entry, Event, RunEvent, Stream},
    run::Run,
    steer,
    step::{Change, Fault, StepState},
};

impl Engine {
    /// What the run whose step started another learns from its end; nothing when it has ended itself.
    pub(super) fn told_to_parent(&self, entry: &Entry) -> Option<Entry> {
        let (Stream::Run(id), Event::Run(RunEvent::Ended { outcome })) =
            (&entry.stream, &entry.event)
        else {
            return None;
        };
        let (parent, _) = self.known.runs.get(id)?.parent()?;
        let waits = self.known.runs.get(parent)?.open_children().any(|child| child == id);
        let ended = RunEvent::ChildEnded { run: id.clone(), outcome: *outcome };
        waits.then(|| Entry::run(parent, ended))
    }

    /// Has what was said of a run said of the runs of its steps too, where that means anything there: one
    /// word stops all of them, and one lets them go on.
    pub(super) fn pass_on(
        &mut self,
        now: Timestamp,
        parent: &RunId,
        by: &Person,
        reason: &str,
        said: &Steer,
        out: &mut Vec<Output>,
    ) {
        let is_passed_on = match said {
            Steer::Pause | Steer::Resume | Steer::Force | Steer::Abandon { .. } => true,
            // They take it over by their own rules as soon as they are looked at ([`Engine::inherit`]).
            Steer::Approve { .. } | Steer::BreakGlass { .. } => false,
            Steer::Decline { .. }
            | Steer::Retry { .. }
            | Steer::Skip { .. }
            | Steer::Done { .. }
            | Steer::OverrideLease
            | Steer::Note => return,
        };
        let run = self.known.runs.get(parent);
        let children: Vec<RunId> =
            run.map_or_else(Vec::new, |run| run.open_children().cloned().collect());
        for id in children {
            let child = self.known.runs.get(&id).filter(|_| is_passed_on);
            // One that is paused already need not be paused, and one that is not cannot be resumed.
            let events = child.and_then(|run| steer::steer(now, run, by, reason, said).ok());
            for event in events.unwrap_or_default() {
                self.record(now, Entry::run(&id, event), out);
            }
            self.forget_naps(&id);
            self.advance(now, &id, out);
        }
    }

    /// Says of a run what was approved for all that its parent moves. It must be enough by the run's own rules;
    /// what is not is asked by the run itself. A run that was forced alone asks alone.
    pub(super) fn inherit(&mut self, now: Timestamp, id: &RunId, out: &mut Vec<Output>) {
        let events =
            self.known.runs.get(id).map(|run| self.inherited(now, run)).unwrap_or_default();
        if !events.is_empty() {
            let entries = events.into_iter().map(|event| Entry::run(id, event)).collect();
            self.commit(now, entries, Vec::new(), out);
        }
    }

    fn inherited(&self, now: Timestamp, run: &Run) -> Vec<RunEvent> {
        let from = run.parent().and_then(|(parent, step)| {
            let parent =
                self.known.runs.get(parent).filter(|parent| parent.manner == run.manner)?;
            let attempt = parent.state(step)?.attempt()?;
            match Wanted::of(&attempt.action)? {
                Wanted::Move(moves) => Some((parent, &moves.approval)),
                Wanted::Start(_) => None,
            }
        });
        let Some((parent, approval)) = from else { return Vec::new() };
        let mut events = Vec::new();
        for (step, state) in run.steps() {
            let StepState::Running(attempt) = state else { continue };
            let Some(asked) = approval::asked(run, step, attempt, now) else { continue };
            let given = run.approvers(&step.id);
            for one in parent.approvers(approval) {
                if given.iter().any(|given| given.by == one.by) {
                    continue;
                }
                let offered = approval::offers(&asked).into_iter();
                let accepts = offered.filter(|risk| one.accepts.contains(risk)).collect();
                let says =
                    Steer::Approve { step: step.id.clone(), accepts, plan_hash: run.hash.clone() };
                let by = Person { name: one.by.clone(), role: PersonRole::Approver };
                let reason = format!("for all of run `{}`: {}", parent.id, one.reason);
                events.extend(steer::steer(now, run, &by, &reason, &says).unwrap_or_default());
            }
        }
        events
    }

    /// Fails a step whose run cannot be started.
    pub(super) fn unstarted(
        &mut self,
        now: Timestamp,
        id: &RunId,
        step: &StepId,
        because: String,
        out: &mut Vec<Output>,
    ) -> Result<Accepted, Refusal> {
        let run = self.known.runs.get(id).ok_or_else(|| Refusal::UnknownRun { run: id.clone() })?;
        let waits = run.wants_started().iter().any(|(waits, _)| waits.id == *step);
        let attempt = run.state(step).and_then(|state| state.attempt()).filter(|_| waits);
        let Some(attempt) = attempt else {
            let because = format!("`{step}` waits for none");
            return Err(Refusal::NotNow { what: "starting a run", because });
        };
        let change =
            Change::Failed { attempt: attempt.number, fault: Fault::Refused { reason: because } };
        self.record(now, Entry::run(id, RunEvent::Step { step: step.clone(), change }), out);
        self.advance(now, id, out);
        Ok(Accepted { run: Some(id.clone()), repeated: false })
    }
}
