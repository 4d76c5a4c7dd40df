//! `call-http`: what is sent, what counts as a yes, and what is picked from it.

use muster::{clock::Clock, world::real::Real};
use muster_runbooks::request::Mode;
use muster_state::call::{Answer, Call, CallError, Progress};
use muster_tests::emulator::{calls, site::Site};
use serde_json::{Value, json};

use super::{SECRET_ENV, real, secret};

const KEY: &str = "idempotency-key: muster-r00000000001-call-http-1\r\n";

fn call(with: Value) -> Call {
    calls::call_at(Clock::Real.now(), &calls::application(Value::Null), "call-http", with)
}

/// How a begin ended, in a word and what was said.
async fn begun(real: &Real, call: &Call) -> (&'static str, String) {
    match real.begin(call).await {
        Ok(Answer::Done(done)) => ("done", json!(done.outputs).to_string()),
        Ok(Answer::Accepted) => ("accepted", String::new()),
        Ok(Answer::Busy { reason }) => ("busy", reason),
        Ok(Answer::Failed { reason }) => ("failed", reason),
        Err(CallError::NoAnswer { source, .. }) => ("no answer", source.to_string()),
        Err(why @ CallError::Refused { .. }) => ("refused", why.to_string()),
        Err(why @ CallError::Credentials { .. }) => ("credentials", why.to_string()),
    }
}

/// Goal: whoever is called can tell who calls and that it is the same call again; what is written in the
/// file arrives, with the names of this run; and what is picked becomes an output.
/// Method: a site that answers as an endpoint with a ticket does; its first answer is lost.
#[tokio::test]
async fn a_call_bears_its_name() {
    let real = real(None).await;
    let site = Site::start(0);
    site.say("{ \"ticket\": \"T-7\", \"n\": 3, \"done\": true, \"rest\": [1] }");
    let call = call(json!({
        "method": "PUT", "url": format!("{}moves/{{application}}?to={{standby}}", site.url()),
        "body": ["side={active}", "n=5", "really=true", "note=by {token}"],
        "headers": ["X-Team: dr"], "token_env": SECRET_ENV, "pick": ["ticket", "n", "done"],
    }));
    assert_eq!(real.observe(&call).await.unwrap().progress, Progress::not_started());
    assert_eq!(site.taken().len(), 0, "there is nobody to ask");
    assert_eq!(begun(&real, &call).await.0, "no answer");
    site.set(201);
    let (word, outputs) = begun(&real, &call).await;
    assert_eq!(
        (word, outputs.as_str()),
        ("done", r#"{"done":"true","n":"3","status":201,"ticket":"T-7"}"#)
    );
    let taken = site.taken();
    assert_eq!(taken.len(), 2);
    for one in &taken {
        assert!(one.head.starts_with("put /moves/shop?to=us-west-2 http/1.1"), "{}", one.head);
        let token = format!("authorization: bearer {}\r\n", secret().to_ascii_lowercase());
        for part in [KEY, "x-team: dr\r\n", token.as_str()] {
            assert!(one.head.contains(part), "{part}: {}", one.head);
        }
        let body: Value = serde_json::from_str(&one.body).unwrap();
        let note = "by muster-r00000000001-call-http-1";
        assert_eq!(body, json!({ "side": "us-east-1", "n": 5, "really": true, "note": note }));
    }
}

/// Goal: what may have taken effect stays open, what is still at work is looked at again, and what was
/// refused is final: another attempt would bear another key. What vouched for us is in no word of it.
/// Method: every sort of answer, each with a body that repeats the token.
#[tokio::test]
async fn what_answers_mean() {
    let real = real(None).await;
    let site = Site::start(200);
    site.say(&format!("no: <{}>", secret()));
    let call = call(json!({ "method": "POST", "url": site.url(), "token_env": SECRET_ENV }));
    for (status, wanted) in [
        (0, "no answer"),
        (408, "no answer"),
        (429, "no answer"),
        (500, "no answer"),
        (503, "no answer"),
        (409, "busy"),
        (401, "credentials"),
        (400, "refused"),
        (403, "refused"),
        (404, "refused"),
        (422, "refused"),
        (302, "refused"),
        (204, "done"),
    ] {
        site.set(status);
        let before = site.taken().len();
        let (word, said) = begun(&real, &call).await;
        assert_eq!(word, wanted, "{status}: {said}");
        assert!(!said.contains(&secret()), "{said}");
        assert_eq!(site.taken().len(), before + 1, "{status}: asked once, and nowhere else");
    }
    site.set(403);
    let (_, said) = begun(&real, &call).await;
    assert!(said.contains("it answered 403 Forbidden: no: <…>"), "{said}");
}

/// Goal: a yes is the status that was declared, and gives what was declared; where it does not, the step
/// ends, and is not tried again under another key.
#[tokio::test]
async fn a_yes_gives_what_was_declared() {
    let real = real(None).await;
    let site = Site::start(200);
    site.say("{ \"other\": {} }");
    let with = |more: Value| {
        let mut with = json!({ "method": "POST", "url": site.url() });
        for (name, value) in more.as_object().unwrap() {
            with[name] = value.clone();
        }
        call(with)
    };
    let other = begun(&real, &with(json!({ "expect_status": 202 }))).await;
    assert!(other.0 == "refused" && other.1.contains("it answered 200 OK"), "{other:?}");
    for name in ["ticket", "other"] {
        let missing = begun(&real, &with(json!({ "pick": [name] }))).await;
        let said =
            format!("it is done, but its answer has no text, number or truth called `{name}`");
        assert!(missing.0 == "refused" && missing.1.contains(&said), "{missing:?}");
    }
}

/// Goal: where somebody can be asked whether it is done, it is done when they say so.
/// Method: a second site, which says that it knows nothing, that it is at work, that it is ill, and yes.
#[tokio::test]
async fn it_is_done_when_it_says_so() {
    let real = real(None).await;
    let (site, check) = (Site::start(202), Site::start(404));
    let call = call(json!({
        "method": "POST", "url": site.url(), "pick": ["ticket"],
        "check_url": format!("{}of/{{token}}", check.url()),
    }));
    let look = async || real.observe(&call).await.map(|reading| reading.progress);
    assert_eq!(look().await.unwrap(), Progress::not_started());
    assert_eq!(begun(&real, &call).await.0, "accepted");
    check.set(202);
    assert!(matches!(look().await.unwrap(), Progress::InProgress { .. }));
    check.set(503);
    assert!(matches!(look().await, Err(CallError::NoAnswer { .. })));
    check.set(403);
    assert!(matches!(look().await, Err(CallError::Refused { .. })));
    check.set(200);
    check.say("{ \"ticket\": \"T-8\" }");
    let Progress::Done(done) = look().await.unwrap() else { panic!("it says so") };
    assert_eq!(done.outputs["ticket"], json!("T-8"));
    let head = &check.taken()[0].head;
    assert!(head.starts_with("get /of/muster-r00000000001-call-http-1 ") && head.contains(KEY));
    assert_eq!(site.taken().len(), 1, "a look changes nothing");
}

/// Goal: nobody is called in a drill or a preview, no address that hands out credentials is, and what no
/// check has seen is judged when it is sent.
/// Method: such calls, straight to the real world.
#[tokio::test]
async fn nobody_is_called_who_must_not_be() {
    let real = real(None).await;
    let site = Site::start(200);
    for mode in [Mode::Drill, Mode::Preview] {
        let mut call =
            call(json!({ "method": "POST", "url": site.url(), "check_url": site.url() }));
        call.mode = mode;
        assert!(begun(&real, &call).await.1.contains("live runs only"));
        assert!(real.observe(&call).await.unwrap_err().to_string().contains("live runs only"));
    }
    let url = site.url();
    for (with, said) in [
        (json!({ "url": "http://169.254.169.254/" }), "metadata addresses are not asked"),
        (json!({ "url": "http://covetpy.example/" }), "only loopback is asked in the clear"),
        (
            json!({ "url": "https://ana:pw@covetpy.example/" }),
            "must not carry a name or a password",
        ),
        (json!({ "headers": ["Authorization: Bearer x"] }), "is not for a file to set"),
        (json!({ "headers": ["A: b\r\nc: d"] }), "is not `Name: value` in plain letters"),
        (json!({ "body": ["x"] }), "is not `name=value`"),
        (json!({ "pick": ["status"] }), "cannot be the name of an output"),
        (json!({ "expect_status": 500 }), "is not a status between 200 and 299"),
        (json!({ "token_env": "$(id)" }), "is not the name of an environment variable"),
        (json!({ "token_env": "MUSTER_TEST_UNSET" }), "the environment has no `MUSTER_TEST_UNSET`"),
    ] {
        let mut all = json!({ "method": "POST", "url": url });
        for (name, value) in with.as_object().unwrap() {
            all[name] = value.clone();
        }
        let (word, why) = begun(&real, &call(all)).await;
        assert!(word == "refused" && why.contains(said), "{said}: {word}, {why}");
    }
    assert_eq!(site.taken().len(), 0);
}
