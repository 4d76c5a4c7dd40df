//! Which applications leave a region together.

use std::collections::BTreeMap;

use serde_json::Value;

use super::BindProblem;
use crate::{
    action::ComponentKind,
    application::{Application, recovery},
    name::Region,
    plan::Arg,
    runbook::Runbook,
};

/// The applications that are served from the region of the request, in the order in which they leave it.
pub(super) fn leaving<'a>(
    runbook: &Runbook,
    inputs: &BTreeMap<String, Value>,
    served: &[(&'a Application, &Region)],
    problems: &mut Vec<BindProblem>,
) -> Vec<&'a Application> {
    let region = out_of(runbook, inputs).and_then(Value::as_str).unwrap_or_default();
    let there = served.iter().filter(|(_, from)| from.as_str() == region);
    let leave = recovery::in_order(there.map(|(application, _)| *application));
    let leave = leave.unwrap_or_else(|names| {
        problems.push(BindProblem::WaitForEachOther { names });
        Vec::new()
    });
    if leave.is_empty() && problems.is_empty() {
        problems.push(BindProblem::NobodyThere { region: region.to_owned() });
    }
    leave
}

/// The region that the step that is about applications says it leaves.
fn out_of<'a>(runbook: &'a Runbook, inputs: &'a BTreeMap<String, Value>) -> Option<&'a Value> {
    let mut steps = runbook.steps.iter();
    let step = steps.find(|step| step.each == Some(ComponentKind::Applications))?;
    match step.task.with.get("out_of")?.arg.as_ref()? {
        Arg::Literal(value) => Some(value),
        Arg::Input(name) => inputs.get(name),
        Arg::Output { .. } | Arg::Worst { .. } => None,
    }
}
