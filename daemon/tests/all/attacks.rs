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
            "a guard is said to be done",
            post(
                format!("/v1/runs/{run}/steps/approve/done"),
                "adam",
                json!({ "reason": "by phone", "outputs": {} }),
            ),
            StatusCode::CONFLICT,
            "guard",
            "adam",
        ),
        Attack::new(
            "a viewer approves",
            post(approval.clone(), "vic", approve(hash)),
            StatusCode::FORBIDDEN,
            "role",
            "vic",
        ),
        Attack::new(
            "a risk that nobody asked about",
            post(
                approval.clone(),
                "ana",
                json!({ "step": "approve", "plan_hash": hash, "reason": "fine", "accepts": ["unproven-restore"] }),
            ),
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid",
            "",
        ),
        Attack::new(
            "another run",
            post("/v1/runs/a00000000000/pause".into(), "olga", json!({ "reason": "x" })),
            StatusCode::NOT_FOUND,
            "not-found",
            "olga",
        ),
        Attack::new(
            "another step",
            post(format!("/v1/runs/{run}/steps/aprove/retry"), "olga", json!({ "reason": "x" })),
            StatusCode::NOT_FOUND,
            "not-found",
            "olga",
        ),
        Attack::new(
            "another proposal",
            post(
                "/v1/requests".into(),
                "olga",
                json!({ "proposal": "q00000000000", "reason": "x" }),
            ),
            StatusCode::NOT_FOUND,
            "not-found",
            "olga",
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
        if who.is_empty() {
            assert_eq!(house.refusals().len(), refusals, "{name}: a slip of the keyboard");
            continue;
        }
        assert_eq!(house.refusals().len(), refusals + 1, "{name}: one fact in the audit trail");
        let last = house.refusals().pop().unwrap();
        assert_eq!(last.0, who, "{name}");
        assert!(!format!("{last:?}").contains("token-of-"), "{name}: no token is recorded");
    }

    // What the trail holds is shown, page by page.
    let (mut shown, mut after) = (Vec::new(), String::new());
    loop {
        let url = format!("{}/v1/refusals?limit=5{after}", house.url);
        let page: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
        let word = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
        let items = page["items"].as_array().unwrap().iter();
        shown.extend(items.map(|one| (word(one, "who"), word(one, "what"), word(one, "because"))));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert!(shown.len() > 5, "several pages: {shown:?}");
    assert_eq!(shown, house.refusals());
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

/// Goal: an approval that comes too late approves nothing.
/// Method: an approval with the right hash after the run was declined, and after it was given up.
#[tokio::test]
async fn an_approval_behind_a_cancel_is_nothing() {
    for word in ["decline", "abandon"] {
        let house = House::open().await;
        let run = failover(&house, "graceful").await;
        let url = format!("{}/v1/runs/{run}", house.url);
        let view: Value = reqwest::get(&url).await.unwrap().json().await.unwrap();
        let send = |word: &str, by: &str, body: Value| {
            Client::new().post(format!("{url}/{word}")).bearer_auth(token(by)).json(&body).send()
        };
        let body = match word {
            "decline" => json!({ "step": "approve", "reason": "no" }),
            _ => json!({ "undo": false, "reason": "no" }),
        };
        let by = if word == "decline" { "ana" } else { "adam" };
        let cancelled = send(word, by, body).await.unwrap();
        assert_eq!(
            cancelled.status(),
            StatusCode::OK,
            "{word}: {}",
            cancelled.text().await.unwrap()
        );
        let facts = house.facts();
        let approve =
            json!({ "step": "approve", "plan_hash": view["plan_hash"], "reason": "go on" });
        let late = send("approve", "ana", approve).await.unwrap();
        assert!(late.status().is_client_error(), "{word}: {}", late.status());
        assert_eq!(house.facts(), facts, "{word}: nothing changed");
    }
}

/// Goal: clients that promise a body and never send it keep nobody from acting.
/// Method: more of them than are answered at a time, without a token, which are refused before their
/// body is waited for, and with one, which are given up after a short silence.
#[tokio::test]
async fn slow_bodies_hold_nobody_up() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let house = House::open().await;
    let address = house.url.trim_start_matches("http://").to_owned();
    let vic = format!("Authorization: Bearer {}\r\n", token("vic"));
    let mut open = Vec::new();
    for number in 0..300 {
        let mut client = tokio::net::TcpStream::connect(&address).await.unwrap();
        let who = if number % 2 == 0 { "" } else { vic.as_str() };
        let head = format!(
            "POST /v1/requests HTTP/1.1\r\nHost: {address}\r\n{who}Content-Type: application/json\r\n\
             Content-Length: 1000\r\n\r\n{{"
        );
        client.write_all(head.as_bytes()).await.unwrap();
        open.push(client);
    }
    let ask = json!({ "runbook": "rehearsal", "reason": "practice" });
    let url = format!("{}/v1/requests", house.url);
    let answer =
        Client::new().post(url).bearer_auth(token("olga")).json(&ask).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    for (number, mut client) in open.into_iter().enumerate() {
        let mut head = [0; 12];
        client.read_exact(&mut head).await.unwrap();
        let wanted = if number % 2 == 0 { "HTTP/1.1 401" } else { "HTTP/1.1 422" };
        assert_eq!(std::str::from_utf8(&head), Ok(wanted), "client {number}");
    }
}

/// Goal: clients that begin a request and never end it hold nobody up, and are cut off.
/// Method: hundreds of half heads; somebody else reads and acts meanwhile; every one of them sees its
/// connection end.
#[tokio::test]
async fn slow_heads_are_cut_off() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let house = House::open().await;
    let address = house.url.trim_start_matches("http://").to_owned();
    let mut open = Vec::new();
    for _ in 0..400 {
        let mut client = tokio::net::TcpStream::connect(&address).await.unwrap();
        client.write_all(b"GET /v1/runs HTTP/1.1\r\nHost: 127").await.unwrap();
        open.push(client);
    }
    let read = reqwest::get(format!("{}/v1/runs", house.url)).await.unwrap();
    assert_eq!(read.status(), StatusCode::OK);
    let run = failover(&house, "graceful").await;
    assert!(!run.is_empty());
    for mut client in open {
        let mut said = Vec::new();
        // A reset is an end too.
        let _ = client.read_to_end(&mut said).await;
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "{said}");
    }
}
