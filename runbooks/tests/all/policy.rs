//! Policies that would keep too little, copies without a key, and windows that meet each other.

use muster_runbooks::{
    application::Application,
    runbook::library::Library,
    schedule::{self, policy::backs_up},
    value::Span,
};

use super::print::{self, COVETPY};

const RETENTION: &str = "    retention: { keep_for: 336h }\n";

fn changed(line: &str) -> String {
    assert!(COVETPY.contains(RETENTION));
    COVETPY.replacen(RETENTION, line, 1)
}

/// Goal: a policy that keeps too little, or cannot be meant, is found where it stands, with what to
/// write instead.
/// Method: a line each; the snapshot is the table.
#[test]
fn bad_policies_are_found() {
    let mut table = String::new();
    for line in [
        "    retention: { keep_for: 0s }\n",
        "    retention: { keep_for: -5h }\n",
        "    retention: { keep_for: 14 }\n",
        "    retention: { keep_last: 5 }\n",
        "    retention: { keep_for: 336h, keep_last: 2 }\n",
        "    retention: { keep_for: 336h, keep_last: -1 }\n",
        "    retention: { keep_for: 336h, monthly: 121 }\n",
        "    retention: { keep_for: 336h, monthly: yes }\n",
        "    retention: { keep_for: 336h, weekly: 4 }\n",
        "    retention: { keep_for: 336h, pre_deployment: { keep_for: 0h } }\n",
        "    retention: { keep_for: 336h, pre_deployment: 24h }\n",
        "    engine_backup_window: \"02:00-02:10\"\n",
        "    engine_backup_window: sun:02:00-sun:03:00\n",
        "    engine_maintenance_window: \"02:00-03:00\"\n",
        "    engine_backup_window: \"02:00-03:00\"\n    engine_maintenance_window: sun:02:30-sun:03:30\n",
    ] {
        let found = Application::check("x", &changed(line)).findings;
        table += &format!("{line}{}\n", print::findings(&found));
    }
    insta::assert_snapshot!(table);
}

/// Goal: the reference application can keep more, as its file says.
#[test]
fn a_policy_with_every_part_is_sound() {
    let line = "    retention: { keep_for: 336h, keep_last: 7, monthly: 12, pre_deployment: { keep_for: 72h } }\n";
    let found = Application::check("x", &changed(line));
    assert_eq!(print::findings(&found.findings), "");
    let retention = found.value.unwrap().databases[0].retention;
    assert_eq!((retention.keep_last, retention.monthly), (7, 12));
    assert_eq!(retention.pre_deployment.unwrap().keep_for, Span::from_hours(72));
}

/// Goal: snapshots of caches and exports are kept by the same rules as snapshots of databases.
/// Method: a retention of zero in each of the three places; then none in any.
#[test]
fn every_kind_of_point_has_a_retention() {
    let line = RETENTION.trim();
    assert_eq!(COVETPY.matches(line).count(), 3);
    for place in 0..3 {
        let (at, _) = COVETPY.match_indices(line).nth(place).unwrap();
        let (before, after) = (&COVETPY[..at], &COVETPY[at + line.len()..]);
        let bad = format!("{before}retention: {{ keep_for: 0s }}{after}");
        let found = print::findings(&Application::check("x", &bad).findings);
        assert!(found.contains("a retention of zero keeps nothing"), "{place}: {found}");
    }
    let silent = Application::parse("x", &COVETPY.replace(line, "")).unwrap();
    let said = Application::parse("x", COVETPY).unwrap();
    assert_eq!(silent.caches[0].retention, said.caches[0].retention);
    assert_eq!(silent.workloads[0].exports.retention, said.workloads[0].exports.retention);
    assert_eq!(silent, said, "two weeks are what is meant where nothing is said");
}

/// Goal: schedules that do not fit the policies next to them are found by day: kept for less than
/// the time between two backups, copied without a key, in the engine's own windows, or two
/// maintenance windows at once.
#[test]
fn schedules_are_judged_next_to_policies() {
    let text = changed(
        "    retention: { keep_for: 100h }\n    engine_backup_window: \"02:00-03:00\"\n    \
         engine_maintenance_window: sun:03:00-sun:04:00\n",
    );
    let text = text.replacen("      us-west-2: arn:aws:kms", "      # us-west-2: arn:aws:kms", 1);
    let application = Application::parse("covetpy.yaml", &text).unwrap();
    let schedules = "\
- { id: nightly, runbook: daily-backup, application: covetpy, cron: \"0 2 * * *\" }
- { id: weekly, runbook: daily-backup, application: covetpy, cron: \"30 3 * * SUN\" }
- { id: early, runbook: daily-backup, application: covetpy, cron: \"50 1 * * *\" }
- { id: window, runbook: maintenance-window, application: covetpy, cron: \"0 4 * * SUN#1\", occurrence_input: starts_at }
- { id: second, runbook: maintenance-window, application: covetpy, cron: \"0 7 * * SUN\", occurrence_input: starts_at }
- { id: slow, runbook: daily-backup, application: covetpy, cron: \"0 5 * * *\", complete_within: 0s }
";
    let checked = schedule::check("x", schedules);
    let found = schedule::lint(&checked.value.unwrap(), &Library::shipped(), &[application]);
    insta::assert_snapshot!(print::findings(&[checked.findings, found].concat()));
}

/// Goal: what keeps a way back from a deployment or from maintenance is no backup.
#[test]
fn only_backups_are_backups() {
    let library = Library::shipped();
    let backing_up: Vec<(&str, bool)> = library
        .runbooks()
        .filter_map(|runbook| Some((runbook.name.as_str(), backs_up(runbook)?.copies)))
        .collect();
    assert_eq!(backing_up, [("daily-backup", true)]);
}

/// Goal: the last occurrence before an instant is found, however rare it is.
#[test]
fn the_last_occurrence_is_found() {
    let last = |cron: &str, until: &str| {
        let text = format!("- {{ id: s, runbook: r, cron: \"{cron}\" }}");
        let schedule = schedule::parse("x", &text).unwrap().remove(0);
        schedule.last(until.parse().unwrap()).unwrap().due_at.to_string()
    };
    assert_eq!(last("*/5 * * * *", "2026-03-01T02:04:59Z"), "2026-03-01T02:00:00Z");
    assert_eq!(last("0 2 * * *", "2026-03-01T02:00:00Z"), "2026-03-01T02:00:00Z");
    assert_eq!(last("0 2 * * SUN", "2026-03-07T12:00:00Z"), "2026-03-01T02:00:00Z");
    assert_eq!(last("0 0 29 2 *", "2027-06-01T00:00:00Z"), "2024-02-29T00:00:00Z");
}
