//! What an application has beside its databases and buckets: caches, secrets and declared objects.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Retention, flush::Flush};
use crate::name::{ComponentName, Region};

/// An ElastiCache replication group per region. Its snapshots do not count towards the quota of
/// databases.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// Its name inside the application.
    pub name: ComponentName,
    /// Per region the replication group's identifier. A region without one starts without this cache.
    pub replication_groups: BTreeMap<String, String>,
    /// Whether the application fills it again by itself. Then nothing of it has to be brought back, and
    /// no snapshot is taken.
    #[serde(default)]
    pub rebuildable: bool,
    /// The global datastore that the replication groups of both regions are members of: one of them is
    /// written, and a failover makes the other one so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub global: Option<String>,
    /// What of it must not outlive a failover.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flush: Option<Flush>,
    /// How long its snapshots are kept.
    #[serde(default)]
    pub retention: Retention,
}

impl Cache {
    /// Whether there is a replication group of it in a region.
    pub fn is_in(&self, region: &Region) -> bool {
        self.replication_groups.contains_key(region.as_str())
    }
}

/// A secret of Secrets Manager and its replica. Its value is never read.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// Its name inside the application.
    pub name: ComponentName,
    /// Its name in Secrets Manager, the same in both regions.
    pub secret: String,
}

/// Objects that something else must find after a failover, such as the state of Terraform.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Objects {
    /// Their name inside the application.
    pub name: ComponentName,
    /// Per region the bucket.
    pub buckets: BTreeMap<String, String>,
    /// Their keys, the same in both buckets.
    pub keys: Vec<String>,
}
