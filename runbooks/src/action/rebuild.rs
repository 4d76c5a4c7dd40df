//! Actions that bring databases back under their own names, where nothing of them stands any more.
//!
//! What stands is never restored over and never deleted. The master password stays the one of the recovery
//! point: it is what the application's own secret holds.

use super::{
    ComponentKind, Description, On, Role, action,
    restore::{START_INSTANCE, named},
};
use crate::{
    application::{Component, Rebuild},
    shell::{command, word},
    value::words,
};

words! {
    /// How a cluster or an instance came to be there.
    MadeBy {
        /// A build made it a member of the global cluster, and its data came from there.
        Replication = "by-replication",
        /// This step restored it from a recovery point.
        Restore = "by-restore",
        /// This step started it.
        Start = "by-this-step",
        /// It was there before.
        Others = "by-others",
    }
}

action! {
    /// Checks that every secret of the application can be seen at a side: its pods do not start without.
    CheckSecrets = "check-secrets", Reads, on: &[], needs_active: false, global: false,
    with {
        /// The side.
        at: Role,
    }
    gives {
        /// How many were seen.
        secrets: u32,
    }
}

impl CheckSecrets {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let region = on.region(self.at);
        let secrets = on.application.secrets.iter().map(|secret| &secret.secret);
        let by_hand: Vec<String> = secrets
            .map(|secret| {
                command!(
                    "aws secretsmanager describe-secret --region {} --secret-id {}",
                    region,
                    secret
                )
            })
            .collect();
        let permissions =
            if by_hand.is_empty() { &[][..] } else { &["secretsmanager:DescribeSecret"] };
        Description {
            effect: vec![format!("secretsmanager {region}: {} secrets (reads)", by_hand.len())],
            by_hand,
            permissions: named(permissions),
        }
    }
}

action! {
    /// Restores a recovery point as the cluster that the application declares for a side, unless one of that name
    /// stands: a reader of the application's global cluster has its data from there, and any other is for a person.
    RestoreDatabase = "restore-database", Named, on: &[ComponentKind::Databases], needs_active: false, global: false,
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
        /// How its data came there.
        made: MadeBy,
    }
}

impl RestoreDatabase {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let (region, point) = (on.region(self.at), &self.point);
        let cluster = cluster(on, self.at);
        let place = declared(on, self.at);
        let groups = place.map_or(vec!["GROUP".to_owned()], |place| place.security_groups.clone());
        let subnets = place.map_or("SUBNET_GROUP", |place| place.subnet_group.as_str());
        let parameters = place.and_then(|place| place.parameter_group.as_deref());
        let parameters = parameters.map_or_else(String::new, |group| {
            command!(" --db-cluster-parameter-group-name {}", group)
        });
        let words: Vec<String> = groups.iter().map(|one| word(one)).collect();
        Description {
            effect: vec![format!(
                "rds {region}: RestoreDBClusterFromSnapshot {point} as {cluster} in {subnets} behind {}, unless it stands",
                groups.join(", ")
            )],
            by_hand: vec![
                command!(
                    "aws rds describe-db-clusters --region {} --db-cluster-identifier {}",
                    region,
                    cluster
                ),
                format!(
                    "{} --vpc-security-group-ids {}{parameters} --deletion-protection",
                    command!(
                        "aws rds restore-db-cluster-from-snapshot --region {} --db-cluster-identifier {} \
                         --snapshot-identifier {} --engine aurora-postgresql --db-subnet-group-name {}",
                        region,
                        cluster,
                        point,
                        subnets
                    ),
                    words.join(" ")
                ),
            ],
            permissions: named(&[
                "rds:RestoreDBClusterFromSnapshot",
                "rds:AddTagsToResource",
                "rds:DescribeDBClusterSnapshots",
                "rds:DescribeDBClusters",
                "rds:DescribeGlobalClusters",
                "kms:CreateGrant",
                "kms:DescribeKey",
            ]),
        }
    }
}

action! {
    /// Starts an instance in the application's cluster of a side, unless one is there: until then nothing can be asked
    /// of it.
    StartDatabaseInstance = "start-database-instance", Named, on: &[ComponentKind::Databases], needs_active: false, global: false,
    with {
        /// The side where the cluster is.
        at: Role,
    }
    gives {
        /// The identifier of an instance that is available.
        instance: String,
        /// The address of the cluster.
        endpoint: String,
        /// The port of the cluster.
        port: u32,
        /// How it came to be there.
        made: MadeBy,
    }
}

impl StartDatabaseInstance {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let (region, cluster, token) = (on.region(self.at), cluster(on, self.at), on.token);
        let class = declared(on, self.at).map_or("CLASS", |place| place.instance_class.as_str());
        Description {
            effect: vec![format!(
                "rds {region}: CreateDBInstance {token} of {class} in {cluster}, unless it has one"
            )],
            by_hand: vec![command!(
                "aws rds create-db-instance --region {} --db-instance-identifier {} \
                 --db-cluster-identifier {} --db-instance-class {} --engine aurora-postgresql \
                 --no-publicly-accessible",
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
    /// Makes the application's global cluster anew, with a side's cluster as its writer. One that exists is not
    /// touched: while it does, its writer may come back.
    MakeGlobalCluster = "make-global-cluster", Named, on: &[ComponentKind::Databases], needs_active: false, global: false,
    with {
        /// The side whose cluster becomes the writer.
        to: Role,
    }
    gives {
        /// The ARN of the writer.
        writer: String,
    }
}

impl MakeGlobalCluster {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let region = on.region(self.to);
        let database = on.component.and_then(Component::database);
        let global = database.map_or("(no global cluster)", |database| &database.global_cluster);
        let arn = database.and_then(|database| database.clusters.get(region.as_str()));
        let arn = arn.map_or("(no cluster)", String::as_str);
        Description {
            effect: vec![format!("rds {region}: CreateGlobalCluster {global} of {arn}")],
            by_hand: vec![command!(
                "aws rds create-global-cluster --region {} --global-cluster-identifier {} \
                 --source-db-cluster-identifier {} --deletion-protection",
                region,
                global,
                arn
            )],
            permissions: named(&[
                "rds:CreateGlobalCluster",
                "rds:AddTagsToResource",
                "rds:DescribeGlobalClusters",
            ]),
        }
    }
}

/// Actions that make a database anew under its own name.
pub const MAKE: &[&str] = &["restore-database", "start-database-instance"];

/// Where the call's database is declared to be brought back to.
pub fn declared<'a>(on: &On<'a>, at: Role) -> Option<&'a Rebuild> {
    let database = on.component.and_then(Component::database)?;
    database.rebuild.get(on.region(at).as_str())
}

/// The identifier of the database's cluster at a side.
fn cluster<'a>(on: &On<'a>, at: Role) -> &'a str {
    let database = on.component.and_then(Component::database);
    let arn = database.and_then(|database| database.clusters.get(on.region(at).as_str()));
    arn.and_then(|arn| arn.rsplit(':').next()).unwrap_or("(no cluster)")
}
