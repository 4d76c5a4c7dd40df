//! Actions on caches.

use jiff::Timestamp;

use super::{ComponentKind, Description, On, Role, action};
use crate::{
    application::{Component, flush::pattern},
    name::Region,
    shell::command,
    value::Span,
};

action! {
    /// Takes a snapshot of a cache. It stays in its region: AWS copies it to no other.
    SnapshotCache = "snapshot-cache", Named, on: &[ComponentKind::Caches], needs_active: false, global: false,
    with {
        /// The side whose cache is read.
        at: Role,
    }
    gives {
        /// The ARN of the snapshot.
        snapshot: String,
        /// The instant that the data is from, read from the provider: the oldest of its nodes.
        data_time: Timestamp,
    }
}

impl SnapshotCache {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let region = on.region(self.at);
        let group = group(on, region);
        Description {
            effect: vec![format!("elasticache {region}: CreateSnapshot {} of {group}", on.token)],
            by_hand: vec![command!(
                "aws elasticache create-snapshot --region {} --replication-group-id {} \
                 --snapshot-name {}",
                region,
                group,
                on.token
            )],
            permissions: vec![
                "elasticache:CreateSnapshot".to_owned(),
                "elasticache:AddTagsToResource".to_owned(),
                "elasticache:DescribeSnapshots".to_owned(),
                "elasticache:ListTagsForResource".to_owned(),
            ],
        }
    }
}

action! {
    /// Makes a side's member of a global datastore the one that is written. What the other side had not
    /// replicated is lost.
    FailoverCache = "failover-cache", SetLike, on: &[ComponentKind::Caches], needs_active: false, global: false,
    with {
        /// The side that becomes the primary.
        to: Role,
    }
    gives {
        /// The region and the replication group that are written now.
        primary: String,
        /// How long it took, seen from here.
        took: Span,
    }
}

impl FailoverCache {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        // Asked for at the target: the side being left may not answer.
        let region = on.region(self.to);
        let group = group(on, region);
        let cache = on.component.and_then(Component::cache);
        let global = cache.and_then(|cache| cache.global.as_deref()).unwrap_or("(no datastore)");
        Description {
            effect: vec![format!(
                "elasticache {region}: FailoverGlobalReplicationGroup {global} to {group} in {region}"
            )],
            by_hand: vec![
                format!(
                    "aws elasticache failover-global-replication-group --region {region} \
                     --global-replication-group-id {global} --primary-region {region} \
                     --primary-replication-group-id {group}"
                ),
                format!(
                    "aws elasticache describe-global-replication-groups --region {region} \
                     --global-replication-group-id {global} --show-member-info"
                ),
            ],
            permissions: vec![
                "elasticache:FailoverGlobalReplicationGroup".to_owned(),
                "elasticache:DescribeGlobalReplicationGroups".to_owned(),
            ],
        }
    }
}

action! {
    /// Deletes the keys that the application's file declares, at a side that is written: locks and the like, which are older than the database that writes there now. Does nothing where none are declared.
    FlushCache = "flush-cache", SetLike, on: &[ComponentKind::Caches], needs_active: false, global: false,
    with {
        /// The side whose keys are deleted.
        at: Role,
    }
    gives {
        /// How many keys were deleted.
        deleted: u32,
    }
}

impl FlushCache {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let region = on.region(self.at);
        let Some(flush) =
            on.component.and_then(Component::cache).and_then(|one| one.flush.as_ref())
        else {
            let effect = vec![format!("redis {region}: none, no keys are declared")];
            return Description { effect, ..Description::default() };
        };
        let (host, port, tls) = match flush.address(region) {
            Some(address) => {
                let tls = if address.is_loopback() { "" } else { " --tls" };
                (address.host, address.port.to_string(), tls)
            }
            None => ("(no endpoint)".to_owned(), "6379".to_owned(), " --tls"),
        };
        let by_hand = |prefix: &String| {
            let cli = command!("redis-cli -h {} -p {}", host, port);
            let found = command!("--scan --pattern {}", pattern(prefix));
            format!("{cli}{tls} {found} | xargs -r -d '\\n' -n 1 {cli}{tls} unlink")
        };
        Description {
            effect: vec![format!(
                "redis {region}: delete the keys that begin with {}",
                flush.prefixes.join(", ")
            )],
            by_hand: flush.prefixes.iter().map(by_hand).collect(),
            permissions: if flush.login.secret.contains_key(region.as_str()) {
                vec!["secretsmanager:GetSecretValue".to_owned()]
            } else {
                Vec::new()
            },
        }
    }
}

action! {
    /// Makes another node of a cache's replication group its primary, inside one region. Where automatic failover is on ElastiCache does that by itself, and this is for practice alone.
    FailoverCacheInRegion = "failover-cache-in-region", Once, on: &[ComponentKind::Caches], needs_active: true, global: false,
    with {
        /// The side whose replication group fails over.
        at: Role,
        /// Whether automatic failover is practised with `TestFailover`, of which AWS allows 15 shards a day and which it may block; without it a replica is promoted where automatic failover is off, and where it is on that is refused.
        practice: Option<bool>,
    }
    gives {
        /// The node that is the primary now.
        primary: String,
        /// The node that was the primary before.
        before: String,
        /// How long it took, seen from here.
        took: Span,
    }
}

impl FailoverCacheInRegion {
    /// Whether it is for practice alone. The plan decides by this which call is made, and not what is seen
    /// later: so preview, commands and permissions name the one call that it is.
    pub fn is_practice(&self) -> bool {
        self.practice.unwrap_or(false)
    }

    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let region = on.region(self.at);
        let group = group(on, region);
        let look = command!(
            "aws elasticache describe-replication-groups --region {} --replication-group-id {} \
             --query 'ReplicationGroups[].NodeGroups[].NodeGroupMembers[]'",
            region,
            group
        );
        let (effect, act, call) = if self.is_practice() {
            // Only groups of one shard say which node is the primary, and that shard is called so.
            let act = command!(
                "aws elasticache test-failover --region {} --replication-group-id {} \
                 --node-group-id 0001",
                region,
                group
            );
            (format!("TestFailover {group} 0001"), act, "elasticache:TestFailover")
        } else {
            let act = command!(
                "aws elasticache modify-replication-group --region {} --replication-group-id {} \
                 --primary-cluster-id NAME --apply-immediately",
                region,
                group
            );
            let effect = format!("ModifyReplicationGroup {group}, a replica becomes its primary");
            (effect, act, "elasticache:ModifyReplicationGroup")
        };
        Description {
            effect: vec![format!("elasticache {region}: {effect}")],
            by_hand: vec![look, act],
            permissions: [call, "elasticache:DescribeReplicationGroups"].map(str::to_owned).into(),
        }
    }
}

/// The replication group of a cache in a region.
pub(super) fn group<'a>(on: &On<'a>, region: &Region) -> &'a str {
    let cache = on.component.and_then(Component::cache);
    cache
        .and_then(|cache| cache.replication_groups.get(region.as_str()))
        .map_or("(no group)", String::as_str)
}
