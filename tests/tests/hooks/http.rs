//! Hooks over HTTP: what is sent, and what counts as a yes.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
};

use muster_runbooks::request::Mode;
use muster_tests::emulator::site::Site;
use serde_json::{Value, json};

use super::{SECRET_ENV, call, hook, real, said, secret, shop};

fn http(url: &str) -> Value {
    json!({ "http": { "url": url } })
}

/// Goal: an application can tell who asks and that it is asked again; only a plain yes counts; what
/// fails says so with its name, and never who vouched for us.
/// Method: a site that says yes, no, and elsewhere; nobody; one whose port takes no connection; one that
/// repeats the token; addresses that hand out credentials, in a plan of an older file.
#[tokio::test]
async fn only_a_yes_is_a_yes() {
    let real = real(None).await;
    let site = Site::start(204);
    let quiesce = hook(
        "quiesce",
        "5s",
        "fail",
        json!({ "http": { "url": site.url(), "token_env": SECRET_ENV } }),
    );
    let plain = shop(std::slice::from_ref(&quiesce));
    assert_eq!(said(&real, &plain).await, "ran 1; ");
    let taken = site.taken();
    let head = &taken[0].head;
    assert!(head.starts_with("post / http/1.1"), "{head}");
    assert!(head.contains("idempotency-key: muster-r00000000001-run-hooks-1\r\n"), "{head}");
    let token = format!("authorization: bearer {}\r\n", secret().to_ascii_lowercase());
    assert!(head.contains(&token), "{head}");
    let body: Value = serde_json::from_str(&taken[0].body).expect("JSON");
    assert_eq!(
        body,
        json!({ "hook": "quiesce", "when": "before-snapshot", "application": "shop",
            "database": "orders", "run": "r00000000001", "step": "run-hooks", "attempt": 1 })
    );

    site.set(500);
    let no = said(&real, &plain).await;
    assert_eq!(no, "failed: hook `quiesce`: it answered 500 Internal Server Error");
    site.set(302);
    let before = site.taken().len();
    let elsewhere = said(&real, &plain).await;
    assert!(elsewhere.contains("302 Found, and redirects are not followed"), "{elsewhere}");
    assert_eq!(site.taken().len(), before + 1);
    site.set(0);
    let broken = said(&real, &plain).await;
    assert!(broken.starts_with("failed: hook `quiesce`: error sending request"), "{broken}");

    let nobody = shop(&[hook("quiesce", "5s", "fail", http("http://127.0.0.1:1/"))]);
    let refused = said(&real, &nobody).await;
    assert!(refused.contains("Connection refused"), "{refused}");
    let metadata = shop(&[hook("quiesce", "5s", "fail", http("http://169.254.169.254/"))]);
    let forbidden = said(&real, &metadata).await;
    assert_eq!(forbidden, "failed: hook `quiesce`: 169.254.169.254 is not asked");
    let unset = json!({ "http": { "url": site.url(), "token_env": "MUSTER_TEST_UNSET" } });
    let unset = said(&real, &shop(&[hook("quiesce", "5s", "fail", unset)])).await;
    assert_eq!(unset, "failed: hook `quiesce`: the environment has no `MUSTER_TEST_UNSET`");

    // It repeats the token, over several lines and in colours.
    let echo = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/", echo.local_addr().expect("an address"));
    std::thread::spawn(move || {
        let (mut stream, _) = echo.accept().expect("a caller");
        let mut asked = [0; 8_192];
        let _ = stream.read(&mut asked).expect("a request");
        let body = format!("\u{1b}[31mno:\r\n\t<{}>\u{7} is none\r\n{}", secret(), "x".repeat(500));
        let length = body.len();
        write!(stream, "HTTP/1.1 403 X\r\nContent-Length: {length}\r\n\r\n{body}")
            .expect("it reads");
    });
    let kind = json!({ "http": { "url": url, "token_env": SECRET_ENV } });
    let echoed = said(&real, &shop(&[hook("quiesce", "5s", "fail", kind)])).await;
    let start = "failed: hook `quiesce`: it answered 403 Forbidden: [31mno: <…> is none xxx";
    assert!(echoed.starts_with(start) && echoed.ends_with("x…"), "{echoed}");
    assert!(echoed.chars().count() < 300, "{echoed}");
}

/// Goal: a hook that says nothing is given up at its limit and never taken for a yes; one that may fail
/// is shown and the next is asked; behind one that must not fail nobody is asked.
/// Method: a port that takes connections and never answers, before a site.
#[tokio::test]
async fn silence_is_no_yes() {
    let real = real(None).await;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent = format!("http://{}/", listener.local_addr().expect("an address"));
    let site = Site::start(200);
    for (on_error, came, asked) in [
        ("fail", "failed: hook `silent`: no answer within 1s", 0),
        ("continue", "ran 1; hook `silent`: no answer within 1s", 1),
    ] {
        let hooks = [
            hook("silent", "1s", on_error, http(&silent)),
            hook("next", "5s", "fail", http(&site.url())),
        ];
        assert_eq!(said(&real, &shop(&hooks)).await, came);
        assert_eq!(site.taken().len(), asked, "{on_error}");
    }
}

/// Goal: no hook is asked in a drill or a preview, nor after the time of its step, whatever asks.
/// Method: such calls, straight to the real world.
#[tokio::test]
async fn nobody_is_asked_where_nothing_is_done() {
    let real = real(None).await;
    let site = Site::start(200);
    let shop = shop(&[hook("quiesce", "5s", "fail", http(&site.url()))]);
    for mode in [Mode::Drill, Mode::Preview] {
        let mut call = call(&shop);
        call.mode = mode;
        let why = real.begin(&call).await.expect_err("it is not for real");
        assert!(why.to_string().contains("live runs only"), "{why}");
    }
    let mut late = call(&shop);
    late.not_after = late.asked_at - jiff::SignedDuration::from_secs(1);
    let answer = real.begin(&late).await.expect("it comes to something");
    assert!(format!("{answer:?}").contains("the time of its step was over"), "{answer:?}");
    assert_eq!(site.taken().len(), 0);
}
