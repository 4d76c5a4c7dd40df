//! The power goes at every sync; the disk errs at every sync.

use std::{fs, io, path::Path, sync::Arc};

use futures::executor::block_on;
use muster_state::{
    event::Record,
    journal::{AppendError, Journal, LogJournal, OpenError, Options, offline},
};

use crate::{
    disk::{Dice, Fate, TestDisk},
    support::{admit, append, at, copy, end, finding, note, open, options, records, shown, temp},
};

/// Works until the disk dies; returns what was acknowledged, in order.
fn work(dir: &Path, disk: &TestDisk, seed: u64) -> Vec<u64> {
    let options = Options { disk: Arc::new(disk.clone()), ..options() };
    let Ok(journal) = LogJournal::open(dir, options) else { return Vec::new() };
    let mut acknowledged = Vec::new();
    let mut dice = Dice(seed);
    for run in 0..12 {
        let mut batches = vec![admit(run), finding("covetpy", &format!("finding-{run}"))];
        for n in 0..dice.roll(8) {
            batches.push(note(run, &format!("{n} {}", "x".repeat(dice.roll(900) as usize))));
        }
        batches.push(end(run));
        let receipts: Vec<_> =
            batches.into_iter().map(|batch| journal.append(at(1), batch)).collect();
        for receipt in receipts {
            match block_on(receipt).expect("answered") {
                Ok(end) => acknowledged.push(end),
                Err(AppendError::Broken { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        }
    }
    let visible = records(&journal).len() as u64;
    assert!(acknowledged.last().is_none_or(|end| *end <= visible));
    assert_eq!(journal.progress().end, visible, "readers see what is durable");
    acknowledged
}

/// Goal: a power cut at any sync loses nothing that was acknowledged, and the next start says so
/// without help.
/// Method: cut at the n-th sync for every n; what was not synced is lost, torn or reordered by
/// sectors. The image is opened and compared with what an undisturbed journal holds.
#[test]
fn a_power_cut_at_every_sync() {
    let written = undisturbed();
    for n in 1.. {
        let (dir, image) = (temp(), temp());
        // The journal exists already: what a first start leaves half made is another test.
        drop(open(dir.path()));
        let seed = 7 + n;
        let fate = Fate::PowerCut { image: image.path().to_owned(), seed };
        let disk = TestDisk::new(dir.path(), Some((n, fate)));
        let acknowledged = work(dir.path(), &disk, 5);
        if disk.syncs() < n {
            assert!(n > 20, "the work has only {n} syncs");
            return;
        }
        fs::create_dir_all(image.path().join("aside")).expect("made");
        let again = temp();
        copy(image.path(), again.path());
        for image in [image, again] {
            let journal = LogJournal::open(image.path(), options())
                .unwrap_or_else(|error| panic!("cut at sync {n}, seed {seed}: {error}"));
            let found = records(&journal);
            let kept = acknowledged.last().copied().unwrap_or(0) as usize;
            assert!(found.len() >= kept, "cut at sync {n}: {} of {kept}", found.len());
            assert_eq!(found[..kept], written[..kept], "cut at sync {n}");
            append(&journal, admit(99)).expect("it goes on");
            let before = shown(&journal);
            drop(journal);
            let report = offline::verify(image.path()).expect("intact");
            assert_eq!(report.head.end, before.0.end);
        }
    }
}

/// What the same work leaves when nothing happens to it.
fn undisturbed() -> Vec<Record> {
    let dir = temp();
    drop(open(dir.path()));
    work(dir.path(), &TestDisk::new(dir.path(), None), 5);
    records(&open(dir.path()))
}

/// Goal: after a failed write or sync nothing is acknowledged any more, readers keep what was
/// durable, and the next process finds everything that was acknowledged.
/// Method: `EIO` and `ENOSPC` at the n-th sync, for every n.
#[test]
fn an_error_at_every_sync() {
    for (n, kind) in
        (1..).flat_map(|n| [(n, io::ErrorKind::Other), (n, io::ErrorKind::StorageFull)])
    {
        let dir = temp();
        drop(open(dir.path()));
        let disk = TestDisk::new(dir.path(), Some((n, Fate::Error(kind))));
        let acknowledged = work(dir.path(), &disk, 5);
        if disk.syncs() < n {
            return;
        }
        let journal = open(dir.path());
        let kept = acknowledged.last().copied().unwrap_or(0);
        assert!(journal.progress().end > kept, "error at sync {n}");
    }
}

/// Goal: a first start that is cut leaves a directory that starts.
/// Method: an error at each sync of the first start, then a start without.
#[test]
fn a_first_start_can_be_repeated() {
    for n in 1..6 {
        let dir = temp();
        let disk = TestDisk::new(dir.path(), Some((n, Fate::Error(io::ErrorKind::Other))));
        let failing = Options { disk: Arc::new(disk), ..options() };
        if let Err(refused) = LogJournal::open(dir.path(), failing) {
            let is_typed = matches!(refused, OpenError::Io { .. } | OpenError::Unwritable { .. });
            assert!(is_typed, "{refused:?}");
        }
        append(&open(dir.path()), admit(1)).expect("admitted");
    }
}

/// Goal: a beat is no younger than what was promised before it: else a process that could not write that
/// it must ask would hide from the next one that it should.
/// Method: the sync of a batch fails while a beat waits behind it; often, for the two may part.
#[test]
fn a_beat_waits_for_what_came_before_it() {
    for round in 0..60 {
        let dir = temp();
        drop(open(dir.path()));
        // The first sync is the opening's own.
        let disk = TestDisk::new(dir.path(), Some((2, Fate::Error(io::ErrorKind::Other))));
        let options = Options { disk: Arc::new(disk), ..options() };
        let journal = LogJournal::open(dir.path(), options).expect("opened");
        let receipt = journal.append(at(1), admit(1));
        journal.beat(at(500));
        let broken = block_on(receipt).expect("answered");
        assert!(matches!(broken, Err(AppendError::Broken { .. })), "{broken:?}");
        drop(journal);
        let last = open(dir.path()).last_beat();
        assert!(last < Some(at(500)), "round {round}: {last:?}");
    }
}
