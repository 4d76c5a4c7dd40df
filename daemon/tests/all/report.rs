//! The report of a run behind its doors: served, signed, fetched, and verified without a daemon.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use jiff::SignedDuration;
use muster::{
    cli::Exit,
    clock::Clock,
    envelope::{Envelope, Unbelieved},
    report::{
        PAYLOAD_TYPE,
        verify::{Page, Refused, verify},
    },
    signing::SigningKey,
};
use muster_runbooks::application::detection::PublicKey;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use super::{
    commands::{Said, type_at},
    house::House,
    reads::failover,
};

const NOBODY: &str = "http://127.0.0.1:1";

/// A house that signs, and the public key.
async fn signing() -> (House, PublicKey) {
    let (key, _) = SigningKey::make().unwrap();
    let public = key.public();
    (House::signing(Some(key)).await, public)
}

async fn get(house: &House, path: &str, accept: &str) -> (StatusCode, String, String) {
    let request = Client::new().get(format!("{}{path}", house.url)).header("accept", accept);
    let answer = request.send().await.unwrap();
    let policy = answer.headers().get("content-security-policy").unwrap();
    let (status, policy) = (answer.status(), policy.to_str().unwrap().to_owned());
    (status, policy, answer.text().await.unwrap())
}

/// A small run without an application, so that a page of it can be spoilt byte by byte.
async fn rehearsal(house: &House) -> String {
    let said = type_at(&house.url, "olga", "run rehearsal --reason practice", None).await;
    assert_eq!(said.exit, Exit::Done, "{}", said.err);
    said.out.split_whitespace().nth(1).unwrap().to_owned()
}

/// Types a verb whose words hold paths, which the typist would take apart.
async fn typed(url: &str, line: &str, path: &Path, rest: &str) -> Said {
    let path = path.display().to_string().replace('_', "\u{1}");
    type_at(url, "olga", &format!("{line} {path}{rest}"), None).await
}

/// Goal: the envelope and the page come by the same address, by what is asked for; both say the same, both
/// verify, and the page lets nothing in but its own style.
/// Method: a failover over the real router, in each form; the mistakes that can be made in asking.
#[tokio::test]
async fn it_is_served_in_both_forms() {
    let (house, key) = signing().await;
    let run = failover(&house, "graceful").await;
    let path = format!("/v1/runs/{run}/report");
    let (status, policy, text) = get(&house, &path, "*/*").await;
    assert_eq!((status, policy.contains("sha256")), (StatusCode::OK, false));
    let vouched = verify(text.as_bytes(), &key).unwrap();
    assert_eq!(vouched.page, Page::None);
    let heading = &vouched.payload["run"]["heading"];
    assert_eq!((&heading["run"], &heading["open"]), (&json!(run), &json!(true)));
    assert_eq!(heading["scope"]["application"], "covetpy");
    assert_eq!(vouched.payload["evidence"]["journal_hash"].as_str().unwrap().len(), 64);

    for (path, accept) in [(&path, "text/html,*/*;q=0.8"), (&format!("{path}?format=html"), "*/*")]
    {
        let (status, policy, page) = get(&house, path, accept).await;
        assert_eq!(status, StatusCode::OK);
        assert!(policy.contains("style-src 'sha256-"), "{policy}");
        assert_eq!(verify(page.as_bytes(), &key).unwrap().page, Page::Same);
        for part in 1..=9 {
            assert!(page.contains(&format!("<h1>{part} ")), "part {part}");
        }
        for outside in ["src=", "href=\"/", "http://", "@import"] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
    let forced = format!("{path}?format=json");
    let (_, _, text) = get(&house, &forced, "text/html").await;
    assert!(serde_json::from_str::<Envelope>(&text).is_ok(), "what is asked for goes first");
    let (_, _, page) = get(&house, &format!("/runs/{run}"), "*/*").await;
    assert!(page.contains(&format!("href=\"/v1/runs/{run}/report?format=html\"")));

    let since = Clock::Real.now() - SignedDuration::from_hours(24);
    let (status, _, text) = get(&house, &format!("{path}?since={since}"), "*/*").await;
    assert_eq!(status, StatusCode::OK);
    let payload = verify(text.as_bytes(), &key).unwrap().payload;
    assert_eq!(payload["absent"]["since"], json!(since));
    for wrong in [
        "since=2999-01-01T00:00:00Z",
        "since=2001-01-01T00:00:00Z",
        "since=yesterday",
        "format=pdf",
        "form=html",
    ] {
        let (status, ..) = get(&house, &format!("{path}?{wrong}"), "*/*").await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
    let (status, ..) = get(&house, "/v1/runs/a00000000000/report", "*/*").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (_, _, openapi) = get(&house, "/v1/openapi.json", "*/*").await;
    let openapi: Value = serde_json::from_str(&openapi).unwrap();
    let described = &openapi["paths"]["/v1/runs/{id}/report"]["get"]["responses"]["200"]["content"];
    assert!(described["application/json"].is_object() && described["text/html"].is_object());
}

/// Goal: no byte of what was signed, of the signature or of the page can be another without being noticed.
/// Method: flip every byte of payload and signature, and of the page one in thirteen, each time from
/// another place on.
#[tokio::test]
async fn no_byte_can_be_changed() {
    let (house, key) = signing().await;
    let run = rehearsal(&house).await;
    let path = format!("/v1/runs/{run}/report");
    let (_, _, text) = get(&house, &path, "*/*").await;
    let envelope: Envelope = serde_json::from_str(&text).unwrap();
    assert!(envelope.open(PAYLOAD_TYPE, &key).is_ok());
    let spoilt =
        |envelope: &Envelope| verify(&serde_json::to_vec(envelope).unwrap(), &key).is_err();
    let mut tried = 0;
    for place in 0..envelope.payload.len() {
        let mut other = envelope.clone();
        other.payload = flipped(&other.payload, place);
        assert!(spoilt(&other), "payload, byte {place}");
        tried += 1;
    }
    for place in 0..envelope.signatures[0].sig.len() {
        let mut other = envelope.clone();
        other.signatures[0].sig = flipped(&other.signatures[0].sig, place);
        assert!(spoilt(&other), "signature, byte {place}");
        tried += 1;
    }
    assert!(tried > 3_000, "{tried}");

    let (_, _, page) = get(&house, &format!("{path}?format=html"), "*/*").await;
    assert!(verify(page.as_bytes(), &key).is_ok());
    for place in (0..page.len()).step_by(13) {
        let mut other = page.clone().into_bytes();
        other[place] ^= 1;
        assert!(verify(&other, &key).is_err(), "page, byte {place}: {}", around(&page, place));
    }
    let renamed = page.replace("practice", "a real outage");
    assert!(matches!(verify(renamed.as_bytes(), &key), Err(Refused::Page { .. })));
    // Nobody signs what the key calls itself, and it stands on the page.
    let posing = page.replace(&key.to_string(), &"0".repeat(64));
    assert!(matches!(verify(posing.as_bytes(), &key), Err(Refused::Page { .. })));
    let longer = format!("{page}<p>and more</p>");
    assert!(matches!(verify(longer.as_bytes(), &key), Err(Refused::Page { .. })));
}

/// The text with one byte that is another letter.
fn flipped(text: &str, place: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
    String::from_utf8(bytes).unwrap()
}

fn around(text: &str, place: usize) -> String {
    String::from_utf8_lossy(&text.as_bytes()[place.saturating_sub(30)..=place]).into_owned()
}

/// Goal: whatever lies in a file, the answer is a sentence, and never a panic or a yes.
/// Method: every kind of rubbish, and a good page cut off at many places.
#[tokio::test]
async fn rubbish_is_refused() {
    let (house, key) = signing().await;
    let run = rehearsal(&house).await;
    let (_, _, page) = get(&house, &format!("/v1/runs/{run}/report?format=html"), "*/*").await;
    let open = muster::report::html::OPEN;
    let shells = [
        String::new(),
        "{".to_owned(),
        "{}".to_owned(),
        "[]".to_owned(),
        open.to_owned(),
        format!("{open}</script>"),
        format!("{open}{{}}</script>"),
        json!({ "payloadType": "x", "payload": "", "signatures": [] }).to_string(),
        "[".repeat(100_000),
        format!("{{\"a\":{}", "[".repeat(100_000)),
    ];
    for shell in shells {
        let why = verify(shell.as_bytes(), &key).unwrap_err().to_string();
        assert!(!why.is_empty() && why.len() < 400, "{why}");
    }
    assert!(verify(&[0xff, 0xfe, 0x00], &key).is_err());
    for end in (0..page.len()).step_by(997) {
        assert!(verify(&page.as_bytes()[..end], &key).is_err(), "{end}");
    }
    let foreign = json!({ "payloadType": "application/vnd.in-toto+json", "payload": "e30=", "signatures": [] });
    let why = verify(foreign.to_string().as_bytes(), &key).unwrap_err();
    assert!(matches!(why, Refused::Envelope(Unbelieved::Type { .. })));
}

/// Goal: a person fetches a report, keeps it, and verifies it where no daemon is; the exit code is the
/// answer.
/// Method: the command line; the files are moved between the verbs; nobody listens at the second address.
#[tokio::test]
async fn it_is_fetched_and_verified() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let said = typed(NOBODY, "report key --out", &file("key"), "").await;
    assert_eq!(said.exit, Exit::Done, "{}", said.err);
    let public = said.out.lines().find_map(|line| line.strip_prefix("key: ")).unwrap().to_owned();
    let house = House::signing(Some(SigningKey::load(&file("key")).unwrap())).await;
    let url = house.url.as_str();
    let run = failover(&house, "forced").await;
    for (format, page) in [("html", "shows what was signed"), ("json", "the file is the envelope")]
    {
        let path = file(&format!("report.{format}"));
        let said = typed(url, &format!("report {run} --format {format} --out"), &path, "").await;
        assert_eq!(said.exit, Exit::Done, "{}", said.err);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = typed(url, &format!("report {run} --format {format} --out"), &path, "").await;
        assert_eq!(again.exit, Exit::BadUse, "no report is written over");
        let said = typed(NOBODY, "report verify", &path, &format!(" --key {public}")).await;
        assert_eq!(said.exit, Exit::Done, "{}{}", said.out, said.err);
        assert!(said.out.contains(page) && said.out.contains(&run), "{}", said.out);
        let json =
            typed(NOBODY, "--output json report verify", &path, &format!(" --key {public}")).await;
        let json: Value = serde_json::from_str(&json.out).unwrap();
        assert_eq!((&json["verified"], &json["report"]["v"]), (&json!(true), &json!(1)));
        let other = SigningKey::make().unwrap().0.public();
        let said = typed(NOBODY, "report verify", &path, &format!(" --key {other}")).await;
        assert_eq!(
            (said.exit, said.out.contains("NOT VERIFIED")),
            (Exit::No, true),
            "{}",
            said.out
        );
    }
    let printed = type_at(url, "vic", &format!("report {run}"), None).await;
    assert!(serde_json::from_str::<Envelope>(&printed.out).is_ok());
    assert_eq!(
        type_at(NOBODY, "vic", &format!("report {run}"), None).await.exit,
        Exit::Unreachable
    );
    assert_eq!(type_at(url, "vic", "report a00000000000", None).await.exit, Exit::No);

    let key = format!(" --key {public}");
    assert_eq!(typed(NOBODY, "report verify", &file("gone"), &key).await.exit, Exit::BadUse);
    let large = fs::File::create(file("large")).unwrap();
    large.set_len(65 * 1024 * 1024).unwrap();
    let said = typed(NOBODY, "report verify", &file("large"), &key).await;
    assert_eq!(
        (said.exit, said.err.contains("more than 67108864 bytes")),
        (Exit::BadUse, true),
        "{}",
        said.err
    );
    let again = typed(NOBODY, "report key --out", &file("key"), "").await;
    assert_eq!(again.exit, Exit::BadUse, "a key is not written over");
}

/// Goal: without a key the report says that it is not signed, wherever somebody could take it for signed.
#[tokio::test]
async fn unsigned_is_said() {
    let house = House::open().await;
    let run = rehearsal(&house).await;
    let path = format!("/v1/runs/{run}/report");
    let (_, _, text) = get(&house, &path, "*/*").await;
    let envelope: Envelope = serde_json::from_str(&text).unwrap();
    assert!(envelope.signatures.is_empty());
    let (_, _, page) = get(&house, &format!("{path}?format=html"), "*/*").await;
    assert!(page.contains("NOT SIGNED"));
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::make().unwrap().0.public();
    for text in [text, page] {
        fs::write(folder.path().join("file"), text).unwrap();
        let said =
            typed(NOBODY, "report verify", &folder.path().join("file"), &format!(" --key {key}"))
                .await;
        assert_eq!((said.exit, said.out.contains("not signed")), (Exit::No, true), "{}", said.out);
    }
}

/// Goal: the page of another program is not called right nor wrong: what was signed is, and that is said.
/// Method: a payload that names another program, signed with the same key, in a page of any text.
#[tokio::test]
async fn another_program_is_said() {
    let (key, _) = SigningKey::make().unwrap();
    let public = key.public();
    let (house, _) = signing().await;
    let run = rehearsal(&house).await;
    let (_, _, text) = get(&house, &format!("/v1/runs/{run}/report"), "*/*").await;
    let envelope: Envelope = serde_json::from_str(&text).unwrap();
    let mut report: muster::report::Report =
        serde_json::from_slice(&envelope.payload().unwrap()).unwrap();
    report.made_by = "0.0.1 (build old)".to_owned();
    let envelope = Envelope::seal(PAYLOAD_TYPE, &report, Some(&key));
    let inside = serde_json::to_string(&envelope).unwrap();
    let page = format!("<p>whatever</p>{}{inside}</script>", muster::report::html::OPEN);
    let vouched = verify(page.as_bytes(), &public).unwrap();
    assert_eq!(vouched.page, Page::Other { made_by: "0.0.1 (build old)".to_owned() });
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), page).unwrap();
    let said =
        typed(NOBODY, "report verify", &folder.path().join("file"), &format!(" --key {public}"))
            .await;
    assert_eq!((said.exit, said.out.contains("NOT CHECKED")), (Exit::Done, true), "{}", said.out);
}
