//! `scale-workload`: a namespace at full strength where it will serve (facts §6).

use std::collections::BTreeMap;

use jiff::SignedDuration;
use muster_runbooks::{action::workload::ScaleWorkload, application::Workload, value::Span};
use muster_state::call::{Answer, Call, CallError, Done, Progress};
use serde_json::{Value, json};

use super::{
    kube::scale::Strengths,
    real::{Real, Verbs, on, verbs, workload},
};

/// Brings a namespace to full strength.
pub(super) fn scale<'a>(real: &'a Real, call: &'a Call, action: &'a ScaleWorkload) -> Verbs<'a> {
    verbs(call, observe(real, call, action), begin(real, call, action))
}

/// How far a namespace is from full strength.
async fn observe(real: &Real, call: &Call, action: &ScaleWorkload) -> Result<Progress, CallError> {
    let workload = workload(call)?;
    let cluster = real.kube.cluster(workload, on(call)?.region(action.at)).await?;
    let strengths = cluster.strengths().await?;
    Ok(match wanted(call, workload) {
        Ok(wanted) => stands(call, action, &strengths, &wanted),
        Err(why) => Progress::Refused { reason: why },
    })
}

/// Asks for what is missing of it, set by set.
async fn begin(real: &Real, call: &Call, action: &ScaleWorkload) -> Result<Answer, CallError> {
    let workload = workload(call)?;
    let cluster = real.kube.cluster(workload, on(call)?.region(action.at)).await?;
    let strengths = cluster.strengths().await?;
    let wanted = wanted(call, workload).map_err(|why| unfit(call, why))?;
    for (name, replicas) in &wanted {
        let Some(set) = strengths.sets.get(name).filter(|set| !set.is_asked_for(*replicas)) else {
            continue;
        };
        if real.clock.now() >= call.not_after {
            return Ok(Answer::Busy { reason: "the time limit came before all sets".to_owned() });
        }
        cluster.strengthen(name, set, *replicas).await?;
    }
    Ok(Answer::Accepted)
}

/// How many replicas each set must have: what the source had at its strongest, or what the file
/// declares, whichever is more. Without either nobody knows what full strength is.
pub(super) fn wanted(call: &Call, workload: &Workload) -> Result<BTreeMap<String, u32>, String> {
    let mut wanted = workload.replicas.clone();
    for (name, replicas) in call.peak.iter().flat_map(|peak| &peak.sets) {
        let most = wanted.entry(name.clone()).or_default();
        *most = (*most).max(*replicas);
    }
    if wanted.is_empty() {
        return Err(format!(
            "nobody has seen how strong `{}` is where it serves, and its file declares no `replicas`: scale it \
             by hand, and say so with `muster done`",
            workload.name
        ));
    }
    // They run where the application is served, and are started there when it is.
    wanted.retain(|name, _| !workload.is_worker(name));
    Ok(wanted)
}

fn stands(
    call: &Call,
    action: &ScaleWorkload,
    strengths: &Strengths,
    wanted: &BTreeMap<String, u32>,
) -> Progress {
    let missing: Vec<&str> = wanted
        .keys()
        .filter(|name| !strengths.sets.contains_key(*name))
        .map(String::as_str)
        .collect();
    if !missing.is_empty() {
        let reason = format!("not there to be scaled: {}", missing.join(", "));
        return Progress::Refused { reason };
    }
    let sets = || wanted.iter().filter_map(|(name, n)| Some((name, *n, strengths.sets.get(name)?)));
    let unasked: Vec<&String> =
        sets().filter(|(_, n, set)| !set.is_asked_for(*n)).map(|(name, ..)| name).collect();
    // Before it was aimed it has not started: that a side is strong already is no stranger's doing, and
    // nobody has to look at it.
    if call.aim.is_none() || !unasked.is_empty() {
        let before: serde_json::Map<String, Value> =
            sets().map(|(name, _, set)| (name.clone(), set.before())).collect();
        let targets = unasked.into_iter().cloned().collect();
        return Progress::NotStarted { before: Value::Object(before), targets };
    }
    let behind: Vec<String> = sets()
        .filter(|(_, n, set)| !set.is_there(*n))
        .map(|(name, n, set)| {
            format!("{name}: {} of {} available", set.available, n.max(set.wanted))
        })
        .collect();
    if !behind.is_empty() {
        return behind_because(call, action.capacity_within(), strengths, &behind.join("; "));
    }
    let total: u32 = sets().map(|(_, _, set)| set.available).sum();
    let told: Vec<String> = sets().map(|(name, n, _)| format!("{name} {n}")).collect();
    let from = call.aim.as_ref().map_or(call.started_at, |aim| aim.at);
    let mut done = Done::with([
        ("replicas", json!(total)),
        ("wanted", json!(told)),
        ("took", json!(Span::between(from, call.asked_at))),
    ]);
    if call.peak.is_none() {
        done.notes
            .push("the source's peak was never seen; its file's `replicas` were taken".to_owned());
    }
    Progress::Done(done)
}

/// Pods that found no room for long enough are a failure with a name, and no slow rollout.
pub(super) fn behind_because(
    call: &Call,
    capacity_within: Span,
    strengths: &Strengths,
    behind: &str,
) -> Progress {
    let Some((since, why)) = strengths.unplaced.first() else {
        return Progress::in_progress(behind);
    };
    let stood = call.asked_at.duration_since((*since).max(call.started_at));
    let within: SignedDuration = capacity_within.duration();
    let said = format!("capacity: {} pods find no room: {why}; {behind}", strengths.unplaced.len());
    if stood >= within { Progress::Failed { reason: said } } else { Progress::in_progress(said) }
}

fn unfit(call: &Call, message: String) -> CallError {
    super::aws::error::unfit(call, &message)
}
