//! Those who watch, what follows from what they say, and the write lease: what is wrong with one, and what a
//! plan keeps of it.

use muster_runbooks::application::{
    Application,
    detection::{Detection, Observer, Sight, Then},
};

use super::print::{self, COVETPY};

/// The reference application with every way of asking, the run that starts by itself, and the lease.
fn everything() -> String {
    let others = r#"  - { name: vienna, domain: office-vienna, report: "https://observer.vienna.example/report", key: KEY }
  - name: alarms
    domain: cloudwatch-us-west-2
    alarms:
      us-east-1: { region: us-west-2, name: covetpy-us-east-1-down }
      us-west-2: { region: us-east-1, name: covetpy-us-west-2-down }
  - { name: pods, domain: muster, workload: production }
  - { name: rows, domain: muster-rows, canary: main }

# Other ways of asking"#;
    let key = "9f".repeat(32);
    let text = COVETPY.replacen("# Other ways of asking", &others.replace("KEY", &key), 1);
    let text = text.replacen("then: propose", AUTO, 1);
    let text = text.replacen("# write_lease: {", "write_lease: {", 1);
    text.replacen("    # canary: { schema", "    canary: { schema", 1)
}

const AUTO: &str =
    "then: auto, authorised: { by: ana, until: 2027-06-30, because: agreed in the review }";

/// Goal: nothing that could start by itself, or never be heard, gets past its author.
/// Method: one change to the reference application with everything in it each; the snapshot is the table.
#[test]
fn each_mistake_is_found_in_its_place() {
    let sound = everything();
    let mut table =
        format!("# sound\n{}\n", print::findings(&Application::check("x", &sound).findings));
    for (name, from, to) in MISTAKES {
        assert!(sound.contains(from), "{name}: `{from}` is not in the reference application");
        let found = Application::check("x", &sound.replacen(from, to, 1)).findings;
        table += &format!("# {name}\n{}\n", print::findings(&found));
    }
    insta::assert_snapshot!(table);
}

const MISTAKES: &[(&str, &str, &str)] = &[
    ("a quorum of nobody", "quorum: 2", "quorum: 0"),
    ("more than there are", "quorum: 2", "quorum: 8"),
    ("one word is enough", "quorum: 2", "quorum: 1"),
    ("a window like a hiccup", "window: 2m", "window: 43s"),
    ("a window without a unit", "window: 2m", "window: 120"),
    ("an unknown consequence", "then: auto, authorised", "then: always, authorised"),
    (
        "nobody approved it",
        ", authorised: { by: ana, until: 2027-06-30, because: agreed in the review }",
        "",
    ),
    (
        "approved for ever",
        "until: 2027-06-30, because: agreed in",
        "until: never, because: agreed in",
    ),
    ("approved without a reason", ", because: agreed in the review", ""),
    ("no lease", "write_lease: {", "# write_lease: {"),
    ("a lease at home", "write_lease: { region: eu-central-1", "write_lease: { region: us-east-1"),
    ("a lease for an hour", "length: 30s", "length: 1h"),
    ("a lease that nobody can renew", "length: 30s", "length: 3s"),
    ("clocks a minute apart", "skew: 2s", "skew: 1m"),
    ("a key too short", "key: 9f9f", "key: 9f"),
    (
        "a report without a key",
        "report: \"https://observer.vienna",
        "sees: {}, report: \"https://observer.vienna",
    ),
    (
        "a control target of nobody",
        "workload: production }",
        "workload: production, control: \"https://a.example\" }",
    ),
    ("no way of asking", "workload: production }", "}"),
    ("a workload that is not there", "workload: production }", "workload: staging }"),
    ("a database without a canary", "canary: main }", "canary: users }"),
    (
        "an alarm that is lost with it",
        "us-east-1: { region: us-west-2",
        "us-east-1: { region: us-east-1",
    ),
    ("an alarm of nowhere", "us-west-2: { region: us-east-1", "us-west-2: { region: nowhere"),
    (
        "a report at the metadata service",
        "https://observer.vienna.example",
        "http://169.254.169.254",
    ),
    ("two of one domain", "domain: office-vienna", "domain: hetzner-falkenstein"),
];

/// Goal: what a plan froze is read again, and what older plans froze too.
/// Method: everything there and back through JSON, and an observer as it was written before there was more
/// than one way of asking.
#[test]
fn what_was_frozen_is_read() {
    let application = Application::parse("x", &everything()).expect("it is sound");
    let frozen = serde_json::to_string(&application).expect("JSON");
    assert_eq!(serde_json::from_str::<Application>(&frozen).expect("itself"), application);
    let old = r#"{ "name": "one", "domain": "d", "sees": { "us-east-1": "https://a" }, "control": "https://b" }"#;
    let old: Observer = serde_json::from_str(old).expect("it was one way before");
    assert!(matches!(old.by, Sight::Http { .. }));
    let none = r#"{ "name": "one", "domain": "d" }"#;
    assert!(serde_json::from_str::<Observer>(none).is_err());
    let plain = Application::parse("x", &COVETPY.replacen("detection:", "# detection:", 1));
    let plain = plain.expect("it is sound");
    assert_eq!((plain.detection(), plain.detection().then), (&Detection::default(), Then::Propose));
}
