//! Backups by the schedule, and what becomes of them.

use jiff::{SignedDuration, Timestamp};
use muster_tests::{
    emulator::{EAST, WEST},
    stage::{Stage, brief},
};
use serde_json::{Value, json};

use super::{stage, step};

/// As in the reference configuration: the backup at two, what may go at noon.
const SCHEDULES: &str = "
- { id: nightly, runbook: daily-backup, application: shop, cron: \"0 2 * * *\", catch_up: run-once }
- { id: noon, runbook: expire-recovery-points, application: shop, cron: \"0 12 * * *\", inputs: { cap: 1 } }
";

/// Lets the clock stand at the next `hour` of the day, and waits for the run that starts then.
pub(super) async fn next_run(stage: &mut Stage, schedule: &str, hour: i64) -> Value {
    let day = 24 * 3600;
    let ahead = (hour * 3600 - stage.world.now().as_second().rem_euclid(day)).rem_euclid(day);
    stage.world.pass(ahead);
    let due_at = stage.world.now();
    let mut run = String::new();
    // The bell rings once a second of the machine; the clock stands meanwhile.
    let tick_secs = std::mem::take(&mut stage.tick_secs);
    stage
        .until("the schedule starts its run", async |stage| {
            let Some((200, list)) = stage.daemon.get("/v1/schedules").await else { return false };
            let all = list.as_array().into_iter().flatten();
            let last =
                all.filter(|line| line["id"] == schedule).map(|line| &line["last_run"]).next();
            let is_it = |last: &&Value| last["due_at"] == json!(due_at);
            let Some(last) = last.filter(is_it) else { return false };
            run = last["run"].as_str().expect("a run").to_owned();
            true
        })
        .await;
    stage.tick_secs = tick_secs;
    stage.carry(&run, &[]).await
}

/// Goal: a night's backup ends up in the other region under that region's key, whatever time AWS
/// takes, and both points are there for everybody to see, with the time of their data.
/// Method: the schedule of the reference application; a snapshot that takes two minutes, and a copy
/// that shows 0 % for an hour and a half.
#[tokio::test]
async fn a_scheduled_backup_arrives_in_the_other_region() {
    let mut stage = stage!(SCHEDULES);
    stage
        .world
        .set(json!({ "snapshot_secs": 120, "copy_secs": 3600, "copy_zero_secs": 5400 }))
        .await;
    stage.tick_secs = 300;
    let began = stage.world.now();
    let view = next_run(&mut stage, "nightly", 2).await;
    assert_eq!((&view["status"], &view["runbook"]), (&json!("succeeded"), &json!("daily-backup")));
    assert_eq!(view["requested_by"], json!("schedule:nightly"));
    assert!(stage.world.now().duration_since(began) >= SignedDuration::from_mins(150));

    let points = stage.points().await;
    let [one, other] = &points[..] else { panic!("two points: {points:#?}") };
    let in_region = |region| [one, other].into_iter().find(|point| point["region"] == region);
    let (taken, copied) = (in_region(EAST).expect("home"), in_region(WEST).expect("standby"));
    assert_eq!(copied["copied_from"], taken["id"]);
    // The time of the data is when the snapshot was taken, by the provider; the copy keeps it.
    assert_eq!(taken["data_at"], json!(began));
    assert_eq!(copied["data_at"], taken["data_at"]);
    let key = |point: &Value| point["key"].as_str().expect("a key").to_owned();
    assert!(key(taken).starts_with(&format!("arn:aws:kms:{EAST}:")), "{taken}");
    assert!(key(copied).starts_with(&format!("arn:aws:kms:{WEST}:")), "{copied}");
    for point in [taken, copied] {
        assert_eq!(point["made_by"], view["id"]);
    }
    let effects = stage.effects().await;
    let mine: Vec<&String> = effects.iter().filter(|what| what.starts_with("snapshot")).collect();
    assert_eq!(mine, ["snapshot-created us-east-1", "snapshot-copied us-west-2"]);
    for id in ["snapshot-orders", "copy-orders"] {
        assert_eq!(step(&view, id)["attempt"], json!(1), "{}", brief(&view));
    }
}

/// Goal: old points go a day after they were marked, one a night and side where that is the cap, and
/// never the newest three, nor what somebody else made.
/// Method: backups and expiry by the schedule for a week, retention of a day, one snapshot by hand and
/// one that pretends to be ours; every noon the truth at AWS is compared with what may be left.
#[tokio::test]
async fn what_may_go_goes_a_day_later_and_nothing_else() {
    let mut stage = stage!(SCHEDULES);
    stage.tick_secs = 10;
    for name in ["by-hand", "muster-pretender"] {
        let with = [("DBClusterIdentifier", "orders-east"), ("DBClusterSnapshotIdentifier", name)];
        stage.world.rds(EAST, "CreateDBClusterSnapshot", &with).await;
    }
    let mut deleted_by_day = Vec::new();
    for day in 1..=7 {
        let backup = next_run(&mut stage, "nightly", 2).await;
        assert_eq!(backup["status"], "succeeded", "day {day}: {backup:#}");
        let before = stage.points().await;
        let expiry = next_run(&mut stage, "noon", 12).await;
        assert_eq!(expiry["status"], "succeeded", "day {day}: {expiry:#}");
        let after = stage.points().await;
        for region in [EAST, WEST] {
            let here = |points: &[Value]| -> Vec<Value> {
                points.iter().filter(|point| point["region"] == region).cloned().collect()
            };
            let (before, after) = (here(&before), here(&after));
            let gone: Vec<&Value> = before
                .iter()
                .filter(|old| !after.iter().any(|left| left["id"] == old["id"]))
                .collect();
            assert!(gone.len() <= 1, "day {day}: the cap is one: {gone:#?}");
            for point in &gone {
                let place = before.iter().position(|old| old["id"] == point["id"]);
                assert!(place >= Some(3), "day {day}: one of the newest three went: {point}");
                let marked: Timestamp = point["marked_at"].as_str().unwrap().parse().unwrap();
                let stood = stage.world.now().duration_since(marked);
                assert!(stood >= SignedDuration::from_hours(24), "day {day}: after {stood:#}");
            }
            // AWS itself holds what the daemon says, and the two that are nobody's business.
            let with = [("SnapshotType", "manual")];
            let held = stage.world.rds(region, "DescribeDBClusterSnapshots", &with).await;
            let count = held.matches("<DBClusterSnapshotIdentifier>").count();
            let foreign = if region == EAST { 2 } else { 0 };
            assert_eq!(count, after.len() + foreign, "day {day}: {held}");
            assert!(foreign == 0 || held.contains("by-hand") && held.contains("muster-pretender"));
            if region == EAST {
                deleted_by_day.push(gone.len());
            }
        }
    }
    // The fourth is marked on the fourth noon, and goes on the fifth; from then on one a day.
    assert_eq!(deleted_by_day, [0, 0, 0, 0, 1, 1, 1]);
}

/// As above, with as much deleted a night as may go.
const UNCAPPED: &str = "
- { id: nightly, runbook: daily-backup, application: shop, cron: \"0 2 * * *\", catch_up: run-once }
- { id: noon, runbook: expire-recovery-points, application: shop, cron: \"0 12 * * *\", inputs: { cap: 10 } }
";

/// The lines of an output of a run's step that are about a point.
fn lines(view: &Value, id: &str, output: &str, point: &str) -> Vec<String> {
    let said = step(view, id)["outputs"][output].as_array().cloned().unwrap_or_default();
    let said = said.iter().filter_map(|line| line.as_str().map(str::to_owned));
    said.filter(|line| line.starts_with(point)).collect()
}

/// Goal: a held point stays, a preview says exactly what would go and why the rest stays and changes
/// nothing, and what could not be deleted is a finding with its cause until it is gone.
/// Method: a week of backups and expiries with a retention of a day; the oldest point is held, the
/// answer to one deletion is lost.
#[tokio::test]
async fn what_stays_and_what_cannot_go_is_told() {
    let mut stage = stage!(UNCAPPED);
    stage.tick_secs = 10;
    let in_east = |points: Vec<Value>| -> Vec<Value> {
        let mut here: Vec<Value> =
            points.into_iter().filter(|point| point["region"] == EAST).collect();
        here.sort_by_key(|point| point["data_at"].as_str().map(str::to_owned));
        here
    };
    let mut held = String::new();
    for day in 1..=7 {
        next_run(&mut stage, "nightly", 2).await;
        let before = in_east(stage.points().await);
        if day == 2 {
            held = before[0]["id"].as_str().expect("an id").to_owned();
            let body = json!({ "point": held, "name": "case-7", "reason": "an audit" });
            let path = "/v1/applications/shop/holds";
            let (status, answer) = stage.daemon.post("ana", path, body).await.expect("an answer");
            assert_eq!(status, 200, "{answer}");
        }
        if day == 6 {
            // Nearly a day after the last marking.
            stage.world.pass(9 * 3600);
            let id = |place: usize| before[place]["id"].as_str().expect("an id").to_owned();
            let ask = json!({ "runbook": "expire-recovery-points", "application": "shop",
                              "mode": "preview", "reason": "to see" });
            let run = stage.ask("ana", "preview", ask).await;
            let view = stage.carry(&run, &[]).await;
            let told =
                |output: &str, place: usize| lines(&view, "mark-active-orders", output, &id(place));
            assert!(told("keeps", 0)[0].contains("held, `case-7` by ana: an audit"), "{view:#}");
            assert_eq!((told("deletes", 1).len(), told("marks", 2).len()), (1, 1), "{view:#}");
            assert!(told("keeps", 5)[0].contains("one of the newest three, young"), "{view:#}");
            let marks = |points: &[Value]| -> Vec<Value> {
                points.iter().map(|point| point["marked_at"].clone()).collect()
            };
            let after = in_east(stage.points().await);
            assert_eq!(marks(&after), marks(&before), "a preview changes nothing");
            let lose =
                json!({ "service": "rds", "operation": "DeleteDBClusterSnapshot", "region": EAST });
            stage.world.fault("lose", lose).await;
        }
        let expiry = next_run(&mut stage, "noon", 12).await;
        assert_eq!(expiry["status"], "succeeded", "day {day}: {expiry:#}");
        let after = in_east(stage.points().await);
        assert_eq!(after[0]["id"] == json!(held), day > 1, "day {day}: {after:#?}");
        let shop = stage.daemon.get("/v1/applications/shop").await.expect("an answer").1;
        let findings = shop["findings"].as_array().expect("a list");
        let found = findings.iter().find(|one| one["id"] == "undeletable/orders/us-east-1");
        assert_eq!(found.is_some(), day == 6, "day {day}: {findings:#?}");
        if let Some(finding) = found {
            assert!(
                finding["message"].as_str().unwrap().contains("no answer from rds"),
                "{finding}"
            );
        }
    }
}
