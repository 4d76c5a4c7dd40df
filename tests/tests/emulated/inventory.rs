//! What really protects an application: seen, compared with the catalogue, and told when it is unknown.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use muster::world::{
    inventory::{
        Inventory, Maker, Quota,
        judge::{Due, Judged, Known, judge},
        points::usable,
    },
    real::Real,
};
use muster_runbooks::{application::Application, name::Token};
use muster_state::{
    call::{Answer, Call, Progress},
    catalog::{PointChange, RecoveryPoint},
};
use muster_tests::emulator::{
    EAST, Emulator, WEST,
    calls::{Carried, application, call, carry_out, look},
};
use serde_json::{Value, json};

use super::world;

/// The shop with everything that an inventory looks at, on both sides and well.
async fn shop(world: &mut Emulator) -> Application {
    world.global_pair().await;
    world.lag(WEST, "orders-west", json!(1_500)).await;
    world.pass(60);
    for (region, bucket) in [(EAST, "files-east"), (WEST, "files-west")] {
        world.bucket(region, bucket).await;
        world.keep_versions(region, bucket).await;
    }
    world.replicate(EAST, "files-east", "files-west").await;
    world.replicate(WEST, "files-west", "files-east").await;
    for (region, bucket) in [(EAST, "state-east"), (WEST, "state-west")] {
        world.bucket(region, bucket).await;
        world.keep_versions(region, bucket).await;
        world.put_text(region, &format!("{bucket}/prod.tfstate"), "{}".to_owned()).await;
    }
    world.cache(EAST, "sessions").await;
    world.replicated_secret(EAST, "shop/database", Some(WEST)).await;
    let mut shop = application(json!({
        "caches": [{ "name": "sessions", "replication_groups": { EAST: "sessions" } }],
        "secrets": [{ "name": "password", "secret": "shop/database" }],
        "objects": [{
            "name": "state",
            "buckets": { EAST: "state-east", WEST: "state-west" },
            "keys": ["prod.tfstate"],
        }],
    }));
    let key = world.key(WEST).await;
    shop.databases[0].copy_keys.insert(WEST.to_owned(), key);
    shop
}

fn recorded(carried: &Carried) -> RecoveryPoint {
    match carried.done.points.as_slice() {
        [PointChange::Recorded(point)] => (**point).clone(),
        other => panic!("{other:?}"),
    }
}

/// A run of its own for a call.
fn of_run(mut call: Call, run: u32) -> Call {
    call.run = format!("r{run:011}").parse().unwrap();
    call.token = Token::new(&call.run, &call.step, 1, false);
    call
}

/// A night's backup: snapshot, copy, and the cache.
async fn back_up(world: &mut Emulator, real: &Real, shop: &Application) -> Vec<RecoveryPoint> {
    let mut taking = call(world, shop, "snapshot-database", json!({ "at": "active" }));
    let taken = recorded(&carry_out(world, real, &mut taking, 5).await);
    let with = json!({ "snapshot": taken.id, "data_time": taken.data_time, "to": "standby" });
    let mut copying = call(world, shop, "copy-snapshot", with);
    let copied = recorded(&carry_out(world, real, &mut copying, 5).await);
    let mut saving = call(world, shop, "snapshot-cache", json!({ "at": "active" }));
    let saved = recorded(&carry_out(world, real, &mut saving, 5).await);
    vec![taken, copied, saved]
}

struct Catalogue {
    points: BTreeMap<String, RecoveryPoint>,
    due: Option<Timestamp>,
}

impl Catalogue {
    fn of(points: Vec<RecoveryPoint>) -> Catalogue {
        let points = points.into_iter().map(|point| (point.id.clone(), point));
        Catalogue { points: points.collect(), due: None }
    }

    fn judge(&self, shop: &Application, seen: &Inventory) -> Judged {
        let before: BTreeSet<String> = self.points.keys().cloned().collect();
        let known = Known {
            application: shop,
            active: Some(&shop.home),
            points: &self.points,
            before: &before,
            open_runs: &BTreeSet::new(),
            schedules: &[],
            due: Due { snapshot: self.due, copy: self.due, cache: self.due, vault: self.due },
        };
        judge(seen, &known)
    }
}

fn ids(judged: &Judged) -> Vec<&str> {
    judged.open.keys().map(String::as_str).collect()
}

/// Goal: what is there is seen with its data time, place, account and key, and where all is well nothing
/// is found.
/// Method: a night's backup, an hour later.
#[tokio::test]
async fn all_that_protects_is_seen() {
    let mut world = world!();
    let shop = shop(&mut world).await;
    let real = world.real(Vec::new()).await;
    let points = back_up(&mut world, &real, &shop).await;
    let catalogue = Catalogue { due: Some(points[0].data_time), ..Catalogue::of(points.clone()) };
    world.pass(3_600);
    let seen = real.inventory(&shop, world.now()).await;
    let judged = catalogue.judge(&shop, &seen);
    assert_eq!((ids(&judged), judged.unknown.len()), (vec![], 0), "{judged:#?}");
    assert_eq!(seen.read_at, world.now());

    let side = |at: &str| &seen.databases[&(shop.databases[0].name.clone(), at.parse().unwrap())];
    let copied = &side(WEST).points.as_ref().unwrap()[&points[1].id];
    assert_eq!((copied.maker, copied.region.as_str()), (Maker::Muster, WEST));
    assert_eq!(copied.data_time, Some(points[0].data_time), "the source's, and not the copy's own");
    assert_eq!((&copied.copied_from, &copied.key), (&Some(points[0].id.clone()), &points[1].key));
    assert_eq!(copied.tags["muster:component"], "orders");
    let cluster = side(EAST).cluster.clone().unwrap().unwrap();
    let (_, to) = cluster.restorable.unwrap();
    assert_eq!(world.now().duration_since(to).as_secs(), 240);
    assert_eq!(cluster.account, "123456789012");
    assert!(!side(EAST).automated.as_ref().unwrap().is_empty(), "the provider's own");
    let lag = side(WEST).lag.clone().unwrap().unwrap();
    assert_eq!(lag.lag.to_string(), "1s 500ms");
    let cache = &seen.caches[&(shop.caches[0].name.clone(), shop.home.clone())];
    let group = cache.group.clone().unwrap().unwrap();
    assert!(group.members.values().any(|role| role == "primary"), "{group:?}");
    let saved = usable(cache.points.as_ref().unwrap().values(), &catalogue.points);
    assert_eq!(saved, [points[2].data_time]);
}

/// Goal: each difference between AWS and what should be is found, and a stranger's snapshot is none.
/// Method: all of them planted at once.
#[tokio::test]
async fn planted_differences_are_found() {
    let mut world = world!();
    let shop = shop(&mut world).await;
    let real = world.real(Vec::new()).await;
    let mut points = back_up(&mut world, &real, &shop).await;
    let missing = points[1].clone();
    // A run that ended before it saw its snapshot, and somebody's own.
    let stray = of_run(call(&world, &shop, "snapshot-database", json!({ "at": "active" })), 9);
    assert_eq!(real.begin(&stray).await.unwrap(), Answer::Accepted);
    let strangers =
        [("DBClusterIdentifier", "orders-east"), ("DBClusterSnapshotIdentifier", "by-hand")];
    world.rds(EAST, "CreateDBClusterSnapshot", &strangers).await;
    let name = missing.id.rsplit(':').next().unwrap();
    let gone = [("DBClusterSnapshotIdentifier", name)];
    world.rds(WEST, "DeleteDBClusterSnapshot", &gone).await;
    world.set(json!({ "snapshots_max": 7 })).await;
    world.secret_status(EAST, "shop/database", WEST, "Failed").await;
    world.bucket(EAST, "plain").await;
    world.put_text(WEST, "state-west/prod.tfstate", "{ \"serial\": 1 }".to_owned()).await;
    world.status(EAST, "cluster", "orders-east", "creating").await;
    world.status(EAST, "cache", "sessions", "create-failed").await;
    let mut shop = shop;
    shop.buckets[0].buckets.insert(EAST.to_owned(), "plain".to_owned());

    points.truncate(3);
    let seen = real.inventory(&shop, world.now()).await;
    let judged = Catalogue::of(points).judge(&shop, &seen);
    assert_eq!(
        ids(&judged),
        [
            "cache-member/sessions",
            "missing-point/orders/us-west-2",
            "no-pitr/orders/us-east-1",
            "not-replicated/files/us-east-1",
            "not-replicated/files/us-west-2",
            "not-versioned/files/us-east-1",
            "object-differs/state",
            "secret-not-in-sync/password",
            "snapshot-quota/us-east-1",
            "uncatalogued/orders/us-east-1",
            "unprotected/orders/us-west-2",
        ],
        "{judged:#?}"
    );
    assert!(judged.open["uncatalogued/orders/us-east-1"].message.contains(stray.token.as_str()));
    assert!(judged.open["missing-point/orders/us-west-2"].message.contains(&missing.id));
    assert_eq!(seen.quotas[&shop.home], Ok(Quota { used: 3, max: 7 }));
}

/// Goal: a region that does not answer is unknown, and nothing in it missing; for a second application
/// it is not asked again, nor is one that answers.
/// Method: silence a region, and look for two applications in one round.
#[tokio::test]
async fn a_silent_region_is_unknown_and_asked_once() {
    let mut world = world!();
    let shop = shop(&mut world).await;
    let real = world.real(Vec::new()).await;
    let points = back_up(&mut world, &real, &shop).await;
    world.fault("silence", json!({ "region": WEST, "how": "reset" })).await;
    world.forget_calls().await;
    let round = world.now();
    let seen = real.inventory(&shop, round).await;
    let judged = Catalogue::of(points).judge(&shop, &seen);
    assert_eq!(ids(&judged), ["inventory-unknown/us-west-2"], "{judged:#?}");
    for id in ["missing-point/orders/us-west-2", "unprotected/orders/us-west-2"] {
        assert!(judged.unknown.contains(id), "{id}: {:?}", judged.unknown);
    }
    let message = &judged.open["inventory-unknown/us-west-2"].message;
    assert!(message.contains("no answer from"), "{message}");

    let lists = ["DescribeDBClusterSnapshots", "DescribeDBClusters", "DescribeAccountAttributes"];
    let mut asked = Vec::new();
    for list in lists {
        asked.push(world.calls(list).await.len());
    }
    let mut other: Value = serde_json::to_value(&shop).unwrap();
    other["name"] = json!("other");
    let other: Application = serde_json::from_value(other).unwrap();
    let again = real.inventory(&other, round).await;
    assert!(again.quotas[&other.standby].is_err());
    for (list, before) in lists.iter().zip(asked) {
        assert!(before > 0, "{list} was asked");
        assert_eq!(world.calls(list).await.len(), before, "{list} serves both");
    }

    // The next round asks anew.
    world.heal().await;
    world.pass(300);
    let seen = real.inventory(&shop, world.now()).await;
    assert!(seen.quotas[&shop.standby].is_ok());
}

/// Goal: a round asks for each list of RDS and ElastiCache once, however many applications it serves, and
/// for each application only for what has no list; so what a thousand of them cost is known beforehand.
/// Method: a round over one application and one over eight, counted at the proxy.
#[tokio::test]
#[expect(clippy::print_stdout, reason = "what a round costs is told")]
async fn a_round_asks_for_each_list_once() {
    const MANY: u64 = 8;
    let mut world = world!();
    let shop = shop(&mut world).await;
    let real = world.real(Vec::new()).await;
    let mut rounds = Vec::new();
    for applications in [1, MANY] {
        world.pass(300);
        world.forget_calls().await;
        let since = world.now();
        for number in 0..applications {
            let name = format!("shop-{number}").parse().unwrap();
            real.inventory(&Application { name, ..shop.clone() }, since).await;
        }
        let mut counted: BTreeMap<(String, String), u64> = BTreeMap::new();
        for call in world.called().await {
            *counted.entry(call).or_default() += 1;
        }
        rounds.push(counted);
    }
    let asked: BTreeSet<&(String, String)> = rounds.iter().flat_map(BTreeMap::keys).collect();
    assert!(asked.len() >= 8, "{asked:?}");
    for call in asked {
        let [one, many] = [0, 1].map(|round| rounds[round].get(call).copied().unwrap_or_default());
        let is_shared = matches!(call.0.as_str(), "rds" | "elasticache");
        assert_eq!(many, if is_shared { one } else { MANY * one }, "{call:?}");
        println!("calls a round: {} {} {one}, shared {is_shared}", call.0, call.1);
    }
}

/// Goal: the last places of a quota are for snapshots that cannot wait, and a snapshot that can waits
/// until there is room.
/// Method: fill a region up to the last five, ask for both kinds, make room.
#[tokio::test]
async fn the_last_places_are_for_what_cannot_wait() {
    let mut world = world!();
    let shop = shop(&mut world).await;
    let real = world.real(Vec::new()).await;
    world.set(json!({ "snapshots_max": 6 })).await;
    for number in 1..=2 {
        let name = format!("by-hand-{number}");
        let with =
            [("DBClusterIdentifier", "orders-east"), ("DBClusterSnapshotIdentifier", &*name)];
        world.rds(EAST, "CreateDBClusterSnapshot", &with).await;
    }
    let sent = world.arrived("CreateDBClusterSnapshot").await;
    let backup = call(&world, &shop, "snapshot-database", json!({ "at": "active" }));
    let Answer::Busy { reason } = real.begin(&backup).await.unwrap() else { panic!() };
    assert!(reason.starts_with("us-east-1 has 2 of 6 manual snapshots"), "{reason}");
    assert_eq!(world.arrived("CreateDBClusterSnapshot").await, sent, "nothing was sent");
    let with = json!({ "at": "active", "purpose": "pre-deployment" });
    let urgent = of_run(call(&world, &shop, "snapshot-database", with), 2);
    assert_eq!(real.begin(&urgent).await.unwrap(), Answer::Accepted);

    // What cannot be read is no room.
    let operation = "DescribeAccountAttributes";
    world.fault("silence", json!({ "operation": operation, "how": "reset" })).await;
    world.set(json!({ "snapshots_max": 100 })).await;
    assert!(real.begin(&backup).await.is_err());
    world.heal().await;
    assert_eq!(real.begin(&backup).await.unwrap(), Answer::Accepted);
}

/// Goal: a sixth copy to a region waits without being sent, whoever began the five.
/// Method: five copies under way.
#[tokio::test]
async fn a_sixth_copy_is_not_sent() {
    let mut world = world!();
    let shop = shop(&mut world).await;
    let real = world.real(Vec::new()).await;
    let mut taking = call(&world, &shop, "snapshot-database", json!({ "at": "active" }));
    let taken = recorded(&carry_out(&mut world, &real, &mut taking, 5).await);
    world.set(json!({ "copy_secs": 3600 })).await;
    let with = json!({ "snapshot": taken.id, "data_time": taken.data_time, "to": "standby" });
    let copying = call(&world, &shop, "copy-snapshot", with);
    for run in 1..=5 {
        let copy = of_run(copying.clone(), run);
        assert_eq!(real.begin(&copy).await.unwrap(), Answer::Accepted, "copy {run}");
    }
    let mut sixth = of_run(copying, 6);
    let Answer::Busy { reason } = real.begin(&sixth).await.unwrap() else { panic!() };
    assert!(reason.starts_with("5 copies to us-west-2 are in progress"), "{reason}");
    assert_eq!(world.arrived("CopyDBClusterSnapshot").await, 5);
    world.pass(3_600);
    sixth.asked_at = world.now();
    assert_eq!(real.begin(&sixth).await.unwrap(), Answer::Accepted);
}

/// Goal: a cache is saved once, by the time of its nodes, waited for while it is busy, and a stranger's
/// snapshot of our name is nobody's success.
/// Method: a busy group, a lost reply, a snapshot that takes two minutes.
#[tokio::test]
async fn a_cache_is_saved() {
    let mut world = world!();
    let shop = shop(&mut world).await;
    let real = world.real(Vec::new()).await;
    let mut saving = call(&world, &shop, "snapshot-cache", json!({ "at": "active" }));
    world.status(EAST, "cache", "sessions", "modifying").await;
    let answer = real.begin(&saving).await.unwrap();
    assert!(matches!(answer, Answer::Busy { .. }), "{answer:?}");
    world.status(EAST, "cache", "sessions", "available").await;
    world.set(json!({ "cache_snapshot_secs": 120 })).await;
    world.fault("lose", json!({ "service": "elasticache", "operation": "CreateSnapshot" })).await;
    let taken_at = world.now();
    let saved = carry_out(&mut world, &real, &mut saving, 60).await;
    let point = recorded(&saved);
    assert_eq!(world.count("cache-snapshot-created").await, 1);
    assert_eq!((point.data_time, point.region.as_str()), (taken_at, EAST));
    assert!(saved.seen.iter().any(|seen| seen.contains("is creating")), "{:?}", saved.seen);

    let mut taken = of_run(call(&world, &shop, "snapshot-cache", json!({ "at": "active" })), 7);
    let with = [("SnapshotName", taken.token.as_str()), ("ReplicationGroupId", "sessions")];
    world.elasticache(EAST, "CreateSnapshot", &with).await;
    let seen = look(&world, &real, &mut taken).await;
    assert!(matches!(seen, Progress::Foreign { .. }), "{seen}");
    let mut nowhere = call(&world, &shop, "snapshot-cache", json!({ "at": "standby" }));
    nowhere.token = taken.token.clone();
    let refused = real.begin(&nowhere).await.unwrap_err().to_string();
    assert!(refused.contains("has no replication group in us-west-2"), "{refused}");
}
