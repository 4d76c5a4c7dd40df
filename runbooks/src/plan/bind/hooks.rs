//! Whether the hooks of every database fit into the step that asks them.

use super::BindProblem;
use crate::{
    action::hook::RunHooks,
    application::hook::HookTime,
    plan::{Arg, Binding, Step},
};

/// Adds a problem for each step that would end before the hooks that it asks have had their time.
pub(super) fn in_time(steps: &[Step], binding: Option<&Binding>, problems: &mut Vec<BindProblem>) {
    let Some(binding) = binding else { return };
    for step in steps.iter().filter(|step| step.task.action == RunHooks::SPEC.name) {
        let mut databases = binding.application.databases.iter();
        let Some(database) = databases.find(|one| Some(&one.name) == step.component.as_ref())
        else {
            continue;
        };
        let when: Option<HookTime> = match step.task.with.get("when") {
            Some(Arg::Literal(value)) => value.as_str().and_then(|word| word.parse().ok()),
            Some(Arg::Input(_) | Arg::Output { .. } | Arg::Worst { .. }) | None => None,
        };
        let times = [HookTime::BeforeSnapshot, HookTime::AfterSnapshot].into_iter();
        let times = times.filter(|time| when.is_none_or(|when| when == *time));
        let hooks = times.map(|time| database.hooks_limit(time)).max().unwrap_or_default();
        if hooks > step.limit {
            problems.push(BindProblem::HooksOverLimit {
                step: step.id.clone(),
                database: database.name.clone(),
                hooks,
                limit: step.limit,
            });
        }
    }
}
