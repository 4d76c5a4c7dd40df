//! Durable steps per second: runs of twenty trivial steps with a 200-byte result each, through the
//! real engine and the real journal, at 1, 10 and 100 concurrent runs; beside them, in the same run,
//! what the disk itself allows: a preallocated file, one write of the same size and one sync a step.
//!
//! Prints one JSON line per concurrency. `cargo bench --bench durable_steps`; `MUSTER_BENCH_DIR` says
//! which disk is measured, the one with the target directory otherwise.

#[path = "disk/counting.rs"]
mod counting;

use std::{
    collections::{BTreeMap, VecDeque},
    io::{self, Write as _},
    path::Path,
    sync::Arc,
    time::Instant,
};

use futures::{FutureExt, StreamExt, executor::block_on, stream::FuturesOrdered};
use jiff::Timestamp;
use muster_runbooks::{
    name::RunId,
    plan::{Arg, Frozen, OnFailure, Part, Plan, Step, Task},
    request::{Manner, Mode, Request, Trigger},
    value::Span,
};
use muster_state::{
    call::{Answer, Call, Done, Progress, Reading},
    command::{Admission, Command},
    engine::{Engine, Input, Output, Reply, Sight},
    event::{Batch, Event, RunEvent, Stream},
    journal::{AppendError, Journal, LogJournal, Options},
};
use serde_json::json;

use counting::{Counting, at, now, per_second, raw_syncs};

const STEPS: usize = 20;
const RESULT_BYTES: usize = 200;

/// About the size of the commit that one step costs.
const COMMIT_BYTES: usize = 1_000;

fn main() {
    let mut out = io::stdout();
    let folder = counting::folder();
    for (concurrent, runs) in [(100, 400)] {
        // Before and after, because somebody else may be using the disk.
        let mut raw = raw_syncs(folder.path(), COMMIT_BYTES, 1_000);
        let folder_of_it = folder.path().join(format!("c{concurrent}"));
        let mut line = measure(&folder_of_it, concurrent, runs);
        raw.extend(raw_syncs(folder.path(), COMMIT_BYTES, 1_000));
        line["raw_syncs_per_second"] = json!(per_second(&raw).round());
        writeln!(out, "{line}").expect("printed");
    }
}

fn plan() -> Frozen {
    let steps = (0..STEPS).map(|number| Step {
        id: format!("step-{number}").parse().expect("a step id"),
        title: "Do next to nothing".to_owned(),
        part: Part::Steps,
        needs: number
            .checked_sub(1)
            .map(|before| format!("step-{before}").parse().expect("a step id"))
            .into_iter()
            .collect(),
        component: None,
        task: Task {
            action: "rehearse".to_owned(),
            with: BTreeMap::from([("say".to_owned(), Arg::Literal(json!("x")))]),
        },
        forced: None,
        limit: Span::from_mins(5),
        budget: None,
        attempts: 3,
        on_failure: OnFailure::Pause,
        best_effort: false,
        expect: None,
        danger: None,
    });
    let plan = Plan {
        runbook: "bench".parse().expect("a name"),
        title: "Twenty trivial steps".to_owned(),
        mode: Mode::Live,
        exclusive: false,
        way_back: None,
        rto: None,
        inputs: BTreeMap::new(),
        binding: None,
        steps: steps.collect(),
    };
    plan.freeze().expect("a plan")
}

fn admit(number: usize, plan: &Frozen) -> Command {
    let id: RunId = format!("b{number:011}").parse().expect("a run id");
    let request = Request {
        runbook: "bench".parse().expect("a name"),
        application: None,
        inputs: BTreeMap::new(),
        trigger: Trigger::Person { name: "bench".to_owned() },
        mode: Mode::Live,
        manner: Manner::Graceful,
        reason: "bench".to_owned(),
        dedupe_key: None,
        symptom_at: None,
        not_after: None,
    };
    Command::Admit(Box::new(Admission {
        id,
        request,
        plan: plan.clone(),
        proposal: None,
        asked: None,
    }))
}

/// What the outside says to a look: nothing can be seen yet.
fn seen(call: Call) -> Input {
    let reading = Ok(Reading { progress: Progress::not_started(), read_at: call.asked_at });
    Input::Seen(Sight { run: call.run, step: call.step, attempt: call.attempt, reading })
}

/// What the outside says to a begin: done, with the result.
fn answered(call: Call) -> Input {
    let answer = Ok(Answer::Done(Done::with([("said", json!("y".repeat(RESULT_BYTES)))])));
    Input::Answered(Reply { run: call.run, step: call.step, attempt: call.attempt, answer })
}

/// The runs that a batch begins or ends.
#[derive(Default)]
struct Marks {
    admitted: Vec<RunId>,
    ended: Vec<RunId>,
}

fn marks(batch: &Batch) -> Marks {
    let mut marks = Marks::default();
    for entry in &batch.entries {
        let (Stream::Run(id), Event::Run(event)) = (&entry.stream, &entry.event) else { continue };
        if let RunEvent::Admitted { .. } = event {
            marks.admitted.push(id.clone());
        }
        if let RunEvent::Ended { .. } = event {
            marks.ended.push(id.clone());
        }
    }
    marks
}

fn measure(folder: &Path, concurrent: usize, runs: usize) -> serde_json::Value {
    let disk = Counting::default();
    let options = Options::new(Timestamp::UNIX_EPOCH, "bench");
    let options = Options { disk: Arc::new(disk.clone()), ..options };
    let journal = LogJournal::open(folder, options).expect("a journal");
    let mut engine = Engine::new(journal.progress().clone());
    let plan = plan();
    let mut inputs: VecDeque<Input> = VecDeque::new();
    let mut receipts = FuturesOrdered::new();
    let mut since: BTreeMap<RunId, Instant> = BTreeMap::new();
    let mut took: Vec<f64> = Vec::new();
    let mut admitted = 0;
    let mut appends = 0_u64;
    let syncs = disk.syncs();
    let began = now();
    while took.len() < runs {
        while admitted < runs && admitted - took.len() < concurrent {
            inputs.push_back(Input::Command(admitted as u64, admit(admitted, &plan)));
            admitted += 1;
        }
        let input = inputs.pop_front().unwrap_or_else(|| {
            let durable: Option<(u64, Vec<RunId>)> = block_on(receipts.next());
            let (number, ended) = durable.expect("an append is under way");
            // A run is over when its end is durable.
            took.extend(ended.iter().map(|id| {
                since.remove(id).expect("a run that began").elapsed().as_secs_f64() * 1e3
            }));
            Input::Appended(number)
        });
        let at =
            Timestamp::from_nanosecond(began.elapsed().as_nanos() as i128).expect("an instant");
        for output in engine.on(at, input) {
            match output {
                Output::Append { number, batch } => {
                    appends += 1;
                    let Marks { admitted, ended } = marks(&batch);
                    since.extend(admitted.into_iter().map(|id| (id, now())));
                    let receipt = journal.append(at, batch);
                    receipts.push_back(receipt.map(move |end| {
                        let _: Result<u64, AppendError> =
                            end.expect("a writer").map_err(|refused| panic!("{refused}"));
                        (number, ended)
                    }));
                }
                Output::Observe(call) => inputs.push_back(seen(*call)),
                Output::Begin(call) => inputs.push_back(answered(*call)),
                Output::WakeAt(_) | Output::Reply { .. } => {}
                Output::Bug(bug) => panic!("{bug}"),
            }
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let steps = (runs * STEPS) as f64;
    took.sort_unstable_by(f64::total_cmp);
    let thousandths = |figure: f64| (figure * 1e3).round() / 1e3;
    json!({
        "concurrent": concurrent,
        "runs": runs,
        "steps_per_second": (steps / seconds).round(),
        "run_p50_ms": thousandths(at(&took, 0.5)),
        "run_p99_ms": thousandths(at(&took, 0.99)),
        "syncs_per_step": thousandths((disk.syncs() - syncs) as f64 / steps),
        "appends_per_step": thousandths(appends as f64 / steps),
    })
}
