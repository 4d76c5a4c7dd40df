//! Actions that let recovery points go: mark, and a day later delete.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    action::backup::{DeleteExpired, MarkExpired},
    application::Retention,
    name::Region,
};
use muster_state::{
    call::{Answer, Call, CallError, Done, Progress},
    catalog::{Judged, PointChange, RecoveryPoint},
    expiry,
};
use serde_json::json;

use super::{Bound, Sim, snapshots::Status, wire::Door};

/// What could not be deleted so long after the aim stays.
const UNDELETABLE_AFTER: SignedDuration = SignedDuration::from_mins(3);

pub(super) fn observe_mark(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &MarkExpired,
) -> Result<Progress, CallError> {
    let bound = Bound::database(call)?;
    let region = bound.on.region(action.at);
    let at = sim.ask(now, Door::rds(region, "DescribeDBClusterSnapshots"))?;
    let retention = sim.aurora(&bound)?.declared.retention;
    let judged = judge(sim, call, region, retention, at);
    let points = points(call, region);
    let mut done = expiry::marking(call, &points, &judged, &retention, call.asked_at);
    // A deletion whose answer was lost ends here: marked, and no longer there.
    let is_there = |id: &str| sim.snapshots.get(id).is_some_and(|one| one.status(at).is_some());
    let gone = points.iter().filter(|point| point.marked_at.is_some() && !is_there(&point.id));
    done.points.extend(gone.map(|point| PointChange::Deleted { id: point.id.clone() }));
    Ok(Progress::Done(done))
}

pub(super) fn observe_delete(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &DeleteExpired,
) -> Result<Progress, CallError> {
    let bound = Bound::database(call)?;
    let region = bound.on.region(action.at);
    let at = sim.ask(now, Door::rds(region, "DescribeDBClusterSnapshots"))?;
    let shown = available(sim, region, at);
    let Some(aim) = &call.aim else {
        let retention = sim.aurora(&bound)?.declared.retention;
        let mut targets = judge(sim, call, region, retention, at).delete;
        targets.truncate(action.cap as usize);
        let before = json!({ "available": shown.len() });
        return Ok(Progress::NotStarted { before, targets });
    };
    let (left, gone): (Vec<&String>, Vec<&String>) =
        aim.targets.iter().partition(|id| shown.contains(id.as_str()));
    if left.is_empty() || !gone.is_empty() && now.duration_since(aim.at) > UNDELETABLE_AFTER {
        let gone = gone.into_iter().cloned().collect();
        return Ok(Progress::Done(deleted(gone, left.into_iter().cloned().collect())));
    }
    if !gone.is_empty() {
        return Ok(Progress::in_progress(format!("{} of {} gone", gone.len(), aim.targets.len())));
    }
    Ok(Progress::NotStarted { before: aim.before.clone(), targets: aim.targets.clone() })
}

pub(super) fn begin_delete(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &DeleteExpired,
) -> Result<Answer, CallError> {
    let bound = Bound::database(call)?;
    let region = bound.on.region(action.at);
    let retention = sim.aurora(&bound)?.declared.retention;
    sim.tell(now, Door::rds(region, "DeleteDBClusterSnapshot"), |sim| {
        // Proof of what remains, once more and now: only what may still go is deleted (I7).
        let may_go = judge(sim, call, region, retention, now).delete;
        let targets = call.aim.as_ref().map(|aim| aim.targets.clone()).unwrap_or_default();
        let (mut gone, mut left) = (Vec::new(), Vec::new());
        for id in targets {
            // A snapshot that is missing answers 404, which is success (facts §2).
            let is_there = sim.snapshots.get(&id).is_some_and(|one| one.deleted.is_none());
            if is_there && !may_go.contains(&id) {
                left.push(id);
                continue;
            }
            if sim.snapshots.delete(&id, now, call.token.as_str()) {
                sim.took_effect(now, call, "DeleteDBClusterSnapshot", &id);
            }
            gone.push(id);
        }
        let mut done = deleted(gone, left);
        done.notes.extend(call.why_nothing_goes());
        Ok(Answer::Done(done))
    })
}

fn deleted(gone: Vec<String>, left: Vec<String>) -> Done {
    let outputs = [("deleted", json!(gone.len())), ("undeletable", json!(left.len()))];
    let notes = left.into_iter().map(|id| format!("`{id}` may no longer be deleted")).collect();
    let points = gone.into_iter().map(|id| PointChange::Deleted { id }).collect();
    Done { points, notes, ..Done::with(outputs) }
}

/// The ids that a complete list shows as available.
pub(super) fn available(sim: &Sim, region: &Region, at: Timestamp) -> BTreeSet<String> {
    let shown = sim.snapshots.iter().filter(|one| one.region == *region);
    let there = shown.filter(|one| one.status(at) == Some(Status::Available));
    there.map(|one| one.arn.clone()).collect()
}

fn judge(sim: &Sim, call: &Call, region: &Region, retention: Retention, at: Timestamp) -> Judged {
    let shown = available(sim, region, at);
    // By the clock of whoever asks, as in the real world: it may be another than the provider's.
    call.judge(&points(call, region), &|id| shown.contains(id), &retention, call.asked_at)
}

fn points<'a>(call: &'a Call, region: &Region) -> Vec<&'a RecoveryPoint> {
    call.points.iter().filter(|point| point.region == *region).collect()
}
