//! Durable steps per second: runs of twenty trivial steps with a 200-byte result each, through the
//! real engine and the real journal, at 1, 10 and 100 concurrent runs; beside them, in the same run,
//! what the disk itself allows: a preallocated file, one write of the same size and one sync a step.
//!
//! Prints one JSON line per concurrency. `cargo bench --bench durable_steps`; `MUSTER_BENCH_DIR` says
//! which disk is measured, the one with the target directory otherwise.

#[path = "parts/counting.rs"]
mod counting;
#[path = "parts/figures.rs"]
mod figures;
#[path = "parts/trivial.rs"]
mod trivial;

use std::{
    io::{self, Write as _},
    path::Path,
    sync::Arc,
};

use jiff::Timestamp;
use muster_state::journal::{LogJournal, Options};
use serde_json::json;

use counting::{Counting, per_second, raw_syncs};
use figures::{at, now};
use trivial::{Load, STEPS};

/// About the size of the commit that one step costs.
const COMMIT_BYTES: usize = 1_000;

fn main() {
    let mut out = io::stdout();
    let folder = figures::folder();
    for (concurrent, runs) in [(1, 200), (10, 2_000), (100, 20_000)] {
        // Before and after, because somebody else may be using the disk.
        let mut raw = raw_syncs(folder.path(), COMMIT_BYTES, 1_000);
        let mut line = measure(&folder.path().join(format!("c{concurrent}")), concurrent, runs);
        raw.extend(raw_syncs(folder.path(), COMMIT_BYTES, 1_000));
        line["raw_syncs_per_second"] = json!(per_second(&raw).round());
        writeln!(out, "{line}").expect("printed");
    }
}

fn measure(folder: &Path, concurrent: usize, runs: usize) -> serde_json::Value {
    let disk = Counting::default();
    let options = Options::new(Timestamp::UNIX_EPOCH, "bench");
    let options = Options { disk: Arc::new(disk.clone()), ..options };
    let journal = LogJournal::open(folder, options).expect("a journal");
    let mut load = Load::on(&journal);
    let syncs = disk.syncs();
    let began = now();
    while load.took.len() < runs {
        while load.admitted < runs && load.open() < concurrent {
            load.admit();
        }
        load.turn();
    }
    let seconds = began.elapsed().as_secs_f64();
    load.rest();
    assert_eq!(load.took.len(), runs, "every run has ended once");
    let steps = (runs * STEPS) as f64;
    let mut took = load.took;
    took.sort_unstable_by(f64::total_cmp);
    let thousandths = |figure: f64| (figure * 1e3).round() / 1e3;
    json!({
        "concurrent": concurrent,
        "runs": runs,
        "steps_per_second": (steps / seconds).round(),
        "run_p50_ms": thousandths(at(&took, 0.5)),
        "run_p99_ms": thousandths(at(&took, 0.99)),
        // The admission of a run is one sync more than its steps need.
        "syncs_per_step": thousandths((disk.syncs() - syncs) as f64 / steps),
        "appends_per_step": thousandths(load.appends as f64 / steps),
    })
}
