//! Steps of the user's own in the simulated world: somebody who honours the key, and jobs that take a
//! while.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::action::custom::{CallHttp, RunJob};
use muster_state::call::{Answer, Call, CallError, Done, Progress};
use serde_json::json;

use super::{
    Sim, no_outside,
    wire::{Door, Side},
};

/// A job takes so long.
const JOB: SignedDuration = SignedDuration::from_secs(25);

/// What was called and created, by the outside name.
#[derive(Clone, Debug, Default)]
pub(super) struct Custom {
    called: BTreeMap<String, Timestamp>,
    jobs: BTreeMap<String, Timestamp>,
}

const CALL: Door<'static> = Door { service: "endpoint", operation: "call", side: Side::Elsewhere };

pub(super) fn observe_call(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &CallHttp,
) -> Result<Progress, CallError> {
    if action.check_url.is_none() {
        return Ok(Progress::not_started());
    }
    let at = sim.ask(now, CALL)?;
    let called = sim.custom.called.get(call.token.as_str()).filter(|called| **called <= at);
    Ok(called.map_or_else(Progress::not_started, |_| Progress::Done(answered(action))))
}

pub(super) fn begin_call(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &CallHttp,
) -> Result<Answer, CallError> {
    sim.tell(now, CALL, |sim| {
        // The same key, the same call.
        if sim.custom.called.insert(call.token.to_string(), now).is_none() {
            sim.took_effect(now, call, action.method.word(), "endpoint");
        }
        Ok(match action.check_url {
            Some(_) => Answer::Accepted,
            None => Answer::Done(answered(action)),
        })
    })
}

fn answered(action: &CallHttp) -> Done {
    let mut done = Done::with([("status", json!(200))]);
    let picked = action.pick.iter().flatten();
    done.outputs.extend(picked.map(|name| (name.clone(), json!(format!("a {name}")))));
    done
}

pub(super) fn observe_job(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &RunJob,
) -> Result<Progress, CallError> {
    let on = call.on().ok_or_else(|| no_outside(call))?;
    let at = sim.ask(now, Door::kubernetes(on.region(action.at), "GET jobs"))?;
    if action.find(&on).is_none() {
        let reason = format!("no workload declares a job called `{}`", action.job);
        return Ok(Progress::Refused { reason });
    }
    let created = sim.custom.jobs.get(call.token.as_str()).filter(|created| **created <= at);
    Ok(match created {
        None => Progress::not_started(),
        Some(created) if at.duration_since(*created) < JOB => {
            Progress::in_progress("1 active, 0 failed")
        }
        Some(_) => Progress::Done(Done::with([
            ("succeeded", json!(1)),
            ("pod", json!(format!("{}-x", call.token))),
        ])),
    })
}

pub(super) fn begin_job(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &RunJob,
) -> Result<Answer, CallError> {
    let on = call.on().ok_or_else(|| no_outside(call))?;
    let door = Door::kubernetes(on.region(action.at), "CREATE jobs");
    sim.tell(now, door, |sim| {
        if !sim.custom.jobs.contains_key(call.token.as_str()) {
            sim.custom.jobs.insert(call.token.to_string(), now);
            sim.took_effect(now, call, "create job", &action.job);
        }
        Ok(Answer::Accepted)
    })
}
