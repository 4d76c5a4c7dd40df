//! Actions that look and do not touch.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_runbooks::{
    action::check::{CheckActive, CheckReadiness, CheckReplication, Probe},
    application::Application,
    name::{ApplicationName, Region},
    value::{Loss, Span},
};
use muster_state::call::{Call, CallError, Done, Progress};
use serde_json::json;

use super::{
    Bound, Sim,
    aurora::Aurora,
    no_outside,
    wire::{Door, Side},
};
use crate::world::whereabouts::{Whereabouts, agree};

pub(super) fn observe_readiness(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &CheckReadiness,
) -> Result<Progress, CallError> {
    let bound = Bound::database(call)?;
    let at = sim.ask(now, Door::rds(bound.active, "DescribeGlobalClusters"))?;
    sim.ask(now, Door::rds(bound.on.standby, "DescribeDBClusters"))?;
    let aurora = sim.aurora(&bound)?;
    if let Some(one) = aurora.in_progress(at) {
        return Ok(Progress::in_progress(format!("a promotion to {} is in progress", one.to)));
    }
    if aurora.writer(at) != bound.active {
        let saw = format!("the writer is in {}, not in {}", aurora.writer(at), bound.active);
        return Ok(Progress::Foreign { saw });
    }
    let loss = lag(sim, aurora, at);
    let path = path(sim, aurora, at);
    if path != "switchover" {
        return Ok(Progress::in_progress(format!("the path that is open is {path}")));
    }
    if !loss.within(action.lag_max) {
        let seen = format!("replication lag is {loss}, over {}", action.lag_max);
        return Ok(Progress::in_progress(seen));
    }
    Ok(Progress::Done(Done::with([("data_loss", json!(loss)), ("path", json!(path))])))
}

pub(super) fn observe_loss(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
) -> Result<Progress, CallError> {
    let bound = Bound::database(call)?;
    let standby = bound.on.standby;
    let door =
        Door { service: "cloudwatch", operation: "GetMetricData", side: Side::Control(standby) };
    sim.ask(now, door)?;
    let at = sim.ask(now, Door::rds(standby, "DescribeDBClusters"))?;
    let aurora = sim.aurora(&bound)?;
    let path = path(sim, aurora, at);
    let sample = aurora.sample(sim.dice, &sim.regions, at);
    let (loss, by) = match sample {
        Some(sample) => {
            let age = Span::between(sample.at, now);
            let lag = Span::between(sample.at, sample.at + sample.lag);
            let bound = Span::between(sample.at - sample.lag, now);
            let by = format!(
                "lag sample of {} ({age} old) of {lag}; assumes that writing went on until now",
                sample.at
            );
            (Loss::AtMost(bound), by)
        }
        None => (Loss::Unknown, "no lag sample that is fresh enough".to_owned()),
    };
    Ok(Progress::Done(Done::with([
        ("data_loss", json!(loss)),
        ("predicted_by", json!(by)),
        ("path", json!(path)),
    ])))
}

pub(super) fn observe_replication(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &CheckReplication,
) -> Result<Progress, CallError> {
    let bound = Bound::database(call)?;
    let at = sim.ask(now, Door::rds(bound.on.standby, "DescribeGlobalClusters"))?;
    let loss = lag(sim, sim.aurora(&bound)?, at);
    if !loss.within(action.lag_max) {
        let seen = format!("replication lag is {loss}, over {}", action.lag_max);
        return Ok(Progress::in_progress(seen));
    }
    let outputs = [("lag", json!(loss)), ("canary_lag", json!(Loss::Unknown))];
    Ok(Progress::Done(Done::with(outputs)))
}

pub(super) fn observe_active(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &CheckActive,
) -> Result<Progress, CallError> {
    let bound = Bound::database(call)?;
    let region = bound.on.region(action.at);
    let at = sim.ask(now, Door::rds(region, "DescribeGlobalClusters"))?;
    let writer = sim.aurora(&bound)?.writer(at).clone();
    let name = &bound.on.application.name;
    let answers = sim.names.get(name).map(|names| {
        let answers = names.answers(&sim.regions, now);
        (answers.clone(), names.text(&answers))
    });
    if writer != *region {
        return Ok(Progress::in_progress(format!("the writer is in {writer}")));
    }
    if answers.as_ref().is_some_and(|(answers, _)| answers != region) {
        return Ok(Progress::in_progress("the name servers answer with the other side"));
    }
    if !sim.serves(name, region, now) {
        return Ok(Progress::in_progress("a probe does not succeed"));
    }
    let answers = answers.map(|(_, text)| text).unwrap_or_default();
    let wrote = format!("the simulated writer takes writes in {region}");
    let outputs = [("writer", json!(writer)), ("answers", json!(answers)), ("wrote", json!(wrote))];
    Ok(Progress::Done(Done::with(outputs)))
}

pub(super) fn observe_probe(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &Probe,
) -> Result<Progress, CallError> {
    let on = call.on().ok_or_else(|| no_outside(call))?;
    let region = on.region(action.at);
    sim.ask(now, Door::http(region))?;
    if sim.serves(&on.application.name, region, now) {
        return Ok(Progress::Done(Done::with([("status", json!(200))])));
    }
    Ok(Progress::in_progress("HTTP 503"))
}

/// From where an application is served. Both sides are asked, as in the real world.
pub(super) fn locate(sim: &mut Sim, now: Timestamp, application: &Application) -> Whereabouts {
    let mut writers = BTreeMap::new();
    for database in &application.databases {
        let key = (application.name.clone(), database.name.clone());
        let mut ask = |region| {
            let at = sim.ask(now, Door::rds(region, "DescribeGlobalClusters"));
            let at = at.map_err(|why| why.to_string())?;
            let aurora = sim.databases.get(&key).filter(|_| sim.has_global(&key, at));
            Ok(aurora.map(|aurora| aurora.writer(at).clone()).ok_or("no such cluster".to_owned()))
        };
        let (home, standby) = (ask(&application.home), ask(&application.standby));
        writers.insert(database.name.clone(), agree(home, standby));
    }
    let names = sim.names.get(&application.name);
    let users = names.map(|names| Ok(names.answers(&sim.regions, now)));
    Whereabouts { writers, users, read_at: now }
}

/// The lag that the newest sample shows, as long as it is fresh.
fn lag(sim: &Sim, aurora: &Aurora, at: Timestamp) -> Loss {
    let sample = aurora.sample(sim.dice, &sim.regions, at).filter(|_| has_standby(sim, aurora, at));
    let fresh = sample.filter(|sample| at.duration_since(sample.at).as_secs() <= 120);
    fresh.map_or(Loss::Unknown, |sample| {
        Loss::AtMost(Span::between(sample.at - sample.lag, sample.at))
    })
}

/// The way that is open for a promotion of the standby.
fn path(sim: &Sim, aurora: &Aurora, at: Timestamp) -> &'static str {
    let writer = aurora.writer(at);
    let standby = aurora.opposite(writer);
    let healthy = sim.regions.is_well(writer, at) && sim.regions.is_well(standby, at);
    let synced = aurora.is_synced(sim.dice, &sim.regions, standby, at);
    if healthy && synced && has_standby(sim, aurora, at) { "switchover" } else { "failover" }
}

/// Whether the side that does not write is a member of the global cluster.
fn has_standby(sim: &Sim, aurora: &Aurora, at: Timestamp) -> bool {
    let key = (aurora.application().clone(), aurora.declared().name.clone());
    sim.is_member(&key, aurora.opposite(aurora.writer(at)), at)
}

impl Sim {
    /// Whether the application answers from a region, down to a write into every database.
    pub(super) fn serves(&self, name: &ApplicationName, region: &Region, at: Timestamp) -> bool {
        let mut own = self.databases.values().filter(|one| *one.application() == *name);
        self.regions.is_reachable(region, at)
            && self.is_deployed(name, region, at)
            && own.all(|one| one.reigns(region, at) && one.writer(at) == region)
    }

    /// Since when users do not reach a region; `None` while they do.
    pub(super) fn lost_since(&self, region: &Region, at: Timestamp) -> Option<Timestamp> {
        let cut = |outage: &&super::region::Outage| {
            outage.covers(at) && outage.lost != super::Lost::ControlPlane
        };
        self.regions.of(region).filter(cut).map(|outage| outage.from).min()
    }
}
