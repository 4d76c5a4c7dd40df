//! `muster state verify | export | restore | repair`.

use std::fs;

use muster_state::{
    event::{AccessEvent, Event},
    journal::{
        Journal, LogJournal,
        offline::{self, Agreement, Existing, OfflineError},
    },
};

use crate::support::{
    append, at, copy, filled, note, open, options, records, segments, shown, temp,
};

/// Goal: an intact directory verifies, stopped or running, and the report tells how far.
/// Method: verify after a stop, and beside the running process.
#[test]
fn verify_reports() {
    let (dir, before) = filled();
    let report = offline::verify(dir.path()).expect("intact");
    let end = before.len() as u64;
    assert_eq!(report.head.end, end);
    assert_eq!(report.progress, Agreement::Agrees { end });
    assert_eq!((report.open_runs, report.ended_runs), (3, 3));
    assert!(report.sealed && report.torn_bytes == 0 && report.segments >= 3);
    let journal = open(dir.path());
    let beside = offline::verify(dir.path()).expect("intact");
    assert_eq!((beside.progress, beside.head.end), (Agreement::InUse, end + 1));
    drop(journal);
}

/// Goal: verify reads every byte, also of segments that a start checks by their ends only.
/// Method: flip a bit inside the oldest segment of a journal whose start verifies one byte.
#[test]
fn verify_reads_what_a_start_does_not() {
    let (dir, before) = filled();
    let oldest = segments(dir.path()).remove(0);
    let mut bytes = fs::read(&oldest).expect("read");
    bytes[1000] ^= 1;
    fs::write(&oldest, bytes).expect("written");
    let quick = muster_state::journal::Options { verified_bytes: 1, ..options() };
    let journal = LogJournal::open(dir.path(), quick).expect("its end is intact");
    let refused = journal.read(None, 0, 100).expect_err("a reader meets the damage");
    assert!(refused.to_string().contains("damaged at record"), "{refused}");
    assert!(journal.read(None, before.len() as u64, 10).is_ok());
    drop(journal);
    let refused = offline::verify(dir.path()).expect_err("damaged");
    assert!(refused.to_string().contains("hint:"), "{refused}");
}

/// Goal: an export brings the same journal back elsewhere, and a changed export is refused.
/// Method: export beside a running process, restore, compare; then change each line in turn.
#[test]
fn export_and_restore() {
    let (dir, _) = filled();
    let journal = open(dir.path());
    let before = shown(&journal);
    let (place, other) = (temp(), temp());
    let out = place.path().join("export");
    let exported = offline::export(dir.path(), &out).expect("exported");
    assert_eq!(exported.head.end, before.0.end);
    drop(journal);

    let rebuilt = offline::restore_from(other.path(), &out, Existing::Refuse).expect("restored");
    assert_eq!(rebuilt.head, exported.head);
    let report = offline::verify(other.path()).expect("intact");
    assert_eq!(report.head, exported.head);
    let restored = open(other.path());
    assert_eq!(records(&restored)[..before.1.len()], before.1);
    assert_eq!(shown(&restored).2, before.2);
    drop(restored);

    let refused = offline::restore_from(other.path(), &out, Existing::Refuse);
    assert!(matches!(refused, Err(OfflineError::NotEmpty { .. })), "{refused:?}");
    let rebuilt = offline::restore_from(other.path(), &out, Existing::SetAside).expect("restored");
    assert_eq!(rebuilt.kept_in.len(), 2);
    drop(open(other.path()));

    let lines: Vec<String> =
        fs::read_to_string(&out).expect("read").lines().map(str::to_owned).collect();
    for n in (0..lines.len()).step_by(9).chain([lines.len() - 1]) {
        let changed = lines[n].replacen(['1', '0'], "2", 1);
        let removed: Vec<&str> =
            lines.iter().enumerate().filter(|(m, _)| *m != n).map(|(_, line)| &line[..]).collect();
        let mut replaced = lines.clone();
        replaced[n].clone_from(&changed);
        for text in [removed.join("\n") + "\n", replaced.join("\n") + "\n"] {
            let bad = place.path().join("bad");
            fs::write(&bad, text).expect("written");
            let into = temp();
            let refused = offline::restore_from(into.path(), &bad, Existing::Refuse);
            assert!(refused.is_err(), "line {n} was changed");
            assert!(!into.path().join("log").exists(), "nothing is touched before the proof");
        }
    }
}

/// Goal: progress that is lost or damaged comes back from the log.
/// Method: remove it, restore, compare.
#[test]
fn restore_rebuilds_progress() {
    let (dir, before) = filled();
    fs::remove_dir_all(dir.path().join("progress")).expect("removed");
    LogJournal::open(dir.path(), options()).expect_err("its witness is missing");
    let rebuilt = offline::restore(dir.path()).expect("restored");
    assert_eq!(rebuilt.head.end, before.len() as u64);
    let report = offline::verify(dir.path()).expect("intact");
    assert_eq!(report.progress, Agreement::Agrees { end: before.len() as u64 });
    assert_eq!(records(&open(dir.path()))[..before.len()], before);
}

/// Goal: repair keeps everything before the damage, sets the rest aside, records the cut, and the
/// directory starts and goes on.
/// Method: damage each segment in the middle, and at its header; remove each; repair.
#[test]
fn repair_cuts_and_records() {
    let (pristine, before) = filled();
    let count = segments(pristine.path()).len();
    for (n, damage) in (0..count).flat_map(|n| (0..3).map(move |damage| (n, damage))) {
        let dir = temp();
        copy(pristine.path(), dir.path());
        let segment = segments(dir.path()).remove(n);
        let mut bytes = fs::read(&segment).expect("read");
        match damage {
            0 => bytes[900] ^= 16,
            1 => bytes[20] ^= 16,
            _ => bytes.clear(),
        }
        fs::write(&segment, &bytes).expect("written");
        if bytes.is_empty() {
            fs::remove_file(&segment).expect("removed");
        }
        LogJournal::open(dir.path(), options()).expect_err("damaged");
        let repaired = offline::repair(dir.path(), at(9)).expect("repaired");
        let kept = repaired.cut_at as usize;
        assert!(kept < before.len() && repaired.because.is_some(), "{repaired:?}");
        assert_eq!(repaired.head.end, repaired.cut_at + 1);
        let journal = open(dir.path());
        let found = records(&journal);
        assert_eq!(found[..kept], before[..kept]);
        assert!(
            matches!(&found[kept].event, Event::Access(AccessEvent::Repaired { .. })),
            "{:?}",
            found[kept]
        );
        append(&journal, crate::support::admit(77)).expect("it goes on");
        drop(journal);
        drop(open(dir.path()));
        offline::verify(dir.path()).expect("intact");
    }
}

/// Goal: repair of an intact log changes no record, and of one that lost its end says so.
/// Method: repair twice: as it is, and with the log of the day before.
#[test]
fn repair_of_what_is_not_damaged() {
    let (dir, before) = filled();
    let yesterday = temp();
    copy(dir.path(), yesterday.path());
    let repaired = offline::repair(dir.path(), at(9)).expect("nothing to do");
    assert_eq!((repaired.because, repaired.head.end), (None, before.len() as u64));
    let journal = open(dir.path());
    append(&journal, note(1, "today")).expect("noted");
    drop(journal);
    fs::remove_dir_all(dir.path().join("log")).expect("removed");
    copy(&yesterday.path().join("log"), &dir.path().join("log"));
    LogJournal::open(dir.path(), options()).expect_err("the log lost its end");
    let repaired = offline::repair(dir.path(), at(9)).expect("repaired");
    assert!(repaired.because.is_some_and(|because| because.contains("are gone")));
    assert_eq!(records(&open(dir.path()))[..before.len()], before);
}
