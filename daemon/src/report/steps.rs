//! Part 4, step by step: what was planned, and what each attempt came to.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_runbooks::{action::Outputs, name::StepId, plan::Step, value::Span};
use muster_state::{
    event::{Event, RunEvent},
    run::Run,
    step::{Change, StepState},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Answer, Length, List, TEXT_CHARS_MAX, clip, facts::RunFacts};

/// The most attempts of one step that are shown; a plan rarely allows more than three.
const TRIES_MAX: usize = 20;

/// The most outputs of one step that are shown.
const OUTPUTS_MAX: usize = 30;

/// One step of the plan, and what became of it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct StepRow {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub title: String,
    /// `steps`, `undo` or `finally`.
    pub part: String,
    /// The component it works on.
    pub component: Option<String>,
    /// What it does, in the variant that the run took last.
    pub action: String,
    /// What it can cost, if the runbook says so.
    pub danger: Option<String>,
    /// What can be seen when it is done, as the plan says.
    pub expect: Option<String>,
    /// How long it was expected to take.
    pub budget: Option<Length>,
    /// How long one attempt may take.
    pub limit: Length,
    /// How many attempts it may have.
    pub attempts_max: u32,
    /// Where it stands.
    pub state: String,
    /// Its attempts.
    pub tries: List<Try>,
    /// When the first of them began.
    pub started_at: Option<Timestamp>,
    /// When it was over; nothing while it is not, or when nothing says so.
    pub ended_at: Option<Timestamp>,
    /// The time between the two: with all attempts, and with every wait for a person.
    pub took: Option<Length>,
    /// Whether that is more than was expected.
    pub over_budget: Answer,
    /// Who went past it or did it by hand.
    pub said: Option<Said>,
    /// What went wrong.
    pub fault: Option<String>,
    /// What it gave.
    pub outputs: BTreeMap<String, Value>,
}

/// One attempt.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Try {
    /// Its number, from 1.
    pub number: u32,
    /// The variant that it took.
    pub manner: String,
    /// When it was promised.
    pub started_at: Timestamp,
    /// When the world took the call, where one was made and seen to be taken.
    pub begun_at: Option<Timestamp>,
    /// When its end was recorded.
    pub ended_at: Option<Timestamp>,
    /// How it ended: `succeeded`, `failed`, `tried again`, `superseded`, `skipped`, `done by hand`, or `open`.
    pub ended: String,
    /// Why it did not succeed.
    pub why: Option<String>,
}

/// Something that a person said.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Said {
    /// Who.
    pub by: String,
    /// What, or why.
    pub text: String,
    /// When.
    pub at: Timestamp,
}

/// What the records say of one step beyond its state.
#[derive(Clone, Debug, Default)]
struct Told {
    tries: Vec<Try>,
    said: Option<Said>,
    ended_at: Option<Timestamp>,
}

/// Every step of the plan, in its order.
pub fn rows(one: &RunFacts) -> Vec<StepRow> {
    let mut told: BTreeMap<&StepId, Told> = BTreeMap::new();
    for record in &one.records {
        if let Event::Run(RunEvent::Step { step, change }) = &record.event {
            told.entry(step).or_default().hear(change, record.at);
        }
    }
    let all = one.run.steps();
    all.map(|(step, state)| row(&one.run, step, state, told.remove(&step.id).unwrap_or_default()))
        .collect()
}

impl Told {
    fn hear(&mut self, change: &Change, at: Timestamp) {
        match change {
            Change::Started { attempt, manner, .. } => {
                self.ended_at = None;
                self.said = None;
                self.tries.push(Try {
                    number: *attempt,
                    manner: manner.to_string(),
                    started_at: at,
                    begun_at: None,
                    ended_at: None,
                    ended: "open".to_owned(),
                    why: None,
                });
            }
            Change::Begun { .. } => {
                if let Some(open) = self.tries.last_mut() {
                    open.begun_at = Some(at);
                }
            }
            Change::Succeeded { .. } => self.end(at, "succeeded", None, true),
            Change::Delayed { reason, .. } => self.end(at, "tried again", Some(reason), false),
            Change::Failed { fault, .. } => self.end(at, "failed", Some(&fault.to_string()), true),
            Change::Superseded { seen, .. } => self.end(at, "superseded", Some(seen), false),
            Change::Skipped { by, reason } => {
                self.end(at, "skipped", Some(reason), true);
                self.said = Some(Said { by: by.clone(), text: clip(reason), at });
            }
            Change::DoneByHand { by, reason, .. } => {
                self.end(at, "done by hand", Some(reason), true);
                self.said = Some(Said { by: by.clone(), text: clip(reason), at });
            }
            Change::Previewed { .. } => self.ended_at = Some(at),
            Change::Retried { .. } | Change::Reset => self.ended_at = None,
            Change::Aimed { .. } | Change::Held { .. } | Change::SeenAgain { .. } => {}
        }
    }

    /// The end of the open attempt, if one is open, and of the step, if that `is_over` with it.
    fn end(&mut self, at: Timestamp, how: &str, why: Option<&str>, is_over: bool) {
        if let Some(open) = self.tries.last_mut().filter(|last| last.ended_at.is_none()) {
            open.ended_at = Some(at);
            open.ended = how.to_owned();
            open.why = why.map(clip);
        }
        if is_over {
            self.ended_at = Some(at);
        }
    }
}

fn row(run: &Run, step: &Step, state: &StepState, told: Told) -> StepRow {
    let started_at = told.tries.first().map(|first| first.started_at);
    let took = started_at.zip(told.ended_at);
    let over = |budget: Span| took.map(|(from, to)| Span::between(from, to) > budget);
    StepRow {
        id: step.id.to_string(),
        title: step.title.clone(),
        part: step.part.to_string(),
        component: step.component.as_ref().map(ToString::to_string),
        action: step.task(run.manner).action.clone(),
        danger: step.danger.map(|danger| danger.to_string()),
        expect: step.expect.clone(),
        budget: step.budget.map(Length::from),
        limit: step.limit.into(),
        attempts_max: step.attempts,
        state: state.word().to_owned(),
        started_at,
        ended_at: told.ended_at,
        took: took.map(|(from, to)| Length::between(from, to)),
        over_budget: step.budget.and_then(over).into(),
        said: told.said,
        fault: fault(state),
        outputs: outputs(state.outputs()),
        tries: List::first(TRIES_MAX, told.tries),
    }
}

fn fault(state: &StepState) -> Option<String> {
    match state {
        StepState::Failed { fault, .. } => Some(clip(&fault.to_string())),
        StepState::BackingOff { reason, .. } => Some(clip(reason)),
        StepState::Held { risk, .. } => Some(format!("met the risk `{risk}`")),
        StepState::Superseded { seen, .. } => Some(clip(seen)),
        StepState::Pending { .. }
        | StepState::Running(_)
        | StepState::Succeeded { .. }
        | StepState::Skipped { .. }
        | StepState::DoneByHand { .. }
        | StepState::Previewed { .. } => None,
    }
}

/// What a step gave, each value in a bearable length.
fn outputs(given: Option<&Outputs>) -> BTreeMap<String, Value> {
    let given = given.into_iter().flatten().take(OUTPUTS_MAX);
    given.map(|(name, value)| (name.clone(), short(value))).collect()
}

fn short(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::from(clip(text)),
        Value::Array(_) | Value::Object(_) => {
            let text = value.to_string();
            let is_long = text.chars().count() > TEXT_CHARS_MAX;
            if is_long { Value::from(clip(&text)) } else { value.clone() }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

impl StepRow {
    /// Whether somebody or something acted for it: it was more than planned or printed.
    pub fn was_tried(&self) -> bool {
        !self.tries.is_empty() || self.state == "done_by_hand"
    }
}
