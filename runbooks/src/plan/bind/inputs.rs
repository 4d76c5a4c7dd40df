//! The inputs of a plan: what the request gives, checked, and the defaults for the rest.

use std::collections::BTreeMap;

use serde_json::Value;

use super::BindProblem;
use crate::runbook::Runbook;

pub(super) fn fill(
    runbook: &Runbook,
    given: &BTreeMap<String, Value>,
    problems: &mut Vec<BindProblem>,
) -> BTreeMap<String, Value> {
    for name in given.keys().filter(|name| !runbook.inputs.contains_key(*name)) {
        let (runbook, name) = (runbook.name.clone(), name.clone());
        problems.push(BindProblem::UnknownInput { runbook, name });
    }
    let mut inputs = BTreeMap::new();
    for (name, input) in &runbook.inputs {
        let Some(value) = given.get(name).or(input.default.as_ref()) else {
            if input.required {
                let (name, why) = (name.clone(), input.why.clone());
                problems.push(BindProblem::MissingInput { name, why });
            }
            continue;
        };
        match input.kind.check(value) {
            Ok(()) => {
                inputs.insert(name.clone(), value.clone());
            }
            Err(why) => problems.push(BindProblem::BadInput { name: name.clone(), why }),
        }
    }
    inputs
}
