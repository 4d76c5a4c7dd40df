//! What may run on one side only, in the simulated namespaces: it stands still a while after it was told
//! to, and runs a while after that.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    action::{
        On,
        worker::{ResumeWorkers, SuspendWorkers},
    },
    application::{Controller, Workload},
    name::{ApplicationName, ComponentName, Region},
};
use muster_state::call::{Answer, Call, CallError, Progress};

use super::{Sim, wire::Door, workloads::bound};
use crate::world::{
    inventory::takeover::WorkerSide,
    worker::{All, Stands, started, stopped, wanted},
};

/// How many replicas a set has where it runs, before anybody changes that.
const AT_REST: u32 = 2;

/// A worker of a namespace in a region.
type Key = (ApplicationName, ComponentName, Region, String);

/// One worker that somebody has changed.
#[derive(Clone, Debug)]
struct Changed {
    wanted: u32,
    remembered: Option<String>,
    /// When its pods are as it was told.
    settled_at: Timestamp,
}

/// Every worker that somebody has changed. The others run at home, and nowhere else.
#[derive(Clone, Debug, Default)]
pub(super) struct Workers {
    changed: BTreeMap<Key, Changed>,
}

impl Workers {
    fn of(&self, on: &Bound<'_>, worker: &Controller, at: Timestamp) -> Stands {
        let key = on.key(worker);
        let Some(changed) = self.changed.get(&key) else {
            let wanted = if on.region == on.home { at_rest(worker) } else { 0 };
            return Stands { wanted, available: wanted, ..Stands::default() };
        };
        let is_settled = changed.settled_at <= at;
        let left = vec![format!("{}-0", worker.name)];
        Stands {
            wanted: changed.wanted,
            available: if is_settled { changed.wanted } else { 0 },
            remembered: changed.remembered.clone(),
            most: None,
            left: if is_settled || changed.wanted > 0 { Vec::new() } else { left },
        }
    }

    fn all(&self, on: &Bound<'_>, at: Timestamp) -> All {
        let workers = on.workload.workers.iter();
        workers.map(|worker| (worker.clone(), Some(self.of(on, worker, at)))).collect()
    }
}

fn at_rest(worker: &Controller) -> u32 {
    if worker.is_set() { AT_REST } else { 1 }
}

pub(super) fn observe_suspension(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &SuspendWorkers,
) -> Result<Progress, CallError> {
    let (on, workload) = bound(call)?;
    let bound = Bound::new(&on, workload, on.region(action.at));
    let at = sim.ask(now, Door::kubernetes(bound.region, "GET deployments"))?;
    Ok(stopped(call, &sim.workers.all(&bound, at)))
}

pub(super) fn begin_suspension(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &SuspendWorkers,
) -> Result<Answer, CallError> {
    let (on, workload) = bound(call)?;
    let bound = Bound::new(&on, workload, on.region(action.at));
    sim.tell(now, Door::kubernetes(bound.region, "PATCH deployments"), |sim| {
        for worker in &workload.workers {
            let stands = sim.workers.of(&bound, worker, now);
            if stands.wanted > 0 {
                let remembered = Some(stands.wanted.to_string());
                change(sim, now, call, (&bound, worker), (0, remembered));
            }
        }
        Ok(Answer::Accepted)
    })
}

pub(super) fn observe_resumption(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &ResumeWorkers,
) -> Result<Progress, CallError> {
    let (on, workload) = bound(call)?;
    let bound = Bound::new(&on, workload, on.region(action.at));
    let at = sim.ask(now, Door::kubernetes(bound.region, "GET deployments"))?;
    Ok(started(call, workload, &sim.workers.all(&bound, at)))
}

pub(super) fn begin_resumption(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &ResumeWorkers,
) -> Result<Answer, CallError> {
    let (on, workload) = bound(call)?;
    let bound = Bound::new(&on, workload, on.region(action.at));
    let door = Door::kubernetes(bound.region, "PATCH deployments");
    sim.tell(now, door, |sim| {
        for worker in &workload.workers {
            let stands = sim.workers.of(&bound, worker, now);
            let replicas = wanted(call, workload, worker, &stands)
                .map_err(|why| door.refused("Invalid", why))?;
            if stands.wanted < replicas || stands.remembered.is_some() {
                let replicas = replicas.max(stands.wanted);
                change(sim, now, call, (&bound, worker), (replicas, None));
            }
        }
        Ok(Answer::Accepted)
    })
}

fn change(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    (bound, worker): (&Bound<'_>, &Controller),
    (wanted, remembered): (u32, Option<String>),
) {
    let takes: SignedDuration = sim.dice.secs("worker", call.token.as_str(), 5..=40);
    let changed = Changed { wanted, remembered, settled_at: now + takes };
    sim.workers.changed.insert(bound.key(worker), changed);
    let object = format!("{}/{worker}", bound.region);
    sim.took_effect(now, call, "PATCH deployments", object);
}

/// What an inventory shows of the workers of a side.
pub(super) fn look(
    sim: &mut Sim,
    now: Timestamp,
    (application, workload): (&muster_runbooks::application::Application, &Workload),
    region: &Region,
) -> Result<BTreeMap<String, WorkerSide>, CallError> {
    let at = sim.ask(now, Door::kubernetes(region, "GET deployments"))?;
    let bound = Bound { application: &application.name, home: &application.home, workload, region };
    Ok(sim.workers.sides(&bound, at))
}

impl Workers {
    fn sides(&self, bound: &Bound<'_>, at: Timestamp) -> BTreeMap<String, WorkerSide> {
        let sides = bound.workload.workers.iter().map(|worker| {
            let stands = self.of(bound, worker, at);
            let side =
                WorkerSide { wanted: stands.wanted, is_remembered: stands.remembered.is_some() };
            (worker.to_string(), side)
        });
        sides.collect()
    }

    /// The workers of an application that have pods in a region, whatever anybody is told.
    pub(super) fn at_work(
        &self,
        application: &muster_runbooks::application::Application,
        region: &Region,
        at: Timestamp,
    ) -> Vec<String> {
        let mut all = Vec::new();
        for workload in &application.workloads {
            let bound =
                Bound { application: &application.name, home: &application.home, workload, region };
            let works = |worker: &&Controller| {
                let stands = self.of(&bound, worker, at);
                stands.wanted > 0 || !stands.left.is_empty()
            };
            all.extend(workload.workers.iter().filter(works).map(ToString::to_string));
        }
        all
    }
}

/// One namespace in one region.
struct Bound<'a> {
    application: &'a ApplicationName,
    home: &'a Region,
    workload: &'a Workload,
    region: &'a Region,
}

impl<'a> Bound<'a> {
    fn new(on: &On<'a>, workload: &'a Workload, region: &'a Region) -> Bound<'a> {
        let (application, home) = (&on.application.name, &on.application.home);
        Bound { application, home, workload, region }
    }

    fn key(&self, worker: &Controller) -> Key {
        let (application, workload) = (self.application.clone(), self.workload.name.clone());
        (application, workload, self.region.clone(), worker.to_string())
    }
}
