//! Makes a plan: a runbook bound to an application and a request's inputs.

mod custom;
mod expand;
mod hooks;
mod inputs;
mod peers;
mod promotion;
mod rebuild;
mod restore;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    application::Application,
    name::{ApplicationName, ComponentName, Region, RunbookName, StepId},
    plan::{Binding, OnFailure, Plan, STEPS_MAX},
    request::{Manner, Mode, Request},
    runbook::Runbook,
    value::Span,
};

/// Why a plan cannot be made. Each names what the requester can change.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BindProblem {
    /// The request asks for another runbook.
    #[error("the request asks for `{asked}`, not for `{given}`")]
    OtherRunbook {
        /// The runbook of the request.
        asked: RunbookName,
        /// The runbook that was given.
        given: RunbookName,
    },
    /// The runbook says something about an application, and none is given.
    #[error("runbook `{runbook}` needs an application")]
    NeedsApplication {
        /// The runbook.
        runbook: RunbookName,
    },
    /// The request names another application, or none.
    #[error("the request is not about application `{given}`")]
    OtherApplication {
        /// The application that was given.
        given: ApplicationName,
    },
    /// The roles are not the application's two regions, one each.
    #[error("the roles are not bound to the two regions of `{application}`, one each")]
    WrongRoles {
        /// The application.
        application: ApplicationName,
    },
    /// No step has a forced variant.
    #[error("runbook `{runbook}` has no forced way")]
    CannotBeForced {
        /// The runbook.
        runbook: RunbookName,
    },
    /// The runbook has no such input.
    #[error("runbook `{runbook}` has no input `{name}`")]
    UnknownInput {
        /// The runbook.
        runbook: RunbookName,
        /// The input.
        name: String,
    },
    /// The input must be given.
    #[error("input `{name}` must be given: {why}")]
    MissingInput {
        /// The input.
        name: String,
        /// What it decides.
        why: String,
    },
    /// The value of an input does not fit.
    #[error("input `{name}`: {why}")]
    BadInput {
        /// The input.
        name: String,
        /// What does not fit.
        why: String,
    },
    /// One value is wanted, and the application has another number of components.
    #[error("`{step}` wants one `{output}` of `{from}`, which gives {count}")]
    OneOfMany {
        /// The step that wants it.
        step: StepId,
        /// The step that gives it.
        from: StepId,
        /// The output.
        output: String,
        /// How many there are.
        count: usize,
    },
    /// Two steps would have one id.
    #[error("two steps of the plan would be called `{id}`")]
    SameId {
        /// The id.
        id: StepId,
    },
    /// A restore test has nowhere to go.
    #[error(
        "`{step}` cannot restore `{database}`: its `restore_test` says nothing about {region}; declare \
         `subnet_group`, `security_groups` and `instance_class` there, or AWS would take the default ones"
    )]
    NoRestoreTest {
        /// The step.
        step: StepId,
        /// The database.
        database: ComponentName,
        /// The region.
        region: Region,
    },
    /// The hooks of a database may take longer than the step that asks them.
    #[error(
        "`{step}` has {limit}, and the hooks of `{database}` may take {hooks}; raise its `limit` or lower theirs"
    )]
    HooksOverLimit {
        /// The step.
        step: StepId,
        /// The database.
        database: ComponentName,
        /// How long its hooks may take together.
        hooks: Span,
        /// How long the step may.
        limit: Span,
    },
    /// A step runs a job that nobody declares.
    #[error(
        "`{step}` runs `{job}`, and no workload of `{application}` declares a job of that name under `jobs`"
    )]
    NoJob {
        /// The step.
        step: StepId,
        /// The job.
        job: String,
        /// The application.
        application: ApplicationName,
    },
    /// A step runs a build that nobody declares.
    #[error(
        "`{step}` runs `{build}`, and `{application}` declares no build of that name under `builds`"
    )]
    NoBuild {
        /// The step.
        step: StepId,
        /// The build.
        build: String,
        /// The application.
        application: ApplicationName,
    },
    /// A build has no project for the region that it is to build.
    #[error("`{step}` cannot build {region}: the `projects` of `{build}` say nothing about it")]
    NoBuildThere {
        /// The step.
        step: StepId,
        /// The build.
        build: String,
        /// The region.
        region: Region,
    },
    /// A rebuild has nowhere to restore a database to.
    #[error(
        "`{step}` cannot restore `{database}`: its `rebuild` says nothing about {region}; declare `subnet_group`, \
         `security_groups` and `instance_class` there, or AWS would take the default ones"
    )]
    NoRebuild {
        /// The step.
        step: StepId,
        /// The database.
        database: ComponentName,
        /// The region.
        region: Region,
    },
    /// A job may run for longer than the step that waits for it.
    #[error(
        "`{step}` has {limit}, and the job `{job}` may run for {takes}; raise its `limit` or lower the job's"
    )]
    JobOverLimit {
        /// The step.
        step: StepId,
        /// The job.
        job: String,
        /// How long the job may run.
        takes: Span,
        /// How long the step may take.
        limit: Span,
    },
    /// A side must not become the writer.
    #[error(
        "`{database}` must not be promoted in {region}: its `promotion` says so; change that first if it is \
         no longer true"
    )]
    MustNotPromote {
        /// The database.
        database: ComponentName,
        /// The region.
        region: Region,
    },
    /// Nobody is served from the region that is left.
    #[error("no application is served from `{region}`")]
    NobodyThere {
        /// The region.
        region: String,
    },
    /// Applications that wait for each other.
    #[error("{} wait for each other; see `recovery` in their files", names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and "))]
    WaitForEachOther {
        /// Who.
        names: Vec<ApplicationName>,
    },
    /// More steps than a plan may have.
    #[error("the plan would have {count} steps; {STEPS_MAX} at most")]
    TooManySteps {
        /// How many it would have.
        count: usize,
    },
    /// The runbook has errors that its check reports.
    #[error("step `{step}` has errors; see `muster lint`")]
    Unsound {
        /// The step.
        step: StepId,
    },
}

impl Plan {
    /// Makes the plan that a request asks for. Both manners stay in it: a run may be forced later.
    ///
    /// Needs between steps, once `each:` is expanded: `needs: [step]` means all of them, so that no
    /// database is promoted before every old side is fenced. The one exception is a step that belongs
    /// to the step it needs, both under the same `each:`, because it uses an output of it, is `always`,
    /// or follows its hooks: it needs only the step of its own component, so that one slow snapshot
    /// does not hold up the copies of all others. A step that expands to nothing, or to nothing for a
    /// component, hands its own needs on to those that need it.
    pub fn make(
        runbook: &Runbook,
        request: &Request,
        binding: Option<Binding>,
    ) -> Result<Plan, Vec<BindProblem>> {
        Plan::among(runbook, request, binding, &[])
    }

    /// The same, where `each: applications` stands for those of `served`: who is served, and from where.
    /// They come by priority, and each needs those that it says it comes after.
    pub fn among(
        runbook: &Runbook,
        request: &Request,
        binding: Option<Binding>,
        served: &[(&Application, &Region)],
    ) -> Result<Plan, Vec<BindProblem>> {
        let mut problems = Vec::new();
        check_request(runbook, request, binding.as_ref(), &mut problems);
        let inputs = inputs::fill(runbook, &request.inputs, &mut problems);
        let mut steps = if runbook.moves_many() {
            let leave = peers::leaving(runbook, &inputs, served, &mut problems);
            expand::steps(
                runbook,
                &Over { binding: binding.as_ref(), leave: &leave },
                &mut problems,
            )
        } else {
            expand::steps(runbook, &Over::one(binding.as_ref()), &mut problems)
        };
        restore::declared(&steps, &inputs, binding.as_ref(), &mut problems);
        rebuild::declared(&steps, &inputs, binding.as_ref(), &mut problems);
        hooks::in_time(&steps, binding.as_ref(), &mut problems);
        custom::jobs(&steps, binding.as_ref(), &mut problems);
        promotion::allowed(&steps, binding.as_ref(), &mut problems);
        if request.mode == Mode::Preview {
            // Whoever previews wants to see the rest too, above all when a check fails.
            steps.iter_mut().for_each(|step| step.on_failure = OnFailure::Continue);
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Plan {
            runbook: runbook.name.clone(),
            title: runbook.title.clone(),
            mode: request.mode,
            exclusive: runbook.exclusive,
            way_back: runbook.way_back.as_ref().map(|way_back| way_back.value.clone()),
            rto: runbook.rto,
            inputs,
            binding,
            steps,
        })
    }
}

/// What `each:` expands over.
struct Over<'a> {
    binding: Option<&'a Binding>,
    /// The applications that leave a region, in their order.
    leave: &'a [&'a Application],
}

impl<'a> Over<'a> {
    fn one(binding: Option<&'a Binding>) -> Over<'a> {
        Over { binding, leave: &[] }
    }
}

/// What is wrong with the inputs that somebody means to give, before there is a request.
pub fn input_problems(runbook: &Runbook, given: &BTreeMap<String, Value>) -> Vec<BindProblem> {
    let mut problems = Vec::new();
    inputs::fill(runbook, given, &mut problems);
    problems
}

/// What a runbook misses in an application bound so: where it may restore to, time for its hooks.
pub fn fit_problems(
    runbook: &Runbook,
    given: &BTreeMap<String, Value>,
    binding: &Binding,
) -> Vec<BindProblem> {
    let (mut problems, mut others) = (Vec::new(), Vec::new());
    let inputs = inputs::fill(runbook, given, &mut others);
    let steps = expand::steps(runbook, &Over::one(Some(binding)), &mut others);
    restore::declared(&steps, &inputs, Some(binding), &mut problems);
    hooks::in_time(&steps, Some(binding), &mut problems);
    custom::jobs(&steps, Some(binding), &mut problems);
    promotion::allowed(&steps, Some(binding), &mut problems);
    rebuild::declared(&steps, &inputs, Some(binding), &mut problems);
    problems
}

fn check_request(
    runbook: &Runbook,
    request: &Request,
    binding: Option<&Binding>,
    problems: &mut Vec<BindProblem>,
) {
    if request.runbook != runbook.name {
        let (asked, given) = (request.runbook.clone(), runbook.name.clone());
        problems.push(BindProblem::OtherRunbook { asked, given });
    }
    if request.manner == Manner::Forced && !runbook.can_be_forced() {
        problems.push(BindProblem::CannotBeForced { runbook: runbook.name.clone() });
    }
    let Some(binding) = binding else {
        if runbook.needs_application() || request.application.is_some() {
            problems.push(BindProblem::NeedsApplication { runbook: runbook.name.clone() });
        }
        return;
    };
    let application = &binding.application;
    if request.application.as_ref() != Some(&application.name) {
        problems.push(BindProblem::OtherApplication { given: application.name.clone() });
    }
    if application.other(&binding.active) != Some(&binding.standby) {
        problems.push(BindProblem::WrongRoles { application: application.name.clone() });
    }
}
