//! Twenty days of a protected application: what is backed up, copied, let go, and proven to restore.

use std::{collections::BTreeSet, fs};

use jiff::{SignedDuration, Timestamp};
use muster_tests::{
    emulator::{EAST, WEST},
    postgres::{OWNER, OWNER_PASSWORD, Postgres, Side},
    stage::{Stage, brief},
};
use serde_json::{Value, json};

use super::{backup::next_run, stage, step};

/// As in the reference configuration: the backup at two, what may go at noon, a restore test a week.
const SCHEDULES: &str = "
- { id: nightly, runbook: daily-backup, application: shop, cron: \"0 2 * * *\", catch_up: run-once }
- { id: noon, runbook: expire-recovery-points, application: shop, cron: \"0 12 * * *\", inputs: { cap: 10 } }
- { id: weekly, runbook: restore-test, application: shop, cron: \"0 16 * * SUN\", inputs: { at: standby } }
";

/// The retention of the reference application.
const KEEP_DAYS: i64 = 14;

const DAYS: i64 = 20;

/// How fresh the data of a restored copy must be, against the time of the point.
const FRESH: &str = "10m";

/// Gives the database its retention and its checks, and starts the daemon anew with that.
async fn declare(stage: &mut Stage, source: &Postgres) {
    let file = stage.folder().join("shop.yaml");
    let mut shop: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    // The emulator replicates no objects, and nobody waits here for some that never come.
    shop["buckets"] = json!([]);
    let database = &mut shop["databases"][0];
    database["retention"] = json!({ "keep_for": format!("{}h", KEEP_DAYS * 24) });
    database["sql"] = json!({
        "database": "postgres", "user": OWNER, "password_env": "MUSTER_TEST_OWNER",
        "sslmode": "disable",
        "endpoints": { EAST: source.endpoint(Side::Primary), WEST: source.endpoint(Side::Primary) },
    });
    database["canary"] = json!({
        "schema": "muster", "every": "5s", "user": OWNER, "password_env": "MUSTER_TEST_OWNER",
    });
    database["checks"] = json!([
        { "name": "orders", "rows": { "table": "public.orders", "within": "10%" } },
        { "name": "fresh", "canary_age": { "max": FRESH } },
        { "name": "people", "roles": ["shop_app"] },
    ]);
    fs::write(&file, shop.to_string()).unwrap();
    stage.setup.env.push(("MUSTER_TEST_OWNER".to_owned(), OWNER_PASSWORD.to_owned()));
    stage.crash();
    stage.revive().await;
}

/// What both servers hold: a table, a role, and the table of the canary.
async fn furnish(postgres: &Postgres) {
    postgres
        .run(
            "create table orders (id int); insert into orders select generate_series(1, 100);
             create role shop_app;
             create schema muster;
             create table muster.canary (slot smallint primary key, sequence bigint not null,
               epoch bigint not null, written_at timestamptz not null)",
        )
        .await;
}

/// What a person finds in what was restored: so many rows, and a canary from so long before the point.
async fn restored_holds(restored: &Postgres, rows: u32, canary_at: Timestamp) {
    restored
        .run(&format!(
            "delete from orders; insert into orders select generate_series(1, {rows});
             delete from muster.canary;
             insert into muster.canary (slot, sequence, epoch, written_at) values (0, 1, 1, '{canary_at}')"
        ))
        .await;
}

/// The data times of the manual snapshots that AWS holds in a region.
async fn held(stage: &Stage, region: &str) -> BTreeSet<String> {
    let with = [("SnapshotType", "manual")];
    let said = stage.world.rds(region, "DescribeDBClusterSnapshots", &with).await;
    let ids = said.split("<DBClusterSnapshotArn>").skip(1);
    ids.filter_map(|rest| rest.split('<').next()).map(str::to_owned).collect()
}

/// Goal: after twenty days each region holds exactly the points that the policy keeps, and the catalogue
/// says the same as AWS; a weekly restore test proves one of them by its data, and one each fails for rows
/// that are missing, data that is stale and a role that is not there: a point is proven by a test that
/// passed and by nothing else.
/// Method: the schedules of the reference application on one clock; what is restored is a real PostgreSQL,
/// whose data is changed before each test. What must be left is counted by the days, not by the product.
#[tokio::test]
async fn twenty_days_of_protection() {
    let mut stage = stage!(SCHEDULES);
    let Some(source) = Postgres::start().await else { return };
    let Some(restored) = Postgres::start().await else { return };
    furnish(&source).await;
    furnish(&restored).await;
    declare(&mut stage, &source).await;
    let endpoint = restored.endpoint(Side::Primary);
    let port: u16 = endpoint.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    stage.world.set(json!({ "restored_port": port })).await;
    stage.tick_secs = 60;
    let began = stage.world.now();
    stage
        .until("the canary is seen", async |stage| {
            let (_, shop) = stage.daemon.get("/v1/applications/shop").await.expect("an answer");
            !shop["canaries"][0]["lag"]["secs"].is_null()
        })
        .await;
    let run = stage.ask("ana", "count", request("data-check")).await;
    let view = stage.carry(&run, &[]).await;
    assert_eq!(step(&view, "check-data-orders")["outputs"]["rows"], "public.orders 100");

    let mut proven = Vec::new();
    for day in 1..=DAYS {
        let backup = next_run(&mut stage, "nightly", 2).await;
        assert_eq!(backup["status"], "succeeded", "day {day}: {}", brief(&backup));
        let data_at = stage.world.now();
        let expiry = next_run(&mut stage, "noon", 12).await;
        assert_eq!(expiry["status"], "succeeded", "day {day}: {}", brief(&expiry));
        if is_sunday(stage.world.now()) {
            restored_holds(&restored, 96, data_at - SignedDuration::from_mins(3)).await;
            let test = next_run(&mut stage, "weekly", 16).await;
            assert_eq!(test["status"], "succeeded", "day {day}: {}", brief(&test));
            assert_eq!(step(&test, "check-orders")["outputs"]["proves_data"], json!(true));
            proven.push(day);
        }
        exactly(&stage, day, began).await;
    }
    // The one of the first day is past its retention, and newer ones are proven.
    proven.retain(|day| *day > gone(DAYS));
    assert!(proven.len() >= 2, "{proven:?}");
    fails_for_its_reason(&mut stage, &restored).await;
    let verified = stage.points().await.iter().filter(|one| !one["verified_at"].is_null()).count();
    assert_eq!(verified, proven.len(), "a test that fails proves nothing");
}

fn request(runbook: &str) -> Value {
    json!({ "runbook": runbook, "application": "shop", "reason": "a test" })
}

fn is_sunday(at: Timestamp) -> bool {
    at.to_zoned(jiff::tz::TimeZone::UTC).weekday() == jiff::civil::Weekday::Sunday
}

/// How many days' points are gone at the end of a day.
fn gone(day: i64) -> i64 {
    (day - KEEP_DAYS - 1).max(0)
}

/// Marked on the noon on which it is older than the policy keeps it, deleted on the next one.
async fn exactly(stage: &Stage, day: i64, began: Timestamp) {
    let gone = gone(day);
    let points = stage.points().await;
    for region in [EAST, WEST] {
        let here: Vec<&Value> = points.iter().filter(|one| one["region"] == region).collect();
        let mut days: Vec<i64> = here.iter().map(|one| day_of(one, began)).collect();
        days.sort_unstable();
        assert_eq!(days, (gone + 1..=day).collect::<Vec<_>>(), "day {day} in {region}");
        let said: BTreeSet<String> =
            here.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(held(stage, region).await, said, "day {day} in {region}");
    }
}

/// The day whose data a point holds, counted from one.
fn day_of(point: &Value, began: Timestamp) -> i64 {
    let data_at: Timestamp = point["data_at"].as_str().unwrap().parse().unwrap();
    data_at.duration_since(began).as_hours() / 24 + 1
}

/// One test each that fails for rows, for age and for a role; the newest copy is asked for.
async fn fails_for_its_reason(stage: &mut Stage, restored: &Postgres) {
    let points = stage.points().await;
    let newest = points.iter().find(|one| one["region"] == WEST).expect("a copy").clone();
    let data_at: Timestamp = newest["data_at"].as_str().unwrap().parse().unwrap();
    let fresh = data_at - SignedDuration::from_mins(2);
    let stale = data_at - SignedDuration::from_hours(3);
    for (key, rows, canary_at, sql, says) in [
        ("rows", 40, fresh, "select 1", "orders"),
        ("stale", 100, stale, "select 1", "fresh"),
        ("role", 100, fresh, "alter role shop_app rename to somebody", "people"),
    ] {
        restored_holds(restored, rows, canary_at).await;
        restored.run(sql).await;
        let mut asked = request("restore-test");
        asked["inputs"] = json!({ "point": newest["id"], "at": "standby" });
        let run = stage.ask("ana", key, asked).await;
        let view = stage.carry(&run, &[]).await;
        assert_eq!(view["status"], "succeeded_with_exceptions", "{key}: {}", brief(&view));
        let fault = step(&view, "check-orders")["fault"].to_string();
        assert!(fault.contains(says), "{key}: {fault}");
        let points = stage.points().await;
        let point = points.iter().find(|one| one["id"] == newest["id"]).unwrap();
        assert_eq!(point["tested"]["validation"]["status"], "failed", "{key}: {point:#}");
        assert_eq!(point["tested"]["restore"]["status"], "succeeded", "{key}: {point:#}");
        assert_eq!(point["tested"]["clean_up"]["status"], "succeeded", "{key}: {point:#}");
        assert_eq!(point["verified_at"], Value::Null, "{key}: {point:#}");
    }
}
