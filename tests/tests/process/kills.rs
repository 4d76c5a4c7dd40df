//! `kill -9` at every sync and at every outside call, in turn, of a process that knows nothing of it.

use muster_tests::stage::{
    Stage, brief,
    strace::{self, Fate},
};
use serde_json::{Value, json};

use super::stage;

/// The journal's own thread writes and syncs once when it opens; so this is the first write, and the
/// first sync, for a run.
const FIRST_OF_A_RUN: u32 = 2;

/// Whoever is killed at a call comes back to reads that do not show it yet.
const STALE_SECS: u32 = 20;

/// What a run is asked for with, and what it must leave at AWS: each effect exactly once.
struct Story {
    request: Value,
    approvers: &'static [&'static str],
    effects: fn(u32) -> Vec<String>,
}

fn backup() -> Story {
    Story {
        request: json!({ "runbook": "daily-backup", "application": "shop", "reason": "a test" }),
        approvers: &[],
        effects: |_| {
            ["snapshot-created us-east-1", "snapshot-copied us-west-2"].map(str::to_owned).into()
        },
    }
}

/// Each goes the way back of the one before: the active region follows the writer.
fn failover() -> Story {
    Story {
        request: json!({
            "runbook": "region-failover", "application": "shop", "manner": "forced", "reason": "a test",
        }),
        approvers: &["ben", "dan"],
        effects: |number| {
            let to = if number % 2 == 1 { "us-west-2" } else { "us-east-1" };
            ["global-failover-begun", "writer-moved"].map(|what| format!("{what} {to}")).into()
        },
    }
}

/// Carries a run to its end, and compares what it left at AWS.
async fn tell(stage: &mut Stage, story: &Story, number: u32) {
    let before = stage.world.effects().await.len();
    let run = stage.ask("ana", &format!("run {number}"), story.request.clone()).await;
    let view = stage.carry(&run, story.approvers).await;
    assert_eq!(view["status"], "succeeded", "run {number}: {}", brief(&view));
    let left = stage.world.effects_after(before).await;
    assert_eq!(left, (story.effects)(number), "run {number}: {}", brief(&view));
}

/// One run; every process is killed at the first thing that it would make durable.
async fn at_every_sync(stage: &mut Stage, story: &Story) {
    // Even the start itself.
    stage.crash();
    // The log alone: a file that says when it was made is synced anew after each start, so that none
    // would ever come further.
    let log = stage.setup.segment();
    stage.setup.wrapper = strace::at_sync(Some(&log), 1, Fate::Kill);
    stage.revive().await;
    let ready = stage.figures.restarts;
    stage.setup.wrapper = strace::at_sync(Some(&log), FIRST_OF_A_RUN, Fate::Kill);
    stage.revive().await;
    tell(stage, story, 1).await;
    let restarts = stage.figures.restarts - ready;
    stage.figures.kills_at_syncs += stage.figures.killed_before_ready + restarts - 1;
}

/// A run for each time that a run touches the log, killed at that one alone; `kill_at` says how. How
/// many kills there were; the last run went without one.
async fn at_each(
    stage: &mut Stage,
    story: &Story,
    from: u32,
    kill_at: impl Fn(u32) -> Vec<String>,
) -> u32 {
    for (kills, nth) in (0..).zip(FIRST_OF_A_RUN..) {
        stage.crash();
        stage.setup.wrapper = kill_at(nth);
        stage.revive().await;
        stage.setup.wrapper.clear();
        let restarts = stage.figures.restarts;
        tell(stage, story, from + kills).await;
        if stage.figures.restarts == restarts {
            return kills;
        }
    }
    unreachable!("numbers do not end")
}

/// One run through kills at every sync, then one for each sync, then one for each write before it.
async fn at_the_disk(mut stage: Stage, story: Story) {
    stage.tick_secs = 10;
    at_every_sync(&mut stage, &story).await;
    let log = stage.setup.segment();
    let at_sync = |nth| strace::at_sync(Some(&log), nth, Fate::Kill);
    let kills = at_each(&mut stage, &story, 2, at_sync).await;
    stage.figures.kills_at_syncs += kills;
    let next = kills + 3;
    let kills = at_each(&mut stage, &story, next, |nth| strace::at_write(&log, nth)).await;
    stage.figures.kills_at_writes += kills;
    stage.figures.print();
}

/// A run for each call that a run makes, killed at it before it takes effect, and one after.
async fn at_every_call(mut stage: Stage, story: Story) {
    stage.tick_secs = 10;
    let mut number = 0;
    for when in ["before", "after"] {
        for nth in 1.. {
            number += 1;
            let (restarts, pid) = (stage.figures.restarts, stage.daemon.pid());
            let base = stage.last_call().await;
            stage.world.kill(pid, base + nth, when).await;
            tell(&mut stage, &story, number).await;
            stage.world.heal().await;
            if stage.figures.restarts == restarts {
                break;
            }
            stage.figures.kills_at_calls += 1;
        }
    }
    stage.figures.print();
}

/// Goal: a backup survives `kill -9` at every sync: one snapshot, one copy.
/// Method: each process is killed at the first sync that it makes for the run, before it is carried
/// out, until the run has ended; what was asked without an answer is asked again with its key. Then a
/// run for each sync of an undisturbed one, killed at that one alone; and a run for each write, killed
/// before it, so that what had happened at AWS is not yet written.
#[tokio::test]
async fn a_backup_at_every_sync() {
    if !strace::is_there() {
        return;
    }
    let stage = stage!("[]");
    stage.world.set(json!({ "snapshot_secs": 15, "copy_secs": 40 })).await;
    at_the_disk(stage, backup()).await;
}

/// Goal: a failover survives the same: the writer moves once.
#[tokio::test]
async fn a_failover_at_every_sync() {
    if !strace::is_there() {
        return;
    }
    let stage = stage!("[]");
    stage.world.set(json!({ "failover_secs": 20 })).await;
    at_the_disk(stage, failover()).await;
}

/// Goal: a backup survives `kill -9` at every outside call, whether it had taken effect or not.
/// Method: one run for each call, killed there; the emulator counts what was really done.
#[tokio::test]
async fn a_backup_at_every_call() {
    let stage = stage!("[]");
    let slow = json!({ "snapshot_secs": 15, "copy_secs": 40, "snapshots_max": 1000 });
    stage.world.set(slow).await;
    stage.world.set(json!({ "stale_read_secs": STALE_SECS })).await;
    at_every_call(stage, backup()).await;
}

/// Goal: the same for a failover.
/// Method: the runs go to and fro between the two regions.
#[tokio::test]
async fn a_failover_at_every_call() {
    let stage = stage!("[]");
    stage.world.set(json!({ "failover_secs": 10, "stale_read_secs": STALE_SECS })).await;
    at_every_call(stage, failover()).await;
}

/// Goal: a kill at a question that goes to nobody at AWS is as harmless: to a probe, an observer, the
/// on-call; and the on-call can tell a notice that came twice from a second one.
/// Method: a failover for each such request, killed when it is taken and before it is answered.
#[tokio::test]
async fn a_failover_at_every_request_beside() {
    let mut stage = stage!("[]");
    stage.tick_secs = 10;
    let story = failover();
    let mut number = 0;
    let sites = [&stage.observers, &stage.control, &stage.sides, &stage.pager].map(Clone::clone);
    for site in sites {
        for nth in 1.. {
            number += 1;
            let (restarts, told) = (stage.figures.restarts, stage.pager.taken().len());
            site.kill(Some(stage.daemon.pid()), nth);
            tell(&mut stage, &story, number).await;
            site.kill(None, 0);
            let notices = stage.pager.taken().split_off(told);
            let keys: std::collections::BTreeSet<&str> = notices
                .iter()
                .flat_map(|notice| notice.head.lines())
                .filter_map(|line| line.strip_prefix("idempotency-key: "))
                .collect();
            assert_eq!(keys.len(), 1, "one notice, under one key: {notices:#?}");
            if stage.figures.restarts == restarts {
                break;
            }
            stage.figures.kills_at_calls += 1;
        }
    }
    stage.figures.print();
}
