//! Findings that people raise, give to somebody and settle.

use muster::cli::Exit;
use muster_state::{catalog::Finding, command::Command};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{
    commands::type_at,
    house::House,
    reads::{get, post},
};

const PATH: &str = "/v1/applications/covetpy/findings";

async fn standing(house: &House) -> Vec<Value> {
    let view = get(house, "/v1/applications/covetpy").await;
    view["findings"].as_array().unwrap().clone()
}

/// Goal: what somebody found in a drill stands, with an owner and a date, until somebody says how it was
/// settled; it is on the page and in the exit code.
/// Method: the command line as three people; the last word about the owner counts.
#[tokio::test]
async fn raised_given_and_settled() {
    let house = House::open().await;
    let url = house.url.as_str();
    let said = type_at(url, "vic", "findings covetpy", None).await;
    assert_eq!(said.exit, Exit::Done, "{}{}", said.out, said.err);

    let raise = "finding raise covetpy standby-quota --message the_quota_is_8 --hint raise_it_to_64 \
                 --reason seen_in_the_drill";
    let said = type_at(url, "olga", raise, None).await;
    assert_eq!(said.exit, Exit::Done, "{}", said.err);
    assert!(said.out.contains("nobody's: muster finding assign covetpy raised/standby-quota"));
    for (to, due) in [("mia", "2d"), ("noah", "14d")] {
        let line = format!(
            "finding assign covetpy raised/standby-quota --to {to} --due {due} --ticket OPS-7 \
             --reason theirs"
        );
        let said = type_at(url, "olga", &line, None).await;
        assert_eq!(said.exit, Exit::Done, "{}", said.err);
        assert!(said.out.contains(&format!("{to}, due ")), "{}", said.out);
    }
    let said = type_at(url, "vic", "findings", None).await;
    assert_eq!(said.exit, Exit::No, "something stands");
    assert!(said.out.contains("the quota is 8") && said.out.contains("noah, due "), "{}", said.out);
    let page = reqwest::get(url).await.unwrap().text().await.unwrap();
    assert!(page.contains("noah's until") && page.contains("OPS-7"), "{page}");

    let settle = "finding settle covetpy raised/standby-quota --reason it_is_64_now";
    assert_eq!(type_at(url, "vic", settle, None).await.exit, Exit::No, "a viewer only looks");
    assert_eq!(type_at(url, "olga", settle, None).await.exit, Exit::Done);
    assert_eq!(standing(&house).await, Vec::<Value>::new());
    assert_eq!(type_at(url, "olga", settle, None).await.exit, Exit::No, "it no longer stands");
}

/// Goal: what cannot be taken changes nothing, and says why.
/// Method: each word about a finding, wrong in one thing.
#[tokio::test]
async fn what_cannot_be_taken() {
    let house = House::open().await;
    let raise = json!({ "name": "quota", "message": "low", "hint": "raise it", "reason": "seen" });
    let (status, _) = post(&house, PATH, "olga", raise.clone()).await;
    assert_eq!(status, StatusCode::OK);
    let found =
        Finding { id: "lag".to_owned(), message: "it lags".to_owned(), hint: "look".to_owned() };
    let application = "covetpy".parse().unwrap();
    let found = Command::Finding { application, finding: Ok(found) };
    house.api.intake().command(found).await.unwrap();
    let before = house.facts();
    let with = |mut body: Value, key: &str, value: Value| {
        body[key] = value;
        body
    };
    let assign = json!({
        "id": "raised/quota", "owner": "mia", "due_at": "2040-01-01T00:00:00Z", "reason": "hers",
    });
    let (assigning, settling) = (format!("{PATH}/assign"), format!("{PATH}/settle"));
    let cases = [
        (PATH, with(raise.clone(), "message", json!(" ")), 422, "it is empty"),
        (PATH, with(raise.clone(), "hint", json!("x".repeat(2_001))), 422, "longer than 2000"),
        (PATH, with(raise.clone(), "message", json!("a\u{7}b")), 422, "control characters"),
        (PATH, with(raise.clone(), "name", json!("../x")), 400, "`../x`"),
        (PATH, with(raise, "reason", json!("")), 422, "say why"),
        (&assigning, assign.clone(), 422, "within the next two years"),
        (&assigning, with(assign.clone(), "due_at", json!("2001-01-01T00:00:00Z")), 422, "within"),
        (&assigning, with(assign.clone(), "owner", json!("")), 422, "it is empty"),
        (&assigning, with(assign, "id", json!("gone")), 404, "no finding `gone` stands"),
        (&settling, json!({ "id": "gone", "reason": "it is" }), 404, "no finding `gone` stands"),
        (&settling, json!({ "id": "lag", "reason": "it is gone" }), 409, "closes when the check"),
    ];
    for (path, body, code, why) in cases {
        let (status, said) = post(&house, path, "olga", body).await;
        assert_eq!(status.as_u16(), code, "{why}: {said}");
        assert!(said["detail"].as_str().unwrap().contains(why), "{why}: {said}");
    }
    assert_eq!(house.facts(), before);
}
