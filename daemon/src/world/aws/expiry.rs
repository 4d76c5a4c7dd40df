//! Recovery points that may go: marked first, deleted a day later, never by a guess (facts §2,
//! retention safety; design §3.7).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use aws_sdk_rds::types::DbClusterSnapshot;
use muster_runbooks::{
    action::{
        Role,
        backup::{DeleteExpired, MarkExpired},
        vault::DeleteVaultExpired,
    },
    application::{Database, Vault},
    name::Region,
};
use muster_state::{
    call::{Answer, Call, CallError, Done, Progress, in_one_line},
    catalog::{Judged, PointChange, RecoveryPoint},
    expiry,
};
use serde_json::json;

use super::{Side, cluster_in, database, error, instance, snapshot, vault};
use crate::world::real::{Real, Verbs, on, verbs};

/// The verbs of `delete-expired`.
pub(in crate::world) fn let_go<'a>(
    real: &'a Real,
    call: &'a Call,
    with: &'a DeleteExpired,
) -> Verbs<'a> {
    verbs(call, observe_delete(real, call, with), begin_delete(real, call, with))
}

/// The verbs of `delete-vault-expired`.
pub(in crate::world) fn let_go_in_vault<'a>(
    real: &'a Real,
    call: &'a Call,
    with: &'a DeleteVaultExpired,
) -> Verbs<'a> {
    verbs(call, observe_vault_delete(real, call, with), begin_vault_delete(real, call, with))
}

/// Where points are judged: a region of the application's own account, or the vault.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    database: &'a Database,
    region: &'a Region,
    vault: Option<&'a Vault>,
}

impl<'a> Place<'a> {
    fn own(call: &'a Call, at: Role) -> Result<Place<'a>, CallError> {
        Ok(Place { database: database(call)?, region: on(call)?.region(at), vault: None })
    }

    fn vault(call: &'a Call) -> Result<Place<'a>, CallError> {
        let vault = vault::vault(call)?;
        Ok(Place { database: database(call)?, region: &vault.region, vault: Some(vault) })
    }

    /// Whether a point of the catalogue lies here.
    fn holds(&self, point: &RecoveryPoint) -> bool {
        let account = match self.vault {
            Some(vault) => point.account == vault.account,
            None => self.database.is_own(self.region, &point.account),
        };
        account && point.component == self.database.name && point.region == *self.region
    }

    /// Whether nobody may delete here.
    fn is_final(&self) -> bool {
        self.vault.is_some_and(|vault| vault.expiry_role.is_none())
    }

    /// The clients that list and delete here.
    async fn side(&self, real: &Real, call: &Call) -> Result<Arc<Side>, CallError> {
        let Some(vault) = self.vault else { return Ok(real.aws.side(self.region)) };
        let role = vault.expiry_role.as_ref().unwrap_or(&vault.role);
        real.aws.assumed(vault, role, call.run.as_str()).await
    }
}

/// Judges the points of one side and says which may go after the waiting time. Changes nothing there.
pub async fn observe_mark(
    real: &Real,
    call: &Call,
    action: &MarkExpired,
) -> Result<Progress, CallError> {
    look_for_marks(real, call, Place::own(call, action.at)?).await
}

/// The same for the copies in the vault.
pub async fn observe_vault_mark(real: &Real, call: &Call) -> Result<Progress, CallError> {
    look_for_marks(real, call, Place::vault(call)?).await
}

async fn look_for_marks(real: &Real, call: &Call, place: Place<'_>) -> Result<Progress, CallError> {
    if let Some(held) = source_trouble(real, call, place.database, place.region).await? {
        return Ok(held);
    }
    let listing = Listing::read(real, call, &*place.side(real, call).await?).await?;
    Ok(marked(call, place, &listing))
}

/// Says what a deletion would take, and once it was aimed, what is left of that.
async fn observe_delete(
    real: &Real,
    call: &Call,
    action: &DeleteExpired,
) -> Result<Progress, CallError> {
    look_for_deleted(real, call, Place::own(call, action.at)?, action.cap).await
}

/// The same for the copies in the vault.
async fn observe_vault_delete(
    real: &Real,
    call: &Call,
    action: &DeleteVaultExpired,
) -> Result<Progress, CallError> {
    look_for_deleted(real, call, Place::vault(call)?, action.cap).await
}

async fn look_for_deleted(
    real: &Real,
    call: &Call,
    place: Place<'_>,
    cap: u32,
) -> Result<Progress, CallError> {
    if call.aim.is_none()
        && let Some(held) = source_trouble(real, call, place.database, place.region).await?
    {
        return Ok(held);
    }
    let listing = Listing::read(real, call, &*place.side(real, call).await?).await?;
    Ok(to_delete(call, place, &listing, cap))
}

/// Deletes what was aimed at and may still go, one by one. What a deletion met is told in the notes:
/// one snapshot that cannot go must not keep the others.
async fn begin_delete(
    real: &Real,
    call: &Call,
    action: &DeleteExpired,
) -> Result<Answer, CallError> {
    delete_aimed(real, call, Place::own(call, action.at)?, action.cap).await
}

/// The same for the copies in the vault.
async fn begin_vault_delete(
    real: &Real,
    call: &Call,
    action: &DeleteVaultExpired,
) -> Result<Answer, CallError> {
    delete_aimed(real, call, Place::vault(call)?, action.cap).await
}

async fn delete_aimed(
    real: &Real,
    call: &Call,
    place: Place<'_>,
    cap: u32,
) -> Result<Answer, CallError> {
    let Some(aim) = &call.aim else {
        return Err(error::unfit(call, "nothing was aimed at"));
    };
    // Judged anew at the moment of deletion (facts §10, October 2025): a hold or a loss since the aim
    // keeps a point.
    let side = place.side(real, call).await?;
    let listing = Listing::read(real, call, &side).await?;
    let judged = listing.judge(call, place);
    let mut done = Done { notes: call.why_nothing_goes().into_iter().collect(), ..Done::default() };
    let (mut deleted, mut undeletable) = (0_u32, 0_u32);
    for id in aim.targets.iter().take(cap as usize) {
        let result = if !listing.present.contains_key(id) {
            Ok(())
        } else if !judged.delete.contains(id) {
            Err("it may no longer go".to_owned())
        } else if real.clock.now() >= call.not_after {
            Err("the time limit came first".to_owned())
        } else {
            delete(&side, id).await?
        };
        match result {
            Ok(()) => {
                deleted += 1;
                done.points.push(PointChange::Deleted { id: id.clone() });
            }
            Err(why) => {
                undeletable += 1;
                done.notes.push(format!("`{id}` was not deleted: {why}"));
            }
        }
    }
    real.poller.forget(&side).await;
    done.outputs.insert("deleted".to_owned(), json!(deleted));
    done.outputs.insert("undeletable".to_owned(), json!(undeletable));
    Ok(Answer::Done(done))
}

/// Deletes one. Only missing credentials end the list early. Without an answer it may be gone or
/// not: the next run's complete listing tells.
async fn delete(side: &Side, arn: &str) -> Result<Result<(), String>, CallError> {
    let name = snapshot::cluster_name(arn);
    let sent = side.act.rds.delete_db_cluster_snapshot().db_cluster_snapshot_identifier(name);
    let Err(why) = sent.send().await else { return Ok(Ok(())) };
    let why = error::trouble(why);
    match why.class {
        error::Class::Missing => Ok(Ok(())),
        error::Class::Credentials => Err(why.at(side.name("rds"), "DeleteDBClusterSnapshot")),
        error::Class::NoAnswer
        | error::Class::Refused
        | error::Class::Busy
        | error::Class::Exists => {
            Ok(Err(in_one_line(&why.at(side.name("rds"), "DeleteDBClusterSnapshot"))))
        }
    }
}

/// Nothing is marked or deleted while the cluster that the points belong to is missing or unwell: they may be
/// all that is left of it (facts §2).
async fn source_trouble(
    real: &Real,
    call: &Call,
    database: &Database,
    region: &Region,
) -> Result<Option<Progress>, CallError> {
    let arn = cluster_in(call, database, region)?;
    let side = real.aws.side(region);
    let found = instance::cluster(&side, &side.look, arn).await?;
    Ok(match found.as_ref().map(|cluster| cluster.status().unwrap_or("without a status")) {
        None => Some(Progress::Refused {
            reason: format!("`{arn}` is missing; its recovery points may be all that is left"),
        }),
        Some("available" | "backing-up") => None,
        Some(status) => {
            Some(Progress::in_progress(format!("`{arn}` is {status}; nothing is let go")))
        }
    })
}

/// What a complete listing of one region showed.
struct Listing {
    /// Every manual snapshot by its ARN.
    present: BTreeMap<String, DbClusterSnapshot>,
}

impl Listing {
    async fn read(real: &Real, call: &Call, side: &Side) -> Result<Listing, CallError> {
        let listed = real.poller.manual(side, call.asked_at, call.asked_at).await?;
        Ok(Listing::of(listed.snapshots.iter().cloned()))
    }

    fn of(snapshots: impl IntoIterator<Item = DbClusterSnapshot>) -> Listing {
        let by_arn = |snapshot: DbClusterSnapshot| {
            Some((snapshot.db_cluster_snapshot_arn()?.to_owned(), snapshot))
        };
        Listing { present: snapshots.into_iter().filter_map(by_arn).collect() }
    }

    /// The catalogue's points of the component in a place, against what is really there and ours.
    fn judge(&self, call: &Call, place: Place<'_>) -> Judged {
        let points = points(call, place);
        let proven: BTreeSet<&str> = points
            .iter()
            .filter(|point| {
                self.present.get(&point.id).is_some_and(|snapshot| is_it(point, snapshot))
            })
            .map(|point| point.id.as_str())
            .collect();
        let retention = &place.database.retention;
        let judged = call.judge(&points, &|id| proven.contains(id), retention, call.asked_at);
        if place.is_final() { judged.without_a_role() } else { judged }
    }
}

/// Whether a snapshot is available and certainly the one that the catalogue means: our name, our tag,
/// and the same source cluster, not one that was made later under its name.
pub(super) fn is_it(point: &RecoveryPoint, snapshot: &DbClusterSnapshot) -> bool {
    snapshot.status() == Some("available")
        && snapshot.snapshot_type() == Some("manual")
        && snapshot::is_ours(snapshot)
        && point.source_resource.is_some()
        && point.source_resource.as_deref() == snapshot.db_cluster_resource_id()
}

fn points<'a>(call: &'a Call, place: Place<'_>) -> Vec<&'a RecoveryPoint> {
    call.points.iter().filter(|point| place.holds(point)).collect()
}

fn marked(call: &Call, place: Place<'_>, listing: &Listing) -> Progress {
    let judged = listing.judge(call, place);
    let points = points(call, place);
    let mut done =
        expiry::marking(call, &points, &judged, &place.database.retention, call.asked_at);
    if let Some(vault) = place.vault.filter(|_| place.is_final()) {
        done.notes.push(format!(
            "no role may delete in account {}: its copies are kept for ever; declare `expiry_role` to let \
             old ones go",
            vault.account
        ));
    }
    for point in points {
        if listing.present.contains_key(&point.id) {
            continue;
        }
        // A deletion whose answer was lost ends here: marked, and no longer there.
        if point.marked_at.is_some() {
            done.points.push(PointChange::Deleted { id: point.id.clone() });
        }
        done.notes.push(format!("`{}` is in the catalogue and not in {}", point.id, place.region));
    }
    Progress::Done(done)
}

fn to_delete(call: &Call, place: Place<'_>, listing: &Listing, cap: u32) -> Progress {
    let judged = listing.judge(call, place);
    let Some(aim) = &call.aim else {
        let targets: Vec<String> = judged.delete.into_iter().take(cap as usize).collect();
        let before = json!({ "listed": listing.present.len(), "kept": judged.kept.keys().collect::<Vec<_>>() });
        return Progress::NotStarted { before, targets };
    };
    let is_left = |id: &&String| {
        listing.present.get(*id).is_some_and(|snapshot| snapshot.status() != Some("deleting"))
    };
    if aim.targets.iter().any(|id| is_left(&id)) {
        return Progress::NotStarted { before: aim.before.clone(), targets: aim.targets.clone() };
    }
    let mut done = Done::with([("deleted", json!(aim.targets.len())), ("undeletable", json!(0))]);
    done.points = aim.targets.iter().map(|id| PointChange::Deleted { id: id.clone() }).collect();
    Progress::Done(done)
}

#[cfg(test)]
mod tests;
