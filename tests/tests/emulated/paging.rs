//! Notices as alerts of PagerDuty, against a site that answers as its Events API does.

use muster::world::notify::Receiver;
use muster_runbooks::request::Mode;
use muster_state::call::{Answer, CallError};
use muster_tests::emulator::{
    calls::{application, call},
    site::Site,
};
use serde_json::{Value, json};

use super::world;

/// The key; it must stand nowhere that people read.
const KEY: &str = "a-routing-key-that-nobody-shows";

fn pager(site: &Site) -> Receiver {
    Receiver::pagerduty("pager", KEY, Some(site.url()), Some("https://muster.example/"))
}

fn body(site: &Site) -> Value {
    serde_json::from_str(&site.taken().last().expect("an event").body).expect("JSON")
}

/// Goal: the on-call person reads what happened, where, and what to type; a repeat is the same incident;
/// a drill says so.
/// Method: the event of a live run and of a drill, field by field.
#[tokio::test]
async fn an_alert_says_what_to_do() {
    let world = world!();
    let site = Site::start(202);
    let real = world.real(vec![pager(&site)]).await;
    let shop = application(Value::Null);
    let mut telling = call(&world, &shop, "notify", json!({ "severity": "critical" }));
    let Answer::Done(_) = real.begin(&telling).await.unwrap() else { panic!("it was taken") };
    let event = body(&site);
    let run = "https://muster.example/runs/r00000000001";
    assert_eq!(
        event,
        json!({
            "routing_key": KEY,
            "event_action": "trigger",
            "dedup_key": "muster-r00000000001-notify-1",
            "client": "Muster",
            "client_url": run,
            "links": [{ "href": run, "text": "Run r00000000001" }],
            "payload": {
                "summary": "a test", "severity": "critical", "source": "muster", "component": "shop",
                "timestamp": telling.started_at,
                "custom_details": {
                    "text": "a test", "run": "r00000000001", "step": "notify", "attempt": 1,
                    "mode": "live", "manner": "graceful", "application": "shop",
                    "next": "muster status r00000000001",
                },
            },
        })
    );

    // The next process does not know that it was told: the same event again, which is the same incident.
    let next = world.real(vec![pager(&site)]).await;
    let Answer::Done(_) = next.begin(&telling).await.unwrap() else { panic!("it was taken") };
    assert_eq!(body(&site), event);

    telling.mode = Mode::Drill;
    telling.summary = "é".repeat(3_000);
    let drill = world.real(vec![pager(&site)]).await;
    let Answer::Done(_) = drill.begin(&telling).await.unwrap() else { panic!("it was taken") };
    let summary = body(&site)["payload"]["summary"].as_str().unwrap().to_owned();
    assert_eq!(summary.chars().count(), 1_024);
    assert!(summary.starts_with("DRILL: éé") && summary.ends_with('…'), "{summary}");

    for (severity, level) in [("warning", "warning"), ("info", "info")] {
        let with = json!({ "severity": severity, "message": "look" });
        let real = world.real(vec![pager(&site)]).await;
        real.begin(&call(&world, &shop, "notify", with)).await.unwrap();
        let payload = body(&site)["payload"].clone();
        assert_eq!((&payload["severity"], &payload["summary"]), (&json!(level), &json!("look")));
    }
}

/// Goal: too many calls, trouble there and silence are tried again; an event that is not accepted never
/// will be, and ends the step once everybody else has been told; the key is in no word of it.
/// Method: a site with each answer, one that repeats the key; beside a webhook that is down at first.
#[tokio::test]
async fn only_a_refusal_is_final() {
    let world = world!();
    let (site, chat) = (Site::start(429), Site::start(503));
    let receivers = vec![pager(&site), Receiver::new("chat", chat.url())];
    assert!(!format!("{receivers:?}").contains(KEY));
    let real = world.real(receivers).await;
    let shop = application(Value::Null);
    let telling = call(&world, &shop, "notify", json!({ "severity": "critical" }));
    for (status, said) in [(429, "429"), (500, "500"), (302, "302"), (401, "401"), (0, "error")] {
        site.set(status);
        let why = real.begin(&telling).await.unwrap_err();
        let CallError::NoAnswer { source, .. } = &why else { panic!("{status}: {why}") };
        let source = source.to_string();
        assert!(source.contains("`pager` did not take it: ") && source.contains(said), "{source}");
    }
    let before = site.taken().len();
    site.set(400);
    site.say(&format!("{{\"status\":\"invalid event\",\n\"errors\":[\"no service has {KEY}\"]}}"));
    let why = real.begin(&telling).await.unwrap_err();
    assert!(matches!(why, CallError::NoAnswer { .. }), "chat has not been told: {why}");
    chat.set(200);
    let Answer::Failed { reason } = real.begin(&telling).await.unwrap() else { panic!("refused") };
    assert_eq!(
        reason,
        "`pager` refused it: it answered 400 Bad Request: {\"status\":\"invalid event\", \
         \"errors\":[\"no service has …\"]}"
    );
    assert_eq!(site.taken().len(), before + 1, "nobody is told twice who refused");
}
