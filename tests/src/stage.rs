//! One application over an emulated AWS and the real daemon that looks after it, all on one clock.
//!
//! Time passes only when nothing moves any more, so that a slow machine makes a test slow and not
//! wrong. A daemon that is killed is started again, and how soon it looks is written down.

pub mod figures;
mod kinds;
mod shop;
pub mod strace;

use std::fs;

use jiff::SignedDuration;
use muster::clock::Clock;
use serde_json::{Value, json};

use self::{
    figures::Figures,
    shop::{environment, shop},
};
use crate::{
    daemon::{Daemon, Setup, pause},
    emulator::{Emulator, site::Site},
};

/// Where users are sent while the home serves.
pub const HOME: &str = "192.0.2.1";
/// Where they are sent while the standby does.
pub const AWAY: &str = "198.51.100.1";
/// Where the marker lies that sends them there: as `deploy/terraform` calls it.
pub const MARKERS: &str = "shop-traffic-us-west-2";

/// How long a test waits for one thing, by the machine's clock. Every tick of the clock takes two
/// looks at everything, so an hour in small ticks is long.
const PATIENCE: SignedDuration = SignedDuration::from_secs(150);

/// A restart takes up what is open within a second; the machine of a test is shared.
const LOOK_WITHIN: SignedDuration = SignedDuration::from_secs(10);

/// So many looks without a change are stillness.
const STILL_LOOKS: u32 = 2;

/// So many without a change mean that nothing is on its way at all, whatever comes between two calls.
const SETTLED_LOOKS: u32 = 20;

/// While calls hang, the clock goes on by a second in so many looks: about four times as fast as
/// the machine's.
const HELD_LOOKS: u32 = 6;

/// Steps of these runbooks ask nobody outside while they are open.
const INSIDE: &[&str] = &[
    "approval",
    "gate",
    "wait",
    "open-window",
    "close-window",
    "stamp-point",
    "start-run",
    "move-application",
];

/// Steps that ask somebody who is not behind the proxy.
const BESIDE: &[&str] = &["check-observers", "probe", "notify", "rehearse"];

/// The application `shop`, its world, and the daemon.
#[derive(Debug)]
pub struct Stage {
    /// AWS, the faults, the names and the clock.
    pub world: Emulator,
    /// The application, as its file says.
    pub application: Value,
    /// How the daemon is started.
    pub setup: Setup,
    /// The daemon.
    pub daemon: Daemon,
    /// What answers probes of either side.
    pub sides: Site,
    /// Where notices go.
    pub pager: Site,
    /// What the three observers say of the home.
    pub observers: Site,
    /// What the observers must reach to be well themselves.
    pub control: Site,
    /// What was done and how long it took.
    pub figures: Figures,
    /// How far the clock goes at a time, in seconds.
    pub tick_secs: i64,
    /// What had happened at AWS when everything was built.
    built: usize,
    /// The calls up to this number have been answered.
    answered: u64,
    /// The calls that came before the present daemon.
    calls_before: u64,
    folder: tempfile::TempDir,
}

impl Stage {
    async fn build(
        schedules: &str,
        runbook: &str,
        more: &str,
        adds: impl AsyncFnOnce(&Emulator, &mut Value),
    ) -> Option<Stage> {
        let mut world = Emulator::start()?;
        let folder = tempfile::tempdir().expect("a folder");
        let (sides, pager, observers, control) =
            (Site::start(200), Site::start(200), Site::start(200), Site::start(200));
        let mut application = shop(&mut world, &sides, &observers, &control).await;
        adds(&world, &mut application).await;
        let file = |name: &str, text: &str| fs::write(folder.path().join(name), text);
        fs::create_dir(folder.path().join("runbooks")).expect("a folder");
        file("shop.yaml", &application.to_string()).expect("written");
        file("schedules.yaml", schedules).expect("written");
        if !runbook.is_empty() {
            file("runbooks/own.yaml", runbook).expect("written");
        }
        let configuration = format!(
            "applications: [shop.yaml]\nschedules: schedules.yaml\nrunbooks: [runbooks]\n\
             receivers:\n  - {{ name: pager, url_from: MUSTER_TEST_PAGER }}\n{more}"
        );
        let mut setup = Setup::write(folder.path(), &configuration);
        setup.clock = Some(world.clock_file());
        setup.env = environment(&world, &pager);
        let built = world.effects().await.len();
        let daemon = setup.start().await;
        Some(Stage {
            world,
            application,
            setup,
            daemon,
            sides,
            pager,
            observers,
            control,
            figures: Figures::default(),
            tick_secs: 5,
            built,
            answered: 0,
            calls_before: 0,
            folder,
        })
    }

    /// The folder of the daemon's configuration.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Asks for a run, as one of the people, until the daemon has said which run it is: a request
    /// whose answer a kill took is sent again with its key.
    ///
    /// # Panics
    ///
    /// When it is refused.
    pub async fn ask(&mut self, who: &str, key: &str, request: Value) -> String {
        loop {
            match self.daemon.post_once(who, "/v1/requests", request.clone(), key).await {
                Some((202, accepted)) => {
                    return accepted["run"].as_str().expect("a run").to_owned();
                }
                Some((status, problem)) => panic!("{status} {problem}"),
                None => self.revive().await,
            }
        }
    }

    /// Lets time pass until a run has ended, whatever becomes of the daemon meanwhile, and approves
    /// what it asks. Returns its view.
    ///
    /// # Panics
    ///
    /// When it does not end, or waits for a person who is not among `approvers`.
    pub async fn carry(&mut self, run: &str, approvers: &[&str]) -> Value {
        self.until("the run ends", async |stage| {
            let Some(view) = stage.daemon.run(run).await else { return false };
            let waits = view["waits"].as_array().is_some_and(|waits| !waits.is_empty());
            assert!(!waits, "it waits for a person: {}", brief(&view));
            if view["approvals"].as_array().is_some_and(|asks| !asks.is_empty()) {
                for who in approvers {
                    stage.daemon.approve(who, run).await;
                }
            }
            view["open"] == false
        })
        .await;
        self.view(run).await
    }

    /// The view of a run, from a daemon that lives.
    ///
    /// # Panics
    ///
    /// When there is no such run.
    pub async fn view(&mut self, run: &str) -> Value {
        let limit = Clock::Real.now() + PATIENCE;
        loop {
            match self.daemon.run(run).await {
                Some(view) => return view,
                None if self.daemon.has_ended() => self.revive().await,
                // One that was killed answers no more, a moment before it is seen to have ended; one that has
                // just started may wait for its clock.
                None => {
                    let said = self.daemon.last_words();
                    assert!(Clock::Real.now() < limit, "no run `{run}`: {said}");
                    self.world.pass(1);
                    pause().await;
                }
            }
        }
    }

    /// Lets time pass until something is true. Whenever the daemon was killed it is started again.
    ///
    /// # Panics
    ///
    /// When it is not in time, or the daemon ends by itself.
    pub async fn until(&mut self, what: &str, mut is: impl AsyncFnMut(&mut Stage) -> bool) {
        let limit = Clock::Real.now() + PATIENCE;
        let (mut last, mut still) = (String::new(), 0);
        loop {
            if self.daemon.has_ended() {
                self.revive().await;
            }
            if is(self).await {
                return;
            }
            let (pulse, held) = self.pulse().await;
            assert!(
                Clock::Real.now() < limit,
                "waited for: {what}\n{pulse}\n{}",
                self.daemon.last_words()
            );
            still = if pulse == last { still + 1 } else { 0 };
            last = pulse;
            if still >= if held { HELD_LOOKS } else { STILL_LOOKS } {
                self.world.pass(if held { 1 } else { self.tick_secs });
                still = 0;
            }
            pause().await;
        }
    }

    /// Waits until nothing moves, without letting time pass: what the daemon looks at by itself when it
    /// starts has been looked at.
    ///
    /// # Panics
    ///
    /// When something moves for ever.
    pub async fn settle(&mut self) {
        let limit = Clock::Real.now() + PATIENCE;
        let (mut last, mut still) = (String::new(), 0);
        while still < SETTLED_LOOKS {
            let (pulse, _) = self.pulse().await;
            assert!(Clock::Real.now() < limit, "it does not settle: {pulse}");
            still = if pulse == last { still + 1 } else { 0 };
            last = pulse;
            pause().await;
        }
    }

    /// Everything that moves, and whether calls hang.
    async fn pulse(&mut self) -> (String, bool) {
        let calls = self.world.calls_after(self.answered).await;
        // What a dead daemon asked is answered to nobody.
        let is_open = |call: &&Value| {
            call["fate"] == "passed"
                && call["status"].is_null()
                && call["number"].as_u64() > Some(self.calls_before)
        };
        let open = calls.iter().filter(is_open).count();
        let last = calls.last().and_then(|call| call["number"].as_u64()).unwrap_or(self.answered);
        if open == 0 {
            self.answered = last;
        }
        let held = self.world.connections_held().await > 0;
        let mut pulse = format!("call {last}");
        if open > 0 {
            // Not the same as at the next look, whatever else stands still.
            pulse += &format!(", {open} open at {}", Clock::Real.now());
        }
        for run in self.open_runs().await {
            pulse += &format!("\n{}, {} events", brief(&run), run["events"]);
        }
        (pulse, held)
    }

    /// The views of all open runs.
    pub async fn open_runs(&self) -> Vec<Value> {
        let Some((200, page)) = self.daemon.get("/v1/runs?state=open").await else {
            return Vec::new();
        };
        let mut views = Vec::new();
        for line in page["items"].as_array().into_iter().flatten() {
            views.extend(self.daemon.run(line["id"].as_str().unwrap_or_default()).await);
        }
        views
    }

    /// What the second listener tells a scraper.
    pub async fn metrics(&self) -> String {
        let url = format!("http://127.0.0.1:{}/metrics", self.setup.metrics_port);
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let answer = client.get(url).send().await.expect("an answer");
        answer.text().await.expect("a text")
    }

    /// Kills the daemon, if it still lives, and waits until it is gone.
    pub fn crash(&mut self) {
        self.daemon.kill();
    }

    /// Starts the daemon again after a kill, and writes down how soon it looked at what was open.
    ///
    /// # Panics
    ///
    /// When it had ended in another way, is not ready in time, or does not look.
    pub async fn revive(&mut self) {
        // Its connections break a moment before it is gone.
        let code = self.daemon.ended().await;
        assert!(
            self.daemon.was_killed(),
            "it ended by itself, with {code:?}: {}",
            self.daemon.last_words()
        );
        let before = self.last_call().await;
        self.calls_before = before;
        self.daemon = self.setup.launch();
        while !self.daemon.is_ready().await {
            if self.daemon.was_killed() {
                self.figures.killed_before_ready += 1;
                return;
            }
            let waited = Clock::Real.now().duration_since(self.daemon.started_at());
            assert!(waited < PATIENCE, "it is not ready: {}", self.daemon.last_words());
            pause().await;
        }
        let ready_at = Clock::Real.now();
        self.figures.restarts += 1;
        self.figures.ready.push(ready_at.duration_since(self.daemon.started_at()));
        let Some(action) = self.open_action().await else { return };
        // The clock stands still, so the look is due at this very instant.
        let limit = ready_at + LOOK_WITHIN;
        let first = loop {
            let calls = self.world.calls_after(before).await;
            if let Some(first) = calls.into_iter().find(|call| is_about(call, &action)) {
                break first;
            }
            if self.daemon.was_killed() {
                return;
            }
            assert!(Clock::Real.now() < limit, "no look: {}", self.daemon.last_words());
            pause().await;
        };
        let operation = first["operation"].as_str().unwrap_or_default();
        let looks = ["Describe", "Get", "List"].iter().any(|verb| operation.starts_with(verb));
        assert!(looks, "the first call after a restart is no look: {first}");
        self.figures.looked(&first, ready_at);
    }

    /// What a step does that is open and asks AWS.
    async fn open_action(&self) -> Option<String> {
        let runs = self.open_runs().await;
        let steps = runs.iter().filter_map(|run| run["steps"].as_array()).flatten();
        let open = steps.filter(|step| step["state"] == "running");
        let mut actions = open.filter_map(|step| step["action"].as_str());
        actions.find(|it| !INSIDE.contains(it) && !BESIDE.contains(it)).map(str::to_owned)
    }

    /// The number of the last call that came to the proxy.
    pub async fn last_call(&self) -> u64 {
        let calls = self.world.calls_after(self.answered).await;
        calls.last().and_then(|call| call["number"].as_u64()).unwrap_or(self.answered)
    }

    /// What has happened at AWS since everything was built, in words and in order.
    pub async fn effects(&self) -> Vec<String> {
        self.world.effects_after(self.built).await
    }

    /// Steers a run: `resume`, `force`, `abandon` and so on.
    ///
    /// # Panics
    ///
    /// When it is refused.
    pub async fn say(&self, who: &str, run: &str, word: &str) {
        let body = json!({ "reason": "looked, and decided" });
        let answer = self.daemon.post(who, &format!("/v1/runs/{run}/{word}"), body).await;
        let (status, said) = answer.expect("an answer");
        assert_eq!(status, 200, "{said}");
    }

    /// The recovery points of the application, newest data first.
    ///
    /// # Panics
    ///
    /// When they cannot be read.
    pub async fn points(&self) -> Vec<Value> {
        let answer = self.daemon.get("/v1/applications/shop/recovery-points").await;
        let (status, page) = answer.expect("an answer");
        assert_eq!(status, 200, "{page}");
        page["items"].as_array().expect("a list").clone()
    }
}

/// Whether a call belongs to an action. A backup reads snapshots; whatever else is asked meanwhile is
/// asked by others.
fn is_about(call: &Value, action: &str) -> bool {
    match action {
        // Whoever looks into another account takes its role first.
        "snapshot-database" | "copy-snapshot" | "copy-to-vault" => {
            call["operation"] == "DescribeDBClusterSnapshots"
        }
        "share-snapshot" | "unshare-snapshot" => {
            call["operation"] == "DescribeDBClusterSnapshotAttributes"
        }
        _ => true,
    }
}

/// A run's view in a line for each step, for whoever reads why a test failed.
pub fn brief(view: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut said =
        format!("{} {} {}", text(&view["id"]), text(&view["runbook"]), text(&view["status"]));
    for wait in view["waits"].as_array().into_iter().flatten() {
        said += &format!("\n  waits: {}", text(&wait["reason"]));
    }
    for step in view["steps"].as_array().into_iter().flatten() {
        let seen = text(&step["sample"]["seen"]);
        let (id, state, fault) = (text(&step["id"]), text(&step["state"]), text(&step["fault"]));
        let (attempt, outputs) = (&step["attempt"], &step["outputs"]);
        said += &format!("\n  {id}: {state} {attempt} {fault} {seen} {outputs}");
    }
    said
}
