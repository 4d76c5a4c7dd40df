//! What reaching a database by SQL needs.

use std::collections::BTreeSet;

use muster_runbooks::application::Application;
use muster_state::call::{Answer, Progress};
use muster_tests::emulator::{EAST, WEST, aws::ACCOUNT, calls::call};
use serde_json::{Value, json};

use super::{Judge, declared, needed};

/// What a connection takes before it is made. There is no PostgreSQL behind this AWS: the first of
/// two calls ends at a cluster that is not there, the second at a port where nobody listens.
pub(super) async fn reached(judge: &mut Judge, shop: &Application) {
    let mut shop = serde_json::to_value(shop).unwrap();
    let near = json!({ EAST: "127.0.0.1:1", WEST: "127.0.0.1:1" });
    let secret = judge.world.secret(EAST, "reader", r#"{"username":"a","password":"b"}"#).await;
    let in_variable = json!({ "database": "shop", "user": "reader", "password_env": "PATH",
        "sslmode": "disable", "endpoints": near });
    let in_secret = json!({ "database": "shop", "secret": { EAST: secret },
        "sslmode": "disable", "endpoints": near });
    let cases = [
        (in_variable, json!({ "at": "active", "cluster": "gone" }), ["rds:DescribeDBClusters"]),
        (in_secret, json!({ "at": "active" }), ["secretsmanager:GetSecretValue"]),
    ];
    for (sql, with, needs) in cases {
        shop["databases"][0]["sql"] = sql;
        shop["databases"][0]["checks"] = json!([{ "name": "people", "roles": ["reader"] }]);
        let shop: Application = serde_json::from_value(shop.clone()).unwrap();
        for action in ["check-sql", "inventory-divergence"] {
            let looking = call(&judge.world, &shop, action, with.clone());
            judge.world.forget_calls().await;
            match judge.real.observe(&looking).await.map(|reading| reading.progress) {
                Ok(Progress::Done(done)) => assert_eq!(done.outputs["verdict"], json!("unknown")),
                Ok(other) => panic!("{action}: {other}"),
                Err(_) => {}
            }
            let called = judge.world.called().await;
            let used: BTreeSet<String> =
                called.iter().flat_map(|(service, operation)| needed(service, operation)).collect();
            assert_eq!(used, needs.map(str::to_owned).into(), "{action}: {called:?}");
            assert_eq!(declared(&looking), used, "{action}");
            judge.operate.extend(used);
        }
    }
    hooks(judge, shop).await;
    judge.judged.extend(["check-sql", "inventory-divergence"]);
    // The same call, with what a restore test gave it.
    judge.judged.insert("check-restored");
}

/// A hook by SQL reaches the database as a check does. Its server is not there, and its cluster is gone.
async fn hooks(judge: &mut Judge, mut shop: Value) {
    shop["databases"][0]["hooks"] = json!([{
        "name": "rest", "when": "before-snapshot", "limit": "5s", "on_error": "fail",
        "sql": { "statement": "select 1" },
    }]);
    let mut gone = shop.clone();
    gone["databases"][0]["clusters"][EAST] =
        json!(format!("arn:aws:rds:{EAST}:{ACCOUNT}:cluster:gone"));
    gone["databases"][0]["sql"] =
        json!({ "database": "shop", "user": "reader", "password_env": "PATH" });
    for (shop, needs) in [(shop, "secretsmanager:GetSecretValue"), (gone, "rds:DescribeDBClusters")]
    {
        let shop: Application = serde_json::from_value(shop).unwrap();
        let with = json!({ "at": "active", "when": "before-snapshot" });
        let asking = call(&judge.world, &shop, "run-hooks", with);
        judge.world.forget_calls().await;
        let begun = judge.real.begin(&asking).await;
        assert!(!matches!(begun, Ok(Answer::Done(_))), "{begun:?}");
        let called = judge.world.called().await;
        let used: BTreeSet<String> =
            called.iter().flat_map(|(service, operation)| needed(service, operation)).collect();
        assert_eq!(used, [needs.to_owned()].into(), "{called:?} {begun:?}");
        assert_eq!(declared(&asking), used);
    }
    judge.judged.insert("run-hooks");
}
