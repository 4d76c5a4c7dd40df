//! Whether the sides that a plan promotes may be promoted.

use super::BindProblem;
use crate::{
    action::{
        Role,
        database::{FailoverDatabase, SwitchoverDatabase},
        rebuild::MakeGlobalCluster,
    },
    application::Promotion,
    plan::{Arg, Binding, Step},
};

/// Adds a problem for each database whose side in the target's region must not become the writer.
pub(super) fn allowed(steps: &[Step], binding: Option<&Binding>, problems: &mut Vec<BindProblem>) {
    let Some(binding) = binding else { return };
    let promotes =
        [SwitchoverDatabase::SPEC.name, FailoverDatabase::SPEC.name, MakeGlobalCluster::SPEC.name];
    for step in steps {
        let tasks = [Some(&step.task), step.forced.as_ref()].into_iter().flatten();
        let mut tasks = tasks.filter(|task| promotes.contains(&task.action.as_str()));
        let Some(Arg::Literal(to)) = tasks.next().and_then(|task| task.with.get("to")) else {
            continue;
        };
        let region = match to.as_str().and_then(|word| word.parse().ok()) {
            Some(Role::Active) => &binding.active,
            Some(Role::Standby) => &binding.standby,
            None => continue,
        };
        let mut databases = binding.application.databases.iter();
        let database = databases.find(|one| Some(&one.name) == step.component.as_ref());
        if let Some(database) = database
            && database.promotion(region) == Promotion::MustNot
        {
            problems.push(BindProblem::MustNotPromote {
                database: database.name.clone(),
                region: region.clone(),
            });
        }
    }
}
