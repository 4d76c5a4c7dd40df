//! Actions that look and do not touch, and the canary that proves a path.

use super::{ComponentKind, Description, On, Role, action};
use crate::{
    application::{
        Component,
        detection::{Observer, Sight},
    },
    name::Region,
    shell::command,
    value::{Loss, Span},
};

action! {
    /// Checks that a planned switchover of a database is possible now.
    CheckReadiness = "check-readiness", Reads, on: &[ComponentKind::Databases], needs_active: true, global: false,
    with {
        /// The replication lag that is still good enough.
        lag_max: Span,
    }
    gives {
        /// Replication lag, or `unknown`.
        data_loss: Loss,
        /// The path that is open: `switchover`, `failover` or `detach`.
        path: String,
    }
}

impl CheckReadiness {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let active = on.active;
        Description {
            effect: vec![format!(
                "rds {active}: DescribeGlobalClusters, DescribeDBClusters (reads)"
            )],
            by_hand: vec![describe(on, active)],
            permissions: named(&[READ_DATABASE, READ_INSTANCES]),
        }
    }
}

action! {
    /// Predicts what a failover with data loss would lose, from the last sample seen at the standby.
    PredictLoss = "predict-loss", Reads, on: &[ComponentKind::Databases], needs_active: false, global: false,
    with {}
    gives {
        /// An upper bound: the age of the last sample plus its lag, or `unknown`.
        data_loss: Loss,
        /// The sample, its age and the assumption, in a sentence.
        predicted_by: String,
        /// The path that is open: `switchover`, `failover` or `detach`.
        path: String,
    }
}

impl PredictLoss {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let standby = on.standby;
        Description {
            effect: vec![format!(
                "cloudwatch and rds {standby}: last lag sample, standby's state (reads)"
            )],
            by_hand: vec![describe(on, standby)],
            permissions: named(&[READ_DATABASE]),
        }
    }
}

action! {
    /// Asks the application's observers whether the active region is lost.
    CheckObservers = "check-observers", Reads, on: &[], needs_active: false, global: false,
    with {
        /// How many failure domains must agree.
        quorum: u32,
        /// For how long the loss must have stood.
        window: Span,
    }
    gives {
        /// `lost`, `healthy`, `disagree` or `unknown`.
        verdict: String,
        /// What was seen, in a sentence per observer.
        seen: String,
    }
}

impl CheckObservers {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        Description {
            effect: vec![format!(
                "http: ask {} observers about {} (reads)",
                on.application.observers.len(),
                on.active,
            )],
            by_hand: vec![format!("muster detection {}", on.application.name)],
            permissions: {
                let by_alarm = |one: &Observer| matches!(one.by, Sight::Alarms(_));
                let asks = on.application.observers.iter().any(by_alarm);
                asks.then(|| "cloudwatch:DescribeAlarms".to_owned()).into_iter().collect()
            },
        }
    }
}

action! {
    /// Measures how far replication of a database is behind.
    CheckReplication = "check-replication", Reads, on: &[ComponentKind::Databases], needs_active: false, global: false,
    with {
        /// Fails when a lag is over this, or both are unknown.
        lag_max: Span,
    }
    gives {
        /// Replication lag by the provider's own metric, or `unknown`.
        lag: Loss,
        /// The most that the canary shows to be missing, or `unknown`.
        canary_lag: Loss,
    }
}

impl CheckReplication {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        Description {
            effect: vec![format!("rds and cloudwatch {}: replication lag (reads)", on.standby)],
            by_hand: vec![describe(on, on.standby)],
            permissions: named(&[&["rds:DescribeGlobalClusters", "cloudwatch:GetMetricData"]]),
        }
    }
}

action! {
    /// Checks that a side writes, answers and is what the zone's own name servers say. Where a canary is declared, one of its rows must have committed there since the step began.
    CheckActive = "check-active", Reads, on: &[ComponentKind::Databases], needs_active: false, global: false,
    with {
        /// The side that should serve.
        at: Role,
    }
    gives {
        /// The region of the writer.
        writer: String,
        /// What the name servers answered.
        answers: String,
        /// The write that was seen to commit there, or why there is none.
        wrote: String,
    }
}

impl CheckActive {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let region = on.region(self.at);
        Description {
            effect: vec![format!("rds {region}, dns, http: writer, answers and probe (reads)")],
            by_hand: vec![describe(on, region)],
            permissions: named(&[READ_INSTANCES]),
        }
    }
}

action! {
    /// Writes a small object into a bucket and waits until its replica arrives.
    WriteCanary = "write-canary", Named, on: &[ComponentKind::Buckets], needs_active: true, global: false,
    with {
        /// The side that is written; the replica is looked for at the other one.
        at: Role,
    }
    gives {
        /// How long the last replica took to arrive.
        arrived_after: Span,
        /// How long each took, as `PREFIX 12s`.
        arrived: Vec<String>,
    }
}

impl WriteCanary {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let (bucket, prefixes) = match on.component.and_then(Component::bucket) {
            Some(bucket) => {
                let name = bucket.buckets.get(on.region(self.at).as_str());
                (name.map_or("(no bucket)", String::as_str), bucket.canaries())
            }
            None => ("(no bucket)", vec!["PREFIX"]),
        };
        let (region, token) = (on.region(self.at), on.token);
        let each = |line: &dyn Fn(&str) -> String| prefixes.iter().map(|one| line(one)).collect();
        Description {
            effect: each(&|prefix| format!("s3 {region}: PutObject {bucket}/{prefix}/{token}")),
            by_hand: each(&|prefix| {
                let key = format!("{prefix}/{token}");
                command!(
                    "aws s3api put-object --region {} --bucket {} --key {}",
                    region,
                    bucket,
                    key
                )
            }),
            // Without `ListBucket` S3 answers 403 for an object that is not there yet, and not 404.
            permissions: named(&[&["s3:PutObject", "s3:GetObject", "s3:ListBucket"]]),
        }
    }
}

action! {
    /// Asks a side over HTTP whether it serves.
    Probe = "probe", Reads, on: &[], needs_active: false, global: false,
    with {
        /// The side that is asked.
        at: Role,
    }
    gives {
        /// The HTTP status that came back.
        status: u32,
    }
}

impl Probe {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let region = on.region(self.at);
        let url = on.application.probes.get(region.as_str()).map_or("(no probe)", String::as_str);
        Description {
            effect: vec![format!("http: GET {url}")],
            by_hand: vec![command!("curl -fsS {}", url)],
            ..Description::default()
        }
    }
}

/// The command that shows a database and its members as a region sees them.
pub(super) fn describe(on: &On<'_>, region: &Region) -> String {
    let global = on.component.and_then(Component::database);
    let global = global.map_or("(no global cluster)", |database| &database.global_cluster);
    command!(
        "aws rds describe-global-clusters --region {} --global-cluster-identifier {}",
        region,
        global
    )
}

const READ_DATABASE: &[&str] =
    &["rds:DescribeGlobalClusters", "rds:DescribeDBClusters", "cloudwatch:GetMetricData"];

/// What it takes to see that a cluster exists and that one of its instances works.
const READ_INSTANCES: &[&str] =
    &["rds:DescribeGlobalClusters", "rds:DescribeDBClusters", "rds:DescribeDBInstances"];

fn named(permissions: &[&[&str]]) -> Vec<String> {
    let all: std::collections::BTreeSet<&&str> = permissions.iter().copied().flatten().collect();
    all.into_iter().map(|name| (*name).to_owned()).collect()
}
