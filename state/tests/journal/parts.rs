//! The log in parts, as it is shipped, and put together again.

use std::fs::{self, File};

use muster_state::journal::{
    Journal, Part,
    offline::{self, Assembly, Existing},
};

use crate::support::{filled, open, records, temp};

/// Goal: the parts of a log are its export, whatever their size, pushed once or twice; a part that is
/// missing or changed is noticed.
/// Method: parts of one commit and of many; one left out, one with a flipped byte.
#[test]
fn parts_are_the_log() {
    let (dir, _) = filled();
    let journal = open(dir.path());
    let before = records(&journal);
    for bytes_max in [1, 700, 1 << 20] {
        let mut parts: Vec<Part> = Vec::new();
        while let Some(part) =
            journal.part(parts.last().map_or(0, |part| part.end), bytes_max).expect("intact")
        {
            parts.push(part);
        }
        let last = parts.last().expect("something was written");
        let mark = Part::mark(&last.lines).expect("it ends with a commit");
        assert_eq!(mark.sequence, journal.progress().end);
        let link = journal.link(mark.sequence).expect("intact").expect("a commit ends there");
        assert_eq!(mark.hash, link.to_string());
        let (place, other) = (temp(), temp());
        let path = place.path().join("all.export");
        let assemble = |parts: &[Part]| {
            let mut all = Assembly::begin(&path, File::create(&path).expect("made"))?;
            for part in parts {
                all.push("a part", &part.lines)?;
            }
            all.finish()
        };
        let twice: Vec<Part> = parts.iter().flat_map(|part| [part.clone(), part.clone()]).collect();
        assemble(&twice).expect("they follow each other");
        offline::restore_from(other.path(), &path, Existing::Refuse).expect("it is an export");
        let restored = open(other.path());
        assert_eq!(records(&restored)[..before.len()], before);
        drop(restored);
        if parts.len() > 2 {
            let missing = [&parts[..1], &parts[2..]].concat();
            let refused = assemble(&missing).expect_err("one is missing");
            assert!(refused.to_string().contains("are missing before it"), "{refused}");
        }
        let text = String::from_utf8(parts[0].lines.clone()).expect("JSON");
        parts[0].lines = text.replacen("\"at\":\"2", "\"at\":\"3", 1).into_bytes();
        assemble(&parts).expect("nobody checks yet");
        let refused = offline::restore_from(temp().path(), &path, Existing::Refuse);
        let refused = refused.expect_err("it was changed").to_string();
        assert!(refused.contains("chain of hashes is broken"), "{refused}");
    }
    fs::remove_dir_all(dir.path()).expect("gone");
}
