//! What is not RDS: canaries, probes, observers, notices.

use muster::world::notify::Receiver;
use muster_state::call::{Answer, CallError, Progress};
use muster_tests::emulator::{
    EAST, WEST,
    calls::{application, call, carry_out, look},
    site::Site,
};
use serde_json::{Value, json};

use super::world;

/// Goal: a canary proves the way of all objects: written here, seen there.
/// Method: the emulator replicates nothing, so the test does it a minute and a half later.
#[tokio::test]
async fn a_canary_arrives() {
    let mut world = world!();
    world.bucket(EAST, "files-east").await;
    world.bucket(WEST, "files-west").await;
    let real = world.real(Vec::new()).await;
    let shop = application(Value::Null);
    let mut writing = call(&world, &shop, "write-canary", json!({ "at": "active" }));
    assert_eq!(look(&world, &real, &mut writing).await, Progress::not_started());
    assert_eq!(real.begin(&writing).await.unwrap(), Answer::Accepted);
    let seen = look(&world, &real, &mut writing).await.to_string();
    assert!(seen.contains("without a status yet"), "{seen}");
    let written_at = world.now().to_string();
    world.pass(90);
    let seen = look(&world, &real, &mut writing).await;
    assert!(matches!(seen, Progress::Refused { .. }), "no rule covers it: {seen}");
    let path = format!("files-west/canaries/{}", writing.token);
    let metadata = [("muster-token", writing.token.as_str()), ("muster-written-at", &*written_at)];
    world.put(WEST, &path, &metadata).await;
    let arrived = carry_out(&mut world, &real, &mut writing, 1).await;
    assert_eq!(arrived.done.outputs["arrived_after"], json!("1m 30s"));
    assert_eq!(arrived.done.outputs["arrived"], json!(["canaries 1m 30s"]));
}

/// Goal: a bucket that S3 does not replicate is a finding with its cause, one of which nothing is known
/// is unknown, and only numbers make it well.
/// Method: from no versioning to samples of every metric, and then one that says failures.
#[tokio::test]
async fn whether_s3_replicates_a_bucket() {
    let mut world = world!();
    world.bucket(EAST, "files-east").await;
    world.bucket(WEST, "files-west").await;
    let real = world.real(Vec::new()).await;
    let shop = application(Value::Null);
    let with = json!({ "from": "active" });
    let mut asking = call(&world, &shop, "check-bucket-replication", with);
    let seen = look(&world, &real, &mut asking).await.to_string();
    assert_eq!(seen, "failed: versioning of `files-east` is off, so nothing is replicated");
    let on = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    world.configure(EAST, "files-east", "versioning", on).await;
    let seen = look(&world, &real, &mut asking).await.to_string();
    assert_eq!(seen, "failed: no rule replicates `files-east` to `files-west`");
    world.replicates(EAST, "files-east", "files-west", "Disabled").await;
    let seen = look(&world, &real, &mut asking).await.to_string();
    assert_eq!(seen, "failed: rule `all` of `files-east` is disabled");
    world.replicates(EAST, "files-east", "files-west", "Enabled").await;
    let seen = look(&world, &real, &mut asking).await.to_string();
    assert!(seen.starts_with("replication by rule `all` is unknown"), "{seen}");

    let pair = ["files-east", "files-west"];
    for (name, value) in [
        ("ReplicationLatency", 12.0),
        ("OperationsPendingReplication", 4.0),
        ("BytesPendingReplication", 4096.0),
    ] {
        world.replication_sample(EAST, pair, name, value).await;
    }
    world.pass(60);
    let seen = look(&world, &real, &mut asking).await.to_string();
    assert!(seen.starts_with("replication by rule `all` is unknown"), "three of four: {seen}");
    world.replication_sample(EAST, pair, "OperationsFailedReplication", 0.0).await;
    world.pass(60);
    let Progress::Done(done) = look(&world, &real, &mut asking).await else { panic!("it is well") };
    assert_eq!(done.outputs["latency"], json!("12s"));
    assert_eq!(
        ["rules", "pending", "failed"].map(|name| done.outputs[name].clone()),
        [json!(1), json!(4), json!(0)]
    );
    world.replication_sample(EAST, pair, "OperationsFailedReplication", 3.0).await;
    world.pass(60);
    let seen = look(&world, &real, &mut asking).await.to_string();
    assert!(seen.contains("3 operations failed to replicate"), "{seen}");
}

/// Goal: everybody is told, at least once and as rarely as possible, and no URL is shown.
/// Method: one of two receivers refuses at first.
#[tokio::test]
async fn everybody_is_told() {
    let world = world!();
    let (good, bad) = (Site::start(200), Site::start(500));
    let receivers = vec![
        Receiver::new("pager", good.url()),
        Receiver::new("chat", format!("{}secret", bad.url())),
    ];
    assert!(!format!("{receivers:?}").contains("secret"));
    let real = world.real(receivers).await;
    let shop = application(Value::Null);
    let mut telling = call(&world, &shop, "notify", json!({ "severity": "critical" }));
    assert_eq!(look(&world, &real, &mut telling).await, Progress::not_started());
    let why = real.begin(&telling).await.unwrap_err();
    let CallError::NoAnswer { source, .. } = &why else { panic!("{why}") };
    assert!(source.to_string().contains("`chat` did not take it: it answered 500"), "{source}");
    bad.set(0);
    let why = format!("{:?}", real.begin(&telling).await.unwrap_err());
    assert!(!why.contains("secret"), "{why}");
    bad.set(202);
    let Answer::Done(done) = real.begin(&telling).await.unwrap() else { panic!() };
    assert_eq!(done.outputs["sent_at"], json!(world.now()));
    assert_eq!((good.taken().len(), bad.taken().len()), (1, 3));
    let taken = &good.taken()[0];
    assert!(taken.head.contains(&format!("idempotency-key: {}", telling.token)), "{}", taken.head);
    let body: Value = serde_json::from_str(&taken.body).unwrap();
    assert_eq!((&body["severity"], &body["text"]), (&json!("critical"), &json!("a test")));

    let nobody = world.real(Vec::new()).await;
    let Answer::Done(done) = nobody.begin(&telling).await.unwrap() else { panic!() };
    assert_eq!(done.notes, ["nobody was told: no receiver is configured"]);
}

/// Goal: a probe takes no detour: not to another host, and not to an address that hands out
/// credentials.
#[tokio::test]
async fn a_probe_follows_nobody_elsewhere() {
    let world = world!();
    let real = world.real(Vec::new()).await;
    let site = Site::start(302);
    let shop =
        application(json!({ "probes": { EAST: site.url(), WEST: "http://169.254.169.254/" } }));
    let mut probing = call(&world, &shop, "probe", json!({ "at": "active" }));
    let seen = look(&world, &real, &mut probing).await.to_string();
    assert!(seen.contains("us-east-1 answers 302"), "{seen}");
    site.set(200);
    let Progress::Done(done) = look(&world, &real, &mut probing).await else { panic!() };
    assert_eq!(done.outputs["status"], json!(200));
    let metadata = call(&world, &shop, "probe", json!({ "at": "standby" }));
    let why = real.observe(&metadata).await.unwrap_err();
    assert!(matches!(why, CallError::Refused { .. }), "{why}");
}

/// Goal: loss is said after it has stood for the window, by a quorum, and by nobody who is unwell.
/// Method: three observers in three domains, one after the other changes its mind.
#[tokio::test]
async fn observers_must_agree_for_a_while() {
    let mut world = world!();
    let real = world.real(Vec::new()).await;
    let (one, two, three) = (Site::start(503), Site::start(0), Site::start(200));
    let (well, unwell) = (Site::start(200), Site::start(500));
    let observer = |name: &str, sees: &Site, control: &Site| json!({ "name": name, "domain": name, "sees": { EAST: sees.url() }, "control": control.url() });
    let observers = [
        observer("one", &one, &well),
        observer("two", &two, &well),
        observer("three", &three, &unwell),
    ];
    let shop = application(json!({ "observers": observers }));
    let with = json!({ "quorum": 2, "window": "2m" });
    let mut asking = call(&world, &shop, "check-observers", with);
    let seen = look(&world, &real, &mut asking).await.to_string();
    assert!(
        seen.starts_with(
            "lost so far: one (one): lost, 503 Service Unavailable; two (two): lost, no answer"
        ),
        "{seen}"
    );
    assert!(seen.contains("three (three): unknown, its control target answers 500"), "{seen}");
    world.pass(120);
    let Progress::Done(done) = look(&world, &real, &mut asking).await else { panic!() };
    assert_eq!(done.outputs["verdict"], json!("lost"));
    unwell.set(200);
    asking.started_at = world.now();
    let Progress::Done(done) = look(&world, &real, &mut asking).await else { panic!() };
    assert_eq!(done.outputs["verdict"], json!("disagree"));
}

/// Goal: what happens inside Muster is refused here, and nothing panics.
#[tokio::test]
async fn inside_actions_are_refused() {
    let world = world!();
    let real = world.real(Vec::new()).await;
    let shop = application(Value::Null);
    let gate = call(&world, &shop, "gate", json!({ "asks": "look" }));
    assert!(matches!(real.observe(&gate).await, Err(CallError::Refused { .. })));
    assert!(matches!(real.begin(&gate).await, Err(CallError::Refused { .. })));
    let mut unbound = call(&world, &shop, "check-replication", json!({ "lag_max": "1m" }));
    unbound.binding = None;
    assert!(matches!(real.observe(&unbound).await, Err(CallError::Refused { .. })));
}
