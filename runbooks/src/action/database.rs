//! Actions that decide who writes.

use super::{ComponentKind, Description, On, Role, action};
use crate::{
    application::Component,
    shell::command,
    value::{Loss, Span, words},
};

words! {
    /// How sure it is that the old side cannot write (facts §7, rule 2).
    Verdict {
        /// Seen from the old side itself, or by its own lease running out.
        Proven = "proven",
        /// Asked for, and not seen.
        Attempted = "attempted",
        /// The old side cannot be reached and holds no lease.
        Impossible = "impossible",
    }
}

action! {
    /// Finds out whether the old side can still write. Goes on when that is proven or the risk was accepted.
    Fence = "fence", Reads, on: &[ComponentKind::Databases], needs_active: false, global: false,
    with {}
    gives {
        /// `proven`, `attempted` or `impossible`.
        verdict: Verdict,
    }
}

impl Fence {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let region = on.active;
        Description {
            effect: vec![format!(
                "rds {region}: is the cluster still a writer (reads, best effort)"
            )],
            by_hand: vec![super::check::describe(on, region)],
            permissions: vec![
                "rds:DescribeGlobalClusters".to_owned(),
                "rds:DescribeDBClusters".to_owned(),
            ],
        }
    }
}

action! {
    /// Makes a side the writer with no data loss. Needs both sides healthy (facts §1.1).
    SwitchoverDatabase = "switchover-database", SetLike, on: &[ComponentKind::Databases], needs_active: true, global: false,
    with {
        /// The side that becomes the writer.
        to: Role,
    }
    gives {
        /// The ARN of the cluster that writes now.
        writer: String,
        /// How long the switch took, seen from here.
        took: Span,
        /// The data lost: none, because a switchover waits for the replica.
        data_loss: Loss,
    }
}

impl SwitchoverDatabase {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        // Facts §1.1: a switchover is asked for in the region of the present writer.
        let (region, target) = (on.across(self.to), cluster(on, self.to));
        let global = global(on);
        Description {
            effect: vec![format!("rds {region}: SwitchoverGlobalCluster {global} to {target}")],
            by_hand: vec![command!(
                "aws rds switchover-global-cluster --region {} --global-cluster-identifier {} \
                 --target-db-cluster-identifier {}",
                region,
                global,
                target
            )],
            permissions: promote("rds:SwitchoverGlobalCluster"),
        }
    }
}

action! {
    /// Makes a side the writer and accepts the loss of what was not replicated.
    FailoverDatabase = "failover-database", SetLike, on: &[ComponentKind::Databases], needs_active: false, global: false,
    with {
        /// The side that becomes the writer.
        to: Role,
        /// The loss that the request accepts.
        data_loss_max: Option<Span>,
    }
    gives {
        /// The ARN of the cluster that writes now.
        writer: String,
        /// How long the failover took, seen from here.
        took: Span,
        /// The measured data loss: the upper end of the range, or `unknown`.
        data_loss: Loss,
        /// How it was measured, with the range.
        measured_by: String,
    }
}

impl FailoverDatabase {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        // Facts §1.1: a failover with data loss is asked for in the region of the target.
        let (region, target) = (on.region(self.to), cluster(on, self.to));
        let global = global(on);
        Description {
            effect: vec![format!(
                "rds {region}: FailoverGlobalCluster {global} to {target}, AllowDataLoss"
            )],
            by_hand: vec![command!(
                "aws rds failover-global-cluster --region {} --global-cluster-identifier {} \
                 --target-db-cluster-identifier {} --allow-data-loss",
                region,
                global,
                target
            )],
            permissions: {
                let mut permissions = promote("rds:FailoverGlobalCluster");
                // The loss is measured by the last sample of the standby.
                permissions.push("cloudwatch:GetMetricData".to_owned());
                permissions
            },
        }
    }
}

action! {
    /// Makes another instance of the same cluster the writer.
    FailoverInRegion = "failover-in-region", Once, on: &[ComponentKind::Databases], needs_active: true, global: false,
    with {
        /// The side whose cluster fails over.
        at: Role,
    }
    gives {
        /// The instance that writes now.
        writer: String,
        /// How long it took, seen from here.
        took: Span,
    }
}

impl FailoverInRegion {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let (region, name) = (on.region(self.at), cluster(on, self.at));
        Description {
            effect: vec![format!("rds {region}: FailoverDBCluster {name}")],
            by_hand: vec![command!(
                "aws rds failover-db-cluster --region {} --db-cluster-identifier {}",
                region,
                name
            )],
            permissions: vec![
                "rds:FailoverDBCluster".to_owned(),
                "rds:DescribeDBClusters".to_owned(),
                "rds:DescribeDBInstances".to_owned(),
            ],
        }
    }
}

fn promote(call: &str) -> Vec<String> {
    [call, "rds:DescribeGlobalClusters", "rds:DescribeDBClusters", "rds:DescribeDBInstances"]
        .map(str::to_owned)
        .to_vec()
}

fn cluster<'a>(on: &On<'a>, role: Role) -> &'a str {
    let database = on.component.and_then(Component::database);
    database
        .and_then(|database| database.clusters.get(on.region(role).as_str()))
        .map_or("(no cluster)", String::as_str)
}

fn global<'a>(on: &On<'a>) -> &'a str {
    let database = on.component.and_then(Component::database);
    database.map_or("(no global cluster)", |database| &database.global_cluster)
}
