//! Whether what a rebuild needs is declared: the builds that it runs, and where it restores databases to.

use std::collections::BTreeMap;

use serde_json::Value;

use super::BindProblem;
use crate::{
    action::{build::RunBuild, rebuild},
    name::Region,
    plan::{Arg, Binding, Step, Task},
};

/// Adds a problem for each build that the application does not declare for its region, and for each database that
/// lacks its `rebuild` there.
pub(super) fn declared(
    steps: &[Step],
    inputs: &BTreeMap<String, Value>,
    binding: Option<&Binding>,
    problems: &mut Vec<BindProblem>,
) {
    let Some(binding) = binding else { return };
    for step in steps {
        for task in [Some(&step.task), step.forced.as_ref()].into_iter().flatten() {
            let Some(region) = task.region(inputs, binding) else { continue };
            let found = if task.action == RunBuild::SPEC.name {
                build(step, task, binding, region)
            } else if rebuild::MAKE.contains(&task.action.as_str()) {
                place(step, binding, region)
            } else {
                None
            };
            // Both manners may lack the same thing.
            problems.extend(found.filter(|problem| !problems.contains(problem)));
        }
    }
}

fn build(step: &Step, task: &Task, binding: &Binding, region: &Region) -> Option<BindProblem> {
    // What an input names is looked for when the step starts.
    let Some(Arg::Literal(name)) = task.with.get("build") else { return None };
    let (name, application) = (name.as_str().unwrap_or_default(), &binding.application);
    match application.build(name) {
        None => Some(BindProblem::NoBuild {
            step: step.id.clone(),
            build: name.to_owned(),
            application: application.name.clone(),
        }),
        Some(build) if build.project(region).is_none() => Some(BindProblem::NoBuildThere {
            step: step.id.clone(),
            build: name.to_owned(),
            region: region.clone(),
        }),
        Some(_) => None,
    }
}

fn place(step: &Step, binding: &Binding, region: &Region) -> Option<BindProblem> {
    let name = step.component.as_ref()?;
    let database = binding.application.databases.iter().find(|one| one.name == *name)?;
    let is_declared = database.rebuild.contains_key(region.as_str());
    (!is_declared).then(|| BindProblem::NoRebuild {
        step: step.id.clone(),
        database: name.clone(),
        region: region.clone(),
    })
}
