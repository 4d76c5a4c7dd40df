//! What protects an application in the simulated world, read through the same doors as everything else.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    application::{Application, Cache, Database, Vault},
    name::Region,
    value::Span,
};

use super::{
    Sim,
    backup::QUOTA,
    replicas,
    snapshots::{Snapshot, Status, place_of},
    wire::{Door, Side},
};
use crate::world::inventory::{
    BucketSide, CacheSide, ClusterSide, DatabaseSide, Inventory, Lag, Maker, ObjectSide, Quota,
    Said, SecretSide, Seen, VaultSide,
};

/// How far back a cluster can be restored to an instant, and how close to now (facts §2, PITR).
const RESTORABLE: SignedDuration = SignedDuration::from_hours(14 * 24);
const RESTORABLE_BEHIND: SignedDuration = SignedDuration::from_mins(4);

pub(super) fn look(sim: &mut Sim, now: Timestamp, application: &Application) -> Inventory {
    let mut seen = Inventory::empty(now);
    for region in [&application.home, &application.standby] {
        if !application.databases.is_empty() {
            let asked = ask(sim, now, Door::rds(region, "DescribeAccountAttributes"));
            let account = application.databases.iter().find_map(|one| one.account(region));
            let account = account.unwrap_or_default();
            let quota = asked.map(|at| self::quota(sim, region, account, at));
            seen.quotas.insert(region.clone(), quota);
        }
        for declared in &application.databases {
            let side = database(sim, now, application, declared, region);
            seen.databases.insert((declared.name.clone(), region.clone()), side);
        }
        for declared in &application.caches {
            if declared.replication_groups.contains_key(region.as_str()) {
                let side = cache(sim, now, declared, application, region);
                seen.caches.insert((declared.name.clone(), region.clone()), side);
            }
        }
        beside(sim, now, application, region, &mut seen);
    }
    for declared in &application.databases {
        if let Some(vault) = &declared.vault {
            let side = self::vault(sim, now, application, declared, vault);
            seen.vaults.insert(declared.name.clone(), side);
        }
    }
    seen.takeover = super::takeover::look(sim, now, application);
    seen
}

fn quota(sim: &Sim, region: &Region, account: &str, at: Timestamp) -> Quota {
    let used = u64::try_from(sim.snapshots.counted(region, account, at)).unwrap_or(u64::MAX);
    Quota { used, max: QUOTA as u64 }
}

fn vault(
    sim: &mut Sim,
    now: Timestamp,
    application: &Application,
    declared: &Database,
    vault: &Vault,
) -> VaultSide {
    let (region, account) = (&vault.region, &vault.account);
    let mut asked = |operation| {
        let door = super::vault::door(sim, now, vault, operation);
        door.and_then(|door| sim.ask(now, door)).map_err(|why| why.to_string())
    };
    let listed = asked("DescribeDBClusterSnapshots");
    let counted = asked("DescribeAccountAttributes");
    VaultSide {
        region: region.clone(),
        account: account.clone(),
        points: listed.map(|at| points(sim, application, declared, region, account, at)),
        quota: counted.map(|at| quota(sim, region, account, at)),
    }
}

/// The snapshots of a database in a region of an account.
fn points(
    sim: &Sim,
    application: &Application,
    declared: &Database,
    region: &Region,
    account: &str,
    at: Timestamp,
) -> BTreeMap<String, Seen> {
    let of_it = sim.snapshots.iter().filter(|one| {
        one.is_at(region, account)
            && (&one.application, &one.component) == (&application.name, &declared.name)
    });
    of_it.filter_map(|one| Some((one.arn.clone(), seen(one, one.status(at)?)))).collect()
}

fn ask(sim: &mut Sim, now: Timestamp, door: Door<'_>) -> Said<Timestamp> {
    sim.ask(now, door).map_err(|why| why.to_string())
}

fn database(
    sim: &mut Sim,
    now: Timestamp,
    application: &Application,
    declared: &Database,
    region: &Region,
) -> DatabaseSide {
    let clusters = ask(sim, now, Door::rds(region, "DescribeDBClusters"));
    let listed = ask(sim, now, Door::rds(region, "DescribeDBClusterSnapshots"));
    let metrics =
        Door { service: "cloudwatch", operation: "GetMetricData", side: Side::Control(region) };
    let sampled = ask(sim, now, metrics);
    let key = (application.name.clone(), declared.name.clone());
    let aurora = sim.databases.get(&key);
    let cluster = |at: Timestamp| {
        if !sim.has_cluster(&key, region, at) {
            return None;
        }
        let (aurora, arn) = (aurora?, declared.clusters.get(region.as_str())?);
        let restorable = (aurora.writer(at) == region).then(|| {
            let from = (at - RESTORABLE).max(sim.since);
            (from, (at - RESTORABLE_BEHIND).max(from))
        });
        Some(ClusterSide {
            status: "available".to_owned(),
            account: place_of(arn).map_or_else(String::new, |(_, account)| account.to_owned()),
            restorable,
            // The engine of this world does nothing by itself.
            backup_window: None,
            maintenance_window: None,
        })
    };
    let account = declared.account(region).unwrap_or_default();
    let points = |at| self::points(sim, application, declared, region, account, at);
    let lag = |at: Timestamp| {
        let is_member = sim.is_member(&key, region, at);
        let aurora = aurora.filter(|aurora| is_member && aurora.writer(at) != region)?;
        let sample = aurora.sample(sim.dice, &sim.regions, at)?;
        Some(Lag { at: sample.at, lag: Span::between(sample.at, sample.at + sample.lag) })
    };
    DatabaseSide {
        cluster: clusters.map(cluster),
        points: listed.clone().map(points),
        automated: listed.map(|_| BTreeMap::new()),
        lag: sampled.map(lag),
    }
}

fn seen(one: &Snapshot, status: Status) -> Seen {
    let word = match status {
        Status::Underway { .. } if one.copied_from.is_some() => "copying",
        Status::Underway { .. } => "creating",
        Status::Available => "available",
        Status::Failed => "failed",
    };
    Seen {
        id: one.arn.clone(),
        region: one.region.clone(),
        account: place_of(&one.arn).map_or_else(String::new, |(_, account)| account.to_owned()),
        maker: Maker::Muster,
        run: one
            .token
            .strip_prefix("muster-")
            .and_then(|rest| rest.split('-').next())
            .map(str::to_owned),
        status: word.to_owned(),
        data_time: Some(one.data_time),
        copied_from: one.copied_from.as_ref().map(|(arn, _)| arn.clone()),
        key: one.key.clone(),
        size_gib: Some(one.size_gib),
        tags: BTreeMap::new(),
    }
}

fn cache(
    sim: &mut Sim,
    now: Timestamp,
    declared: &Cache,
    application: &Application,
    region: &Region,
) -> CacheSide {
    let control =
        |operation| Door { service: "elasticache", operation, side: Side::Control(region) };
    let groups = ask(sim, now, control("DescribeReplicationGroups"));
    let listed = ask(sim, now, control("DescribeSnapshots"));
    let points = |at: Timestamp| {
        let of_it = sim.caches.of(&application.name, &declared.name, region);
        of_it.filter_map(|one| Some((one.arn.clone(), one.seen(at)?))).collect()
    };
    CacheSide {
        group: groups.map(|at| {
            let key = (application.name.clone(), declared.name.clone());
            let primary = sim.datastores.primary(&key, &application.home, at);
            let role = if primary == region { "PRIMARY" } else { "SECONDARY" };
            let global = declared.global.as_ref().map(|id| (id.clone(), role.to_owned()));
            let id = declared.replication_groups.get(region.as_str())?;
            let promotes = replicas::promotes(sim, &key, now);
            let nodes = &sim.caches.nodes;
            Some(nodes.described((key.0, key.1, region.clone()), id, global, promotes, at))
        }),
        points: listed.clone().map(points),
        automated: listed.map(|_| BTreeMap::new()),
    }
}

/// Buckets that are replicated both ways, secrets in sync and objects that are the same, as far as their
/// regions can be asked.
fn beside(
    sim: &mut Sim,
    now: Timestamp,
    application: &Application,
    region: &Region,
    seen: &mut Inventory,
) {
    let Some(other) = application.other(region) else { return };
    for bucket in &application.buckets {
        let versioned = ask(sim, now, Door::s3(region, "GetBucketVersioning")).map(|_| true);
        let rules = ask(sim, now, Door::s3(region, "GetBucketReplication"));
        let to = || bucket.buckets.get(other.as_str()).cloned().into_iter().collect();
        let side = BucketSide { versioned, replicates_to: rules.map(|_| to()) };
        seen.buckets.insert((bucket.name.clone(), region.clone()), side);
    }
    for secret in &application.secrets {
        let door = Door {
            service: "secretsmanager",
            operation: "DescribeSecret",
            side: Side::Control(region),
        };
        let is_primary = *region == application.home;
        let replica = (other.to_string(), ("InSync".to_owned(), String::new()));
        let side = ask(sim, now, door).map(|_| {
            Some(SecretSide {
                primary: Some(application.home.to_string()),
                changed_at: Some(sim.since),
                replicas: is_primary.then_some(replica).into_iter().collect(),
            })
        });
        seen.secrets.insert((secret.name.clone(), region.clone()), side);
    }
    for objects in &application.objects {
        let heads = objects.keys.iter().map(|key| {
            let asked = ask(sim, now, Door::s3(region, "HeadObject"));
            (key.clone(), asked.map(|_| Some(object(sim.since))))
        });
        let heads = heads.collect();
        seen.objects.insert((objects.name.clone(), region.clone()), heads);
    }
}

fn object(written_at: Timestamp) -> ObjectSide {
    ObjectSide {
        modified_at: Some(written_at),
        size: 1_024,
        version: Some("1".to_owned()),
        etag: Some("simulated".to_owned()),
        checksums: BTreeMap::new(),
        etag_is_content: true,
    }
}
