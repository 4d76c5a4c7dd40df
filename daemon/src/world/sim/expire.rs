//! Actions that let recovery points go: mark, and a day later delete.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    action::{
        Role,
        backup::{DeleteExpired, MarkExpired},
        vault::DeleteVaultExpired,
    },
    application::{Retention, Vault},
    name::Region,
};
use muster_state::{
    call::{Answer, Call, CallError, Done, Progress},
    catalog::{Judged, PointChange, RecoveryPoint},
    expiry,
};
use serde_json::json;

use super::{Bound, Sim, backup, snapshots::Status, vault, wire::Door};

/// What could not be deleted so long after the aim stays.
const UNDELETABLE_AFTER: SignedDuration = SignedDuration::from_mins(3);

/// Where points are judged: a region of the application's own account, or the vault.
struct Place<'a> {
    region: &'a Region,
    account: String,
    vault: Option<&'a Vault>,
}

impl<'a> Place<'a> {
    fn own(sim: &Sim, bound: &'a Bound<'_>, at: Role) -> Result<Place<'a>, CallError> {
        let region = bound.on.region(at);
        Ok(Place { region, account: backup::account(sim, bound, region)?, vault: None })
    }

    fn vault(call: &'a Call) -> Result<Place<'a>, CallError> {
        let vault = vault::vault(call)?;
        Ok(Place { region: &vault.region, account: vault.account.clone(), vault: Some(vault) })
    }

    fn door(
        &self,
        sim: &Sim,
        now: Timestamp,
        operation: &'static str,
    ) -> Result<Door<'_>, CallError> {
        match self.vault {
            Some(vault) => vault::door(sim, now, vault, operation),
            None => Ok(Door::rds(self.region, operation)),
        }
    }
}

pub(super) fn observe_mark(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &MarkExpired,
) -> Result<Progress, CallError> {
    let bound = Bound::database(call)?;
    let place = Place::own(sim, &bound, action.at)?;
    mark(sim, now, call, &bound, &place)
}

pub(super) fn observe_vault_mark(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
) -> Result<Progress, CallError> {
    mark(sim, now, call, &Bound::database(call)?, &Place::vault(call)?)
}

fn mark(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    bound: &Bound<'_>,
    place: &Place<'_>,
) -> Result<Progress, CallError> {
    let door = place.door(sim, now, "DescribeDBClusterSnapshots")?;
    let at = sim.ask(now, door)?;
    let retention = sim.aurora(bound)?.declared.retention;
    let judged = judge(sim, call, place, retention, at);
    let points = points(call, place);
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
    let place = Place::own(sim, &bound, action.at)?;
    look_for_deleted(sim, now, call, &bound, &place, action.cap)
}

pub(super) fn observe_vault_delete(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &DeleteVaultExpired,
) -> Result<Progress, CallError> {
    let bound = Bound::database(call)?;
    look_for_deleted(sim, now, call, &bound, &Place::vault(call)?, action.cap)
}

fn look_for_deleted(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    bound: &Bound<'_>,
    place: &Place<'_>,
    cap: u32,
) -> Result<Progress, CallError> {
    let door = place.door(sim, now, "DescribeDBClusterSnapshots")?;
    let at = sim.ask(now, door)?;
    let shown = available(sim, place.region, &place.account, at);
    let Some(aim) = &call.aim else {
        let retention = sim.aurora(bound)?.declared.retention;
        let mut targets = judge(sim, call, place, retention, at).delete;
        targets.truncate(cap as usize);
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
    let place = Place::own(sim, &bound, action.at)?;
    delete_aimed(sim, now, call, &bound, &place)
}

pub(super) fn begin_vault_delete(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
) -> Result<Answer, CallError> {
    delete_aimed(sim, now, call, &Bound::database(call)?, &Place::vault(call)?)
}

fn delete_aimed(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    bound: &Bound<'_>,
    place: &Place<'_>,
) -> Result<Answer, CallError> {
    let retention = sim.aurora(bound)?.declared.retention;
    let door = place.door(sim, now, "DeleteDBClusterSnapshot")?;
    sim.tell(now, door, |sim| {
        // Proof of what remains, once more and now: only what may still go is deleted (I7).
        let may_go = judge(sim, call, place, retention, now).delete;
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

/// The ids that a complete list of a region of an account shows as available.
pub(super) fn available(
    sim: &Sim,
    region: &Region,
    account: &str,
    at: Timestamp,
) -> BTreeSet<String> {
    let shown = sim.snapshots.iter().filter(|one| one.is_at(region, account));
    let there = shown.filter(|one| one.status(at) == Some(Status::Available));
    there.map(|one| one.arn.clone()).collect()
}

fn judge(sim: &Sim, call: &Call, place: &Place<'_>, retention: Retention, at: Timestamp) -> Judged {
    let shown = available(sim, place.region, &place.account, at);
    // By the clock of whoever asks, as in the real world: it may be another than the provider's.
    let is_shown = |id: &str| shown.contains(id);
    let judged = call.judge(&points(call, place), &is_shown, &retention, call.asked_at);
    let is_final = place.vault.is_some_and(|vault| vault.expiry_role.is_none());
    if is_final { judged.without_a_role() } else { judged }
}

fn points<'a>(call: &'a Call, place: &Place<'_>) -> Vec<&'a RecoveryPoint> {
    let is_here =
        |point: &&RecoveryPoint| point.region == *place.region && point.account == place.account;
    call.points.iter().filter(is_here).collect()
}
