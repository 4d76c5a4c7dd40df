//! Restarted sets of the simulated namespaces: new pods take the place of the old ones after a while.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{action::workload::RestartWorkload, application::Workload, name::Region};
use muster_state::call::{Answer, Call, CallError, Done, Progress};
use serde_json::json;

use super::{Sim, wire::Door, workloads::bound};
use crate::world::restart::took;

/// When the pods of each restart are there: by the token that their template bears.
#[derive(Clone, Debug, Default)]
pub(super) struct Restarts {
    there_at: BTreeMap<String, Timestamp>,
}

pub(super) fn observe(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &RestartWorkload,
) -> Result<Progress, CallError> {
    let (workload, region) = called(call, action)?;
    let at = sim.ask(now, Door::kubernetes(region, "GET deployments"))?;
    let Some(there_at) = sim.restarts.there_at.get(call.token.as_str()) else {
        return Ok(Progress::not_started());
    };
    if *there_at > at {
        return Ok(Progress::in_progress("the new pods are not all available"));
    }
    let names: Vec<String> =
        workload.restart_after_failover.iter().map(ToString::to_string).collect();
    Ok(Progress::Done(Done::with([("restarted", json!(names)), ("took", took(call))])))
}

pub(super) fn begin(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &RestartWorkload,
) -> Result<Answer, CallError> {
    let (_, region) = called(call, action)?;
    sim.tell(now, Door::kubernetes(region, "PATCH deployments"), |sim| {
        let token = call.token.as_str();
        // The template says whose it is: a second begin finds it.
        if !sim.restarts.there_at.contains_key(token) {
            let takes: SignedDuration = sim.dice.secs("restart", token, 15..=60);
            sim.restarts.there_at.insert(token.to_owned(), now + takes);
            sim.took_effect(now, call, "PATCH deployments", region);
        }
        Ok(Answer::Accepted)
    })
}

fn called<'a>(
    call: &'a Call,
    action: &RestartWorkload,
) -> Result<(&'a Workload, &'a Region), CallError> {
    let (on, workload) = bound(call)?;
    Ok((workload, on.region(action.at)))
}
