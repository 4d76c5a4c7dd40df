//! `suspend-workers` and `resume-workers`: what may run on one side only stands still on the other
//! (facts §7, rule 5).

use std::collections::BTreeMap;

use muster_runbooks::{
    action::{
        Role,
        worker::{REMEMBERED, ResumeWorkers, SuspendWorkers},
    },
    application::{Controller, ControllerKind, Workload},
    value::Span,
};
use muster_state::call::{Answer, Call, CallError, Done, Progress};
use serde_json::{Value, json};

use super::{
    inventory::takeover::WorkerSide,
    kube::{Cluster, controllers::Found},
    real::{Real, Verbs, on, verbs, workload},
};

/// What is written down of a cron job, which has no number.
const SUSPENDED: &str = "suspended";

/// One worker as far as stopping and starting it is concerned.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Stands {
    /// How many replicas are wanted; one of a cron job that is not suspended.
    pub(super) wanted: u32,
    /// How many of them are available.
    pub(super) available: u32,
    /// What it was before it was stopped, as its annotation says.
    pub(super) remembered: Option<String>,
    /// The most that its autoscaler keeps, if it has one: that one decides how many there are.
    pub(super) most: Option<u32>,
    /// The pods and jobs of it that are not over.
    pub(super) left: Vec<String>,
}

/// All workers of a namespace; nothing of one that is not there.
pub(super) type All = BTreeMap<Controller, Option<Stands>>;

/// Stops the workers of a side.
pub(super) fn suspend<'a>(real: &'a Real, call: &'a Call, action: &'a SuspendWorkers) -> Verbs<'a> {
    verbs(call, observe_suspension(real, call, action), begin_suspension(real, call, action))
}

/// Starts the workers of a side.
pub(super) fn resume<'a>(real: &'a Real, call: &'a Call, action: &'a ResumeWorkers) -> Verbs<'a> {
    verbs(call, observe_resumption(real, call, action), begin_resumption(real, call, action))
}

/// How far the workers of a side stand still.
async fn observe_suspension(
    real: &Real,
    call: &Call,
    action: &SuspendWorkers,
) -> Result<Progress, CallError> {
    let workload = workload(call)?;
    let cluster = cluster(real, call, workload, action.at).await?;
    let mut all = All::new();
    for (worker, found) in cluster.controllers(&workload.workers).await? {
        let stands = match &found {
            Some(found) => Some(Stands { left: cluster.left(found).await?, ..stands(found) }),
            None => None,
        };
        all.insert(worker, stands);
    }
    Ok(stopped(call, &all))
}

/// Stops those that run. One that cannot be stopped does not keep the others running.
async fn begin_suspension(
    real: &Real,
    call: &Call,
    action: &SuspendWorkers,
) -> Result<Answer, CallError> {
    let workload = workload(call)?;
    let cluster = cluster(real, call, workload, action.at).await?;
    let found = cluster.controllers(&workload.workers).await?;
    let running = found.iter().filter_map(|(worker, found)| {
        let found = found.as_ref().filter(|found| found.wanted() > 0)?;
        Some((found, suspension(worker.kind, found.wanted())))
    });
    change_all(real, call, &cluster, running).await
}

/// How far the workers of a side run.
async fn observe_resumption(
    real: &Real,
    call: &Call,
    action: &ResumeWorkers,
) -> Result<Progress, CallError> {
    let workload = workload(call)?;
    let cluster = cluster(real, call, workload, action.at).await?;
    let all = read(&cluster, workload).await?;
    let all = all.into_iter().map(|(worker, found)| (worker, found.map(|(_, stands)| stands)));
    Ok(started(call, workload, &all.collect()))
}

/// Starts those that do not run as strong as they must.
async fn begin_resumption(
    real: &Real,
    call: &Call,
    action: &ResumeWorkers,
) -> Result<Answer, CallError> {
    let workload = workload(call)?;
    let cluster = cluster(real, call, workload, action.at).await?;
    let all = read(&cluster, workload).await?;
    let mut due = Vec::new();
    for (worker, found) in &all {
        let Some((found, stands)) = found else { continue };
        let wanted = wanted(call, workload, worker, stands).map_err(|why| unfit(call, &why))?;
        if !is_asked_for(stands, wanted) {
            due.push((found, resumption(worker.kind, wanted.max(stands.wanted))));
        }
    }
    change_all(real, call, &cluster, due.into_iter()).await
}

/// What the workers of a side are now, for whoever only looks; nothing of one that is not there.
pub(super) async fn look(
    cluster: &Cluster<'_>,
    workload: &Workload,
) -> Result<BTreeMap<String, WorkerSide>, CallError> {
    let found = cluster.controllers(&workload.workers).await?;
    let sides = found.into_iter().filter_map(|(worker, found)| {
        let stands = stands(&found?);
        let is_remembered = stands.remembered.is_some();
        Some((worker.to_string(), WorkerSide { wanted: stands.wanted, is_remembered }))
    });
    Ok(sides.collect())
}

type Read = Vec<(Controller, Option<(Found, Stands)>)>;

async fn read(cluster: &Cluster<'_>, workload: &Workload) -> Result<Read, CallError> {
    let (found, scalers) =
        futures::try_join!(cluster.controllers(&workload.workers), cluster.scalers())?;
    let all = found.into_iter().map(|(worker, found)| {
        let most = scalers.get(&worker.to_string()).map(|scaler| scaler.most);
        let found = found.map(|found| {
            let stands = Stands { most, ..stands(&found) };
            (found, stands)
        });
        (worker, found)
    });
    Ok(all.collect())
}

fn stands(found: &Found) -> Stands {
    Stands {
        wanted: found.wanted(),
        available: found.available(),
        remembered: found.annotation(REMEMBERED).map(str::to_owned),
        ..Stands::default()
    }
}

/// Changes one after the other, and goes on past one that cannot be changed.
async fn change_all<'a>(
    real: &Real,
    call: &Call,
    cluster: &Cluster<'_>,
    due: impl Iterator<Item = (&'a Found, Value)>,
) -> Result<Answer, CallError> {
    let mut trouble = None;
    for (found, change) in due {
        if real.clock.now() >= call.not_after {
            return Ok(Answer::Busy { reason: "the time limit came before all".to_owned() });
        }
        if let Err(why) = cluster.change(found, change).await {
            trouble.get_or_insert(why);
        }
    }
    trouble.map_or(Ok(Answer::Accepted), Err)
}

fn suspension(kind: ControllerKind, replicas: u32) -> Value {
    match kind {
        ControllerKind::CronJob => json!({
            "metadata": { "annotations": { REMEMBERED: SUSPENDED } },
            "spec": { "suspend": true },
        }),
        ControllerKind::Deployment | ControllerKind::StatefulSet => json!({
            "metadata": { "annotations": { REMEMBERED: replicas.to_string() } },
            "spec": { "replicas": 0 },
        }),
    }
}

fn resumption(kind: ControllerKind, replicas: u32) -> Value {
    let spec = match kind {
        ControllerKind::CronJob => json!({ "suspend": false }),
        ControllerKind::Deployment | ControllerKind::StatefulSet => json!({ "replicas": replicas }),
    };
    json!({ "metadata": { "annotations": { REMEMBERED: null } }, "spec": spec })
}

/// What is seen of a suspension. Before it was aimed it has not started, even where everything stands
/// still: that is no stranger's doing, and nobody has to look at it.
pub(super) fn stopped(call: &Call, all: &All) -> Progress {
    let there = || all.iter().filter_map(|(worker, stands)| Some((worker, stands.as_ref()?)));
    let running: Vec<String> = there()
        .filter(|(_, stands)| stands.wanted > 0)
        .map(|(worker, _)| worker.to_string())
        .collect();
    if call.aim.is_none() || !running.is_empty() {
        return Progress::NotStarted { before: before(all), targets: running };
    }
    let left: Vec<String> = there()
        .filter(|(_, stands)| !stands.left.is_empty())
        .map(|(worker, stands)| format!("{worker}: still there: {}", few(&stands.left)))
        .collect();
    if !left.is_empty() {
        return Progress::in_progress(left.join("; "));
    }
    let stopped: Vec<String> = there().map(|(worker, _)| worker.to_string()).collect();
    let mut done = Done::with([("stopped", json!(stopped)), ("took", took(call))]);
    let missing = all.iter().filter(|(_, stands)| stands.is_none());
    done.notes.extend(missing.map(|(worker, _)| format!("{worker} is not there to be stopped")));
    let others = there().filter(|(_, stands)| stands.remembered.is_none());
    done.notes.extend(others.map(|(worker, _)| format!("{worker} stood still already")));
    Progress::Done(done)
}

/// What is seen of a resumption.
pub(super) fn started(call: &Call, workload: &Workload, all: &All) -> Progress {
    let missing: Vec<String> =
        all.iter().filter(|(_, one)| one.is_none()).map(|(name, _)| name.to_string()).collect();
    if !missing.is_empty() {
        let reason = format!("not there to be started: {}", missing.join(", "));
        return Progress::Refused { reason };
    }
    let (mut unasked, mut behind, mut running) = (Vec::new(), Vec::new(), Vec::new());
    for (worker, stands) in all.iter().filter_map(|(worker, one)| Some((worker, one.as_ref()?))) {
        let wanted = match wanted(call, workload, worker, stands) {
            Ok(wanted) => wanted,
            Err(reason) => return Progress::Refused { reason },
        };
        if !is_asked_for(stands, wanted) {
            unasked.push(worker.to_string());
        } else if stands.available < stands.wanted {
            let Stands { wanted, available, .. } = stands;
            behind.push(format!("{worker}: {available} of {wanted} available"));
        }
        running.push(match worker.is_set() {
            true => format!("{worker} {}", stands.wanted),
            false => worker.to_string(),
        });
    }
    if call.aim.is_none() || !unasked.is_empty() {
        return Progress::NotStarted { before: before(all), targets: unasked };
    }
    if !behind.is_empty() {
        return Progress::in_progress(behind.join("; "));
    }
    Progress::Done(Done::with([("running", json!(running)), ("took", took(call))]))
}

/// How many replicas a worker must have. Nobody guesses: a set that stands at none, and of which nobody
/// knows how many it was, is a person's to start.
pub(super) fn wanted(
    call: &Call,
    workload: &Workload,
    worker: &Controller,
    stands: &Stands,
) -> Result<u32, String> {
    if !worker.is_set() {
        return Ok(1);
    }
    let name = worker.to_string();
    let remembered = match stands.remembered.as_deref().map(|said| (said, said.parse::<u32>())) {
        None => None,
        Some((_, Ok(number))) => Some(number),
        Some((said, Err(_))) => {
            return Err(format!(
                "the annotation `{REMEMBERED}` of {name} says `{said}`, which is no number: scale it by hand, \
                 take the annotation away, and retry"
            ));
        }
    };
    let peak = call.peak.as_ref().and_then(|peak| peak.sets.get(&name).copied());
    let declared = workload.replicas.get(&name).copied();
    let known = [remembered, peak, declared].into_iter().flatten().max().filter(|most| *most > 0);
    match known {
        Some(known) => Ok(stands.most.map_or(known, |most| known.min(most))),
        None if stands.wanted > 0 => Ok(stands.wanted),
        None => Err(format!(
            "{name} has no replicas, no annotation `{REMEMBERED}` and no line under `replicas`, and nobody has \
             seen how strong it was: scale it by hand, and retry"
        )),
    }
}

/// Whether nothing has to be changed. What an autoscaler looks after may be as many as that one says.
fn is_asked_for(stands: &Stands, wanted: u32) -> bool {
    let enough = if stands.most.is_some() { stands.wanted > 0 } else { stands.wanted >= wanted };
    enough && stands.remembered.is_none()
}

fn before(all: &All) -> Value {
    let each = all.iter().map(|(worker, stands)| {
        let stands = stands.as_ref();
        let said = stands.map(|it| json!({ "replicas": it.wanted, "remembered": it.remembered }));
        (worker.to_string(), json!(said))
    });
    Value::Object(each.collect())
}

fn took(call: &Call) -> Value {
    let from = call.aim.as_ref().map_or(call.started_at, |aim| aim.at);
    json!(Span::between(from, call.asked_at))
}

/// The first of several.
fn few(all: &[String]) -> String {
    const NAMED_MAX: usize = 3;
    let mut text = all.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    if all.len() > NAMED_MAX {
        text = format!("{text} and {} more", all.len() - NAMED_MAX);
    }
    text
}

async fn cluster<'a>(
    real: &Real,
    call: &Call,
    workload: &'a Workload,
    at: Role,
) -> Result<Cluster<'a>, CallError> {
    real.kube.cluster_for(call, workload, on(call)?.region(at)).await
}

fn unfit(call: &Call, message: &str) -> CallError {
    super::aws::error::unfit(call, message)
}
