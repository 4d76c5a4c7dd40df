//! Snapshots of caches: taken in minutes, and never anywhere else than where they were taken (facts §3).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    action::{On, cache::SnapshotCache},
    application::{Cache, Component},
    name::{ApplicationName, ComponentName, Region},
};
use muster_state::{
    call::{Answer, Call, CallError, Done, Progress},
    catalog::{PointChange, RecoveryPoint},
};
use serde_json::json;

use super::{
    Sim, no_outside,
    wire::{Door, Side},
};
use crate::world::inventory::{Maker, Seen};

/// The account of the simulated caches; their names do not say one.
const ACCOUNT: &str = "123456789012";

/// One snapshot.
#[derive(Clone, Debug)]
pub(super) struct Saved {
    pub(super) arn: String,
    application: ApplicationName,
    component: ComponentName,
    region: Region,
    run: String,
    taken_at: Timestamp,
    done_at: Timestamp,
}

impl Saved {
    fn status(&self, at: Timestamp) -> &'static str {
        if at < self.done_at { "creating" } else { "available" }
    }

    pub(super) fn seen(&self, at: Timestamp) -> Seen {
        Seen {
            id: self.arn.clone(),
            region: self.region.clone(),
            account: ACCOUNT.to_owned(),
            maker: Maker::Muster,
            run: Some(self.run.clone()),
            status: self.status(at).to_owned(),
            data_time: Some(self.taken_at),
            copied_from: None,
            key: None,
            size_gib: None,
            tags: BTreeMap::new(),
        }
    }
}

/// Every snapshot by ARN.
#[derive(Clone, Debug, Default)]
pub(super) struct Caches {
    all: BTreeMap<String, Saved>,
}

impl Caches {
    /// Those of one cache in one region.
    pub(super) fn of<'a>(
        &'a self,
        application: &'a ApplicationName,
        component: &'a ComponentName,
        region: &'a Region,
    ) -> impl Iterator<Item = &'a Saved> {
        self.all.values().filter(move |one| {
            one.application == *application && one.component == *component && one.region == *region
        })
    }
}

pub(super) fn observe(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &SnapshotCache,
) -> Result<Progress, CallError> {
    let (on, _) = cache(call)?;
    let region = on.region(action.at);
    let at = sim.ask(now, door(region, "DescribeSnapshots"))?;
    let found = sim.caches.all.get(&arn(region, call)).filter(|one| one.taken_at <= at);
    let Some(one) = found else { return Ok(Progress::not_started()) };
    if one.status(at) == "creating" {
        return Ok(Progress::in_progress("creating"));
    }
    let point = RecoveryPoint::new(
        one.arn.clone(),
        one.component.clone(),
        one.region.clone(),
        ACCOUNT.to_owned(),
        one.taken_at,
        call.run.clone(),
    );
    Ok(Progress::Done(Done {
        points: vec![PointChange::Recorded(Box::new(point))],
        ..Done::with([("snapshot", json!(one.arn)), ("data_time", json!(one.taken_at))])
    }))
}

pub(super) fn begin(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &SnapshotCache,
) -> Result<Answer, CallError> {
    let (on, cache) = cache(call)?;
    let region = on.region(action.at);
    let door = door(region, "CreateSnapshot");
    if !cache.replication_groups.contains_key(region.as_str()) {
        return Err(no_outside(call));
    }
    sim.tell(now, door, |sim| {
        let arn = arn(region, call);
        // The name says whose it is: a second begin finds it.
        if sim.caches.all.contains_key(&arn) {
            return Ok(Answer::Accepted);
        }
        // The provider counts in milliseconds, and so do we.
        let taken_at = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
        let takes: SignedDuration = sim.dice.secs("cache", call.token.as_str(), 20..=120);
        let saved = Saved {
            arn: arn.clone(),
            application: on.application.name.clone(),
            component: cache.name.clone(),
            region: region.clone(),
            run: call.run.to_string(),
            taken_at,
            done_at: now + takes,
        };
        sim.caches.all.insert(arn, saved);
        sim.took_effect(now, call, "CreateSnapshot", region);
        Ok(Answer::Accepted)
    })
}

fn door<'a>(region: &'a Region, operation: &'static str) -> Door<'a> {
    Door { service: "elasticache", operation, side: Side::Control(region) }
}

fn cache(call: &Call) -> Result<(On<'_>, &Cache), CallError> {
    let on = call.on().ok_or_else(|| no_outside(call))?;
    let cache = on.component.and_then(Component::cache).ok_or_else(|| no_outside(call))?;
    Ok((on, cache))
}

fn arn(region: &Region, call: &Call) -> String {
    format!("arn:aws:elasticache:{region}:{ACCOUNT}:snapshot:{}", call.token)
}
