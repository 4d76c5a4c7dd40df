//! What schedules have promised by now: the newest backup of each kind that should have arrived.

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    name::ApplicationName,
    runbook::{Runbook, library::Library},
    schedule::Schedule,
};

use crate::world::inventory::judge::Due;

/// How far back an occurrence is looked for: longer than a month.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(24 * 40);

/// The most occurrences that are looked through.
const OCCURRENCES_MAX: usize = 5_000;

/// The newest occurrence of each kind of backup of an application whose time is over. An occurrence has
/// as long as the limits of the steps that lead to it say: until then nothing is late.
pub fn due(
    schedules: &[Schedule],
    library: &Library,
    application: &ApplicationName,
    now: Timestamp,
) -> Due {
    let mut due = Due::default();
    let of_it = schedules.iter().filter(|one| one.application.as_ref() == Some(application));
    for schedule in of_it {
        let Some(runbook) = library.get(&schedule.runbook) else { continue };
        let newest = |actions: &[&str]| settled(schedule, time_for(runbook, actions)?, now);
        due.snapshot = due.snapshot.max(newest(&["snapshot-database"]));
        due.copy = due.copy.max(newest(&["snapshot-database", "copy-snapshot"]));
        let steps = ["snapshot-database", "copy-snapshot", "share-snapshot", "copy-to-vault"];
        due.vault = due.vault.max(newest(&steps));
        due.cache = due.cache.max(newest(&["snapshot-cache"]));
    }
    due
}

/// How long a runbook may take for all of these actions; nothing if it lacks one of them.
fn time_for(runbook: &Runbook, actions: &[&str]) -> Option<SignedDuration> {
    let limit = |action: &&str| {
        let mut steps = runbook.steps.iter().filter(|step| step.task.action.value == **action);
        steps.next().map(|step| step.limit.duration())
    };
    actions.iter().map(limit).sum()
}

fn settled(schedule: &Schedule, takes: SignedDuration, now: Timestamp) -> Option<Timestamp> {
    let until = now.checked_sub(takes).ok()?;
    let after = until.checked_sub(LOOK_BACK).ok()?;
    let occurrences = schedule.occurrences(after, until, OCCURRENCES_MAX);
    occurrences.last().map(|occurrence| occurrence.due_at)
}

#[cfg(test)]
mod tests {
    use muster_runbooks::schedule;

    use super::*;

    const SCHEDULES: &str = "
- { id: nightly, runbook: daily-backup, application: shop, cron: \"0 2 * * *\" }
- { id: other, runbook: daily-backup, application: other, cron: \"0 5 * * *\" }
- { id: checks, runbook: replication-check, application: shop, cron: \"*/15 * * * *\" }
";

    /// Goal: a backup is late when its time is over, not when it is due.
    /// Method: the shipped nightly backup, which has 2 h for the snapshot, 8 h more for the copy, and then as
    /// long again and a quarter of an hour for the one in the vault.
    #[test]
    fn a_backup_has_as_long_as_its_steps() {
        let schedules = schedule::parse("schedules.yaml", SCHEDULES).unwrap();
        let library = Library::shipped();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let due_at = |now: &str| {
            let due = due(&schedules, &library, &"shop".parse().unwrap(), at(now));
            [due.snapshot, due.copy, due.cache].map(|time| time.unwrap().to_string())
        };
        let (first, second) = ("2026-03-01T02:00:00Z", "2026-03-02T02:00:00Z");
        assert_eq!(due_at("2026-03-02T02:30:00Z"), [first, first, first]);
        assert_eq!(due_at("2026-03-02T04:00:00Z"), [second, first, second]);
        assert_eq!(due_at("2026-03-02T12:00:00Z"), [second, second, second]);
        let vault = |now: &str| {
            let due = due(&schedules, &library, &"shop".parse().unwrap(), at(now));
            due.vault.unwrap().to_string()
        };
        assert_eq!(vault("2026-03-02T20:14:59Z"), first);
        assert_eq!(vault("2026-03-02T20:15:00Z"), second);
        let nobody = due(&schedules, &library, &"third".parse().unwrap(), at(first));
        assert_eq!(nobody, Due::default());
    }
}
