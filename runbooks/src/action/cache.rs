//! Actions on caches.

use jiff::Timestamp;

use super::{ComponentKind, Description, On, Role, action};
use crate::{application::Component, name::Region, shell::command};

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

/// The replication group of a cache in a region.
pub(super) fn group<'a>(on: &On<'a>, region: &Region) -> &'a str {
    let cache = on.component.and_then(Component::cache);
    cache
        .and_then(|cache| cache.replication_groups.get(region.as_str()))
        .map_or("(no group)", String::as_str)
}
