//! Deleting the declared keys of a real cache.

use muster::{
    clock::Clock,
    world::{
        aws::Access,
        real::{Real, Settings},
    },
};
use muster_runbooks::application::Application;
use muster_state::call::{Answer, Call, CallError, Progress};
use muster_tests::{
    emulator::{EAST, WEST, calls},
    redis::Redis,
};
use serde_json::{Value, json};

/// The variable that holds the password: one that every process has, for a test cannot set its own environment.
const PASSWORD_ENV: &str = "PATH";

fn password() -> String {
    std::env::var(PASSWORD_ENV).expect("a path")
}

/// The shop with a cache that is reached at one server from both sides.
fn shop(endpoint: &str, more: Value) -> Application {
    let mut flush = json!({
        "prefixes": ["lock:", "idem*:"], "endpoints": { EAST: endpoint, WEST: endpoint },
        "user": "default", "password_env": PASSWORD_ENV,
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        flush[name] = value.clone();
    }
    let caches = json!([{
        "name": "sessions",
        "replication_groups": { EAST: "sessions-east", WEST: "sessions-west" },
        "rebuildable": true,
        "flush": flush,
    }]);
    calls::application(json!({ "caches": caches }))
}

async fn real() -> Real {
    let access = Access::Emulator { endpoint: "http://127.0.0.1:1".to_owned() };
    let settings = Settings {
        access,
        kubeconfig: None,
        receivers: Vec::new(),
        rates: Default::default(),
        clock: Clock::Real,
        epoch: 7,
        comparisons: None,
    };
    Real::new(settings).await.expect("the clients are made")
}

fn call(shop: &Application) -> Call {
    calls::call_at(Clock::Real.now(), shop, "flush-cache", json!({ "at": "standby" }))
}

async fn flushed(real: &Real, call: &Call) -> Value {
    let seen = real.observe(call).await.expect("an answer").progress;
    assert!(matches!(seen, Progress::NotStarted { .. }), "{seen}");
    let answer = real.begin(call).await.expect("an answer");
    let Answer::Done(done) = answer else { panic!("{answer:?}") };
    done.outputs["deleted"].clone()
}

/// Goal: every key that begins with a declared text is gone, and no other: not one that a pattern would match.
/// Method: more keys than one command looks at; a second time finds none.
#[tokio::test]
async fn declared_keys_go_and_no_others() {
    let Some(redis) = Redis::start(&password(), &[]).await else { return };
    let fill = "for n = 1, 2500 do redis.call('SET', 'lock:' .. n, n) redis.call('SET', 'session:' .. n, n) end";
    let _: redis::Value = redis.run(&["EVAL", fill, "0"]).await;
    for key in ["idem*:7", "idempotent:7", "idemx:7", "a lock:1", "LOCK:1"] {
        let _: redis::Value = redis.run(&["SET", key, "1"]).await;
    }
    let shop = shop(&redis.endpoint(), Value::Null);
    let (real, call) = (real().await, call(&shop));
    assert_eq!(flushed(&real, &call).await, json!(2_501));
    let left: u64 = redis.run(&["DBSIZE"]).await;
    assert_eq!(left, 2_504);
    for key in ["idempotent:7", "idemx:7", "a lock:1", "LOCK:1", "session:1"] {
        let there: u64 = redis.run(&["EXISTS", key]).await;
        assert_eq!(there, 1, "{key}");
    }
    assert_eq!(flushed(&real, &call).await, json!(0));
}

/// Goal: keys that are spread over the slots of several primaries go, each by itself.
#[tokio::test]
async fn keys_of_a_cluster_go() {
    let cluster = ["--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1"];
    let Some(redis) = Redis::start(&password(), &cluster).await else { return };
    let _: redis::Value = redis.run(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).await;
    loop {
        let info: String = redis.run(&["CLUSTER", "INFO"]).await;
        if info.contains("cluster_state:ok") {
            break;
        }
        muster_tests::daemon::pause().await;
    }
    for n in 0..50 {
        let _: redis::Value = redis.run(&["SET", &format!("lock:{n}"), "1"]).await;
        let _: redis::Value = redis.run(&["SET", &format!("kept:{n}"), "1"]).await;
    }
    let shop = shop(&redis.endpoint(), json!({ "cluster": true }));
    let (real, call) = (real().await, call(&shop));
    assert_eq!(flushed(&real, &call).await, json!(50));
    let left: u64 = redis.run(&["DBSIZE"]).await;
    assert_eq!(left, 50);
}

/// Goal: a side that still follows the other one is waited for; a wrong password is a matter for a person, and
/// is not repeated; a cache that is gone is no answer.
#[tokio::test]
async fn what_is_not_flushed() {
    let follows = ["--replicaof", "127.0.0.1 1"];
    let Some(redis) = Redis::start(&password(), &follows).await else { return };
    let there = shop(&redis.endpoint(), Value::Null);
    let (real, follower) = (real().await, call(&there));
    let seen = real.observe(&follower).await.expect("an answer").progress;
    assert!(seen.to_string().contains("follows the other side"), "{seen}");
    let refused = real.begin(&follower).await;
    assert!(matches!(refused, Ok(Answer::Done(_))), "nothing is there to be deleted: {refused:?}");

    let wrong = shop(&redis.endpoint(), json!({ "password_env": "HOME" }));
    let refused = real.observe(&call(&wrong)).await.expect_err("a wrong password");
    assert!(matches!(refused, CallError::Credentials { .. }), "{refused:?}");
    assert!(!format!("{refused:?}").contains(&password()), "{refused:?}");

    let endpoint = redis.endpoint();
    drop(redis);
    let silent = real.observe(&call(&shop(&endpoint, Value::Null))).await;
    assert!(matches!(silent, Err(CallError::NoAnswer { .. })), "{silent:?}");
}
