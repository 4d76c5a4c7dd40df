//! Real processes on one directory: one is killed, one comes too late.

use std::{
    collections::VecDeque,
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use futures::executor::block_on;
use muster_state::journal::{Journal, LogJournal, OpenError, offline};

use crate::{
    disk::Dice,
    support::{admit, append, at, end, note, open, options, temp},
};

const DIR: &str = "MUSTER_TEST_CHILD_DIR";

/// What the child process does: append until it is killed, and say what was acknowledged.
#[test]
fn child() {
    let Ok(dir) = env::var(DIR) else { return };
    let mut out = std::io::stdout();
    let journal = match LogJournal::open(Path::new(&dir), options()) {
        Ok(journal) => journal,
        Err(refused) => return writeln!(out, "\nrefused {refused}").expect("the parent listens"),
    };
    let mut run = journal.progress().end;
    let mut waiting = VecDeque::new();
    loop {
        for batch in [admit(run), note(run, &"x".repeat(300)), note(run, "y"), end(run)] {
            waiting.push_back(journal.append(at(1), batch));
        }
        run += 1;
        while waiting.len() > 20 {
            let receipt = waiting.pop_front().expect("more than twenty");
            let end = block_on(receipt).expect("answered").expect("written");
            writeln!(out, "\nacknowledged {end}").expect("the parent listens");
        }
    }
}

fn spawn(dir: &Path) -> (Child, impl Iterator<Item = String>) {
    let mut child = Command::new(env::current_exe().expect("this binary"))
        .args(["--exact", "process::child", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("spawned");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    (child, lines.map_while(Result::ok))
}

/// Goal: `kill -9` at any moment loses nothing that was acknowledged, and needs no help to start.
/// Method: kill a process after a random number of acknowledgements, again and again on one
/// directory, and look with the next.
#[test]
fn killed_at_any_moment() {
    let dir = temp();
    let mut dice = Dice(11);
    for epoch in 1..12 {
        let (mut child, lines) = spawn(dir.path());
        let acknowledged = lines
            .filter_map(|line| line.strip_prefix("acknowledged ")?.parse::<u64>().ok())
            .nth(dice.roll(400) as usize)
            .expect("the child acknowledges");
        child.kill().expect("killed");
        child.wait().expect("gone");
        let journal = open(dir.path());
        assert!(journal.progress().end > acknowledged, "killed after {acknowledged}");
        assert_eq!(journal.progress().epoch, epoch * 2);
        drop(journal);
        offline::verify(dir.path()).expect("intact");
    }
}

/// Goal: a second process on one directory is told so, and harms nothing.
/// Method: start one while this process has the directory open.
#[test]
fn a_second_process_is_refused() {
    let dir = temp();
    let journal = open(dir.path());
    let (mut child, mut lines) = spawn(dir.path());
    let refused = lines.find(|line| line.starts_with("refused")).expect("it says so");
    assert!(refused.contains("in use by another process"), "{refused}");
    child.wait().expect("gone");
    append(&journal, admit(1)).expect("it goes on");
    drop(journal);
    open(dir.path());
}

/// Goal: a directory that is a file, or whose log may not be listed, gives a typed error.
/// Method: name a file; name a directory below a file.
#[test]
fn odd_directories_are_refused() {
    let dir = temp();
    let file = dir.path().join("file");
    std::fs::write(&file, "text").expect("written");
    for odd in [file.clone(), file.join("below")] {
        let refused = LogJournal::open(&odd, options()).expect_err("no directory");
        assert!(matches!(refused, OpenError::Io { .. }), "{refused:?}");
    }
}
