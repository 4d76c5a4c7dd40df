//! `muster lint` as a person meets it: every mistake with file, line and column, and exit code 1.

use muster::cli::Exit;

use super::commands::type_at;

const APPLICATION: &str = include_str!("../../../deploy/covetpy/applications/covetpy.yaml");

const HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A failover that says everything wrong that a runbook can.
const RUNBOOK: &str = "\
name: hasty-failover
title: Too fast
titel: Too fast
exclusive: true
objectives: { rto: 2m }
steps:
  - id: look
    title: Look
    needs: [wait]
    each: databases
    do: check-readiness
    with: { lag_max: 30 parsecs }
    limit: 1m
  - id: look
    title: Look again
    needs: [nobody]
    do: probe
    with: { at: standby }
    limit: 1m
  - { id: wait, title: Wait, needs: [look], do: wait, with: { duration: 5s }, limit: 20s }
  - id: promote
    title: Promote
    needs: []
    each: databases
    do: failover-database
    with: { to: standby, data_loss_max: \"${inputs.loss}\" }
    limit: 5m
    danger: data-loss
";

/// What is found in files that stand in one folder: the lines for people, and for programs how many.
async fn lint(files: &[(&str, &str)]) -> (Exit, String, usize) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let path = folder.path().display().to_string();
    assert!(!path.contains(['_', ' ']), "{path}");
    let nobody = "http://127.0.0.1:1";
    let said = type_at(nobody, "olga", &format!("lint {path}"), None).await;
    let json = type_at(nobody, "olga", &format!("lint {path} --output json"), None).await;
    let findings: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    let findings = findings.as_array().unwrap();
    for finding in findings {
        assert!(finding["line"].as_u64() > Some(0) && finding["column"].as_u64() > Some(0));
    }
    assert_eq!(said.exit, json.exit);
    assert_eq!(said.err, "");
    (said.exit, said.out.replace(&format!("{path}/"), ""), findings.len())
}

/// Goal: whoever writes a bad runbook gets the whole list at once, each mistake in its place.
/// Method: the mistakes that issue and design name, in one file.
#[tokio::test]
async fn a_bad_runbook() {
    let (exit, out, _) = lint(&[("hasty.yaml", RUNBOOK)]).await;
    assert_eq!(exit, Exit::No);
    for finding in [
        "hasty.yaml:3:1: error: a runbook has no key `titel` [unknown-key]",
        "hasty.yaml:9:13: error: steps wait for each other: look needs wait needs look [cycle]",
        "hasty.yaml:12:22: error: `lag_max`: `30 parsecs` is not a duration",
        "hasty.yaml:14:5: error: step `look` already stands at 7:5 [duplicate-id]",
        "hasty.yaml:16:13: error: no step is called `nobody` [unknown-step]",
        "hasty.yaml:21:5: error: `promote` may lose data, and no approver",
        "hasty.yaml:21:5: error: a graceful run of `hasty-failover` takes",
        "over its objective of 2m",
        "hasty.yaml:26:41: error: no input is called `loss` [unknown-input]",
    ] {
        assert!(out.contains(finding), "{finding}\n{out}");
    }
}

/// A configuration with a lease.
fn lease(region: &str, bucket: &str, key: &str, length: &str, margin: &str) -> String {
    format!(
        "state: s\nlease:\n  region: {region}\n  bucket: {bucket}\n  key: {key}\n  length: {length}\n  \
         margin: {margin}\n"
    )
}

/// Goal: a lease that goes down with what it guards, or that is copied, is found before it is needed.
/// Method: one beside an application in its region, in a bucket of its own, and in a third region.
#[tokio::test]
async fn a_lease_beside_an_application() {
    let beside = |region: &str, bucket: &str| {
        lease(region, bucket, "lease", "30s", "5s") + "applications: [a.yaml]\n"
    };
    let near = beside("us-west-2", "muster-lease");
    let (exit, out, count) = lint(&[("a.yaml", APPLICATION), ("muster.yaml", &near)]).await;
    assert_eq!((exit, count), (Exit::Done, 1), "{out}");
    let said = "warning: the lease is kept in us-west-2, where `covetpy` lives [lease-in-region]";
    assert!(out.contains(said), "{out}");
    let copied = beside("eu-west-1", "covet-database-backups");
    let (exit, out, _) = lint(&[("a.yaml", APPLICATION), ("muster.yaml", &copied)]).await;
    assert_eq!(exit, Exit::No, "{out}");
    assert!(out.contains("a replicated lease is two leases"), "{out}");
    let far = beside("eu-west-1", "muster-lease");
    let (exit, out, _) = lint(&[("a.yaml", APPLICATION), ("muster.yaml", &far)]).await;
    assert_eq!(exit, Exit::Done, "{out}");
}

/// Goal: a configuration is refused with everything that is wrong in it, before anything is opened.
/// Method: one mistake or two in a configuration each, and the place where it is found.
#[tokio::test]
async fn a_bad_configuration() {
    let token = |name: &str, last: &str| {
        format!("  - {{ name: {name}, role: operator, sha256: \"{}{last}\" }}\n", &HASH[1..])
    };
    let queue = "  - principal: events\n    region: us-west-2\n    url: https://sqs/1/q\n    accounts: [\"123456789012\"]\n";
    let table: Vec<(String, &[&str])> = vec![
        ("stat: x\nstate: s\n".into(), &["muster.yaml:1:1: error: unknown field `stat`"]),
        (
            format!("state: s\nqueues:\n{}", queue.replace("us-west-2", "us-moon-1")),
            &["muster.yaml:4:13: error: `us-moon-1` is not a region"],
        ),
        (
            format!("state: s\ntokens:\n{}{}", token("ana", "1"), token("ana", "2")),
            &["muster.yaml:4:13: error: token `ana` stands at 3:13 too [clash]"],
        ),
        (
            format!("state: s\ntokens:\n{}{}", token("ana", "1"), token("ben", "1")),
            &["muster.yaml:4:42: error: `ben` has the token of `ana` [shared-token]"],
        ),
        (
            "state: s\ntokens:\n  - { name: ana, role: operator, sha256: abc }\n  - { name: ben, role: viewer, sha256: abd }\n".into(),
            &[
                "muster.yaml:3:42: error: `sha256` of `ana` is not 64 hexadecimal digits [no-hash]",
                "muster.yaml:4:40: error: `sha256` of `ben` is not 64 hexadecimal digits [no-hash]",
            ],
        ),
        (
            "state: s\nlisten: { http: \"0.0.0.0:8000\" }\n".into(),
            &["muster.yaml:2:17: error: 0.0.0.0:8000 is beyond loopback"],
        ),
        (
            "state: s\nlisten: { http: \"127.0.0.1:9090\" }\n".into(),
            &["error: the API and the metrics cannot both listen on 127.0.0.1:9090 [clash]"],
        ),
        (
            "state: s\nreceivers:\n  - { name: pager, url_from: A }\n  - { name: pager, url_from: B }\n".into(),
            &["muster.yaml:4:13: error: receiver `pager` stands at 3:13 too [clash]"],
        ),
        (
            "state: s\npublic_url: muster.example\nreceivers:\n  - { name: a }\n  - { name: b, kind: pagerduty, url_from: B }\n  - { name: c, url_from: C, key_from: D }\n".into(),
            &[
                "muster.yaml:2:13: error: `muster.example` is not the URL of a page [wrong-value]",
                "muster.yaml:4:5: error: nobody knows where `a` is [missing-key]",
                "muster.yaml:5:5: error: nobody knows the routing key of `b` [missing-key]",
                "muster.yaml:6:39: error: `c` is a webhook, and has no key [wrong-value]",
            ],
        ),
        (
            "state: s\nreceivers:\n  - { name: a, kind: pigeon, url_from: A }\n".into(),
            &["muster.yaml:3:22: error: unknown variant `pigeon`"],
        ),
        (
            format!("state: s\nqueues:\n{queue}{queue}    may_start: [format-disk]\n"),
            &["muster.yaml:9:10: error: queue `https://sqs/1/q` stands at 5:10 too [clash]"],
        ),
        (
            format!("state: s\nqueues:\n{queue}    dead_letters: https://sqs/1/q\n"),
            &["muster.yaml:7:19: error: `https://sqs/1/q` is the queue itself"],
        ),
        (
            format!("state: s\nqueues:\n{queue}    may_start: [rehearsal, format-disk]\n"),
            &["muster.yaml:7:28: error: no runbook without errors is called `format-disk`"],
        ),
        (
            format!("state: s\nqueues:\n{}", queue.replace("\"123456789012\"", "\"12345\"")),
            &["muster.yaml:6:16: error: `12345` is not an AWS account: twelve digits"],
        ),
        (
            lease("us-moon-1", "muster-lease", "lease", "30s", "5s"),
            &["muster.yaml:3:11: error: `us-moon-1` is not a region"],
        ),
        (
            lease("eu-west-1", "Muster_Lease", "/lease", "10s", "5s"),
            &[
                "muster.yaml:4:11: error: `Muster_Lease` is not the name of a bucket",
                "muster.yaml:5:8: error: `/lease` is not the key of an object",
                "muster.yaml:6:11: error: a length of 10s is less than 3 margins of 5s [lease-too-short]",
            ],
        ),
        (
            lease("eu-west-1", "muster-lease", "lease", "1h", "0s"),
            &[
                "muster.yaml:6:11: error: 1h is not between 3s and 10m [out-of-range]",
                "muster.yaml:7:11: error: a margin of 0s leaves no time for a call to leave",
            ],
        ),
    ];
    for (text, wanted) in table {
        let (exit, out, count) = lint(&[("muster.yaml", &text)]).await;
        assert_eq!(exit, Exit::No, "{text}\n{out}");
        assert_eq!(count, wanted.len(), "{text}\n{out}");
        for wanted in wanted {
            assert!(out.contains(wanted), "{wanted}\n{out}");
        }
    }
}

/// Goal: what a configuration points to is judged with it, and two files of one name are no secret.
/// Method: one application in two files, one in an unknown region, and a configuration over a folder.
#[tokio::test]
async fn what_a_configuration_points_to() {
    let moon = APPLICATION.replace("home: us-east-1", "home: us-moon-1");
    let (exit, out, _) = lint(&[("a.yaml", APPLICATION), ("b.yaml", APPLICATION)]).await;
    assert_eq!(exit, Exit::No);
    assert!(
        out.contains("b.yaml:") && out.contains("error: application `covetpy` stands in"),
        "{out}"
    );
    let (_, out, _) = lint(&[("moon.yaml", &moon)]).await;
    assert!(out.contains("moon.yaml:4:7: error: `us-moon-1` is not a region"), "{out}");
    let config = "state: s\napplications: [a.yaml]\nschedules: when.yaml\n";
    let when =
        "- { id: nightly, runbook: dayly-backup, application: covetpy, cron: \"0 2 * * *\" }\n";
    let files = [("a.yaml", APPLICATION), ("muster.yaml", config), ("when.yaml", when)];
    let (exit, out, count) = lint(&files).await;
    assert_eq!(exit, Exit::No, "{out}");
    assert!(out.contains("when.yaml:1:") && out.contains("`dayly-backup`"), "{out}");
    assert_eq!(count, 1, "found once, though it is looked at twice: {out}");
}

/// Goal: a file that nobody can read is bad use, with its name; a bomb is a finding.
/// Method: a path that is not there, and aliases that would be millions.
#[tokio::test]
async fn unreadable_files_and_bombs() {
    let nobody = "http://127.0.0.1:1";
    let said = type_at(nobody, "olga", "lint /nowhere/at/all.yaml", None).await;
    assert_eq!(said.exit, Exit::BadUse);
    assert!(
        said.err.contains("`/nowhere/at/all.yaml` cannot be read: No such file"),
        "{}",
        said.err
    );
    let mut bomb = String::from("a0: &a0 [x, x]\n");
    for level in 1..30 {
        let below = level - 1;
        bomb += &format!("a{level}: &a{level} [*a{below}, *a{below}, *a{below}]\n");
    }
    for text in [bomb.clone(), format!("state: s\nlisten: {{}}\n{bomb}"), "[".repeat(100_000)] {
        let (exit, out, _) = lint(&[("bomb.yaml", &text)]).await;
        assert_eq!(exit, Exit::No, "{out}");
        assert!(out.len() < 2_000, "{out}");
    }
}
