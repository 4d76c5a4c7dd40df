//! Buckets and their replicas, and the action that proves the path between them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    action::{
        bucket::{CheckBucketReplication, CompareBuckets},
        check::WriteCanary,
    },
    name::Region,
    value::{Loss, Span},
};
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
    let on = call.on().ok_or_else(|| no_outside(call))?;
    let source = on.region(action.at);
    let (mut each, mut last, mut is_pending) = (Vec::new(), Span::default(), false);
    for (prefix, key) in keys(call, action)? {
        let at = sim.ask(now, Door::s3(source, "HeadObject"))?;
        let Some(object) = sim.objects.all.get(&key).filter(|object| object.put_at <= at).cloned()
        else {
            return Ok(Progress::not_started());
        };
        let at = sim.ask(now, Door::s3(&object.to, "HeadObject"))?;
        match object.arrived_at(&sim.regions, at) {
            None => is_pending = true,
            Some(arrived_at) => {
                let took = Span::between(object.put_at, arrived_at);
                each.push(format!("{prefix} {took}"));
                last = last.max(took);
            }
        }
    }
    if is_pending {
        return Ok(Progress::in_progress("ReplicationStatus is PENDING"));
    }
    let outputs = [("arrived_after", json!(last)), ("arrived", json!(each))];
    Ok(Progress::Done(Done::with(outputs)))
}

pub(super) fn begin_canary(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &WriteCanary,
) -> Result<Answer, CallError> {
    let on = call.on().ok_or_else(|| no_outside(call))?;
    let from = on.region(action.at).clone();
    let to = on.application.other(&from).ok_or_else(|| no_outside(call))?.clone();
    for (place, (_, key)) in keys(call, action)?.into_iter().enumerate() {
        sim.tell(now, Door::s3(&from, "PutObject"), |sim| {
            let named = if place == 0 { call.token.to_string() } else { key.1.clone() };
            let takes = sim.dice.secs("replica", &named, 2..=70);
            // The same key once more is refused by S3, and changes nothing.
            if !sim.objects.all.contains_key(&key) {
                let object = Object { put_at: now, takes, from: from.clone(), to: to.clone() };
                sim.objects.all.insert(key.clone(), object);
                sim.took_effect(now, call, "PutObject", format!("{}/{}", key.0, key.1));
            }
            Ok(Answer::Accepted)
        })?;
    }
    Ok(Answer::Accepted)
}

/// Objects that are on their way for longer than this are missing (facts §4, RTC).
const ON_THE_WAY: SignedDuration = SignedDuration::from_mins(15);

/// How the two buckets of a component compare. Reading the lists takes its time.
pub(super) fn observe_compared(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &CompareBuckets,
) -> Result<Progress, CallError> {
    let (on, bucket) = bucket_of(call)?;
    let from = on.region(action.from);
    let to = on.application.other(from).ok_or_else(|| no_outside(call))?;
    let name = bucket.buckets.get(from.as_str()).ok_or_else(|| no_outside(call))?;
    let at = sim.ask(now, Door::s3(from, "ListObjectVersions"))?;
    let at = sim.ask(now, Door::s3(to, "ListObjectVersions"))?.min(at);
    let takes = sim.dice.secs("comparison", call.token.as_str(), 5..=90);
    let reads = now.duration_since(call.started_at);
    if reads < takes {
        let percent = reads.as_millis() * 100 / takes.as_millis().max(1);
        let percent = Some(u8::try_from(percent).unwrap_or(99));
        return Ok(Progress::InProgress { note: "the lists are read".to_owned(), percent });
    }
    let (mut missing, mut pending) = (0_u32, 0_u32);
    let own = sim.objects.all.iter().filter(|((bucket, _), _)| bucket == name);
    for object in own.map(|(_, object)| object).filter(|object| object.put_at <= at) {
        let is_there = object.arrived_at(&sim.regions, at).is_some();
        match (is_there, at.duration_since(object.put_at) > ON_THE_WAY) {
            (true, _) => {}
            (false, true) => missing += 1,
            (false, false) => pending += 1,
        }
    }
    if missing > 0 {
        return Ok(Progress::Failed { reason: format!("{missing} keys are missing") });
    }
    Ok(Progress::Done(Done::with([
        ("missing", json!(0)),
        ("extra", json!(0)),
        ("different", json!(0)),
        ("unknown", json!(0)),
        ("pending", json!(pending)),
        ("checked_at", json!(call.started_at)),
    ])))
}

/// What the rules of a bucket and their metrics say. An object that waits for too long is late; S3
/// gives none up here.
pub(super) fn observe_rules(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &CheckBucketReplication,
) -> Result<Progress, CallError> {
    let (on, bucket) = bucket_of(call)?;
    let from = on.region(action.from);
    let name = bucket.buckets.get(from.as_str()).ok_or_else(|| no_outside(call))?;
    let at = sim.ask(now, Door::s3(from, "GetBucketReplication"))?;
    let at =
        sim.ask(now, Door { service: "cloudwatch", ..Door::s3(from, "GetMetricData") })?.min(at);
    let waiting = sim.objects.all.iter().filter(|((own, _), object)| {
        own == name && object.put_at <= at && object.arrived_at(&sim.regions, at).is_none()
    });
    let (pending, oldest) = waiting
        .fold((0_u32, at), |(count, oldest), (_, object)| (count + 1, oldest.min(object.put_at)));
    Ok(Progress::Done(Done::with([
        ("rules", json!(1)),
        ("latency", json!(Loss::AtMost(Span::between(oldest, at)))),
        ("pending", json!(pending)),
        ("failed", json!(0)),
    ])))
}

/// A canary's prefix, and its bucket and key.
type Canary = (String, (String, String));

/// Every canary of a call.
fn keys(call: &Call, action: &WriteCanary) -> Result<Vec<Canary>, CallError> {
    let (on, bucket) = bucket_of(call)?;
    let prefixes = bucket.canaries();
    if prefixes.is_empty() {
        return Err(no_outside(call));
    }
    let name = bucket.buckets.get(on.region(action.at).as_str()).ok_or_else(|| no_outside(call))?;
    let key = |prefix: &str| (name.clone(), format!("{prefix}/{}", call.token));
    Ok(prefixes.into_iter().map(|prefix| (prefix.to_owned(), key(prefix))).collect())
}
