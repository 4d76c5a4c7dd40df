//! A region that is built anew: what its actions call.

use muster_runbooks::application::Application;
use muster_state::catalog::RecoveryPoint;
use muster_tests::emulator::{WEST, aws::cluster_arn, calls};
use serde_json::{from_value, json};

use super::Judge;

/// The builds, a database restored under a name that is free, and its global cluster.
pub(super) async fn rebuild(judge: &mut Judge, shop: &Application, copy: RecoveryPoint) {
    let mut shop = shop.clone();
    judge.world.build_project(WEST, "shop-infrastructure", "true").await;
    judge.world.secret(WEST, "shop/database", "none of ours").await;
    shop.builds = from_value(calls::builds()).expect("builds");
    shop.secrets =
        from_value(json!([{ "name": "password", "secret": "shop/database" }])).expect("secrets");
    let database = &mut shop.databases[0];
    database.rebuild = from_value(calls::rebuild()).expect("places");
    database.global_cluster = "anew".to_owned();
    database.clusters.insert(WEST.to_owned(), cluster_arn(WEST, "orders-anew"));

    let with = json!({ "build": "infrastructure", "at": "standby", "databases": "restored" });
    judge.act(&shop, "run-build", with).await;
    judge.act(&shop, "check-secrets", json!({ "at": "standby" })).await;
    // The list of the choice serves those who come right after it.
    judge.world.pass(60);
    let with = json!({ "at": "standby", "point": copy.id });
    let restored = judge.act(&shop, "restore-database", with).await.outputs;
    assert_eq!(restored["made"], json!("by-restore"));
    judge.act(&shop, "start-database-instance", json!({ "at": "standby" })).await;
    judge.act(&shop, "make-global-cluster", json!({ "to": "standby" })).await;
}
