//! How long a start takes over a journal of a hundred thousand records, and how long until the first
//! look at a run that was open: after a stop in good order, and after a kill. Beside it, in the same
//! run, what nobody can do without: reading the same log and hashing it once.
//!
//! Prints one JSON line per image. `cargo bench -p muster-state --bench start`

#[path = "parts/figures.rs"]
mod figures;
#[path = "parts/trivial.rs"]
mod trivial;

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
    time::Instant,
};

use jiff::Timestamp;
use muster_state::{
    engine::{Engine, Output},
    journal::{Journal, LogJournal, Options},
};
use serde_json::json;
use sha2::{Digest, Sha256};

use figures::{at, now};
use trivial::{Load, STEPS};

const RECORDS: usize = 100_000;
const OPEN_RUNS: usize = 20;
const STARTS: usize = 15;

fn main() {
    let mut out = io::stdout();
    let folder = figures::folder();
    let (live, killed) = (folder.path().join("live"), folder.path().join("killed"));
    let journal = open(&live);
    let mut load = Load::on(&journal);
    while load.records < RECORDS {
        while load.open() < OPEN_RUNS {
            load.admit();
        }
        load.turn();
    }
    load.rest();
    let (commits, steps) = (load.appends, load.admitted * STEPS);
    drop(load);
    // What a kill leaves: the log without its seal, and rows that are behind it.
    copy(&live, &killed);
    journal.close().expect("sealed");
    for (image, of) in [("stopped", &live), ("killed", &killed)] {
        let mut line = measure(folder.path(), image, of);
        line["commits"] = json!(commits);
        line["steps"] = json!(steps);
        writeln!(out, "{line}").expect("printed");
    }
}

fn open(dir: &Path) -> LogJournal {
    LogJournal::open(dir, Options::new(Timestamp::UNIX_EPOCH, "bench")).expect("a journal")
}

fn measure(folder: &Path, image: &str, of: &Path) -> serde_json::Value {
    let (mut ready, mut looked, mut floor) = (Vec::new(), Vec::new(), Vec::new());
    let mut records = 0;
    for _ in 0..STARTS {
        let dir = folder.join("start");
        copy(of, &dir);
        let began = now();
        hash(&dir);
        floor.push(millis(began));
        let began = now();
        let journal = open(&dir);
        ready.push(millis(began));
        let mut engine = Engine::new(journal.progress().clone());
        let outputs = engine.start(Timestamp::UNIX_EPOCH, journal.last_beat());
        let looks = |output: &Output| matches!(output, Output::Observe(_));
        assert!(outputs.iter().any(looks), "a run is open and is looked at");
        looked.push(millis(began));
        records = journal.progress().end;
        drop(journal);
        fs::remove_dir_all(&dir).expect("removed");
    }
    for list in [&mut ready, &mut looked, &mut floor] {
        list.sort_unstable_by(f64::total_cmp);
    }
    let tenths = |figure: f64| (figure * 10.0).round() / 10.0;
    json!({
        "image": image,
        "records": records,
        "ready_p50_ms": tenths(at(&ready, 0.5)),
        "ready_max_ms": tenths(at(&ready, 0.999)),
        "first_look_p50_ms": tenths(at(&looked, 0.5)),
        "read_and_hash_p50_ms": tenths(at(&floor, 0.5)),
    })
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// Reads the log and hashes it.
fn hash(dir: &Path) {
    for entry in fs::read_dir(dir.join("log")).expect("listed").flatten() {
        let bytes = fs::read(entry.path()).expect("read");
        assert_ne!(Sha256::digest(&bytes).as_slice(), [0; 32]);
    }
}

/// Copies a state directory as it is now.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("listed").flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else if entry.file_name() != "lock" {
            fs::copy(entry.path(), to).expect("copied");
        }
    }
}
