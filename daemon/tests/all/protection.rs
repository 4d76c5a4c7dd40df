//! What protects an application, through every door: API, command line, page and metrics.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use muster::{
    cli::Exit,
    clock::Clock,
    inventory::Look,
    world::inventory::{
        ClusterSide, DatabaseSide, Inventory, Lag, Maker, Quota, Seen,
        judge::Judged,
        objectives::{Measured, Took},
    },
};
use muster_runbooks::{name::ApplicationName, value::Span};
use muster_state::{
    catalog::{Finding, RecoveryPoint},
    event::{ApplicationEvent, Batch, Entry},
    journal::Journal,
};
use reqwest::StatusCode;
use serde_json::Value;

use super::{commands::type_at, house::House};

const EAST: &str = "us-east-1";
const WEST: &str = "us-west-2";

fn covetpy() -> ApplicationName {
    "covetpy".parse().unwrap()
}

fn point(number: u32, region: &str, data_time: Timestamp) -> RecoveryPoint {
    RecoveryPoint {
        size_gib: Some(20),
        ..RecoveryPoint::new(
            format!("arn:aws:rds:{region}:123456789012:cluster-snapshot:muster-{number}"),
            "main".parse().unwrap(),
            region.parse().unwrap(),
            "123456789012".to_owned(),
            data_time,
            "r00000000001".parse().unwrap(),
        )
    }
}

/// Writes facts about the application down, past the engine.
async fn write(house: &House, events: Vec<ApplicationEvent>) {
    let name = covetpy();
    let entries = events.into_iter().map(|event| Entry::application(&name, event)).collect();
    let batch = Batch { entries, ..Batch::default() };
    house.shelf.append(Clock::Real.now(), batch).await.unwrap().unwrap();
}

fn seen(point: &RecoveryPoint) -> (String, Seen) {
    let seen = Seen {
        id: point.id.clone(),
        region: point.region.clone(),
        account: point.account.clone(),
        maker: Maker::Muster,
        run: None,
        status: "available".to_owned(),
        data_time: Some(point.data_time),
        copied_from: None,
        key: None,
        size_gib: point.size_gib,
        tags: BTreeMap::from([("muster:purpose".to_owned(), "backup".to_owned())]),
    };
    (point.id.clone(), seen)
}

/// A look at the application: replicated, restorable at home, one point gone.
fn look(now: Timestamp, points: &[RecoveryPoint]) -> Look {
    let ago = |secs| now - SignedDuration::from_secs(secs);
    let side = |region: &str, restorable, lag| DatabaseSide {
        cluster: Ok(Some(ClusterSide {
            status: "available".to_owned(),
            account: "123456789012".to_owned(),
            restorable,
            backup_window: None,
            maintenance_window: None,
        })),
        points: Ok(points.iter().filter(|it| it.region.as_str() == region).map(seen).collect()),
        automated: Ok(BTreeMap::new()),
        lag: Ok(lag),
    };
    let place = |region: &str| ("main".parse().unwrap(), region.parse().unwrap());
    let lag = Lag { at: ago(90), lag: Span::from_secs(1) };
    let mut inventory = Inventory::empty(ago(30));
    inventory.quotas = [
        (EAST.parse().unwrap(), Ok(Quota { used: 40, max: 100 })),
        (WEST.parse().unwrap(), Err("no answer from rds us-west-2".to_owned())),
    ]
    .into();
    inventory.databases = [
        (place(EAST), side(EAST, Some((ago(86_400), ago(240))), None)),
        (place(WEST), side(WEST, None, Some(lag))),
    ]
    .into();
    let failover =
        Took { took: Span::from_mins(9), at: ago(3_600), run: "region-failover x".to_owned() };
    Look {
        seen: inventory,
        judged: Judged {
            unprotected: [(place(WEST), Some(ago(7_200)))].into(),
            ..Judged::default()
        },
        measured: Measured { failover: Some(failover), ..Measured::default() },
        checklist: Vec::new(),
    }
}

/// Two points at home of which one is gone, one on the other side, and a look at them.
async fn furnished(house: &House) {
    let now = Clock::Real.now();
    let hours = |hours| now - SignedDuration::from_hours(hours);
    let points = [point(1, EAST, hours(1)), point(2, EAST, hours(25)), point(3, WEST, hours(2))];
    let finding = Finding {
        id: format!("missing-point/main/{EAST}"),
        message: "gone".to_owned(),
        hint: "look".to_owned(),
    };
    let region = EAST.parse().unwrap();
    let mut events = vec![
        ApplicationEvent::ActiveObserved { region, evidence: "a test".to_owned() },
        ApplicationEvent::FindingOpened { finding },
    ];
    let recorded =
        |point: &RecoveryPoint| ApplicationEvent::PointRecorded { point: Box::new(point.clone()) };
    events.extend(points.iter().map(recorded));
    write(house, events).await;
    let listed = [points[0].clone(), points[2].clone()];
    house.api.intake().looks().keep(&covetpy(), look(now, &listed));
}

async fn get(house: &House, path: &str) -> (StatusCode, Value) {
    let answer = reqwest::get(format!("{}{path}", house.url)).await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

async fn text(url: &str) -> String {
    reqwest::get(url).await.unwrap().text().await.unwrap()
}

/// Goal: recovery points are found by component and region, in pages, with what the last look said of
/// each; what is gone is missing, and not available.
/// Method: three points, one of them gone.
#[tokio::test]
async fn recovery_points_by_place() {
    let house = House::open().await;
    furnished(&house).await;
    let path = "/v1/applications/covetpy/recovery-points";
    let (status, all) = get(&house, path).await;
    assert_eq!(status, StatusCode::OK, "{all}");
    let told = |page: &Value| -> Vec<(String, String)> {
        let word = |point: &Value, key: &str| point[key].as_str().unwrap_or("?").to_owned();
        let items = page["items"].as_array().unwrap().iter();
        items
            .map(|one| (word(one, "id").replace("arn:aws:rds:", ""), word(one, "status")))
            .collect()
    };
    let ids = [
        "us-east-1:123456789012:cluster-snapshot:muster-1",
        "us-west-2:123456789012:cluster-snapshot:muster-3",
        "us-east-1:123456789012:cluster-snapshot:muster-2",
    ];
    let expected: Vec<(String, String)> = ids
        .into_iter()
        .zip(["available", "available", "missing"])
        .map(|(id, status)| (id.to_owned(), status.to_owned()))
        .collect();
    assert_eq!(told(&all), expected);
    let first = &all["items"][0];
    assert_eq!(first["account"], "123456789012");
    assert_eq!(first["within_rpo"], "no", "an hour is more than five minutes");
    assert_eq!(first["tags"]["muster:purpose"], "backup");
    assert!(first["status_read_at"].is_string());

    let (_, here) = get(&house, &format!("{path}?region={EAST}&limit=1")).await;
    assert_eq!(told(&here), expected[..1]);
    let next = here["next"].as_str().unwrap();
    let (_, rest) = get(&house, &format!("{path}?region={EAST}&limit=1&after={next}")).await;
    assert_eq!((told(&rest), &rest["next"]), (expected[2..].to_vec(), &Value::Null));
    let (_, none) = get(&house, &format!("{path}?component=other")).await;
    assert_eq!(told(&none), []);
    for wrong in
        ["?component=No", "?region=nowhere", "?after=zz", "?after=22", "?limit=0", "?who=me"]
    {
        let (status, problem) = get(&house, &format!("{path}{wrong}")).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}: {problem}");
    }
}

/// Goal: objectives are answered from what was measured, with reasons, and by unknown before anybody has
/// looked.
/// Method: before and after a look.
#[tokio::test]
async fn objectives_with_reasons() {
    let house = House::open().await;
    let path = "/v1/applications/covetpy/objectives";
    let (_, before) = get(&house, path).await;
    assert_eq!(before["read_at"], Value::Null);
    for threat in before["threats"].as_array().unwrap() {
        assert_eq!(
            (&threat["rpo"]["verdict"], &threat["rto"]["verdict"]),
            (&"unknown".into(), &"unknown".into())
        );
        assert_eq!(threat["rpo"]["achievable"], Value::Null, "never zero");
    }
    furnished(&house).await;
    let (_, after) = get(&house, path).await;
    let region_loss = &after["threats"][0];
    assert_eq!(region_loss["threat"], "region-loss");
    assert_eq!(region_loss["rto"]["verdict"], "met", "{region_loss}");
    assert_eq!(region_loss["rto"]["achievable"]["secs"], 540);
    // The bucket of the application has not been looked at, so the whole is unknown.
    assert_eq!(region_loss["rpo"]["verdict"], "unknown", "{region_loss}");
    let database = &after["components"][0];
    assert_eq!((&database["component"], &database["kind"]), (&"main".into(), &"database".into()));
    assert_eq!(database["threats"][0]["rpo"]["verdict"], "met", "{database}");
    let because = database["threats"][0]["rpo"]["because"].as_str().unwrap();
    assert!(because.starts_with("replication to us-west-2 lagged 1s"), "{because}");
    assert_eq!(database["threats"][1]["rpo"]["verdict"], "met", "restorable four minutes ago");
    assert_eq!(database["threats"][2]["rpo"]["text"], "everything", "no other account");

    let (_, inventory) = get(&house, "/v1/applications/covetpy/inventory").await;
    assert_eq!(inventory["quotas"][0]["used"], 40);
    assert_eq!(inventory["quotas"][1]["used"], Value::Null);
    assert_eq!(inventory["quotas"][1]["unknown"], "no answer from rds us-west-2");
    let west = &inventory["sides"][1];
    assert_eq!((&west["region"], &west["unprotected"]), (&WEST.into(), &true.into()));
    assert_eq!(west["points"]["muster"], 1);
    let (status, _) = get(&house, "/v1/applications/nobody/objectives").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

/// Goal: the same on the command line, where the exit code says whether a region could be lost.
#[tokio::test]
async fn the_command_line_says_the_same() {
    let house = House::open().await;
    furnished(&house).await;
    let said = type_at(&house.url, "olga", "backups --region us-east-1", None).await;
    assert_eq!(said.exit, Exit::Done, "{}", said.out);
    for part in ["APPLICATION", "covetpy", "available", "missing", "20 GiB"] {
        assert!(said.out.contains(part), "{part}: {}", said.out);
    }
    assert!(!said.out.contains("muster-3"), "the other region's: {}", said.out);
    let said = type_at(&house.url, "olga", "backups covetpy --component other", None).await;
    assert_eq!(said.exit, Exit::No, "{}", said.out);
    let said = type_at(&house.url, "olga", "backups covetpy --output json", None).await;
    let json: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 3);
    let said = type_at(&house.url, "olga", "objectives covetpy", None).await;
    assert_eq!(said.exit, Exit::No, "one of its components is unknown: {}", said.out);
    for part in ["region-loss", "everything", "unknown", "met", "lagged 1s"] {
        assert!(said.out.contains(part), "{part}: {}", said.out);
    }
}

/// Goal: page and metrics show what was seen, and leave out what was not.
#[tokio::test]
async fn page_and_metrics() {
    let house = House::open().await;
    furnished(&house).await;
    let text_of = text(&format!("{}/metrics", house.metrics_url)).await;
    for line in [
        "muster_snapshot_quota_used{region=\"us-east-1\"} 40.0",
        "muster_snapshot_quota_max{region=\"us-east-1\"} 100.0",
        "muster_unprotected{application=\"covetpy\",component=\"main\",region=\"us-west-2\"} 1.0",
        "muster_objective_verdict{application=\"covetpy\",threat=\"region-loss\",objective=\"rto\",verdict=\"met\"} 1.0",
        "muster_objective_achievable_seconds{application=\"covetpy\",threat=\"region-loss\",objective=\"rto\"} 540.0",
    ] {
        assert!(text_of.contains(line), "{line}: {text_of}");
    }
    let has = |start: &str| text_of.lines().any(|line| line.starts_with(start));
    assert!(has(
        "muster_pitr_lag_seconds{application=\"covetpy\",component=\"main\",region=\"us-east-1\"} 24"
    ));
    assert!(has(
        "muster_unprotected_since_seconds{application=\"covetpy\",component=\"main\",region=\"us-west-2\"} 72"
    ));
    assert!(has("muster_inventory_age_seconds{application=\"covetpy\"} 3"));
    assert!(!has("muster_snapshot_quota_used{region=\"us-west-2\"}"), "unknown is not zero");
    assert!(!has(
        "muster_objective_achievable_seconds{application=\"covetpy\",threat=\"region-loss\",objective=\"rpo\"}"
    ));
    let page = text(&house.url).await;
    for part in ["What could be kept", "region-loss", "muster objectives covetpy"] {
        assert!(page.contains(part), "{part}");
    }
}
