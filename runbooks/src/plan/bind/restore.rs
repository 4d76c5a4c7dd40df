//! Whether every database that a plan restores has a declared place to be restored to.

use std::collections::BTreeMap;

use serde_json::Value;

use super::BindProblem;
use crate::{
    action::restore,
    plan::{Binding, Step},
};

/// Adds a problem for each database and region that lacks its `restore_test`. A cluster that nobody gave
/// a place would stand in the default security group (facts §2).
pub(super) fn declared(
    steps: &[Step],
    inputs: &BTreeMap<String, Value>,
    binding: Option<&Binding>,
    problems: &mut Vec<BindProblem>,
) {
    let Some(binding) = binding else { return };
    for step in steps {
        let tasks = [Some(&step.task), step.forced.as_ref()].into_iter().flatten();
        for task in tasks.filter(|task| restore::MAKE.contains(&task.action.as_str())) {
            let region = task.region(inputs, binding);
            let (Some(region), Some(name)) = (region, &step.component) else { continue };
            let databases = &binding.application.databases;
            let is_declared = databases.iter().any(|database| {
                database.name == *name && database.restore_test.contains_key(region.as_str())
            });
            let is_told = problems.iter().any(|problem| {
                matches!(problem, BindProblem::NoRestoreTest { database, region: at, .. }
                    if database == name && at == region)
            });
            if !is_declared && !is_told {
                problems.push(BindProblem::NoRestoreTest {
                    step: step.id.clone(),
                    database: name.clone(),
                    region: region.clone(),
                });
            }
        }
    }
}
