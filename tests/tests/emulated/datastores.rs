//! A global datastore of ElastiCache, whose primary moves.

use muster::world::real::Real;
use muster_runbooks::application::Application;
use muster_state::call::{Call, Progress};
use muster_tests::emulator::{
    EAST, Emulator, WEST,
    calls::{application, call, carry_out, look},
};
use serde_json::json;

use super::world;

fn shop(global: &str) -> Application {
    application(json!({ "caches": [{
        "name": "sessions", "global": global, "rebuildable": true,
        "replication_groups": { EAST: "sessions-east", WEST: "sessions-west" },
    }] }))
}

fn promoting(world: &Emulator, shop: &Application) -> Call {
    call(world, shop, "failover-cache", json!({ "to": "standby" }))
}

async fn start(world: &Emulator) -> (Application, Real) {
    let global = world.datastore("shop", [(EAST, "sessions-east"), (WEST, "sessions-west")]).await;
    (shop(&global), world.real(Vec::new()).await)
}

/// Goal: the standby's member is promoted once, over a lost answer and a modification that takes time, and
/// without the region that is left; when it is the primary already nothing is sent.
/// Method: the answer of the first call is lost; the east answers nothing at all.
#[tokio::test]
async fn the_standbys_cache_becomes_the_primary() {
    let mut world = world!();
    let (shop, real) = start(&world).await;
    world.set(json!({ "cache_failover_secs": 60 })).await;
    let lost = json!({ "service": "elasticache", "operation": "FailoverGlobalReplicationGroup" });
    world.fault("lose", lost).await;
    world.fault("silence", json!({ "region": EAST, "how": "reset" })).await;
    let mut promoting = promoting(&world, &shop);
    let carried = carry_out(&mut world, &real, &mut promoting, 20).await;
    assert_eq!(carried.done.outputs["primary"], json!(format!("{WEST}/sessions-west")));
    assert!(carried.seen.iter().any(|it| it.contains("is modifying, its primary us-east-1/")));
    assert_eq!(world.count("cache-promotion-asked").await, 1, "{:?}", carried.seen);
    assert_eq!(world.count("cache-primary-moved").await, 1);

    let mut again = self::promoting(&world, &shop);
    let carried = carry_out(&mut world, &real, &mut again, 20).await;
    assert_eq!(carried.begins, 1);
    assert_eq!(world.count("cache-promotion-asked").await, 1, "it is so already");
}

/// Goal: what is not there, or not a member, is refused with its name.
#[tokio::test]
async fn a_stranger_is_not_promoted() {
    let world = world!();
    let (mut there, real) = start(&world).await;
    let unknown = look(&world, &real, &mut promoting(&world, &shop("ldgnf-other"))).await;
    let Progress::Refused { reason } = unknown else { panic!("{unknown:?}") };
    assert_eq!(reason, "there is no global datastore `ldgnf-other`");
    world.cache(WEST, "alone").await;
    there.caches[0].replication_groups.insert(WEST.to_owned(), "alone".to_owned());
    let alone = look(&world, &real, &mut promoting(&world, &there)).await;
    let Progress::Refused { reason } = alone else { panic!("{alone:?}") };
    assert!(reason.starts_with("`alone` in us-west-2 is no member of `ldgnf-"), "{reason}");
}
