//! What the tests write into journals, and how they look at them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures::executor::block_on;
use jiff::Timestamp;
use muster_runbooks::{
    name::{ApplicationName, RunId},
    plan::{OnFailure, Part, Plan, Step, Task},
    request::{Manner, Mode, Request, Trigger},
};
use muster_state::{
    catalog::Finding,
    event::{ApplicationEvent, Batch, Claim, Entry, Record, RunEvent, Stream},
    journal::{AppendError, Journal, LogJournal, Options},
    progress::{EndedRun, Progress},
    run::Outcome,
};
use tempfile::TempDir;

/// A directory on a real disk.
pub(crate) fn temp() -> TempDir {
    TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("the target directory can be written")
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("a time of this century")
}

pub(crate) fn options() -> Options {
    Options { segment_bytes: 8 << 10, ..Options::new(at(0), "test") }
}

pub(crate) fn open(dir: &Path) -> LogJournal {
    LogJournal::open(dir, options()).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn run_id(number: u64) -> RunId {
    format!("r{number:011}").parse().expect("a letter and eleven digits")
}

pub(crate) fn application(name: &str) -> ApplicationName {
    name.parse().expect("a name")
}

pub(crate) fn request() -> Request {
    Request {
        runbook: "rehearsal".parse().expect("a name"),
        application: None,
        inputs: BTreeMap::from([("ratio".to_owned(), serde_json::json!(0.1 + 0.2))]),
        trigger: Trigger::Person { name: "ada".to_owned() },
        mode: Mode::Live,
        manner: Manner::Graceful,
        reason: "to see it work".to_owned(),
        dedupe_key: None,
        symptom_at: None,
        not_after: None,
    }
}

fn step(id: &str) -> Step {
    Step {
        id: id.parse().expect("a name"),
        title: "Wait for a person".to_owned(),
        part: Part::Steps,
        needs: Vec::new(),
        component: None,
        task: Task { action: "wait".to_owned(), with: BTreeMap::new() },
        forced: None,
        limit: "5m".parse().expect("a span"),
        budget: None,
        attempts: 1,
        on_failure: OnFailure::Pause,
        always: false,
        best_effort: false,
        expect: None,
        danger: None,
    }
}

pub(crate) fn admitted() -> RunEvent {
    let request = request();
    let plan = Plan {
        runbook: request.runbook.clone(),
        title: "A rehearsal".to_owned(),
        mode: Mode::Live,
        exclusive: false,
        way_back: None,
        rto: None,
        inputs: request.inputs.clone(),
        binding: None,
        steps: vec![step("first"), step("second")],
    };
    let plan = plan.freeze().expect("a plan is JSON");
    RunEvent::Admitted { request: Arc::new(request), plan }
}

pub(crate) fn admit(run: u64) -> Batch {
    let id = run_id(run);
    Batch {
        entries: vec![Entry::run(&id, admitted())],
        expected: vec![(Stream::Run(id.clone()), 0)],
        take: vec![Claim::dedupe(&format!("key-{run}"), &id, None)],
        ..Batch::default()
    }
}

pub(crate) fn note(run: u64, text: &str) -> Batch {
    let event = RunEvent::Noted { by: "ada".to_owned(), text: text.to_owned() };
    Batch { entries: vec![Entry::run(&run_id(run), event)], ..Batch::default() }
}

pub(crate) fn end(run: u64) -> Batch {
    let event = RunEvent::Ended { outcome: Outcome::Succeeded };
    Batch { entries: vec![Entry::run(&run_id(run), event)], ..Batch::default() }
}

pub(crate) fn finding(name: &str, id: &str) -> Batch {
    let finding = Finding {
        id: id.to_owned(),
        message: "it is wrong".to_owned(),
        hint: "mend it".to_owned(),
    };
    let event = ApplicationEvent::FindingOpened { finding };
    Batch { entries: vec![Entry::application(&application(name), event)], ..Batch::default() }
}

/// Appends and waits.
pub(crate) fn append(journal: &impl Journal, batch: Batch) -> Result<u64, AppendError> {
    block_on(journal.append(at(1), batch)).expect("the journal answers")
}

/// Some of everything, in three segments at least.
pub(crate) fn fill(journal: &impl Journal) {
    for run in 0..6 {
        append(journal, admit(run)).expect("admitted");
        append(journal, finding("covetpy", &format!("finding-{run}"))).expect("found");
        for n in 0..8 {
            append(journal, note(run, &format!("note {n} {}", "x".repeat(200)))).expect("noted");
        }
        if run % 2 == 0 {
            append(journal, end(run)).expect("ended");
        }
    }
}

pub(crate) fn records(journal: &impl Journal) -> Vec<Record> {
    journal.read(None, 0, usize::MAX).expect("intact")
}

/// Everything that a journal shows, to compare with another's.
pub(crate) fn shown(journal: &impl Journal) -> (Progress, Vec<Record>, Vec<EndedRun>) {
    let progress = journal.progress().clone();
    let ended = journal.ended(None, usize::MAX).expect("intact");
    (progress, records(journal), ended)
}

/// Copies a state directory as it is now.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("listed") {
        let entry = entry.expect("listed");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else if entry.file_name() != "lock" {
            fs::copy(entry.path(), to).expect("copied");
        }
    }
}

/// The segments of a state directory, in order.
pub(crate) fn segments(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join("log")).expect("listed");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("listed").path()).collect();
    paths.sort();
    paths
}

/// A closed state directory with some of everything, and what it shows.
pub(crate) fn filled() -> (TempDir, Vec<Record>) {
    let dir = temp();
    let journal = open(dir.path());
    fill(&journal);
    let records = records(&journal);
    journal.close().expect("sealed");
    assert!(segments(dir.path()).len() >= 3, "the log has several segments");
    (dir, records)
}
