//! How long a failover would take now: from budgets, from what its steps took before, and from their
//! limits, along the chain of steps that decides it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_runbooks::{
    name::StepId,
    plan::{Plan, Step},
    request::Manner,
    value::Span,
};
use serde_json::Value;

use crate::world::inventory::objectives::{Measured, Took};

/// The most changes that are named.
const CHANGES_MAX: usize = 20;

/// What is expected of a failover in one manner.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recovery {
    /// The manner.
    pub manner: Manner,
    /// By what its steps took before, and by their budgets where nobody has measured them.
    pub expected: Span,
    /// When every step takes as long as it may, once.
    pub at_most: Span,
    /// The chain that decides what is expected.
    pub path: Vec<Link>,
}

impl Recovery {
    /// How many steps of the chain were ever measured.
    pub fn measured(&self) -> usize {
        self.path.iter().filter(|link| link.measured.is_some()).count()
    }
}

/// One step of the chain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Link {
    /// The step.
    pub step: StepId,
    /// What it is for.
    pub title: String,
    /// How long it is expected to take.
    pub expected: Span,
    /// How long it may take.
    pub limit: Span,
    /// What it took the last time, if it was ever carried out for real.
    pub measured: Option<Took>,
}

/// Predicts one manner of a plan.
pub fn predict(plan: &Plan, manner: Manner, measured: &Measured) -> Recovery {
    let before = |step: &Step| {
        let key = (step.id.clone(), step.task(manner).action.clone());
        measured.steps.get(&key).cloned()
    };
    let expected =
        |step: &Step| before(step).map(|took| took.took).or(step.budget).unwrap_or(step.limit);
    let (likely, path) = plan.critical_path(expected);
    let (at_most, _) = plan.critical_path(|step| step.limit);
    let links = path.into_iter().map(|step| Link {
        step: step.id.clone(),
        title: step.title.clone(),
        expected: expected(step),
        limit: step.limit,
        measured: before(step),
    });
    Recovery { manner, expected: likely, at_most, path: links.collect() }
}

/// The last time that a plan of this kind was carried out for real and ended well.
#[derive(Clone, Debug, PartialEq)]
pub struct Rehearsed {
    /// The run.
    pub run: String,
    /// When it ended.
    pub at: Timestamp,
    /// What it was about and did, as it was then.
    pub then: Proof,
}

/// What of a plan must be the same for an earlier success to say anything: the application as its file
/// declares it, and the steps. Which side was which is not part of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Proof {
    application: Value,
    steps: Value,
}

impl Proof {
    /// What a plan proves when it is carried out.
    pub fn of(plan: &Plan) -> Proof {
        let json = |value: Result<Value, serde_json::Error>| value.unwrap_or(Value::Null);
        let application = plan.binding.as_ref().map(|binding| &binding.application);
        let steps: BTreeMap<&str, &Step> =
            plan.steps.iter().map(|step| (step.id.as_str(), step)).collect();
        Proof {
            application: json(serde_json::to_value(application)),
            steps: json(serde_json::to_value(steps)),
        }
    }

    /// What has changed since: the places in the application's file and in the steps that are not the
    /// same, the first twenty.
    pub fn changes(&self, now: &Proof) -> Vec<String> {
        let mut changes = Vec::new();
        differ("", &self.application, &now.application, &mut changes);
        differ("step ", &self.steps, &now.steps, &mut changes);
        let more = changes.len().saturating_sub(CHANGES_MAX);
        changes.truncate(CHANGES_MAX);
        if more > 0 {
            changes.push(format!("and {more} more"));
        }
        changes
    }
}

/// Lists where two values differ. A list is compared as a whole: an index names nothing that people know.
fn differ(at: &str, one: &Value, other: &Value, out: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(before), Value::Object(after)) => {
            let names = before.keys().chain(after.keys().filter(|key| !before.contains_key(*key)));
            for name in names {
                let path = if at.is_empty() || at.ends_with(' ') {
                    format!("{at}{name}")
                } else {
                    format!("{at}.{name}")
                };
                let none = Value::Null;
                differ(
                    &path,
                    before.get(name).unwrap_or(&none),
                    after.get(name).unwrap_or(&none),
                    out,
                );
            }
        }
        (one, other) if one == other => {}
        (Value::Null, _) => out.push(format!("{at} is new")),
        (_, Value::Null) => out.push(format!("{at} is gone")),
        (Value::Array(before), Value::Array(after)) => named(at, before, after, out),
        _ => out.push(format!("{at} is another")),
    }
}

/// Things with a name are compared by it.
fn named(at: &str, before: &[Value], after: &[Value], out: &mut Vec<String>) {
    let by_name = |list: &[Value]| -> Option<serde_json::Map<String, Value>> {
        list.iter().map(|one| Some((one.get("name")?.as_str()?.to_owned(), one.clone()))).collect()
    };
    match (by_name(before), by_name(after)) {
        (Some(before), Some(after)) => {
            differ(at, &Value::Object(before), &Value::Object(after), out);
        }
        _ => out.push(format!("{at} is another")),
    }
}
