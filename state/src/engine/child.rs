//! What a run and the runs of its steps learn from each other.

use jiff::Timestamp;
use muster_runbooks::name::{RunId, StepId};

use super::{Engine, Output};
use crate::{
    command::{Accepted, Person, Refusal, Steer},
    event::{Entry, Event, RunEvent, Stream},
    steer,
    step::{Change, Fault},
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
        match said {
            Steer::Pause | Steer::Resume | Steer::Abandon { .. } => {}
            Steer::Approve { .. }
            | Steer::Decline { .. }
            | Steer::Retry { .. }
            | Steer::Skip { .. }
            | Steer::Done { .. }
            | Steer::OverrideLease
            | Steer::Note
            | Steer::Force => return,
        }
        let run = self.known.runs.get(parent);
        let children: Vec<RunId> =
            run.map_or_else(Vec::new, |run| run.open_children().cloned().collect());
        for id in children {
            let child = self.known.runs.get(&id);
            // One that is paused already need not be paused, and one that is not cannot be resumed.
            let events = child.and_then(|run| steer::steer(run, by, reason, said).ok());
            let entries =
                events.unwrap_or_default().into_iter().map(|event| Entry::run(&id, event));
            self.commit(now, entries.collect(), Vec::new(), out);
            self.forget_naps(&id);
            self.advance(now, &id, out);
        }
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
        let waits = run.wants_started().any(|(waits, _)| waits.id == *step);
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
