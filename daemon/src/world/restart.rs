//! `restart-workload`: clients that still hold connections to a database that writes no more start anew.

use muster_runbooks::{
    action::workload::{RESTARTED_BY, RestartWorkload},
    application::Controller,
    value::Span,
};
use muster_state::call::{Answer, Call, CallError, Done, Progress};
use serde_json::{Value, json};

use super::{
    kube::controllers::{Found, Rollout},
    real::{Real, Verbs, on, verbs, workload},
};

/// Lets sets start anew.
pub(super) fn restart<'a>(
    real: &'a Real,
    call: &'a Call,
    action: &'a RestartWorkload,
) -> Verbs<'a> {
    verbs(call, observe(real, call, action), begin(real, call, action))
}

/// How far the pods that bear the call's token have taken the place of the others.
async fn observe(
    real: &Real,
    call: &Call,
    action: &RestartWorkload,
) -> Result<Progress, CallError> {
    Ok(stands(call, &read(real, call, action).await?))
}

/// Lets those start anew that do not bear the token yet.
async fn begin(real: &Real, call: &Call, action: &RestartWorkload) -> Result<Answer, CallError> {
    let workload = workload(call)?;
    let cluster = real.kube.cluster_for(call, workload, on(call)?.region(action.at)).await?;
    let change = json!({ "spec": { "template": { "metadata": {
        "annotations": { RESTARTED_BY: call.token.as_str() },
    } } } });
    for (_, found) in cluster.controllers(&workload.restart_after_failover).await? {
        let Some(found) = found.filter(|found| !is_ours(call, found)) else { continue };
        if real.clock.now() >= call.not_after {
            return Ok(Answer::Busy { reason: "the time limit came before all".to_owned() });
        }
        cluster.change(&found, change.clone()).await?;
    }
    Ok(Answer::Accepted)
}

/// How long it took so far.
pub(super) fn took(call: &Call) -> Value {
    json!(Span::between(call.started_at, call.asked_at))
}

type Read = Vec<(Controller, Option<Found>)>;

async fn read(real: &Real, call: &Call, action: &RestartWorkload) -> Result<Read, CallError> {
    let workload = workload(call)?;
    let cluster = real.kube.cluster_for(call, workload, on(call)?.region(action.at)).await?;
    cluster.controllers(&workload.restart_after_failover).await
}

fn is_ours(call: &Call, found: &Found) -> bool {
    found.template_annotation(RESTARTED_BY) == Some(call.token.as_str())
}

fn stands(call: &Call, all: &Read) -> Progress {
    let missing: Vec<String> =
        all.iter().filter(|(_, one)| one.is_none()).map(|(name, _)| name.to_string()).collect();
    if !missing.is_empty() {
        let reason = format!("not there to be restarted: {}", missing.join(", "));
        return Progress::Refused { reason };
    }
    let there = || all.iter().filter_map(|(name, found)| Some((name, found.as_ref()?)));
    // Whatever is changed in a template that nobody rolls out changes no pod.
    let still = there().find_map(|(name, found)| Some(format!("{name} {}", found.holds_still()?)));
    if let Some(reason) = still {
        return Progress::Refused { reason: format!("{reason}: restart its pods by hand") };
    }
    if there().any(|(_, found)| !is_ours(call, found)) {
        return Progress::not_started();
    }
    let mut behind = Vec::new();
    for (name, found) in there() {
        match found.rollout() {
            Rollout::Over => {}
            Rollout::Under(said) => behind.push(format!("{name}: {said}")),
            Rollout::Stuck(said) => {
                return Progress::Failed { reason: format!("{name}: {said}") };
            }
        }
    }
    if !behind.is_empty() {
        return Progress::in_progress(behind.join("; "));
    }
    let restarted: Vec<String> = all.iter().map(|(name, _)| name.to_string()).collect();
    Progress::Done(Done::with([("restarted", json!(restarted)), ("took", took(call))]))
}
