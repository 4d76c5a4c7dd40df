//! A region that is built anew: builds that are found again, and databases that come back under their own names.

use muster_runbooks::{application::Application, name::Token};
use muster_state::call::{Call, CallError, Progress};
use muster_tests::{
    daemon::pause,
    emulator::{
        EAST, Emulator, WEST,
        calls::{self, application, call, carry_out, look},
    },
};
use serde_json::{Value, from_value, json};

use super::world;

/// The application with its builds and the places for its database.
fn shop() -> Application {
    let mut shop = application(Value::Null);
    shop.builds = from_value(calls::builds()).expect("builds");
    shop.databases[0].rebuild = from_value(calls::rebuild()).expect("places");
    shop
}

fn building(world: &Emulator, shop: &Application) -> Call {
    let with = json!({ "build": "infrastructure", "at": "standby", "databases": "restored" });
    call(world, shop, "run-build", with)
}

/// The same call of another run.
fn of_run(mut call: Call, run: &str) -> Call {
    call.run = run.parse().expect("a run id");
    call.token = Token::new(&call.run, &call.step, 1, false);
    call
}

/// Goal: a build whose answer was lost is found by the token in its environment, also when CodeBuild has forgotten that
/// token, and none is started beside it; how long it took is CodeBuild's own figure.
/// Method: the answer to StartBuild is lost; the next look comes six minutes later.
#[tokio::test]
async fn a_build_is_found_again_after_its_token_was_forgotten() {
    let mut world = world!();
    world.build_project(WEST, "shop-infrastructure", "true").await;
    world.set(json!({ "build_secs": 900 })).await;
    let real = world.real(Vec::new()).await;
    let mut building = building(&world, &shop());
    let lost = json!({ "service": "codebuild", "operation": "StartBuild" });
    world.fault("lose", lost).await;
    let seen = look(&world, &real, &mut building).await;
    assert!(matches!(seen, Progress::NotStarted { .. }), "{seen}");
    let why = real.begin(&building).await.unwrap_err();
    assert!(matches!(why, CallError::NoAnswer { .. }), "{why}");
    world.heal().await;
    world.pass(360);
    let seen = look(&world, &real, &mut building).await.to_string();
    assert!(seen.contains("is in BUILD"), "{seen}");
    world.pass(540);
    let carried = carry_out(&mut world, &real, &mut building, 5).await;
    assert_eq!((carried.begins, &carried.done.outputs["took"]), (0, &json!("15m")));
    assert_eq!(world.count("build-started").await, 1);
    let id = carried.done.outputs["build"].as_str().expect("an identifier");
    assert!(id.starts_with("shop-infrastructure:"), "{id}");
}

/// Goal: no build is started while another one of its project runs, whoever's that is.
/// Method: another run's build; this one's call is carried out beside it.
#[tokio::test]
async fn a_build_waits_for_another_one() {
    let mut world = world!();
    world.build_project(WEST, "shop-infrastructure", "true").await;
    world.set(json!({ "build_secs": 300 })).await;
    let (real, shop) = (world.real(Vec::new()).await, shop());
    let other = of_run(building(&world, &shop), "r00000000002");
    real.begin(&other).await.expect("it is started");
    let mut building = building(&world, &shop);
    let seen = look(&world, &real, &mut building).await.to_string();
    assert!(
        seen.contains(&format!("of `{}` runs in `shop-infrastructure`", other.token)),
        "{seen}"
    );
    world.pass(300);
    let carried = carry_out(&mut world, &real, &mut building, 30).await;
    assert_eq!(carried.begins, 1, "{:?}", carried.seen);
    assert_eq!(world.count("build-started").await, 2);
}

/// Goal: a build that failed says in which phase, with its last words and where its log is; a project that is not
/// there is refused.
/// Method: a script that says why and exits.
#[tokio::test]
async fn a_build_that_fails_says_how() {
    let world = world!();
    world.build_project(WEST, "shop-infrastructure", "echo no quota is left; exit 3").await;
    let (real, shop) = (world.real(Vec::new()).await, shop());
    let mut building = building(&world, &shop);
    real.begin(&building).await.expect("it is started");
    let reason = loop {
        let seen = look(&world, &real, &mut building).await;
        if let Progress::Failed { reason } = seen {
            break reason;
        }
        assert!(matches!(seen, Progress::InProgress { .. }), "{seen}");
        pause().await;
    };
    for part in ["is FAILED in BUILD", "exit status 3: no quota is left", "its log: http"] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
    let with = json!({ "build": "deployment", "at": "standby" });
    let mut missing = call(&world, &shop, "run-build", with);
    missing.asked_at = world.now();
    let why = real.observe(&missing).await.unwrap_err();
    assert!(matches!(why, CallError::Refused { .. }), "{why}");
}

/// Goal: what stands is never restored over: a reader of the global cluster has its data from there, and a cluster of
/// unknown origin is for a person; a restore whose answer was lost is one restore, also for another attempt.
/// Method: the standby as it is; then taken away and made by a stranger; then taken away and restored.
#[tokio::test]
async fn what_stands_is_not_restored_over() {
    let mut world = world!();
    world.global_pair().await;
    let (real, shop) = (world.real(Vec::new()).await, shop());
    let mut taking = call(&world, &shop, "snapshot-database", json!({ "at": "standby" }));
    let taken = carry_out(&mut world, &real, &mut taking, 1).await.done.outputs;
    let with = json!({ "at": "standby", "point": taken["snapshot"] });

    let mut restoring = call(&world, &shop, "restore-database", with);
    let carried = carry_out(&mut world, &real, &mut restoring, 5).await;
    assert_eq!((carried.begins, &carried.done.outputs["made"]), (0, &json!("by-replication")));
    let mut starting = call(&world, &shop, "start-database-instance", json!({ "at": "standby" }));
    let carried = carry_out(&mut world, &real, &mut starting, 5).await;
    assert_eq!((carried.begins, &carried.done.outputs["made"]), (0, &json!("by-others")));
    let mut making = call(&world, &shop, "make-global-cluster", json!({ "to": "standby" }));
    let seen = look(&world, &real, &mut making).await.to_string();
    assert!(seen.contains("refused: `orders` exists") && seen.contains("orders-east"), "{seen}");

    world.lose_cluster(WEST, "orders-west", "orders").await;
    world.cluster(WEST, "orders-west", 0, None).await;
    world.pass(60);
    let seen = look(&world, &real, &mut restoring).await.to_string();
    assert!(seen.contains("refused: `orders-west` stands and is of unknown origin"), "{seen}");
    // Whoever begins all the same is told by AWS that it exists, and changes nothing.
    real.begin(&restoring).await.expect("it exists");
    assert_eq!(world.count("cluster-created").await, 3);

    let with = [("DBClusterIdentifier", "orders-west"), ("SkipFinalSnapshot", "true")];
    world.rds(WEST, "DeleteDBCluster", &with).await;
    world.set(json!({ "cluster_secs": 600 })).await;
    let lost = json!({ "service": "rds", "operation": "RestoreDBClusterFromSnapshot" });
    world.fault("lose", lost).await;
    world.pass(60);
    let why = real.begin(&restoring).await.unwrap_err();
    assert!(matches!(why, CallError::NoAnswer { .. }), "{why}");
    world.heal().await;
    let mut again = Call { attempt: 2, started_at: world.now(), ..restoring.clone() };
    again.token = Token::new(&again.run, &again.step, 2, false);
    let carried = carry_out(&mut world, &real, &mut again, 60).await;
    assert_eq!((carried.begins, &carried.done.outputs["made"]), (0, &json!("by-restore")));
    let other = of_run(restoring, "r00000000009");
    let seen =
        look(&world, &real, &mut Call { started_at: world.now(), ..other }).await.to_string();
    assert!(seen.contains("is of unknown origin"), "{seen}");
    assert_eq!(world.calls("RestoreDBClusterFromSnapshot").await.len(), 2);
    assert_eq!(world.count("cluster-created").await, 4, "one restore, and the others by hand");
    let described =
        world.rds(WEST, "DescribeDBClusters", &[("DBClusterIdentifier", "orders-west")]).await;
    for wanted in ["sg-0000000000000000b", "<DeletionProtection>true<", "muster:step"] {
        assert!(described.contains(wanted), "{wanted}: {described}");
    }
    assert!(world.rds(EAST, "DescribeDBClusters", &[]).await.contains("orders-east"));
}
