//! Messages and what they may do, attacks first.

use serde_json::{Value, json};

use super::*;

const NOW: &str = "2026-03-01T02:10:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn rules() -> Rules {
    let region = |text: &str| text.parse::<Region>().unwrap();
    let class = |(name, class): (&str, Class)| (name.parse().unwrap(), class);
    Rules {
        principal: "events".into(),
        accounts: ["123456789012".to_owned()].into(),
        regions: [region("us-east-1"), region("us-west-2")].into(),
        applications: ["covetpy".parse().unwrap()].into(),
        runbooks: [
            ("daily-backup", Class::Start),
            ("region-failover", Class::Propose),
            ("expire-recovery-points", Class::Nothing),
        ]
        .map(class)
        .into(),
    }
}

fn good() -> Value {
    json!({
        "v": 1,
        "kind": {"request": {
            "runbook": "daily-backup", "application": "covetpy", "inputs": {}, "reason": "nightly",
        }},
        "dedupe_key": "schedule|a",
        "source": {
            "account": "123456789012", "region": "us-west-2",
            "event_id": "53dc4d37", "event_type": "Scheduled Event",
        },
        "occurred_at": "2026-03-01T02:00:00Z",
        "not_after": "2026-03-01T08:00:00Z",
    })
}

fn with(pointer: &str, value: Value) -> String {
    let mut message = good();
    *message.pointer_mut(pointer).unwrap() = value;
    message.to_string()
}

/// The key `done` stands for the good message.
fn answered(key: &str, asked: &str) -> Result<bool, Refusal> {
    let held = Message::read(&good().to_string()).unwrap().kind;
    match key {
        "queue/done" if asked == super::asked(&held) => Ok(true),
        "queue/done" => Err(Refusal::KeyReused { by: "a00000000000".parse().unwrap() }),
        _ => Ok(false),
    }
}

fn seen(text: &str) -> String {
    match judge(text, &rules(), now(), answered) {
        Verdict::Start { request, .. } => format!("start {}", request.runbook),
        Verdict::Propose { request, expires_at, .. } => {
            format!("propose {} until {expires_at}", request.runbook)
        }
        Verdict::Nudge { dedupe_key, about, says, heed, .. } => {
            let says = says.map(|says| format!(": {says}")).unwrap_or_default();
            let heed = if heed { " (heed)" } else { "" };
            format!("nudge {about}{says}{heed} by {dedupe_key}")
        }
        Verdict::Repeated => "repeated".into(),
        Verdict::Refuse { what, because } => format!("refuse {what}: {because}"),
    }
}

/// Goal: what anybody can put on the queue starts nothing but what its rules allow.
/// Method: one message per attack, and what is said about it.
#[test]
fn every_attack_and_its_verdict() {
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    let deep_inputs =
        good().to_string().replace("\"inputs\":{}", &format!("\"inputs\":{{\"a\":{deep}}}"));
    let mut oversize = good();
    oversize["kind"]["request"]["inputs"]["a"] = json!("a".repeat(65_536));
    let backup = "refuse start `daily-backup` for `covetpy`: ";
    for (attack, text, wanted) in [
        ("no text", String::new(), "refuse a message: not the JSON of a message".to_owned()),
        ("not JSON", "<xml/>".into(), "refuse a message: not the JSON of a message".into()),
        ("deep JSON", deep, "refuse a message: not the JSON of a message".into()),
        ("deep inputs", deep_inputs, "refuse a message: not a message of version 1".into()),
        ("oversize", oversize.to_string(), "refuse a message: 65".into()),
        ("unknown version", with("/v", json!(3)), "refuse a message: message version 3".into()),
        ("no version", with("/v", json!(null)), "refuse a message: not the JSON".into()),
        (
            "a kind of its own",
            with("/kind", json!({"steer": {"run": "abcdefghijkl"}})),
            "refuse a message: not a message of version 1".into(),
        ),
        (
            "a trigger of its own",
            with("/kind/request/inputs", json!({}))
                .replace("\"inputs\"", "\"trigger\":{},\"inputs\""),
            "refuse a message: not a message of version 1".into(),
        ),
        (
            "a path in a name",
            with("/kind/request/runbook", json!("../../etc/passwd")),
            "refuse a message: not a message of version 1".into(),
        ),
        (
            "forged account",
            with("/source/account", json!("999999999999")),
            format!("{backup}account 999999999999 is not one of this queue's"),
        ),
        (
            "other region",
            with("/source/region", json!("eu-west-1")),
            format!("{backup}nothing is configured in eu-west-1"),
        ),
        ("replayed", with("/dedupe_key", json!("done")), "repeated".into()),
        (
            "late",
            with("/not_after", json!("2026-03-01T02:09:59Z")),
            format!("{backup}it was worth acting on until 2026-03-01T02:09:59Z"),
        ),
        (
            "from the future",
            with("/occurred_at", json!("2026-03-01T02:15:01Z")),
            format!("{backup}it claims to have happened at 2026-03-01T02:15:01Z"),
        ),
        (
            "immortal",
            with("/not_after", json!("2027-03-01T02:00:00Z")),
            format!("{backup}it claims to be worth acting on for longer than 24 h"),
        ),
        (
            "not allowed",
            with("/kind/request/runbook", json!("expire-recovery-points")),
            "refuse start `expire-recovery-points` for `covetpy`: events of this queue may not"
                .into(),
        ),
        (
            "unknown runbook",
            with("/kind/request/runbook", json!("format-disk")),
            "refuse start `format-disk` for `covetpy`: no runbook is called `format-disk`".into(),
        ),
        (
            "unknown application",
            with("/kind/request/application", json!("other")),
            "refuse start `daily-backup` for `other`: no application is called `other`".into(),
        ),
        (
            "a failover",
            with("/kind/request/runbook", json!("region-failover")),
            "propose region-failover until 2026-03-01T03:10:00Z".into(),
        ),
    ] {
        let found = seen(&text);
        assert!(found.starts_with(&wanted), "{attack}: {found}\n{wanted}");
    }
}

/// Goal: a key that somebody used before can neither hide another request nor start it.
/// Method: the message that the key stands for, in other words, and with other work in it.
#[test]
fn a_key_is_no_cloak() {
    let done = with("/dedupe_key", json!("done"));
    assert_eq!(seen(&done), "repeated");
    assert_eq!(seen(&done.replace("nightly", "again")), "repeated");
    let refused = "refuse start `region-failover` for `covetpy`: this key was used before";
    let forged = seen(&done.replace("daily-backup", "region-failover"));
    assert!(forged.starts_with(refused), "{forged}");
    let nudge = json!({"nudge": {"about": "arn:x"}});
    let mut message = good();
    (message["dedupe_key"], message["kind"]) = (json!("done"), nudge);
    assert!(seen(&message.to_string()).starts_with("refuse nudge: this key"));
}

/// Goal: what is asked for in order is done, to the second in which it is too late.
#[test]
fn what_is_in_order_is_taken() {
    assert_eq!(seen(&good().to_string()), "start daily-backup");
    assert_eq!(seen(&with("/not_after", json!(NOW))), "start daily-backup");
    assert_eq!(seen(&with("/occurred_at", json!("2026-03-01T02:15:00Z"))), "start daily-backup");
    assert_eq!(
        seen(&with("/kind", json!({"nudge": {"about": "arn:x"}}))),
        "nudge arn:x by queue/schedule|a"
    );
    let mut said = good();
    said["v"] = json!(2);
    said["kind"] = json!({"nudge": {"about": "arn:x", "says": "it timed out", "heed": true}});
    assert_eq!(seen(&said.to_string()), "nudge arn:x: it timed out (heed) by queue/schedule|a");
}

/// Goal: a duplicate that comes hours late is no refusal of what was done in time.
#[test]
fn a_late_duplicate_is_a_duplicate() {
    let mut message = good();
    message["dedupe_key"] = json!("done");
    message["not_after"] = json!("2026-03-01T02:00:01Z");
    assert_eq!(seen(&message.to_string()), "repeated");
    message["source"]["account"] = json!("999999999999");
    assert!(seen(&message.to_string()).starts_with("refuse"));
}

/// Goal: an event speaks as its queue's principal, live and graceful, whatever it says.
#[test]
fn a_request_says_who_asked() {
    let verdict = judge(&good().to_string(), &rules(), now(), |_, _| Ok(false));
    let Verdict::Start { request, .. } = verdict else { panic!("{verdict:?}") };
    assert_eq!(request.trigger, Trigger::Event { principal: "events".into() });
    assert_eq!((request.mode, request.manner), (Mode::Live, Manner::Graceful));
    assert_eq!(request.dedupe_key.as_deref(), Some("queue/schedule|a"));
    assert_eq!(request.not_after, Some("2026-03-01T08:00:00Z".parse().unwrap()));
}

/// Goal: a proposal is not refused as late before its own end when a person starts it.
#[test]
fn a_proposal_lives_an_hour_from_when_it_came() {
    let text = with("/kind/request/runbook", json!("region-failover"));
    let verdict = judge(&text, &rules(), now(), |_, _| Ok(false));
    let Verdict::Propose { request, expires_at, .. } = verdict else { panic!("{verdict:?}") };
    assert_eq!(request.not_after, Some(expires_at));
    assert_eq!(expires_at, now() + PROPOSAL_LIFE);
}

/// Goal: an exclusive runbook is only ever proposed, whatever a configuration lists.
/// Method: the shipped runbooks, with every one of them listed.
#[test]
fn no_list_lets_an_event_start_a_failover() {
    let library = Library::shipped();
    let queue = config::Queue {
        principal: "events".into(),
        region: "us-west-2".parse().unwrap(),
        url: "https://queue".into(),
        dead_letters: None,
        accounts: vec!["123456789012".into()],
        may_start: library.runbooks().map(|runbook| runbook.name.clone()).collect(),
    };
    let rules = Rules::new(&queue, std::slice::from_ref(&queue), &BTreeMap::new(), &library);
    let mut proposed = 0;
    for runbook in library.runbooks() {
        // These start others that move.
        let by_others = ["quarterly-drill", "region-evacuation"].contains(&runbook.name.as_str());
        let moves = runbook.exclusive || by_others;
        let class = if moves { Class::Propose } else { Class::Start };
        assert_eq!(rules.runbooks[&runbook.name], class, "{}", runbook.name);
        proposed += u32::from(moves);
    }
    assert!(proposed >= 4);
}
