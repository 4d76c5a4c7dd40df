//! Flipped, cut, removed, reordered: noticed at the start, or proven harmless. Never lost in silence.

use std::{
    fs,
    path::{Path, PathBuf},
};

use muster_state::{
    event::{AccessEvent, Event, Record, VERSION},
    journal::{Journal, LogJournal, OpenError, offline},
    progress::{EndedRun, Progress},
};
use tempfile::TempDir;

use crate::support::{append, copy, filled, note, open, options, records, segments, shown, temp};

/// What became of a start over a damaged directory.
#[derive(Debug, Eq, PartialEq)]
enum Outcome {
    Refused,
    Harmless,
}

/// Starts, and fails the test if a record is missing or changed although nobody said so.
fn start(dir: &Path, before: &[Record]) -> Outcome {
    match LogJournal::open(dir, options()) {
        Ok(journal) => {
            let now = records(&journal);
            assert!(now.len() > before.len(), "records were lost in silence");
            assert_eq!(now[..before.len()], *before, "records were changed in silence");
            Outcome::Harmless
        }
        Err(refused) => {
            assert!(refused.to_string().contains("hint:"), "{refused}");
            Outcome::Refused
        }
    }
}

fn flip(file: &Path, place: usize) {
    let mut bytes = fs::read(file).expect("read");
    bytes[place] ^= 1 << (place % 8);
    fs::write(file, bytes).expect("written");
}

fn segment_names(dir: &Path) -> Vec<PathBuf> {
    segments(dir).iter().map(|path| path.strip_prefix(dir).expect("inside").to_owned()).collect()
}

/// Goal: one flipped bit of the log is noticed, or changes nothing (I14).
/// Method: flip sampled bits of every segment after a clean stop; only the seal, a turn's copy of
/// what is known anyway, and zeros may be harmless.
#[test]
fn flipped_bits_of_the_log() {
    let (pristine, before) = filled();
    let mut refused = 0;
    for segment in segment_names(pristine.path()) {
        let len = fs::metadata(pristine.path().join(&segment)).expect("there").len() as usize;
        let used = fs::read(pristine.path().join(&segment)).expect("read");
        let used = used.iter().rposition(|byte| *byte != 0).unwrap_or(0);
        for place in (0..len).step_by(211) {
            let dir = temp();
            copy(pristine.path(), dir.path());
            flip(&dir.path().join(&segment), place);
            let outcome = start(dir.path(), &before);
            refused += usize::from(outcome == Outcome::Refused);
            if place + 72 <= used {
                assert_eq!(outcome, Outcome::Refused, "{} at {place}", segment.display());
            }
        }
    }
    assert!(refused > 50, "only {refused} flips were refused");
}

/// Goal: one flipped bit of sled is noticed, or changes nothing.
/// Method: flip sampled bits of its files, and compare all that is shown.
#[test]
fn flipped_bits_of_sled() {
    let (pristine, before) = filled();
    let known = known(&open_copy(&pristine).1);
    let db = Path::new("progress/db");
    let bytes = fs::read(pristine.path().join(db)).expect("read");
    let used: Vec<usize> = (0..bytes.len()).filter(|place| bytes[*place] != 0).collect();
    for place in used.iter().step_by(used.len() / 150) {
        let dir = temp();
        copy(pristine.path(), dir.path());
        flip(&dir.path().join(db), *place);
        // sled itself falls back to an older state over most flips, and the log brings it forward.
        if start(dir.path(), &before) == Outcome::Refused {
            offline::restore(dir.path()).expect("the log is intact");
        }
        let journal = open(dir.path());
        assert_eq!(self::known(&journal), known, "flipped at {place}");
        assert_eq!(records(&journal)[..before.len()], before);
    }
}

/// What a journal knows, apart from how often it was opened.
fn known(journal: &LogJournal) -> (Progress, Vec<EndedRun>) {
    let (progress, _, ended) = shown(journal);
    (Progress { epoch: 0, end: 0, last_at: None, ..progress }, ended)
}

fn open_copy(pristine: &TempDir) -> (TempDir, LogJournal) {
    let dir = temp();
    copy(pristine.path(), dir.path());
    let journal = open(dir.path());
    (dir, journal)
}

/// Goal: a log that was cut short is noticed, wherever it was cut.
/// Method: truncate each segment at sampled lengths, with and without the zeros behind.
#[test]
fn truncated_segments() {
    let (pristine, before) = filled();
    for segment in segment_names(pristine.path()) {
        let bytes = fs::read(pristine.path().join(&segment)).expect("read");
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) + 1;
        for len in (0..used.saturating_sub(72)).step_by(487) {
            for zeros in [0, bytes.len() - len] {
                let dir = temp();
                copy(pristine.path(), dir.path());
                let cut = [&bytes[..len], &vec![0; zeros]].concat();
                fs::write(dir.path().join(&segment), cut).expect("written");
                let outcome = start(dir.path(), &before);
                assert_eq!(outcome, Outcome::Refused, "{} at {len}", segment.display());
            }
        }
    }
}

/// Goal: a segment that is gone, or in another's place, is noticed.
/// Method: remove each in turn; swap the names of two; put one back from an older copy.
#[test]
fn missing_and_swapped_segments() {
    let (pristine, before) = filled();
    let names = segment_names(pristine.path());
    for name in &names {
        let dir = temp();
        copy(pristine.path(), dir.path());
        fs::remove_file(dir.path().join(name)).expect("removed");
        assert_eq!(start(dir.path(), &before), Outcome::Refused, "{}", name.display());
    }
    let dir = temp();
    copy(pristine.path(), dir.path());
    fs::copy(pristine.path().join(&names[0]), dir.path().join(&names[1])).expect("copied");
    fs::copy(pristine.path().join(&names[1]), dir.path().join(&names[0])).expect("copied");
    assert_eq!(start(dir.path(), &before), Outcome::Refused);
}

/// Goal: the whole log from an older day, with today's progress, is refused; so is its reverse.
/// Method: put the two together from two copies of one journal.
#[test]
fn parts_of_two_days() {
    let (yesterday, _) = filled();
    let today = temp();
    copy(yesterday.path(), today.path());
    let journal = open(today.path());
    append(&journal, note(1, "today")).expect("noted");
    let before = records(&journal);
    drop(journal);
    let mixed = temp();
    copy(&yesterday.path().join("log"), &mixed.path().join("log"));
    copy(&today.path().join("progress"), &mixed.path().join("progress"));
    fs::copy(today.path().join("format"), mixed.path().join("format")).expect("copied");
    fs::create_dir(mixed.path().join("aside")).expect("made");
    let refused = LogJournal::open(mixed.path(), options()).expect_err("the log lost its end");
    assert!(matches!(refused, OpenError::Apart { .. }), "{refused:?}");

    let behind = temp();
    copy(today.path(), behind.path());
    fs::remove_dir_all(behind.path().join("progress")).expect("removed");
    copy(&yesterday.path().join("progress"), &behind.path().join("progress"));
    assert_eq!(start(behind.path(), &before), Outcome::Harmless);

    fs::remove_dir_all(behind.path().join("progress")).expect("removed");
    assert_eq!(start(behind.path(), &before), Outcome::Refused);
}

/// Goal: damage to the last commit is noticed without its seal, by sled's head.
/// Method: after a clean stop, wipe the seal, then flip a bit of the last commit.
#[test]
fn the_last_commit_has_two_witnesses() {
    let (dir, before) = filled();
    let last = segments(dir.path()).pop().expect("a segment");
    let mut bytes = fs::read(&last).expect("read");
    let end = bytes.iter().rposition(|byte| *byte != 0).expect("a seal") + 1;
    let seal = bytes[..end].windows(4).rposition(|window| window == b"MFr1").expect("a seal");
    bytes[seal..end].fill(0);
    bytes[seal - 20] ^= 4;
    fs::write(&last, bytes).expect("written");
    assert_eq!(start(dir.path(), &before), Outcome::Refused);
}

/// Goal: damage to acknowledged records is no torn tail, even if sled is too old to know them.
/// Method: yesterday's progress under today's log; flip a bit of today's last commit, which only
/// the seal covers, and of one before it, which later commits cover after the seal is wiped.
#[test]
fn the_log_is_its_own_witness() {
    let (yesterday, _) = filled();
    let today = temp();
    copy(yesterday.path(), today.path());
    let journal = open(today.path());
    let starts: Vec<u64> =
        (0..4).map(|n| append(&journal, note(1, &format!("note-{n}"))).expect("noted")).collect();
    let before = records(&journal);
    drop(journal);
    fs::remove_dir_all(today.path().join("progress")).expect("removed");
    copy(&yesterday.path().join("progress"), &today.path().join("progress"));
    for (note, has_seal) in [("note-3", true), ("note-0", true), ("note-0", false)] {
        let dir = temp();
        copy(today.path(), dir.path());
        let place = |bytes: &[u8]| bytes.windows(6).position(|text| text == note.as_bytes());
        let holds = |path: &PathBuf| place(&fs::read(path).expect("read")).is_some();
        let segment = segments(dir.path()).into_iter().find(holds).expect("noted");
        let mut bytes = fs::read(&segment).expect("read");
        let place = place(&bytes).expect("noted");
        bytes[place] ^= 1;
        if !has_seal {
            let end = bytes.iter().rposition(|byte| *byte != 0).expect("a seal") + 1;
            let seal = bytes[..end].windows(4).rposition(|text| text == b"MFr1").expect("a seal");
            bytes[seal..end].fill(0);
        }
        fs::write(&segment, bytes).expect("written");
        assert_eq!(start(dir.path(), &before), Outcome::Refused, "{note} of {starts:?}");
    }
}

/// Goal: a record that was rewritten with all its checksums right is noticed: the log is evidence.
/// Method: change a word of an old commit and mend its checksum, as somebody would who knows the
/// format; its hash is left, or made to fit the new payload.
#[test]
fn a_forged_record_is_noticed() {
    use sha2::{Digest, Sha256};
    let (pristine, before) = filled();
    for mends_hash in [false, true] {
        let dir = temp();
        copy(pristine.path(), dir.path());
        let segment = segments(dir.path()).remove(1);
        let mut bytes = fs::read(&segment).expect("read");
        let payload = 64 + 72;
        let len = bytes[64 + 8] as usize + 256 * bytes[64 + 9] as usize;
        let word = bytes.windows(3).position(|word| word == b"xxx").expect("a note");
        assert!((payload..payload + len).contains(&word), "it is in the first commit");
        bytes[word] = b'y';
        if mends_hash {
            let hash = Sha256::new()
                .chain_update(&bytes[24..56])
                .chain_update(&bytes[payload..payload + len])
                .finalize();
            bytes[64 + 40..payload].copy_from_slice(&hash);
        }
        let crc = crc32c::crc32c(&bytes[64 + 8..payload + len]);
        bytes[64 + 4..64 + 8].copy_from_slice(&crc.to_le_bytes());
        fs::write(&segment, bytes).expect("written");
        let refused = LogJournal::open(dir.path(), options()).expect_err("it was forged");
        assert!(refused.to_string().contains("the chain of hashes is broken"), "{refused}");
        assert_eq!(start(dir.path(), &before), Outcome::Refused);
    }
}

/// Goal: what a crash left behind the last commit is cut, kept and recorded, once.
/// Method: put half a frame behind the end; start twice.
#[test]
fn a_torn_tail_is_cut_and_recorded() {
    let (dir, before) = filled();
    let last = segments(dir.path()).pop().expect("a segment");
    let mut bytes = fs::read(&last).expect("read");
    let end = bytes.iter().rposition(|byte| *byte != 0).expect("a seal") + 1;
    let torn = b"MFr1 and then the power went".repeat(3);
    bytes[end + 40..end + 40 + torn.len()].copy_from_slice(&torn);
    fs::write(&last, bytes).expect("written");
    let end_before = before.len() as u64;
    for _ in 0..2 {
        let journal = open(dir.path());
        let cuts: Vec<Record> = journal
            .read(None, end_before, 100)
            .expect("intact")
            .into_iter()
            .filter(|record| {
                matches!(&record.event, Event::Access(AccessEvent::TailCut { bytes, file })
                    if *bytes >= torn.len() as u64 && last.ends_with(file))
            })
            .collect();
        assert_eq!(cuts.len(), 1, "{cuts:?}");
    }
    let kept = fs::read_dir(dir.path().join("aside")).expect("listed").count();
    assert_eq!(kept, 1);
}

/// Goal: a newer program's directory, segment and commit are refused by name of version.
/// Method: write each by hand.
#[test]
fn newer_versions_are_refused() {
    let (pristine, _) = filled();
    let dir = temp();
    copy(pristine.path(), dir.path());
    fs::write(dir.path().join("format"), "muster state 7\n").expect("written");
    let refused = LogJournal::open(dir.path(), options()).expect_err("newer");
    assert!(matches!(refused, OpenError::NewerFormat { found: 7, known: 1, .. }), "{refused:?}");

    fs::write(dir.path().join("format"), "muster state x\n").expect("written");
    let refused = LogJournal::open(dir.path(), options()).expect_err("damaged");
    assert!(matches!(refused, OpenError::Damaged { .. }), "{refused:?}");
    fs::remove_file(dir.path().join("format")).expect("removed");
    LogJournal::open(dir.path(), options()).expect_err("its format is lost");

    let journal = open(pristine.path());
    let (progress, ..) = shown(&journal);
    drop(journal);
    let last = segments(pristine.path()).pop().expect("a segment");
    newer_commit(&last, progress.end);
    let refused = LogJournal::open(pristine.path(), options()).expect_err("newer");
    let OpenError::NewerEvents { seq, found: 9, known: VERSION, .. } = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(seq, progress.end);
}

/// Puts a commit of version 9, which no parser of today would understand, behind the end.
fn newer_commit(segment: &Path, seq: u64) {
    use sha2::{Digest, Sha256};
    let mut bytes = fs::read(segment).expect("read");
    let end = bytes.iter().rposition(|byte| *byte != 0).expect("a seal") + 1;
    let seal = bytes[..end].windows(4).rposition(|window| window == b"MFr1").expect("a seal");
    let before = bytes[seal + 40..seal + 72].to_vec();
    let payload = b"CBOR perhaps";
    let mut head = [0; 72];
    head[..4].copy_from_slice(b"MFr1");
    head[8] = payload.len() as u8;
    head[12] = 1;
    head[14] = 9;
    head[16..24].copy_from_slice(&seq.to_le_bytes());
    head[24] = 1;
    head[32..40].copy_from_slice(&seq.to_le_bytes());
    head[40..]
        .copy_from_slice(&Sha256::new().chain_update(before).chain_update(payload).finalize());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&head[8..]), payload);
    head[4..8].copy_from_slice(&crc.to_le_bytes());
    let frame = [&head[..], payload].concat();
    bytes[seal + 72..seal + 72 + frame.len()].copy_from_slice(&frame);
    fs::write(segment, bytes).expect("written");
}
