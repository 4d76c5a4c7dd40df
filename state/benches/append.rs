//! How fast the journal acknowledges, beside what the disk itself can do with the same bytes.
//!
//! Prints one JSON line per number of batches in flight. `cargo bench -p muster-state --bench append`

#[path = "parts/counting.rs"]
mod counting;
#[path = "parts/figures.rs"]
mod figures;

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::Arc,
    time::Instant,
};

use futures::executor::block_on;
use jiff::Timestamp;
use muster_state::{
    event::{Batch, Entry, Event, ScheduleEvent, Stream},
    journal::{Journal, LogJournal, Options, Receipt},
};

use counting::{Counting, per_second, raw_syncs};
use figures::{at, now};

/// A frame's header.
const FRAME: usize = 72;

/// The size of a commit's payload.
const COMMIT_BYTES: usize = 300;

fn batch(n: u64) -> Batch {
    let event = ScheduleEvent::Missed { due_at: Timestamp::UNIX_EPOCH, because: "x".repeat(145) };
    let schedule = format!("nightly-{}", n % 20);
    let stream = Stream::Schedule(schedule.parse().expect("a name"));
    Batch { entries: vec![Entry { stream, event: Event::Schedule(event) }], ..Batch::default() }
}

/// Commits per second, the latencies in microseconds, sorted, and syncs per commit.
fn journal(in_flight: usize, commits: u64) -> (f64, Vec<u64>, f64) {
    let dir = figures::folder();
    let disk = Counting::default();
    let options = Options::new(Timestamp::UNIX_EPOCH, "bench");
    let options = Options { disk: Arc::new(disk.clone()), ..options };
    let journal = LogJournal::open(dir.path(), options).expect("opened");
    let before = disk.syncs();
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
    let syncs = (disk.syncs() - before) as f64 / commits as f64;
    latencies.sort_unstable();
    (rate, latencies, syncs)
}

fn main() {
    let mut out = io::stdout();
    for (in_flight, commits) in [(1, 4_000), (10, 30_000), (100, 200_000)] {
        let (rate, latencies, syncs) = journal(in_flight, commits);
        // One write and one sync for as many commits as the journal wrote with one sync.
        let group = (1.0 / syncs).round().max(1.0) as usize;
        let dir = figures::folder();
        let times = (commits / group as u64).max(1);
        let raw = raw_syncs(dir.path(), group * (COMMIT_BYTES + FRAME), times);
        let line = serde_json::json!({
            "in_flight": in_flight,
            "commits_per_s": rate.round(),
            "p50_us": at(&latencies, 0.5),
            "p99_us": at(&latencies, 0.99),
            "syncs_per_commit": (syncs * 1000.0).round() / 1000.0,
            "raw_commits_per_s": (per_second(&raw) * group as f64).round(),
            "raw_p50_us": at(&raw, 0.5),
            "raw_p99_us": at(&raw, 0.99),
        });
        writeln!(out, "{line}").expect("printed");
    }
}
