//! How fast the journal acknowledges, beside what the disk itself can do with the same bytes.
//!
//! Prints one JSON line per number of batches in flight. `cargo bench -p muster-state --bench append`

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Write},
    os::unix::fs::FileExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use futures::executor::block_on;
use jiff::Timestamp;
use muster_state::{
    event::{Batch, Entry, Event, ScheduleEvent, Stream},
    journal::{
        Journal, LogJournal, Options, Receipt,
        disk::{Disk, DiskFile, RealDisk},
    },
};

/// The size of a commit's payload.
const COMMIT_BYTES: usize = 300;

/// A frame's header.
const FRAME: usize = 72;

/// A disk that counts its syncs.
#[derive(Clone, Debug, Default)]
struct Counting(Arc<AtomicU64>);

#[derive(Debug)]
struct CountingFile(Box<dyn DiskFile>, Counting);

impl Disk for Counting {
    fn create(&self, path: &Path, len: u64) -> io::Result<Box<dyn DiskFile>> {
        RealDisk.create(path, len)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(CountingFile(RealDisk.open(path)?, self.clone())))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.sync_dir(path)
    }
}

impl DiskFile for CountingFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.1.0.fetch_add(1, Ordering::Relaxed);
        self.0.sync()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}

fn batch(n: u64) -> Batch {
    let event = ScheduleEvent::Missed { due_at: Timestamp::UNIX_EPOCH, because: "x".repeat(145) };
    let schedule = format!("nightly-{}", n % 20);
    let stream = Stream::Schedule(schedule.parse().expect("a name"));
    Batch { entries: vec![Entry { stream, event: Event::Schedule(event) }], ..Batch::default() }
}

/// Commits per second, and the latencies in microseconds, sorted.
fn journal(in_flight: usize, commits: u64) -> (f64, Vec<u64>, f64) {
    let dir = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("made");
    let disk = Counting::default();
    let options = Options::new(Timestamp::UNIX_EPOCH, "bench");
    let options = Options { disk: Arc::new(disk.clone()), ..options };
    let journal = LogJournal::open(dir.path(), options).expect("opened");
    let before = disk.0.load(Ordering::Relaxed);
    let mut waiting: VecDeque<(Instant, Receipt)> = VecDeque::new();
    let mut latencies = Vec::new();
    let started = now();
    for n in 0..commits + in_flight as u64 {
        if waiting.len() == in_flight || n >= commits {
            let (since, receipt) = waiting.pop_front().expect("some are in flight");
            block_on(receipt).expect("answered").expect("written");
            latencies.push(since.elapsed().as_micros() as u64);
        }
        if n < commits {
            waiting.push_back((now(), journal.append(Timestamp::UNIX_EPOCH, batch(n))));
        }
    }
    let rate = latencies.len() as f64 / started.elapsed().as_secs_f64();
    let syncs = (disk.0.load(Ordering::Relaxed) - before) as f64 / commits as f64;
    latencies.sort_unstable();
    (rate, latencies, syncs)
}

/// What the disk does with the same bytes: one write and one sync for as many commits as the
/// journal wrote with one sync.
fn raw(group: usize, commits: u64) -> (f64, Vec<u64>) {
    let dir = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("made");
    let path = dir.path().join("raw");
    drop(RealDisk.create(&path, 64 << 20).expect("made"));
    let file = File::options().write(true).open(&path).expect("opened");
    file.sync_all().expect("synced");
    let bytes = vec![7; group * (COMMIT_BYTES + FRAME)];
    let mut latencies = Vec::new();
    let started = now();
    let groups = (commits / group as u64).max(1);
    for n in 0..groups {
        let at = now();
        let offset = n * bytes.len() as u64 % ((64 << 20) - bytes.len() as u64);
        file.write_all_at(&bytes, offset).expect("written");
        file.sync_data().expect("synced");
        latencies.push(at.elapsed().as_micros() as u64);
    }
    let rate = (groups * group as u64) as f64 / started.elapsed().as_secs_f64();
    latencies.sort_unstable();
    (rate, latencies)
}

fn at(sorted: &[u64], share: f64) -> u64 {
    sorted.get((sorted.len() as f64 * share) as usize).copied().unwrap_or(0)
}

fn main() {
    let mut out = io::stdout();
    for (in_flight, commits) in [(1, 4_000), (10, 30_000), (100, 200_000)] {
        let (rate, latencies, syncs) = journal(in_flight, commits);
        let group = (1.0 / syncs).round().max(1.0) as usize;
        let (raw_rate, raw_latencies) = raw(group, commits);
        let line = serde_json::json!({
            "in_flight": in_flight,
            "commits_per_s": rate.round(),
            "p50_us": at(&latencies, 0.5),
            "p99_us": at(&latencies, 0.99),
            "syncs_per_commit": (syncs * 1000.0).round() / 1000.0,
            "raw_commits_per_s": raw_rate.round(),
            "raw_p50_us": at(&raw_latencies, 0.5),
            "raw_p99_us": at(&raw_latencies, 0.99),
        });
        writeln!(out, "{line}").expect("printed");
    }
}
