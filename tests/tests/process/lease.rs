//! Two real daemons and one lease: one acts, the other says why it does not, and takes over when it
//! should (I6).

use std::{fs, path::Path, process::Command};

use jiff::Timestamp;
use muster_tests::{
    daemon::{Daemon, Setup, binary, pause},
    emulator::WEST,
    stage::{MARKERS, Stage, brief},
};
use serde_json::{Value, json};

/// Its end and the longest call, after which a successor may take the lease.
const WAITS_SECS: i64 = 60;

/// A region where nothing but the lease lives.
const THIRD: &str = "eu-central-1";

/// A stage whose daemon keeps a lease.
macro_rules! leased {
    () => {
        leased!("")
    };
    ($more:expr) => {
        match Stage::under_a_lease(THIRD, $more).await {
            Some(stage) => stage,
            None => return,
        }
    };
}

/// Another host: the same files, ports and a state directory of its own.
fn other_host(stage: &Stage, folder: &Path) -> Setup {
    for name in ["shop.yaml", "schedules.yaml"] {
        fs::copy(stage.folder().join(name), folder.join(name)).expect("copied");
    }
    fs::create_dir(folder.join("runbooks")).expect("made");
    let more = fs::read_to_string(stage.folder().join("muster.yaml")).expect("read");
    let more = more.split_once("applications:").expect("what follows the tokens").1;
    let mut setup = Setup::write(folder, &format!("applications:{more}"));
    setup.env = stage.setup.env.clone();
    setup.clock = stage.setup.clock.clone();
    setup
}

/// Copies the log of a daemon that stands still, and rebuilds the rest from it.
fn ship(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("log")).expect("made");
    fs::copy(from.join("format"), to.join("format")).expect("copied");
    for entry in fs::read_dir(from.join("log")).expect("a log").flatten() {
        fs::copy(entry.path(), to.join("log").join(entry.file_name())).expect("copied");
    }
    let restored = Command::new(binary()).args(["state", "restore"]).arg(to).output();
    let restored = restored.expect("it starts");
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
}

/// Why a daemon stands by, once it says what is wanted.
async fn stands_by(daemon: &Daemon, wanted: &str) -> String {
    for _ in 0..2_000 {
        let answer = daemon.get("/health/ready").await;
        let why = answer.filter(|(status, view)| *status == 503 && view["state"] == "standing_by");
        let why = why.and_then(|(_, view)| view["because"].as_str().map(str::to_owned));
        match why.filter(|why| why.contains(wanted)) {
            Some(why) => return why,
            None => pause().await,
        }
    }
    panic!("it never says `{wanted}`: {}", daemon.last_words())
}

fn signal(daemon: &Daemon, name: &str) {
    let sent = Command::new("kill").args([name, &daemon.pid().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()));
}

fn begins(daemon: &Daemon) -> usize {
    daemon.said().matches("\"begins\"").count()
}

/// Lets time pass for a daemon until it acts, and says how many seconds that took.
async fn until_it_acts(stage: &mut Stage, daemon: &Daemon) -> i64 {
    let mut passed = 0;
    while !daemon.is_ready().await {
        assert!(passed < 600, "it never acts: {}", daemon.last_words());
        stage.world.pass(2);
        passed += 2;
        // It looks at the clock every few milliseconds, and asks the storage when it is time.
        for _ in 0..5 {
            pause().await;
        }
    }
    passed
}

/// Goal: a second daemon with a journal of its own refuses and says why, on its page, its API and the
/// command line; the first one goes on.
/// Method: start it beside the first.
#[tokio::test]
async fn the_second_refuses() {
    let stage = leased!();
    let folder = tempfile::tempdir().expect("a folder");
    let second = other_host(&stage, folder.path()).launch();
    let why = stands_by(&second, "the journal here").await;
    let request = json!({ "runbook": "rehearsal", "reason": "practice" });
    let answer = second.post("ana", "/v1/requests", request.clone()).await.expect("an answer");
    assert_eq!(answer.0, 409, "{}", answer.1);
    assert!(answer.1["type"].to_string().contains("not-the-actor"), "{}", answer.1);
    let status = Command::new(binary())
        .args(["status", "--server", second.base()])
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(said.contains("THIS MUSTER BEGINS NOTHING") && said.contains(&why), "{said}");
    let (_, runs) = second.get("/v1/runs").await.expect("an answer");
    assert_ne!(runs["lease"]["state"], "held", "{runs}");
    let (_, runs) = stage.daemon.get("/v1/runs").await.expect("an answer");
    assert_eq!(runs["lease"]["state"], "held", "{runs}");
    let answer = stage.daemon.post("ana", "/v1/requests", request).await.expect("an answer");
    assert_eq!(answer.0, 202, "{}", answer.1);
}

/// Goal: a daemon that stands still past its lease sends nothing when it wakes and stands down; another
/// host with its journal waits out the lease and the longest call, and finishes the run under a higher
/// epoch.
/// Method: SIGSTOP in the middle of a backup, a copy of the log on another host, SIGCONT when that one
/// acts.
#[tokio::test]
async fn another_host_takes_over() {
    let mut stage = leased!();
    let request = json!({ "runbook": "daily-backup", "application": "shop", "reason": "a test" });
    let run = stage.ask("ana", "backup", request).await;
    stage
        .until("the snapshot is begun", async |stage| {
            stage.world.arrived("CreateDBClusterSnapshot").await == 1
        })
        .await;
    let epoch = lease(&stage).await["epoch"].as_u64().expect("an epoch");
    signal(&stage.daemon, "-STOP");
    let begun = begins(&stage.daemon);

    let folder = tempfile::tempdir().expect("a folder");
    let setup = other_host(&stage, folder.path());
    ship(&stage.setup.state(), &setup.state());
    let second = setup.launch();
    stands_by(&second, "holds the lease until").await;
    let waits = second.run(&run).await.expect("the run");
    assert!(waits["waits"].to_string().contains("holds the lease until"), "{}", brief(&waits));
    let waited = until_it_acts(&mut stage, &second).await;
    assert!(waited >= WAITS_SECS, "it waited for {waited} s only");
    let taken = lease(&stage).await;
    assert!(taken["epoch"].as_u64() > Some(epoch), "{taken}");

    signal(&stage.daemon, "-CONT");
    // Its journal ends where it stood still, and the lease knows more by now.
    stands_by(&stage.daemon, "the journal here").await;
    let first = std::mem::replace(&mut stage.daemon, second);
    let view = stage.carry(&run, &[]).await;
    assert_eq!(view["status"], "succeeded", "{}", brief(&view));
    let wanted = ["snapshot-created us-east-1", "snapshot-copied us-west-2"];
    assert_eq!(stage.effects().await, wanted, "each once");
    assert_eq!(begins(&first), begun, "whoever woke sent something: {}", first.last_words());
    let why = stands_by(&first, "the journal here").await;
    let stale = first.run(&run).await.expect("the run");
    assert_eq!(stale["open"], true, "it knows no better: {why}");
}

/// Goal: with its host gone, a run goes on elsewhere from what was shipped.
/// Method: kill the daemon in the middle of a backup once everything was shipped, remove its directory,
/// restore from the bucket on another host. A prefix where nothing lies is said.
#[tokio::test]
async fn a_lost_host_comes_back_from_the_bucket() {
    let more = format!("ship: {{ region: {THIRD}, bucket: muster-lease, prefix: log }}\n");
    let mut stage = leased!(&more);
    let request = json!({ "runbook": "daily-backup", "application": "shop", "reason": "a test" });
    let run = stage.ask("ana", "backup", request).await;
    let shipped = async |stage: &mut Stage| {
        let metrics = stage.metrics().await;
        stage.world.arrived("CreateDBClusterSnapshot").await == 1
            && metrics.contains("muster_ship_behind_seconds 0")
    };
    stage.until("the snapshot is begun and all is shipped", shipped).await;
    stage.crash();
    fs::remove_dir_all(stage.setup.state()).expect("the host is gone");

    let folder = tempfile::tempdir().expect("a folder");
    let setup = other_host(&stage, folder.path());
    let restore = |from: &str| {
        let mut restore = Command::new(binary());
        restore.args(["state", "restore"]).arg(setup.state()).args(["--from", from]);
        restore.envs(stage.setup.env.iter().cloned()).env("AWS_REGION", THIRD);
        restore.output().expect("it starts")
    };
    let said = restore("s3://muster-lease/nothing/");
    assert_eq!(said.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&said.stderr).contains("no part of a log"), "{said:?}");
    let said = restore("s3://muster-lease/log/");
    assert!(said.status.success(), "{said:?}");
    assert!(String::from_utf8_lossy(&said.stdout).contains("the newest record is of"), "{said:?}");
    let second = setup.launch();
    stands_by(&second, "holds the lease until").await;
    until_it_acts(&mut stage, &second).await;
    stage.daemon = second;
    let view = stage.carry(&run, &[]).await;
    assert_eq!(view["status"], "succeeded", "{}", brief(&view));
    let wanted = ["snapshot-created us-east-1", "snapshot-copied us-west-2"];
    assert_eq!(stage.effects().await, wanted, "each once");
}

/// Goal: what one process said of the log is taken back by the next one.
/// Method: the bucket falls silent until the finding stands; the daemon is killed, and the bucket answers again.
#[tokio::test]
async fn what_a_dead_process_said_of_the_log_is_taken_back() {
    let more = format!("ship: {{ region: {WEST}, bucket: {MARKERS}, prefix: log }}\n");
    let mut stage = leased!(&more);
    let stands = async |stage: &Stage| {
        let (_, shop) = stage.daemon.get("/v1/applications/shop").await?;
        let findings = shop["findings"].as_array()?;
        Some(findings.iter().any(|finding| finding["id"] == "log-not-shipped"))
    };
    let silence = json!({ "region": WEST, "service": "s3", "how": "reset" });
    stage.world.fault("silence", silence).await;
    let opens = async |stage: &mut Stage| stands(stage).await == Some(true);
    stage.until("it is said that the log is not shipped", opens).await;
    stage.crash();
    stage.world.heal().await;
    let closes = async |stage: &mut Stage| stands(stage).await == Some(false);
    stage.until("it is taken back", closes).await;
}

/// Goal: whoever acts says so outside, every half minute, and under its epoch.
/// Method: the object beside the lease, twice.
#[tokio::test]
async fn the_heartbeat_beats() {
    let mut stage = leased!();
    let listed = async |stage: &mut Stage| {
        stage.world.get(THIRD, "muster-lease?list-type=2").await.contains("lease.heartbeat")
    };
    stage.until("there is a heartbeat", listed).await;
    let first = heartbeat(&stage).await;
    let epoch = lease(&stage).await["epoch"].clone();
    assert_eq!(first["epoch"], epoch);
    assert!(first["sequence"].as_u64() > Some(0) && first["version"].is_string(), "{first}");
    let later = async |stage: &mut Stage| heartbeat(stage).await["at"] != first["at"];
    stage.until("there is another one", later).await;
    let at = |beat: &Value| beat["at"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
    let second = at(&heartbeat(&stage).await).expect("an instant");
    let apart = second.duration_since(at(&first).expect("an instant"));
    assert!((30..=45).contains(&apart.as_secs()), "{apart:#}");
}

/// Goal: a lease that cannot be read stops what is new, and a person lets one run go on.
/// Method: the storage is silent from before the run on; an operator may not override, an approver may.
#[tokio::test]
async fn a_person_overrides() {
    let mut stage = leased!();
    stage.world.fault("silence", json!({ "region": THIRD, "how": "reset" })).await;
    let mut passed = 0;
    while lease_state(&stage).await != "unreadable" {
        assert!(passed < 120, "{}", stage.daemon.last_words());
        stage.world.pass(2);
        passed += 2;
        pause().await;
    }
    let request = json!({ "runbook": "daily-backup", "application": "shop", "reason": "a test" });
    let run = stage.ask("ana", "backup", request).await;
    stage.settle().await;
    let view = stage.view(&run).await;
    assert!(view["waits"].to_string().contains("the lease cannot be read"), "{}", brief(&view));
    assert!(view["next"].to_string().contains("muster override-lease"), "{}", view["next"]);
    let path = format!("/v1/runs/{run}/override-lease");
    let body = json!({ "reason": "the other host is off" });
    let (status, _) = stage.daemon.post("ana", &path, body.clone()).await.expect("an answer");
    assert_eq!(status, 403, "an operator may not");
    let (status, said) = stage.daemon.post("ben", &path, body).await.expect("an answer");
    assert_eq!(status, 200, "{said}");
    let view = stage.carry(&run, &[]).await;
    assert_eq!(view["status"], "succeeded", "{}", brief(&view));
}

async fn lease_state(stage: &Stage) -> String {
    let (_, runs) = stage.daemon.get("/v1/runs").await.expect("an answer");
    runs["lease"]["state"].as_str().unwrap_or_default().to_owned()
}

async fn heartbeat(stage: &Stage) -> Value {
    let text = stage.world.get(THIRD, "muster-lease/lease.heartbeat").await;
    serde_json::from_str(&text).expect("JSON")
}

/// What stands in the lease.
async fn lease(stage: &Stage) -> Value {
    let text = stage.world.get(THIRD, "muster-lease/lease").await;
    serde_json::from_str(&text).expect("JSON")
}
