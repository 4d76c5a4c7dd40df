//! Actions of a restore test: restores take tens of minutes, instances five to ten, and all of it may fail.

use jiff::Timestamp;
use muster_runbooks::{
    action::{
        Role,
        restore::{
            ChoosePoint, Preference, RestoreCluster, RotatePassword, StartInstance, declared,
        },
    },
    name::Region,
    value::Span,
};
use muster_state::{
    call::{Answer, Call, CallError, Done, Progress},
    catalog::{self, RecoveryPoint},
};
use serde_json::json;

use super::{
    Bound, Fault, Sim, backup, expire, no_outside,
    restored::{Restored, Status},
    snapshots,
    wire::Door,
};
use crate::world::drill::{Kind, Mark, POINT, SETTLING, is_settled};

pub(super) fn observe_choice(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &ChoosePoint,
) -> Result<Progress, CallError> {
    let bound = Bound::database(call)?;
    let region = bound.on.region(action.at);
    let at = sim.ask(now, Door::rds(region, "DescribeDBClusterSnapshots"))?;
    let account = backup::account(sim, &bound, region)?;
    let shown = expire::available(sim, region, &account, at);
    let available = |point: &RecoveryPoint| shown.contains(&point.id);
    let (asked, prefer) = (action.point.as_deref(), action.prefer.unwrap_or(Preference::Unproven));
    Ok(match catalog::choose(&call.points, &available, &bound.key.1, region, asked, prefer) {
        Ok(point) => Progress::Done(Done::with([
            ("point", json!(point.id)),
            ("data_time", json!(point.data_time)),
            ("data_loss", json!(Span::between(point.data_time, now))),
            (
                "predicted_by",
                json!(format!("the data of `{}` is from {}", point.id, point.data_time)),
            ),
        ])),
        Err(reason) => Progress::Refused { reason },
    })
}

pub(super) fn observe_cluster(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &RestoreCluster,
) -> Result<Progress, CallError> {
    let bound = Bound::database(call)?;
    let region = bound.on.region(action.at);
    let at = sim.ask(now, Door::rds(region, "DescribeDBClusters"))?;
    let arn = format!("arn:aws:rds:{region}:{}:cluster:{}", account(&action.point), call.token);
    Ok(made(sim, call, Kind::Cluster, region, at).unwrap_or_else(|| {
        Progress::Done(Done::with([
            ("cluster", json!(call.token)),
            ("arn", json!(arn)),
            ("began_at", json!(call.started_at)),
        ]))
    }))
}

pub(super) fn begin_cluster(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &RestoreCluster,
) -> Result<Answer, CallError> {
    let bound = Bound::database(call)?;
    let region = place(call, &bound, action.at)?;
    let door = Door::rds(region, "RestoreDBClusterFromSnapshot");
    sim.tell(now, door, |sim| {
        if let Some(known) = known(sim, call, region, now, door) {
            return known;
        }
        room(sim, now, door)?;
        let there = sim.snapshots.get(&action.point).and_then(|one| one.status(now));
        if there != Some(snapshots::Status::Available) {
            let message = format!("`{}` is not found", action.point);
            return Err(door.refused("DBClusterSnapshotNotFoundFault", message));
        }
        let takes = sim.dice.secs("restore", call.token.as_str(), 900..=2_700);
        let mark = Mark::of(call, [(POINT, action.point.clone())]);
        let fails = sim.faults.restore_fails();
        make(sim, Kind::Cluster, mark, region, None, now, now + takes, fails);
        sim.took_effect(now, call, "RestoreDBClusterFromSnapshot", region);
        Ok(Answer::Accepted)
    })
}

pub(super) fn observe_password(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &RotatePassword,
) -> Result<Progress, CallError> {
    let bound = Bound::database(call)?;
    let region = bound.on.region(action.at);
    let at = sim.ask(now, Door::rds(region, "DescribeDBClusters"))?;
    let Some(one) = sim.beside.get(region, &action.cluster, at) else {
        return Ok(Progress::in_progress(format!("`{}` cannot be seen", action.cluster)));
    };
    Ok(match one.secret_at {
        None => Progress::not_started(),
        Some(there_at) if at < there_at => Progress::in_progress("resetting-master-credentials"),
        Some(_) => {
            let account = one.mark.tag(POINT).map_or("000000000000", account);
            let secret = format!("arn:aws:secretsmanager:{region}:{account}:secret:rds!cluster");
            Progress::Done(Done::with([("secret", json!(secret))]))
        }
    })
}

pub(super) fn begin_password(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &RotatePassword,
) -> Result<Answer, CallError> {
    let bound = Bound::database(call)?;
    let region = bound.on.region(action.at);
    let door = Door::rds(region, "ModifyDBCluster");
    sim.tell(now, door, |sim| {
        own_cluster(sim, call, region, &action.cluster, now, door)?;
        let takes = sim.dice.secs("password", call.token.as_str(), 20..=90);
        let is_it = |one: &&mut Restored| {
            one.mark.name == action.cluster && one.region == *region && one.secret_at.is_none()
        };
        if let Some(one) = sim.beside.all.iter_mut().find(is_it) {
            one.secret_at = Some(now + takes);
            sim.took_effect(now, call, "ModifyDBCluster", &action.cluster);
        }
        Ok(Answer::Accepted)
    })
}

pub(super) fn observe_instance(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &StartInstance,
) -> Result<Progress, CallError> {
    let bound = Bound::database(call)?;
    let region = bound.on.region(action.at);
    let at = sim.ask(now, Door::rds(region, "DescribeDBInstances"))?;
    Ok(made(sim, call, Kind::Instance, region, at).unwrap_or_else(|| {
        Progress::Done(Done::with([
            ("instance", json!(call.token)),
            ("endpoint", json!(format!("{}.cluster.{region}.example", action.cluster))),
            ("port", json!(5_432)),
            ("restore_took", json!(Span::between(action.began_at, now))),
        ]))
    }))
}

pub(super) fn begin_instance(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &StartInstance,
) -> Result<Answer, CallError> {
    let bound = Bound::database(call)?;
    let region = place(call, &bound, action.at)?;
    let door = Door::rds(region, "CreateDBInstance");
    sim.tell(now, door, |sim| {
        if let Some(known) = known(sim, call, region, now, door) {
            return known;
        }
        room(sim, now, door)?;
        own_cluster(sim, call, region, &action.cluster, now, door)?;
        let takes = sim.dice.secs("instance", call.token.as_str(), 300..=600);
        let of = Some(action.cluster.clone());
        let fails = sim.faults.restore_fails();
        make(sim, Kind::Instance, Mark::of(call, []), region, of, now, now + takes, fails);
        sim.took_effect(now, call, "CreateDBInstance", region);
        Ok(Answer::Accepted)
    })
}

/// What is left of the clusters or instances that the call's run made.
pub(super) fn observe_removal(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    (kind, at): (Kind, Role),
) -> Result<Progress, CallError> {
    let bound = Bound::database(call)?;
    let region = bound.on.region(at);
    let at = sim.ask(now, Door::rds(region, "DescribeDBClusters"))?;
    let own = sim.beside.shown(kind, region, at).filter(|(one, _)| one.mark.is_of(call));
    let (going, left): (Vec<_>, Vec<_>) = own.partition(|(_, status)| *status == Status::Deleting);
    Ok(if !left.is_empty() {
        Progress::not_started()
    } else if !going.is_empty() {
        Progress::in_progress("deleting")
    } else if is_settled(call) {
        Progress::Done(Done::with([("gone_at", json!(now))]))
    } else {
        Progress::in_progress(SETTLING)
    })
}

pub(super) fn begin_removal(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    (kind, at): (Kind, Role),
) -> Result<Answer, CallError> {
    let bound = Bound::database(call)?;
    let region = bound.on.region(at);
    let operation = match kind {
        Kind::Cluster => "DeleteDBCluster",
        Kind::Instance => "DeleteDBInstance",
    };
    sim.tell(now, Door::rds(region, operation), |sim| {
        let own = sim
            .beside
            .shown(kind, region, now)
            .filter(|(one, status)| one.mark.is_of(call) && *status != Status::Deleting);
        let names: Vec<String> = own.map(|(one, _)| one.mark.name.clone()).collect();
        for name in names {
            let holds = |(one, status): (&Restored, Status)| {
                one.of.as_ref() == Some(&name) && status != Status::Deleting
            };
            let is_held = sim.beside.shown(Kind::Instance, region, now).any(holds);
            if kind == Kind::Cluster && is_held {
                let reason = "InvalidDBClusterStateFault: it still contains instances".to_owned();
                return Ok(Answer::Busy { reason });
            }
            let takes = sim.dice.secs("delete", &name, 60..=300);
            for one in &mut sim.beside.all {
                if one.mark.name == name && one.region == *region && one.deleted.is_none() {
                    one.deleted = Some((now, now + takes, call.token.to_string()));
                }
            }
            sim.took_effect(now, call, operation, &name);
        }
        Ok(Answer::Accepted)
    })
}

pub(super) fn observe_leaks(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
) -> Result<Progress, CallError> {
    let on = call.on().ok_or_else(|| no_outside(call))?;
    let mut findings = Vec::new();
    for region in [on.active, on.standby] {
        let at = sim.ask(now, Door::rds(region, "DescribeDBClusters"))?;
        for kind in [Kind::Cluster, Kind::Instance] {
            let shown = sim.beside.shown(kind, region, at);
            let left = shown.filter(|(_, status)| *status != Status::Deleting);
            let leak = |(one, _): (&Restored, Status)| {
                one.mark.leak(call, kind, region, Some(one.asked_at))
            };
            findings.extend(left.filter_map(leak));
        }
    }
    let count = ("leaks", json!(findings.len()));
    Ok(Progress::Done(Done { findings, ..Done::with([count]) }))
}

/// Where the object of a call stands that bears its token; `None` when it is available.
fn made(sim: &Sim, call: &Call, kind: Kind, region: &Region, at: Timestamp) -> Option<Progress> {
    let name = call.token.as_str();
    let mut shown = sim.beside.shown(kind, region, at);
    let Some((one, status)) = shown.find(|(one, _)| one.mark.name == name) else {
        return Some(Progress::not_started());
    };
    if !one.mark.is_by(call) {
        return Some(Progress::Foreign { saw: format!("`{name}` exists and is not ours") });
    }
    match status {
        Status::Creating => Some(Progress::in_progress("creating")),
        Status::Deleting => Some(Progress::Failed { reason: format!("`{name}` is deleting") }),
        Status::Failed => Some(Progress::Failed { reason: format!("`{name}` is failed") }),
        Status::Available => None,
    }
}

fn known(
    sim: &Sim,
    call: &Call,
    region: &Region,
    now: Timestamp,
    door: Door<'_>,
) -> Option<Result<Answer, CallError>> {
    let one = sim.beside.get(region, call.token.as_str(), now)?;
    Some(if one.mark.is_by(call) {
        Ok(Answer::Accepted)
    } else {
        Err(door.refused("DBClusterAlreadyExistsFault", "it carries other tags"))
    })
}

/// Whether there is capacity for it, and a key to open it with.
pub(super) fn room(sim: &Sim, now: Timestamp, door: Door<'_>) -> Result<(), CallError> {
    for fault in sim.faults.at(now) {
        if matches!(fault, Fault::NoCapacity { .. }) {
            // The real world takes this code for no answer, too: another hour may have room.
            return Err(door.no_answer("InsufficientDBClusterCapacityFault"));
        }
        if matches!(fault, Fault::KeyGone { .. }) {
            return Err(door.refused("KMSKeyNotAccessibleFault", "the key is pending deletion"));
        }
    }
    Ok(())
}

fn own_cluster(
    sim: &Sim,
    call: &Call,
    region: &Region,
    name: &str,
    now: Timestamp,
    door: Door<'_>,
) -> Result<(), CallError> {
    let found = sim.beside.get(region, name, now).filter(|one| one.mark.is_of(call));
    found.map(drop).ok_or_else(|| door.refused("NotConfigured", "it bears no mark of this run"))
}

/// The region of a restore, if a place is declared for it there.
fn place<'a>(call: &Call, bound: &Bound<'a>, at: Role) -> Result<&'a Region, CallError> {
    declared(&bound.on, at).map(|_| bound.on.region(at)).ok_or_else(|| no_outside(call))
}

#[expect(clippy::too_many_arguments, reason = "the facts of one object, used only here")]
fn make(
    sim: &mut Sim,
    kind: Kind,
    mark: Mark,
    region: &Region,
    of: Option<String>,
    asked_at: Timestamp,
    done_at: Timestamp,
    fails: bool,
) {
    let region = region.clone();
    let (secret_at, deleted) = (None, None);
    let one = Restored { kind, mark, region, of, asked_at, done_at, fails, secret_at, deleted };
    sim.beside.all.push(one);
}

fn account(arn: &str) -> &str {
    snapshots::place_of(arn).map_or("000000000000", |(_, account)| account)
}
