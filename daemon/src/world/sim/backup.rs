//! Actions that make recovery points: snapshot and copy.

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    action::{
        Action,
        backup::{CopySnapshot, SnapshotDatabase},
    },
    application::Purpose,
    name::Region,
};
use muster_state::{
    call::{Answer, Call, CallError, Done, Progress},
    catalog::{PointChange, RecoveryPoint},
};
use serde_json::json;

use crate::world::inventory::Quota;

use super::{
    Bound, Sim,
    snapshots::{Snapshot, Status, place_of, snapshot_arn},
    wire::Door,
};

/// How many manual cluster snapshots a region may have (facts §2).
pub(super) const QUOTA: usize = 100;

/// How many copies a region receives at a time (facts §2).
const COPIES_MAX: usize = 5;

pub(super) fn observe_snapshot(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &SnapshotDatabase,
) -> Result<Progress, CallError> {
    let bound = Bound::database(call)?;
    let region = bound.on.region(action.at);
    let account = account(sim, &bound, region)?;
    observe(sim, now, call, region, &account)
}

pub(super) fn observe_copy(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &CopySnapshot,
) -> Result<Progress, CallError> {
    let bound = Bound::database(call)?;
    let region = bound.on.region(action.to);
    let account = account(sim, &bound, region)?;
    observe(sim, now, call, region, &account)
}

/// All name what they make after the token, and are found by it.
pub(super) fn observe(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    region: &Region,
    account: &str,
) -> Result<Progress, CallError> {
    let at = sim.ask(now, Door::rds(region, "DescribeDBClusterSnapshots"))?;
    let arn = snapshot_arn(region, account, call.token.as_str());
    let shown = sim.snapshots.get(&arn).and_then(|one| Some((one, one.status(at)?)));
    let Some((one, status)) = shown else { return Ok(Progress::not_started()) };
    if one.token != call.token.as_str() {
        return Ok(Progress::Foreign { saw: format!("`{}` exists and is not ours", one.id) });
    }
    let word = if one.copied_from.is_some() { "copying" } else { "creating" };
    Ok(match status {
        Status::Underway { percent } => {
            Progress::InProgress { note: word.to_owned(), percent: Some(percent) }
        }
        Status::Failed => Progress::Failed { reason: format!("snapshot `{}` is failed", one.id) },
        Status::Available => Progress::Done(done(call, one)),
    })
}

/// What the point is for, as the step says.
fn purpose(action: &Action) -> Purpose {
    if let Action::SnapshotDatabase(with) = action {
        with.purpose.unwrap_or_default()
    } else if let Action::CopySnapshot(with) = action {
        with.purpose.unwrap_or_default()
    } else if let Action::CopyToVault(with) = action {
        with.purpose.unwrap_or_default()
    } else {
        Purpose::default()
    }
}

fn done(call: &Call, one: &Snapshot) -> Done {
    let point = RecoveryPoint {
        copied_from: one.copied_from.as_ref().map(|(arn, _)| arn.clone()),
        key: one.key.clone(),
        size_gib: Some(one.size_gib),
        source_resource: Some(one.resource.clone()),
        purpose: purpose(&call.action),
        ..RecoveryPoint::new(
            one.arn.clone(),
            one.component.clone(),
            one.region.clone(),
            place_of(&one.arn).map(|(_, account)| account.to_owned()).unwrap_or_default(),
            data_time(call, one),
            call.run.clone(),
        )
    };
    Done {
        points: vec![PointChange::Recorded(Box::new(point))],
        ..Done::with([("snapshot", json!(one.arn)), ("data_time", json!(data_time(call, one)))])
    }
}

/// The instant that the data is from, as far as the provider says: for a copy it only tells when it
/// was copied (facts §2), so that is taken from the step.
fn data_time(call: &Call, one: &Snapshot) -> Timestamp {
    if let Action::CopySnapshot(with) = &*call.action {
        with.data_time
    } else if let Action::CopyToVault(with) = &*call.action {
        with.data_time
    } else {
        one.data_time
    }
}

pub(super) fn begin_snapshot(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &SnapshotDatabase,
) -> Result<Answer, CallError> {
    let bound = Bound::database(call)?;
    let region = bound.on.region(action.at);
    let account = account(sim, &bound, region)?;
    let door = Door::rds(region, "CreateDBClusterSnapshot");
    sim.tell(now, door, |sim| {
        let arn = snapshot_arn(region, &account, call.token.as_str());
        if let Some(known) = known(sim, call, &arn, door) {
            return known;
        }
        let aurora = sim.aurora(&bound)?;
        if aurora.busy(now).is_some() || !sim.regions.runs(region, now) {
            let reason = "InvalidDBClusterStateFault: the cluster is not available".to_owned();
            return Ok(Answer::Busy { reason });
        }
        if let Some(reason) = no_room(sim, region, &account, now, action.purpose()) {
            return Ok(Answer::Busy { reason });
        }
        full(sim, region, &account, now, door)?;
        let is_writer = aurora.writer(now) == region;
        let data_time =
            if is_writer { now } else { aurora.replicated(sim.dice, &sim.regions, region, now) };
        // The provider counts in milliseconds, and so do we.
        let data_time =
            Timestamp::from_millisecond(data_time.as_millisecond()).unwrap_or(data_time);
        let takes = sim.dice.secs("snapshot", call.token.as_str(), 50..=240);
        let key = aurora_key(sim, &bound, region);
        let made = Made { region, arn, data_time, copied_from: None, key, zero: seconds(5), takes };
        make(sim, now, call, &bound, made);
        sim.took_effect(now, call, "CreateDBClusterSnapshot", region);
        Ok(Answer::Accepted)
    })
}

pub(super) fn begin_copy(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &CopySnapshot,
) -> Result<Answer, CallError> {
    let bound = Bound::database(call)?;
    let region = bound.on.region(action.to);
    let account = account(sim, &bound, region)?;
    let key = aurora_key(sim, &bound, region);
    copy(sim, now, call, &bound, Copy { source: &action.snapshot, region, account: &account, key })
}

/// A copy of a snapshot into a region of an account.
pub(super) struct Copy<'a> {
    pub(super) source: &'a str,
    pub(super) region: &'a Region,
    pub(super) account: &'a str,
    pub(super) key: Option<String>,
}

pub(super) fn copy(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    bound: &Bound<'_>,
    copy: Copy<'_>,
) -> Result<Answer, CallError> {
    let Copy { source: from, region, account, key } = copy;
    let door = Door::rds(region, "CopyDBClusterSnapshot");
    sim.tell(now, door, |sim| {
        let arn = snapshot_arn(region, account, call.token.as_str());
        if let Some(known) = known(sim, call, &arn, door) {
            return known;
        }
        let is_theirs = place_of(from).is_some_and(|(_, of)| of != account);
        let may_see = !is_theirs || sim.snapshots.is_shared(from, account, now);
        let source = sim.snapshots.get(from).filter(|_| may_see);
        let Some((source, status)) = source.and_then(|one| Some((one, one.status(now)?))) else {
            // What is not shared looks like what is not there.
            let message = format!("`{from}` is not found");
            return Err(door.refused("DBClusterSnapshotNotFoundFault", message));
        };
        let (source_region, data_time) = (source.region.clone(), source.data_time);
        if status != Status::Available || !sim.regions.runs(&source_region, now) {
            let reason = "InvalidDBClusterSnapshotStateFault: the source is not ready".to_owned();
            return Ok(Answer::Busy { reason });
        }
        if sim.snapshots.copies_underway(region, account, now) >= COPIES_MAX {
            let reason = format!("{COPIES_MAX} copies to {region} are in progress");
            return Ok(Answer::Busy { reason });
        }
        full(sim, region, account, now, door)?;
        let stuck = sim.faults.copies_stuck_until(now);
        let stuck = stuck.map_or(SignedDuration::ZERO, |until| until.duration_since(now));
        let token = call.token.as_str();
        let zero = sim.dice.secs("copy-at-zero", token, 30..=900).max(stuck);
        let takes = sim.dice.secs("copy", token, 600..=5_400);
        let copied_from = Some((from.to_owned(), source_region));
        let made = Made { region, arn, data_time, copied_from, key, zero, takes };
        make(sim, now, call, bound, made);
        sim.took_effect(now, call, "CopyDBClusterSnapshot", region);
        Ok(Answer::Accepted)
    })
}

/// Why there is no room for a snapshot of this purpose.
pub(super) fn no_room(
    sim: &Sim,
    region: &Region,
    account: &str,
    now: Timestamp,
    purpose: Purpose,
) -> Option<String> {
    let used = u64::try_from(sim.snapshots.counted(region, account, now)).unwrap_or(u64::MAX);
    Quota { used, max: QUOTA as u64 }.no_headroom(purpose, region)
}

/// The key that what arrives in a region is encrypted with.
fn aurora_key(sim: &Sim, bound: &Bound<'_>, region: &Region) -> Option<String> {
    sim.aurora(bound).ok()?.declared().copy_keys.get(region.as_str()).cloned()
}

/// What a snapshot of this name means: ours is success, a stranger's is for a person.
fn known(sim: &Sim, call: &Call, arn: &str, door: Door<'_>) -> Option<Result<Answer, CallError>> {
    let one = sim.snapshots.get(arn).filter(|one| one.deleted.is_none())?;
    Some(if one.token == call.token.as_str() {
        Ok(Answer::Accepted)
    } else {
        Err(door.refused("DBClusterSnapshotAlreadyExistsFault", "it carries another token"))
    })
}

fn full(
    sim: &Sim,
    region: &Region,
    account: &str,
    now: Timestamp,
    door: Door<'_>,
) -> Result<(), CallError> {
    if sim.snapshots.counted(region, account, now) < QUOTA {
        return Ok(());
    }
    Err(door.refused("SnapshotQuotaExceeded", format!("{QUOTA} manual cluster snapshots exist")))
}

struct Made<'a> {
    region: &'a Region,
    arn: String,
    data_time: Timestamp,
    copied_from: Option<(String, Region)>,
    key: Option<String>,
    zero: SignedDuration,
    takes: SignedDuration,
}

fn make(sim: &mut Sim, now: Timestamp, call: &Call, bound: &Bound<'_>, made: Made<'_>) {
    let Ok(aurora) = sim.aurora(bound) else { return };
    let label = aurora.label().to_owned();
    let component = aurora.declared().name.clone();
    let size = sim.dice.secs("size", &label, 40..=400).as_secs();
    let fails = sim.faults.snapshot_fails();
    sim.snapshots.add(Snapshot {
        id: call.token.to_string(),
        arn: made.arn,
        region: made.region.clone(),
        application: bound.key.0.clone(),
        component,
        token: call.token.to_string(),
        asked_at: now,
        shown_at: now + SignedDuration::from_millis(800),
        moves_at: now + made.zero,
        done_at: now + made.zero + made.takes,
        fails,
        deleted: None,
        data_time: made.data_time,
        copied_from: made.copied_from,
        key: made.key,
        size_gib: u32::try_from(size).unwrap_or(1),
        resource: format!("cluster-{}", label.to_uppercase()),
        frozen_at: None,
    });
}

fn seconds(secs: i64) -> SignedDuration {
    SignedDuration::from_secs(secs)
}

/// The account of the cluster in a region, from its ARN.
pub(super) fn account(sim: &Sim, bound: &Bound<'_>, region: &Region) -> Result<String, CallError> {
    let arn = sim.aurora(bound)?.arn(region);
    Ok(place_of(arn).map_or("000000000000", |(_, account)| account).to_owned())
}
