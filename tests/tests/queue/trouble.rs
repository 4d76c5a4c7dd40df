//! A queue in trouble, read by a real daemon: whatever is lost, late or refused, one message is one run.

use std::sync::atomic::{AtomicU32, Ordering};

use muster_tests::{
    daemon::{Daemon, Setup},
    emulator::{Emulator, WEST},
};
use serde_json::{Value, json};

/// How often something is looked for, a second of the test's clock apart.
const LOOKS_MAX: usize = 3_000;

/// A world with one queue, and the daemon that reads it through the fault proxy.
struct Stage {
    world: Emulator,
    queue: String,
    setup: Setup,
    sent: AtomicU32,
}

impl Stage {
    async fn set() -> Option<Stage> {
        let world = Emulator::start()?;
        // A message whose answer was lost comes again after a second instead of a minute.
        world.set(json!({ "message_hidden_secs_max": 1 })).await;
        let queue = world.queue(WEST, "events").await;
        let applications = format!("{}/../deploy/covetpy/applications", env!("CARGO_MANIFEST_DIR"));
        let more = format!(
            "applications: [{applications}]\nqueues:\n  - principal: events\n    region: {WEST}\n    \
             url: {queue}\n    accounts: [\"123456789012\"]\n    may_start: [rehearsal]\n"
        );
        let mut setup = Setup::write(world.folder(), &more);
        setup.clock = Some(world.clock_file());
        setup.env = world.env();
        Some(Stage { world, queue, setup, sent: AtomicU32::new(0) })
    }

    /// Puts a request on the queue that is worth acting on for so many hours, under a key of its own.
    async fn ask(&self, key: &str, hours: i64) -> String {
        let number = self.sent.fetch_add(1, Ordering::Relaxed);
        let now = self.world.now();
        let message = json!({
            "v": 1,
            "kind": { "request": { "runbook": "rehearsal", "inputs": {}, "reason": "an event" } },
            "dedupe_key": key,
            "source": {
                "account": "123456789012", "region": WEST,
                "event_id": format!("delivery-{number}"), "event_type": "Scheduled Event",
            },
            "occurred_at": now,
            "not_after": now + jiff::SignedDuration::from_hours(hours),
        });
        self.world.send_message(WEST, &self.queue, &message.to_string()).await;
        message.to_string()
    }

    /// Waits until the queue holds nothing, hidden messages included, while the clock goes on.
    async fn until_empty(&mut self, daemon: &mut Daemon) {
        for _ in 0..LOOKS_MAX {
            if self.world.held(WEST, &self.queue).await == 0 {
                return;
            }
            self.go_on(daemon).await;
        }
        panic!("messages are left on the queue\n{}", daemon.last_words());
    }

    /// Waits until something is true of the daemon, while the clock goes on.
    async fn until(&mut self, daemon: &mut Daemon, what: &str, is: impl AsyncFn(&Daemon) -> bool) {
        for _ in 0..LOOKS_MAX {
            if is(daemon).await {
                return;
            }
            self.go_on(daemon).await;
        }
        panic!("waited for: {what}\n{}", daemon.last_words());
    }

    /// The door waits on this clock after a failure.
    async fn go_on(&mut self, daemon: &mut Daemon) {
        assert!(!daemon.has_ended(), "{}", daemon.last_words());
        self.world.pass(1);
        muster_tests::daemon::pause().await;
    }
}

async fn runs(daemon: &Daemon) -> Vec<Value> {
    let (_, page) = daemon.get("/v1/runs?limit=200").await.expect("an answer");
    page["items"].as_array().expect("runs").clone()
}

async fn findings(daemon: &Daemon) -> Vec<String> {
    let (_, view) = daemon.get("/v1/applications/covetpy").await.expect("an answer");
    let findings = view["findings"].as_array().expect("findings").iter();
    // That nobody writes the database of this empty world is another matter.
    let of_queues =
        findings.filter(|finding| finding["id"].as_str().is_some_and(|id| id.starts_with("queue")));
    of_queues.map(|finding| finding["message"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Goal: on a bad line every message becomes its one run and goes, and nobody is told of what passes by
/// itself.
/// Method: the answer to a receive is lost after it hid the message; receives and deletes are throttled;
/// the answer to a delete is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_bad_line_costs_time_and_no_message() {
    let Some(mut stage) = Stage::set().await else { return };
    let lose = |operation: &str, times: u32| json!({ "service": "sqs", "operation": operation, "times": times });
    stage.world.fault("lose", lose("ReceiveMessage", 1)).await;
    stage.world.fault("throttle", lose("ReceiveMessage", 2)).await;
    stage.world.fault("throttle", lose("DeleteMessageBatch", 2)).await;
    // The messages are together in one batch, so the loss waits until the throttling is over.
    let mut later = lose("DeleteMessageBatch", 1);
    later["skip"] = json!(2);
    stage.world.fault("lose", later).await;
    for key in ["one", "two", "three"] {
        stage.ask(key, 24).await;
    }
    let setup = stage.setup.clone();
    let mut daemon = setup.start().await;
    stage.until_empty(&mut daemon).await;
    assert_eq!(runs(&daemon).await.len(), 3);
    assert!(stage.world.calls("ReceiveMessage").await.len() >= 4);
    let deletes = stage.world.calls("DeleteMessageBatch").await;
    assert!(deletes.len() >= 3, "{deletes:?}");
    assert_eq!(findings(&daemon).await, Vec::<String>::new());
}

/// Goal: what is in the journal and not yet off the queue when the process dies is one run (I21).
/// Method: deletes hang; once the run is there the daemon is killed, the line mended, and it is started
/// again, when the message comes once more; and so does another delivery of the same event.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_the_journal_and_the_queue() {
    let Some(mut stage) = Stage::set().await else { return };
    let hang = json!({ "service": "sqs", "operation": "DeleteMessageBatch", "how": "hang" });
    stage.world.fault("silence", hang).await;
    stage.ask("once", 24).await;
    let setup = stage.setup.clone();
    let mut daemon = setup.start().await;
    stage
        .until(&mut daemon, "the run is there", async |daemon| runs(daemon).await.len() == 1)
        .await;
    daemon.kill();
    assert_eq!(stage.world.held(WEST, &stage.queue).await, 1, "it was never deleted");
    stage.world.heal().await;
    stage.ask("once", 24).await;
    let mut daemon = setup.start().await;
    stage.until_empty(&mut daemon).await;
    assert_eq!(runs(&daemon).await.len(), 1);
}

/// Goal: after hours of downtime what is still worth doing is done, what is not is refused and recorded,
/// and a message that nobody can read holds nothing up.
/// Method: three messages wait while nobody is there, for seven hours.
#[tokio::test(flavor = "multi_thread")]
async fn hours_of_downtime() {
    let Some(mut stage) = Stage::set().await else { return };
    stage.world.send_message(WEST, &stage.queue, &"[".repeat(60_000)).await;
    stage.ask("short", 6).await;
    let good = stage.ask("long", 24).await;
    let forged = good.replace("\"long\"", "\"forged\"").replace("123456789012", "999999999999");
    stage.world.send_message(WEST, &stage.queue, &forged).await;
    stage.world.pass(7 * 3_600);
    let setup = stage.setup.clone();
    let mut daemon = setup.start().await;
    stage.until_empty(&mut daemon).await;
    let runs = runs(&daemon).await;
    assert_eq!(runs.len(), 1, "{runs:?}");
    daemon.kill();
    let export = stage.setup.folder.join("all.export");
    let exported = std::process::Command::new(muster_tests::daemon::binary())
        .args(["state", "export"])
        .args([&stage.setup.folder.join("state"), &export])
        .output()
        .expect("muster runs");
    assert!(exported.status.success(), "{exported:?}");
    let text = std::fs::read_to_string(export).expect("an export");
    let refused: Vec<&str> = text.lines().filter(|line| line.contains("\"refused\"")).collect();
    assert_eq!(refused.len(), 3, "one record each: {refused:?}");
    for why in ["not the JSON of a message", "it was worth acting on until", "account 999999999999"]
    {
        assert!(refused.iter().any(|line| line.contains(why)), "{why}: {refused:?}");
    }
}

/// Goal: what nobody could take is seen by people, and its end too; and that nobody can count it is not none.
/// Method: a message lies in the dead letters; then the queue is emptied; then SQS no longer says how many there
/// are.
#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_a_finding() {
    let Some(mut stage) = Stage::set().await else { return };
    let dead = stage.world.queue(WEST, "events-dead").await;
    let path = stage.setup.folder.join("muster.yaml");
    let text = std::fs::read_to_string(&path).expect("a configuration");
    let with = format!("    url: {}\n    dead_letters: {dead}\n", stage.queue);
    std::fs::write(&path, text.replace(&format!("    url: {}\n", stage.queue), &with))
        .expect("written");
    stage.world.send_message(WEST, &dead, "nobody could take it").await;
    let setup = stage.setup.clone();
    let mut daemon = setup.start().await;
    let says = async |daemon: &Daemon, word: &str| {
        let (_, view) = daemon.get("/v1/applications/covetpy").await.expect("an answer");
        let mut findings = view["findings"].as_array().expect("findings").iter();
        findings.any(|finding| finding["message"].as_str().is_some_and(|text| text.contains(word)))
    };
    let one = "dead letters lie in `events-dead` in us-west-2, 1 so far";
    stage.until(&mut daemon, "they are seen", async |daemon| says(daemon, one).await).await;
    stage.world.purge(WEST, &dead).await;
    stage.until(&mut daemon, "they are gone", async |daemon| !says(daemon, one).await).await;
    let deaf = json!({ "service": "sqs", "operation": "GetQueueAttributes", "how": "reset" });
    stage.world.fault("silence", deaf).await;
    let unknown = "nobody knows whether dead letters lie in `events-dead`";
    stage.until(&mut daemon, "nobody knows", async |daemon| says(daemon, unknown).await).await;
}

/// Goal: whoever relies on events learns that none can come, once, and that it is over.
/// Method: SQS breaks every connection for a while of the clock, then is there again.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_queue_is_a_finding_until_it_lives() {
    let Some(mut stage) = Stage::set().await else { return };
    stage.world.fault("silence", json!({ "service": "sqs", "how": "reset" })).await;
    let setup = stage.setup.clone();
    let mut daemon = setup.start().await;
    stage.until(&mut daemon, "a finding", async |daemon| !findings(daemon).await.is_empty()).await;
    let seen = findings(&daemon).await;
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(seen[0].contains("queue `events` in us-west-2 cannot be read since"), "{seen:?}");
    let waited = stage.world.now().duration_since("2026-03-01T02:00:00Z".parse().unwrap());
    assert!(waited >= jiff::SignedDuration::from_mins(3), "too early: {waited}");

    stage.world.heal().await;
    stage.ask("after", 24).await;
    stage.until_empty(&mut daemon).await;
    assert_eq!(findings(&daemon).await, Vec::<String>::new());
    assert_eq!(runs(&daemon).await.len(), 1);
}
