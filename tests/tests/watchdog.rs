//! The watchdog, whole: the real binary under the local Lambda runtime, an emulated AWS, and a service of
//! PagerDuty that a test plays.

use std::{collections::BTreeMap, pin::pin};

use jiff::{SignedDuration, Timestamp};
use muster_tests::{
    aws,
    daemon::pause,
    emulator::{EAST, Emulator, aws::ACCOUNT, site::Site},
    lambda::Function,
    policy::{Asked, Policy, Verdict, asked_by},
    stage::Stage,
};
use serde_json::{Value, json};

/// Where the lease lives, and the function.
const THIRD: &str = "eu-central-1";

const KEY: &str = "r0ut1ngk3y";

/// What the function is told.
fn watch(bucket: &str, application: &str, more: &Value) -> Value {
    let mut watch = json!({
        "name": "test",
        "heartbeat": { "region": THIRD, "bucket": bucket, "key": "lease.heartbeat" },
        "databases": [{ "application": application, "database": "orders", "regions": [EAST] }],
    });
    if !more.is_null() {
        watch["notices"] = more.clone();
    }
    watch
}

async fn function(
    python: &str,
    world: &Emulator,
    pages: &Site,
    watch: &Value,
    key: (&str, &str),
) -> Function {
    let mut env = world.env();
    let clock = world.clock_file().display().to_string();
    for (name, value) in [
        ("MUSTER_WATCH", watch.to_string()),
        ("MUSTER_PAGERDUTY_URL", pages.url()),
        ("MUSTER_CLOCK_FILE", clock),
        (key.0, key.1.to_owned()),
    ] {
        env.push((name.to_owned(), value));
    }
    Function::start(python, "watchdog", &env).await
}

/// So many pauses without an answer mean that it waits for the clock.
const WORKS_FOR: u32 = 500;

/// One invocation. The clock stands still while it works and goes on while it waits for an instant.
async fn invoke(function: &mut Function, world: &mut Emulator) -> Result<(), String> {
    let event = json!({});
    let mut invoked = pin!(function.invoke(&event));
    let mut pauses = 0;
    loop {
        tokio::select! {
            done = &mut invoked => return done,
            () = pause() => pauses += 1,
        }
        if pauses > WORKS_FOR {
            world.pass(1);
        }
    }
}

/// What was said since the first `after` events: the action and the cause.
fn said(pages: &Site, after: usize) -> Vec<String> {
    let word = |taken: &str| {
        let event: Value = serde_json::from_str(taken).expect("JSON");
        assert_eq!(event["routing_key"], KEY, "{event}");
        let key = event["dedup_key"].as_str().expect("a key");
        let cause = key.strip_prefix("muster-watchdog/test/").expect("our own");
        format!("{} {cause}", event["event_action"].as_str().expect("an action"))
    };
    let mut said: Vec<String> =
        pages.taken()[after..].iter().map(|taken| word(&taken.body)).collect();
    said.sort();
    said
}

/// A heartbeat of now, as a daemon writes it.
async fn beat(world: &Emulator, bucket: &str) {
    let beat = json!({ "epoch": 7, "sequence": 9, "at": world.now(), "version": "0.1.0" });
    world.put_text(THIRD, &format!("{bucket}/lease.heartbeat"), beat.to_string()).await;
}

/// A night's backup of now, as a daemon takes it.
async fn back_up(world: &Emulator, name: &str) {
    let mut with =
        vec![("DBClusterIdentifier", "orders-east"), ("DBClusterSnapshotIdentifier", name)];
    let tags = [
        ("muster:run", "a00000000000"),
        ("muster:application", "shop"),
        ("muster:component", "orders"),
        ("muster:purpose", "backup"),
    ];
    let names: Vec<(String, String)> = (1..=tags.len())
        .map(|number| (format!("Tags.Tag.{number}.Key"), format!("Tags.Tag.{number}.Value")))
        .collect();
    for ((key, value), (key_name, value_name)) in tags.iter().zip(&names) {
        with.extend([(key_name.as_str(), *key), (value_name.as_str(), *value)]);
    }
    world.rds(EAST, "CreateDBClusterSnapshot", &with).await;
}

/// Moves the clock to the next minute that `every` divides.
fn to_minute(world: &mut Emulator, every: i64) {
    let secs = world.now().as_second();
    world.pass(every * 60 - secs.rem_euclid(every * 60));
}

/// Goal: what is wrong is paged under one name and closed when it is over; what cannot be seen is said to
/// be so; who cannot page fails; and none of it needs more than the shipped role.
/// Method: one world, spoilt and mended; then every call that arrived, against the policy.
#[tokio::test]
async fn what_is_wrong_is_paged_and_closed() {
    let Some(python) = aws::python("what_is_wrong_is_paged_and_closed") else { return };
    let Some(mut world) = Emulator::start() else { return };
    let (bucket, pages) = ("covetpy-muster-lease", Site::start(202));
    world.bucket(THIRD, bucket).await;
    world.cluster(EAST, "orders-east", 1, None).await;
    let secret = world.secret(THIRD, "muster/watchdog", KEY).await;
    let before = world.recorded(0).await.len();
    let key = ("MUSTER_PAGERDUTY_SECRET", &*secret);
    let watch = watch(bucket, "shop", &Value::Null);
    let mut function = function(&python, &world, &pages, &watch, key).await;

    // Nothing is there: no heartbeat and no backup. What can be seen, is seen.
    to_minute(&mut world, 10);
    invoke(&mut function, &mut world).await.expect("it pages");
    let both = ["trigger backup/shop/orders", "trigger heartbeat"];
    let wanted = [&["resolve sight/us-east-1"], &both[..]].concat();
    assert_eq!(said(&pages, 0), wanted);

    // Both are there, and what was opened is closed.
    back_up(&world, "muster-a00000000000-snapshot-1").await;
    to_minute(&mut world, 10);
    beat(&world, bucket).await;
    let after = pages.taken().len();
    invoke(&mut function, &mut world).await.expect("it says so");
    let wanted = ["resolve backup/shop/orders", "resolve heartbeat", "resolve sight/us-east-1"];
    assert_eq!(said(&pages, after), wanted);

    // A page that nobody takes is an error of the invocation, and comes again.
    world.pass(26 * 3_600);
    beat(&world, bucket).await;
    pages.set(500);
    let error = invoke(&mut function, &mut world).await.expect_err("nobody was told");
    assert!(error.contains("Untold") && !error.contains(KEY), "{error}");
    pages.set(202);
    beat(&world, bucket).await;
    let after = pages.taken().len();
    invoke(&mut function, &mut world).await.expect("now it does");
    assert!(said(&pages, after).contains(&both[0].to_owned()), "{:?}", said(&pages, after));

    // A region that gives no answer is unknown, and not well.
    world.fault("silence", json!({ "region": EAST, "how": "reset" })).await;
    to_minute(&mut world, 10);
    let after = pages.taken().len();
    invoke(&mut function, &mut world).await.expect("it pages");
    let found = said(&pages, after);
    assert!(found.contains(&"trigger sight/us-east-1".to_owned()), "{found:?}");
    assert!(!found.iter().any(|one| one.contains("backup/")), "{found:?}");
    world.heal().await;

    judged(&world.recorded(before).await);
}

/// Each call of AWS that the function made is one that its role allows, and changes nothing. The test's own
/// are left out by name.
fn judged(calls: &[Value]) {
    let policy = include_str!("../../deploy/iam/watchdog.json");
    let policy = Policy::read(policy).expect("a policy");
    let mut seen = BTreeMap::new();
    for call in calls {
        let operation = call["operation"].as_str().unwrap_or_default();
        if ["PutObject", "CreateDBClusterSnapshot"].contains(&operation) {
            continue;
        }
        *seen.entry(operation.to_owned()).or_insert(0) += 1;
        if call["service"] == "secretsmanager" {
            continue;
        }
        for asked in asked_by(call, ACCOUNT, &BTreeMap::new()) {
            assert_eq!(policy.judge(&asked), Verdict::Allowed, "{asked:?}");
        }
    }
    let wanted = ["DescribeDBClusterSnapshots", "GetObject", "GetSecretValue"];
    assert_eq!(seen.keys().collect::<Vec<_>>(), wanted, "{seen:?}");
    let asked = |action: &str, resource: &str| Asked {
        action: action.to_owned(),
        resource: resource.to_owned(),
        ..Asked::default()
    };
    let secret = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:muster/watchdog-Ab12Cd";
    let key = asked("secretsmanager:GetSecretValue", secret);
    assert_eq!(policy.judge(&key), Verdict::Allowed);
    for action in ["rds:DeleteDBCluster", "rds:FailoverGlobalCluster", "s3:PutObject"] {
        let denied =
            policy.judge(&asked(action, "arn:aws:s3:::covetpy-muster-lease/lease.heartbeat"));
        assert_eq!(denied, Verdict::Denied("ItNeverActs".to_owned()), "{action}");
    }
    let lease = asked("s3:GetObject", "arn:aws:s3:::covetpy-muster-lease/lease");
    assert_eq!(policy.judge(&lease), Verdict::Silent);
}

/// Goal: a notice that nobody takes, and a daemon that is gone, are told by somebody else, the latter
/// within two minutes of its last sign.
/// Method: a real daemon under a lease; its receiver breaks, then it is killed; one invocation a minute.
#[tokio::test]
async fn a_deaf_receiver_and_a_dead_daemon_are_paged() {
    let Some(python) = aws::python("a_deaf_receiver_and_a_dead_daemon_are_paged") else { return };
    let Some(mut stage) = Stage::under_a_lease(THIRD, "").await else { return };
    let pages = Site::start(202);
    let notices = json!({ "failing_after": "1m" });
    let watch = watch("muster-lease", "shop", &notices);
    let key = ("MUSTER_PAGERDUTY_KEY", KEY);
    let mut function = function(&python, &stage.world, &pages, &watch, key).await;

    let listed = async |stage: &mut Stage| {
        stage.world.get(THIRD, "muster-lease?list-type=2").await.contains("lease.heartbeat")
    };
    stage.until("there is a heartbeat", listed).await;
    stage.pager.set(500);
    let inputs = json!({ "text": "a test" });
    let request = json!({ "runbook": "page-on-call", "inputs": inputs, "reason": "a test" });
    stage.ask("ana", "page", request).await;
    let is_failing = async |stage: &mut Stage| {
        let beat = heartbeat(stage).await;
        let since = instant(&beat["notices"]["receivers"][0]["failing_since"]);
        since.is_some_and(|since| stage.world.now().duration_since(since).as_secs() > 60)
    };
    stage.until("the heartbeat says that nobody listens", is_failing).await;
    let found = invoked(&mut function, &mut stage, &pages).await;
    assert!(found.contains(&"trigger notices".to_owned()), "{found:?}");

    stage.crash();
    let last = instant(&heartbeat(&stage).await["at"]).expect("an instant");
    let limit = last + SignedDuration::from_secs(180);
    loop {
        let found = invoked(&mut function, &mut stage, &pages).await;
        if found.contains(&"trigger heartbeat".to_owned()) {
            break;
        }
        assert!(stage.world.now() < limit, "nobody was told: {found:?}");
        to_minute(&mut stage.world, 1);
    }
    let took = stage.world.now().duration_since(last);
    // It waits for the second in which the heartbeat becomes stale; the rest is how fast this clock goes
    // while a process works.
    assert!((120..=135).contains(&took.as_secs()), "{took:#}");
}

async fn invoked(function: &mut Function, stage: &mut Stage, pages: &Site) -> Vec<String> {
    let after = pages.taken().len();
    invoke(function, &mut stage.world).await.expect("it pages");
    said(pages, after)
}

async fn heartbeat(stage: &Stage) -> Value {
    let text = stage.world.get(THIRD, "muster-lease/lease.heartbeat").await;
    serde_json::from_str(&text).unwrap_or_default()
}

fn instant(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}
