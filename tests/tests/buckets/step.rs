//! Two buckets compared as a step: in the background, over crashes.

use std::{collections::BTreeMap, path::Path};

use muster::{
    clock::Clock,
    compare::{checkpoint::Checkpoint, judge::How},
    world::{
        aws::Access,
        real::{Real, Settings},
    },
};
use muster_state::call::{Call, CallError, Progress};
use muster_tests::{
    daemon::{PATIENCE, pause},
    emulator::calls::{application, call_at},
    listing::{Bucket, Flaw, ListServer, Version},
};
use serde_json::{Value, json};

use super::{KEYS, planted, shelf};

/// The bucket of the application, in two regions on one server.
fn replicas(source: Bucket, target: Bucket) -> ListServer {
    ListServer::start(BTreeMap::from([
        ("files-east".to_owned(), source),
        ("files-west".to_owned(), target),
    ]))
}

/// A process with its own folder and clock.
async fn process(server: &ListServer, folder: &Path) -> Real {
    let settings = Settings {
        kubeconfig: None,
        access: Access::Emulator { endpoint: server.url() },
        receivers: Vec::new(),
        rates: Default::default(),
        clock: Clock::File(folder.join("now")),
        epoch: 1,
        comparisons: Some(folder.join("comparisons")),
    };
    Real::new(settings).await.expect("the clients are made")
}

fn at(folder: &Path, now: &str) -> Call {
    std::fs::write(folder.join("now"), now).expect("the clock is written");
    let with = json!({ "from": "active", "depth": "list" });
    let now = now.parse().expect("an instant");
    call_at(now, &application(Value::Null), "compare-buckets", with)
}

/// Looks until it is over.
async fn over(real: &Real, call: &Call) -> Progress {
    let until = Clock::Real.now() + PATIENCE;
    loop {
        let progress = real.observe(call).await.expect("an answer").progress;
        if !matches!(progress, Progress::InProgress { .. }) {
            return progress;
        }
        assert!(Clock::Real.now() < until, "it does not end: {progress}");
        pause().await;
    }
}

/// Goal: as a step a comparison goes on by itself, fails with the names of what differs, and gives its
/// counts when nothing does; what was just written is on its way and not missing.
#[tokio::test(flavor = "multi_thread")]
async fn a_step_compares_in_the_background() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut target = shelf(KEYS);
    let expected = planted(&mut target);
    let server = replicas(shelf(KEYS), target);
    let real = process(&server, folder.path()).await;
    let call = at(folder.path(), "2026-03-01T03:00:00Z");
    let first = real.observe(&call).await.expect("an answer").progress;
    assert!(matches!(first, Progress::InProgress { .. }), "{first}");
    let Progress::Failed { reason } = over(&real, &call).await else { panic!("they differ") };
    let missing = expected.values().filter(|how| **how == How::Missing).count();
    assert!(reason.contains(&format!("{missing} keys are missing")), "{reason}");
    assert!(reason.contains(&format!("and {} more", expected.len() - 20)), "{reason}");

    let server = replicas(shelf(500), shelf(500));
    let real = process(&server, folder.path()).await;
    let call = at(folder.path(), "2026-03-01T04:00:00Z");
    let Progress::Done(done) = over(&real, &call).await else { panic!("they are the same") };
    let counts = ["missing", "extra", "different", "unknown", "pending"];
    assert_eq!(
        counts.map(|name| done.outputs[name].clone()),
        [0, 0, 0, 0, 0].map(|zero| json!(zero))
    );
    assert_eq!(done.outputs["checked_at"], json!("2026-03-01T04:00:00Z"));

    // Everything was written at two; ten minutes later it may be on its way, but what is only in the
    // replica is not.
    let mut more = shelf(400);
    more.keys.insert("only-there".to_owned(), vec![Version::object("1", 1, "x")]);
    let server = replicas(shelf(500), more);
    let folder = tempfile::tempdir().expect("another folder");
    let real = process(&server, folder.path()).await;
    let call = at(folder.path(), "2026-03-01T02:10:00Z");
    let Progress::Failed { reason } = over(&real, &call).await else { panic!("they differ") };
    assert!(reason.contains("0 keys are missing, 1 extra, 0 different, of 501"), "{reason}");
}

/// Goal: a crash costs no more than the pages under way, a result that was not recorded is still there,
/// and another attempt compares anew.
/// Method: a slow listing; end the process when some of it is written down; go on in the next one.
#[tokio::test(flavor = "multi_thread")]
async fn a_step_goes_on_after_a_crash() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = replicas(shelf(KEYS), shelf(KEYS));
    server.slow_down(std::time::Duration::from_millis(700));
    let call = at(folder.path(), "2026-03-01T03:00:00Z");
    let real = process(&server, folder.path()).await;
    let file = folder.path().join("comparisons/shop.files.list.json");
    let until = Clock::Real.now() + PATIENCE;
    let written = loop {
        real.observe(&call).await.expect("an answer");
        if let Some(written) = Checkpoint::read(&file).expect("a file")
            && written.tally.keys() > 0
        {
            break written;
        }
        assert!(Clock::Real.now() < until, "nothing is written down");
        pause().await;
    };
    drop(real);
    assert!(!written.left.is_empty() && written.tally.keys() < KEYS as u64, "{written:?}");
    server.slow_down(std::time::Duration::ZERO);
    let before = server.pages();
    let real = process(&server, folder.path()).await;
    let Progress::Done(done) = over(&real, &call).await else { panic!("they are the same") };
    assert_eq!(done.outputs["checked_at"], json!("2026-03-01T03:00:00Z"));
    let last = Checkpoint::read(&file).expect("a file").and_then(|file| file.began.last);
    let last = last.expect("it is complete").tally;
    assert_eq!(last.same, KEYS as u64, "nothing is counted twice");
    let pages = server.pages();
    assert!(pages > before);

    // The answer was lost with the process: the next one knows it.
    drop(real);
    let real = process(&server, folder.path()).await;
    assert!(matches!(over(&real, &call).await, Progress::Done(_)));
    assert_eq!(server.pages(), pages, "nothing is read again");
    let later = at(folder.path(), "2026-03-02T03:00:00Z");
    assert!(matches!(over(&real, &later).await, Progress::Done(_)));
    assert!(server.pages() > pages);
}

/// Goal: a bucket that cannot be read is no answer to the step, each time it is tried, and not a
/// difference.
#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_cannot_read_has_no_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = replicas(shelf(500), shelf(500));
    server.spoil(&[Flaw::Garbled]);
    let real = process(&server, folder.path()).await;
    let call = at(folder.path(), "2026-03-01T03:00:00Z");
    let until = Clock::Real.now() + PATIENCE;
    let why = loop {
        match real.observe(&call).await {
            Ok(reading) => {
                assert!(matches!(reading.progress, Progress::InProgress { .. }));
                assert!(Clock::Real.now() < until, "it is not told");
            }
            Err(why) => break why,
        }
        pause().await;
    };
    assert!(matches!(why, CallError::NoAnswer { .. }), "{why}");
    assert!(matches!(over(&real, &call).await, Progress::Done(_)), "it goes on");
}
