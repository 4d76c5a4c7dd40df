//! Journals that older programs wrote, kept as they are. A newer program reads them all.

use std::{env, fs, path::PathBuf};

use muster_runbooks::{
    action::{control::Risk, restore::TestStatus},
    name::{Region, StepId},
    request::Request,
    value::Span,
};
use muster_state::{
    catalog::{Finding, RecoveryPoint, Stamp, Tested},
    event::{
        AccessEvent, ApplicationEvent, Batch, Claim, Entry, Event, NoticeEvent, RunEvent,
        ScheduleEvent, Seal, Stream, VERSION,
    },
    journal::{
        Journal, LogJournal, Options,
        offline::{self, Existing},
    },
    progress::ApplicationState,
    run::{Outcome, PauseCause},
    step::Change,
};

use crate::support::{
    admit, append, application, at, finding, open, options, records, request, run_id, temp,
};

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// Goal: version 1 is read for ever.
/// Method: see [`read`].
#[test]
fn version_1_is_read() {
    read(1);
}

/// Goal: version 2 is read for ever, with what it added: tests and holds of a point, rows that were
/// counted.
/// Method: see [`read`].
#[test]
fn version_2_is_read() {
    let known = read(2);
    let point = &known.points["one"];
    assert_eq!(point.tested.as_deref(), Some(&tested()));
    let holds: Vec<&str> = point.holds.iter().map(|hold| hold.name.as_str()).collect();
    assert_eq!(holds, ["case-8"]);
    assert_eq!(known.rows.values().next().expect("rows").rows["public.orders"], 100);
}

/// Goal: version 3 is read for ever, with what it added: the lease, and who went on without it.
/// Method: see [`read`].
#[test]
fn version_3_is_read() {
    read(3);
}

/// Goal: version 4 is read for ever, with what it added: what people say of an application that detection and
/// admission heed.
/// Method: see [`read`].
#[test]
fn version_4_is_read() {
    let known = read(4);
    assert!(known.acknowledged_at.is_some() && known.downtime.is_none());
    let frozen = known.frozen.expect("the last word stands");
    assert_eq!((frozen.by, frozen.reason, frozen.until), (by(), "a sale".to_owned(), at(900)));
}

/// Goal: version 5 is read for ever, with what it added: the runs that steps start.
/// Method: see [`read`], which looks at them.
#[test]
fn version_5_is_read() {
    read(5);
}

/// Goal: version 6 is read for ever, with what it added: a glass that was broken, and findings that people
/// look after.
/// Method: see [`read`], which looks at them.
#[test]
fn version_6_is_read() {
    read(6);
}

/// Goal: version 7 is read for ever, with what it added: what a move lost, counted afterwards; predictions that
/// are made anew stand in the table of a step's changes.
#[test]
fn version_7_is_read() {
    let lost = read(7).lost.into_values().next().expect("it was counted");
    assert_eq!((lost.loss.to_string().as_str(), lost.moved), ("21s", run_id(1)));
}

/// Brings back the export and the segment of a journal of a version that holds every kind of event, and
/// looks at what is known. `MUSTER_WRITE_FIXTURES=1` writes what is not there for the present version;
/// what is there is never written again once a release has written such journals.
fn read(version: u16) -> ApplicationState {
    let name = |kind: &str| fixtures().join(format!("v{version}.{kind}"));
    let (export, segment) = (name("export"), name("muster"));
    if version == VERSION && env::var_os("MUSTER_WRITE_FIXTURES").is_some() && !export.exists() {
        let dir = temp();
        let small = Options { segment_bytes: 24 << 10, ..options() };
        let journal = LogJournal::open(dir.path(), small).expect("opened");
        for batch in every_kind() {
            append(&journal, batch).expect("written");
        }
        drop(journal);
        fs::create_dir_all(fixtures()).expect("made");
        offline::export(dir.path(), &export).expect("exported");
        fs::copy(dir.path().join("log/00000000000000000000.muster"), &segment).expect("copied");
    }
    let (one, other) = (temp(), temp());
    offline::restore_from(one.path(), &export, Existing::Refuse).expect("it is read");
    fs::create_dir_all(other.path().join("log")).expect("made");
    fs::write(other.path().join("format"), "muster state 1\n").expect("written");
    fs::copy(&segment, other.path().join("log/00000000000000000000.muster")).expect("copied");
    offline::restore(other.path()).expect("it is read");
    let (one, other) = (open(one.path()), open(other.path()));
    assert_eq!(records(&one), records(&other));
    assert_eq!(*one.progress(), *other.progress());

    let progress = one.progress();
    // The lease brought an epoch of its own, and the last opening one more.
    let is_leased = version >= 3;
    assert_eq!(progress.epoch, if is_leased { 8 } else { 2 });
    let granted = progress.granted.as_ref().map(|granted| (granted.epoch, granted.holder.as_str()));
    assert_eq!(granted, is_leased.then_some((7, "host:/var/lib/muster")));
    assert_eq!(progress.off, None);
    let run = &progress.runs[&run_id(1)];
    // A glass that was broken is two approvals and a note.
    let is_broken = version >= 6;
    let (notes, approvals) = (3 + usize::from(is_broken), 2 * usize::from(is_broken));
    assert_eq!((run.notes.len(), run.approvals.len()), (notes, approvals));
    assert_eq!(progress.claims.contains_key("seal/seal-ben"), is_broken);
    let more = u64::from(is_leased) + 2 * u64::from(version >= 5) + u64::from(is_broken);
    assert_eq!((run.len, run.lease_overridden.is_some()), (8 + more, is_leased));
    assert_eq!(run.children.len(), usize::from(version >= 5));
    let known = &progress.applications[&application("covetpy")];
    assert_eq!(known.active.as_ref().map(|active| active.region.as_str()), Some("eu-west-1"));
    let raised: &[&str] = if is_broken { &["raised/quota", "stays"] } else { &["stays"] };
    assert_eq!(known.findings.keys().collect::<Vec<_>>(), raised);
    let owners = known.assigned.values().map(|assigned| assigned.owner.as_str());
    assert_eq!(owners.collect::<Vec<_>>(), vec!["mia"; usize::from(is_broken)]);
    assert_eq!(known.points.len(), 1);
    assert_eq!(progress.schedules.len(), 1);
    assert_eq!(progress.proposals.len(), 1);
    let ended = one.ended(None, 9).expect("intact");
    assert_eq!(ended.len(), 1);
    assert_eq!((ended[0].id.clone(), ended[0].len), (run_id(2), 3));
    known.clone()
}

/// One of every kind of event but the changes of steps, which have a table of their own.
fn every_kind() -> Vec<Batch> {
    let mut batches = vec![admit(1), admit(2)];
    batches.push(Batch {
        take: vec![
            Claim::lock(&application("covetpy"), &run_id(1)),
            Claim::seal("seal-ben", &run_id(1)),
        ],
        free: vec!["lock/other".to_owned()],
        ..finding("covetpy", "stays")
    });
    let one = |entries: Vec<Entry>| Batch { entries, ..Batch::default() };
    batches.extend(run_events().into_iter().map(|event| one(vec![Entry::run(&run_id(1), event)])));
    let abandoned = RunEvent::Abandoned { by: by(), reason: "enough".to_owned(), undo: false };
    let ended = RunEvent::Ended { outcome: Outcome::Abandoned };
    batches.push(one([abandoned, ended].map(|event| Entry::run(&run_id(2), event)).into()));
    let events = application_events().into_iter();
    batches.push(one(events
        .map(|event| Entry::application(&application("covetpy"), event))
        .collect()));
    batches.extend(access_events().into_iter().map(|event| one(vec![Entry::access(event)])));
    let started = ScheduleEvent::Started { due_at: at(1), run: run_id(1) };
    let missed = ScheduleEvent::Missed { due_at: at(2), because: "a freeze".to_owned() };
    let nightly = || Stream::Schedule("nightly".parse().expect("a name"));
    batches.push(one([started, missed]
        .map(|event| Entry { stream: nightly(), event: Event::Schedule(event) })
        .into()));
    batches.extend(notices().into_iter().map(|(id, event)| {
        one(vec![Entry { stream: Stream::Notice(run_id(id)), event: Event::Notice(event) }])
    }));
    batches
}

fn by() -> String {
    "ada".to_owned()
}

fn run_events() -> Vec<RunEvent> {
    let step: StepId = "first".parse().expect("a name");
    let reason = || "a test".to_owned();
    let accepts = vec![Risk::UnprovenFence];
    vec![
        RunEvent::Approved { step: step.clone(), by: by(), accepts, reason: reason() },
        RunEvent::Step { step, change: Change::Skipped { by: by(), reason: reason() } },
        RunEvent::Paused { cause: PauseCause::Operator { who: by(), reason: reason() } },
        RunEvent::Paused { cause: PauseCause::Failover { run: run_id(2) } },
        RunEvent::Resumed { by: by(), reason: reason() },
        RunEvent::Forced { by: by(), reason: reason() },
        RunEvent::LeaseOverridden { by: by(), reason: reason() },
        RunEvent::GlassBroken {
            step: "second".parse().expect("a name"),
            by: by(),
            accepts: vec![Risk::NoWayBack],
            seals: ["ben", "cara"]
                .map(|who| Seal { id: format!("seal-{who}"), by: who.into() })
                .into(),
            reason: reason(),
        },
        RunEvent::ChildAdmitted { step: "second".parse().expect("a name"), run: run_id(9) },
        RunEvent::ChildEnded { run: run_id(9), outcome: Outcome::Succeeded },
        RunEvent::Noted { by: by(), text: "Größe: 10 °C \"so\"".to_owned() },
    ]
}

fn raised(id: &str) -> Finding {
    Finding { id: id.to_owned(), message: "m".to_owned(), hint: "h".to_owned() }
}

fn application_events() -> Vec<ApplicationEvent> {
    let region: Region = "eu-west-1".parse().expect("a region");
    let point = |id: &str| ApplicationEvent::PointRecorded {
        point: Box::new(RecoveryPoint {
            key: Some("alias/muster".to_owned()),
            size_gib: Some(40),
            ..RecoveryPoint::new(
                id.to_owned(),
                "orders".parse().expect("a name"),
                region.clone(),
                "123456789012".to_owned(),
                at(-60),
                run_id(1),
            )
        }),
    };
    let finding = Finding { id: "goes".to_owned(), message: "m".to_owned(), hint: "h".to_owned() };
    vec![
        ApplicationEvent::ActiveObserved { region: region.clone(), evidence: "writer".to_owned() },
        point("one"),
        point("two"),
        ApplicationEvent::PointVerified { id: "one".to_owned() },
        ApplicationEvent::PointTested { id: "one".to_owned(), tested: Box::new(tested()) },
        ApplicationEvent::PointHeld {
            id: "one".to_owned(),
            name: "case-7".to_owned(),
            by: by(),
            reason: "an audit".to_owned(),
        },
        ApplicationEvent::PointHeld {
            id: "one".to_owned(),
            name: "case-8".to_owned(),
            by: by(),
            reason: "an audit".to_owned(),
        },
        ApplicationEvent::PointReleased {
            id: "one".to_owned(),
            name: "case-7".to_owned(),
            by: by(),
            reason: "an audit".to_owned(),
        },
        ApplicationEvent::RowsCounted {
            database: "orders".parse().expect("a name"),
            rows: [("public.orders".to_owned(), 100)].into(),
        },
        ApplicationEvent::LossCounted {
            database: "orders".parse().expect("a name"),
            moved: run_id(1),
            counted: run_id(2),
            loss: "21s".parse().expect("a loss"),
        },
        ApplicationEvent::CanaryGranted {
            database: "orders".parse().expect("a name"),
            region: region.clone(),
            schema: "muster".to_owned(),
            by: by(),
        },
        ApplicationEvent::PointMarked { id: "two".to_owned(), because: "old".to_owned() },
        ApplicationEvent::PointDeleted { id: "two".to_owned() },
        ApplicationEvent::FindingOpened { finding },
        ApplicationEvent::FindingClosed { id: "goes".to_owned() },
        ApplicationEvent::FindingRaised {
            finding: raised("raised/settled"),
            by: by(),
            reason: "a drill".to_owned(),
        },
        ApplicationEvent::FindingSettled {
            id: "raised/settled".to_owned(),
            by: by(),
            reason: "mended".to_owned(),
        },
        ApplicationEvent::FindingRaised {
            finding: raised("raised/quota"),
            by: by(),
            reason: "a drill".to_owned(),
        },
        ApplicationEvent::FindingAssigned {
            id: "raised/quota".to_owned(),
            owner: "mia".to_owned(),
            due_at: at(1_000),
            ticket: Some("OPS-7".to_owned()),
            by: by(),
            reason: "hers".to_owned(),
        },
        ApplicationEvent::Frozen { by: by(), reason: "a move".to_owned(), until: at(600) },
        ApplicationEvent::Thawed { by: by(), reason: "it is over".to_owned() },
        ApplicationEvent::Frozen { by: by(), reason: "a sale".to_owned(), until: at(900) },
        ApplicationEvent::PeakSeen {
            workload: "api".parse().expect("a name"),
            region: region.clone(),
            sets: [("deployment/api".to_owned(), 6)].into(),
        },
        ApplicationEvent::WindowOpened { run: run_id(1), closes_at: at(90) },
        ApplicationEvent::WindowClosed { run: run_id(1) },
        ApplicationEvent::Acknowledged { by: by(), reason: "seen".to_owned() },
        ApplicationEvent::DowntimeBegan { by: by(), reason: "a move".to_owned(), until: at(3_600) },
        ApplicationEvent::DowntimeEnded { by: by(), reason: "moved".to_owned() },
    ]
}

fn tested() -> Tested {
    let stamp = |status| Stamp { status, at: at(30) };
    Tested {
        run: run_id(1),
        restore: stamp(TestStatus::Succeeded),
        validation: stamp(TestStatus::Failed),
        clean_up: stamp(TestStatus::Pending),
        took: Some(Span::from_mins(21)),
        because: Some("rows are missing".to_owned()),
    }
}

fn access_events() -> Vec<AccessEvent> {
    let text = |text: &str| text.to_owned();
    vec![
        AccessEvent::Granted { epoch: 7, holder: text("host:/var/lib/muster") },
        AccessEvent::Refused { who: text("eve"), what: text("approve"), because: text("no role") },
        AccessEvent::SwitchedOff { by: by(), reason: text("a flood") },
        AccessEvent::SwitchedOn { by: by(), reason: text("it is over") },
        AccessEvent::TailCut { file: text("0.muster"), bytes: 9 },
        AccessEvent::Repaired { file: text("0.muster"), kept_in: text("a"), because: text("b") },
    ]
}

fn notices() -> Vec<(u64, NoticeEvent)> {
    let proposed = || NoticeEvent::Proposed {
        request: Box::new(Request { dedupe_key: Some("k".to_owned()), ..request() }),
        expires_at: at(600),
        because: "only a person may".to_owned(),
    };
    vec![
        (11, proposed()),
        (12, proposed()),
        (13, proposed()),
        (11, NoticeEvent::Taken { run: run_id(1), by: by() }),
        (12, NoticeEvent::Expired),
        (
            14,
            NoticeEvent::Nudged {
                source: "aws".to_owned(),
                about: "a snapshot".to_owned(),
                says: None,
            },
        ),
    ]
}
