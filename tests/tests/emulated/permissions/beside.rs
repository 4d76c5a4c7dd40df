//! What moves with the databases: users, caches that follow each other, and the application's write lease.

use muster_runbooks::application::Application;
use muster_tests::emulator::{EAST, WEST, calls::application};
use serde_json::json;

use super::Judge;

/// The promotion of a member of a global datastore.
pub(super) async fn datastores(judge: &mut Judge, shop: &Application) {
    let sides = [(EAST, "follows-east"), (WEST, "follows-west")];
    let mut shop = shop.clone();
    shop.caches[0].global = Some(judge.world.datastore("shop", sides).await);
    let groups = sides.map(|(region, group)| (region.to_owned(), group.to_owned()));
    shop.caches[0].replication_groups = groups.into();
    judge.act(&shop, "failover-cache", json!({ "to": "standby" })).await;
}

/// Another node of a replication group: practised where ElastiCache promotes by itself, told to where it does not.
pub(super) async fn nodes(judge: &mut Judge, shop: &Application) {
    let action = "failover-cache-in-region";
    judge.act(shop, action, json!({ "at": "active", "practice": true })).await;
    let mut shop = shop.clone();
    judge.world.cache_without_failover(EAST, "told").await;
    shop.caches[0].replication_groups.insert(EAST.to_owned(), "told".to_owned());
    judge.act(&shop, action, json!({ "at": "active" })).await;
}

/// The write lease, to a side that is named and to the one that writes.
pub(super) async fn write_lease(judge: &mut Judge, shop: &Application) {
    let mut shop = shop.clone();
    shop.write_lease = application(json!({
        "write_lease": { "region": WEST, "bucket": "files-west", "key": "writer", "length": "30s", "skew": "2s" },
    }))
    .write_lease;
    let held = json!({ "holder": EAST, "epoch": 1, "from": judge.world.now(), "by": "shop" });
    judge.world.put_text(WEST, "files-west/writer", held.to_string()).await;
    judge.act(&shop, "take-write-lease", json!({ "to": "standby" })).await;
    judge.act(&shop, "take-write-lease", json!({})).await;
}

/// The alarms that a drill asks.
pub(super) async fn alarms(judge: &mut Judge, shop: &Application) {
    let mut shop = shop.clone();
    judge.world.alarm(WEST, "errors", "OK").await;
    let alarms = json!([{ "region": WEST, "name": "errors" }]);
    shop.drills = application(json!({ "drills": { "blocking_alarms": alarms } })).drills;
    judge.act(&shop, "check-alarms", json!({ "which": "blocking" })).await;
}

/// Users are moved there, back, and in part.
pub(super) async fn traffic(judge: &mut Judge, shop: &Application) {
    judge.act(shop, "shift-traffic", json!({ "to": "standby" })).await;
    judge.act(shop, "shift-traffic", json!({ "to": "active" })).await;
    let mut both = shop.clone();
    let traffic = both.traffic.as_mut().unwrap();
    (traffic.writable_in_both, traffic.name) = (true, "both.example.com".to_owned());
    judge.act(&both, "weigh-traffic", json!({ "at": "standby", "percent": 30 })).await;
}
