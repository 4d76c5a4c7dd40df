//! Whether what steps of the user's own ask for is there: the job that is run, and time for it.

use super::BindProblem;
use crate::{
    action::custom::RunJob,
    plan::{Arg, Binding, Step},
};

/// Adds a problem for each step that runs a job which the application does not declare, or which may
/// run for longer than its step.
pub(super) fn jobs(steps: &[Step], binding: Option<&Binding>, problems: &mut Vec<BindProblem>) {
    let Some(binding) = binding else { return };
    for step in steps {
        let tasks = step.forced.iter().chain([&step.task]);
        for task in tasks.filter(|task| task.action == RunJob::SPEC.name) {
            // What an input names is looked for when the step starts.
            let Some(Arg::Literal(name)) = task.with.get("job") else { continue };
            let name = name.as_str().unwrap_or_default();
            match binding.application.job(name) {
                None => problems.push(BindProblem::NoJob {
                    step: step.id.clone(),
                    job: name.to_owned(),
                    application: binding.application.name.clone(),
                }),
                Some((_, job)) if job.limit >= step.limit => {
                    problems.push(BindProblem::JobOverLimit {
                        step: step.id.clone(),
                        job: name.to_owned(),
                        takes: job.limit,
                        limit: step.limit,
                    });
                }
                Some(_) => {}
            }
        }
    }
}
