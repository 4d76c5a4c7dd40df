//! Who is let in: secrets, certificates, and nothing in the clear beyond the machine.

use muster::clock::Clock;
use muster_state::call::{CallError, Progress, in_one_line};
use muster_tests::{
    emulator::{EAST, Emulator, WEST, calls},
    postgres::{Certificates, OWNER, Postgres, Side},
};
use serde_json::{Value, json};

use super::{READER, fill, password, postgres, real, shop, shop_with};

fn people() -> Value {
    json!([{ "name": "total", "query": { "sql": "select count(*) from orders", "equals": 101 } }])
}

/// Goal: a password that Secrets Manager holds is read when a connection is made, in the region of the
/// database, and neither it nor what stands beside it is ever shown.
/// Method: secrets as RDS writes them in the emulated AWS: a right one, a wrong one, one that is no
/// login, one that is not there; and a restored cluster's own.
#[tokio::test]
async fn a_secret_is_read_when_it_is_needed() {
    let Some(world) = Emulator::start() else { return };
    let postgres = postgres!();
    fill(&postgres).await;
    let password = password();
    let written = json!({ "username": READER, "password": password, "host": "elsewhere" });
    let right = world.secret(EAST, "right", &written.to_string()).await;
    let wrong = json!({ "username": READER, "password": "hunter2" }).to_string();
    let wrong = world.secret(EAST, "wrong", &wrong).await;
    let west = world.secret(WEST, "west", &written.to_string()).await;
    let noise = world.secret(EAST, "noise", "hunter2, and nothing else").await;
    let real = world.real(Vec::new()).await;
    let mut shop = shop(&postgres, people());
    let look = async |secret: &str, with: Value| {
        let mut shop = shop.clone();
        let login = &mut shop.databases[0].sql.as_mut().expect("declared").login;
        (login.user, login.password_env) = (None, None);
        login.secret =
            [(EAST.to_owned(), secret.to_owned()), (WEST.to_owned(), west.clone())].into();
        let call = calls::call(&world, &shop, "check-sql", with);
        real.observe(&call).await.map(|reading| reading.progress)
    };
    let seen = look(&right, json!({})).await.expect("an answer");
    assert!(matches!(seen, Progress::Done(_)), "{seen}");
    let why = look(&wrong, json!({})).await.expect_err("it is wrong");
    assert!(matches!(&why, CallError::Credentials { code, .. } if code == "28P01"), "{why:?}");
    for (secret, meant) in [
        (noise.as_str(), "holds no `username` and `password`"),
        ("arn:aws:secretsmanager:us-east-1:123456789012:secret:gone-AbCdEf", "ResourceNotFound"),
    ] {
        let why = look(secret, json!({})).await.expect_err("there is no login in it");
        assert!(matches!(why, CallError::Refused { .. }), "{why:?}");
        let said = format!("{} {why:?}", in_one_line(&why));
        assert!(said.contains(meant) && !said.contains("hunter2"), "{said}");
    }
    // The other side has a secret of its own, and a restored cluster one that only its run knows.
    let seen = look(&wrong, json!({ "at": "standby" })).await.expect("an answer");
    assert!(matches!(seen, Progress::Done(_)), "{seen}");
    let restored = json!({ "endpoint": postgres.endpoint(Side::Primary), "secret": right });
    let seen = look(&wrong, restored).await.expect("an answer");
    assert!(matches!(seen, Progress::Done(_)), "{seen}");
    let asked = world.calls("GetSecretValue").await;
    assert!(asked.iter().any(|call| call["region"] == WEST), "{asked:?}");
    // No cluster of this name is in the emulated AWS: a definite answer.
    shop.databases[0].sql.as_mut().expect("declared").endpoints.clear();
    let call = calls::call(&world, &shop, "check-sql", json!({ "cluster": "muster-drill-x" }));
    let why = real.observe(&call).await.expect_err("there is none");
    assert!(matches!(why, CallError::Refused { .. }), "{why:?}");
}

/// Goal: a server that its authority vouches for is talked to, in secret; one that it does not is not,
/// nor one of another name; and nothing goes to another machine in the clear, whatever a plan says.
/// Method: a real server with a certificate; the right authority, another one, another name.
#[tokio::test]
async fn a_server_must_prove_who_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(own) = Certificates::make(folder.path(), "IP:127.0.0.1") else { return };
    let other = tempfile::tempdir().expect("a folder");
    let Some(other) =
        Certificates::make(other.path(), "DNS:db.example.com").map(|made| (other, made))
    else {
        return;
    };
    let (certificate, key) = (own.certificate.display(), own.key.display());
    let settings = [
        "ssl=on".to_owned(),
        format!("ssl_cert_file={certificate}"),
        format!("ssl_key_file={key}"),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let Some(postgres) = Postgres::with(&settings).await else { return };
    fill(&postgres).await;
    // The server itself says whether what it hears is in secret.
    let checks = json!([{ "name": "secret", "query": {
        "sql": "select ssl from pg_stat_ssl where pid = pg_backend_pid()", "equals": true } }]);
    let look = async |at: &Postgres, mode: &str, authority: Option<&std::path::Path>| {
        let mut sql = super::sql(&at.endpoint(Side::Primary), &at.endpoint(Side::Primary));
        sql["sslmode"] = json!(mode);
        if let Some(authority) = authority {
            sql["ca_file"] = json!(authority.display().to_string());
        }
        let shop = shop_with(at, json!({ "checks": checks, "sql": sql }));
        let call = calls::call_at(Clock::Real.now(), &shop, "check-sql", json!({}));
        real(Clock::Real).await.observe(&call).await.map(|reading| reading.progress.to_string())
    };
    let mine = Some(own.authority.as_path());
    for (mode, authority) in [("verify-full", mine), ("require", mine), ("require", None)] {
        let seen = look(&postgres, mode, authority).await.expect("an answer");
        assert_eq!(seen, "done", "{mode}");
    }
    let plain = look(&postgres, "disable", None).await.expect("an answer");
    assert!(plain.contains("it is `f`, not `t`"), "{plain}");
    let why =
        look(&postgres, "verify-full", Some(&other.1.authority)).await.expect_err("a stranger");
    assert!(in_one_line(&why).contains("invalid peer certificate"), "{}", in_one_line(&why));
    let why = look(&postgres, "verify-full", Some(&own.key)).await.expect_err("no certificate");
    assert!(why.to_string().contains("it holds no certificate"), "{why}");

    let (certificate, key) = (other.1.certificate.display(), other.1.key.display());
    let settings = [
        "ssl=on".to_owned(),
        format!("ssl_cert_file={certificate}"),
        format!("ssl_key_file={key}"),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let Some(renamed) = Postgres::with(&settings).await else { return };
    let why = look(&renamed, "verify-full", Some(&other.1.authority)).await.expect_err("its name");
    assert!(in_one_line(&why).contains("not valid for name"), "{}", in_one_line(&why));

    // A plan of an older file, or a restored cluster's endpoint: judged again where it is used.
    let shop = shop(&postgres, people());
    let with = json!({ "endpoint": "db.example.com:5432" });
    let call = calls::call_at(Clock::Real.now(), &shop, "check-sql", with);
    let why = real(Clock::Real).await.observe(&call).await.expect_err("in the clear").to_string();
    assert!(why.contains("NotSecure") && why.contains("plain text is for loopback only"), "{why}");
    // A server that wants no secret is no reason to give it up.
    let naked = postgres!();
    let why = look(&naked, "require", None).await.expect_err("it cannot");
    assert!(in_one_line(&why).contains("does not support TLS"), "{}", in_one_line(&why));
    assert!(naked.ask_as(Side::Primary, OWNER, "wrong", "select 1").await.is_err());
}
