//! The application that every scenario is about, and the people around it.

use std::{collections::BTreeMap, sync::LazyLock};

use jiff::Timestamp;
use muster_runbooks::{
    action::control::PersonRole,
    application::Application,
    name::{Region, RunId},
    request::{Manner, Mode, Request, Trigger},
    runbook::library::Library,
};
use muster_state::command::Person;

/// Two databases, a bucket, a cache and a namespace in two regions, three observers, one name.
const APPLICATION: &str = r#"{
  "name": "shop", "title": "Shop", "home": "us-east-1", "standby": "us-west-2",
  "objectives": { "rto": "15m", "rpo": "5m" },
  "databases": [
    { "name": "orders", "global_cluster": "shop-orders",
      "clusters": { "us-east-1": "arn:aws:rds:us-east-1:123456789012:cluster:orders-east",
                    "us-west-2": "arn:aws:rds:us-west-2:123456789012:cluster:orders-west" },
      "retention": { "keep_for": "72h" },
      "restore_test": {
        "us-east-1": { "subnet_group": "drills", "security_groups": ["sg-east"], "instance_class": "db.r6g.large" },
        "us-west-2": { "subnet_group": "drills", "security_groups": ["sg-west"], "instance_class": "db.r6g.large" } },
      "rebuild": {
        "us-east-1": { "subnet_group": "shop", "security_groups": ["sg-east"], "instance_class": "db.r6g.large" },
        "us-west-2": { "subnet_group": "shop", "security_groups": ["sg-west"], "instance_class": "db.r6g.large" } },
      "sql": { "database": "shop", "user": "muster", "password_env": "SHOP_PASSWORD",
               "ca_file": "/etc/muster/authority.pem" },
      "checks": [{ "name": "enough", "rows": { "table": "public.orders", "at_least": 1 } }],
      "divergence": { "tables": [{ "table": "public.orders", "key": "id" }] },
      "hooks": [
        { "name": "quiesce", "when": "before-snapshot", "limit": "30s", "on_error": "fail",
          "http": { "url": "https://shop.example/quiesce", "token_env": "SHOP_TOKEN" } },
        { "name": "checkpoint", "when": "before-snapshot", "limit": "20s", "on_error": "continue",
          "sql": { "statement": "checkpoint" } },
        { "name": "go-on", "when": "after-snapshot", "limit": "30s", "on_error": "fail",
          "http": { "url": "https://shop.example/go-on" } }] },
    { "name": "users", "global_cluster": "shop-users",
      "clusters": { "us-east-1": "arn:aws:rds:us-east-1:123456789012:cluster:users-east",
                    "us-west-2": "arn:aws:rds:us-west-2:123456789012:cluster:users-west" },
      "retention": { "keep_for": "72h", "monthly": 2 },
      "restore_test": {
        "us-east-1": { "subnet_group": "drills", "security_groups": ["sg-east"], "instance_class": "db.r6g.large" },
        "us-west-2": { "subnet_group": "drills", "security_groups": ["sg-west"], "instance_class": "db.r6g.large" } },
      "rebuild": {
        "us-east-1": { "subnet_group": "shop", "security_groups": ["sg-east"], "instance_class": "db.r6g.large" },
        "us-west-2": { "subnet_group": "shop", "security_groups": ["sg-west"], "instance_class": "db.r6g.large" } },
      "sql": { "database": "shop", "user": "muster", "password_env": "SHOP_PASSWORD",
               "ca_file": "/etc/muster/authority.pem" },
      "checks": [{ "name": "enough", "rows": { "table": "public.orders", "at_least": 1 } }] }
  ],
  "buckets": [
    { "name": "assets", "buckets": { "us-east-1": "assets-east", "us-west-2": "assets-west" },
      "canary_prefix": "muster/canary/" }
  ],
  "caches": [
    { "name": "sessions", "replication_groups": { "us-east-1": "shop-sessions", "us-west-2": "shop-sessions" },
      "global": "ldgnf-shop",
      "flush": { "prefixes": ["lock:"], "user": "muster", "password_env": "SHOP_CACHE_TOKEN",
                 "endpoints": { "us-east-1": "cache-east.example.com:6379", "us-west-2": "cache-west.example.com:6379" } },
      "retention": { "keep_for": "72h" } }
  ],
  "workloads": [
    { "name": "production", "namespace": "shop",
      "admission": { "ingress": "web", "stages": [50, 200] }, "contexts": { "us-east-1": "east", "us-west-2": "west" },
      "exports": { "buckets": { "us-east-1": "exports-east", "us-west-2": "exports-west" }, "prefix": "objects",
                   "retention": { "keep_for": "72h" } },
      "replicas": { "deployment/api": 6, "deployment/consumer": 3 },
      "workers": ["cronjob/nightly", "deployment/consumer"], "restart_after_failover": ["deployment/api"] }
  ],
  "builds": [
    { "name": "infrastructure",
      "projects": { "us-east-1": "arn:aws:codebuild:us-east-1:123456789012:project/shop-infrastructure",
                    "us-west-2": "arn:aws:codebuild:us-west-2:123456789012:project/shop-infrastructure" } },
    { "name": "deployment",
      "projects": { "us-east-1": "arn:aws:codebuild:us-east-1:123456789012:project/shop-deployment",
                    "us-west-2": "arn:aws:codebuild:us-west-2:123456789012:project/shop-deployment" } }
  ],
  "traffic": {
    "name": "shop.example", "zone": "Z0123456789", "primary": "us-east-1",
    "marker": { "region": "us-west-2", "bucket": "shop-traffic-west", "key": "standby-serves" },
    "answers": { "us-east-1": ["192.0.2.10"], "us-west-2": ["198.51.100.10"] }
  },
  "probes": { "us-east-1": "https://east.shop.example/health", "us-west-2": "https://west.shop.example/health" },
  "observers": [
    { "name": "frankfurt", "domain": "aws-eu-central-1", "sees": {}, "control": "https://eu.example/control" },
    { "name": "oregon", "domain": "aws-us-west-2", "sees": {}, "control": "https://west.example/control" },
    { "name": "outside", "domain": "falkenstein", "sees": {}, "control": "https://outside.example/control" }
  ]
}"#;

/// The application.
pub static SHOP: LazyLock<Application> =
    LazyLock::new(|| serde_json::from_str(APPLICATION).expect("the fixture is an application"));

/// So many applications of one database each beside each other, all at home in the east. Each third one comes
/// after the one before it, and the first ten go first.
pub fn crowd(count: usize) -> Vec<Application> {
    let name = |number: usize| format!("app-{number:04}");
    let build = |number: usize| {
        let mut one = SHOP.clone();
        one.databases.truncate(1);
        one.databases[0].hooks.clear();
        (one.buckets, one.caches, one.workloads) = (Vec::new(), Vec::new(), Vec::new());
        let text = serde_json::to_string(&one).expect("it is JSON");
        let text =
            text.replace("cluster:orders", "cluster:shop-orders").replace("shop", &name(number));
        let mut one: Application = serde_json::from_str(&text).expect("it is an application");
        one.recovery.priority = if number < 10 { 1 } else { 50 };
        if number % 3 == 2 {
            one.recovery.after.push(name(number - 1).parse().expect("a name"));
        }
        one
    };
    (0..count).map(build).collect()
}

/// The shipped runbooks.
pub static LIBRARY: LazyLock<Library> = LazyLock::new(Library::shipped);

/// What olga asks for by hand, for real and in calm.
pub fn asked(runbook: &str) -> Request {
    Request {
        runbook: runbook.parse().expect("a runbook's name"),
        application: Some(SHOP.name.clone()),
        inputs: BTreeMap::new(),
        trigger: Trigger::Person { name: "olga".to_owned() },
        mode: Mode::Live,
        manner: Manner::Graceful,
        reason: "a test".to_owned(),
        dedupe_key: None,
        symptom_at: None,
        not_after: None,
    }
}

/// When every history begins: a Monday night.
pub fn dawn() -> Timestamp {
    "2026-03-02T01:00:00Z".parse().expect("an instant")
}

/// The region where the application lives in quiet times.
pub fn home() -> Region {
    SHOP.home.clone()
}

/// The other one.
pub fn standby() -> Region {
    SHOP.standby.clone()
}

/// A run id: a letter, then a number in eleven digits.
pub fn id(letter: char, number: u64) -> RunId {
    format!("{letter}{number:011}").parse().expect("a letter and eleven digits")
}

/// Asks for runs and steers them.
pub fn olga() -> Person {
    Person { name: "olga".to_owned(), role: PersonRole::Operator }
}

/// Approves.
pub fn ben() -> Person {
    Person { name: "ben".to_owned(), role: PersonRole::Approver }
}

/// Approves too.
pub fn cara() -> Person {
    Person { name: "cara".to_owned(), role: PersonRole::Approver }
}

/// May do everything.
pub fn dora() -> Person {
    Person { name: "dora".to_owned(), role: PersonRole::Admin }
}
