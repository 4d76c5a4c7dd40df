//! A daemon small enough for a test: the real engine, intake and listeners over a journal in memory
//! and a world in which everything succeeds at once.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    pin::pin,
    sync::Arc,
};

use futures::future::select;
use jiff::SignedDuration;
use muster::{
    api::{
        Api,
        serve::{Doors, Stop},
    },
    catalogue::Catalogue,
    clock::Clock,
    config::{Listen, Token},
    glass::Glass,
    intake::{Intake, Rejected},
    perform::{Health, Order, Samples},
    signing::SigningKey,
    world::canary::Canaries,
};
use muster_runbooks::{
    action::{Reach, control::PersonRole},
    application::Application,
    name::Token as RunToken,
    runbook::library::Library,
    schedule,
};
use muster_state::{
    call::{Answer, Call, Done, Progress as Seen, Reading},
    catalog::{PointChange, RecoveryPoint},
    command::Accepted,
    engine::{Engine, Input, Output, Reply, Sight},
    event::{AccessEvent, Event, Record},
    journal::{Journal, MemoryJournal},
    lease::Lease,
    progress::Progress,
};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::{
    runtime::Builder,
    sync::{mpsc, watch},
};

/// A running daemon with four people in it.
pub(super) struct House {
    pub(super) url: String,
    pub(super) metrics_url: String,
    pub(super) shelf: Arc<MemoryJournal>,
    pub(super) api: Api,
    stop: Stop,
}

/// The token of a person: long and known to the test only.
pub(super) fn token(name: &str) -> String {
    format!("token-of-{name}-0123456789abcdef0123456789abcdef")
}

fn person(name: &str, role: PersonRole) -> Token {
    let hash = Sha256::digest(token(name).as_bytes());
    let sha256 = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    Token { name: name.to_owned(), role, sha256 }
}

fn catalogue() -> Catalogue {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/covetpy");
    let read = |path: &str| std::fs::read_to_string(format!("{root}/{path}")).unwrap();
    let text = read("applications/covetpy.yaml");
    let application = Application::parse("covetpy.yaml", &text).unwrap();
    let schedules = schedule::parse("schedules.yaml", &read("schedules.yaml")).unwrap();
    Catalogue {
        library: Library::shipped(),
        applications: [(application.name.clone(), application)].into(),
        schedules,
        runs_in: None,
    }
}

impl House {
    pub(super) async fn open() -> House {
        House::signing(None).await
    }

    /// One that signs its reports, if it has a key for that.
    pub(super) async fn signing(key: Option<SigningKey>) -> House {
        House::with(key, None).await
    }

    /// One that believes what was sealed, if it has keys for that.
    pub(super) async fn behind_glass(glass: Glass) -> House {
        House::with(None, Some(glass)).await
    }

    async fn with(key: Option<SigningKey>, glass: Option<Glass>) -> House {
        let shelf = Arc::new(MemoryJournal::new().auto());
        let (orders, queue) = mpsc::channel(64);
        let (health, healthy) = watch::channel(Health::Ready);
        let intake = Intake::new(
            shelf.clone(),
            orders,
            Samples::default(),
            Canaries::default(),
            healthy,
            watch::channel(true).1,
            watch::channel(Lease::NotConfigured).1,
            Clock::Real,
            Arc::new(catalogue()),
        );
        let people = [
            person("vic", PersonRole::Viewer),
            person("olga", PersonRole::Operator),
            person("ana", PersonRole::Approver),
            person("adam", PersonRole::Admin),
        ];
        let api = Api::new(intake, &people).unwrap().signing_reports(key).behind_glass(glass);
        let any = "127.0.0.1:0".parse().unwrap();
        let doors = Doors::open(&Listen { http: any, metrics: any, tls: None }).await.unwrap();
        let url = format!("http://{}", doors.http().unwrap());
        let metrics_url = format!("http://{}", doors.metrics().unwrap());
        let stop = doors.stop();
        // A thread with a runtime of its own, as a process has; it ends when the doors are closed.
        let (served, kept) = (api.clone(), shelf.clone());
        std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let served = pin!(doors.serve(served));
                select(served, pin!(carry_out(kept, queue, health))).await;
            });
        });
        House { url, metrics_url, shelf, api, stop }
    }

    /// Everybody who was refused, with what and why.
    pub(super) fn refusals(&self) -> Vec<(String, String, String)> {
        let events = self.records().into_iter().map(|record| record.event);
        let refusals = events.filter_map(|event| {
            let Event::Access(AccessEvent::Refused { who, what, because }) = event else {
                return None;
            };
            Some((who, what, because))
        });
        refusals.collect()
    }

    fn records(&self) -> Vec<Record> {
        self.shelf.read(None, 0, 10_000).unwrap()
    }

    /// How many facts there are that are no refusals.
    pub(super) fn facts(&self) -> usize {
        self.records().len() - self.refusals().len()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.gently(std::time::Duration::ZERO);
    }
}

/// The performer of a world in which everything that was begun is done at the next look. It does not
/// wait: when the engine wants to be woken soon, its time is moved there.
async fn carry_out(
    shelf: Arc<MemoryJournal>,
    mut queue: mpsc::Receiver<Order>,
    _health: watch::Sender<Health>,
) {
    let mut engine = Engine::new(Progress::default());
    let mut waiting: BTreeMap<u64, tokio::sync::oneshot::Sender<Result<Accepted, Rejected>>> =
        BTreeMap::new();
    let (mut ticket, mut ahead, mut begun) = (0, SignedDuration::ZERO, BTreeSet::new());
    while let Some(order) = queue.recv().await {
        ticket += 1;
        waiting.insert(ticket, order.answer);
        let mut inputs = VecDeque::from([Input::Command(ticket, order.command)]);
        let mut replies = Vec::new();
        while let Some(input) = inputs.pop_front() {
            let now = Clock::Real.now() + ahead;
            let mut wake_at = None;
            for output in engine.on(now, input) {
                match output {
                    Output::Append { number, batch } => {
                        shelf.append(now, batch).await.unwrap().unwrap();
                        inputs.push_back(Input::Appended(number));
                    }
                    Output::Observe(call) => inputs.push_back(Input::Seen(look(&call, &begun))),
                    Output::Begin(call) => {
                        begun.insert(call.token.clone());
                        inputs.push_back(Input::Answered(Reply {
                            run: call.run,
                            step: call.step,
                            attempt: call.attempt,
                            answer: Ok(Answer::Accepted),
                        }));
                    }
                    // Told at the very end, so that a test sees what became of its word.
                    Output::Reply { ticket, result } => replies.push((ticket, result)),
                    Output::WakeAt(at) => wake_at = Some(at),
                    Output::Bug(text) => panic!("{text}"),
                }
            }
            let soon = wake_at.map(|at| at.duration_since(now));
            if let Some(soon) = soon.filter(|soon| inputs.is_empty() && *soon < SOON) {
                ahead += soon.max(SignedDuration::ZERO);
                inputs.push_back(Input::Tick);
            }
        }
        for (ticket, result) in replies {
            let _ = waiting.remove(&ticket).unwrap().send(result.map_err(Rejected::from));
        }
    }
}

/// What the engine wants to look at within this time is looked at without waiting. Approvals, gates and what
/// is predicted anew meanwhile have longer.
const SOON: SignedDuration = SignedDuration::from_secs(25);

fn snapshot(call: &Call) -> String {
    format!("arn:aws:rds:us-east-1:123456789012:cluster-snapshot:{}", call.token)
}

fn point(call: &Call) -> RecoveryPoint {
    RecoveryPoint::new(
        snapshot(call),
        call.component.as_ref().unwrap().name().clone(),
        "us-east-1".parse().unwrap(),
        "123456789012".to_owned(),
        call.started_at,
        call.run.clone(),
    )
}

fn look(call: &Call, begun: &BTreeSet<RunToken>) -> Sight {
    let outputs = match call.action.spec().name {
        "check-readiness" => vec![("data_loss", json!("2s")), ("path", json!("switchover"))],
        "predict-loss" => vec![
            ("data_loss", json!("unknown")),
            ("predicted_by", json!("no sample was seen")),
            ("path", json!("failover")),
        ],
        "check-observers" => vec![("verdict", json!("healthy")), ("seen", json!("all well"))],
        "switchover-database" => vec![
            ("writer", json!("arn:aws:rds:us-west-2:1:cluster:orders")),
            ("took", json!("40s")),
            ("data_loss", json!("0s")),
        ],
        "snapshot-database" => {
            vec![("snapshot", json!(snapshot(call))), ("data_time", json!(call.started_at))]
        }
        _ => Vec::new(),
    };
    let points = match call.action.spec().name {
        "snapshot-database" => vec![PointChange::Recorded(Box::new(point(call)))],
        _ => Vec::new(),
    };
    let outputs = outputs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let reads = call.action.spec().reach == Reach::Reads;
    let progress = if reads || begun.contains(&call.token) {
        Seen::Done(Done { outputs, points, ..Done::default() })
    } else {
        Seen::NotStarted { before: json!("us-east-1"), targets: vec!["orders".to_owned()] }
    };
    let reading = Ok(Reading { progress, read_at: call.asked_at });
    Sight { run: call.run.clone(), step: call.step.clone(), attempt: call.attempt, reading }
}
