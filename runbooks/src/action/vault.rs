//! Actions that keep copies of recovery points in another account, and let them go there.

use jiff::Timestamp;

use super::{ComponentKind, Description, On, Role, action};
use crate::application::{Component, Purpose, Vault};

action! {
    /// Shares a cluster snapshot with the vault's account, and with nobody else.
    ShareSnapshot = "share-snapshot", SetLike, on: Some(ComponentKind::Databases), needs_active: false, global: false,
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
    CopyToVault = "copy-to-vault", Named, on: Some(ComponentKind::Databases), needs_active: false, global: false,
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
                format!(
                    "aws sts assume-role --region {region} --role-arn {role} --role-session-name by-hand"
                ),
                format!(
                    "aws rds copy-db-cluster-snapshot --region {region} \
                     --source-db-cluster-snapshot-identifier {} --target-db-cluster-snapshot-identifier {} \
                     --kms-key-id {key}",
                    self.snapshot, on.token
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
    UnshareSnapshot = "unshare-snapshot", SetLike, on: Some(ComponentKind::Databases), needs_active: false, global: false,
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

action! {
    /// Marks the vault's copies that the policy lets go. Nothing is deleted before a day has passed.
    MarkVaultExpired = "mark-vault-expired", Reads, on: Some(ComponentKind::Databases), needs_active: false, global: false,
    with {}
    gives {
        /// How many were marked in this run.
        marked: u32,
        /// How many are kept.
        kept: u32,
        /// Which were marked, each with its age.
        marks: Vec<String>,
        /// Which were marked long enough ago, and would be deleted now if the cap allows.
        deletes: Vec<String>,
        /// Which stay, each with every reason.
        keeps: Vec<String>,
    }
}

impl MarkVaultExpired {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let Some(Vault { region, account, .. }) = vault(on) else { return Description::default() };
        Description {
            effect: vec![format!("catalogue: mark expired points in {region} of {account}")],
            permissions: [
                "sts:AssumeRole",
                "rds:DescribeDBClusterSnapshots",
                "rds:DescribeDBClusters",
            ]
            .map(str::to_owned)
            .into(),
            ..Description::default()
        }
    }
}

action! {
    /// Deletes the vault's copies that were marked about a day ago and may still go, up to a cap. Left out
    /// where no role may delete there.
    DeleteVaultExpired = "delete-vault-expired", Once, on: Some(ComponentKind::Databases), needs_active: false, global: false,
    with {
        /// The most that one run may delete.
        cap: u32,
    }
    gives {
        /// How many were deleted.
        deleted: u32,
        /// How many could not be, each with its cause in the run's notes.
        undeletable: u32,
    }
}

impl DeleteVaultExpired {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let Some(Vault { region, account, expiry_role, .. }) = vault(on) else {
            return Description::default();
        };
        let role = expiry_role.as_deref().unwrap_or("(no role)");
        Description {
            effect: vec![format!(
                "rds {region} of {account}: DeleteDBClusterSnapshot, {} at most",
                self.cap
            )],
            by_hand: vec![
                format!(
                    "aws sts assume-role --region {region} --role-arn {role} --role-session-name by-hand"
                ),
                format!(
                    "aws rds delete-db-cluster-snapshot --region {region} --db-cluster-snapshot-identifier ID"
                ),
            ],
            permissions: [
                "sts:AssumeRole",
                "rds:DeleteDBClusterSnapshot",
                "rds:DescribeDBClusterSnapshots",
                "rds:DescribeDBClusters",
            ]
            .map(str::to_owned)
            .into(),
        }
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
        by_hand: vec![format!(
            "aws rds modify-db-cluster-snapshot-attribute --region {region} \
             --db-cluster-snapshot-identifier {name} --attribute-name restore --values-to-{how} {account}"
        )],
        permissions: [
            "rds:ModifyDBClusterSnapshotAttribute",
            "rds:DescribeDBClusterSnapshotAttributes",
        ]
        .map(str::to_owned)
        .into(),
    }
}

fn vault<'a>(on: &On<'a>) -> Option<&'a Vault> {
    on.component.and_then(Component::database)?.vault.as_ref()
}
