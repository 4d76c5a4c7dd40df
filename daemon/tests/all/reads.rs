//! What the API and the page show.

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use super::house::{House, token};

pub(super) async fn post(house: &House, path: &str, by: &str, body: Value) -> (StatusCode, Value) {
    let response = Client::new()
        .post(format!("{}{path}", house.url))
        .bearer_auth(token(by))
        .json(&body)
        .send()
        .await
        .unwrap();
    (response.status(), response.json().await.unwrap())
}

pub(super) async fn get(house: &House, path: &str) -> Value {
    let response = Client::new().get(format!("{}{path}", house.url)).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    response.json().await.unwrap()
}

/// Asks for a failover and returns its id.
pub(super) async fn failover(house: &House, manner: &str) -> String {
    let body = json!({
        "runbook": "region-failover", "application": "covetpy", "manner": manner,
        "reason": "us-east-1 is failing", "symptom_at": "2026-01-01T00:00:00Z",
    });
    let (status, answer) = post(house, "/v1/requests", "olga", body).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    answer["run"].as_str().unwrap().to_owned()
}

/// Goal: a failover can be asked for, understood, approved and read afterwards, over HTTP alone.
/// Method: the real router and engine; the figures are checked where people look for them.
#[tokio::test]
async fn a_failover_from_the_request_to_the_figures() {
    let house = House::open().await;
    let id = failover(&house, "graceful").await;

    let run = get(&house, &format!("/v1/runs/{id}")).await;
    assert_eq!(run["status"], "awaiting_approval");
    let approval = &run["approvals"][0];
    assert_eq!(approval["step"], "approve");
    // Two seconds, and what could have been lost since they were read.
    assert!((2..30).contains(&approval["data_loss"]["secs"].as_u64().expect("a loss")));
    assert_eq!(approval["missing"], 1);
    assert!(approval["effects"].to_string().contains("SwitchoverGlobalCluster"));
    assert_eq!(run["losses"]["measured"]["text"], "unknown", "nothing is measured yet");
    assert!(run["recovery"]["total"].is_null());
    let command = run["next"][0]["command"].as_str().unwrap();
    assert!(command.starts_with(&format!("muster approve {id} --step approve")), "{command}");

    let body = json!({
        "step": "approve", "plan_hash": run["plan_hash"], "accepts": [], "reason": "seen it too",
    });
    let (status, answer) = post(&house, &format!("/v1/runs/{id}/approve"), "ana", body).await;
    assert_eq!((status, &answer["status"]), (StatusCode::OK, &json!("succeeded")), "{answer}");

    let run = get(&house, &format!("/v1/runs/{id}")).await;
    assert_eq!(run["open"], false, "read back from the journal");
    assert_eq!(run["losses"]["measured"]["secs"], 0, "a switchover was seen to lose nothing");
    assert_eq!(run["recovery"]["counted_from"], "symptom");
    assert_eq!(run["recovery"]["within_objective"], false, "it began months ago");
    assert!(run["recovery"]["parts"]["verify"].is_object());
    let listed = get(&house, "/v1/runs?state=ended&application=covetpy").await;
    assert_eq!(listed["items"][0]["id"], json!(id));
    let next = run["next"][0]["command"].as_str().unwrap();
    assert!(next.starts_with("muster run region-failback --application covetpy"), "{next}");
}

/// Goal: what nobody knows is shown as unknown and must be accepted by name, never as zero.
/// Method: a forced failover whose prediction found nothing.
#[tokio::test]
async fn an_unknown_loss_is_never_zero() {
    let house = House::open().await;
    let id = failover(&house, "forced").await;
    let run = get(&house, &format!("/v1/runs/{id}")).await;
    let approval = &run["approvals"][0];
    assert_eq!(approval["data_loss"]["text"], "unknown");
    assert_eq!(approval["data_loss"]["secs"], Value::Null);
    assert_eq!(approval["needed"], 2, "one more than the runbook asks for");
    assert_eq!(
        approval["must_accept"],
        json!(["data-loss-over-max", "observers-disagree", "no-way-back"])
    );
    let page =
        reqwest::get(format!("{}/runs/{id}", house.url)).await.unwrap().text().await.unwrap();
    assert!(page.contains("<span>--accept</span> <span>data-loss-over-max</span>"));
    assert!(!page.contains("<script"));

    let application = get(&house, "/v1/applications/covetpy").await;
    assert_eq!(application["active"], Value::Null, "nobody has looked yet");
    assert_eq!(application["newest"][0]["within_rpo"], "unknown");
    assert_eq!(application["locked_by"], json!(id));
}

/// Goal: a client that was cut off misses nothing and sees nothing twice.
/// Method: list all events; then stream from the middle, and compare.
#[tokio::test]
async fn a_stream_goes_on_where_it_was() {
    let house = House::open().await;
    let id = failover(&house, "graceful").await;
    post(&house, &format!("/v1/runs/{id}/abandon"), "olga", json!({ "reason": "a test" })).await;
    let all = get(&house, &format!("/v1/runs/{id}/events")).await;
    let seqs: Vec<u64> =
        all["items"].as_array().unwrap().iter().map(|one| one["seq"].as_u64().unwrap()).collect();
    let half = seqs.len() / 2;
    let streamed = Client::new()
        .get(format!("{}/v1/runs/{id}/events", house.url))
        .header("accept", "text/event-stream")
        .header("last-event-id", seqs[half - 1])
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let ids: Vec<u64> =
        streamed.lines().filter_map(|line| line.strip_prefix("id:")?.trim().parse().ok()).collect();
    assert_eq!(ids, seqs[half..]);
    assert!(streamed.contains("event: over"), "an ended run ends its stream: {streamed}");
}

/// Goal: two clicks are one run; a list is complete over its pages.
/// Method: the same key twice; then pages of one over open and ended runs.
#[tokio::test]
async fn keys_and_pages() {
    let house = House::open().await;
    let mut runs = Vec::new();
    for key in ["a", "a", "b", "c"] {
        let response = Client::new()
            .post(format!("{}/v1/requests", house.url))
            .bearer_auth(token("olga"))
            .header("idempotency-key", key)
            .json(&json!({ "runbook": "rehearsal", "reason": "practice" }))
            .send()
            .await
            .unwrap();
        let answer: Value = response.json().await.unwrap();
        runs.push(answer["run"].as_str().unwrap().to_owned());
    }
    assert_eq!(runs[0], runs[1]);
    let path = format!("/v1/runs/{}/abandon", runs[0]);
    post(&house, &path, "olga", json!({ "reason": "enough" })).await;
    let mut seen = Vec::new();
    let mut after = String::new();
    for _ in 0..10 {
        let page = get(&house, &format!("/v1/runs?limit=1{after}")).await;
        seen.push(page["items"][0]["id"].as_str().unwrap_or_default().to_owned());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, [runs[3].as_str(), runs[2].as_str(), runs[0].as_str()]);
}

/// Goal: machines that watch Muster find health and figures without a token, and nothing else.
/// Method: both listeners.
#[tokio::test]
async fn health_and_metrics() {
    let house = House::open().await;
    failover(&house, "graceful").await;
    for path in ["/health/live", "/health/ready", "/health/startup"] {
        for url in [&house.url, &house.metrics_url] {
            let response = reqwest::get(format!("{url}{path}")).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
        }
    }
    let text = reqwest::get(format!("{}/metrics", house.metrics_url)).await.unwrap();
    let text = text.text().await.unwrap();
    assert!(text.contains("muster_runs_open{status=\"awaiting_approval\"} 1.0"), "{text}");
    assert!(text.contains("muster_runs_waiting_for_person 1.0"));
    let elsewhere = reqwest::get(format!("{}/metrics", house.url)).await.unwrap();
    assert_eq!(elsewhere.status(), StatusCode::NOT_FOUND);
    let elsewhere = reqwest::get(format!("{}/v1/runs", house.metrics_url)).await.unwrap();
    assert_eq!(elsewhere.status(), StatusCode::NOT_FOUND);
    let paths = get(&house, "/v1/openapi.json").await;
    for path in [
        "/v1/requests",
        "/v1/runs/{id}/steps/{step}/done",
        "/v1/applications/{app}/recovery-points",
    ] {
        assert!(paths["paths"][path].is_object(), "{path}");
    }
}
