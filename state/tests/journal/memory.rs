//! The journal in memory is the twin of the one on disk.

use futures::executor::block_on;
use muster_state::{
    event::{
        AccessEvent, Batch, Claim, Entry, Event, NoticeEvent, RunEvent, ScheduleEvent, Stream,
    },
    journal::{Journal, LogJournal, MemoryJournal},
    run::{Outcome, PauseCause},
};
use proptest::prelude::*;

use crate::support::{admit, admitted, append, at, end, finding, note, open, run_id, shown, temp};

fn entry() -> impl Strategy<Value = Entry> {
    let run = (0..5u64).prop_map(run_id);
    let event = prop_oneof![
        3 => Just(admitted()),
        4 => "[a-z\"\\\\ü]{0,40}".prop_map(|text| RunEvent::Noted { by: "ada".into(), text }),
        1 => Just(RunEvent::Paused { cause: PauseCause::Gate { saw: "smoke".into() } }),
        2 => Just(RunEvent::Ended { outcome: Outcome::Succeeded }),
    ];
    let notice = prop_oneof![
        Just(NoticeEvent::Expired),
        Just(NoticeEvent::Proposed {
            request: Box::new(crate::support::request()),
            expires_at: at(900),
            because: "only a person may".into(),
        }),
        Just(NoticeEvent::Nudged { source: "aws".into(), about: "a snapshot".into(), says: None }),
    ];
    prop_oneof![
        6 => (run.clone(), event).prop_map(|(run, event)| Entry::run(&run, event)),
        1 => (0..3u8).prop_map(|n| finding("covetpy", &format!("f-{n}")).entries.remove(0)),
        1 => (0..9i64).prop_map(|n| Entry {
            stream: Stream::Schedule("nightly".parse().expect("a name")),
            event: Event::Schedule(ScheduleEvent::Missed { due_at: at(n), because: "off".into() }),
        }),
        1 => (run, notice).prop_map(|(id, event)| Entry {
            stream: Stream::Notice(id),
            event: Event::Notice(event),
        }),
        1 => Just(Entry::access(AccessEvent::SwitchedOff { by: "ada".into(), reason: "".into() })),
    ]
}

fn batch() -> impl Strategy<Value = Batch> {
    let claim = (0..3u8, 0..5u64).prop_map(|(key, run)| Claim {
        key: format!("lock/{key}"),
        holder: run_id(run),
        asked: None,
    });
    let expected = (0..5u64, 0..3u64).prop_map(|(run, len)| (Stream::Run(run_id(run)), len));
    (
        prop::collection::vec(entry(), 0..4),
        prop::collection::vec(expected, 0..2),
        prop::collection::vec(claim, 0..2),
        prop::collection::vec((0..3u8).prop_map(|key| format!("lock/{key}")), 0..2),
    )
        .prop_map(|(entries, expected, take, free)| Batch { entries, expected, take, free })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// Goal: both journals answer alike and know alike, also after a restart; and replaying all
    /// records gives the live progress (I25).
    /// Method: random batches, good and bad, queued into both at once; restart both in the middle.
    #[test]
    fn memory_equals_log(
        first in prop::collection::vec(batch(), 0..40),
        second in prop::collection::vec(batch(), 0..40),
    ) {
        let dir = temp();
        let log = open(dir.path());
        let memory = MemoryJournal::new();
        memory.opened(at(0), "test");
        both(&log, &memory, first)?;
        drop(log);
        let (log, memory) = (open(dir.path()), memory.crash(0));
        memory.opened(at(0), "test");
        both(&log, &memory, second)?;
        prop_assert_eq!(shown(&log), shown(&memory.crash(0)));
    }
}

fn both(
    log: &LogJournal,
    memory: &MemoryJournal,
    batches: Vec<Batch>,
) -> Result<(), TestCaseError> {
    let times = || (1..).map(|n| at(n * 7 % 50));
    let receipts: Vec<_> = batches
        .iter()
        .zip(times())
        .map(|(batch, at)| (log.append(at, batch.clone()), memory.append(at, batch.clone())))
        .collect();
    memory.sync_all();
    for (one, other) in receipts {
        prop_assert_eq!(block_on(one), block_on(other));
    }
    prop_assert_eq!(shown(log), shown(memory));
    Ok(())
}

/// Goal: nothing is known before it is durable, and a crash keeps exactly a prefix of the rest.
/// Method: append without a sync, look, crash with every length of tail.
#[test]
fn a_tail_is_torn_anywhere() {
    for keep in 0..4 {
        let journal = MemoryJournal::new();
        journal.opened(at(0), "test");
        let receipts: Vec<_> = [admit(1), note(1, "one"), admit(1), end(1)]
            .map(|batch| journal.append(at(1), batch))
            .into();
        assert_eq!(journal.progress().end, 1);
        assert_eq!(journal.unsynced(), 4);
        assert!(journal.sync_one());
        assert_eq!(journal.progress().end, 2);
        let reopened = journal.crash(keep);
        assert_eq!(reopened.progress().end, 2 + keep.min(2) as u64);
        let answers: Vec<_> = receipts.into_iter().map(block_on).collect();
        assert_eq!(answers[0], Ok(Ok(2)));
        assert!(answers[1..].iter().all(Result::is_err), "cancelled: {answers:?}");
        reopened.opened(at(2), "test");
        assert_eq!(reopened.progress().epoch, 2);
    }
}

/// Goal: a demo needs no syncs by hand.
/// Method: the automatic mode acknowledges at once, also after a crash.
#[test]
fn automatic_mode() {
    let journal = MemoryJournal::new().auto();
    assert_eq!(append(&journal, admit(1)), Ok(1));
    let journal = journal.crash(9);
    assert_eq!(append(&journal, end(1)), Ok(2));
    assert_eq!(journal.ended(None, 9).expect("in memory").len(), 1);
}
