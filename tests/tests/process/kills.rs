//! `kill -9` at every sync and at every outside call, in turn, of a process that knows nothing of it.

use muster_tests::stage::{
    Stage, brief,
    strace::{self, Fate},
};
use serde_json::{Value, json};

use super::stage;

/// The journal's own thread syncs once when it opens; so this is the first thing of the run that the
/// process makes durable.
const FIRST_SYNC_OF_A_RUN: u32 = 2;

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
    stage.setup.wrapper = strace::at_sync(1, Fate::Kill);
    stage.revive().await;
    let ready = stage.figures.restarts;
    stage.setup.wrapper = strace::at_sync(FIRST_SYNC_OF_A_RUN, Fate::Kill);
    stage.revive().await;
    tell(stage, story, 1).await;
    let restarts = stage.figures.restarts - ready;
    stage.figures.kills_at_syncs += stage.figures.killed_before_ready + restarts - 1;
}

/// A run for each sync that a run makes, killed at it.
async fn at_each_sync(stage: &mut Stage, story: &Story) {
    for (number, nth) in (2..).zip(FIRST_SYNC_OF_A_RUN..) {
        stage.crash();
        stage.setup.wrapper = strace::at_sync(nth, Fate::Kill);
        stage.revive().await;
        stage.setup.wrapper.clear();
        let restarts = stage.figures.restarts;
        tell(stage, story, number).await;
        if stage.figures.restarts == restarts {
            return;
        }
        stage.figures.kills_at_syncs += 1;
    }
}

/// A run for each call that a run makes, killed at it before it takes effect, and one after.
async fn at_every_call(mut stage: Stage, story: Story) {
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
    println!("{}", stage.figures);
}

/// Goal: a backup survives `kill -9` at every sync: one snapshot, one copy.
/// Method: each process is killed at the first sync that it makes for the run, before it is carried
/// out, until the run has ended; what was asked without an answer is asked again with its key. Then a
/// run for each sync of an undisturbed one, killed at that one alone.
#[tokio::test]
async fn a_backup_at_every_sync() {
    if !strace::is_there() {
        return;
    }
    let mut stage = stage!("[]");
    stage.world.set(json!({ "snapshot_secs": 15, "copy_secs": 40 })).await;
    at_every_sync(&mut stage, &backup()).await;
    at_each_sync(&mut stage, &backup()).await;
    println!("{}", stage.figures);
}

/// Goal: a failover survives the same: the writer moves once.
#[tokio::test]
async fn a_failover_at_every_sync() {
    if !strace::is_there() {
        return;
    }
    let mut stage = stage!("[]");
    stage.world.set(json!({ "failover_secs": 20 })).await;
    at_every_sync(&mut stage, &failover()).await;
    at_each_sync(&mut stage, &failover()).await;
    println!("{}", stage.figures);
}

/// Goal: a backup survives `kill -9` at every outside call, whether it had taken effect or not.
/// Method: one run for each call, killed there; the emulator counts what was really done.
#[tokio::test]
async fn a_backup_at_every_call() {
    let stage = stage!("[]");
    stage.world.set(json!({ "snapshot_secs": 15, "copy_secs": 40, "snapshots_max": 1000 })).await;
    at_every_call(stage, backup()).await;
}

/// Goal: the same for a failover.
/// Method: the runs go to and fro between the two regions.
#[tokio::test]
async fn a_failover_at_every_call() {
    let stage = stage!("[]");
    stage.world.set(json!({ "failover_secs": 10 })).await;
    at_every_call(stage, failover()).await;
}

/// Goal: a kill at a question that goes to nobody at AWS is as harmless: to a probe, an observer, the
/// on-call; and the on-call can tell a notice that came twice from a second one.
/// Method: a failover for each such request, killed when it is taken and before it is answered.
#[tokio::test]
async fn a_failover_at_every_request_beside() {
    let mut stage = stage!("[]");
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
    println!("{}", stage.figures);
}
