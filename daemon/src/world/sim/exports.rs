//! Exports of Kubernetes objects, and what was created out of them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_runbooks::{
    action::{
        On,
        objects::{ApplyObjects, ExportObjects, key},
    },
    application::Workload,
    name::{ApplicationName, ComponentName, Region},
};
use muster_state::{
    call::{Answer, Call, CallError, Done, Progress},
    catalog::{PointChange, RecoveryPoint},
};
use serde_json::json;

use super::{Sim, SnapshotFact, wire::Door, workloads::bound};

/// What bears a name in a bucket.
#[derive(Clone, Debug)]
pub(super) struct Export {
    application: ApplicationName,
    component: ComponentName,
    region: Region,
    put_at: Timestamp,
    data_time: Timestamp,
    objects: u32,
    /// Since when a delete marker hides it, and by whose call.
    pub(super) deleted: Option<(Timestamp, String)>,
}

impl Export {
    fn is_shown(&self, at: Timestamp) -> bool {
        self.put_at <= at && self.deleted.as_ref().is_none_or(|(gone_at, _)| *gone_at > at)
    }
}

/// The exports by ARN, and since when each is there in a cluster, by ARN and region.
#[derive(Clone, Debug, Default)]
pub(super) struct Exports {
    written: BTreeMap<String, Export>,
    applied: BTreeMap<(String, Region), Timestamp>,
}

impl Exports {
    /// The export with an ARN, deleted or not.
    pub(super) fn get(&self, arn: &str) -> Option<&Export> {
        self.written.get(arn)
    }

    /// The ARNs of those of one workload that a list of a region's bucket shows.
    pub(super) fn shown<'a>(
        &'a self,
        application: &'a ApplicationName,
        component: &'a ComponentName,
        region: &'a Region,
        at: Timestamp,
    ) -> impl Iterator<Item = String> + 'a {
        let is_of = move |one: &Export| {
            one.application == *application && one.component == *component && one.region == *region
        };
        let shown = self.written.iter().filter(move |(_, one)| is_of(one) && one.is_shown(at));
        shown.map(|(arn, _)| arn.clone())
    }

    /// Every export that ever was, as it really is.
    pub(super) fn facts(&self, at: Timestamp) -> impl Iterator<Item = SnapshotFact> + '_ {
        self.written.iter().map(move |(arn, one)| SnapshotFact {
            arn: arn.clone(),
            of: (one.application.clone(), one.component.clone()),
            region: one.region.clone(),
            data_time: one.data_time,
            is_available: one.is_shown(at),
            deleted: one.deleted.clone(),
        })
    }

    /// Hides an export, and says whether it was there.
    pub(super) fn delete(&mut self, arn: &str, at: Timestamp, by: &str) -> bool {
        let found = self.written.get_mut(arn).filter(|one| one.deleted.is_none());
        found.is_some_and(|one| one.deleted.replace((at, by.to_owned())).is_none())
    }
}

pub(super) fn observe_export(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &ExportObjects,
) -> Result<Progress, CallError> {
    let (on, workload) = bound(call)?;
    let region = on.region(action.to);
    let at = sim.ask(now, Door::s3(region, "HeadObject"))?;
    let id = arn(&on, workload, region)?;
    let shown = sim.exports.written.get(&id).filter(|export| export.is_shown(at));
    let Some(export) = shown else { return Ok(Progress::not_started()) };
    let point = RecoveryPoint::new(
        id.clone(),
        workload.name.clone(),
        region.clone(),
        String::new(),
        export.data_time,
        call.run.clone(),
    );
    Ok(Progress::Done(Done {
        points: vec![PointChange::Recorded(Box::new(point))],
        ..Done::with([
            ("export", json!(id)),
            ("data_time", json!(export.data_time)),
            ("objects", json!(export.objects)),
            ("left_out", json!("")),
        ])
    }))
}

pub(super) fn begin_export(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &ExportObjects,
) -> Result<Answer, CallError> {
    let (on, workload) = bound(call)?;
    let (from, to) = (on.region(action.at), on.region(action.to));
    let id = arn(&on, workload, to)?;
    let data_time = sim.ask(now, Door::kubernetes(from, "LIST"))?;
    sim.tell(now, Door::s3(to, "PutObject"), |sim| {
        // Written only if nothing is there: the second writing of a token changes nothing.
        if !sim.exports.written.contains_key(&id) {
            let objects = sim.dice.secs("objects", workload.name.as_str(), 12..=90).as_secs();
            let objects = u32::try_from(objects).unwrap_or(1);
            let export = Export {
                application: on.application.name.clone(),
                component: workload.name.clone(),
                region: to.clone(),
                put_at: now,
                data_time,
                objects,
                deleted: None,
            };
            sim.exports.written.insert(id.clone(), export);
            sim.took_effect(now, call, "PutObject", &id);
        }
        Ok(Answer::Accepted)
    })
}

pub(super) fn observe_apply(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &ApplyObjects,
) -> Result<Progress, CallError> {
    let region = bound(call)?.0.region(action.at);
    let at = sim.ask(now, Door::kubernetes(region, "LIST"))?;
    let door = Door::s3(region, "GetObject");
    let found = sim.exports.written.get(&action.export).filter(|export| export.is_shown(at));
    let Some(export) = found.cloned() else {
        return Err(door.refused("NoSuchKey", format!("`{}` is not found", action.export)));
    };
    let key = (action.export.clone(), region.clone());
    let is_there = sim.exports.applied.get(&key).is_some_and(|since| *since <= at);
    Ok(if is_there {
        let outputs = [("present", json!(export.objects)), ("secrets", json!(""))];
        Progress::Done(Done::with(outputs))
    } else {
        let before = json!({ "present": 0, "missing": export.objects });
        Progress::NotStarted { before, targets: vec![action.export.clone()] }
    })
}

pub(super) fn begin_apply(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &ApplyObjects,
) -> Result<Answer, CallError> {
    let region = bound(call)?.0.region(action.at).clone();
    sim.tell(now, Door::kubernetes(&region, "CREATE"), |sim| {
        let key = (action.export.clone(), region.clone());
        // What exists stays as it is.
        let mut is_new = false;
        sim.exports.applied.entry(key).or_insert_with(|| {
            is_new = true;
            now
        });
        if is_new {
            sim.took_effect(now, call, "CREATE", &action.export);
        }
        Ok(Answer::Accepted)
    })
}

fn arn(on: &On<'_>, workload: &Workload, region: &Region) -> Result<String, CallError> {
    let bucket = workload.exports.buckets.get(region.as_str());
    let bucket = bucket.ok_or_else(|| CallError::Refused {
        service: "s3".to_owned(),
        operation: "PutObject",
        code: "NoSuchBucket".to_owned(),
        message: format!("no bucket is declared in {region}"),
    })?;
    Ok(format!("arn:aws:s3:::{bucket}/{}", key(on, on.token)))
}
