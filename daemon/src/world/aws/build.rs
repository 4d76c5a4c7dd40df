//! Builds in CodeBuild: one is started under our token, and found again by it.
//!
//! A repeated `StartBuild` with the same idempotency token and the same parameters answers with the same build
//! for five minutes, and starts another one after that. So the token goes into the build's environment as well,
//! and a build that bears it is looked for before one is started. Two builds of one project would change the same
//! things: while one of anybody's runs, ours waits.

use aws_sdk_codebuild::types::{
    Build, EnvironmentVariable, EnvironmentVariableType, SortOrderType, StatusType,
};
use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    action::build::RunBuild,
    application::build::{Build as Declared, TOKEN},
    name::Region,
    value::Span,
};
use muster_state::call::{Answer, Call, CallError, Done, Progress};
use serde_json::json;

use super::{Side, beside::Beside, error, instant};
use crate::world::real::{Real, Verbs, on, verbs};

/// The most pages of a project's builds that are looked at, of a hundred builds each.
const PAGES_MAX: usize = 3;

/// Builds that started so long before the attempt was promised are not ours: clocks may differ by this.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(5);

/// As much of a message as a person reads on a page, in characters.
const WORDS_MAX: usize = 400;

/// The verbs of `run-build`.
pub(in crate::world) fn run<'a>(real: &'a Real, call: &'a Call, with: &'a RunBuild) -> Verbs<'a> {
    verbs(call, observe(real, call, with), begin(real, call, with))
}

/// Looks for the build that bears the call's token.
async fn observe(real: &Real, call: &Call, action: &RunBuild) -> Result<Progress, CallError> {
    let Work { region, project, .. } = Work::of(call, action)?;
    let (side, clients) = (real.aws.side(region), real.aws.beside(region));
    let since = call.started_at - CLOCKS_DIFFER;
    let Recent { builds, is_complete } = recent(&side, &clients, project, since).await?;
    let progress = seen(call, project, &builds);
    if !is_complete && matches!(progress, Progress::NotStarted { .. }) {
        // Ours may be among those that were not looked at.
        let saw = format!("more than {} builds of `{project}` since {since}", builds.len());
        return Ok(Progress::Foreign { saw });
    }
    Ok(progress)
}

/// Starts it.
async fn begin(real: &Real, call: &Call, action: &RunBuild) -> Result<Answer, CallError> {
    let Work { region, project, declared } = Work::of(call, action)?;
    let (side, clients) = (real.aws.side(region), real.aws.beside(region));
    let mut variables = Vec::new();
    for (name, value) in action.variables(&on(call)?, declared) {
        let one = EnvironmentVariable::builder()
            .name(name)
            .value(value)
            .r#type(EnvironmentVariableType::Plaintext)
            .build()
            .map_err(|why| error::unfit(call, &why.to_string()))?;
        variables.push(one);
    }
    let sent = clients
        .builds_act
        .start_build()
        .project_name(project)
        .idempotency_token(call.token.as_str())
        .set_environment_variables_override(Some(variables))
        .send()
        .await;
    match sent {
        Ok(_) => Ok(Answer::Accepted),
        Err(why) => error::trouble(why).begun(side.name("codebuild"), "StartBuild"),
    }
}

/// What a call is about.
struct Work<'a> {
    region: &'a Region,
    project: &'a str,
    declared: &'a Declared,
}

impl<'a> Work<'a> {
    fn of(call: &'a Call, action: &RunBuild) -> Result<Work<'a>, CallError> {
        let on = on(call)?;
        let region = on.region(action.at);
        let Some(declared) = action.find(&on) else {
            let message = format!("no build called `{}` is declared", action.build);
            return Err(error::unfit(call, &message));
        };
        let project = declared.project(region).ok_or_else(|| {
            error::unfit(call, &format!("`{}` has no project in {region}", action.build))
        })?;
        Ok(Work { region, project, declared })
    }
}

/// The builds of a project, newest first.
struct Recent {
    builds: Vec<Build>,
    /// Whether none that started since was left out.
    is_complete: bool,
}

async fn recent(
    side: &Side,
    clients: &Beside,
    project: &str,
    since: Timestamp,
) -> Result<Recent, CallError> {
    let (mut builds, mut next) = (Vec::new(), None);
    for _ in 0..PAGES_MAX {
        let page = clients
            .builds
            .list_builds_for_project()
            .project_name(project)
            .sort_order(SortOrderType::Descending)
            .set_next_token(next)
            .send()
            .await
            .map_err(|why| {
                error::trouble(why).at(side.name("codebuild"), "ListBuildsForProject")
            })?;
        if page.ids().is_empty() {
            return Ok(Recent { builds, is_complete: true });
        }
        let described = clients
            .builds
            .batch_get_builds()
            .set_ids(Some(page.ids().to_vec()))
            .send()
            .await
            .map_err(|why| error::trouble(why).at(side.name("codebuild"), "BatchGetBuilds"))?;
        builds.extend_from_slice(described.builds());
        let starts = described.builds().iter().filter_map(|one| instant(one.start_time()?));
        let is_old = starts.min().is_some_and(|start| start < since);
        next = page.next_token().map(str::to_owned);
        if is_old || next.is_none() {
            return Ok(Recent { builds, is_complete: true });
        }
    }
    Ok(Recent { builds, is_complete: false })
}

/// What the builds of a project mean for a call.
fn seen(call: &Call, project: &str, builds: &[Build]) -> Progress {
    let ours: Vec<&Build> =
        builds.iter().filter(|build| token(build) == Some(call.token.as_str())).collect();
    // Started twice, after all: what still runs is waited for.
    let running = ours.iter().copied().find(|build| is_running(build));
    if let Some(build) = running.or_else(|| ours.first().copied()) {
        return ended(call, build, ours.len());
    }
    if let Some(other) = builds.iter().find(|build| is_running(build)) {
        let id = other.id().unwrap_or("a build without an identifier");
        let by = token(other).map_or_else(String::new, |token| format!(" of `{token}`"));
        return Progress::in_progress(format!("waits: `{id}`{by} runs in `{project}`"));
    }
    Progress::not_started()
}

fn ended(call: &Call, build: &Build, count: usize) -> Progress {
    let id = build.id().unwrap_or("a build without an identifier");
    let Some(status) = build.build_status() else {
        return Progress::in_progress(format!("`{id}` has no status yet"));
    };
    if *status == StatusType::InProgress {
        let phase = build.current_phase().unwrap_or("an unknown phase");
        return Progress::in_progress(format!("`{id}` is in {phase}"));
    }
    if *status == StatusType::Succeeded {
        let again = format!("{count} builds bear `{}`: it was started more than once", call.token);
        return Progress::Done(Done {
            notes: if count > 1 { vec![again] } else { Vec::new() },
            ..Done::with([("build", json!(id)), ("took", json!(took(call, build)))])
        });
    }
    let lost = [StatusType::Failed, StatusType::Fault, StatusType::TimedOut, StatusType::Stopped];
    if lost.contains(status) {
        return Progress::Failed { reason: failure(id, status, build) };
    }
    // A word that AWS has added since: neither good nor bad until somebody knows it.
    Progress::in_progress(format!(
        "`{id}` is {status}, which nobody here knows",
        status = status.as_str()
    ))
}

/// How it failed: in which phase, with which words, and where its log is.
fn failure(id: &str, status: &StatusType, build: &Build) -> String {
    let failed = build.phases().iter().rev().find(|phase| {
        phase.phase_status().is_some_and(|status| *status != StatusType::Succeeded)
            && phase.contexts().iter().any(|context| context.message().is_some())
    });
    let words = failed.and_then(|phase| {
        let said = phase.contexts().iter().rev().find_map(|context| context.message())?;
        let kind = phase.phase_type().map_or("a phase", |kind| kind.as_str());
        Some(format!(" in {kind}: {}", said.trim().chars().take(WORDS_MAX).collect::<String>()))
    });
    let log = build.logs().and_then(|logs| logs.deep_link());
    let log = log.map_or_else(String::new, |link| format!("; its log: {link}"));
    format!("`{id}` is {}{}{log}", status.as_str(), words.unwrap_or_default())
}

/// By CodeBuild's own times; by ours where it says none.
fn took(call: &Call, build: &Build) -> Span {
    let from = build.start_time().and_then(instant).unwrap_or(call.started_at);
    Span::between(from, build.end_time().and_then(instant).unwrap_or(call.asked_at))
}

fn is_running(build: &Build) -> bool {
    build.build_status() == Some(&StatusType::InProgress)
}

/// The token that a build bears.
fn token(build: &Build) -> Option<&str> {
    let variables = build.environment()?.environment_variables();
    variables.iter().find(|one| one.name() == TOKEN).map(EnvironmentVariable::value)
}

#[cfg(test)]
mod tests {
    use aws_sdk_codebuild::{
        primitives::DateTime,
        types::{
            BuildPhase, BuildPhaseType, ComputeType, EnvironmentType, LogsLocation, PhaseContext,
            ProjectEnvironment,
        },
    };

    use super::*;
    use crate::world::aws::fixture::{at, call};

    fn build(id: &str, status: &str, token: &str) -> Build {
        let variable = EnvironmentVariable::builder().name(TOKEN).value(token).build().unwrap();
        let environment = ProjectEnvironment::builder()
            .r#type(EnvironmentType::LinuxContainer)
            .image("image")
            .compute_type(ComputeType::BuildGeneral1Small)
            .environment_variables(variable)
            .build()
            .unwrap();
        let context = PhaseContext::builder().message("  Error while executing: exit status 3 ");
        let phase = BuildPhase::builder()
            .phase_type(BuildPhaseType::Build)
            .phase_status(StatusType::Failed)
            .contexts(context.build());
        let start = at("2026-03-01T02:00:30Z").as_second();
        Build::builder()
            .id(id)
            .build_status(StatusType::from(status))
            .current_phase("BUILD")
            .environment(environment)
            .phases(phase.build())
            .logs(LogsLocation::builder().deep_link("https://logs.example/7").build())
            .start_time(DateTime::from_secs(start))
            .end_time(DateTime::from_secs(start + 20))
            .build()
    }

    /// Goal: a build of ours is found whatever else its project builds, no word of AWS's is taken for more than it
    /// says, and while anybody's build runs ours is not started.
    /// Method: every status alone, and several builds together, newest first.
    #[test]
    fn what_builds_mean() {
        let call = call("run-build", json!({ "build": "infrastructure", "at": "standby" }));
        let own = call.token.as_str();
        let [a, b] = ["p:1", "p:2"];
        let table = [
            (vec![], "not started"),
            (vec![build(a, "IN_PROGRESS", own)], "`p:1` is in BUILD"),
            (vec![build(a, "SUCCEEDED", own)], "done"),
            (
                vec![build(a, "FAILED", own)],
                "failed: `p:1` is FAILED in BUILD: Error while executing: exit status 3; its log: \
                 https://logs.example/7",
            ),
            (vec![build(a, "FAULT", own)], "failed: `p:1` is FAULT"),
            (vec![build(a, "TIMED_OUT", own)], "failed: `p:1` is TIMED_OUT"),
            (vec![build(a, "STOPPED", own)], "failed: `p:1` is STOPPED"),
            (vec![build(a, "RESTING", own)], "`p:1` is RESTING, which nobody here knows"),
            (vec![build(a, "SUCCEEDED", "muster-other-1")], "not started"),
            (vec![build(a, "FAILED", "muster-other-1")], "not started"),
            (vec![build(a, "IN_PROGRESS", "other")], "waits: `p:1` of `other` runs in `p`"),
            (vec![build(b, "IN_PROGRESS", "other"), build(a, "SUCCEEDED", own)], "done"),
            (vec![build(b, "SUCCEEDED", own), build(a, "IN_PROGRESS", own)], "`p:1` is in BUILD"),
        ];
        for (builds, meant) in table {
            let progress = seen(&call, "p", &builds);
            assert!(progress.to_string().starts_with(meant), "{progress}, not {meant}");
        }
        let twice = [build(b, "SUCCEEDED", own), build(a, "FAILED", own)];
        let Progress::Done(done) = seen(&call, "p", &twice) else { panic!("{twice:?}") };
        assert_eq!((&done.outputs["build"], &done.outputs["took"]), (&json!(b), &json!("20s")));
        assert!(done.notes[0].contains("2 builds bear"), "{:?}", done.notes);
    }
}
