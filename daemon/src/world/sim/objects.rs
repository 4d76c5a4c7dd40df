//! Buckets and their replicas, and the action that proves the path between them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{action::check::WriteCanary, name::Region, value::Span};
use muster_state::call::{Answer, Call, CallError, Done, Progress};
use serde_json::json;

use super::{Sim, bucket_of, no_outside, region::Regions, wire::Door};

/// An object and the replica that follows it.
#[derive(Clone, Debug)]
struct Object {
    put_at: Timestamp,
    /// How long replication takes while nothing is wrong.
    takes: SignedDuration,
    from: Region,
    to: Region,
}

impl Object {
    /// When its replica arrived. `PENDING` is normal while a region is ill (facts §0.10).
    fn arrived_at(&self, regions: &Regions, at: Timestamp) -> Option<Timestamp> {
        let arrives = regions.ends(&self.from, &self.to, self.put_at, self.takes, at)?;
        (arrives <= at).then_some(arrives)
    }
}

/// The canaries, by bucket and key.
#[derive(Clone, Debug, Default)]
pub(super) struct Objects {
    all: BTreeMap<(String, String), Object>,
}

pub(super) fn observe_canary(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &WriteCanary,
) -> Result<Progress, CallError> {
    let (on, key) = (call.on().ok_or_else(|| no_outside(call))?, key(call, action)?);
    let source = on.region(action.at);
    let at = sim.ask(now, Door::s3(source, "HeadObject"))?;
    let Some(object) = sim.objects.all.get(&key).filter(|object| object.put_at <= at).cloned()
    else {
        return Ok(Progress::not_started());
    };
    let at = sim.ask(now, Door::s3(&object.to, "HeadObject"))?;
    Ok(match object.arrived_at(&sim.regions, at) {
        None => Progress::in_progress("ReplicationStatus is PENDING"),
        Some(arrived_at) => {
            let arrived_after = Span::between(object.put_at, arrived_at);
            Progress::Done(Done::with([("arrived_after", json!(arrived_after))]))
        }
    })
}

pub(super) fn begin_canary(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &WriteCanary,
) -> Result<Answer, CallError> {
    let (on, key) = (call.on().ok_or_else(|| no_outside(call))?, key(call, action)?);
    let from = on.region(action.at).clone();
    let to = on.application.other(&from).ok_or_else(|| no_outside(call))?.clone();
    sim.tell(now, Door::s3(&from, "PutObject"), |sim| {
        let takes = sim.dice.secs("replica", call.token.as_str(), 2..=70);
        // The same key and bytes once more change nothing.
        if !sim.objects.all.contains_key(&key) {
            sim.objects
                .all
                .insert(key.clone(), Object { put_at: now, takes, from: from.clone(), to });
            sim.took_effect(now, call, "PutObject", format!("{}/{}", key.0, key.1));
        }
        Ok(Answer::Accepted)
    })
}

/// The bucket and key of a canary.
fn key(call: &Call, action: &WriteCanary) -> Result<(String, String), CallError> {
    let (on, bucket) = bucket_of(call)?;
    let prefix = bucket.canary_prefix.as_deref().ok_or_else(|| no_outside(call))?;
    let name = bucket.buckets.get(on.region(action.at).as_str()).ok_or_else(|| no_outside(call))?;
    Ok((name.clone(), format!("{}/{}", prefix.trim_end_matches('/'), call.token)))
}
