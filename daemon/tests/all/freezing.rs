//! Freezes, as people say them and as pipelines ask for them.

use muster::cli::Exit;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use super::{
    commands::type_at,
    house::{House, token},
};

async fn post(house: &House, path: &str, by: &str, body: Value) -> (StatusCode, Value) {
    let sent =
        Client::new().post(format!("{}{path}", house.url)).bearer_auth(token(by)).json(&body);
    let answer = sent.send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

/// Goal: a pipeline learns by an exit code whether it may go on, and takes silence, a refusal and a wrong
/// name for no; who froze an application, why and until when is seen everywhere.
/// Method: the command line, the API and the page of one daemon; then nobody listens.
#[tokio::test]
async fn a_pipeline_asks_before_it_changes_anything() {
    let house = House::open().await;
    let url = house.url.as_str();
    let check = "freeze check covetpy";
    let free = type_at(url, "vic", check, None).await;
    assert_eq!((free.exit, free.out.trim()), (Exit::Done, "covetpy is not frozen"), "{}", free.err);

    let freeze = "freeze covetpy --reason the_sale --until 4h";
    let viewer = type_at(url, "vic", freeze, None).await;
    assert_eq!(viewer.exit, Exit::No, "{}", viewer.err);
    let said = type_at(url, "olga", freeze, None).await;
    assert_eq!(said.exit, Exit::Done, "{}", said.err);
    assert!(said.out.contains("next: muster thaw covetpy --reason TEXT"), "{}", said.out);
    let frozen = type_at(url, "vic", check, None).await;
    assert_eq!(frozen.exit, Exit::No);
    assert!(frozen.out.starts_with("covetpy is FROZEN until "), "{}", frozen.out);
    assert!(frozen.out.trim().ends_with(": olga: the sale"), "{}", frozen.out);

    let wanted = json!({ "runbook": "pre-deployment-snapshot", "application": "covetpy", "reason": "deploy",
        "inputs": { "schema_version": "7" } });
    let (status, problem) = post(&house, "/v1/requests", "olga", wanted.clone()).await;
    assert_eq!(
        (status, &problem["type"]),
        (StatusCode::CONFLICT, &json!("urn:muster:problem:frozen"))
    );
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.starts_with("`covetpy` is frozen: olga: the sale, until "), "{detail}");
    let page = reqwest::get(format!("{url}/")).await.unwrap().text().await.unwrap();
    assert!(page.contains("frozen</span> olga: the sale, until "), "{page}");

    let thaw = type_at(url, "olga", "thaw covetpy --reason it_is_over", None).await;
    assert_eq!((thaw.exit, thaw.out.trim()), (Exit::Done, "covetpy is not frozen"));
    assert_eq!(post(&house, "/v1/requests", "olga", wanted).await.0, StatusCode::ACCEPTED);

    for (server, line) in [(url, "freeze check nobody"), ("http://127.0.0.1:1", check)] {
        let said = type_at(server, "vic", line, None).await;
        assert_eq!(said.exit, Exit::Unreachable, "{line}: {}", said.err);
        assert!(said.err.contains("take it for frozen"), "{}", said.err);
    }
    for body in [
        json!({ "until": "2020-01-01T00:00:00Z", "reason": "late" }),
        json!({ "until": "2999-01-01T00:00:00Z", "reason": "long" }),
    ] {
        let (status, problem) = post(&house, "/v1/applications/covetpy/freeze", "olga", body).await;
        assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    }
    let body = json!({ "until": "2020-01-01T00:00:00Z", "reason": "late" });
    let (status, _) = post(&house, "/v1/applications/nobody/freeze", "olga", body).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

/// Goal: a failover freezes its application for pipelines from its approval on.
#[tokio::test]
async fn a_failover_is_a_freeze() {
    let house = House::open().await;
    let url = house.url.as_str();
    let run = super::reads::failover(&house, "forced").await;
    let before = type_at(url, "vic", "freeze check covetpy", None).await;
    assert_eq!(before.exit, Exit::Done, "it may still be declined: {}", before.out);
    let answer = reqwest::get(format!("{url}/v1/applications/covetpy/freeze")).await.unwrap();
    let view: Value = answer.json().await.unwrap();
    assert_eq!((&view["frozen"], &view["run"]), (&json!(false), &Value::Null), "{run}");
}
