//! Another account that keeps copies: sharing, copying into it, and taking the share back.

use jiff::Timestamp;
use muster_runbooks::{
    action::vault::{CopyToVault, ShareSnapshot, UnshareSnapshot},
    application::{Component, Vault},
};
use muster_state::call::{Answer, Call, CallError, Done, Progress};
use serde_json::{Value, json};

use super::{
    Bound, Sim,
    backup::{self, Copy},
    fault::Fault,
    no_outside,
    snapshots::place_of,
    wire::Door,
};

const READ: &str = "DescribeDBClusterSnapshotAttributes";
const MODIFY: &str = "ModifyDBClusterSnapshotAttribute";

/// The vault of the database that a call is about.
pub(super) fn vault(call: &Call) -> Result<&Vault, CallError> {
    let database = call.component.as_deref().and_then(Component::database);
    database.and_then(|database| database.vault.as_ref()).ok_or_else(|| no_outside(call))
}

/// The way into the vault, for who is given one of its roles.
pub(super) fn door<'a>(
    sim: &Sim,
    now: Timestamp,
    vault: &'a Vault,
    operation: &'static str,
) -> Result<Door<'a>, CallError> {
    if sim.faults.at(now).any(|fault| matches!(fault, Fault::VaultClosed { .. })) {
        return Err(CallError::Refused {
            service: format!("sts {}", vault.region),
            operation: "AssumeRole",
            code: "AccessDenied".to_owned(),
            message: format!("nobody may assume `{}`", vault.role),
        });
    }
    Ok(Door::rds(&vault.region, operation))
}

pub(super) fn observe_shared(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &ShareSnapshot,
) -> Result<Progress, CallError> {
    let (bound, vault) = (Bound::database(call)?, vault(call)?);
    let at = sim.ask(now, Door::rds(bound.on.region(action.at), READ))?;
    if sim.snapshots.is_shared(&action.snapshot, &vault.account, at) {
        return Ok(Progress::Done(done(vault)));
    }
    Ok(not_started(&action.snapshot, false))
}

pub(super) fn begin_shared(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &ShareSnapshot,
) -> Result<Answer, CallError> {
    let (bound, vault) = (Bound::database(call)?, vault(call)?);
    let door = Door::rds(bound.on.region(action.at), MODIFY);
    sim.tell(now, door, |sim| {
        let is_there =
            sim.snapshots.get(&action.snapshot).is_some_and(|one| one.status(now).is_some());
        if !is_there {
            let message = format!("`{}` is not found", action.snapshot);
            return Err(door.refused("DBClusterSnapshotNotFoundFault", message));
        }
        if sim.snapshots.share(&action.snapshot, &vault.account, now, true) {
            sim.took_effect(now, call, MODIFY, &action.snapshot);
        }
        Ok(Answer::Accepted)
    })
}

pub(super) fn observe_unshared(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &UnshareSnapshot,
) -> Result<Progress, CallError> {
    let (bound, vault) = (Bound::database(call)?, vault(call)?);
    let at = sim.ask(now, Door::rds(bound.on.region(action.at), READ))?;
    let snapshot = action.snapshot.as_deref().unwrap_or_default();
    let is_shared = sim.snapshots.is_shared(snapshot, &vault.account, at);
    // As in the real world: what stands before is written down first.
    if call.aim.is_some() && !is_shared {
        return Ok(Progress::Done(done(vault)));
    }
    Ok(not_started(snapshot, is_shared))
}

pub(super) fn begin_unshared(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &UnshareSnapshot,
) -> Result<Answer, CallError> {
    let (bound, vault) = (Bound::database(call)?, vault(call)?);
    let door = Door::rds(bound.on.region(action.at), MODIFY);
    sim.tell(now, door, |sim| {
        let snapshot = action.snapshot.as_deref().unwrap_or_default();
        if sim.snapshots.share(snapshot, &vault.account, now, false) {
            sim.took_effect(now, call, MODIFY, snapshot);
        }
        Ok(Answer::Done(done(vault)))
    })
}

pub(super) fn observe_copied(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
) -> Result<Progress, CallError> {
    let vault = vault(call)?;
    door(sim, now, vault, "DescribeDBClusterSnapshots")?;
    backup::observe(sim, now, call, &vault.region, &vault.account)
}

pub(super) fn begin_copied(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &CopyToVault,
) -> Result<Answer, CallError> {
    let (bound, vault) = (Bound::database(call)?, vault(call)?);
    door(sim, now, vault, "CopyDBClusterSnapshot")?;
    let purpose = action.purpose.unwrap_or_default();
    let no_room = backup::no_room(sim, &vault.region, &vault.account, now, purpose);
    if let Some(reason) = no_room {
        return Ok(Answer::Busy { reason });
    }
    let copy = Copy {
        source: &action.snapshot,
        region: &vault.region,
        account: &vault.account,
        key: Some(vault.key.clone()),
    };
    backup::copy(sim, now, call, &bound, copy)
}

fn done(vault: &Vault) -> Done {
    Done::with([("account", json!(vault.account))])
}

fn not_started(snapshot: &str, is_shared: bool) -> Progress {
    let before: Value = json!({ "shared": is_shared });
    Progress::NotStarted { before, targets: vec![snapshot.to_owned()] }
}

impl Sim {
    /// Every snapshot that is shared with another account than its own, with that account.
    pub(super) fn shares(&self, at: Timestamp) -> Vec<(String, String)> {
        let is_open = |(arn, account): &(&str, &str)| {
            self.snapshots.is_shared(arn, account, at)
                && place_of(arn).is_some_and(|(_, own)| own != *account)
        };
        let mut open: Vec<(String, String)> = self
            .snapshots
            .ever_shared()
            .filter(is_open)
            .map(|(arn, account)| (arn.to_owned(), account.to_owned()))
            .collect();
        open.dedup();
        open
    }
}
