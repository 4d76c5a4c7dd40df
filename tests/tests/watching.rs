//! The active region is seen, and never assumed; and so is what protects an application.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{Arc, LazyLock},
};

use jiff::{SignedDuration, Timestamp};
use muster::{
    catalogue::Catalogue,
    clock::Clock,
    serve::Process,
    world::{
        Simulated, World,
        sim::{Fault, Lost, Sim},
    },
};
use muster_runbooks::{
    application::Application,
    name::Region,
    runbook::library::Library,
    schedule::{self, Schedule},
};
use muster_state::{event::Claim, journal::MemoryJournal, progress::ApplicationState};
use muster_tests::{
    daemon::pause,
    simulation::cast::{self, asked, dawn, home, standby},
};
use serde_json::json;

/// The application with everything that can protect one.
static SHOP: LazyLock<Application> = LazyLock::new(|| {
    let mut shop = serde_json::to_value(&*cast::SHOP).unwrap();
    shop["caches"] =
        json!([{ "name": "sessions", "replication_groups": { "us-east-1": "sessions" } }]);
    shop["secrets"] = json!([{ "name": "password", "secret": "shop/database" }]);
    shop["objects"] = json!([{
        "name": "state",
        "buckets": { "us-east-1": "state-east", "us-west-2": "state-west" },
        "keys": ["prod.tfstate"],
    }]);
    serde_json::from_value(shop).unwrap()
});

/// The most steps that a test lets pass, each of [`STEP`].
const STEPS_MAX: u32 = 2_000;
const STEP: SignedDuration = SignedDuration::from_secs(10);

/// A process over the simulated world, on a clock that the test moves.
struct Stage {
    folder: tempfile::TempDir,
    now: Timestamp,
    world: Arc<World>,
}

impl Stage {
    fn set() -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let now = dawn();
        fs::write(folder.path().join("now"), now.to_string()).unwrap();
        let sim = Sim::new(3, std::slice::from_ref(&*SHOP), now);
        let clock = Clock::File(folder.path().join("now"));
        let world = Arc::new(World::Sim(Simulated::new(sim, clock)));
        Stage { folder, now, world }
    }

    fn clock_file(&self) -> PathBuf {
        self.folder.path().join("now")
    }

    fn start(&self) -> Process {
        self.start_with(Vec::new())
    }

    fn start_with(&self, schedules: Vec<Schedule>) -> Process {
        let catalogue = Catalogue {
            library: Library::shipped(),
            applications: BTreeMap::from([(SHOP.name.clone(), SHOP.clone())]),
            schedules,
            runs_in: None,
        };
        let journal = Arc::new(MemoryJournal::new().auto());
        let clock = Clock::File(self.clock_file());
        Process::start(journal, Arc::clone(&self.world), clock, Arc::new(catalogue))
    }

    fn pass(&mut self, time: SignedDuration) {
        self.now += time;
        let aside = self.folder.path().join("next");
        fs::write(&aside, self.now.to_string()).unwrap();
        fs::rename(aside, self.clock_file()).unwrap();
    }

    fn inject(&self, fault: Fault) {
        let World::Sim(world) = &*self.world else { unreachable!("the stage is simulated") };
        world.with(|sim, now| sim.inject(now, fault));
    }

    fn heal(&self) {
        let World::Sim(world) = &*self.world else { unreachable!("the stage is simulated") };
        world.with(|sim, now| sim.heal_all(now));
    }

    fn promote(&self, database: &str) {
        let (application, database) = (SHOP.name.clone(), database.parse().unwrap());
        let fault =
            Fault::ForeignFailover { application, database, to: standby(), data_loss: false };
        self.inject(fault);
    }

    /// Lets time pass until something is known.
    async fn until(
        &mut self,
        process: &Process,
        what: &str,
        is: impl Fn(&ApplicationState) -> bool,
    ) {
        for _ in 0..STEPS_MAX {
            let known =
                process.intake.known(|known| known.applications.get(&SHOP.name).is_some_and(&is));
            if known {
                return;
            }
            self.pass(STEP);
            pause().await;
        }
        panic!("waited in vain until {what}");
    }
}

fn active(state: &ApplicationState) -> Option<&Region> {
    state.active.as_ref().map(|active| &active.region)
}

fn trouble(state: &ApplicationState) -> String {
    state.findings.get("active-region").map(|(_, found)| found.message.clone()).unwrap_or_default()
}

/// Goal: what somebody does past Muster is noticed, told as long as it is half done, and followed by
/// backups when it is whole (design §2).
/// Method: promote one database by hand, then the other, and never move the users.
#[tokio::test(flavor = "multi_thread")]
async fn a_failover_by_hand_is_noticed() {
    let mut stage = Stage::set();
    let process = stage.start();
    stage.until(&process, "home is seen", |state| active(state) == Some(&home())).await;
    assert_eq!(process.intake.known(|known| trouble(&known.applications[&SHOP.name])), "");

    stage.promote("orders");
    stage
        .until(&process, "half is told", |state| trouble(state).contains("different regions"))
        .await;
    let seen = process.intake.known(|known| active(&known.applications[&SHOP.name]).cloned());
    assert_eq!(seen, Some(home()), "half a failover moves nothing");

    stage.promote("users");
    stage.until(&process, "the move is seen", |state| active(state) == Some(&standby())).await;
    stage
        .until(&process, "users are missed", |state| {
            trouble(state) == "users are sent to us-east-1, and it is served from us-west-2"
        })
        .await;
    let plan = process.intake.plan(&asked("daily-backup")).unwrap();
    assert_eq!(plan.binding.unwrap().active, standby());
    process.stop().await;
}

/// Goal: the first run of a daemon without a memory binds to what is, not to what is written in a
/// file.
/// Method: the application has moved before the daemon starts, and is asked for at once.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_request_waits_for_the_first_look() {
    let mut stage = Stage::set();
    stage.promote("orders");
    stage.promote("users");
    stage.pass(SignedDuration::from_hours(1));
    let process = stage.start();
    let run = process.intake.request(asked("daily-backup"), None, None).await.unwrap().run.unwrap();
    let active = process.intake.known(|known| {
        assert!(!known.claims.contains_key(&Claim::lock_key(&SHOP.name)));
        known.runs[&run].plan.binding.as_ref().unwrap().active.clone()
    });
    assert_eq!(active, standby());
    process.stop().await;
}

const NIGHTLY: &str = "
- { id: nightly, runbook: daily-backup, application: shop, cron: \"0 2 * * *\", catch_up: run-once }
";

fn stands(state: &ApplicationState, id: &str) -> bool {
    state.findings.contains_key(id)
}

/// Goal: what has no recovery point is told; a backup ends that, on both sides; a region that is lost
/// makes it unknown, and neither well nor missing; and when it is back, so is what is known.
/// Method: a process over the simulated world from before its first night until after it.
#[tokio::test(flavor = "multi_thread")]
async fn what_protects_it_is_looked_at() {
    let mut stage = Stage::set();
    let process = stage.start_with(schedule::parse("schedules.yaml", NIGHTLY).unwrap());
    let bare = [
        "unprotected/orders/us-east-1",
        "unprotected/orders/us-west-2",
        "unprotected/sessions/us-east-1",
    ];
    stage
        .until(&process, "nothing protects it", |state| bare.iter().all(|id| stands(state, id)))
        .await;
    stage
        .until(&process, "the night's backup ends that", |state| {
            let unprotected = |id: &String| id.starts_with("unprotected/");
            state.points.len() == 7 && !state.findings.keys().any(unprotected)
        })
        .await;
    let read_at = |process: &Process| {
        process.intake.looks().last(&SHOP.name).map(|look| look.seen.read_at).unwrap()
    };
    let before = read_at(&process);

    stage.inject(Fault::Outage { region: standby(), lost: Lost::ControlPlane });
    let unknown = "inventory-unknown/us-west-2";
    stage.until(&process, "the region is unknown", |state| stands(state, unknown)).await;
    let silent = process.intake.known(|known| {
        let state = &known.applications[&SHOP.name];
        let about = |id: &&String| id.contains("us-west-2") && !id.starts_with(unknown);
        state.findings.keys().filter(about).cloned().collect::<Vec<_>>()
    });
    assert_eq!(silent, Vec::<String>::new(), "nothing else is concluded about it");
    assert!(read_at(&process) > before, "the other region is still looked at");

    stage.heal();
    stage.until(&process, "it answers again", |state| !stands(state, unknown)).await;
    let points = process.intake.known(|known| known.applications[&SHOP.name].points.len());
    assert_eq!(points, 7, "two snapshots, two copies, the cache, and two exports");
    process.stop().await;
}
