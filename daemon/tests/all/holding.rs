//! Snapshots before a deployment and holds on recovery points, as people and pipelines use them.

use muster::cli::Exit;
use serde_json::{Value, json};

use super::{
    commands::type_at,
    house::{House, token},
};

const SNAPSHOT: &str = "run pre-deployment-snapshot --application covetpy --reason deploy \
                        --input schema\u{1}version=v42";

/// Goal: one line in a pipeline says by its exit code that the snapshot is there, and prints which,
/// until when it is a way back, and what taking it would lose.
/// Method: the line without a terminal; the same facts in the API and on the page.
#[tokio::test]
async fn one_line_before_a_deployment() {
    let house = House::open().await;
    let url = house.url.as_str();
    let said = type_at(url, "olga", &format!("{SNAPSHOT} --wait-for snapshot"), None).await;
    assert_eq!(said.exit, Exit::Done, "{}{}", said.out, said.err);
    for part in [
        "snapshot of main, schema v42: arn:aws:rds:us-east-1:123456789012:cluster-snapshot:muster-",
        "a way back until ",
        "; restoring it loses every write since ",
        " UTC on ",
    ] {
        assert!(said.out.contains(part), "{part}: {}", said.out);
    }
    let run = said.out.split_whitespace().nth(1).unwrap().to_owned();
    let view: Value = get(url, &format!("/v1/runs/{run}")).await;
    let way = &view["ways_back"][0];
    let instant = |name: &str| way[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let window = instant("until_at").duration_since(instant("data_at"));
    assert_eq!(window, jiff::SignedDuration::from_hours(24));
    assert_eq!(
        (&way["purpose"], &way["schema_version"]),
        (&json!("pre-deployment"), &json!("v42"))
    );
    let page = reqwest::get(format!("{url}/runs/{run}")).await.unwrap().text().await.unwrap();
    assert!(page.contains("Way back") && page.contains(way["loses"].as_str().unwrap()), "{page}");

    let short = format!("{SNAPSHOT} --wait --input rollback\u{1}window=2h");
    let said = type_at(url, "olga", &short, None).await;
    assert_eq!(said.exit, Exit::Done, "{}{}", said.out, said.err);
    assert!(said.out.contains(", 1h 59m") || said.out.contains(", 2h"), "{}", said.out);
    let said = type_at(url, "olga", &format!("{SNAPSHOT} --wait-for snapshop"), None).await;
    assert_eq!(said.exit, Exit::BadUse, "{}", said.out);
    assert!(said.err.contains("has no step `snapshop`"), "{}", said.err);
}

async fn get(url: &str, path: &str) -> Value {
    let client = reqwest::Client::new();
    let asked = client.get(format!("{url}{path}")).bearer_auth(token("vic"));
    asked.send().await.unwrap().json().await.unwrap()
}

/// Asks as somebody for a hold or a release; returns the status and the answer.
async fn hold(url: &str, who: &str, word: &str, body: Value) -> (u16, Value) {
    let client = reqwest::Client::new();
    let path = format!("{url}/v1/applications/covetpy/{word}");
    let answer = client.post(path).bearer_auth(token(who)).json(&body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Goal: a hold has a name, a reason and an author, stands wherever the point is shown, and without
/// any of these it is refused.
/// Method: a table of bad words, then a hold by the command line, seen everywhere, twice and lifted.
#[tokio::test]
async fn a_hold_has_a_name_and_a_reason() {
    let house = House::open().await;
    let url = house.url.as_str();
    type_at(url, "olga", &format!("{SNAPSHOT} --wait"), None).await;
    let points = get(url, "/v1/applications/covetpy/recovery-points").await;
    let point = points["items"][0]["id"].as_str().unwrap().to_owned();
    let facts = house.facts();
    for (who, word, body, status) in [
        ("olga", "holds", json!({ "point": point, "name": "case-7", "reason": " " }), 422),
        ("olga", "holds", json!({ "point": point, "name": "", "reason": "audit" }), 422),
        ("olga", "holds", json!({ "point": point, "reason": "audit" }), 422),
        ("olga", "holds", json!({ "point": "arn:x", "name": "case-7", "reason": "audit" }), 404),
        ("vic", "holds", json!({ "point": point, "name": "case-7", "reason": "audit" }), 403),
        ("olga", "holds/release", json!({ "point": point, "name": "no", "reason": "audit" }), 404),
    ] {
        let (got, problem) = hold(url, who, word, body.clone()).await;
        assert_eq!(got, status, "{who} {word} {body}: {problem}");
    }
    assert_eq!(house.facts(), facts, "nothing was written down");

    let line = format!("hold {point} --name case-7 --reason the_audit");
    let said = type_at(url, "olga", &line, None).await;
    assert_eq!(said.exit, Exit::Done, "{}{}", said.out, said.err);
    assert!(said.out.contains("held by `case-7` (olga)"), "{}", said.out);
    let said = type_at(url, "olga", "backups covetpy", None).await;
    assert!(said.out.contains("held by `case-7` (olga)"), "{}", said.out);
    let points = get(url, "/v1/applications/covetpy/recovery-points").await;
    let held = &points["items"][0]["holds"][0];
    assert_eq!((&held["by"], &held["reason"]), (&json!("olga"), &json!("the audit")));
    let page = reqwest::get(url).await.unwrap().text().await.unwrap();
    assert!(page.contains("held: case-7"), "{page}");
    let (status, again) =
        hold(url, "ana", "holds", json!({ "point": point, "name": "case-7", "reason": "too" }))
            .await;
    assert_eq!((status, &again["repeated"]), (200, &json!(true)));

    let line = format!("release {point} --name case-7 --reason over --application covetpy");
    let said = type_at(url, "olga", &line, None).await;
    assert_eq!(said.exit, Exit::Done, "{}{}", said.out, said.err);
    let points = get(url, "/v1/applications/covetpy/recovery-points").await;
    assert_eq!(points["items"][0]["holds"], json!([]));
}
