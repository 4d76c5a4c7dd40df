//! What the simulated ingresses admit.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_runbooks::{
    action::{
        Role,
        admission::{LimitAdmission, RaiseAdmission},
    },
    application::admission::Admission,
    name::{ApplicationName, ComponentName, Region},
};
use muster_state::call::{Answer, Call, CallError, Progress};

use super::{Sim, no_outside, wire::Door, workloads::bound};
use crate::world::admission::{Stage, is_limited, is_open};

type Key = (ApplicationName, ComponentName, Region);

/// The ingresses that are limited.
#[derive(Clone, Debug, Default)]
pub(super) struct Admissions {
    stages: BTreeMap<Key, Stage>,
}

impl Admissions {
    /// Where something is limited.
    pub(super) fn limited(&self) -> impl Iterator<Item = &Key> {
        self.stages.keys()
    }
}

pub(super) fn observe_limit(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &LimitAdmission,
) -> Result<Progress, CallError> {
    let (key, admission) = called(call, action.at)?;
    sim.ask(now, Door::kubernetes(&key.2, "GET ingresses"))?;
    Ok(is_limited(call, admission, sim.admissions.stages.get(&key)))
}

pub(super) fn observe_raise(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &RaiseAdmission,
) -> Result<Progress, CallError> {
    let (key, admission) = called(call, action.at)?;
    sim.ask(now, Door::kubernetes(&key.2, "GET ingresses"))?;
    Ok(is_open(call, admission, sim.admissions.stages.get(&key)))
}

pub(super) fn begin_limit(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &LimitAdmission,
) -> Result<Answer, CallError> {
    let (key, admission) = called(call, action.at)?;
    sim.tell(now, Door::kubernetes(&key.2, "PATCH ingresses"), |sim| {
        let next = Stage::first(call, now, sim.admissions.stages.get(&key), None);
        patch(sim, now, call, (&key, admission), next)
    })
}

pub(super) fn begin_raise(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &RaiseAdmission,
) -> Result<Answer, CallError> {
    let (key, admission) = called(call, action.at)?;
    sim.tell(now, Door::kubernetes(&key.2, "PATCH ingresses"), |sim| {
        let known = sim.admissions.stages.get(&key);
        let next = known.and_then(|known| known.next(admission, now));
        patch(sim, now, call, (&key, admission), next)
    })
}

fn patch(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    (key, admission): (&Key, &Admission),
    next: Option<Stage>,
) -> Result<Answer, CallError> {
    let Some(next) = next else { return Ok(Answer::Accepted) };
    let at = next.at;
    if at < admission.stages.len() {
        sim.admissions.stages.insert(key.clone(), next);
    } else {
        sim.admissions.stages.remove(key);
    }
    sim.took_effect(now, call, "PATCH ingresses", format!("{} {at}", key.2));
    Ok(Answer::Accepted)
}

fn called(call: &Call, at: Role) -> Result<(Key, &Admission), CallError> {
    let (on, workload) = bound(call)?;
    let admission = workload.admission.as_ref().ok_or_else(|| no_outside(call))?;
    let key = (on.application.name.clone(), workload.name.clone(), on.region(at).clone());
    Ok((key, admission))
}
