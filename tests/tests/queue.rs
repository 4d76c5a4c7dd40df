//! The third door, whole: an AWS event through the real Lambda binary, emulated SQS and the daemon's
//! reader into the journal.

mod downtime;
mod rules;
mod runtime;
mod trouble;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::SignedDuration;
use muster::{
    catalogue::Catalogue,
    clock::Clock,
    config, queue,
    serve::Process,
    world::{Simulated, World, sim::Sim},
};
use muster_runbooks::{application::Application, message::Message, runbook::library::Library};
use muster_state::{
    event::{AccessEvent, ApplicationEvent, Event, NoticeEvent, Record, RunEvent},
    journal::{Journal, MemoryJournal},
};
use muster_tests::{
    aws::{self, Aws},
    daemon::PATIENCE,
    lambda::Function,
};
use serde_json::{Value, json};
use tokio::sync::watch;

const EAST: &str = "us-east-1";
const WEST: &str = "us-west-2";

/// Ten minutes after the scheduled occurrence and a moment after the snapshot of facts §9.
const NOW: &str = "2026-03-01T02:10:00Z";

/// How long the reader may take with thousands of messages.
const LONG: SignedDuration = SignedDuration::from_mins(3);

/// Tells [`the_reader`] what to read.
const TASK: &str = "MUSTER_TEST_READER";

/// One emulated AWS with a queue in each region, and a clock that stands still.
struct Stage {
    python: String,
    aws: Aws,
    queues: [(&'static str, String); 2],
    clock: PathBuf,
    folder: tempfile::TempDir,
}

impl Stage {
    async fn set(test: &str) -> Option<Stage> {
        let python = aws::python(test)?;
        let folder = tempfile::tempdir().unwrap();
        let clock = folder.path().join("clock");
        fs::write(&clock, NOW).unwrap();
        let aws = Aws::start(&python, &clock);
        // In AWS the host tells two regions' queues apart; here only the name can.
        let queues = [
            (EAST, aws.queue(EAST, "events-east").await),
            (WEST, aws.queue(WEST, "events-west").await),
        ];
        Some(Stage { python, aws, queues, clock, folder })
    }

    /// The Lambda function, told to put messages on these queues.
    async fn function(&self, queues: &[(&str, String)]) -> Function {
        let queues: Vec<Value> =
            queues.iter().map(|(region, url)| json!({ "region": region, "url": url })).collect();
        let mut env = self.aws.env();
        env.push(("MUSTER_RULES".into(), fixture("rules").to_string()));
        env.push(("MUSTER_QUEUES".into(), Value::from(queues).to_string()));
        Function::start(&self.python, "on-event", &env).await
    }

    /// What the daemon's door makes of the queues, in words.
    async fn read(&self) -> Vec<String> {
        let held = async |region: &str, url: &str| self.aws.held(region, url).await;
        read(self.aws.env(), &self.clock, self.folder.path(), &self.queues, held).await
    }
}

/// What the daemon's door makes of queues, in words. It runs in a process of its own, this test binary again,
/// because AWS is configured by the environment.
async fn read(
    env: Vec<(String, String)>,
    clock: &Path,
    folder: &Path,
    queues: &[(&str, String)],
    held: impl AsyncFn(&str, &str) -> u32,
) -> Vec<String> {
    let facts = folder.join("facts");
    let task = json!({ "clock": clock, "facts": facts, "queues": queues });
    let reader = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["queue::the_reader", "--exact"])
        .envs(env)
        .env(TASK, task.to_string())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    for (region, url) in queues {
        let is_read = async || held(region, url).await == 0;
        until_within(LONG, "the queue is read", is_read).await;
    }
    // It writes down what it knows once it is told that there is nothing more.
    fs::write(folder.join("facts.wanted"), "").unwrap();
    until("the facts are written", async || facts.exists()).await;
    drop(reader);
    serde_json::from_str(&fs::read_to_string(facts).unwrap()).unwrap()
}

/// The process behind [`read`]. Without a task it is no test.
#[tokio::test]
async fn the_reader() {
    let Ok(task) = std::env::var(TASK) else { return };
    let task: Value = serde_json::from_str(&task).unwrap();
    let clock = Clock::File(task["clock"].as_str().unwrap().into());
    let facts_path = PathBuf::from(task["facts"].as_str().unwrap());
    let journal = Arc::new(MemoryJournal::new().auto());
    let mut process = process(Arc::clone(&journal) as Arc<dyn Journal>, clock);
    let queues: Vec<config::Queue> = task["queues"]
        .as_array()
        .unwrap()
        .iter()
        .map(|queue| config::Queue {
            principal: "events".into(),
            region: queue[0].as_str().unwrap().parse().unwrap(),
            url: queue[1].as_str().unwrap().into(),
            dead_letters: None,
            accounts: vec![aws::ACCOUNT.into()],
            may_start: config::Queue::default_runbooks(),
        })
        .collect();
    let (stop, stopped) = watch::channel(false);
    for door in queue::doors(&queues, &process.intake, &stopped) {
        process.keep(door);
    }
    let is_wanted = async || facts_path.with_extension("wanted").exists();
    until_within(LONG, "the facts are wanted", is_wanted).await;
    stop.send(true).unwrap();
    process.stop().await;
    let aside = facts_path.with_extension("next");
    fs::write(&aside, json!(facts(&*journal)).to_string()).unwrap();
    fs::rename(aside, facts_path).unwrap();
}

/// A daemon without listeners over the simulated world.
fn process(journal: Arc<dyn Journal>, clock: Clock) -> Process {
    let text = include_str!("../../deploy/covetpy/applications/covetpy.yaml");
    let application = Application::parse("covetpy.yaml", text).unwrap();
    let sim = Sim::new(1, std::slice::from_ref(&application), clock.now());
    let world = World::Sim(Simulated::new(sim, clock.clone()));
    let catalogue = Catalogue {
        library: Library::shipped(),
        applications: BTreeMap::from([(application.name.clone(), application)]),
        schedules: Vec::new(),
        runs_in: None,
    };
    Process::start(journal, Arc::new(world), clock, Arc::new(catalogue))
}

/// Asks again and again, and fails when patience ends.
async fn until(what: &str, done: impl AsyncFnMut() -> bool) {
    until_within(PATIENCE, what, done).await;
}

async fn until_within(patience: SignedDuration, what: &str, mut done: impl AsyncFnMut() -> bool) {
    let patience = Clock::Real.now() + patience;
    while !done().await {
        assert!(Clock::Real.now() < patience, "waited in vain until {what}");
        muster_tests::daemon::pause().await;
    }
}

/// Printed with the output of the suite.
#[expect(clippy::print_stdout, reason = "figures that the suite prints")]
fn say(figures: &str) {
    println!("{figures}");
}

fn fixture(name: &str) -> Value {
    let path = format!("{}/../lambdas/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// What the journal says about runs, notices and refusals, in words, sorted.
fn facts(journal: &dyn Journal) -> Vec<String> {
    let mut records = Vec::new();
    loop {
        let from = records.last().map_or(0, |record: &Record| record.seq + 1);
        let more = journal.read(None, from, 1_000).unwrap();
        if more.is_empty() {
            break;
        }
        records.extend(more);
    }
    let mut facts: Vec<String> = records
        .iter()
        .filter_map(|record| match &record.event {
            Event::Run(RunEvent::Admitted { request, .. }) => {
                Some(format!("run {} by {}", request.runbook, request.trigger.who()))
            }
            Event::Notice(NoticeEvent::Nudged { source, about, .. }) => {
                Some(format!("nudge by {source} about {about}"))
            }
            Event::Notice(NoticeEvent::Proposed { request, .. }) => {
                Some(format!("proposal {}", request.runbook))
            }
            Event::Application(ApplicationEvent::FindingOpened { finding })
                if finding.id.starts_with("aws-says/") =>
            {
                Some(finding.message.clone())
            }
            Event::Access(AccessEvent::Refused { who, because, .. }) => {
                Some(format!("refused {who}: {because}"))
            }
            Event::Run(_)
            | Event::Application(_)
            | Event::Schedule(_)
            | Event::Access(_)
            | Event::Notice(_) => None,
        })
        .collect();
    facts.sort();
    facts
}

/// Goal: however often AWS delivers an event, and through however many queues, it acts once (I21).
/// Method: both sample events of facts §9 twice through the real function onto two queues, which
/// makes eight messages; then the daemon reads both queues.
#[tokio::test]
async fn an_event_delivered_twice_acts_once() {
    let Some(stage) = Stage::set("an_event_delivered_twice_acts_once").await else { return };
    let mut function = stage.function(&stage.queues).await;
    for name in ["schedule-daily-backup", "rds-manual-snapshot-created"] {
        for delivery in ["first", "second"] {
            let mut event = fixture(name);
            event["id"] = json!(delivery);
            function.invoke(&event).await.unwrap();
        }
    }
    for (region, url) in &stage.queues {
        let mut keys = BTreeMap::new();
        for text in stage.aws.peek(region, url).await {
            *keys.entry(Message::read(&text).unwrap().dedupe_key).or_insert(0) += 1;
        }
        assert_eq!(keys.values().copied().collect::<Vec<i32>>(), [2, 2], "{region}: {keys:?}");
    }

    assert_eq!(
        stage.read().await,
        [
            "nudge by events about arn:aws:rds:us-east-1:123456789012:cluster-snapshot:muster-orders-daily-20260301t0200z-a1b2c3d4",
            "run daily-backup by event:events",
        ]
    );
}

/// Goal: what AWS says that people must heed is shown once, starts nothing, and nudges whoever waits.
/// Method: the verdict of a fence that did not hold, twice, beside one that held.
#[tokio::test]
async fn what_people_must_heed_is_shown() {
    let Some(stage) = Stage::set("what_people_must_heed_is_shown").await else { return };
    let mut function = stage.function(&stage.queues).await;
    for name in ["rds-write-fence-timed-out", "rds-write-fence-timed-out", "rds-write-fence-held"] {
        let mut event = fixture(name);
        event["time"] = json!("2026-03-01T02:05:00Z");
        event["detail"]["Date"] = json!("2026-03-01T02:04:59Z");
        function.invoke(&event).await.unwrap();
    }
    assert_eq!(
        stage.read().await,
        [
            "AWS says about `arn:aws:rds:us-west-2:123456789012:db:orders-west-1`: RDS-EVENT-0391: writes could not be blocked at the old primary in time: the fence does not hold",
            "nudge by events about arn:aws:rds:us-east-1:123456789012:db:orders-east-1",
            "nudge by events about arn:aws:rds:us-west-2:123456789012:db:orders-west-1",
        ]
    );
}

/// Goal: an event that is not ours is acknowledged; one that reached no queue comes again.
/// Method: events nobody translates, then a queue that refuses beside one that accepts, then alone.
#[tokio::test]
async fn one_queue_in_reach_is_enough_and_none_is_an_error() {
    let Some(stage) = Stage::set("one_queue_in_reach_is_enough").await else { return };
    let [(_, east), _] = &stage.queues;
    let gone = (WEST, format!("{}-gone", stage.queues[1].1));

    let mut function = stage.function(&[(EAST, east.clone()), gone.clone()]).await;
    for name in ["ec2-instance-stopped", "s3-test-event", "pipeline-succeeded"] {
        function.invoke(&fixture(name)).await.unwrap();
    }
    assert_eq!(stage.aws.held(EAST, east).await, 0);
    function.invoke(&fixture("schedule-daily-backup")).await.unwrap();
    assert_eq!(stage.aws.held(EAST, east).await, 1);

    let mut function = stage.function(&[gone]).await;
    let error = function.invoke(&fixture("schedule-daily-backup")).await.unwrap_err();
    let error: Value = serde_json::from_str(&error).unwrap();
    let said =
        json!({ "errorType": "Undelivered", "errorMessage": "no queue accepted the message" });
    assert_eq!(error, said);
}

/// Goal: what anybody puts on the queue is refused with one record each, and a failover is only
/// proposed.
/// Method: put attacks on the real queue beside a scheduled failover, and read it empty.
#[tokio::test]
async fn attacks_are_recorded_and_deleted() {
    let Some(stage) = Stage::set("attacks_are_recorded_and_deleted").await else { return };
    let mut event = fixture("schedule-failover");
    event["time"] = json!("2026-03-01T02:05:00Z");
    let [(region, url), _] = &stage.queues;
    let mut function = stage.function(&[(region, url.clone())]).await;
    function.invoke(&event).await.unwrap();
    let good = stage.aws.peek(region, url).await.remove(0);
    for (from, to) in [
        ("\"v\":1", "\"v\":3"),
        ("\"account\":\"123456789012\"", "\"account\":\"999999999999\""),
        ("us-west-2", "eu-west-1"),
        ("region-failover\",\"appl", "expire-recovery-points\",\"appl"),
    ] {
        assert!(good.contains(from), "{from} in {good}");
        let forged = good.replace(from, to).replace("schedule|", "forged|");
        stage.aws.send(region, url, &forged).await;
    }
    stage.aws.send(region, url, &"[".repeat(60_000)).await;
    stage.aws.send(region, url, &good).await;

    assert_eq!(
        stage.read().await,
        [
            "proposal region-failover",
            "refused event:events: account 999999999999 is not one of this queue's",
            "refused event:events: events of this queue may not start `expire-recovery-points`",
            "refused event:events: message version 3; this program reads 1 to 2",
            "refused event:events: not the JSON of a message",
            "refused event:events: nothing is configured in eu-west-1",
        ]
    );
}
