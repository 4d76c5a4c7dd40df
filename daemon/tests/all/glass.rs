//! A lone person and approvals that were sealed beforehand: what opens them, what does not, and what stays
//! behind.

use std::{collections::BTreeMap, fs};

use jiff::{SignedDuration, Timestamp};
use muster::{
    cli::Exit,
    clock::Clock,
    envelope::Envelope,
    glass::{Glass, PAYLOAD_TYPE, Sealed},
    signing::SigningKey,
};
use muster_runbooks::action::control::Risk;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{
    commands::type_at,
    house::House,
    reads::{failover, get, post},
};

const ALL: [Risk; 4] =
    [Risk::UnprovenFence, Risk::DataLossOverMax, Risk::ObserversDisagree, Risk::NoWayBack];

/// Approvers with their keys, and a house that believes them.
struct Safe {
    house: House,
    keys: BTreeMap<&'static str, SigningKey>,
}

fn key() -> SigningKey {
    SigningKey::make().unwrap().0
}

fn in_hours(hours: i64) -> Timestamp {
    Clock::Real.now() + SignedDuration::from_hours(hours)
}

impl Safe {
    async fn build() -> Safe {
        let keys: BTreeMap<&'static str, SigningKey> =
            ["ben", "cara", "olga"].map(|name| (name, key())).into();
        let public = keys.iter().map(|(name, key)| ((*name).to_owned(), key.public())).collect();
        let house = House::behind_glass(Glass { needed: 2, keys: public }).await;
        Safe { house, keys }
    }

    fn seal(&self, by: &str, change: impl FnOnce(&mut Sealed)) -> Envelope {
        let (application, runbook) =
            ("covetpy".parse().unwrap(), "region-failover".parse().unwrap());
        let made = Sealed::seal(
            by,
            [application].into(),
            [runbook].into(),
            ALL.to_vec(),
            in_hours(24),
            &self.keys[by],
        );
        let mut sealed: Sealed = serde_json::from_slice(&made.unwrap().payload().unwrap()).unwrap();
        change(&mut sealed);
        Envelope::seal(PAYLOAD_TYPE, &sealed, Some(&self.keys[by]))
    }

    fn good(&self, by: &str) -> Envelope {
        self.seal(by, |_| ())
    }

    async fn open(&self, run: &str, who: &str, seals: &[Envelope]) -> (StatusCode, Value) {
        self.open_with(run, who, seals, |_| ()).await
    }

    async fn open_with(
        &self,
        run: &str,
        who: &str,
        seals: &[Envelope],
        change: impl FnOnce(&mut Value),
    ) -> (StatusCode, Value) {
        let view = get(&self.house, &format!("/v1/runs/{run}")).await;
        let asked = &view["approvals"][0];
        let mut body = json!({
            "step": asked["step"], "plan_hash": view["plan_hash"], "seals": seals,
            "accepts": asked["must_accept"], "reason": "nobody answers the phone",
        });
        change(&mut body);
        post(&self.house, &format!("/v1/runs/{run}/break-glass"), who, body).await
    }
}

async fn findings(house: &House) -> Value {
    get(house, "/v1/applications/covetpy").await["findings"].clone()
}

/// Goal: on a night on which nobody else can be reached, one person goes on with what two approvers sealed
/// beforehand; everybody hears of it, somebody else must review it, and nothing is opened twice.
/// Method: a forced failover whose loss is unknown, so that two must approve; then another run.
#[tokio::test]
async fn a_lone_person_opens_what_was_sealed() {
    let safe = Safe::build().await;
    let run = failover(&safe.house, "forced").await;
    let seals = [safe.good("ben"), safe.good("cara")];
    let (status, answer) = safe.open(&run, "ana", &seals).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let view = get(&safe.house, &format!("/v1/runs/{run}")).await;
    let approve = view["steps"].as_array().unwrap().iter().find(|step| step["id"] == "approve");
    assert_eq!(approve.unwrap()["outputs"]["approved_by"], "ben, cara");

    // Loud: the on-call is paged, and the finding has an owner and a date.
    let runs = get(&safe.house, "/v1/runs").await.to_string();
    assert!(runs.contains("page-on-call"), "{runs}");
    let id = format!("break-glass/{run}");
    let found = findings(&safe.house).await;
    let finding = found.as_array().unwrap().iter().find(|one| one["id"] == json!(id)).unwrap();
    assert_eq!(
        (&finding["raised_by"], &finding["care"]["owner"]),
        (&json!("ana"), &json!("the approvers"))
    );

    // Once: the same seals open no other run, whole or in part.
    let (status, _) = post(
        &safe.house,
        &format!("/v1/runs/{run}/abandon"),
        "olga",
        json!({ "reason": "a test" }),
    )
    .await;
    assert_eq!(status, StatusCode::OK);
    let other = failover(&safe.house, "forced").await;
    for again in [&seals[..], &[safe.good("ben"), seals[1].clone()]] {
        let (status, said) = safe.open(&other, "ana", again).await;
        let told = (status, &said["type"], &said["run"]);
        let expected = json!("seal-opened");
        assert!(told.1.as_str().unwrap().ends_with(expected.as_str().unwrap()), "{said}");
        assert_eq!((told.0, told.2), (StatusCode::FORBIDDEN, &json!(run)));
    }

    // Reviewed by an approver who did not break it.
    let settle = json!({ "id": id, "reason": "the report was read" });
    let path = "/v1/applications/covetpy/findings/settle";
    for (who, expected) in
        [("olga", StatusCode::FORBIDDEN), ("ana", StatusCode::FORBIDDEN), ("adam", StatusCode::OK)]
    {
        let (status, said) = post(&safe.house, path, who, settle.clone()).await;
        assert_eq!(status, expected, "{who}: {said}");
    }
    assert!(!findings(&safe.house).await.to_string().contains("break-glass/"));
}

/// Goal: what is not exactly what approvers sealed for this opens nothing, changes nothing, and is in the
/// audit trail.
/// Method: two seals of which one is good, and the other differs from a good one in one thing; and words that
/// do not fit the run.
#[tokio::test]
async fn what_opens_nothing() {
    let safe = Safe::build().await;
    let run = failover(&safe.house, "forced").await;
    let before = safe.house.facts();
    let stranger = key();
    let forged = Envelope::seal(
        PAYLOAD_TYPE,
        &serde_json::from_slice::<Sealed>(&safe.good("cara").payload().unwrap()).unwrap(),
        Some(&stranger),
    );
    let mut spoilt = safe.good("cara");
    spoilt.payload = safe.seal("cara", |one| one.until = in_hours(48)).payload;
    let report =
        Envelope::seal("application/vnd.muster.report+json", &json!({}), Some(&safe.keys["cara"]));
    let other_app = "till".parse().unwrap();
    let other_runbook = "region-failback".parse().unwrap();
    let cases = [
        (safe.good("ben"), "1 of 2"),
        // Who asked for the run, and who opens it, are no second person.
        (safe.good("olga"), "1 of 2"),
        (forged, "no signature"),
        (spoilt, "no signature"),
        (report, "and not `application/vnd.muster.sealed"),
        (safe.seal("cara", |one| one.by = "ben".to_owned()), "says that it is of `ben`"),
        (safe.seal("cara", |one| one.v = 2), "version 2"),
        (safe.seal("cara", |one| one.until = in_hours(-1)), "was good until"),
        (safe.seal("cara", |one| one.until = in_hours(24 * 367)), "longer than a year"),
        (safe.seal("cara", |one| one.applications = [other_app].into()), "not about `covetpy`"),
        (safe.seal("cara", |one| one.runbooks = [other_runbook].into()), "`region-failover`"),
        (safe.seal("cara", |one| one.accepts = vec![Risk::NoWayBack]), "does not accept"),
    ];
    let count = cases.len();
    for (seal, why) in cases {
        let (status, said) = safe.open(&run, "ana", &[safe.good("ben"), seal]).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{why}: {said}");
        assert!(said["detail"].as_str().unwrap().contains(why), "{why}: {said}");
    }
    let (status, said) = safe.open(&run, "ana", &[]).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "none at all: {said}");
    let good = [safe.good("ben"), safe.good("cara")];
    let (status, said) =
        safe.open_with(&run, "ana", &good, |body| body["accepts"] = json!([])).await;
    assert_eq!(status, StatusCode::CONFLICT, "{said}");
    let other = |body: &mut Value| body["plan_hash"] = json!("0".repeat(64));
    let (status, said) = safe.open_with(&run, "ana", &good, other).await;
    assert_eq!(status, StatusCode::CONFLICT, "{said}");
    let (status, said) = safe.open(&run, "vic", &good).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{said}");
    assert_eq!(safe.house.facts(), before, "nothing was written down but the refusals");
    // All but the risk that was not ticked, which is a slip and no attack.
    assert_eq!(safe.house.refusals().len(), count + 3);

    let plain = House::open().await;
    let run = failover(&plain, "forced").await;
    let safe = Safe { house: plain, keys: safe.keys };
    let (status, said) = safe.open(&run, "ana", &good).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(said["detail"].as_str().unwrap().contains("no approver's key"), "{said}");
}

/// Goal: everything of it is done with the command line: the key, the seal, and the night.
/// Method: the lines as people type them; the files that they make are read by nobody else.
#[tokio::test]
async fn sealed_and_opened_by_typing() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let nobody = "http://127.0.0.1:1";
    let mut keys = BTreeMap::new();
    for name in ["ben", "cara"] {
        let line = format!("break-glass key --out {}", at(&format!("{name}.key")));
        let said = type_at(nobody, name, &line, None).await;
        assert_eq!(said.exit, Exit::Done, "{}", said.err);
        let key = said.out.lines().next().unwrap().strip_prefix("key: ").unwrap().to_owned();
        keys.insert(name.to_owned(), key.parse().unwrap());
    }
    let house = House::behind_glass(Glass { needed: 2, keys }).await;
    let risks = ALL.map(|risk| format!("--accept {risk}")).join(" ");
    for name in ["ben", "cara"] {
        let (key, out) = (at(&format!("{name}.key")), at(&format!("{name}.json")));
        let line = format!(
            "break-glass seal --by {name} --key {key} --application covetpy --runbook \
             region-failover {risks} --until 90d --out {out}"
        );
        let said = type_at(nobody, name, &line, None).await;
        assert_eq!(said.exit, Exit::Done, "{}", said.err);
        assert!(said.out.contains("Whoever has it can open it"), "{}", said.out);
        let again = type_at(nobody, name, &line, None).await;
        assert_eq!(again.exit, Exit::BadUse, "no seal is written over");
    }
    let run = failover(&house, "forced").await;
    let line = format!(
        "break-glass open {run} {} {} --reason nobody_answers",
        at("ben.json"),
        at("cara.json")
    );
    let said = type_at(&house.url, "ana", &format!("{line} --yes"), None).await;
    assert_eq!(said.exit, Exit::No, "the risks are not ticked: {}", said.out);
    assert!(said.err.contains("--accept no-way-back"), "{}", said.err);
    let line = format!(
        "{line} --accept data-loss-over-max --accept observers-disagree --accept no-way-back"
    );
    let said = type_at(&house.url, "ana", &line, Some("no")).await;
    assert_eq!(said.exit, Exit::No, "{}", said.out);
    let said = type_at(&house.url, "ana", &line, Some("yes")).await;
    assert_eq!(said.exit, Exit::Done, "{}{}", said.out, said.err);
    assert!(said.out.contains("the glass is broken"), "{}", said.out);
    fs::write(at("none.json"), "{}").unwrap();
    let line = format!("break-glass open {run} {} --reason x --yes", at("none.json"));
    let said = type_at(&house.url, "ana", &line, None).await;
    assert_ne!(said.exit, Exit::Done, "{}", said.out);
}
