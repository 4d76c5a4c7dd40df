//! When schedules are due: daylight saving, first Sundays, leap days, and what is refused.

use jiff::Timestamp;
use muster_runbooks::schedule::{self, Schedule};

fn schedule(cron: &str, zone: &str, more: &str) -> Schedule {
    let text = format!("- {{ id: s, runbook: r, cron: \"{cron}\", zone: {zone}{more} }}");
    schedule::parse("x", &text).unwrap().remove(0)
}

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The occurrences between two instants, as a wall clock in the zone would show them.
fn shown(cron: &str, zone: &str, from: &str, until: &str) -> Vec<String> {
    let found = schedule(cron, zone, "").occurrences(instant(from), instant(until), 100);
    let shown = found.iter().map(|one| one.at.in_tz(zone).unwrap());
    shown.map(|at| at.strftime("%m-%d %H:%M %z").to_string()).collect()
}

/// Goal: when the clock is put forward or back, a nightly backup runs exactly once that night.
/// Method: 02:30 and 01:30 around both changes of 2026 in two zones.
#[test]
fn a_clock_that_jumps_runs_nothing_twice_and_skips_nothing() {
    let berlin = "Europe/Berlin";
    assert_eq!(
        shown("30 2 * * *", berlin, "2026-03-27T12:00:00Z", "2026-03-30T12:00:00Z"),
        ["03-28 02:30 +0100", "03-29 03:00 +0200", "03-30 02:30 +0200"]
    );
    assert_eq!(
        shown("30 2 * * *", berlin, "2026-10-23T12:00:00Z", "2026-10-26T12:00:00Z"),
        ["10-24 02:30 +0200", "10-25 02:30 +0200", "10-26 02:30 +0100"]
    );
    let york = "America/New_York";
    assert_eq!(
        shown("30 2 * * *", york, "2026-03-06T12:00:00Z", "2026-03-09T12:00:00Z"),
        ["03-07 02:30 -0500", "03-08 03:00 -0400", "03-09 02:30 -0400"]
    );
    assert_eq!(
        shown("30 2 * * *", york, "2026-10-30T12:00:00Z", "2026-11-02T12:00:00Z"),
        ["10-31 02:30 -0400", "11-01 02:30 -0500", "11-02 02:30 -0500"]
    );
    assert_eq!(
        shown("30 1 * * *", york, "2026-10-31T12:00:00Z", "2026-11-02T12:00:00Z"),
        ["11-01 01:30 -0400", "11-02 01:30 -0500"]
    );
    // Two times in the gap, and one at its end, are made up for once.
    assert_eq!(
        shown("0,30 2-3 * * *", york, "2026-03-08T05:00:00Z", "2026-03-08T12:00:00Z"),
        ["03-08 03:00 -0400", "03-08 03:30 -0400"]
    );
}

/// Goal: a restart in the repeated hour does not run the night's backup again.
/// Method: ask for the next occurrence from inside the second 01:00 to 02:00.
#[test]
fn the_second_pass_of_an_hour_is_not_asked_again() {
    let nightly = schedule("30 1 * * *", "America/New_York", "");
    let next = nightly.next(instant("2026-11-01T06:10:00Z")).unwrap();
    assert_eq!(next.at, instant("2026-11-02T06:30:00Z"));
}

/// Goal: what runs in every hour keeps its distance when the clock jumps.
/// Method: every half hour across both changes, by instants.
#[test]
fn every_hour_means_every_hour_that_passes() {
    let check = schedule("*/30 * * * *", "America/New_York", "");
    for (from, until) in [
        ("2026-03-08T05:00:00Z", "2026-03-08T09:00:00Z"),
        ("2026-11-01T04:00:00Z", "2026-11-01T08:00:00Z"),
    ] {
        let found = check.occurrences(instant(from), instant(until), 100);
        assert_eq!(found.len(), 8, "{from}");
    }
}

/// Goal: the maintenance window is announced two days and an hour before the first Sunday.
/// Method: the reference schedule over a year that begins on a Thursday, with a leap day's month.
#[test]
fn the_first_sunday_comes_with_its_lead() {
    let window = schedule("0 2 * * SUN#1", "UTC", ", lead: 49h, occurrence_input: starts_at");
    let found =
        window.occurrences(instant("2026-01-01T00:00:00Z"), instant("2027-01-01T00:00:00Z"), 99);
    let days: Vec<String> =
        found.iter().map(|one| one.at.strftime("%a %m-%d %H").to_string()).collect();
    let first = [
        "Sun 01-04 02",
        "Sun 02-01 02",
        "Sun 03-01 02",
        "Sun 04-05 02",
        "Sun 05-03 02",
        "Sun 06-07 02",
        "Sun 07-05 02",
        "Sun 08-02 02",
        "Sun 09-06 02",
        "Sun 10-04 02",
        "Sun 11-01 02",
        "Sun 12-06 02",
    ];
    // The window of January 2027 is announced in 2027: its first Sunday is the third.
    assert_eq!(days, first);
    assert_eq!(found[2].due_at, instant("2026-02-27T01:00:00Z"));
    assert_eq!(window.inputs_for(&found[2])["starts_at"], "2026-03-01T02:00:00Z");
}

/// Goal: rare days are found, over a century without a leap day too.
/// Method: 29 February and the last day of a month.
#[test]
fn rare_days_are_found() {
    let leap = schedule("0 0 29 2 *", "UTC", "");
    assert_eq!(
        leap.next(instant("2024-02-29T00:00:00Z")).unwrap().at,
        instant("2028-02-29T00:00:00Z")
    );
    assert_eq!(
        leap.next(instant("2096-03-01T00:00:00Z")).unwrap().at,
        instant("2104-02-29T00:00:00Z")
    );
    let last = shown("0 0 L * *", "UTC", "2028-01-15T00:00:00Z", "2028-03-31T00:00:00Z");
    assert_eq!(last, ["01-31 00:00 +0000", "02-29 00:00 +0000", "03-31 00:00 +0000"]);
    assert_eq!(leap.next(Timestamp::MAX), None);
}

/// Goal: a schedule that never runs, runs all the time or means something else is found at once.
/// Method: a table of files; the snapshot holds the findings.
#[test]
fn bad_schedules_are_found() {
    let mut table = String::new();
    for line in [
        "cron: \"0 2 30 2 *\"",
        "cron: \"0 2 31 4,6 *\"",
        "cron: \"* * * * *\"",
        "cron: \"0,1 2 * * *\"",
        "cron: \"0 2 1-7 * SUN\"",
        "cron: \"0 0 2 * * *\"",
        "cron: \"@daily\"",
        "cron: \"0 25 * * *\"",
        "cron: \"0 2 * * SUN#9\"",
        "cron: \"*/0 2 * * *\"",
        "cron: 5",
        "zone: Europe/Atlantis",
        "lead: 49",
        "catch_up: run_once",
        "inputs: { at: now }, occurrence_input: at",
        "crn: \"0 2 * * *\"",
    ] {
        let cron = if line.starts_with("cron") { "" } else { "cron: \"0 2 * * *\", " };
        let text = format!("- {{ id: s, runbook: r, {cron}{line} }}\n");
        let found = schedule::check("x", &text).findings;
        table += &format!("{text}{}\n", super::print::findings(&found));
    }
    let long =
        format!("- {{ id: s, runbook: r, cron: \"{} 2 * * *\" }}", vec!["0"; 5_000].join(","));
    table += &super::print::findings(&schedule::check("x", &long).findings);
    insta::assert_snapshot!(table);
}

/// Goal: a schedule that could only fail at night is found by day.
/// Method: schedules next to the shipped runbooks and the reference application.
#[test]
fn schedules_are_judged_next_to_what_they_start() {
    let text = "\
- { id: a, runbook: daily-bakup, application: covetpy, cron: \"0 2 * * *\" }
- { id: b, runbook: daily-backup, application: covetpi, cron: \"0 2 * * *\" }
- { id: c, runbook: daily-backup, cron: \"0 2 * * *\" }
- { id: d, runbook: maintenance-window, application: covetpy, cron: \"0 2 * * *\" }
- { id: e, runbook: maintenance-window, application: covetpy, cron: \"0 2 * * *\", occurrence_input: notice }
- { id: f, runbook: expire-recovery-points, application: covetpy, cron: \"0 2 * * *\", inputs: { cap: ten, lid: 1 } }
- { id: g, runbook: region-failover, application: covetpy, cron: \"0 2 * * *\" }
";
    let schedules = schedule::parse("x", text).unwrap();
    let library = muster_runbooks::runbook::library::Library::shipped();
    let found = schedule::lint(&schedules, &library, &[super::print::covetpy()]);
    insta::assert_snapshot!(super::print::findings(&found));
}
