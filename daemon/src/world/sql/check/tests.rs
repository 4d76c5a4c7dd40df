//! What checks come to, without a server.

use jiff::SignedDuration;

use super::*;

fn check(name: &str, kind: serde_json::Value) -> Check {
    let mut whole = kind;
    whole["name"] = json!(name);
    serde_json::from_value(whole).unwrap()
}

fn action(restored: bool) -> CheckSql {
    let endpoint = restored.then(|| "127.0.0.1:1".to_owned());
    CheckSql { at: None, endpoint, cluster: None, secret: None, data_time: None }
}

/// Goal: a point is verified by what was proven and by nothing else: one failure fails all, what
/// was not done counts for nothing, and extensions prove no data.
#[test]
fn what_checks_come_to_together() {
    let rows = check("rows", json!({ "rows": { "table": "orders", "at_least": 1 } }));
    let roles = check("roles", json!({ "roles": ["app"] }));
    let told =
        |list: &[(&Check, Said)]| verdict(list, [("orders".to_owned(), 7)].into(), &action(false));
    let (yes, no, idle) = (Said::passed("y"), Said::failed("n"), Said::not_done("i"));
    let done = |progress: Progress| {
        let Progress::Done(done) = progress else { panic!("{progress}") };
        done
    };
    let proven = done(told(&[(&rows, yes.clone()), (&roles, yes.clone())]));
    assert_eq!(proven.outputs["proves_data"], json!(true));
    assert_eq!(proven.rows["orders"], 7);
    let unproven = done(told(&[(&rows, idle.clone()), (&roles, yes.clone())]));
    assert_eq!(unproven.outputs["proves_data"], json!(false));
    assert_eq!(unproven.notes.len(), 2);
    let failed = told(&[(&rows, yes.clone()), (&roles, no)]);
    assert_eq!(failed.to_string(), "failed: 1 of 2 checks: `roles` failed: n");
    let nothing = told(&[(&rows, idle.clone()), (&roles, idle)]);
    assert!(nothing.to_string().starts_with("failed: no check was made"), "{nothing}");
    let restored = done(verdict(&[(&rows, yes)], [("orders".to_owned(), 7)].into(), &action(true)));
    assert!(restored.rows.is_empty(), "a copy's rows are not what the source had");
    assert_eq!(restored.outputs["rows"], json!("orders 7"));
}

/// Goal: a count is compared with the source's and never with its own.
#[test]
fn what_a_count_says() {
    let rows = |least: Option<u64>, within: Option<&str>| Rows {
        table: "orders".parse().unwrap(),
        at_least: least,
        within: within.map(|share| share.parse().unwrap()),
    };
    let at: Timestamp = "2026-03-01T02:00:00Z".parse().unwrap();
    let (passed, failed, idle) = (Verdict::Passed, Verdict::Failed, Verdict::NotDone);
    for (rows, count, last, restored, meant) in [
        (rows(Some(10), None), 10, None, true, passed),
        (rows(Some(10), None), 9, None, true, failed),
        (rows(None, Some("5%")), 100, Some(100), true, passed),
        (rows(None, Some("5%")), 94, Some(100), true, failed),
        (rows(None, Some("5%")), 0, Some(100), true, failed),
        (rows(None, Some("5%")), 100, None, true, idle),
        (rows(Some(10), Some("5%")), 100, None, true, idle),
        (rows(Some(10), Some("5%")), 5, None, true, failed),
        (rows(None, Some("5%")), 900, Some(100), false, idle),
        (rows(Some(10), Some("5%")), 900, Some(100), false, passed),
    ] {
        let said = judge(&rows, count, last.map(|last| (at, last)), restored);
        assert_eq!(said.verdict, meant, "{}", said.words);
    }
}

#[test]
fn a_canary_from_another_time_is_wrong_both_ways() {
    let until: Timestamp = "2026-03-01T02:00:00Z".parse().unwrap();
    let max = Span::from_mins(5);
    for (secs, meant) in [
        (0, Verdict::Passed),
        (-300, Verdict::Passed),
        (-301, Verdict::Failed),
        (300, Verdict::Passed),
        (301, Verdict::Failed),
    ] {
        let said = aged(until + SignedDuration::from_secs(secs), until, max);
        assert_eq!(said.verdict, meant, "{secs}");
    }
}

#[test]
fn values_of_people_are_not_shown() {
    assert_eq!(shown("41"), "`41`");
    assert_eq!(shown("t"), "`t`");
    assert!(!shown("ana@example.com").contains("ana"));
    assert_eq!(literal("o'hare"), "'o''hare'");
}
