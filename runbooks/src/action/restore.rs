//! Actions of a restore test: a recovery point is brought back beside everything else, looked at, and
//! taken away again.
//!
//! What they make is drill-owned: it bears the name `muster-drill-…` and our tags, and only what bears
//! both is ever changed or deleted here.

use jiff::Timestamp;

use super::{ComponentKind, Description, On, Role, action};
use crate::{
    application::{Component, RestoreTest},
    shell::{command, word},
    value::{Loss, Span, words},
};

words! {
    /// How one part of a restore test ended.
    TestStatus {
        /// It was seen to be well.
        Succeeded = "succeeded",
        /// It was tried and went wrong, or was given up half-way.
        Failed = "failed",
        /// It was not tried.
        NotDone = "not_done",
        /// It is still to be done, by somebody.
        Pending = "pending",
    }
}

words! {
    /// Which recovery point serves best.
    Preference {
        /// The one that was not proven for longest: for a test.
        Unproven = "unproven",
        /// The one of the newest data: for a day on which it is all that is left.
        Newest = "newest",
    }
}

action! {
    /// Chooses a recovery point: the one that was asked for, or else the one that was not proven for longest,
    /// the newest of these; or the newest of all.
    ChoosePoint = "choose-point", Reads, on: &[ComponentKind::Databases], needs_active: false, global: false,
    with {
        /// The side whose points are chosen from.
        at: Role,
        /// The ARN of the point. It decides for its own database; the others choose.
        point: Option<String>,
        /// Which one is chosen when none was asked for; `unproven` when nothing is said.
        prefer: Option<Preference>,
    }
    gives {
        /// The ARN of the point.
        point: String,
        /// The instant that its data is from.
        data_time: Timestamp,
        /// What is lost if users go on from here: everything since that instant.
        data_loss: Loss,
        /// What that was counted from.
        predicted_by: String,
    }
}

impl ChoosePoint {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let region = on.region(self.at);
        Description {
            effect: vec![format!("catalogue: choose a recovery point in {region} (reads)")],
            by_hand: vec![command!(
                "aws rds describe-db-cluster-snapshots --region {} --snapshot-type manual",
                region
            )],
            permissions: named(&["rds:DescribeDBClusterSnapshots"]),
        }
    }
}

action! {
    /// Restores a recovery point as a cluster of its own, in the declared subnets and security groups.
    RestoreCluster = "restore-cluster", Named, on: &[ComponentKind::Databases], needs_active: false, global: false,
    with {
        /// The side where it is restored; the point must be there.
        at: Role,
        /// The ARN of the point.
        point: String,
    }
    gives {
        /// The identifier of the cluster.
        cluster: String,
        /// Its ARN.
        arn: String,
        /// When its restore was promised: the minutes are counted from here.
        began_at: Timestamp,
    }
}

impl RestoreCluster {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let (region, point, token) = (on.region(self.at), &self.point, on.token);
        let place = declared(on, self.at)
            .map_or("subnets that nobody declared".to_owned(), |place| {
                format!("{} behind {}", place.subnet_group, place.security_groups.join(", "))
            });
        let (subnets, groups) = declared(on, self.at).map_or(
            ("SUBNET_GROUP".to_owned(), "GROUP".to_owned()),
            |place| {
                let groups: Vec<String> =
                    place.security_groups.iter().map(|one| word(one)).collect();
                (place.subnet_group.clone(), groups.join(" "))
            },
        );
        Description {
            effect: vec![format!(
                "rds {region}: RestoreDBClusterFromSnapshot {point} as {token} in {place}"
            )],
            by_hand: vec![format!(
                "{} --vpc-security-group-ids {groups} --no-deletion-protection --tags Key=muster:drill,Value=by-hand",
                command!(
                    "aws rds restore-db-cluster-from-snapshot --region {} --db-cluster-identifier {} \
                     --snapshot-identifier {} --engine aurora-postgresql --db-subnet-group-name {}",
                    region,
                    token,
                    point,
                    subnets
                )
            )],
            permissions: named(&[
                "rds:RestoreDBClusterFromSnapshot",
                "rds:AddTagsToResource",
                "rds:DescribeDBClusterSnapshots",
                "rds:DescribeDBClusters",
                "kms:CreateGrant",
                "kms:DescribeKey",
            ]),
        }
    }
}

action! {
    /// Has AWS make a new master password for a restored cluster and keep it in Secrets Manager. Nobody
    /// who knows the password of the source gets in, and no password passes through Muster.
    RotatePassword = "rotate-password", Named, on: &[ComponentKind::Databases], needs_active: false, global: false,
    with {
        /// The side where the cluster is.
        at: Role,
        /// The identifier of the cluster.
        cluster: String,
    }
    gives {
        /// The ARN of the secret that holds the password.
        secret: String,
    }
}

impl RotatePassword {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let (region, cluster) = (on.region(self.at), &self.cluster);
        Description {
            effect: vec![format!(
                "rds {region}: ModifyDBCluster {cluster}, a new password kept by Secrets Manager"
            )],
            by_hand: vec![command!(
                "aws rds modify-db-cluster --region {} --db-cluster-identifier {} \
                 --manage-master-user-password --apply-immediately",
                region,
                cluster
            )],
            permissions: named(&[
                "rds:ModifyDBCluster",
                "rds:DescribeDBClusters",
                "secretsmanager:CreateSecret",
                "secretsmanager:TagResource",
                "kms:DescribeKey",
            ]),
        }
    }
}

/// What whoever starts an instance in a cluster may do.
pub(super) const START_INSTANCE: &[&str] = &[
    "rds:CreateDBInstance",
    "rds:AddTagsToResource",
    "rds:DescribeDBClusters",
    "rds:DescribeDBInstances",
];

action! {
    /// Starts an instance in a restored cluster: until then nothing can be asked of it.
    StartInstance = "start-instance", Named, on: &[ComponentKind::Databases], needs_active: false, global: false,
    with {
        /// The side where the cluster is.
        at: Role,
        /// The identifier of the cluster.
        cluster: String,
        /// The secret with its own password: without one the password of the source would open it.
        secret: String,
        /// When the restore was promised.
        began_at: Timestamp,
    }
    gives {
        /// The identifier of the instance.
        instance: String,
        /// The address of the cluster.
        endpoint: String,
        /// The port of the cluster.
        port: u32,
        /// From the promise of the restore until the instance was seen available.
        restore_took: Span,
    }
}

impl StartInstance {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let (region, cluster, token) = (on.region(self.at), &self.cluster, on.token);
        let class = declared(on, self.at).map_or("CLASS", |place| place.instance_class.as_str());
        Description {
            effect: vec![format!("rds {region}: CreateDBInstance {token} of {class} in {cluster}")],
            by_hand: vec![command!(
                "aws rds create-db-instance --region {} --db-instance-identifier {} \
                 --db-cluster-identifier {} --db-instance-class {} --engine aurora-postgresql \
                 --no-publicly-accessible --tags Key=muster:drill,Value=by-hand",
                region,
                token,
                cluster,
                class
            )],
            permissions: named(START_INSTANCE),
        }
    }
}

action! {
    /// Deletes the instances that this run started, and no other: name and tags are read again before
    /// each.
    RemoveInstance = "remove-instance", Named, on: &[ComponentKind::Databases], needs_active: false, global: false,
    with {
        /// The side where they are.
        at: Role,
    }
    gives {
        /// When none was left.
        gone_at: Timestamp,
    }
}

impl RemoveInstance {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let (region, run) = (on.region(self.at), of_run(on.token));
        Description {
            effect: vec![format!("rds {region}: DeleteDBInstance of every {run}-* with our tags")],
            by_hand: vec![command!(
                "aws rds delete-db-instance --region {} --db-instance-identifier {} \
                 --skip-final-snapshot",
                region,
                format!("{run}-…")
            )],
            permissions: named(&["rds:DeleteDBInstance", "rds:DescribeDBInstances"]),
        }
    }
}

action! {
    /// Deletes the clusters that this run restored, and no other: name and tags are read again before
    /// each.
    RemoveCluster = "remove-cluster", Named, on: &[ComponentKind::Databases], needs_active: false, global: false,
    with {
        /// The side where they are.
        at: Role,
    }
    gives {
        /// When none was left.
        gone_at: Timestamp,
    }
}

impl RemoveCluster {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let (region, run) = (on.region(self.at), of_run(on.token));
        Description {
            effect: vec![format!("rds {region}: DeleteDBCluster of every {run}-* with our tags")],
            by_hand: vec![command!(
                "aws rds delete-db-cluster --region {} --db-cluster-identifier {} \
                 --skip-final-snapshot",
                region,
                format!("{run}-…")
            )],
            permissions: named(&["rds:DeleteDBCluster", "rds:DescribeDBClusters"]),
        }
    }
}

action! {
    /// Writes down with a recovery point how its test went: restore, validation and clean-up, each by
    /// itself. It reads that from the run's own steps, and is a step of `finally`, so that a test that
    /// failed or was given up is written down too.
    StampPoint = "stamp-point", Inside, on: &[ComponentKind::Databases], needs_active: false, global: false,
    with {
        /// The ARN of the point; nothing is written down when none was chosen.
        point: Option<String>,
        /// Whether a check that proves data passed. Nothing else makes a point a verified one.
        proven: Option<bool>,
        /// How long the restore took.
        restore_took: Option<Span>,
    }
    gives {
        /// How the restore ended.
        restore: TestStatus,
        /// How the checks ended.
        validation: TestStatus,
        /// How the clean-up ended.
        clean_up: TestStatus,
    }
}

impl StampPoint {
    pub(super) fn describe(&self, _on: &On<'_>) -> Description {
        let point = self.point.as_deref().unwrap_or("the point that was chosen");
        Description {
            effect: vec![format!("catalogue: write down how the test of {point} went")],
            ..Description::default()
        }
    }
}

action! {
    /// Looks in both regions for what restore tests left behind: drill-owned clusters and instances whose
    /// run is over, or that are past their time. Each is a finding with its age until it is gone.
    FindLeaks = "find-leaks", Reads, on: &[], needs_active: false, global: false,
    with {}
    gives {
        /// How many are there.
        leaks: u32,
    }
}

impl FindLeaks {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let sides = [on.active, on.standby];
        let look = |region| format!("rds {region}: clusters and instances muster-drill-* (reads)");
        let by_hand = |region: &&crate::name::Region| {
            command!("aws rds describe-db-clusters --region {}", region)
        };
        Description {
            effect: sides.iter().map(look).collect(),
            by_hand: sides.iter().map(by_hand).collect(),
            permissions: named(&["rds:DescribeDBClusters", "rds:DescribeDBInstances"]),
        }
    }
}

/// Actions that make something outside which a drill owns, and which costs money until it is removed.
pub const MAKE: &[&str] = &["restore-cluster", "start-instance"];

/// What takes away again what each of [`MAKE`] makes.
pub const REMOVE: &[&str] = &["remove-cluster", "remove-instance"];

/// Where a restore of the call's database is declared to land.
pub fn declared<'a>(on: &On<'a>, at: Role) -> Option<&'a RestoreTest> {
    let database = on.component.and_then(Component::database)?;
    database.restore_test.get(on.region(at).as_str())
}

/// The permissions as a description holds them.
pub(super) fn named(permissions: &[&str]) -> Vec<String> {
    permissions.iter().map(|&name| name.to_owned()).collect()
}

/// What the names of everything begin with that a run's drill owns, from one of the run's own names.
fn of_run(token: &str) -> String {
    let rest = token.strip_prefix("muster-drill-").or_else(|| token.strip_prefix("muster-"));
    let run = rest.and_then(|rest| rest.split('-').next()).unwrap_or_default();
    format!("muster-drill-{run}")
}
