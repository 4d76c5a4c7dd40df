//! The people around a run: they look at what is durable every now and then, and act on it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    action::{Action, Outputs, Reach, control::Risk},
    name::{Region, RunId, StepId},
    plan::Part,
    request::{Manner, Mode},
};
use muster_state::{
    approval,
    command::{Command, Person, Steer},
    event::Seal,
    progress::Progress,
    run::{PauseCause, Run},
    step::{Attempt, StepState},
};
use serde_json::json;

use super::cast::{ben, cara, dora, olga};

/// How patient and how bold they are.
#[derive(Clone, Debug)]
pub struct Manners {
    /// How long they think before they act.
    pub thinks: SignedDuration,
    /// Whether they force a graceful run whose active region is gone.
    pub forces: bool,
    /// Whether they accept an unproven fence together with the approval, or only when asked.
    pub accepts_early: bool,
    /// Whether nobody can be reached who may approve, and one person opens what they sealed beforehand.
    pub is_alone: bool,
}

impl Default for Manners {
    fn default() -> Manners {
        let thinks = SignedDuration::from_secs(20);
        Manners { thinks, forces: true, accepts_early: false, is_alone: false }
    }
}

/// So often is the same thing tried before a run is given up.
const TRIES_MAX: u32 = 12;

/// The people.
#[derive(Debug, Default)]
pub struct People {
    manners: Manners,
    /// Since when something was seen, and how often it was answered.
    seen: BTreeMap<(RunId, String), (Timestamp, u32)>,
}

impl People {
    /// People of these manners.
    pub fn new(manners: Manners) -> People {
        People { manners, seen: BTreeMap::new() }
    }

    /// What they say now. `is_lost` says whether everybody knows that a region is gone.
    pub fn look(
        &mut self,
        now: Timestamp,
        known: &Progress,
        is_lost: impl Fn(&Region) -> bool,
    ) -> Vec<Command> {
        let mut said = Vec::new();
        for run in known.runs.values() {
            let mut words = self.about(now, run, &is_lost);
            // One word per run and look: the next is said to what became of this one.
            words.truncate(1);
            said.extend(words.into_iter().map(|(by, steer)| Command::Steer {
                run: run.id.clone(),
                by,
                reason: "as the book says".to_owned(),
                steer,
            }));
        }
        said
    }

    fn about(
        &mut self,
        now: Timestamp,
        run: &Run,
        is_lost: &impl Fn(&Region) -> bool,
    ) -> Vec<(Person, Steer)> {
        let mut said = Vec::new();
        let lost = run.plan.binding.as_ref().is_some_and(|binding| is_lost(&binding.active));
        let can_force = run.manner == Manner::Graceful
            && run.plan.mode == Mode::Live
            && run.plan.steps.iter().any(|step| step.forced.is_some());
        if self.manners.forces && lost && can_force && self.is_time(now, run, "force", 3) {
            said.push((olga(), Steer::Force));
        }
        for (step, state) in run.steps() {
            let id = &step.id;
            match state {
                StepState::Held { risk, attempt, .. } => {
                    if self.is_time(now, run, &format!("held {id}"), 1) {
                        said.push(if self.manners.is_alone {
                            break_glass(run, id, attempt, vec![*risk])
                        } else {
                            (cara(), approve(run, id, vec![*risk]))
                        });
                    }
                }
                StepState::Running(attempt) => {
                    said.extend(self.about_attempt(now, run, id, attempt));
                }
                StepState::Failed { .. } if step.part == Part::Steps => {
                    let held_up = run.failed_step().is_some_and(|failed| failed.id == *id);
                    if held_up && run.plan.mode == Mode::Drill {
                        // Nothing was changed, so what looks for the change cannot find it.
                        if self.is_time(now, run, "end the drill", 1) {
                            said.push((olga(), Steer::Abandon { undo: false }));
                        }
                    } else if held_up && self.is_time(now, run, &format!("retry {id}"), 2) {
                        said.push((olga(), Steer::Retry { step: id.clone() }));
                    }
                }
                StepState::Failed { .. }
                | StepState::Pending { .. }
                | StepState::BackingOff { .. }
                | StepState::Succeeded { .. }
                | StepState::Skipped { .. }
                | StepState::DoneByHand { .. }
                | StepState::Previewed { .. }
                | StepState::Superseded { .. } => {}
            }
        }
        if run.failed_step().is_none()
            && (stands_at_gate(run) || by_operator(run) || run.awaits_undo())
            && self.is_time(now, run, "resume", 2)
        {
            said.push((olga(), Steer::Resume));
        }
        let tired = |seen: &(&(RunId, String), &(Timestamp, u32))| {
            seen.0.0 == run.id && seen.1.1 >= TRIES_MAX
        };
        if run.abandoned.is_none() && self.seen.iter().any(|seen| tired(&seen)) {
            said.insert(0, (olga(), Steer::Abandon { undo: false }));
        }
        said
    }

    fn about_attempt(
        &mut self,
        now: Timestamp,
        run: &Run,
        id: &StepId,
        attempt: &Attempt,
    ) -> Option<(Person, Steer)> {
        let step = run.plan.step(id)?;
        if let Some(asked) = approval::asked(run, step, attempt, now) {
            let mut accepts = approval::risks(&asked);
            if self.manners.accepts_early {
                let offers = asked.may_accept.iter().flatten();
                accepts.extend(offers.filter(|risk| **risk == Risk::UnprovenFence));
            }
            let has_ben = run.approvers(id).iter().any(|one| one.by == "ben");
            let who = if has_ben { cara() } else { ben() };
            let is_time = self.is_time(now, run, &format!("approve {id} {}", attempt.number), 1);
            return is_time.then(|| {
                if self.manners.is_alone {
                    break_glass(run, id, attempt, accepts)
                } else {
                    (who, approve(run, id, accepts))
                }
            });
        }
        if matches!(*attempt.action, Action::Gate(_)) {
            let done = Steer::Done { step: id.clone(), outputs: Outputs::new() };
            return self.is_time(now, run, &format!("gate {id}"), 1).then(|| (olga(), done));
        }
        // It may have been sent and cannot be seen: a person looks, and says what is so.
        let is_stuck = attempt.action.spec().reach == Reach::Once && stands_at_gate(run);
        let is_time = is_stuck && self.is_time(now, run, &format!("by hand {id}"), 5);
        is_time.then(|| (olga(), by_hand(id, &attempt.action)))
    }

    /// Whether something has stood for as long as people think about it. Each time it is acted on,
    /// the next time comes later.
    fn is_time(&mut self, now: Timestamp, run: &Run, what: &str, times: i32) -> bool {
        let key = (run.id.clone(), what.to_owned());
        let (since, tries) = self.seen.entry(key).or_insert((now, 0));
        let is_time = now.duration_since(*since) >= self.manners.thinks * times;
        if is_time {
            *since = now;
            *tries += 1;
        }
        is_time
    }
}

fn approve(run: &Run, step: &StepId, accepts: Vec<Risk>) -> Steer {
    Steer::Approve { step: step.clone(), accepts, plan_hash: run.hash.clone() }
}

/// Two seals, such as are opened once.
fn break_glass(run: &Run, step: &StepId, attempt: &Attempt, accepts: Vec<Risk>) -> (Person, Steer) {
    let seal = |by: Person| Seal {
        id: format!("{}-{step}-{}-{}", run.id, attempt.number, by.name),
        by: by.name,
    };
    let steer = Steer::BreakGlass {
        step: step.clone(),
        accepts,
        plan_hash: run.hash.clone(),
        needed: 2,
        seals: [ben(), cara()].map(seal).to_vec(),
    };
    (dora(), steer)
}

fn by_hand(step: &StepId, action: &Action) -> Steer {
    let outputs = if matches!(action, Action::DeleteExpired(_)) {
        [("deleted".to_owned(), json!(0)), ("undeletable".to_owned(), json!(0))].into()
    } else {
        Outputs::new()
    };
    Steer::Done { step: step.clone(), outputs }
}

fn stands_at_gate(run: &Run) -> bool {
    run.pauses.iter().any(|cause| matches!(cause, PauseCause::Gate { .. }))
}

fn by_operator(run: &Run) -> bool {
    run.pauses.iter().any(|cause| matches!(cause, PauseCause::Operator { .. }))
}
