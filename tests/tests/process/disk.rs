//! The state directory of the real process: a disk that errs, damage, and directories that may not be
//! used. What is damaged is refused with a clear error, and mended by the commands that the error names.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use muster_tests::{
    daemon::{Daemon, Setup, binary, pause},
    stage::strace::{self, Fate},
};
use serde_json::{Value, json};

/// The exit codes of the process (design §8).
const REFUSED: Option<i32> = Some(1);

/// A daemon over nothing but its disk, for runs that touch nothing outside.
fn setup(folder: &Path) -> Setup {
    let mut setup = Setup::write(folder, "");
    let env = [("AWS_REGION", "us-west-2"), ("AWS_EC2_METADATA_DISABLED", "true")];
    setup.env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    setup
}

/// Asks for the `number`th rehearsal: the answer, if there was one.
async fn rehearse(daemon: &Daemon, number: u32) -> Option<(u16, Value)> {
    let request = json!({ "runbook": "rehearsal", "reason": "practice" });
    daemon.post_once("ana", "/v1/requests", request, &format!("rehearsal {number}")).await
}

/// Starts as many rehearsals, each up to the gate where it waits for a person; their ids.
async fn filled(setup: &Setup, runs: u32) -> Vec<String> {
    let mut daemon = setup.start().await;
    let mut ids = Vec::new();
    for number in 1..=runs {
        let (status, accepted) = rehearse(&daemon, number).await.expect("an answer");
        assert_eq!(status, 202, "{accepted}");
        let id = accepted["run"].as_str().expect("a run").to_owned();
        while !waits(&daemon, &id).await {
            assert!(!daemon.has_ended(), "{}", daemon.last_words());
            pause().await;
        }
        ids.push(id);
    }
    daemon.kill();
    ids
}

/// Whether a rehearsal is where only a person goes on.
async fn waits(daemon: &Daemon, id: &str) -> bool {
    let Some(view) = daemon.run(id).await else { return false };
    let steps = view["steps"].as_array().into_iter().flatten();
    steps.into_iter().any(|step| step["id"] == "crash-now" && step["state"] == "running")
}

/// Starts it, and checks that it knows these runs and takes in more.
async fn knows(setup: &Setup, ids: &[String]) {
    let daemon = setup.start().await;
    for id in ids {
        assert!(waits(&daemon, id).await, "run {id} is not as it was");
    }
    let more = rehearse(&daemon, 1_000).await.expect("an answer");
    assert_eq!(more.0, 202, "{}", more.1);
}

/// Starts it and waits for its end: the code, and what it said.
async fn refused(setup: &Setup) -> String {
    let mut daemon = setup.launch();
    assert_eq!(daemon.ended().await, REFUSED, "{}", daemon.last_words());
    daemon.said()
}

fn muster(arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).output().expect("the binary starts")
}

/// Runs `muster state …` and returns what it printed.
fn state(arguments: &[&str], code: i32) -> String {
    let done = muster(&[&["state"], arguments].concat());
    let said = [done.stdout, done.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert_eq!(done.status.code(), Some(code), "{arguments:?}: {said}");
    said
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary path is a text")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}

/// The segment of a log that holds its records, and how many of its bytes are used.
fn segment(state: &Path) -> (PathBuf, Vec<u8>, usize) {
    let mut names: Vec<PathBuf> = fs::read_dir(state.join("log"))
        .expect("a log")
        .flatten()
        .map(|entry| entry.path())
        .collect();
    names.sort();
    let path = names.pop().expect("a segment");
    let bytes = fs::read(&path).expect("read");
    let used = bytes.iter().rposition(|byte| *byte != 0).expect("records") + 1;
    (path, bytes, used)
}

/// Goal: a disk that errs loses nothing that was acknowledged; the daemon says so, begins nothing more
/// and goes on answering reads, and a start on a good disk takes everything up.
/// Method: the n-th sync of the real process fails with `EIO`, with `ENOSPC`; those after it would
/// work, and must not be trusted.
#[tokio::test]
async fn an_error_at_a_sync_loses_nothing() {
    if !strace::is_there() {
        return;
    }
    for (nth, errno) in (1..=7).flat_map(|nth| [(nth, "EIO"), (nth, "ENOSPC")]) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut setup = setup(folder.path());
        // The directory exists: what a first start leaves half made is a test of the journal's own.
        filled(&setup, 0).await;
        setup.wrapper = strace::at_sync(None, nth, Fate::Error(errno));
        if nth == 1 {
            let said = refused(&setup).await;
            assert!(said.contains("the log cannot be written"), "{errno}: {said}");
            setup.wrapper.clear();
            knows(&setup, &[]).await;
            continue;
        }
        let mut daemon = setup.start().await;
        let mut acknowledged = Vec::new();
        let problem = loop {
            let number = acknowledged.len() as u32 + 1;
            assert!(number < 10, "{errno} at sync {nth} was not noticed");
            match rehearse(&daemon, number).await.expect("it lives") {
                (202, accepted) => acknowledged.push(accepted["run"].as_str().unwrap().to_owned()),
                refusal => break refusal,
            }
        };
        assert_eq!(problem.0, 503, "{errno} at sync {nth}: {}", problem.1);
        let detail = problem.1["detail"].as_str().expect("a problem document");
        let words = if errno == "EIO" { "Input/output error" } else { "No space left" };
        assert!(detail.contains(words), "{errno} at sync {nth}: {detail}");
        let ready = daemon.get("/health/ready").await.expect("it lives");
        assert_eq!(ready, (503, json!({ "state": "read_only" })));
        assert_eq!(daemon.get("/health/live").await.expect("it lives").0, 200);
        for id in &acknowledged {
            assert!(daemon.run(id).await.is_some(), "reads go on");
        }
        daemon.kill();
        setup.wrapper.clear();
        let daemon = setup.start().await;
        for id in &acknowledged {
            while !waits(&daemon, id).await {
                assert!(daemon.run(id).await.is_some(), "{errno} at sync {nth}: {id} is lost");
                pause().await;
            }
        }
    }
}

/// Goal: a directory that may not be used is refused by name and with what to do, and is not changed.
/// Method: one that another process has; one on a read-only file system, as the process sees it; one
/// that a newer program wrote.
#[tokio::test]
async fn directories_that_may_not_be_used() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut setup = setup(folder.path());
    let ids = filled(&setup, 1).await;
    let dir = setup.state();

    let first = setup.start().await;
    let said = refused(&setup).await;
    assert!(said.contains(&format!("`{}` is in use by another process", dir.display())), "{said}");
    assert!(said.contains("hint: stop the other `muster serve`"), "{said}");
    assert!(waits(&first, &ids[0]).await, "the first one serves on");
    let said = state(&["restore", text(&dir)], 1);
    assert!(said.contains("in use by another process"), "{said}");
    drop(first);

    if strace::is_there() {
        setup.wrapper = strace::at_open(&dir.join("lock"), "EROFS");
        let said = refused(&setup).await;
        assert!(said.contains("cannot be written: read-only, or no permission"), "{said}");
        assert!(said.contains("hint: give the state directory to the user"), "{said}");
        setup.wrapper.clear();
    }

    let format = dir.join("format");
    let known = fs::read(&format).expect("read");
    fs::write(&format, "muster state 999\n").expect("written");
    let said = refused(&setup).await;
    assert!(said.contains("has format 999; this program reads up to"), "{said}");
    assert!(said.contains("hint: start the newer program again"), "{said}");
    fs::write(&format, known).expect("written");
    knows(&setup, &ids).await;
}

/// Goal: a damaged log is noticed at the start, by file and record; `restore --from` brings all back,
/// `repair` keeps what stands before the damage and sets the rest aside.
/// Method: one byte flipped in the middle, and the file cut there.
#[tokio::test]
async fn a_damaged_log_is_refused_and_mended() {
    let folder = tempfile::tempdir().expect("a folder");
    let setup = setup(folder.path());
    let ids = filled(&setup, 4).await;
    let (dir, pristine, export) =
        (setup.state(), folder.path().join("pristine"), folder.path().join("export"));
    state(&["verify", text(&dir)], 0);
    state(&["export", text(&dir), text(&export)], 0);
    copy(&dir, &pristine);
    let (path, bytes, used) = segment(&dir);
    let mut flipped = bytes.clone();
    flipped[used / 2] ^= 1;
    for (damage, what) in [(&flipped[..], "a flipped byte"), (&bytes[..used / 2], "a cut file")] {
        for mend in ["restore", "repair"] {
            fs::remove_dir_all(&dir).expect("removed");
            copy(&pristine, &dir);
            fs::write(&path, damage).expect("written");
            let said = refused(&setup).await;
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            assert!(said.contains(&name) && said.contains("record"), "{what}: {said}");
            for command in ["muster state restore --from EXPORT", "muster state repair"] {
                assert!(said.contains(command), "{what}: {said}");
            }
            let said = state(&["verify", text(&dir)], 1);
            assert!(said.contains(&name), "{what}: {said}");
            if mend == "restore" {
                let said = state(&["restore", text(&dir), "--from", text(&export)], 1);
                assert!(
                    said.contains("`--set-aside` keeps"),
                    "{what}: a log that is there: {said}"
                );
                state(&["restore", text(&dir), "--from", text(&export), "--set-aside"], 0);
                state(&["verify", text(&dir)], 0);
                knows(&setup, &ids).await;
            } else {
                let said = state(&["repair", text(&dir)], 0);
                assert!(said.contains("cut at record") && said.contains("is kept in"), "{said}");
                state(&["verify", text(&dir)], 0);
                // The first run ended up before the damage; the last one is behind it.
                knows(&setup, &ids[..1]).await;
                let daemon = setup.start().await;
                assert!(daemon.run(&ids[3]).await.is_none(), "{what}");
            }
        }
    }
}

/// Goal: damaged progress is refused or harmless, never wrong; `state restore` rebuilds it.
/// Method: sled's folder gone, its file cut, and one byte flipped at many places.
#[tokio::test]
async fn damaged_progress_is_refused_and_rebuilt() {
    let folder = tempfile::tempdir().expect("a folder");
    let setup = setup(folder.path());
    let ids = filled(&setup, 3).await;
    let (dir, pristine) = (setup.state(), folder.path().join("pristine"));
    copy(&dir, &pristine);
    let db = fs::read(dir.join("progress/db")).expect("read");
    let used: Vec<usize> = (0..db.len()).filter(|place| db[*place] != 0).collect();
    let flip = |place: usize| {
        let mut bytes = db.clone();
        bytes[place] ^= 1 << (place % 8);
        Some(bytes)
    };
    let mut damages = vec![None, Some(db[..db.len() / 2].to_vec()), Some(Vec::new())];
    damages.extend(used.iter().step_by(used.len() / 12 + 1).map(|place| flip(*place)));
    let mut refusals = 0;
    for (number, damage) in damages.into_iter().enumerate() {
        fs::remove_dir_all(&dir).expect("removed");
        copy(&pristine, &dir);
        match damage {
            Some(bytes) => fs::write(dir.join("progress/db"), bytes).expect("written"),
            None => fs::remove_dir_all(dir.join("progress")).expect("removed"),
        }
        let mut daemon = setup.launch();
        while !daemon.has_ended() && !daemon.is_ready().await {
            pause().await;
        }
        if daemon.has_ended() {
            refusals += 1;
            assert_eq!(daemon.ended().await, REFUSED);
            let said = daemon.said();
            assert!(said.contains("muster state restore"), "damage {number}: {said}");
            let said = state(&["restore", text(&dir)], 0);
            assert!(said.contains("rebuilt up to record"), "damage {number}: {said}");
        }
        drop(daemon);
        state(&["verify", text(&dir)], 0);
        knows(&setup, &ids).await;
    }
    assert!(refusals >= 1, "sled's folder was gone, and nobody minded");
}
