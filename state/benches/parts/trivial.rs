//! Runs of twenty trivial steps with a 200-byte result each, through the real engine and the real
//! journal, with an outside that answers at once.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Instant,
};

use futures::{
    FutureExt, StreamExt, executor::block_on, future::BoxFuture, stream::FuturesOrdered,
};
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
    journal::{Journal, LogJournal},
};
use serde_json::json;

use crate::figures::now;

/// How many steps a run has.
pub(crate) const STEPS: usize = 20;

const RESULT_BYTES: usize = 200;

/// The runs, and what is in the air around them.
pub(crate) struct Load<'a> {
    journal: &'a LogJournal,
    engine: Engine,
    plan: Frozen,
    inputs: VecDeque<Input>,
    receipts: FuturesOrdered<BoxFuture<'static, (u64, Vec<RunId>)>>,
    began: Instant,
    since: BTreeMap<RunId, Instant>,
    /// How many runs were asked for.
    pub(crate) admitted: usize,
    /// How long each run took from its admission until its end was durable, in milliseconds.
    pub(crate) took: Vec<f64>,
    /// How many batches were written.
    pub(crate) appends: u64,
    /// How many records they had.
    pub(crate) records: usize,
}

impl<'a> Load<'a> {
    /// No runs yet.
    pub(crate) fn on(journal: &'a LogJournal) -> Load<'a> {
        Load {
            journal,
            engine: Engine::new(journal.progress().clone()),
            plan: plan(),
            inputs: VecDeque::new(),
            receipts: FuturesOrdered::new(),
            began: now(),
            since: BTreeMap::new(),
            admitted: 0,
            took: Vec::new(),
            appends: 0,
            records: 0,
        }
    }

    /// Asks for one more run.
    pub(crate) fn admit(&mut self) {
        let command = admit(self.admitted, &self.plan);
        self.inputs.push_back(Input::Command(self.admitted as u64, command));
        self.admitted += 1;
    }

    /// How many runs are open.
    pub(crate) fn open(&self) -> usize {
        self.admitted - self.took.len()
    }

    /// Takes in the next thing that happens.
    pub(crate) fn turn(&mut self) {
        match self.inputs.pop_front() {
            Some(input) => self.tell(input),
            None => {
                let number = self.durable();
                self.tell(Input::Appended(number));
            }
        }
    }

    /// Waits until everything that was decided is durable, and lets nothing follow from it.
    pub(crate) fn rest(&mut self) {
        while !self.receipts.is_empty() {
            self.durable();
        }
    }

    fn durable(&mut self) -> u64 {
        let (number, ended) = block_on(self.receipts.next()).expect("an append is under way");
        // A run is over when its end is durable.
        for id in ended {
            let since = self.since.remove(&id).expect("a run that began");
            self.took.push(since.elapsed().as_secs_f64() * 1e3);
        }
        number
    }

    fn tell(&mut self, input: Input) {
        let at = self.began.elapsed().as_nanos();
        let at = Timestamp::from_nanosecond(at as i128).expect("an instant");
        for output in self.engine.on(at, input) {
            match output {
                Output::Append { number, batch } => {
                    self.appends += 1;
                    self.records += batch.entries.len();
                    let ended = self.mark(&batch);
                    let receipt = self.journal.append(at, batch);
                    let written = move |end: Result<Result<u64, _>, _>| {
                        end.expect("a writer").expect("written");
                        (number, ended)
                    };
                    self.receipts.push_back(receipt.map(written).boxed());
                }
                Output::Observe(call) => self.inputs.push_back(seen(*call)),
                Output::Begin(call) => self.inputs.push_back(answered(*call)),
                Output::WakeAt(_) | Output::Reply { .. } => {}
                Output::Bug(bug) => panic!("{bug}"),
            }
        }
    }

    /// Remembers which runs a batch begins, and gives those that it ends.
    fn mark(&mut self, batch: &Batch) -> Vec<RunId> {
        let mut ended = Vec::new();
        for entry in &batch.entries {
            let (Stream::Run(id), Event::Run(event)) = (&entry.stream, &entry.event) else {
                continue;
            };
            if let RunEvent::Admitted { .. } = event {
                self.since.insert(id.clone(), now());
            }
            if let RunEvent::Ended { .. } = event {
                ended.push(id.clone());
            }
        }
        ended
    }
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
        always: false,
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
