//! A run is its plan plus the fold of its events.

mod always;
mod illegal;
mod status;

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use muster_runbooks::{
    action::{Action, Outputs, control::Risk},
    name::{ApplicationName, RunId, StepId},
    plan::{OnFailure, Part, Plan, Step, Thawed, Unresolved},
    request::{Manner, Mode, Request, Trigger},
    value::words,
};
use serde::{Deserialize, Serialize, Serializer};

pub use illegal::Illegal;

use crate::{
    child::Child,
    event::RunEvent,
    step::{Change, StepState},
};

/// Notes beyond this many drop the oldest from the fold; the journal keeps them all.
const NOTES_KEPT: usize = 100;

/// The journal from its first event on, folded.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Why and what was asked for.
    pub request: Arc<Request>,
    /// What it carries out. Serialised without what is large and never changes: whoever keeps runs
    /// keeps plans beside them.
    #[serde(serialize_with = "heading")]
    pub plan: Arc<Thawed>,
    /// The hash of the plan's bytes. Approvals are bound to it.
    pub hash: String,
    /// The variant that steps take from now on.
    pub manner: Manner,
    /// Why nothing new is begun, apart from failed steps.
    pub pauses: Vec<PauseCause>,
    /// Who approved what, since the run was last forced.
    pub approvals: Vec<Approved>,
    /// Those who asked for the run or forced it; their approval does not count.
    pub requesters: Vec<String>,
    /// Who gave it up, and when.
    pub abandoned: Option<Said>,
    /// A step failed in a way that fails the run, or an approver declined.
    pub failing: bool,
    /// Whether the `undo` steps run, once a person said so.
    pub undo: Option<bool>,
    /// Who let it go on although nobody can read whose the lease is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_overridden: Option<Said>,
    /// What was written down, newest last.
    pub notes: Vec<Said>,
    /// The runs that its steps started, in the order of their start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Child>,
    /// When it was admitted.
    pub admitted_at: Timestamp,
    /// When its last event was written.
    pub last_at: Timestamp,
    /// How it ended.
    pub ended: Option<Ended>,
    /// How many events it has.
    pub len: u64,
    /// One state per step of the plan, in its order.
    states: Vec<StepState>,
}

/// Something that a person said about a run.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Said {
    /// Who.
    pub by: String,
    /// What.
    pub text: String,
    /// When.
    pub at: Timestamp,
}

/// One approval.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Approved {
    /// The step.
    pub step: StepId,
    /// Who.
    pub by: String,
    /// The risks that were ticked.
    pub accepts: Vec<Risk>,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

impl Approved {
    /// Whether all of these risks were ticked.
    pub fn covers(&self, risks: &[Risk]) -> bool {
        risks.iter().all(|risk| self.accepts.contains(risk))
    }
}

/// The end of a run.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Ended {
    /// How.
    pub outcome: Outcome,
    /// When.
    pub at: Timestamp,
}

words! {
    /// How a run ended.
    Outcome {
        /// Every step ended well.
        Succeeded = "succeeded",
        /// It reached its end, but steps were skipped, done by hand, or failed and left behind.
        SucceededWithExceptions = "succeeded_with_exceptions",
        /// A step or an approver ended it.
        Failed = "failed",
        /// A person gave it up.
        Abandoned = "abandoned",
    }
}

words! {
    /// Where a run stands. Derived, never stored.
    Status {
        /// People are asked, and nothing else can go on.
        AwaitingApproval = "awaiting_approval",
        /// Steps are being carried out.
        Running = "running",
        /// Somebody paused it.
        PausedByOperator = "paused_by_operator",
        /// A step failed, and a person decides how it goes on.
        PausedByFailedStep = "paused_by_failed_step",
        /// It saw something that a person must look at first.
        PausedByGate = "paused_by_gate",
        /// All changes are made; what remains looks whether the application is well.
        VerifyingHealth = "verifying_health",
        /// Every step ended well.
        Succeeded = "succeeded",
        /// It reached its end with exceptions.
        SucceededWithExceptions = "succeeded_with_exceptions",
        /// It failed.
        Failed = "failed",
        /// It was given up.
        Abandoned = "abandoned",
    }
}

/// Why nothing new is begun.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "by")]
pub enum PauseCause {
    /// Somebody asked for it.
    Operator {
        /// Who.
        who: String,
        /// Why.
        reason: String,
    },
    /// The world or the clock is not as the journal implies.
    Gate {
        /// What was seen.
        saw: String,
    },
    /// A live failover of the same application goes first.
    Failover {
        /// Its run.
        run: RunId,
    },
}

impl Outcome {
    /// Whether what was to be done is done, with or without exceptions.
    pub fn is_well(self) -> bool {
        match self {
            Outcome::Succeeded | Outcome::SucceededWithExceptions => true,
            Outcome::Failed | Outcome::Abandoned => false,
        }
    }
}

impl Run {
    /// The run that begins with `event`.
    pub fn admitted(id: &RunId, event: &RunEvent, at: Timestamp) -> Result<Run, Illegal> {
        let RunEvent::Admitted { request, plan } = event else {
            return Err(Illegal::Admission { run: id.clone() });
        };
        let hash = plan.hash().to_owned();
        let plan = plan.thaw().map_err(|source| Illegal::Plan { run: id.clone(), source })?;
        Ok(Run {
            id: id.clone(),
            manner: request.manner,
            requesters: requesters(&request.trigger),
            request: Arc::clone(request),
            states: vec![StepState::Pending { attempts: 0 }; plan.steps.len()],
            plan,
            hash,
            pauses: Vec::new(),
            approvals: Vec::new(),
            abandoned: None,
            failing: false,
            undo: None,
            lease_overridden: None,
            notes: Vec::new(),
            children: Vec::new(),
            admitted_at: at,
            last_at: at,
            ended: None,
            len: 1,
        })
    }

    /// Takes one event in. This is the only place where a run changes.
    pub fn apply(&mut self, event: &RunEvent, at: Timestamp) -> Result<(), Illegal> {
        if self.ended.is_some() && !matches!(event, RunEvent::Noted { .. }) {
            return Err(Illegal::Ended { run: self.id.clone() });
        }
        match event {
            RunEvent::Admitted { .. } => return Err(Illegal::Admission { run: self.id.clone() }),
            RunEvent::Step { step, change } => self.change(step, change, at)?,
            RunEvent::Approved { step, by, accepts, reason } => {
                self.position(step).ok_or_else(|| self.no_step(step))?;
                self.approvals.push(Approved {
                    step: step.clone(),
                    by: by.clone(),
                    accepts: accepts.clone(),
                    reason: reason.clone(),
                    at,
                });
            }
            RunEvent::GlassBroken { step, by, accepts, seals, reason } => {
                self.position(step).ok_or_else(|| self.no_step(step))?;
                for seal in seals {
                    self.approvals.push(Approved {
                        step: step.clone(),
                        by: seal.by.clone(),
                        accepts: accepts.clone(),
                        reason: format!("sealed beforehand, and opened by {by}: {reason}"),
                        at,
                    });
                }
                self.note(by, &format!("broke the glass for `{step}`: {reason}"), at);
            }
            RunEvent::Declined { step, by, reason } => {
                self.position(step).ok_or_else(|| self.no_step(step))?;
                self.failing = true;
                self.note(by, &format!("declined `{step}`: {reason}"), at);
            }
            RunEvent::Paused { cause } => self.pauses.push(cause.clone()),
            RunEvent::Resumed { by, reason } => {
                self.pauses.clear();
                self.note(by, &format!("resumed: {reason}"), at);
            }
            RunEvent::Forced { by, reason } => {
                self.manner = Manner::Forced;
                self.approvals.clear();
                self.requesters.push(by.clone());
                self.note(by, &format!("forced: {reason}"), at);
            }
            RunEvent::LeaseOverridden { by, reason } => {
                self.lease_overridden = Some(Said { by: by.clone(), text: reason.clone(), at });
            }
            RunEvent::Noted { by, text } => self.note(by, text, at),
            RunEvent::Abandoned { by, reason, undo } => {
                self.pauses.clear();
                self.undo = Some(*undo);
                self.abandoned = Some(Said { by: by.clone(), text: reason.clone(), at });
            }
            RunEvent::UndoDecided { by, undo } => {
                self.undo = Some(*undo);
                let text = if *undo { "the undo steps shall run" } else { "no undo" };
                self.note(by, text, at);
            }
            RunEvent::ChildAdmitted { step, run } => {
                self.position(step).ok_or_else(|| self.no_step(step))?;
                let (step, run) = (step.clone(), run.clone());
                self.children.push(Child { step, run, ended: None, result_of: None });
            }
            RunEvent::ChildEnded { run, outcome } => {
                if !self.child_ended(run, *outcome, at) {
                    return Err(Illegal::Child { run: self.id.clone(), child: run.clone() });
                }
            }
            RunEvent::Ended { outcome } => self.ended = Some(Ended { outcome: *outcome, at }),
        }
        self.len += 1;
        self.last_at = at;
        Ok(())
    }

    fn change(&mut self, id: &StepId, change: &Change, at: Timestamp) -> Result<(), Illegal> {
        let place = self.position(id).ok_or_else(|| self.no_step(id))?;
        let next = self.states[place].after(change, at).map_err(|source| Illegal::Change {
            run: self.id.clone(),
            step: id.clone(),
            source,
        })?;
        let step = &self.plan.steps[place];
        if matches!(next, StepState::Failed { .. })
            && step.part == Part::Steps
            && step.on_failure == OnFailure::Fail
        {
            self.failing = true;
        }
        self.states[place] = next;
        Ok(())
    }

    fn note(&mut self, by: &str, text: &str, at: Timestamp) {
        if self.notes.len() == NOTES_KEPT {
            self.notes.remove(0);
        }
        self.notes.push(Said { by: by.to_owned(), text: text.to_owned(), at });
    }

    fn no_step(&self, step: &StepId) -> Illegal {
        Illegal::Step { run: self.id.clone(), step: step.clone() }
    }

    /// The steps with their states, in the order of the plan.
    pub fn steps(&self) -> impl Iterator<Item = (&Step, &StepState)> {
        self.plan.steps.iter().zip(&self.states)
    }

    /// The step at a place of the plan.
    pub fn at(&self, place: usize) -> (&Step, &StepState) {
        (&self.plan.steps[place], &self.states[place])
    }

    /// The place of a step in the plan.
    pub fn position(&self, id: &StepId) -> Option<usize> {
        self.plan.steps.iter().position(|step| step.id == *id)
    }

    /// The state of a step.
    pub fn state(&self, id: &StepId) -> Option<&StepState> {
        self.position(id).map(|place| &self.states[place])
    }

    /// What a step gave.
    pub fn outputs(&self, id: &StepId) -> Option<&Outputs> {
        self.state(id)?.outputs()
    }

    /// What the step at a place does in a manner, with its arguments filled in from what is known now.
    pub fn action_at(&self, place: usize, manner: Manner) -> Result<Arc<Action>, Unresolved> {
        self.plan.action_at(place, manner, |id| self.outputs(id))
    }

    /// The application it is bound to.
    pub fn application(&self) -> Option<&ApplicationName> {
        self.plan.binding.as_ref().map(|binding| &binding.application.name)
    }

    /// Whether it acts on the real world and nobody else's turn comes first.
    pub fn is_live_failover(&self) -> bool {
        self.moves_for_real() && self.ended.is_none()
    }

    /// Whether it moves its application, or moved it, in the real world.
    pub fn moves_for_real(&self) -> bool {
        self.plan.exclusive && self.plan.mode == Mode::Live
    }

    /// The approval in which a risk was accepted, if any.
    pub fn accepted(&self, risk: Risk) -> Option<&Approved> {
        self.approvals.iter().find(|approved| approved.accepts.contains(&risk))
    }

    /// Whether every step that the one at `place` rests on has ended in a way that lets it start.
    ///
    /// The needs of its needs count too: forcing a run asks an approval again that steps behind it
    /// have passed before, and nothing behind it may start on the old one (I9).
    pub fn is_ready(&self, place: usize) -> bool {
        if self.plan.steps[place].always {
            return self.is_closing_due(place);
        }
        let rests_on = self.plan.rests_on(place);
        rests_on.is_some_and(|places| places.iter().all(|place| self.lets_go_on(*place)))
    }

    /// Whether what was open before it must wait now: something that it rests on is open again, such as
    /// an approval after the run was forced. It is watched all the same, since it may have been sent.
    pub(crate) fn is_unsettled(&self, place: usize) -> bool {
        let step = &self.plan.steps[place];
        step.part == Part::Steps && !step.always && !self.is_ready(place)
    }

    fn lets_go_on(&self, place: usize) -> bool {
        let needed = &self.plan.steps[place];
        match &self.states[place] {
            StepState::Succeeded { .. }
            | StepState::Skipped { .. }
            | StepState::DoneByHand { .. }
            | StepState::Previewed { .. } => true,
            StepState::Failed { .. } => {
                needed.on_failure == OnFailure::Continue || needed.part == Part::Finally
            }
            StepState::Pending { .. }
            | StepState::Running(_)
            | StepState::Held { .. }
            | StepState::BackingOff { .. }
            | StepState::Superseded { .. } => false,
        }
    }

    /// The first failed step that holds the run up.
    pub fn failed_step(&self) -> Option<&Step> {
        if self.is_on_its_way_out() {
            return None;
        }
        self.steps()
            .find(|(step, state)| {
                step.part == Part::Steps
                    && step.on_failure == OnFailure::Pause
                    && matches!(state, StepState::Failed { .. })
            })
            .map(|(step, _)| step)
    }

    /// Whether nothing new may be begun, apart from what [`Run::is_held_back`] lets pass.
    pub fn is_paused(&self) -> bool {
        !self.pauses.is_empty() || self.failed_step().is_some()
    }

    /// Whether the run waits for a person to say if its `undo` steps shall run.
    pub fn awaits_undo(&self) -> bool {
        self.failing
            && self.undo.is_none()
            && self.plan.steps.iter().any(|step| step.part == Part::Undo)
    }

    /// The part that is being carried out.
    pub fn part(&self) -> Part {
        let is_over = |part| self.steps().all(|(step, state)| step.part != part || state.is_over());
        if !self.is_on_its_way_out() {
            // A failed step that holds the run up is asked about, even if it was the last.
            let goes_on = is_over(Part::Steps) && self.failed_step().is_none();
            return if goes_on { Part::Finally } else { Part::Steps };
        }
        let is_open =
            self.steps().any(|(step, state)| step.part == Part::Steps && state.attempt().is_some());
        if is_open || self.has_closing_due() {
            Part::Steps
        } else if self.undo != Some(false) && !is_over(Part::Undo) {
            Part::Undo
        } else {
            Part::Finally
        }
    }

    /// The names of those who approved a step, each once.
    pub fn approvers(&self, step: &StepId) -> Vec<&Approved> {
        let mut seen: BTreeMap<&str, &Approved> = BTreeMap::new();
        for approved in self.approvals.iter().filter(|approved| approved.step == *step) {
            seen.insert(&approved.by, approved);
        }
        seen.into_values().collect()
    }
}

/// Those whose approval does not count: who asked, and for a run that a step started, who asked for that
/// step's run.
fn requesters(trigger: &Trigger) -> Vec<String> {
    let who = std::iter::once(trigger.who());
    match trigger {
        Trigger::Run { asked_by, .. } => who.chain(asked_by.iter().cloned()).collect(),
        Trigger::Schedule { .. }
        | Trigger::Person { .. }
        | Trigger::Observers { .. }
        | Trigger::Event { .. } => who.collect(),
    }
}

fn heading<S: Serializer>(plan: &Thawed, to: S) -> Result<S::Ok, S::Error> {
    let heading = Plan {
        runbook: plan.runbook.clone(),
        title: plan.title.clone(),
        mode: plan.mode,
        exclusive: plan.exclusive,
        way_back: plan.way_back.clone(),
        rto: plan.rto,
        inputs: BTreeMap::new(),
        binding: None,
        steps: Vec::new(),
    };
    heading.serialize(to)
}
