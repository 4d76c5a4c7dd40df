//! Durable steps per second: runs of twenty trivial steps with a 200-byte result each, through the
//! real engine and the real journal, at 1, 10 and 100 concurrent runs; beside them, in the same run,
//! what the disk itself allows: a preallocated file, one write of the same size and one sync a step.
//!
//! Prints one JSON line per concurrency.

#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

use std::{
    collections::{BTreeMap, VecDeque},
    fs::File,
    io::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use futures::{FutureExt, StreamExt, executor::block_on, stream::FuturesOrdered};
use jiff::Timestamp;
use muster_runbooks::{
    name::RunId,
    plan::{Arg, OnFailure, Part, Plan, Step, Task},
    request::{Manner, Mode, Request, Trigger},
    value::Span,
};
use muster_state::{
    call::{Answer, Done, Progress, Reading},
    command::{Admission, Command},
    engine::{Engine, Input, Output, Reply, Sight},
    event::{Event, RunEvent, Stream},
    journal::{Journal, LogJournal, Options},
};
use serde_json::json;

const STEPS: usize = 20;
const RESULT_BYTES: usize = 200;

fn main() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder on the disk");
    let limit = raw_syncs(folder.path());
    for (concurrent, runs) in [(1, 60), (10, 600), (100, 4_000)] {
        let line = measure(&folder.path().join(format!("c{concurrent}")), concurrent, runs, limit);
        #[expect(clippy::print_stdout, reason = "the figures are the result of a bench")]
        {
            println!("{line}");
        }
    }
}

/// Writes and syncs one record after the other: what a single caller can have at best.
fn raw_syncs(folder: &Path) -> f64 {
    const RECORDS: u32 = 500;
    let mut file = File::create(folder.join("raw")).expect("a file");
    file.write_all(&vec![0; 1 << 20]).expect("space");
    file.sync_all().expect("a sync");
    let mut file = File::options().write(true).open(folder.join("raw")).expect("the file");
    let began = Instant::now();
    for _ in 0..RECORDS {
        file.write_all(&[7; 1_000]).expect("a write");
        file.sync_data().expect("a sync");
    }
    f64::from(RECORDS) / began.elapsed().as_secs_f64()
}

fn plan() -> Plan {
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
    Plan {
        runbook: "bench".parse().expect("a name"),
        title: "Twenty trivial steps".to_owned(),
        mode: Mode::Live,
        exclusive: false,
        way_back: None,
        rto: None,
        inputs: BTreeMap::new(),
        binding: None,
        steps: steps.collect(),
    }
}

fn admit(number: usize, plan: &Plan) -> Command {
    let id: RunId = format!("b{number:011}").parse().expect("a run id");
    let request = Request {
        runbook: plan.runbook.clone(),
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
    let plan = plan.freeze().expect("a plan");
    Command::Admit(Box::new(Admission { id, request, plan, proposal: None, asked: None }))
}

fn measure(folder: &Path, concurrent: usize, runs: usize, limit: f64) -> serde_json::Value {
    let journal =
        LogJournal::open(folder, Options::new(Timestamp::UNIX_EPOCH, "bench")).expect("a journal");
    let mut engine = Engine::new(journal.progress().clone());
    let plan = plan();
    let mut inputs: VecDeque<Input> = VecDeque::new();
    let mut receipts = FuturesOrdered::new();
    let mut began_at: BTreeMap<RunId, Instant> = BTreeMap::new();
    let mut took: Vec<Duration> = Vec::new();
    let mut admitted = 0;
    let mut appends = 0_u64;
    let began = Instant::now();
    while admitted < concurrent.min(runs) {
        inputs.push_back(Input::Command(admitted as u64, admit(admitted, &plan)));
        admitted += 1;
    }
    while took.len() < runs {
        let input = inputs.pop_front().unwrap_or_else(|| {
            let (number, receipt): (u64, _) =
                block_on(receipts.next()).expect("an append is under way");
            let _: u64 = Result::expect(receipt, "durable");
            Input::Appended(number)
        });
        let now =
            Timestamp::from_nanosecond(began.elapsed().as_nanos() as i128).expect("an instant");
        for output in engine.on(now, input) {
            match output {
                Output::Append { number, batch } => {
                    appends += 1;
                    for entry in &batch.entries {
                        let Stream::Run(id) = &entry.stream else { continue };
                        match &entry.event {
                            Event::Run(RunEvent::Admitted { .. }) => {
                                began_at.insert(id.clone(), Instant::now());
                            }
                            Event::Run(RunEvent::Ended { .. }) => {
                                took.push(
                                    began_at.remove(id).map_or(Duration::ZERO, |at| at.elapsed()),
                                );
                                if admitted < runs {
                                    inputs.push_back(Input::Command(
                                        admitted as u64,
                                        admit(admitted, &plan),
                                    ));
                                    admitted += 1;
                                }
                            }
                            Event::Run(_)
                            | Event::Application(_)
                            | Event::Schedule(_)
                            | Event::Access(_)
                            | Event::Notice(_) => {}
                        }
                    }
                    let receipt = journal.append(now, batch);
                    receipts.push_back(receipt.map(move |end| (number, end.expect("a writer"))));
                }
                Output::Observe(call) => {
                    let reading =
                        Ok(Reading { progress: Progress::not_started(), read_at: call.asked_at });
                    inputs.push_back(Input::Seen(Sight {
                        run: call.run,
                        step: call.step,
                        attempt: call.attempt,
                        reading,
                    }));
                }
                Output::Begin(call) => {
                    let done = Done::with([("said", json!("y".repeat(RESULT_BYTES)))]);
                    let answer = Ok(Answer::Done(done));
                    inputs.push_back(Input::Answered(Reply {
                        run: call.run,
                        step: call.step,
                        attempt: call.attempt,
                        answer,
                    }));
                }
                Output::WakeAt(_) | Output::Reply { .. } => {}
                Output::Bug(bug) => panic!("{bug}"),
            }
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let steps = (runs * STEPS) as f64;
    took.sort();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    json!({
        "concurrent": concurrent,
        "runs": runs,
        "steps_per_second": (steps / seconds).round(),
        "run_p50_ms": at(0.5),
        "run_p99_ms": at(0.99),
        // Appends of one group share a sync, so this is the most syncs that a step can have cost.
        "syncs_per_step_at_most": appends as f64 / steps,
        "raw_syncs_per_second": limit.round(),
    })
}
