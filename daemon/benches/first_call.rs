//! From `POST /v1/requests` to the first call that leaves the process: the real listener, intake,
//! engine, journal on disk, performer and AWS client, towards an outside that only notes when it is
//! called. Beside it, in the same run: the same round trip without a request behind it, one sync of
//! the disk, which lies between the two by design, and the making of an AWS client, which the first
//! call of a process waits for.
//!
//! Prints one JSON line. `cargo bench -p muster --bench first_call`; `MUSTER_BENCH_DIR` says which disk
//! is written, the one with the target directory otherwise.

use std::{
    error::Error,
    fs::File,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    os::unix::fs::FileExt as _,
    path::Path,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use muster::{
    api::{Api, serve::Doors},
    catalogue::Catalogue,
    clock::Clock,
    config::{Listen, Token},
    serve::Process,
    world::{
        World,
        aws::Access,
        real::{Real, Settings},
    },
};
use muster_runbooks::{
    action::control::PersonRole, application::Application, runbook::library::Library,
};
use muster_state::journal::{LogJournal, Options};
use serde_json::json;
use sha2::{Digest, Sha256};

/// How often a fresh process is asked.
const PROCESSES: usize = 25;

const TOKEN: &str = "token-of-the-bench-0123456789abcdef0123456789abcdef";

type Failed = Box<dyn Error + Send + Sync>;

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn now() -> Instant {
    Instant::now()
}

fn main() -> Result<(), Failed> {
    let on = std::env::var("MUSTER_BENCH_DIR").unwrap_or(env!("CARGO_TARGET_TMPDIR").to_owned());
    let folder = tempfile::TempDir::new_in(on)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (mut called, mut accepted, mut bare, mut client, mut syncs) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), raw_syncs(folder.path())?);
    for process in 0..PROCESSES {
        let dir = folder.path().join(process.to_string());
        let took = runtime.block_on(ask(&dir))?;
        called.push(took.called);
        accepted.push(took.accepted);
        bare.push(took.bare);
        client.push(took.client);
        std::fs::remove_dir_all(&dir)?;
    }
    for list in [&mut called, &mut accepted, &mut bare, &mut client, &mut syncs] {
        list.sort_unstable();
    }
    let at = |list: &[Duration], share: f64| {
        let place = ((list.len() - 1) as f64 * share) as usize;
        (list[place].as_secs_f64() * 1e5).round() / 1e2
    };
    let line = json!({
        "processes": PROCESSES,
        "post_to_first_call_p50_ms": at(&called, 0.5),
        "post_to_first_call_p95_ms": at(&called, 0.95),
        "post_to_durable_p50_ms": at(&accepted, 0.5),
        "bare_round_trip_p50_ms": at(&bare, 0.5),
        "new_aws_client_p50_ms": at(&client, 0.5),
        "raw_sync_p50_ms": at(&syncs, 0.5),
    });
    writeln!(io::stdout(), "{line}")?;
    Ok(())
}

struct Took {
    /// From the sending of the request to the first byte of a call at the outside.
    called: Duration,
    /// From the sending of the request to its answer, which says that it is durable.
    accepted: Duration,
    /// The same round trip for `/health/live`.
    bare: Duration,
    /// The making of an AWS client.
    client: Duration,
}

/// A fresh process over an empty journal, asked for one backup.
async fn ask(dir: &Path) -> Result<Took, Failed> {
    let (outside, calls) = outside()?;
    let journal = LogJournal::open(dir, Options::new(Clock::Real.now(), "bench"))?;
    let began = now();
    let access = Access::Emulator { endpoint: format!("http://{outside}") };
    let settings = Settings {
        access,
        kubeconfig: None,
        receivers: Vec::new(),
        rates: Default::default(),
        clock: Clock::Real,
        epoch: 1,
        comparisons: None,
    };
    let real = Real::new(settings).await?;
    let client = began.elapsed();
    let world = Arc::new(World::Real(real));
    let process = Process::start(Arc::new(journal), world, Clock::Real, Arc::new(catalogue()?));
    let sha256 = Sha256::digest(TOKEN).iter().map(|byte| format!("{byte:02x}")).collect();
    let token = Token { name: "bench".to_owned(), role: PersonRole::Operator, sha256 };
    let api = Api::new(process.intake.clone(), &[token])?;
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let doors = Doors::open(&Listen { http: any, metrics: any, tls: None }).await?;
    let (url, stop) = (format!("http://{}", doors.http()?), doors.stop());
    let asked = async {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let health = || http.get(format!("{url}/health/live")).send();
        while !http.get(format!("{url}/health/ready")).send().await?.status().is_success() {}
        health().await?;
        let began = now();
        health().await?;
        let bare = began.elapsed();
        let body =
            json!({ "runbook": "daily-backup", "application": "covetpy", "reason": "bench" });
        let began = now();
        let answer = http.post(format!("{url}/v1/requests")).bearer_auth(TOKEN).json(&body).send();
        let answer = answer.await?.error_for_status()?;
        let accepted = began.elapsed();
        drop(answer);
        let call = tokio::task::spawn_blocking(move || first_after(began, &calls));
        let called = call.await??.duration_since(began);
        Ok::<Took, Failed>(Took { called, accepted, bare, client })
    };
    let took = tokio::select! {
        served = doors.serve(api) => return Err(format!("not served: {served:?}").into()),
        took = asked => took?,
    };
    stop.gently(Duration::ZERO);
    process.stop().await;
    Ok(took)
}

/// The first call since the request was sent. What came before it was the watcher's.
fn first_after(
    began: Instant,
    calls: &mpsc::Receiver<Instant>,
) -> Result<Instant, mpsc::RecvTimeoutError> {
    loop {
        let called = calls.recv_timeout(Duration::from_secs(20))?;
        if called >= began {
            return Ok(called);
        }
    }
}

/// Something that is called: it notes when, and hangs up.
fn outside() -> io::Result<(SocketAddr, mpsc::Receiver<Instant>)> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let address = listener.local_addr()?;
    let (note, notes) = mpsc::channel();
    std::thread::spawn(move || {
        while let Ok((mut call, _)) = listener.accept() {
            // The first byte is enough; what it says is for other tests.
            let heard = call.read(&mut [0; 1]).is_ok_and(|bytes| bytes > 0);
            if heard && note.send(now()).is_err() {
                return;
            }
        }
    });
    Ok((address, notes))
}

fn catalogue() -> Result<Catalogue, Failed> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/covetpy/applications/covetpy.yaml");
    let application = Application::parse(path, &std::fs::read_to_string(path)?)
        .map_err(|findings| format!("{findings:?}"))?;
    Ok(Catalogue {
        library: Library::shipped(),
        applications: [(application.name.clone(), application)].into(),
        schedules: Vec::new(),
        runs_in: None,
    })
}

/// What one write and one sync of this disk take.
fn raw_syncs(folder: &Path) -> io::Result<Vec<Duration>> {
    let path = folder.join("raw");
    std::fs::write(&path, vec![0; 1 << 20])?;
    let file = File::options().write(true).open(&path)?;
    file.sync_all()?;
    let sync = |n: u64| {
        let began = now();
        file.write_all_at(&[7; 1_000], n * 1_000)?;
        file.sync_data()?;
        Ok(began.elapsed())
    };
    (0..500).map(sync).collect()
}
