//! Appending, refusing, reading back.

use futures::executor::block_on;
use muster_state::{
    event::{AccessEvent, Batch, Claim, Entry, Event, RunEvent, Stream},
    journal::{AppendError, Journal, LogJournal, OpenError, Options},
};

use crate::support::{
    admit, admitted, append, application, at, end, fill, finding, note, open, options, records,
    run_id, shown, temp,
};

/// Goal: what was acknowledged is there after a restart, and replay gives the live state (I25).
/// Method: fill, compare what is shown before and after; do it again with a third process.
#[test]
fn a_restart_shows_the_same() {
    let dir = temp();
    let journal = open(dir.path());
    fill(&journal);
    let before = shown(&journal);
    journal.close().expect("sealed");
    for epoch in 2..4 {
        let journal = open(dir.path());
        let (progress, all, ended) = shown(&journal);
        assert_eq!(progress.epoch, epoch);
        assert_eq!(all[..before.1.len()], before.1);
        assert_eq!(ended, before.2);
        let last = &all[all.len() - 1].event;
        assert!(matches!(last, Event::Access(AccessEvent::Opened { .. })), "{last:?}");
        let expected = muster_state::progress::Progress {
            epoch,
            end: progress.end,
            last_at: progress.last_at,
            ..before.0.clone()
        };
        assert_eq!(progress, expected);
    }
}

/// Goal: a wrong length, a taken claim and an event that does not follow are refused by name, and
/// the rest of their group goes on.
/// Method: queue good and bad batches without waiting between them, so that they share groups.
#[test]
fn conflicts_hurt_nobody_else() {
    let dir = temp();
    let journal = open(dir.path());
    let lock = |run| Batch {
        take: vec![Claim::lock(&application("covetpy"), &run_id(run))],
        ..admit(run)
    };
    let expect = |batch: Batch, stream, len| Batch { expected: vec![(stream, len)], ..batch };
    let found = Stream::Application(application("covetpy"));
    let receipts: Vec<_> = [
        lock(1),
        lock(2),
        note(2, "of a run that is not there"),
        note(1, "fine"),
        expect(note(1, "late"), Stream::Run(run_id(1)), 1),
        expect(note(1, "in time"), Stream::Run(run_id(1)), 2),
        expect(finding("covetpy", "one"), found.clone(), 0),
        expect(finding("covetpy", "two"), found, 0),
        Batch { free: vec![Claim::lock_key(&application("covetpy"))], ..end(1) },
        admit(1),
        lock(2),
        Batch::default(),
    ]
    .into_iter()
    .map(|batch| journal.append(at(1), batch))
    .collect();
    let answers: Vec<String> = receipts
        .into_iter()
        .map(|receipt| match block_on(receipt).expect("answered") {
            Ok(end) => end.to_string(),
            Err(AppendError::Conflict { on }) => on,
            Err(other) => panic!("{other}"),
        })
        .collect();
    let second = run_id(2);
    assert_eq!(
        answers,
        [
            "2",
            "lock/covetpy",
            &format!("record 2 is of run `{second}`, which is not open"),
            "3",
            &format!("run/{}", run_id(1)),
            "4",
            "5",
            "application/covetpy",
            "6",
            &format!("run/{}", run_id(1)),
            "7",
            "a batch without entries",
        ]
    );
    assert_eq!(journal.progress().end, 7);
}

/// Goal: claims and lengths outlive the process that took them.
/// Method: reopen, and try to take them again.
#[test]
fn claims_and_lengths_are_remembered() {
    let dir = temp();
    let journal = open(dir.path());
    append(&journal, admit(1)).expect("admitted");
    append(&journal, end(1)).expect("ended");
    append(&journal, finding("covetpy", "one")).expect("found");
    drop(journal);
    let journal = open(dir.path());
    let on = |error: Result<u64, AppendError>| match error {
        Err(AppendError::Conflict { on }) => on,
        other => panic!("{other:?}"),
    };
    let again = Batch { take: admit(1).take, entries: vec![], ..admit(2) };
    let entries = vec![Entry::run(&run_id(2), admitted())];
    let taken = Batch {
        take: vec![Claim { holder: run_id(2), ..again.take[0].clone() }],
        entries,
        ..Batch::default()
    };
    assert_eq!(on(append(&journal, taken)), "dedupe/key-1");
    assert_eq!(on(append(&journal, admit(1))), format!("run/{}", run_id(1)));
    let stream = Stream::Application(application("covetpy"));
    let stale = Batch { expected: vec![(stream.clone(), 0)], ..finding("covetpy", "two") };
    assert_eq!(on(append(&journal, stale)), stream.to_string());
    let access = Batch {
        entries: vec![Entry::access(AccessEvent::SwitchedOn {
            by: "ada".to_owned(),
            reason: "a test".to_owned(),
        })],
        expected: vec![(Stream::Access, 2)],
        ..Batch::default()
    };
    append(&journal, access).expect("both openings count");
}

/// Goal: one stream is read from any place, across segments, from memory and from disk alike.
/// Method: compare every reading of a reopened journal with a filter over all records.
#[test]
fn reading_finds_every_record() {
    let (dir, all) = crate::support::filled();
    let journal = open(dir.path());
    append(&journal, note(1, "recent")).expect("noted");
    let all_now = records(&journal);
    assert_eq!(all_now[..all.len()], all);
    let streams = [None, Some(Stream::Run(run_id(3))), Some(Stream::Access)];
    for stream in streams.iter().map(Option::as_ref) {
        for from in (0..journal.progress().end + 2).step_by(5) {
            for limit in [0, 1, 7, 1000] {
                let wanted = all_now
                    .iter()
                    .filter(|record| record.seq >= from)
                    .filter(|record| stream.is_none_or(|stream| *stream == record.stream))
                    .take(limit);
                let read = journal.read(stream, from, limit).expect("intact");
                assert!(read.iter().eq(wanted), "{stream:?} from {from}, {limit} at most");
            }
        }
    }
}

/// Goal: ended runs come newest first, page by page, whether or not they are among the rows yet.
/// Method: page through them in a live and in a reopened journal.
#[test]
fn ended_runs_are_paged() {
    let dir = temp();
    let journal = open(dir.path());
    for run in 0..25 {
        append(&journal, admit(run)).expect("admitted");
        append(&journal, end(run)).expect("ended");
    }
    let pages = |journal: &LogJournal| {
        let mut runs = Vec::new();
        loop {
            let page = journal.ended(runs.last(), 4).expect("intact");
            if page.is_empty() {
                return runs;
            }
            runs.extend(page);
        }
    };
    let live = pages(&journal);
    assert!(live.iter().map(|run| run.id.clone()).eq((0..25).rev().map(run_id)));
    drop(journal);
    assert_eq!(pages(&open(dir.path())), live);
}

/// Goal: a full queue says so and writes nothing.
/// Method: a queue of one, and a receipt asked for faster than any disk can sync.
#[test]
fn a_full_queue_refuses() {
    let dir = temp();
    let narrow = Options { queue: 1, ..options() };
    let journal = LogJournal::open(dir.path(), narrow).expect("opened");
    append(&journal, admit(1)).expect("admitted");
    let receipts: Vec<_> =
        (0..200).map(|n| journal.append(at(1), note(1, &n.to_string()))).collect();
    let answers: Vec<_> =
        receipts.into_iter().map(|receipt| block_on(receipt).expect("answered")).collect();
    assert!(answers.contains(&Err(AppendError::Full)));
    let written = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(records(&journal).len(), 2 + written);
}

/// Goal: a restarted daemon learns when the one before it was last alive.
/// Method: beat, restart; the last beat or the last commit counts, whichever is later. That a process
/// opened the journal and died does not.
#[test]
fn the_last_beat_is_remembered() {
    let dir = temp();
    let journal = open(dir.path());
    assert_eq!(journal.last_beat(), None);
    journal.beat(at(50));
    assert_eq!(journal.last_beat(), Some(at(50)));
    drop(journal);
    let later = Options { at: at(100), ..options() };
    let journal = LogJournal::open(dir.path(), later).expect("opened");
    assert_eq!(journal.last_beat(), Some(at(50)));
    drop(journal);
    let journal = LogJournal::open(dir.path(), options()).expect("opened");
    assert_eq!(journal.last_beat(), Some(at(50)));
    block_on(journal.append(at(70), admit(1))).expect("answered").expect("admitted");
    drop(journal);
    let journal = LogJournal::open(dir.path(), options()).expect("opened");
    assert_eq!(journal.last_beat(), Some(at(70)));
}

/// Goal: a commit larger than a segment is written, read and survives a restart.
/// Method: a note of three segments' size.
#[test]
fn a_large_commit_has_its_place() {
    let dir = temp();
    let journal = open(dir.path());
    append(&journal, admit(1)).expect("admitted");
    append(&journal, note(1, &"long ".repeat(10_000))).expect("noted");
    append(&journal, note(1, "short")).expect("noted");
    let before = records(&journal);
    drop(journal);
    let journal = open(dir.path());
    assert_eq!(records(&journal)[..before.len()], before);
    assert!(matches!(before[2].event, Event::Run(RunEvent::Noted { .. })));
}

/// Goal: two processes never write to one directory.
/// Method: open it twice.
#[test]
fn a_second_opening_is_refused() {
    let dir = temp();
    let journal = open(dir.path());
    let second = LogJournal::open(dir.path(), options()).expect_err("it is in use");
    assert!(matches!(second, OpenError::Locked { .. }), "{second:?}");
    assert!(second.to_string().contains("hint:"), "{second}");
    drop(journal);
    drop(open(dir.path()));
}
