//! A runbook: what to do, typed from a YAML file that stands under review.

pub mod library;
mod lint;
mod parse;
pub mod schema;
mod step;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    action::{self, ComponentKind, Spec, build::RunBuild},
    check::Checked,
    name::{RunbookName, StepId},
    plan::{Arg, Danger, OnFailure, Part},
    request::Manner,
    tree::{Place, Placed},
    value::{Kind, Span},
};

/// What to do, in steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Runbook {
    /// Its name in requests.
    pub name: RunbookName,
    /// What it is for, as an operator would say it.
    pub title: String,
    /// Whether it takes the application's one lock: failover, failback, drill switchover.
    pub exclusive: bool,
    /// The runbook that leads back.
    pub way_back: Option<Placed<RunbookName>>,
    /// Whether it takes the place of a shipped runbook of the same name.
    pub replaces_shipped: bool,
    /// What a request may or must give.
    pub inputs: BTreeMap<String, Input>,
    /// The recovery time that a run of it should keep.
    pub rto: Option<Span>,
    /// The steps, then `undo`, then `finally`, each with its part.
    pub steps: Vec<StepDefinition>,
    /// The file it was read from.
    pub file: String,
}

/// A value that a request gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Where it is declared.
    pub place: Place,
    /// What it may hold.
    pub kind: Kind,
    /// The value when the request gives none.
    pub default: Option<Value>,
    /// What it decides.
    pub why: String,
    /// Whether every request must give it.
    pub required: bool,
}

/// A step as the file declares it, before `each:` is expanded.
#[derive(Clone, Debug, PartialEq)]
pub struct StepDefinition {
    /// Where it starts.
    pub place: Place,
    /// Its id, unique in the runbook.
    pub id: StepId,
    /// What it is for, as an operator would say it.
    pub title: String,
    /// The part it stands in.
    pub part: Part,
    /// The steps of the same part that must have ended well before it starts. A step that does not
    /// say follows the one above it.
    pub needs: Vec<Placed<StepId>>,
    /// The components it is expanded over.
    pub each: Option<ComponentKind>,
    /// What it does.
    pub task: TaskDefinition,
    /// What it does instead when the run is forced.
    pub forced: Option<TaskDefinition>,
    /// What can be seen when it is done.
    pub expect: Option<String>,
    /// How long one attempt may take.
    pub limit: Span,
    /// How long it is expected to take; counts against the recovery time.
    pub budget: Option<Span>,
    /// How many attempts it has.
    pub attempts: u32,
    /// What its failure does.
    pub on_failure: OnFailure,
    /// It is due when everything it rests on has ended, whatever came of it.
    pub always: bool,
    /// It may call the side being left; nothing waits for such a call.
    pub best_effort: bool,
    /// What it can cost.
    pub danger: Option<Danger>,
}

/// An action with the arguments that the file gives.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskDefinition {
    /// The word after `do:`.
    pub action: Placed<String>,
    /// The arguments, by parameter.
    pub with: BTreeMap<String, Argument>,
}

/// One argument.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// Where the parameter's name stands.
    pub name_place: Place,
    /// Where the value stands.
    pub place: Place,
    /// The value, or nothing where a finding says that it cannot be read.
    pub arg: Option<Arg>,
}

impl Runbook {
    /// Reads a runbook and finds out what is wrong inside the file. What can only be judged next to
    /// other runbooks is left to [`library::Library`].
    pub fn check(file: &str, text: &str) -> Checked<Runbook> {
        parse::runbook(file, text)
    }

    /// Whether it runs builds, and so is for applications that say what is built.
    pub fn builds(&self) -> bool {
        let mut tasks = self.steps.iter().flat_map(|step| step.forced.iter().chain([&step.task]));
        tasks.any(|task| task.action.value == RunBuild::SPEC.name)
    }

    /// Whether a run can be turned into a forced one: at least one step has a `forced:` variant.
    /// Forcing any other runbook would promise a way that it does not have.
    pub fn can_be_forced(&self) -> bool {
        self.steps.iter().any(|step| step.forced.is_some())
    }

    /// Whether it moves the applications that a region serves, each by a run of its own.
    pub fn moves_many(&self) -> bool {
        self.steps.iter().any(|step| step.each == Some(ComponentKind::Applications))
    }

    /// The manners in which it can be carried out.
    pub fn manners(&self) -> &'static [Manner] {
        if self.can_be_forced() { &[Manner::Graceful, Manner::Forced] } else { &[Manner::Graceful] }
    }

    /// Whether a run of it must be bound to an application.
    pub fn needs_application(&self) -> bool {
        let tasks = self.steps.iter().flat_map(|step| step.forced.iter().chain([&step.task]));
        let mut names = tasks.map(|task| task.action.value.as_str());
        let each = |step: &StepDefinition| step.each;
        self.steps.iter().filter_map(each).any(|each| each != ComponentKind::Applications)
            || names.any(|name| !WITHOUT_APPLICATION.contains(&name))
    }
}

/// The actions that say nothing about an application, or name it themselves.
const WITHOUT_APPLICATION: &[&str] =
    &["approval", "wait", "gate", "notify", "rehearse", "move-application"];

impl StepDefinition {
    /// The task of this step in a manner.
    pub fn task(&self, manner: Manner) -> &TaskDefinition {
        match (manner, &self.forced) {
            (Manner::Forced, Some(forced)) => forced,
            (Manner::Forced, None) | (Manner::Graceful, _) => &self.task,
        }
    }
}

impl TaskDefinition {
    /// The specification of its action; none where a finding says that no action has this name.
    pub fn spec(&self) -> Option<&'static Spec> {
        action::spec(&self.action.value)
    }
}
