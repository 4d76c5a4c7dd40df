//! Actions that make and copy recovery points of databases.

use jiff::Timestamp;

use super::{ComponentKind, Description, On, Role, action};
use crate::{
    application::{Component, Purpose},
    shell::command,
    value::Span,
};

action! {
    /// Takes a cluster snapshot of a database.
    SnapshotDatabase = "snapshot-database", Named, on: &[ComponentKind::Databases], needs_active: false, global: false,
    with {
        /// The side whose cluster is read.
        at: Role,
        /// The schema version that the application runs, kept as a tag.
        schema_version: Option<String>,
        /// What it is made for, kept as a tag; a night's backup when nothing is said.
        purpose: Option<Purpose>,
        /// For how long it is meant as a way back, for one that is.
        rollback_window: Option<Span>,
    }
    gives {
        /// The ARN of the snapshot.
        snapshot: String,
        /// The instant that the data is from, read from the provider.
        data_time: Timestamp,
    }
}

impl SnapshotDatabase {
    /// What it is for.
    pub fn purpose(&self) -> Purpose {
        self.purpose.unwrap_or(Purpose::Backup)
    }

    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let region = on.region(self.at);
        let cluster = cluster(on, region);
        Description {
            effect: vec![format!(
                "rds {region}: CreateDBClusterSnapshot {} of {cluster}",
                on.token
            )],
            by_hand: vec![command!(
                "aws rds create-db-cluster-snapshot --region {} --db-cluster-identifier {} \
                 --db-cluster-snapshot-identifier {}",
                region,
                cluster,
                on.token
            )],
            permissions: [
                "rds:CreateDBClusterSnapshot",
                "rds:AddTagsToResource",
                "rds:DescribeDBClusterSnapshots",
            ]
            .into_iter()
            .chain((!self.purpose().is_urgent()).then_some("rds:DescribeAccountAttributes"))
            .map(str::to_owned)
            .collect(),
        }
    }
}

action! {
    /// Copies a cluster snapshot to another region under that region's key.
    CopySnapshot = "copy-snapshot", Named, on: &[ComponentKind::Databases], needs_active: false, global: false,
    with {
        /// The ARN of the snapshot to copy.
        snapshot: String,
        /// The instant that the data is from; the copy's own time differs (facts §2).
        data_time: Timestamp,
        /// The side that receives the copy.
        to: Role,
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

impl CopySnapshot {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let region = on.region(self.to);
        let key = database(on).and_then(|database| database.copy_keys.get(region.as_str()));
        let key = key.map_or("the account's default key", String::as_str);
        Description {
            effect: vec![format!(
                "rds {region}: CopyDBClusterSnapshot {} to {} under {key}",
                self.snapshot, on.token
            )],
            by_hand: vec![command!(
                "aws rds copy-db-cluster-snapshot --region {} \
                 --source-db-cluster-snapshot-identifier {} --target-db-cluster-snapshot-identifier {} \
                 --kms-key-id {}",
                region,
                self.snapshot,
                on.token,
                key
            )],
            permissions: vec![
                "rds:CopyDBClusterSnapshot".to_owned(),
                "rds:AddTagsToResource".to_owned(),
                "rds:DescribeDBClusterSnapshots".to_owned(),
                "kms:CreateGrant".to_owned(),
                "kms:DescribeKey".to_owned(),
            ],
        }
    }
}

fn database<'a>(on: &On<'a>) -> Option<&'a crate::application::Database> {
    on.component.and_then(Component::database)
}

fn cluster<'a>(on: &On<'a>, region: &crate::name::Region) -> &'a str {
    database(on)
        .and_then(|database| database.clusters.get(region.as_str()))
        .map_or("(no cluster)", String::as_str)
}
