//! One key, one request: what is sent again is answered again, and what is something else is refused.

use jiff::SignedDuration;
use muster_runbooks::{
    name::RunId,
    request::{Manner, Mode, Request, Trigger},
};
use muster_state::command::Command;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use super::{
    commands::type_at,
    house::{House, token},
};

async fn ask(house: &House, by: &str, key: &str, body: String) -> (StatusCode, Value) {
    let response = Client::new()
        .post(format!("{}/v1/requests", house.url))
        .bearer_auth(token(by))
        .header("idempotency-key", key)
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        .unwrap();
    (response.status(), response.json().await.unwrap())
}

async fn done(house: &House, run: &str) {
    let url = format!("{}/v1/runs/{run}/steps/crash-now/done", house.url);
    let seen = json!({ "reason": "seen" });
    let response = Client::new().post(url).bearer_auth(token("olga")).json(&seen).send().await;
    let view: Value = response.unwrap().json().await.unwrap();
    assert_eq!(view["status"], "succeeded", "{view}");
}

/// Goal: a retry never starts a second run, not even after the first has ended, and a key that is
/// used for something else by mistake neither starts it nor seems to have.
/// Method: one body twice, the same in other words of JSON, another one, and another person's.
#[tokio::test]
async fn a_key_stands_for_one_request() {
    let house = House::open().await;
    let body = json!({ "runbook": "rehearsal", "reason": "practice" }).to_string();
    let (status, first) = ask(&house, "olga", "k1", body.clone()).await;
    assert_eq!((status, &first["repeated"]), (StatusCode::ACCEPTED, &json!(false)), "{first}");
    let run = first["run"].as_str().unwrap().to_owned();

    for state in ["open", "ended"] {
        let facts = house.facts();
        let reordered =
            "{ \"reason\": \"practice\",\n \"inputs\": {}, \"runbook\": \"rehearsal\" }";
        for same in [body.as_str(), reordered] {
            let (status, again) = ask(&house, "olga", "k1", same.to_owned()).await;
            assert_eq!(status, StatusCode::ACCEPTED, "{state}: {again}");
            assert_eq!((&again["run"], &again["repeated"]), (&json!(run), &json!(true)), "{state}");
        }
        for (what, other) in [
            ("reason", json!({ "runbook": "rehearsal", "reason": "in earnest" })),
            ("mode", json!({ "runbook": "rehearsal", "reason": "practice", "mode": "drill" })),
            (
                "runbook",
                json!({ "runbook": "daily-backup", "application": "covetpy", "reason": "practice" }),
            ),
            ("a runbook that is none", json!({ "runbook": "nothing-such", "reason": "practice" })),
        ] {
            let (status, problem) = ask(&house, "olga", "k1", other.to_string()).await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{state}, {what}: {problem}");
            assert_eq!(problem["type"], "urn:muster:problem:key-reused", "{state}, {what}");
            assert_eq!(problem["run"], json!(run), "{state}, {what}: the first one is named");
        }
        assert_eq!(house.facts(), facts, "{state}: nothing was written");
        if state == "open" {
            done(&house, &run).await;
        }
    }

    let (status, theirs) = ask(&house, "adam", "k1", body).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_ne!(theirs["run"], json!(run), "a key is its person's own");
}

/// Goal: a person learns of a proposal; it is started once, and a retry of the start finds what it
/// started although the proposal itself is gone.
/// Method: read of it, start it with a key, again with it, with another reason, and without a key.
#[tokio::test]
async fn a_proposal_is_started_once() {
    let house = House::open().await;
    let id: RunId = "q00000000001".parse().unwrap();
    let request = Box::new(Request {
        runbook: "region-failover".parse().unwrap(),
        application: Some("covetpy".parse().unwrap()),
        inputs: Default::default(),
        trigger: Trigger::Event { principal: "events".to_owned() },
        mode: Mode::Live,
        manner: Manner::Graceful,
        reason: "an alarm".to_owned(),
        dedupe_key: Some("queue/alarm".to_owned()),
        symptom_at: None,
        not_after: None,
    });
    let intake = house.api.intake();
    let expires_at = intake.clock().now() + SignedDuration::from_hours(1);
    let propose = |asked: &str| Command::Propose {
        id: id.clone(),
        request: request.clone(),
        expires_at,
        because: "a person starts it".to_owned(),
        asked: Some(asked.to_owned()),
    };
    assert!(!intake.command(propose("this")).await.unwrap().repeated);
    assert!(intake.command(propose("this")).await.unwrap().repeated);
    let why = intake.command(propose("that")).await.unwrap_err().to_string();
    assert!(why.contains("used before, for something else: `q00000000001`"), "{why}");

    let said = type_at(&house.url, "olga", "status", None).await;
    let shown = "proposal: region-failover of covetpy by event:events: an alarm, until ";
    assert!(said.out.contains(shown), "{}", said.out);
    assert!(said.out.contains("next: muster run --proposal q00000000001 --reason TEXT"));

    let body = |reason: &str| json!({ "proposal": id, "reason": reason }).to_string();
    let (status, first) = ask(&house, "olga", "p1", body("the alarm is right")).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{first}");
    let facts = house.facts();
    let (status, again) = ask(&house, "olga", "p1", body("the alarm is right")).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{again}");
    assert_eq!((&again["run"], &again["repeated"]), (&first["run"], &json!(true)));
    let (status, other) = ask(&house, "olga", "p1", body("I changed my mind")).await;
    assert_eq!((status, &other["run"]), (StatusCode::UNPROCESSABLE_ENTITY, &first["run"]));
    let (status, _) = ask(&house, "adam", "p2", body("me too")).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "it is taken");
    assert_eq!(house.facts(), facts);
}

/// Goal: the key decides, whoever comes first.
/// Method: twenty requests of one person at once under one key, of two sorts: one run, all of its sort
/// are answered with it, and all of the other are refused with it.
#[tokio::test]
async fn twenty_at_once_are_one_run() {
    let house = House::open().await;
    let asks = (0..20).map(|number| {
        let reason = if number % 2 == 0 { "even" } else { "odd" };
        let body = json!({ "runbook": "rehearsal", "reason": reason }).to_string();
        ask(&house, "olga", "one", body)
    });
    let answers = futures::future::join_all(asks).await;
    let runs: std::collections::BTreeSet<&str> =
        answers.iter().map(|(_, answer)| answer["run"].as_str().unwrap()).collect();
    assert_eq!(runs.len(), 1, "{answers:?}");
    let count = |wanted| answers.iter().filter(|(status, _)| *status == wanted).count();
    assert_eq!(count(StatusCode::ACCEPTED), 10);
    assert_eq!(count(StatusCode::UNPROCESSABLE_ENTITY), 10);
    let started = answers.iter().filter(|(_, answer)| answer["repeated"] == json!(false)).count();
    assert_eq!(started, 1);
}
