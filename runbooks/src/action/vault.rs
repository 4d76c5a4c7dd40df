//! Actions that keep copies of recovery points in another account. What lets them go there is in
//! [`super::expiry`], as for every other place.

use jiff::Timestamp;

use super::{ComponentKind, Description, On, Role, action};
use crate::application::{Component, Purpose, Vault};
use crate::shell::command;

action! {
    /// Shares a cluster snapshot with the vault's account, and with nobody else.
    ShareSnapshot = "share-snapshot", SetLike, on: &[ComponentKind::Databases], needs_active: false, global: false,
    with {
        /// The ARN of the snapshot.
        snapshot: String,
        /// The side where it lies. The step is left out where that is not the vault's region.
        at: Role,
    }
    gives {
        /// The account that may restore and copy it now.
        account: String,
    }
}

impl ShareSnapshot {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        attribute(on, self.at, &self.snapshot, "add")
    }
}

action! {
    /// Copies a shared cluster snapshot into the vault's account, under a key of that account.
    CopyToVault = "copy-to-vault", Named, on: &[ComponentKind::Databases], needs_active: false, global: false,
    with {
        /// The ARN of the snapshot to copy.
        snapshot: String,
        /// The instant that the data is from; the copy's own time differs (facts §2).
        data_time: Timestamp,
        /// The side where it lies. The step is left out where that is not the vault's region.
        at: Role,
        /// What it is made for, as its source was.
        purpose: Option<Purpose>,
    }
    gives {
        /// The ARN of the copy.
        snapshot: String,
        /// The instant that the data is from.
        data_time: Timestamp,
    }
}

impl CopyToVault {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let Some(vault) = vault(on) else { return Description::default() };
        let Vault { region, account, role, key, .. } = vault;
        Description {
            effect: vec![format!(
                "rds {region} of {account}: CopyDBClusterSnapshot {} to {} under {key}",
                self.snapshot, on.token
            )],
            by_hand: vec![
                command!(
                    "aws sts assume-role --region {} --role-arn {} --role-session-name by-hand",
                    region,
                    role
                ),
                command!(
                    "aws rds copy-db-cluster-snapshot --region {} \
                     --source-db-cluster-snapshot-identifier {} --target-db-cluster-snapshot-identifier {} \
                     --kms-key-id {}",
                    region,
                    self.snapshot,
                    on.token,
                    key
                ),
            ],
            permissions: [
                "sts:AssumeRole",
                "rds:CopyDBClusterSnapshot",
                "rds:AddTagsToResource",
                "rds:DescribeDBClusterSnapshots",
                "rds:DescribeAccountAttributes",
                "kms:CreateGrant",
                "kms:DescribeKey",
            ]
            .map(str::to_owned)
            .into(),
        }
    }
}

action! {
    /// Takes back what the vault's account may do with a cluster snapshot.
    UnshareSnapshot = "unshare-snapshot", SetLike, on: &[ComponentKind::Databases], needs_active: false, global: false,
    with {
        /// The ARN of the snapshot; where there is none, nothing was shared.
        snapshot: Option<String>,
        /// The side where it lies. The step is left out where that is not the vault's region.
        at: Role,
    }
    gives {
        /// The account that it is not shared with any more.
        account: String,
    }
}

impl UnshareSnapshot {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let snapshot = self.snapshot.as_deref().unwrap_or("(no snapshot)");
        attribute(on, self.at, snapshot, "remove")
    }
}

/// What sharing and taking back have in common: one attribute, one account (facts §2; never `all`).
fn attribute(on: &On<'_>, at: Role, snapshot: &str, how: &str) -> Description {
    let Some(Vault { account, .. }) = vault(on) else { return Description::default() };
    let region = on.region(at);
    let name = snapshot.rsplit(':').next().unwrap_or(snapshot);
    Description {
        effect: vec![format!(
            "rds {region}: ModifyDBClusterSnapshotAttribute {name}: restore, {how} {account}"
        )],
        by_hand: vec![command!(
            "aws rds modify-db-cluster-snapshot-attribute --region {} \
             --db-cluster-snapshot-identifier {} --attribute-name restore --values-to-{} {}",
            region,
            name,
            how,
            account
        )],
        permissions: [
            "rds:ModifyDBClusterSnapshotAttribute",
            "rds:DescribeDBClusterSnapshotAttributes",
        ]
        .map(str::to_owned)
        .into(),
    }
}

/// The vault of the database that a step works on, if it has one.
pub(super) fn vault<'a>(on: &On<'a>) -> Option<&'a Vault> {
    on.component.and_then(Component::database)?.vault.as_ref()
}
