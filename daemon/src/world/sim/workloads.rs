//! What runs in the simulated namespaces: it becomes stronger when asked, once there is room.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_runbooks::{
    action::{On, workload::ScaleWorkload},
    application::{Component, Workload},
    name::{ApplicationName, ComponentName, Region},
    value::Span,
};
use muster_state::call::{Answer, Call, CallError, Done, Progress};
use serde_json::{Value, json};

use super::{Sim, fault::Fault, no_outside, wire::Door};
use crate::world::workload::wanted;

/// How many replicas a set has before anybody asks for more.
const AT_REST: u32 = 2;

/// A set of a namespace in a region.
type Key = (ApplicationName, ComponentName, Region, String);

/// What was asked for of each set, and when it is there.
#[derive(Clone, Debug, Default)]
pub(super) struct Workloads {
    asked: BTreeMap<Key, (u32, Timestamp)>,
}

impl Workloads {
    /// How many replicas a set of a namespace in a region has.
    pub(super) fn replicas(
        &self,
        (application, workload, region): (&ApplicationName, &ComponentName, &Region),
        set: &str,
        at: Timestamp,
    ) -> u32 {
        let key = (application.clone(), workload.clone(), region.clone(), set.to_owned());
        match self.asked.get(&key) {
            Some((replicas, there_at)) if *there_at <= at => *replicas,
            Some(_) | None => AT_REST,
        }
    }

    /// What stood of an application in a region is gone.
    pub(super) fn forget(&mut self, application: &ApplicationName, region: &Region) {
        self.asked.retain(|(name, _, at, _), _| name != application || at != region);
    }
}

pub(super) fn observe(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &ScaleWorkload,
) -> Result<Progress, CallError> {
    let (on, workload) = bound(call)?;
    let region = on.region(action.at);
    let at = sim.ask(now, Door::kubernetes(region, "LIST deployments"))?;
    if !sim.is_deployed(&on.application.name, region, at) {
        return Ok(Progress::in_progress("nothing is deployed there"));
    }
    let wanted = match wanted(call, workload) {
        Ok(wanted) => wanted,
        Err(reason) => return Ok(Progress::Refused { reason }),
    };
    let asked = |name: &String| {
        let key = key(&on, workload, region, name);
        sim.workloads.asked.get(&key).copied().unwrap_or((AT_REST, now))
    };
    let unasked: Vec<String> = wanted
        .iter()
        .filter(|(name, n)| asked(name).0 < **n)
        .map(|(name, _)| name.clone())
        .collect();
    if call.aim.is_none() || !unasked.is_empty() {
        let before = wanted.keys().map(|name| (name.clone(), json!(asked(name).0)));
        let before = Value::Object(before.collect());
        return Ok(Progress::NotStarted { before, targets: unasked });
    }
    let has_room = !sim.faults.at(now).any(|fault| matches!(fault, Fault::NoCapacity { .. }));
    let behind = wanted.iter().filter(|(name, n)| **n > AT_REST && asked(name).1 > at).count();
    if behind > 0 && !has_room {
        let stood = now.duration_since(call.started_at);
        let reason = format!("capacity: {behind} pods find no room");
        return Ok(if stood >= action.capacity_within().duration() {
            Progress::Failed { reason }
        } else {
            Progress::in_progress(reason)
        });
    }
    if behind > 0 {
        return Ok(Progress::in_progress(format!("{behind} sets are not at full strength")));
    }
    let from = call.aim.as_ref().map_or(call.started_at, |aim| aim.at);
    let told: Vec<String> = wanted.iter().map(|(name, n)| format!("{name} {n}")).collect();
    Ok(Progress::Done(Done::with([
        ("replicas", json!(wanted.values().sum::<u32>())),
        ("wanted", json!(told)),
        ("took", json!(Span::between(from, now))),
    ])))
}

pub(super) fn begin(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &ScaleWorkload,
) -> Result<Answer, CallError> {
    let (on, workload) = bound(call)?;
    let region = on.region(action.at).clone();
    let wanted = wanted(call, workload).map_err(|_| no_outside(call))?;
    sim.tell(now, Door::kubernetes(&region, "PATCH deployments"), |sim| {
        for (name, replicas) in wanted {
            let key = key(&on, workload, &region, &name);
            let known = sim.workloads.asked.get(&key).map_or(AT_REST, |(asked, _)| *asked);
            // Asking for what was asked for changes nothing.
            if known < replicas {
                let takes = sim.dice.secs("rollout", call.token.as_str(), 20..=90);
                sim.workloads.asked.insert(key, (replicas, now + takes));
                sim.took_effect(now, call, "PATCH deployments", format!("{region}/{name}"));
            }
        }
        Ok(Answer::Accepted)
    })
}

fn key(on: &On<'_>, workload: &Workload, region: &Region, name: &str) -> Key {
    (on.application.name.clone(), workload.name.clone(), region.clone(), name.to_owned())
}

/// What a call works on, and the workload of its step.
pub(super) fn bound(call: &Call) -> Result<(On<'_>, &Workload), CallError> {
    let on = call.on().ok_or_else(|| no_outside(call))?;
    let workload = on.component.and_then(Component::workload).ok_or_else(|| no_outside(call))?;
    Ok((on, workload))
}
