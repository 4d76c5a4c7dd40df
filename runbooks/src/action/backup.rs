//! Actions that make, copy and expire recovery points.

use jiff::Timestamp;

use super::{ComponentKind, Description, On, Role, action};
use crate::{
    application::{Component, Purpose},
    value::Span,
};

action! {
    /// Takes a cluster snapshot of a database.
    SnapshotDatabase = "snapshot-database", Named, on: Some(ComponentKind::Databases), needs_active: false, global: false,
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
            by_hand: vec![format!(
                "aws rds create-db-cluster-snapshot --region {region} --db-cluster-identifier {cluster} \
                 --db-cluster-snapshot-identifier {}",
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
    CopySnapshot = "copy-snapshot", Named, on: Some(ComponentKind::Databases), needs_active: false, global: false,
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
            by_hand: vec![format!(
                "aws rds copy-db-cluster-snapshot --region {region} \
                 --source-db-cluster-snapshot-identifier {} --target-db-cluster-snapshot-identifier {} \
                 --kms-key-id {key}",
                self.snapshot, on.token
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

action! {
    /// Marks the recovery points that the policy lets go. Nothing is deleted before a day has passed.
    MarkExpired = "mark-expired", Reads, on: Some(ComponentKind::Databases), needs_active: false, global: false,
    with {
        /// The side whose points are judged.
        at: Role,
    }
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

impl MarkExpired {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        Description {
            effect: vec![format!("catalogue: mark expired points in {}", on.region(self.at))],
            permissions: vec![
                "rds:DescribeDBClusterSnapshots".to_owned(),
                "rds:DescribeDBClusters".to_owned(),
            ],
            ..Description::default()
        }
    }
}

action! {
    /// Deletes the points that were marked about a day ago and may still go, up to a cap.
    DeleteExpired = "delete-expired", Once, on: Some(ComponentKind::Databases), needs_active: false, global: false,
    with {
        /// The side whose points are deleted.
        at: Role,
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

impl DeleteExpired {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let region = on.region(self.at);
        Description {
            effect: vec![format!("rds {region}: DeleteDBClusterSnapshot, {} at most", self.cap)],
            by_hand: vec![format!(
                "aws rds delete-db-cluster-snapshot --region {region} --db-cluster-snapshot-identifier ID"
            )],
            permissions: vec![
                "rds:DeleteDBClusterSnapshot".to_owned(),
                "rds:DescribeDBClusterSnapshots".to_owned(),
                "rds:DescribeDBClusters".to_owned(),
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
