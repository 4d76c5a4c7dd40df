//! Copies in another account: a snapshot is shared with it, copied by a role of it under a key of it, and
//! the share is taken back (facts §2, cross-account).

use std::{collections::BTreeSet, sync::Arc};

use aws_sdk_rds::types::DbClusterSnapshot;
use muster_runbooks::{
    action::{
        Role,
        vault::{CopyToVault, ShareSnapshot, UnshareSnapshot},
    },
    application::Vault,
};
use muster_state::call::{Answer, Call, CallError, Done, Progress, Reading};
use serde_json::json;

use super::{
    Side, database, error, poller,
    snapshot::{self, Origin, cluster_name, named},
};
use crate::world::real::{Real, Verbs, dated, on, verbs};

/// The attribute that says who may restore and copy a snapshot.
const RESTORE: &str = "restore";

/// The word by which a snapshot is everybody's. Muster never says it.
const EVERYBODY: &str = "all";

const READ: &str = "DescribeDBClusterSnapshotAttributes";
const MODIFY: &str = "ModifyDBClusterSnapshotAttribute";

/// The vault of the database that a call works on.
pub(super) fn vault(call: &Call) -> Result<&Vault, CallError> {
    let database = database(call)?;
    let vault = database.vault.as_ref();
    vault.ok_or_else(|| error::unfit(call, &format!("`{}` has no vault", database.name)))
}

/// The vault's region with the credentials of the role that copies and lists there.
async fn inside(real: &Real, call: &Call, vault: &Vault) -> Result<Arc<Side>, CallError> {
    real.aws.assumed(vault, &vault.role, call.run.as_str()).await
}

/// The verbs of `share-snapshot`.
pub(in crate::world) fn share<'a>(
    real: &'a Real,
    call: &'a Call,
    with: &'a ShareSnapshot,
) -> Verbs<'a> {
    verbs(call, observe_shared(real, call, with), begin_shared(real, call, with))
}

/// The verbs of `unshare-snapshot`.
pub(in crate::world) fn unshare<'a>(
    real: &'a Real,
    call: &'a Call,
    with: &'a UnshareSnapshot,
) -> Verbs<'a> {
    verbs(call, observe_unshared(real, call, with), begin_unshared(real, call, with))
}

/// The verbs of `copy-to-vault`.
pub(in crate::world) fn copy<'a>(
    real: &'a Real,
    call: &'a Call,
    with: &'a CopyToVault,
) -> Verbs<'a> {
    dated(observe_copied(real, call, with), begin_copied(real, call, with))
}

/// Looks whether the vault's account may copy the snapshot.
async fn observe_shared(
    real: &Real,
    call: &Call,
    action: &ShareSnapshot,
) -> Result<Progress, CallError> {
    let (vault, side) = (vault(call)?, outside(real, call, action.at)?);
    Ok(match shares(&side, &action.snapshot).await? {
        Some(shares) => shared(vault, &action.snapshot, &shares),
        None => Progress::Refused { reason: format!("`{}` is not there", action.snapshot) },
    })
}

fn shared(vault: &Vault, snapshot: &str, shares: &BTreeSet<String>) -> Progress {
    if shares.contains(EVERYBODY) {
        return everybody(snapshot);
    }
    if shares.contains(&vault.account) {
        return Progress::Done(Done::with([("account", json!(vault.account))]));
    }
    Progress::NotStarted {
        before: json!({ "shared_with": shares }),
        targets: vec![snapshot.to_owned()],
    }
}

/// Lets the vault's account copy it. AWS refuses what is encrypted under the key `aws/rds`, which no other
/// account can use (facts §2).
async fn begin_shared(
    real: &Real,
    call: &Call,
    action: &ShareSnapshot,
) -> Result<Answer, CallError> {
    let (vault, side) = (vault(call)?, outside(real, call, action.at)?);
    let sent = side
        .act
        .rds
        .modify_db_cluster_snapshot_attribute()
        .db_cluster_snapshot_identifier(cluster_name(&action.snapshot))
        .attribute_name(RESTORE)
        .values_to_add(&vault.account)
        .send()
        .await;
    match sent {
        Ok(_) => Ok(Answer::Accepted),
        Err(why) => error::trouble(why).begun(side.name("rds"), MODIFY),
    }
}

/// Looks whether the vault's account may no longer copy the snapshot. What stands before is always written
/// down first: that it was never shared, or is so no more, is what is wanted and no stranger's hand.
async fn observe_unshared(
    real: &Real,
    call: &Call,
    action: &UnshareSnapshot,
) -> Result<Progress, CallError> {
    let (vault, side) = (vault(call)?, outside(real, call, action.at)?);
    let shares = shares_of(&side, action).await?;
    let snapshot = action.snapshot.as_deref().unwrap_or_default();
    Ok(unshared(call, vault, snapshot, &shares))
}

/// What was never taken, or is gone, nobody may copy.
async fn shares_of(side: &Side, action: &UnshareSnapshot) -> Result<BTreeSet<String>, CallError> {
    let Some(snapshot) = &action.snapshot else { return Ok(BTreeSet::new()) };
    Ok(shares(side, snapshot).await?.unwrap_or_default())
}

fn unshared(call: &Call, vault: &Vault, snapshot: &str, shares: &BTreeSet<String>) -> Progress {
    if shares.contains(EVERYBODY) {
        return everybody(snapshot);
    }
    if call.aim.is_some() && !shares.contains(&vault.account) {
        return Progress::Done(taken_back(vault));
    }
    let targets = vec![snapshot.to_owned()];
    Progress::NotStarted { before: json!({ "shared_with": shares }), targets }
}

/// Takes back what the vault's account may do. Where that is nothing, nothing is sent.
async fn begin_unshared(
    real: &Real,
    call: &Call,
    action: &UnshareSnapshot,
) -> Result<Answer, CallError> {
    let (vault, side) = (vault(call)?, outside(real, call, action.at)?);
    let shares = shares_of(&side, action).await?;
    let Some(snapshot) = action.snapshot.as_ref().filter(|_| shares.contains(&vault.account))
    else {
        return Ok(Answer::Done(taken_back(vault)));
    };
    let sent = side
        .act
        .rds
        .modify_db_cluster_snapshot_attribute()
        .db_cluster_snapshot_identifier(cluster_name(snapshot))
        .attribute_name(RESTORE)
        .values_to_remove(&vault.account)
        .send()
        .await;
    match sent {
        Ok(_) => Ok(Answer::Accepted),
        Err(why) => {
            let why = error::trouble(why);
            // It went in between, and its share with it.
            if why.class == error::Class::Missing {
                return Ok(Answer::Done(taken_back(vault)));
            }
            why.begun(side.name("rds"), MODIFY)
        }
    }
}

fn taken_back(vault: &Vault) -> Done {
    Done::with([("account", json!(vault.account))])
}

/// Somebody made the snapshot everybody's, which is worse than whatever was to be done.
fn everybody(snapshot: &str) -> Progress {
    Progress::Foreign {
        saw: format!(
            "`{snapshot}` is shared with everybody; somebody made it public, and not Muster"
        ),
    }
}

/// The application's own account, where the snapshot lies.
fn outside(real: &Real, call: &Call, at: Role) -> Result<Arc<Side>, CallError> {
    Ok(real.aws.side(on(call)?.region(at)))
}

/// The accounts that may restore and copy a snapshot; nothing when it is not there.
async fn shares(side: &Side, snapshot: &str) -> Result<Option<BTreeSet<String>>, CallError> {
    let name = cluster_name(snapshot);
    let asked = side
        .look
        .rds
        .describe_db_cluster_snapshot_attributes()
        .db_cluster_snapshot_identifier(name);
    let answer = match asked.send().await {
        Ok(answer) => answer,
        Err(why) => {
            let why = error::trouble(why);
            return match why.class {
                error::Class::Missing => Ok(None),
                error::Class::NoAnswer
                | error::Class::Refused
                | error::Class::Credentials
                | error::Class::Busy
                | error::Class::Exists => Err(why.at(side.name("rds"), READ)),
            };
        }
    };
    // An answer without the attributes says nothing about them, and is not taken for "nobody".
    let told = answer.db_cluster_snapshot_attributes_result.ok_or_else(|| CallError::NoAnswer {
        service: side.name("rds"),
        operation: READ,
        source: "it names no attributes".into(),
    })?;
    let restore = told.db_cluster_snapshot_attributes.unwrap_or_default();
    let restore = restore.into_iter().filter(|one| one.attribute_name() == Some(RESTORE));
    Ok(Some(restore.flat_map(|one| one.attribute_values.unwrap_or_default()).collect()))
}

/// Looks for the copy that bears the call's token in the vault.
async fn observe_copied(
    real: &Real,
    call: &Call,
    action: &CopyToVault,
) -> Result<Reading, CallError> {
    let side = inside(real, call, vault(call)?).await?;
    let origin = Origin::Copy { source: &action.snapshot, data_time: action.data_time };
    snapshot::look(real, call, &side, |found| snapshot::seen(call, found, origin)).await
}

/// Copies the shared snapshot, as the vault's role: what is copied so belongs to that account.
async fn begin_copied(real: &Real, call: &Call, action: &CopyToVault) -> Result<Answer, CallError> {
    let vault = vault(call)?;
    let source = source(real, call, action).await?;
    let side = inside(real, call, vault).await?;
    let purpose = action.purpose.unwrap_or_default();
    // Both by the vault's own figures: AWS counts each account by itself.
    let reason = match snapshot::no_room(real, call, &side, purpose).await? {
        Some(reason) => Some(reason),
        None => snapshot::no_place(real, call, &side).await?,
    };
    if let Some(reason) = reason {
        return Ok(Answer::Busy { reason });
    }
    let sent = side
        .act
        .rds
        .copy_db_cluster_snapshot()
        .source_db_cluster_snapshot_identifier(&action.snapshot)
        .target_db_cluster_snapshot_identifier(call.token.as_str())
        .kms_key_id(&vault.key)
        .set_tags(Some(snapshot::tags_of_copy(call, real.epoch(), action.data_time, &source)))
        .send()
        .await;
    real.poller.forget(&side).await;
    match sent {
        Ok(_) => Ok(Answer::Accepted),
        Err(why) => snapshot::copy_failed(error::trouble(why), &side),
    }
}

/// The snapshot in the application's own account.
async fn source(
    real: &Real,
    call: &Call,
    action: &CopyToVault,
) -> Result<DbClusterSnapshot, CallError> {
    let side = outside(real, call, action.at)?;
    let since = call.asked_at - poller::CADENCE;
    let listed = real.poller.manual(&side, since, call.asked_at).await?;
    let found = named(&listed.snapshots, cluster_name(&action.snapshot)).cloned();
    found.ok_or_else(|| error::unfit(call, &format!("`{}` is not there", action.snapshot)))
}

#[cfg(test)]
mod tests;
