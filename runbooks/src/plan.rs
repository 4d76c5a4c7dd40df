//! A checked runbook bound to an application and its inputs, frozen byte for byte into the run.

pub mod bind;
mod critical;
mod described;
mod frozen;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    action::{
        self, Action, BadAction, Outputs, Role, Spec, child::MoveApplication, custom::CallHttp,
    },
    application::{Application, Component},
    name::{ApplicationName, ComponentName, Region, RunbookName, StepId},
    request::{Manner, Mode},
    value::{Kind, Loss, Span, words},
};

pub use described::Described;
pub use frozen::{Frozen, Thaw, Thawed};

/// The most steps that a plan may have, after `each:` was expanded: a thousand applications may leave a region
/// in one run.
pub const STEPS_MAX: usize = 1_200;

/// What a run carries out. Its hash is over the exact bytes in the run's first event.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The runbook it was made from.
    pub runbook: RunbookName,
    /// The runbook's title.
    pub title: String,
    /// How real the run is.
    pub mode: Mode,
    /// Whether it takes the application's one lock.
    pub exclusive: bool,
    /// The runbook that leads back.
    pub way_back: Option<RunbookName>,
    /// The recovery time that the run should keep.
    pub rto: Option<Span>,
    /// The inputs, with defaults filled in.
    pub inputs: BTreeMap<String, Value>,
    /// The application and the regions behind its roles.
    pub binding: Option<Binding>,
    /// The steps, then `undo`, then `finally`, each with its part.
    pub steps: Vec<Step>,
}

/// An application with its roles bound to regions.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// The application as its file declared it.
    pub application: Application,
    /// The region behind the role `active`.
    pub active: Region,
    /// The region behind the role `standby`.
    pub standby: Region,
}

impl Binding {
    /// The region behind a role.
    pub fn region(&self, role: Role) -> &Region {
        match role {
            Role::Active => &self.active,
            Role::Standby => &self.standby,
        }
    }
}

words! {
    /// The part of a runbook that a step stands in.
    Part {
        /// The work itself.
        Steps = "steps",
        /// Runs when the run failed or was abandoned, after a person confirmed.
        Undo = "undo",
        /// Always runs.
        Finally = "finally",
    }
}

words! {
    /// What a failed step does to its run.
    OnFailure {
        /// The run pauses and asks.
        Pause = "pause",
        /// The run goes on and ends with an exception.
        Continue = "continue",
        /// The run fails.
        Fail = "fail",
    }
}

words! {
    /// What a step can cost. Shown wherever the step is.
    Danger {
        /// Committed data may be lost.
        DataLoss = "data-loss",
        /// Users are moved.
        Traffic = "traffic",
        /// Something is deleted for good.
        Deletion = "deletion",
    }
}

/// One step of a plan.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its id, unique in the plan.
    pub id: StepId,
    /// What it is for, as an operator would say it.
    pub title: String,
    /// The part it stands in.
    pub part: Part,
    /// The steps that must have ended well before it starts.
    pub needs: Vec<StepId>,
    /// The component it works on.
    pub component: Option<ComponentName>,
    /// What it does.
    pub task: Task,
    /// What it does instead when the run is forced.
    pub forced: Option<Task>,
    /// How long one attempt may take.
    pub limit: Span,
    /// How long it is expected to take; counts against the recovery time.
    pub budget: Option<Span>,
    /// How many attempts it has.
    pub attempts: u32,
    /// What its failure does.
    pub on_failure: OnFailure,
    /// It is due when everything it rests on has ended, whatever came of it, also when the run fails or
    /// is given up: it closes what a step before it opened.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub always: bool,
    /// It may call the side being left; nothing waits for such a call.
    pub best_effort: bool,
    /// What can be seen when it is done.
    pub expect: Option<String>,
    /// What it can cost.
    pub danger: Option<Danger>,
}

/// An action with arguments that may still refer to inputs and outputs.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// The action's name.
    #[serde(rename = "do")]
    pub action: String,
    /// Its arguments.
    #[serde(default)]
    pub with: BTreeMap<String, Arg>,
}

/// A literal, or a reference. References only: no expressions.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Arg {
    /// A value that stood in the file.
    Literal(Value),
    /// An input of the runbook.
    Input(String),
    /// An output of an earlier step.
    Output {
        /// The step.
        step: StepId,
        /// The output's name.
        name: String,
    },
    /// The largest of the losses that several steps gave: what a step outside `each:` sees of one
    /// inside. One `unknown`, or one step that gave nothing, makes it `unknown`.
    Worst {
        /// The steps that one `each:` step became.
        steps: Vec<StepId>,
        /// The output's name; its kind is a loss.
        name: String,
    },
}

/// Why a task's arguments could not be filled in.
#[derive(Debug, thiserror::Error)]
pub enum Unresolved {
    /// The input has no value.
    #[error("input `{name}` has no value")]
    Input {
        /// The input.
        name: String,
    },
    /// The step gave no such output, because it was skipped or previewed.
    #[error("step `{step}` gave no output `{name}`")]
    Output {
        /// The step.
        step: StepId,
        /// The output.
        name: String,
    },
    /// The values do not make the action.
    #[error(transparent)]
    Action(#[from] BadAction),
}

impl Step {
    /// The task of this step in a manner.
    pub fn task(&self, manner: Manner) -> &Task {
        match (manner, &self.forced) {
            (Manner::Forced, Some(forced)) => forced,
            (Manner::Forced, None) | (Manner::Graceful, _) => &self.task,
        }
    }

    /// The application that it moves by a run of its own, if it moves one.
    pub fn moves(&self, manner: Manner) -> Option<ApplicationName> {
        let task = self.task(manner);
        let is_move = task.action == MoveApplication::SPEC.name;
        let Some(Arg::Literal(name)) = task.with.get("application").filter(|_| is_move) else {
            return None;
        };
        name.as_str()?.parse().ok()
    }
}

impl Task {
    /// The specification of its action. Plans are checked before they are frozen, so only a plan of
    /// a newer program lacks one.
    pub fn spec(&self) -> Option<&'static Spec> {
        action::spec(&self.action)
    }

    /// The region of the side that it names as `at`, as far as that is known before the run.
    fn region<'a>(
        &self,
        inputs: &BTreeMap<String, Value>,
        binding: &'a Binding,
    ) -> Option<&'a Region> {
        let given = match self.with.get("at")? {
            Arg::Literal(value) => value,
            Arg::Input(name) => inputs.get(name)?,
            Arg::Output { .. } | Arg::Worst { .. } => return None,
        };
        Some(binding.region(given.as_str()?.parse().ok()?))
    }

    /// Whether its arguments are the same throughout a run: none comes out of a step.
    fn is_fixed(&self) -> bool {
        self.with.values().all(|arg| match arg {
            Arg::Literal(_) | Arg::Input(_) => true,
            Arg::Output { .. } | Arg::Worst { .. } => false,
        })
    }

    /// Fills in the arguments. An optional parameter whose reference gives nothing is left out.
    pub fn resolve<'a>(
        &self,
        inputs: &BTreeMap<String, Value>,
        outputs: impl Fn(&StepId) -> Option<&'a Outputs>,
    ) -> Result<Action, Unresolved> {
        let mut with = serde_json::Map::new();
        for (name, arg) in &self.with {
            match arg.value(inputs, &outputs) {
                Ok(value) => {
                    with.insert(name.clone(), value);
                }
                Err(missing) if self.requires(name) => return Err(missing),
                Err(_) => {}
            }
        }
        Ok(Action::build(&self.action, Value::Object(with))?)
    }

    /// The kind of the output of a name, if the action gives one, by itself or by its arguments.
    pub fn output(&self, name: &str) -> Option<Kind> {
        let fixed = self.spec()?.outputs.iter().find(|field| field.name == name);
        let picked = || match self.with.get("pick")? {
            Arg::Literal(list) => {
                let is_call = self.action == CallHttp::SPEC.name;
                (is_call && CallHttp::picks(list, name)).then_some(Kind::Text)
            }
            Arg::Input(_) | Arg::Output { .. } | Arg::Worst { .. } => None,
        };
        fixed.map(|field| field.kind).or_else(picked)
    }

    fn requires(&self, name: &str) -> bool {
        self.spec().is_none_or(|spec| {
            spec.parameters.iter().any(|field| field.name == name && field.required)
        })
    }
}

impl Arg {
    /// What it stands for, as far as that is known.
    pub fn value<'a>(
        &self,
        inputs: &BTreeMap<String, Value>,
        outputs: impl Fn(&StepId) -> Option<&'a Outputs>,
    ) -> Result<Value, Unresolved> {
        match self {
            Arg::Literal(value) => Ok(value.clone()),
            Arg::Input(input) => {
                inputs.get(input).cloned().ok_or_else(|| Unresolved::Input { name: input.clone() })
            }
            Arg::Output { step, name } => outputs(step)
                .and_then(|outputs| outputs.get(name))
                .cloned()
                .ok_or_else(|| Unresolved::Output { step: step.clone(), name: name.clone() }),
            Arg::Worst { steps, name } => {
                let losses = steps.iter().map(|step| outputs(step)?.get(name)?.as_str());
                Ok(Value::String(worst(losses).to_string()))
            }
        }
    }
}

impl Plan {
    /// The bytes that are journalled, and their hash.
    pub fn freeze(&self) -> Result<Frozen, serde_json::Error> {
        serde_json::to_string(self).map(Frozen::new)
    }

    /// The component called `name` in the bound application.
    pub fn component(&self, name: &ComponentName) -> Option<Component> {
        let application = &self.binding.as_ref()?.application;
        let databases = application.databases.iter().cloned().map(Component::Database);
        let buckets = application.buckets.iter().cloned().map(Component::Bucket);
        let caches = application.caches.iter().cloned().map(Component::Cache);
        let workloads = application.workloads.iter().cloned().map(Component::Workload);
        let mut all = databases.chain(buckets).chain(caches).chain(workloads);
        all.find(|component| component.name() == name)
    }

    /// The step called `id`.
    pub fn step(&self, id: &StepId) -> Option<&Step> {
        self.steps.iter().find(|step| step.id == *id)
    }
}

fn worst<'a>(losses: impl Iterator<Item = Option<&'a str>>) -> Loss {
    let mut worst = Loss::AtMost(Span::default());
    for loss in losses {
        let loss = loss.and_then(|text| text.parse().ok()).unwrap_or(Loss::Unknown);
        worst = match (worst, loss) {
            (Loss::AtMost(one), Loss::AtMost(other)) => Loss::AtMost(one.max(other)),
            (Loss::Unknown, _) | (_, Loss::Unknown) => Loss::Unknown,
        };
    }
    worst
}
