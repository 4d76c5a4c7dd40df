//! The nodes of a replication group, inside one region: the primary moves, or AWS moves it by itself.

use muster_runbooks::application::Application;
use muster_state::call::{Call, CallError, Progress};
use muster_tests::emulator::{
    EAST, Emulator,
    calls::{application, call, carry_out, look},
};
use serde_json::json;

use super::world;

fn shop() -> Application {
    application(json!({ "caches": [{
        "name": "sessions", "rebuildable": true, "replication_groups": { EAST: "sessions" },
    }] }))
}

fn earnest(world: &Emulator) -> Call {
    call(world, &shop(), "failover-cache-in-region", json!({ "at": "active" }))
}

fn practice(world: &Emulator) -> Call {
    let with = json!({ "at": "active", "practice": true });
    call(world, &shop(), "failover-cache-in-region", with)
}

async fn lose(world: &Emulator, operation: &str) {
    world.fault("lose", json!({ "service": "elasticache", "operation": operation })).await;
}

/// Goal: where nothing promotes by itself the replica becomes the primary, once, over a lost answer and the time
/// that it takes.
/// Method: the answer to the one call is lost; the group is modifying for half a minute.
#[tokio::test]
async fn a_replica_is_promoted_once() {
    let mut world = world!();
    world.cache_without_failover(EAST, "sessions").await;
    let real = world.real(Vec::new()).await;
    world.set(json!({ "cache_node_secs": 30 })).await;
    lose(&world, "ModifyReplicationGroup").await;
    let mut promoting = earnest(&world);
    let moved = carry_out(&mut world, &real, &mut promoting, 5).await;
    assert_eq!(moved.begins, 1, "{:?}", moved.seen);
    assert_eq!(moved.done.outputs["primary"], json!("sessions-002"));
    assert_eq!(moved.done.outputs["before"], json!("sessions-001"));
    let before = json!({ "primary": "sessions-001", "shard": "0001", "to": "sessions-002" });
    assert_eq!(promoting.aim.as_ref().unwrap().before, before);
    let waited = "`sessions` is modifying, its primary sessions-001";
    assert!(moved.seen.iter().any(|seen| seen == waited), "{:?}", moved.seen);
    assert_eq!(world.calls("ModifyReplicationGroup").await.len(), 1);
    assert_eq!(world.count("cache-node-promoted").await, 1);
    assert_eq!(world.calls("TestFailover").await.len(), 0);

    let mut practised = practice(&world);
    let Progress::Refused { reason } = look(&world, &real, &mut practised).await else { panic!() };
    assert!(reason.contains("there is none to practise"), "{reason}");
}

/// Goal: where ElastiCache promotes by itself nothing is asked for in earnest, and practice happens once.
/// Method: in earnest, while the group is well and while it is not; then for practice, with the answer lost.
#[tokio::test]
async fn what_promotes_by_itself_is_only_practised() {
    let mut world = world!();
    world.cache(EAST, "sessions").await;
    let real = world.real(Vec::new()).await;
    let mut asked = earnest(&world);
    let Progress::Refused { reason } = look(&world, &real, &mut asked).await else { panic!() };
    assert!(reason.contains("must not be a way to recover"), "{reason}");
    assert!(reason.contains("`practice: true`") && reason.contains("`sessions-001`"), "{reason}");
    world.status(EAST, "cache", "sessions", "modifying").await;
    let seen = look(&world, &real, &mut asked).await;
    assert!(matches!(seen, Progress::InProgress { .. }), "{seen}");
    assert!(seen.to_string().ends_with("ElastiCache is promoting by itself"), "{seen}");
    world.status(EAST, "cache", "sessions", "available").await;

    world.set(json!({ "cache_node_secs": 30 })).await;
    lose(&world, "TestFailover").await;
    let mut practised = practice(&world);
    let moved = carry_out(&mut world, &real, &mut practised, 5).await;
    assert_eq!(moved.begins, 1, "{:?}", moved.seen);
    assert_eq!(moved.done.outputs["primary"], json!("sessions-002"));
    assert_eq!(world.calls("TestFailover").await.len(), 1);
    let arrived = world.recorded(0).await;
    let tested = arrived.iter().find(|call| call["operation"] == "TestFailover").unwrap();
    assert_eq!(tested["parameters"]["NodeGroupId"], "0001");
    assert_eq!(world.count("cache-node-promoted").await, 1);
    assert_eq!(world.calls("ModifyReplicationGroup").await.len(), 0);
}

/// Goal: what AWS does not allow just now ends the step with AWS's word for it, and a group without a replica is
/// told what it lacks.
/// Method: AWS blocks `TestFailover`; a group of one node.
#[tokio::test]
async fn what_aws_blocks_is_refused() {
    let world = world!();
    world.cache(EAST, "sessions").await;
    let real = world.real(Vec::new()).await;
    world.set(json!({ "test_failover_blocked": true })).await;
    let mut practised = practice(&world);
    let Progress::NotStarted { before, targets } = look(&world, &real, &mut practised).await else {
        panic!()
    };
    let at = world.now();
    practised.aim = Some(muster_state::step::Aim { at, before, targets }.into());
    let refused = real.begin(&practised).await.unwrap_err();
    assert!(matches!(refused, CallError::Refused { .. }), "{refused}");
    assert!(refused.to_string().contains("TestFailoverNotAvailableFault"), "{refused}");

    let alone = [
        ("ReplicationGroupId", "alone"),
        ("ReplicationGroupDescription", "one node"),
        ("CacheNodeType", "cache.r6g.large"),
    ];
    world.elasticache(EAST, "CreateReplicationGroup", &alone).await;
    let mut shop = shop();
    shop.caches[0].replication_groups.insert(EAST.to_owned(), "alone".to_owned());
    let with = json!({ "at": "active" });
    let mut lonely = call(&world, &shop, "failover-cache-in-region", with);
    let Progress::Refused { reason } = look(&world, &real, &mut lonely).await else { panic!() };
    assert!(reason.starts_with("`alone` has no replica"), "{reason}");
}

/// Goal: an inventory sees whether a cache outlives a zone, and when somebody turns that off.
/// Method: a group as it should be, then with both switches off.
#[tokio::test]
async fn what_outlives_a_zone_is_seen() {
    let mut world = world!();
    world.cache(EAST, "sessions").await;
    let real = world.real(Vec::new()).await;
    let shop = shop();
    let place = (shop.caches[0].name.clone(), shop.home.clone());
    let seen = real.inventory(&shop, world.now()).await;
    let group = seen.caches[&place].group.clone().unwrap().unwrap();
    assert_eq!((group.promotes, group.multi_az), (Some(true), Some(true)));
    let [shard] = &group.shards[..] else { panic!("{group:?}") };
    assert_eq!((shard.id.as_str(), shard.zones.len()), ("0001", 2));
    assert!(shard.zones[0] != shard.zones[1] && !shard.zones.contains(&None), "{shard:?}");

    let off = [
        ("ReplicationGroupId", "sessions"),
        ("AutomaticFailoverEnabled", "false"),
        ("MultiAZEnabled", "false"),
        ("ApplyImmediately", "true"),
    ];
    world.elasticache(EAST, "ModifyReplicationGroup", &off).await;
    world.pass(300);
    let seen = real.inventory(&shop, world.now()).await;
    let group = seen.caches[&place].group.clone().unwrap().unwrap();
    assert_eq!((group.promotes, group.multi_az), (Some(false), Some(false)));
}
