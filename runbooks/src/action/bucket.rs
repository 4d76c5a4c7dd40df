//! Actions that look at buckets and what replicates them.

use super::{ComponentKind, Description, On, Role, action};
use crate::{
    application::Component,
    name::Region,
    shell::command,
    value::{Loss, words},
};
use jiff::Timestamp;

words! {
    /// How deep two buckets are compared.
    Depth {
        /// What the lists say: keys, sizes, versions, delete markers, and entity tags where they
        /// mean something.
        List = "list",
        /// One HEAD per version besides: checksums, replication status, encryption.
        Head = "head",
    }
}

words! {
    /// How much of two buckets is compared.
    Extent {
        /// Everything.
        Full = "full",
        /// The lists in full; heads only of what may have changed since the last complete comparison.
        Incremental = "incremental",
    }
}

action! {
    /// Compares a bucket with its replica, key by key. Fails when they differ.
    CompareBuckets = "compare-buckets", Reads, on: &[ComponentKind::Buckets], needs_active: false, global: false,
    with {
        /// The side that is right.
        from: Role,
        /// What is compared.
        depth: Depth,
        /// With `depth: head`, of which versions the heads are asked for; `full` if not given.
        extent: Option<Extent>,
    }
    gives {
        /// Keys that are not in the replica.
        missing: u32,
        /// Keys that are only in the replica.
        extra: u32,
        /// Keys that are in both and not the same.
        different: u32,
        /// Keys of which nothing that can be seen compares the content.
        unknown: u32,
        /// Keys that were written in the last minutes and are still on their way.
        pending: u32,
        /// When the comparison began.
        checked_at: Timestamp,
    }
}

impl CompareBuckets {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let (source, target) = pair(on, self.from);
        let depth = self.depth;
        let mut permissions = vec!["s3:GetEncryptionConfiguration", "s3:ListBucketVersions"];
        if depth == Depth::Head {
            permissions.extend(["s3:GetObject", "s3:GetObjectVersion"]);
        }
        permissions.sort_unstable();
        let calls = match depth {
            Depth::List => "ListObjectVersions",
            Depth::Head => "ListObjectVersions and HeadObject for every version",
        };
        Description {
            effect: vec![format!("s3: {calls} of {source} and {target} (reads)")],
            by_hand: vec![command!(
                "muster compare-buckets {} {} --depth {}",
                source,
                target,
                depth
            )],
            permissions: permissions.into_iter().map(str::to_owned).collect(),
        }
    }
}

action! {
    /// Checks that S3 replicates a bucket: versioning, the rules, and what their metrics say.
    CheckBucketReplication = "check-bucket-replication", Reads, on: &[ComponentKind::Buckets], needs_active: false, global: false,
    with {
        /// The side that is written.
        from: Role,
    }
    gives {
        /// The rules that replicate to the other side.
        rules: u32,
        /// The largest replication latency that a rule shows, or `unknown`.
        latency: Loss,
        /// Operations that wait to be replicated.
        pending: u32,
        /// Operations whose replication failed in the last hour.
        failed: u32,
    }
}

impl CheckBucketReplication {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let (source, _) = pair(on, self.from);
        let region = on.region(self.from);
        Description {
            effect: vec![format!(
                "s3 and cloudwatch {region}: versioning, replication rules and their metrics of \
                 {source} (reads)"
            )],
            by_hand: vec![command!(
                "aws s3api get-bucket-replication --bucket {} --region {}",
                source,
                region
            )],
            permissions: [
                "cloudwatch:GetMetricData",
                "s3:GetBucketVersioning",
                "s3:GetReplicationConfiguration",
            ]
            .map(str::to_owned)
            .into(),
        }
    }
}

/// The bucket of a side, and the one of the other side.
fn pair<'a>(on: &On<'a>, from: Role) -> (&'a str, &'a str) {
    let bucket = on.component.and_then(Component::bucket);
    let name = |region: &Region| {
        bucket
            .and_then(|bucket| bucket.buckets.get(region.as_str()))
            .map_or("(no bucket)", String::as_str)
    };
    (name(on.region(from)), name(on.across(from)))
}
