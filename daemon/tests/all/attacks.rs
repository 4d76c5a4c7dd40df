//! Attacks: each is refused, changes nothing, and leaves one fact in the audit trail.

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::{
    house::{House, token},
    reads::failover,
};

struct Attack {
    name: &'static str,
    request: RequestBuilder,
    status: StatusCode,
    word: &'static str,
    who: &'static str,
}

impl Attack {
    fn new(
        name: &'static str,
        request: RequestBuilder,
        status: StatusCode,
        word: &'static str,
        who: &'static str,
    ) -> Attack {
        Attack { name, request, status, word, who }
    }
}

/// Those who are stopped before anybody looks at what they want.
fn at_the_door(house: &House) -> Vec<Attack> {
    let client = Client::new();
    let post = |path: &str| client.post(format!("{}{path}", house.url));
    let reason = json!({ "reason": "x" });
    vec![
        Attack::new(
            "no token",
            post("/v1/requests").json(&json!({ "runbook": "rehearsal", "reason": "let me in" })),
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "somebody unknown at 127.0.0.1",
        ),
        Attack::new(
            "a token that nobody gave out",
            post("/v1/off").bearer_auth("eyJhbGciOiJub25lIn0.e30."),
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "somebody unknown at 127.0.0.1",
        ),
        Attack::new(
            "the hash of a token instead of the token",
            post("/v1/off").bearer_auth(house_hash("adam")).json(&reason),
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "somebody unknown at 127.0.0.1",
        ),
        Attack::new(
            "what a browser sends by itself",
            post("/v1/off").basic_auth("adam", Some(token("adam"))).json(&reason),
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "adam",
        ),
        Attack::new(
            "a body without end",
            post("/v1/requests")
                .bearer_auth(token("olga"))
                .header("content-type", "application/json")
                .body("x".repeat(65 * 1024)),
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            "olga",
        ),
    ]
}

/// Those who are known and want what they may not.
fn behind_it(house: &House, run: &str, hash: &Value) -> Vec<Attack> {
    let client = Client::new();
    let post = |path: String, by: &str, body: Value| {
        client.post(format!("{}{path}", house.url)).bearer_auth(token(by)).json(&body)
    };
    let approve =
        |hash: &Value| json!({ "step": "approve", "plan_hash": hash, "reason": "it is fine" });
    let approval = format!("/v1/runs/{run}/approve");
    vec![
        Attack::new(
            "a viewer starts a run",
            post(
                "/v1/requests".into(),
                "vic",
                json!({ "runbook": "rehearsal", "reason": "let me in" }),
            ),
            StatusCode::FORBIDDEN,
            "role",
            "vic",
        ),
        Attack::new(
            "an approver turns everything off",
            post("/v1/off".into(), "ana", json!({ "reason": "x" })),
            StatusCode::FORBIDDEN,
            "role",
            "ana",
        ),
        Attack::new(
            "an operator approves",
            post(approval.clone(), "olga", approve(hash)),
            StatusCode::FORBIDDEN,
            "role",
            "olga",
        ),
        Attack::new(
            "an approval of another plan",
            post(approval.clone(), "ana", approve(&json!("0".repeat(64)))),
            StatusCode::CONFLICT,
            "other-plan",
            "ana",
        ),
        Attack::new(
            "a guard is skipped",
            post(
                format!("/v1/runs/{run}/steps/approve/skip"),
                "adam",
                json!({ "reason": "no time" }),
            ),
            StatusCode::CONFLICT,
            "guard",
            "adam",
        ),
        Attack::new(
            "a path that climbs",
            post("/v1/runs/..%2f..%2fetc%2fpasswd/pause".into(), "olga", json!({"reason": "x"})),
            StatusCode::BAD_REQUEST,
            "bad-name",
            "olga",
        ),
    ]
}

fn house_hash(name: &str) -> String {
    use sha2::{Digest, Sha256};
    let hash = Sha256::digest(token(name).as_bytes());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Goal: whoever attacks is refused and written down, and nothing else happens.
/// Method: a table of attacks against a run that waits for its approval.
#[tokio::test]
async fn attacks_are_refused_and_recorded_once() {
    let house = House::open().await;
    let run = failover(&house, "graceful").await;
    let view: Value =
        reqwest::get(format!("{}/v1/runs/{run}", house.url)).await.unwrap().json().await.unwrap();
    let attacks = at_the_door(&house).into_iter();
    let attacks = attacks.chain(behind_it(&house, &run, &view["plan_hash"]));
    for Attack { name, request, status, word, who } in attacks {
        let (facts, refusals) = (house.facts(), house.refusals().len());
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{name}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{name}");
        let text = response.text().await.unwrap();
        let problem: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(problem["type"], format!("urn:muster:problem:{word}"), "{name}");
        assert!(!text.contains("token-of-"), "{name}: no token is ever answered");
        assert_eq!(house.facts(), facts, "{name}: nothing changed");
        assert_eq!(house.refusals().len(), refusals + 1, "{name}: one fact in the audit trail");
        let last = house.refusals().pop().unwrap();
        assert_eq!(last.0, who, "{name}");
        assert!(!format!("{last:?}").contains("token-of-"), "{name}: no token is recorded");
    }
}

/// Goal: nobody approves what they asked for, whatever their role, nor twice.
/// Method: an approver asks for a failover and tries; two approvals of one person.
#[tokio::test]
async fn nobody_approves_their_own_request() {
    let house = House::open().await;
    let ask = json!({ "runbook": "region-failover", "application": "covetpy", "reason": "mine" });
    let send = |path: String, by: &str, body: &Value| {
        Client::new().post(format!("{}{path}", house.url)).bearer_auth(token(by)).json(body).send()
    };
    let answer: Value =
        send("/v1/requests".into(), "ana", &ask).await.unwrap().json().await.unwrap();
    let run = answer["run"].as_str().unwrap().to_owned();
    let view: Value =
        reqwest::get(format!("{}/v1/runs/{run}", house.url)).await.unwrap().json().await.unwrap();
    let approve = json!({ "step": "approve", "plan_hash": view["plan_hash"], "reason": "fine" });
    let refused = send(format!("/v1/runs/{run}/approve"), "ana", &approve).await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["type"], "urn:muster:problem:own-request");
    assert_eq!(house.refusals().len(), 1);

    let second =
        json!({ "runbook": "region-failover", "application": "covetpy", "reason": "again" });
    let locked = send("/v1/requests".into(), "adam", &second).await.unwrap();
    assert_eq!(locked.status(), StatusCode::CONFLICT);
    let problem: Value = locked.json().await.unwrap();
    assert_eq!(problem["run"], json!(run), "the holder is named");
}

/// Goal: reads are answered to this machine and to people with a token, and to nobody else.
/// Method: requests that come over loopback but speak for somebody else.
#[tokio::test]
async fn reads_from_elsewhere_need_a_token() {
    let house = House::open().await;
    let read = || Client::new().get(format!("{}/v1/runs", house.url));
    assert_eq!(read().send().await.unwrap().status(), StatusCode::OK);
    let forwarded = read().header("x-forwarded-for", "10.1.2.3");
    let refused = forwarded.try_clone().unwrap().send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert!(refused.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic"));
    let rebound = read().header("host", "evil.example");
    assert_eq!(rebound.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let known = forwarded.bearer_auth(token("vic"));
    assert_eq!(known.send().await.unwrap().status(), StatusCode::OK);
    let browser = read().header("host", "muster.example").basic_auth("vic", Some(token("vic")));
    assert_eq!(browser.send().await.unwrap().status(), StatusCode::OK);
}

/// Goal: a body that says more than is read is refused with the place of the mistake.
/// Method: bodies with unknown keys, of a wrong kind, and not JSON; none is an audit matter.
#[tokio::test]
async fn bodies_are_read_strictly() {
    let house = House::open().await;
    let send = |body: &'static str, kind: &'static str| {
        Client::new()
            .request(Method::POST, format!("{}/v1/requests", house.url))
            .bearer_auth(token("olga"))
            .header("content-type", kind)
            .body(body)
            .send()
    };
    let json = "application/json";
    let cases = [
        (r#"{"runbook":"rehearsal","reson":"x"}"#, json, 422, "unknown field `reson`"),
        (r#"{"runbook":"rehearsal"}"#, json, 422, "missing field `reason`"),
        (r#"{"runbook":"rehearsal","reason":" "}"#, json, 422, "say why"),
        (r#"{"runbook":"nothing-such","reason":"x"}"#, json, 404, "no runbook is called"),
        (
            r#"{"runbook":"rehearsal","reason":"x","symptom_at":"2099-01-01T00:00:00Z"}"#,
            json,
            422,
            "future",
        ),
        ("reason=x", "application/x-www-form-urlencoded", 415, "application/json"),
    ];
    for (body, kind, status, said) in cases {
        let response = send(body, kind).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{body}");
        let problem: Value = response.json().await.unwrap();
        assert!(problem["detail"].as_str().unwrap().contains(said), "{problem}");
    }
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    let deep = send(Box::leak(deep.into_boxed_str()), json).await.unwrap();
    assert_eq!(deep.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(house.facts(), 0);
}

/// Goal: thousands of event streams do not take the place of those who act.
/// Method: open as many as are allowed; the next is refused, and a change still goes through.
#[tokio::test]
async fn streams_are_bounded() {
    let house = House::open().await;
    let run = failover(&house, "graceful").await;
    let mut open = Vec::new();
    let client = Client::new();
    let stream = || {
        client
            .get(format!("{}/v1/runs/{run}/events", house.url))
            .header("accept", "text/event-stream")
            .send()
    };
    for _ in 0..muster::api::STREAMS_MAX {
        let response = stream().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        open.push(response);
    }
    assert_eq!(house.api.streams_open(), muster::api::STREAMS_MAX);
    assert_eq!(stream().await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    let pause = client
        .post(format!("{}/v1/runs/{run}/pause", house.url))
        .bearer_auth(token("olga"))
        .json(&json!({ "reason": "hold on" }));
    assert_eq!(pause.send().await.unwrap().status(), StatusCode::OK);
}
