//! Actions that decide where users go.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_runbooks::{
    action::traffic::{ShiftTraffic, WeighTraffic},
    value::Span,
};
use muster_state::call::{Answer, Call, CallError, Done, Progress};
use serde_json::json;

use super::{
    Sim,
    names::{Names, Weighed},
    no_outside,
    wire::{Door, Side},
};

const DNS: Door<'static> = Door { service: "dns", operation: "query", side: Side::Elsewhere };

fn route53(operation: &'static str) -> Door<'static> {
    Door { service: "route53", operation, side: Side::Global }
}

pub(super) fn observe_shift(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &ShiftTraffic,
) -> Result<Progress, CallError> {
    let on = call.on().ok_or_else(|| no_outside(call))?;
    let refused = || Ok(Progress::Refused { reason: "no traffic is declared".to_owned() });
    let Some(traffic) = &on.application.traffic else { return refused() };
    let (to, marker) = (on.region(action.to), &traffic.marker);
    let wanted = *to != traffic.primary;
    let at = sim.ask(now, Door::s3(&marker.region, "HeadObject"))?;
    sim.ask(now, DNS)?;
    let Some(names) = sim.names.get(&on.application.name) else { return refused() };
    let answers = names.answers(&sim.regions, now);
    if names.has_marker(at) != wanted {
        let before = json!({ "marker": names.has_marker(at), "answers": names.text(&answers) });
        let targets = vec![format!("s3://{}/{}", marker.bucket, marker.key)];
        return Ok(Progress::NotStarted { before, targets });
    }
    if answers != *to {
        return Ok(Progress::in_progress(format!("name servers answer with {answers}")));
    }
    if !sim.serves(&on.application.name, to, now) {
        return Ok(Progress::in_progress(format!("a probe through {to} does not succeed yet")));
    }
    let asked_at = call.aim.as_ref().map_or(call.started_at, |aim| aim.at);
    Ok(Progress::Done(Done::with([
        ("answers", json!(names.text(&answers))),
        ("took", json!(Span::between(asked_at, now))),
    ])))
}

pub(super) fn begin_shift(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &ShiftTraffic,
) -> Result<Answer, CallError> {
    let on = call.on().ok_or_else(|| no_outside(call))?;
    let traffic = on.application.traffic.as_ref().ok_or_else(|| no_outside(call))?;
    let present = *on.region(action.to) != traffic.primary;
    let operation = if present { "PutObject" } else { "DeleteObject" };
    sim.tell(now, Door::s3(&traffic.marker.region, operation), |sim| {
        let names = sim.names.get_mut(&on.application.name);
        let names = names.ok_or_else(|| no_outside(call))?;
        // Putting it where it lies, or removing what is not there, changes nothing.
        if names.set_marker(now, present, Some(call.token.as_str())) {
            let object = format!("{}/{}", traffic.marker.bucket, traffic.marker.key);
            sim.took_effect(now, call, operation, object);
        }
        Ok(Answer::Accepted)
    })
}

pub(super) fn observe_weights(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &WeighTraffic,
) -> Result<Progress, CallError> {
    let on = call.on().ok_or_else(|| no_outside(call))?;
    let Some(names) = sim.names.get(&on.application.name).cloned() else {
        return Ok(Progress::Refused { reason: "no traffic is declared".to_owned() });
    };
    if !names.traffic().writable_in_both {
        let reason = "one writer means that a share elsewhere fails; shift all of it".to_owned();
        return Ok(Progress::Refused { reason });
    }
    let at = sim.ask(now, route53("ListResourceRecordSets"))?;
    let wanted = percent(&names, on.region(action.at), action.percent);
    let asked = names.weights.last().filter(|weighed| weighed.percent == wanted);
    Ok(match asked {
        Some(weighed) if weighed.from <= at => {
            let asked_at = call.aim.as_ref().map_or(call.started_at, |aim| aim.at);
            Progress::Done(Done::with([("took", json!(Span::between(asked_at, now)))]))
        }
        Some(_) => Progress::in_progress("PENDING"),
        None => {
            let before = names.weights.last().map(|weighed| &weighed.percent);
            let targets = vec![names.traffic().name.clone()];
            Progress::NotStarted { before: json!({ "percent": before }), targets }
        }
    })
}

pub(super) fn begin_weights(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &WeighTraffic,
) -> Result<Answer, CallError> {
    let on = call.on().ok_or_else(|| no_outside(call))?;
    sim.tell(now, route53("ChangeResourceRecordSets"), |sim| {
        let takes = sim.dice.secs("insync", call.token.as_str(), 20..=60);
        let names = sim.names.get_mut(&on.application.name);
        let names = names.ok_or_else(|| no_outside(call))?;
        let wanted = percent(names, on.region(action.at), action.percent);
        if names.weights.last().is_none_or(|weighed| weighed.percent != wanted) {
            names.weights.push(Weighed { from: now + takes, percent: wanted });
            let object = names.traffic().name.clone();
            sim.took_effect(now, call, "ChangeResourceRecordSets", object);
        }
        Ok(Answer::Accepted)
    })
}

fn percent(
    names: &Names,
    at: &muster_runbooks::name::Region,
    share: u32,
) -> BTreeMap<muster_runbooks::name::Region, u32> {
    let regions = names.traffic().answers.keys().filter_map(|region| region.parse().ok());
    let share = share.min(100);
    regions
        .map(|region| {
            let percent = if region == *at { share } else { 100 - share };
            (region, percent)
        })
        .collect()
}
