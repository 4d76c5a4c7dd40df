//! A run that a test tells record by record, and the facts around it.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use muster::report::{
    absent::PERIOD,
    facts::{Around, Facts, Head, Part, RunFacts},
};
use muster_runbooks::{
    action::control::Risk,
    application::Application,
    name::RunId,
    plan::{Binding, Plan},
    request::{Manner, Mode, Request, Trigger},
    runbook::library::Library,
};
use muster_state::{
    event::{Event, Record, RunEvent, Stream},
    progress::{ApplicationState, EndedRun},
    run::{Run, Status},
    step::Change,
};
use serde_json::json;

const COVETPY: &str = include_str!("../../../deploy/covetpy/applications/covetpy.yaml");

pub(super) fn at(secs: i64) -> Timestamp {
    Timestamp::from_second(1_772_330_400 + secs).unwrap()
}

pub(super) fn covetpy() -> Application {
    Application::parse("covetpy.yaml", COVETPY).unwrap()
}

/// The admission of a run that a person asked for, of the reference application where it needs one.
pub(super) fn admission(
    runbook: &str,
    mode: Mode,
    manner: Manner,
    reason: &str,
    symptom_at: Option<Timestamp>,
) -> RunEvent {
    let (application, library) = (covetpy(), Library::shipped());
    let runbook = library.get(&runbook.parse().unwrap()).unwrap();
    let needs = runbook.needs_application();
    let request = Request {
        runbook: runbook.name.clone(),
        application: needs.then(|| application.name.clone()),
        inputs: BTreeMap::new(),
        trigger: Trigger::Person { name: "olga".to_owned() },
        mode,
        manner,
        reason: reason.to_owned(),
        dedupe_key: None,
        symptom_at,
        not_after: None,
    };
    let binding = needs.then(|| Binding {
        active: application.home.clone(),
        standby: application.standby.clone(),
        application,
    });
    let plan = Plan::make(runbook, &request, binding).unwrap().freeze().unwrap();
    RunEvent::Admitted { request: Arc::new(request), plan }
}

/// A run that is told record by record.
pub(super) struct Story {
    pub(super) run: Run,
    pub(super) records: Vec<Record>,
}

impl Story {
    pub(super) fn begin(runbook: &str, mode: Mode, manner: Manner) -> Story {
        let admitted = admission(runbook, mode, manner, "the quarter's exercise", Some(at(-60)));
        let id: RunId = "a00000000001".parse().unwrap();
        let run = Run::admitted(&id, &admitted, at(0)).unwrap();
        let mut story = Story { run, records: Vec::new() };
        story.record(0, admitted);
        story
    }

    fn record(&mut self, secs: i64, event: RunEvent) {
        // Numbers with gaps, as between those of other streams.
        let seq = 100 + 2 * self.records.len() as u64;
        let stream = Stream::Run(self.run.id.clone());
        self.records.push(Record { seq, at: at(secs), stream, event: Event::Run(event) });
    }

    pub(super) fn tell(&mut self, secs: i64, event: RunEvent) {
        self.run.apply(&event, at(secs)).unwrap();
        self.record(secs, event);
    }

    pub(super) fn change(&mut self, secs: i64, step: &str, change: Change) {
        self.tell(secs, RunEvent::Step { step: step.parse().unwrap(), change });
    }

    pub(super) fn start(&mut self, secs: i64, step: &str) -> u32 {
        let planned = self.run.plan.step(&step.parse().unwrap()).unwrap().clone();
        let task = planned.task(self.run.manner);
        let action = task.resolve(&self.run.plan.inputs, |id| self.run.outputs(id)).unwrap();
        let attempt = self.run.state(&planned.id).unwrap().attempts() + 1;
        let (manner, deadline) = (self.run.manner, at(secs) + planned.limit.duration());
        let action = Arc::new(action);
        self.change(secs, step, Change::Started { attempt, manner, deadline, action });
        attempt
    }

    pub(super) fn succeed(&mut self, from: i64, to: i64, step: &str, outputs: &[(&str, &str)]) {
        let attempt = self.start(from, step);
        let outputs =
            outputs.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        self.change(to, step, Change::Succeeded { attempt, outputs: Arc::new(outputs) });
    }

    /// A switchover up to the proof that users are served, with a step by hand and one that is slow.
    pub(super) fn move_it(&mut self) {
        self.succeed(
            1,
            10,
            "check-readiness-main",
            &[("data_loss", "1500ms"), ("path", "switchover")],
        );
        self.succeed(1, 20, "check-observers", &[("verdict", "healthy"), ("seen", "all")]);
        let attempt = self.start(20, "approve");
        let (by, reason) = ("ana".to_owned(), "seen".to_owned());
        let step = "approve".parse().unwrap();
        self.tell(100, RunEvent::Approved { step, by, accepts: vec![Risk::UnprovenFence], reason });
        self.change(101, "approve", Change::Succeeded { attempt, outputs: Arc::default() });
        let attempt = self.start(102, "settle-old-side-main");
        let (reason, retry_at) = ("throttled".to_owned(), at(120));
        self.change(110, "settle-old-side-main", Change::Delayed { attempt, reason, retry_at });
        self.succeed(
            121,
            130,
            "settle-old-side-main",
            &[("data_loss", "1s"), ("path", "switchover")],
        );
        // Expected within three minutes.
        self.succeed(
            131,
            431,
            "promote-database-main",
            &[("data_loss", "2500ms"), ("took", "290s")],
        );
        self.succeed(432, 500, "shift-traffic", &[]);
        self.succeed(501, 510, "verify-database-main", &[]);
        self.succeed(501, 515, "verify-application", &[]);
    }

    pub(super) fn facts(self, library: &Library) -> Facts<'_> {
        let run = RunFacts { run: self.run, records: self.records };
        let until = run.run.ended.map_or(at(10_000), |ended| ended.at);
        Facts {
            made_at: at(10_000),
            program: "1.2.3 (build 4711)",
            run,
            children: Vec::new(),
            since: until - PERIOD,
            library,
            around: nothing(),
        }
    }
}

/// An application of which nothing more is known than that it exists.
fn nothing<'a>() -> Around<'a> {
    Around {
        application: Some(ApplicationState::default()),
        meanwhile: Part::default(),
        schedules: Vec::new(),
        ended: Vec::new(),
        ended_cut: false,
        open: Vec::new(),
        programs: Vec::new(),
        begins_at: Some(at(-365 * 86_400)),
        head: Head { end: 999, hash: Some("ab".repeat(32)) },
    }
}

pub(super) fn ended(run: &str, runbook: &str, status: Status, from: i64, to: i64) -> EndedRun {
    EndedRun {
        id: run.parse().unwrap(),
        runbook: runbook.to_owned(),
        application: Some(covetpy().name),
        status,
        admitted_at: at(from),
        ended_at: at(to),
        first_seq: 1,
        last_seq: 2,
        len: 2,
    }
}
