//! Backups and runs against the clock.

use muster_runbooks::{name::RunId, schedule};

use super::*;
use crate::progress::EndedOccurrence;

const APPLICATION: &str = r#"{
  "name": "shop", "title": "Shop", "home": "us-east-1", "standby": "us-west-2",
  "objectives": { "rto": "15m", "rpo": "5m" },
  "databases": [{ "name": "main", "global_cluster": "shop", "clusters": {} }]
}"#;

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn run() -> RunId {
    "r00000000001".parse().unwrap()
}

/// The nightly backup, the weekly check, and what is known of an application.
struct Case {
    schedules: Vec<Schedule>,
    library: Library,
    application: Application,
    known: Progress,
}

impl Case {
    fn new(schedules: &str) -> Case {
        let application: Application = serde_json::from_str(APPLICATION).unwrap();
        let mut known = Progress::default();
        known.applications.insert(application.name.clone(), ApplicationState::default());
        let schedules = schedule::parse("x", schedules).unwrap();
        Case { schedules, library: Library::shipped(), application, known }
    }

    fn nightly() -> Case {
        let mut case = Case::new(
            "- { id: nightly, runbook: daily-backup, application: shop, cron: \"0 2 * * *\", \
             start_within: 1h, complete_within: 3h }",
        );
        case.state().first_due = Some(instant("2026-03-01T02:00:00Z"));
        case
    }

    fn state(&mut self) -> &mut ScheduleState {
        self.known.schedules.entry(self.schedules[0].id.clone()).or_default()
    }

    /// A point with data of this instant, a copy or none.
    fn point(&mut self, text: &str, is_copy: bool) {
        self.point_in("1", text, is_copy);
    }

    fn point_in(&mut self, account: &str, text: &str, is_copy: bool) {
        let id = format!("{account} {text} {is_copy}");
        let row = serde_json::json!({
            "id": id, "component": "main", "region": "us-east-1", "account": account,
            "data_time": text, "copied_from": is_copy.then_some("x"), "key": null,
            "size_gib": null, "source_resource": null, "made_by": run(), "marked_at": null,
            "verified_at": null,
        });
        let point: RecoveryPoint = serde_json::from_value(row).unwrap();
        let state = self.known.applications.get_mut(&self.application.name).unwrap();
        state.points.insert(id, point);
    }

    fn lacks(&self, now: &str) -> Lacks {
        let all =
            backups(&self.schedules, &self.library, &self.application, &self.known, instant(now));
        all[0].lacks
    }

    /// What is written down at an instant: the ids of what opens, and of what is over after a `-`.
    fn changes(&mut self, now: &str) -> Vec<String> {
        let changes =
            changes(&self.schedules, &self.library, &self.application, &self.known, instant(now));
        let state = self.known.applications.get_mut(&self.application.name).unwrap();
        let mut said = Vec::new();
        for change in changes {
            match change {
                Ok(finding) => {
                    said.push(finding.id.clone());
                    state.findings.insert(finding.id.clone(), (instant(now), finding));
                }
                Err(id) => {
                    said.push(format!("-{id}"));
                    state.findings.remove(&id);
                }
            }
        }
        said
    }
}

/// Goal: a backup is missing from the end of its windows on, by its own calendar, until there is one.
/// Method: a nightly backup that stops, over two nights, with a copy that comes later.
#[test]
fn a_backup_is_missing_from_the_end_of_its_windows_on() {
    let mut case = Case::nightly();
    case.point("2026-03-01T02:00:30Z", false);
    case.point("2026-03-01T02:00:30Z", true);
    assert_eq!(case.lacks("2026-03-02T05:59:59Z"), Lacks::Nothing);
    assert_eq!(case.lacks("2026-03-02T06:00:00Z"), Lacks::Data);
    assert_eq!(case.changes("2026-03-02T06:00:00Z"), ["backup-missing/main"]);
    assert_eq!(case.changes("2026-03-02T06:01:00Z"), [""; 0], "the same is said once");
    // The provider's clock may be a little behind.
    case.point("2026-03-02T01:59:58Z", false);
    assert_eq!(case.lacks("2026-03-02T06:30:00Z"), Lacks::Copy);
    assert_eq!(case.changes("2026-03-02T06:30:00Z"), ["backup-missing/main"]);
    case.point("2026-03-02T01:59:58Z", true);
    assert_eq!(case.changes("2026-03-02T06:31:00Z"), ["-backup-missing/main"]);
}

/// Goal: what makes no difference to a restore makes none here: who switched off, what failed; and a
/// snapshot of a deployment is no backup.
#[test]
fn only_a_backup_counts() {
    let mut case = Case::nightly();
    case.point("2026-03-02T02:00:30Z", false);
    case.point("2026-03-02T02:00:30Z", true);
    let state = case.known.applications.get_mut(&case.application.name).unwrap();
    for point in state.points.values_mut() {
        point.purpose = Purpose::PreDeployment;
    }
    case.known.off = Some(("olga".to_owned(), "a test".to_owned()));
    assert_eq!(case.lacks("2026-03-02T06:00:00Z"), Lacks::Data);
}

/// Goal: a week is not late after a day, and nobody is told of what was never promised.
/// Method: a weekly backup, and one that was known of for less than an interval.
#[test]
fn the_calendar_of_the_schedule_decides() {
    let mut case = Case::new(
        "- { id: weekly, runbook: daily-backup, application: shop, cron: \"0 2 * * SUN\", complete_within: 3h }",
    );
    assert_eq!(case.lacks("2026-03-14T00:00:00Z"), Lacks::Nothing, "not known of yet");
    case.state().first_due = Some(instant("2026-03-08T02:00:00Z"));
    assert_eq!(case.lacks("2026-03-08T05:59:00Z"), Lacks::Nothing, "the first is still on time");
    assert_eq!(case.lacks("2026-03-08T06:00:00Z"), Lacks::Data);
    case.point("2026-03-08T02:00:30Z", false);
    case.point("2026-03-08T02:00:30Z", true);
    assert_eq!(case.lacks("2026-03-15T05:59:00Z"), Lacks::Nothing);
    assert_eq!(case.lacks("2026-03-15T06:00:00Z"), Lacks::Data);
}

/// Goal: a missed or failed occurrence stands until a later one has ended well, not only started.
#[test]
fn what_was_missed_stands_until_one_ends_well() {
    let mut case = Case::new(
        "- { id: check, runbook: replication-check, application: shop, cron: \"0 * * * *\" }",
    );
    let hour = |hour: i8| instant(&format!("2026-03-01T{hour:02}:00:00Z"));
    case.state().missed.push((hour(1), "muster was not running then".to_owned()));
    assert_eq!(case.changes("2026-03-01T01:30:00Z"), ["missed/check"]);
    case.state().last_run = Some((hour(2), run()));
    assert_eq!(case.changes("2026-03-01T02:01:00Z"), [""; 0]);
    let ended = |due_at: Timestamp, succeeded| EndedOccurrence {
        due_at,
        run: run(),
        started_at: due_at,
        ended_at: due_at + SignedDuration::from_mins(5),
        succeeded,
    };
    case.state().ended = Some(ended(hour(2), false));
    assert_eq!(
        case.changes("2026-03-01T02:05:00Z"),
        ["missed/check"],
        "it says something else now"
    );
    case.state().ended = Some(ended(hour(3), true));
    case.state().succeeded = Some(hour(3));
    assert_eq!(case.changes("2026-03-01T03:05:00Z"), ["-missed/check"]);
}

/// Goal: a run that took too long stands until one ends in time.
#[test]
fn what_took_too_long_stands_until_one_ends_in_time() {
    let mut case = Case::nightly();
    let ended = |day: &str, hours| {
        let started_at = instant(&format!("2026-03-{day}T02:00:01Z"));
        let ended_at = started_at + SignedDuration::from_hours(hours);
        let due_at = instant(&format!("2026-03-{day}T02:00:00Z"));
        Some(EndedOccurrence { due_at, run: run(), started_at, ended_at, succeeded: true })
    };
    case.state().ended = ended("01", 4);
    let said = case.changes("2026-03-01T06:30:00Z");
    assert!(said.contains(&"too-long/nightly".to_owned()), "{said:?}");
    case.state().ended = ended("02", 2);
    let said = case.changes("2026-03-02T06:30:00Z");
    assert!(said.contains(&"-too-long/nightly".to_owned()), "{said:?}");
}

/// Goal: a copy in another account is missed by itself, and makes up for no copy in the other region.
/// Method: the same night with a vault: one copy there, then the other.
#[test]
fn a_copy_in_another_account_is_promised_by_itself() {
    let mut case = Case::nightly();
    let night = "2026-03-01T02:00:30Z";
    let late = "2026-03-01T06:00:00Z";
    let vault = serde_json::json!({
        "account": "999988887777", "region": "us-west-2",
        "role": "arn:aws:iam::999988887777:role/muster-vault",
        "key": "arn:aws:kms:us-west-2:999988887777:key/a",
    });
    case.application.databases[0].vault = serde_json::from_value(vault).unwrap();
    case.point(night, false);
    case.point_in("999988887777", night, true);
    assert_eq!(case.lacks(late), Lacks::Copy, "the vault is no other region of ours");
    case.point(night, true);
    assert_eq!(case.lacks(late), Lacks::Nothing);
    let state = case.known.applications.get_mut(&case.application.name).unwrap();
    state.points.retain(|_, point| point.account == "1");
    assert_eq!(case.lacks(late), Lacks::Vault);
    assert_eq!(case.changes(late), ["backup-missing/main"]);
    let state = &case.known.applications[&case.application.name];
    let (_, finding) = &state.findings["backup-missing/main"];
    assert!(finding.message.contains("copy in another account"), "{}", finding.message);
    // Without a vault nobody promised one.
    case.application.databases[0].vault = None;
    assert_eq!(case.lacks(late), Lacks::Nothing);
}
