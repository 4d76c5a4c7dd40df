//! What protects an application, as the outside shows it: every snapshot, whoever made it, how far back
//! a cluster can be restored, whether buckets, secrets and objects have their replica.
//!
//! What could not be read is `Err` with the reason, and never an empty list: nothing is concluded from
//! it. What an inventory means is judged by pure functions in `inventory/`.

pub mod judge;
pub mod objectives;
pub mod points;
pub mod readiness;
pub mod takeover;

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_runbooks::{
    application::{EngineWindow, Purpose},
    name::{ComponentName, Region},
    schedule::policy::Own,
    value::Span,
};

use self::takeover::Takeover;

/// What was read, or why it could not be.
pub type Said<T> = Result<T, String>;

/// One component in one region.
pub type Place = (ComponentName, Region);

/// Everything that was seen of one application.
#[derive(Clone, Debug)]
pub struct Inventory {
    /// The oldest instant at which any part of it was asked for.
    pub read_at: Timestamp,
    /// How many snapshots each region of the application's own account may have.
    pub quotas: BTreeMap<Region, Said<Quota>>,
    /// Its databases.
    pub databases: BTreeMap<Place, DatabaseSide>,
    /// The vaults of those databases that have one.
    pub vaults: BTreeMap<ComponentName, VaultSide>,
    /// Its caches, where they have a replication group.
    pub caches: BTreeMap<Place, CacheSide>,
    /// Its buckets.
    pub buckets: BTreeMap<Place, BucketSide>,
    /// Its secrets; `None` where there is none of the name.
    pub secrets: BTreeMap<Place, Said<Option<SecretSide>>>,
    /// Its declared objects by key; `None` where there is none.
    pub objects: BTreeMap<Place, BTreeMap<String, Said<Option<ObjectSide>>>>,
    /// Whether the other side could take over.
    pub takeover: Takeover,
}

impl Inventory {
    /// An inventory in which nothing has been looked at yet.
    pub fn empty(read_at: Timestamp) -> Inventory {
        Inventory {
            read_at,
            quotas: BTreeMap::new(),
            databases: BTreeMap::new(),
            vaults: BTreeMap::new(),
            caches: BTreeMap::new(),
            buckets: BTreeMap::new(),
            secrets: BTreeMap::new(),
            objects: BTreeMap::new(),
            takeover: Takeover::default(),
        }
    }
}

/// How many manual snapshots of clusters a region has and may have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quota {
    /// How many there are.
    pub used: u64,
    /// How many there may be.
    pub max: u64,
}

impl Quota {
    /// So many places are kept for snapshots that cannot wait (facts §2, quota).
    pub const KEPT_FREE: u64 = 5;

    /// How many places are left.
    pub fn free(self) -> u64 {
        self.max.saturating_sub(self.used)
    }

    /// Why there is no room for a snapshot of this purpose: the last places are kept for those that
    /// cannot wait.
    pub fn no_headroom(self, purpose: Purpose, region: &Region) -> Option<String> {
        (!purpose.is_urgent() && self.free() < Quota::KEPT_FREE).then(|| {
            format!(
                "{region} has {} of {} manual snapshots; the last {} places are kept for what cannot \
                 wait, and this one is for `{purpose}`",
                self.used,
                self.max,
                Quota::KEPT_FREE,
            )
        })
    }

    /// Whether somebody should make room: four fifths are used, or only the kept places are left.
    pub fn is_short(self) -> bool {
        self.free() < Quota::KEPT_FREE || self.used.saturating_mul(5) >= self.max.saturating_mul(4)
    }
}

/// A database in one region.
#[derive(Clone, Debug)]
pub struct DatabaseSide {
    /// Its cluster; `None` if there is none.
    pub cluster: Said<Option<ClusterSide>>,
    /// Every manual snapshot of it, by ARN.
    pub points: Said<BTreeMap<String, Seen>>,
    /// Every snapshot that the provider took by itself.
    pub automated: Said<BTreeMap<String, Seen>>,
    /// The newest lag sample of its cluster as a standby; `None` if there is none that is fresh.
    pub lag: Said<Option<Lag>>,
}

/// What another account keeps of a database, as a role of that account sees it.
#[derive(Clone, Debug)]
pub struct VaultSide {
    /// The region.
    pub region: Region,
    /// The account.
    pub account: String,
    /// Every manual snapshot of the database there, by ARN.
    pub points: Said<BTreeMap<String, Seen>>,
    /// How many snapshots that region of that account may have.
    pub quota: Said<Quota>,
}

/// A cluster.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClusterSide {
    /// Its status.
    pub status: String,
    /// The account it is in, from its ARN.
    pub account: String,
    /// From when to when it can be restored to any instant; nothing where it cannot.
    pub restorable: Option<(Timestamp, Timestamp)>,
    /// When the engine backs up by itself, in UTC, if it says so.
    pub backup_window: Option<EngineWindow>,
    /// When AWS maintains it, in UTC, if it says so.
    pub maintenance_window: Option<EngineWindow>,
}

impl ClusterSide {
    /// When the engine is busy with itself.
    pub fn window(&self, own: Own) -> Option<&EngineWindow> {
        match own {
            Own::Backup => self.backup_window.as_ref(),
            Own::Maintenance => self.maintenance_window.as_ref(),
        }
    }
}

/// One sample of how far a standby is behind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lag {
    /// The start of the time that it describes.
    pub at: Timestamp,
    /// The largest lag in that time.
    pub lag: Span,
}

/// Who made a snapshot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Maker {
    /// Muster: our name and our tag.
    Muster,
    /// Somebody else.
    Somebody,
    /// The provider by itself. It goes with its cluster (facts §2).
    Provider,
}

/// A snapshot that was seen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Seen {
    /// The ARN.
    pub id: String,
    /// Where it is, from the ARN.
    pub region: Region,
    /// The account it is in, from the ARN.
    pub account: String,
    /// Who made it.
    pub maker: Maker,
    /// The run that made it, by its tag or its name.
    pub run: Option<String>,
    /// Its status.
    pub status: String,
    /// The instant that its data is from; nothing where only the time of a copy is known (facts §2).
    pub data_time: Option<Timestamp>,
    /// What it is a copy of.
    pub copied_from: Option<String>,
    /// The key it is encrypted with.
    pub key: Option<String>,
    /// Its size, if the provider says.
    pub size_gib: Option<u32>,
    /// Its tags, if a description says them.
    pub tags: BTreeMap<String, String>,
}

impl Seen {
    /// Whether it could be restored from now.
    pub fn is_available(&self) -> bool {
        self.status == "available"
    }
}

/// A cache in one region.
#[derive(Clone, Debug)]
pub struct CacheSide {
    /// Its replication group; `None` if there is none of the name.
    pub group: Said<Option<GroupSide>>,
    /// Every manual snapshot of it, by ARN.
    pub points: Said<BTreeMap<String, Seen>>,
    /// Every snapshot that the provider took by itself.
    pub automated: Said<BTreeMap<String, Seen>>,
}

/// A replication group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupSide {
    /// Its status.
    pub status: String,
    /// The global datastore that it belongs to, and its role there.
    pub global: Option<(String, String)>,
    /// The role of each of its nodes, as far as they say.
    pub members: BTreeMap<String, String>,
    /// Whether a replica is promoted by itself when its primary dies; nothing where AWS does not say, or is just
    /// changing it.
    pub promotes: Option<bool>,
    /// Whether AWS keeps its nodes in several zones (Multi-AZ); nothing where it does not say.
    pub multi_az: Option<bool>,
    /// Its shards.
    pub shards: Vec<ShardSide>,
}

/// A shard of a replication group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ShardSide {
    /// Its name in the group.
    pub id: String,
    /// The availability zone of each of its nodes, the primary's among them; nothing for one that does not say.
    pub zones: Vec<Option<String>>,
}

/// A bucket in one region.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BucketSide {
    /// Whether it keeps versions.
    pub versioned: Said<bool>,
    /// The buckets that rules which are enabled copy to.
    pub replicates_to: Said<Vec<String>>,
}

/// A secret as one region describes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SecretSide {
    /// Where its primary is.
    pub primary: Option<String>,
    /// When it was last changed.
    pub changed_at: Option<Timestamp>,
    /// The status of each replica by its region, with the provider's words. Only the primary says them.
    pub replicas: BTreeMap<String, (String, String)>,
}

/// An object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ObjectSide {
    /// When its newest version was written.
    pub modified_at: Option<Timestamp>,
    /// Its size in bytes.
    pub size: u64,
    /// Its version; nothing in a bucket without versions.
    pub version: Option<String>,
    /// Its entity tag.
    pub etag: Option<String>,
    /// Its checksums by their name.
    pub checksums: BTreeMap<String, String>,
    /// Whether its entity tag says what its content is: not with a key of KMS, and not in parts.
    pub etag_is_content: bool,
}

/// Whether two objects hold the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Same {
    /// A checksum or an entity tag says so.
    Yes,
    /// A checksum, an entity tag or the size says that they differ.
    No,
    /// Nothing that was read can tell.
    Unknown,
}

impl ObjectSide {
    /// Compares the content of two.
    pub fn same(&self, other: &ObjectSide) -> Same {
        if self.size != other.size {
            return Same::No;
        }
        let of = |same: bool| if same { Same::Yes } else { Same::No };
        let checksum = self.checksums.iter().find_map(|(name, one)| {
            let other = other.checksums.get(name)?;
            // A checksum of checksums depends on how the object was cut into parts.
            (!one.contains('-') && !other.contains('-')).then(|| of(one == other))
        });
        if let Some(same) = checksum {
            return same;
        }
        match (&self.etag, &other.etag) {
            (Some(one), Some(other_etag)) if self.etag_is_content && other.etag_is_content => {
                of(one == other_etag)
            }
            (Some(_) | None, _) => Same::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(size: u64, etag: &str, checksum: Option<&str>, plain: bool) -> ObjectSide {
        ObjectSide {
            modified_at: None,
            size,
            version: None,
            etag: Some(etag.to_owned()),
            checksums: checksum
                .map(|sum| ("SHA256".to_owned(), sum.to_owned()))
                .into_iter()
                .collect(),
            etag_is_content: plain,
        }
    }

    /// Goal: content is the same only when something that was read says so (facts §4: an entity tag is
    /// no checksum under KMS).
    /// Method: every way in which two objects can agree and differ.
    #[test]
    fn what_makes_two_objects_the_same() {
        let table = [
            (object(1, "a", None, true), object(1, "a", None, true), Same::Yes),
            (object(1, "a", None, true), object(1, "b", None, true), Same::No),
            (object(1, "a", None, true), object(2, "a", None, true), Same::No),
            (object(1, "a", None, false), object(1, "a", None, true), Same::Unknown),
            (object(1, "a", None, false), object(1, "b", None, false), Same::Unknown),
            (object(1, "a", Some("x"), false), object(1, "b", Some("x"), false), Same::Yes),
            (object(1, "a", Some("x"), true), object(1, "a", Some("y"), true), Same::No),
            (object(1, "a", Some("x-2"), false), object(1, "b", Some("y-3"), false), Same::Unknown),
        ];
        for (one, other, same) in table {
            assert_eq!(one.same(&other), same, "{one:?} {other:?}");
            assert_eq!(other.same(&one), same, "{other:?} {one:?}");
        }
    }

    /// Goal: room is asked for before it is needed.
    #[test]
    fn when_a_quota_is_short() {
        let short = |used, max| Quota { used, max }.is_short();
        assert!(!short(0, 100) && !short(79, 100) && short(80, 100) && short(100, 100));
        assert!(short(16, 20) && !short(15, 20), "four fifths, and five are left");
        assert!(short(2, 6), "four are left");
        assert!(short(0, 0), "a region that takes none has no room");
        assert_eq!(Quota { used: 7, max: 5 }.free(), 0);
    }
}
