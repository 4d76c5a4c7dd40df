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
    Sim, SnapshotFact, no_outside,
    replicas::Nodes,
    wire::{Door, Side},
};
use crate::world::inventory::{Maker, Seen};

/// The account of the simulated caches; their names do not say one.
pub(super) const ACCOUNT: &str = "123456789012";

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
    /// When it was deleted, and by whose call.
    pub(super) deleted: Option<(Timestamp, String)>,
}

impl Saved {
    /// Its status, if a list shows it.
    pub(super) fn status(&self, at: Timestamp) -> Option<&'static str> {
        if at < self.taken_at || self.deleted.as_ref().is_some_and(|(gone_at, _)| *gone_at <= at) {
            return None;
        }
        Some(if at < self.done_at { "creating" } else { "available" })
    }

    /// What an inventory shows of it, if anything.
    pub(super) fn seen(&self, at: Timestamp) -> Option<Seen> {
        Some(Seen {
            id: self.arn.clone(),
            region: self.region.clone(),
            account: ACCOUNT.to_owned(),
            maker: Maker::Muster,
            run: Some(self.run.clone()),
            status: self.status(at)?.to_owned(),
            data_time: Some(self.taken_at),
            copied_from: None,
            key: None,
            size_gib: None,
            tags: BTreeMap::new(),
        })
    }

    /// What it really is.
    pub(super) fn fact(&self, at: Timestamp) -> SnapshotFact {
        SnapshotFact {
            arn: self.arn.clone(),
            of: (self.application.clone(), self.component.clone()),
            region: self.region.clone(),
            data_time: self.taken_at,
            is_available: self.status(at) == Some("available"),
            deleted: self.deleted.clone(),
        }
    }
}

/// Every snapshot by ARN, and the nodes of the groups.
#[derive(Clone, Debug, Default)]
pub(super) struct Caches {
    all: BTreeMap<String, Saved>,
    pub(super) nodes: Nodes,
}

impl Caches {
    /// The snapshot with an ARN, deleted or not.
    pub(super) fn get(&self, arn: &str) -> Option<&Saved> {
        self.all.get(arn)
    }

    /// Every snapshot that ever was.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Saved> {
        self.all.values()
    }

    /// Removes a snapshot, and says whether it was there.
    pub(super) fn delete(&mut self, arn: &str, at: Timestamp, by: &str) -> bool {
        let found = self.all.get_mut(arn).filter(|one| one.deleted.is_none());
        found.is_some_and(|one| one.deleted.replace((at, by.to_owned())).is_none())
    }

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
    let found = sim.caches.get(&arn(region, call));
    let shown = found.and_then(|one| Some((one, one.status(at)?)));
    let Some((one, status)) = shown else { return Ok(Progress::not_started()) };
    if status == "creating" {
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
            deleted: None,
        };
        sim.caches.all.insert(arn, saved);
        sim.took_effect(now, call, "CreateSnapshot", region);
        Ok(Answer::Accepted)
    })
}

/// The management API of a region's caches.
pub(super) fn door<'a>(region: &'a Region, operation: &'static str) -> Door<'a> {
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
