//! What the clock promised and has not happened: backups that are missing, occurrences that nothing
//! made up for, runs that take too long. Judged from what is durable, so that a restart forgets
//! nothing, and by the schedule's own calendar, so that a week is not late after a day.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    application::{Application, Purpose},
    name::{ComponentName, ScheduleId},
    request::Trigger,
    runbook::library::Library,
    schedule::{Schedule, policy::backs_up},
    value::Span,
};

use crate::{
    catalog::{Finding, RecoveryPoint},
    progress::{ApplicationState, Progress, ScheduleState},
    run::Run,
};

/// How long a backup with its copies may take where its schedule does not say: the limits of the
/// shipped runbook, and a little.
pub const COMPLETE_WITHIN_DEFAULT: Span = Span::from_hours(12);

/// So much earlier than our clock the provider's may be.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(10);

/// The findings that are judged here start so.
const KINDS: [&str; 3] = ["missed/", "too-long/", "backup-missing/"];

/// The newest backup of a component, held against its schedule.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Backup {
    /// The component.
    pub component: ComponentName,
    /// The schedule that backs it up.
    pub schedule: ScheduleId,
    /// The newest occurrence that must have a backup by now; none while none is that old.
    pub due_at: Option<Timestamp>,
    /// The instant of the newest data that was backed up.
    pub newest: Option<Timestamp>,
    /// The instant of the newest data that was copied to another region, where that is wanted.
    pub copied: Option<Timestamp>,
    /// The instant of the newest data that was copied to another account, where one keeps copies.
    pub vaulted: Option<Timestamp>,
    /// What there is no backup of: nothing, the data, or only one of its copies.
    pub lacks: Lacks,
}

/// What is missing of a backup.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lacks {
    /// Nothing.
    Nothing,
    /// There is no backup that is new enough.
    Data,
    /// There is one, and no copy of it in another region.
    Copy,
    /// There are both, and no copy in the account that is to keep one.
    Vault,
}

/// Holds the backups of an application against every schedule that makes them.
pub fn backups(
    schedules: &[Schedule],
    library: &Library,
    application: &Application,
    known: &Progress,
    now: Timestamp,
) -> Vec<Backup> {
    let empty = ApplicationState::default();
    let points = &known.applications.get(&application.name).unwrap_or(&empty).points;
    let mut backups = Vec::new();
    for schedule in
        schedules.iter().filter(|one| one.application.as_ref() == Some(&application.name))
    {
        let Some(how) = library.get(&schedule.runbook).and_then(backs_up) else { continue };
        let due_at = must_be_done(schedule, known.schedules.get(&schedule.id), now);
        for database in &application.databases {
            let newest = |is: &dyn Fn(&RecoveryPoint) -> bool| {
                let own = points.values().filter(|point| {
                    point.component == database.name
                        && point.purpose == Purpose::Backup
                        && is(point)
                });
                own.map(|point| point.data_time).max()
            };
            let is_own = |point: &RecoveryPoint| database.is_own(&point.region, &point.account);
            let taken = newest(&|point| point.copied_from.is_none() && is_own(point));
            let copied = newest(&|point| point.copied_from.is_some() && is_own(point));
            let vault = database.vault.as_ref();
            let vaulted = vault.and_then(|vault| newest(&|point| point.account == vault.account));
            let lacking = |data: Option<Timestamp>| {
                due_at.is_some_and(|due| data.is_none_or(|data| data + CLOCKS_DIFFER < due))
            };
            let lacks = if lacking(taken) {
                Lacks::Data
            } else if how.copies && lacking(copied) {
                Lacks::Copy
            } else if how.vaults && vault.is_some() && lacking(vaulted) {
                Lacks::Vault
            } else {
                Lacks::Nothing
            };
            backups.push(Backup {
                component: database.name.clone(),
                schedule: schedule.id.clone(),
                due_at,
                newest: taken,
                copied,
                vaulted,
                lacks,
            });
        }
    }
    backups
}

/// The newest occurrence whose start window and completion window are over. What was due before the
/// schedule was first known of was promised by nobody.
fn must_be_done(
    schedule: &Schedule,
    state: Option<&ScheduleState>,
    now: Timestamp,
) -> Option<Timestamp> {
    let state = state?;
    let known_since = state.first_due.or(state.last_due)?;
    let complete = schedule.complete_within.unwrap_or(COMPLETE_WITHIN_DEFAULT).duration();
    let allowed = schedule.start_within.duration() + complete;
    let due = schedule.last(now.checked_sub(allowed).ok()?)?;
    (due.due_at >= known_since).then_some(due.due_at)
}

/// The findings about an application that are new, changed or over, as they stand at an instant.
pub fn changes(
    schedules: &[Schedule],
    library: &Library,
    application: &Application,
    known: &Progress,
    now: Timestamp,
) -> Vec<Result<Finding, String>> {
    let mut open: BTreeMap<String, Finding> = BTreeMap::new();
    let mut add = |finding: Finding| {
        open.entry(finding.id.clone()).or_insert(finding);
    };
    for schedule in
        schedules.iter().filter(|one| one.application.as_ref() == Some(&application.name))
    {
        let state = known.schedules.get(&schedule.id);
        state.and_then(|state| missed(schedule, state, known)).into_iter().for_each(&mut add);
        too_long(schedule, state, known, now).into_iter().for_each(&mut add);
    }
    let backups = backups(schedules, library, application, known, now);
    backups.iter().filter_map(missing).for_each(&mut add);
    let state = known.applications.get(&application.name);
    let standing = state.map(|state| &state.findings).into_iter().flatten();
    let over = standing
        .clone()
        .filter(|(id, _)| KINDS.iter().any(|kind| id.starts_with(kind)) && !open.contains_key(*id));
    let over: Vec<String> = over.map(|(id, _)| id.clone()).collect();
    let known: BTreeMap<&String, &Finding> =
        standing.map(|(id, (_, finding))| (id, finding)).collect();
    let new = open.into_iter().filter(|(id, finding)| known.get(id) != Some(&finding));
    let new: Vec<Finding> = new.map(|(_, finding)| finding).collect();
    new.into_iter().map(Ok).chain(over.into_iter().map(Err)).collect()
}

fn missing(backup: &Backup) -> Option<Finding> {
    let Backup { component, schedule, due_at, newest, copied, vaulted, lacks } = backup;
    let (what, data) = match lacks {
        Lacks::Nothing => return None,
        Lacks::Data => ("backup", newest),
        Lacks::Copy => ("copy in another region", copied),
        Lacks::Vault => ("copy in another account", vaulted),
    };
    let due_at = due_at.as_ref()?;
    let newest =
        data.map_or("there is none at all".to_owned(), |at| format!("the newest data is of {at}"));
    Some(Finding {
        id: format!("backup-missing/{component}"),
        message: format!(
            "`{component}` has no {what} of {due_at} or later, which `{schedule}` promised; {newest}"
        ),
        hint: format!(
            "`muster status` shows what became of the runs of `{schedule}`; \
             `muster run daily-backup` makes up for it"
        ),
    })
}

/// An occurrence that did not run stands until a later one has ended well, and so does one that ran
/// and did not end well.
fn missed(schedule: &Schedule, state: &ScheduleState, known: &Progress) -> Option<Finding> {
    let after_good = |due_at: Timestamp| state.succeeded.is_none_or(|good| good < due_at);
    let newest = state.missed.iter().rev().find(|(due_at, _)| after_good(*due_at));
    let failed = state.ended.as_ref().filter(|ended| !ended.succeeded && after_good(ended.due_at));
    let (message, hint) = match (newest, failed) {
        (missed, Some(ended)) if missed.is_none_or(|(due_at, _)| *due_at < ended.due_at) => (
            format!(
                "run `{}` of `{}`, due at {}, did not end well",
                ended.run, schedule.id, ended.due_at
            ),
            format!("`muster status {}` shows why", ended.run),
        ),
        (Some((due_at, because)), _) => (
            format!("`{}` did not run at {due_at}: {because}", schedule.id),
            match &state.last_run {
                Some((later, run)) if later > due_at && known.runs.contains_key(run) => {
                    format!("run `{run}` is making up for it")
                }
                Some(_) | None => {
                    format!(
                        "the next one that ends well closes this; `muster run {}` does not wait for it",
                        schedule.runbook
                    )
                }
            },
        ),
        (None, _) => return None,
    };
    Some(Finding { id: format!("missed/{}", schedule.id), message, hint })
}

/// A run that is open for longer than it may be, or that was when it ended. The next one that ends
/// in time closes it.
fn too_long(
    schedule: &Schedule,
    state: Option<&ScheduleState>,
    known: &Progress,
    now: Timestamp,
) -> Option<Finding> {
    let limit = schedule.complete_within?;
    let by_it = |run: &&Run| matches!(&run.request.trigger, Trigger::Schedule { schedule: by, .. } if *by == schedule.id);
    let is_over = |from: Timestamp, to: Timestamp| to.duration_since(from) > limit.duration();
    let mut open = known.runs.values().filter(by_it);
    let open = open.find(|run| is_over(run.admitted_at, now));
    let ended = state.and_then(|state| state.ended.as_ref());
    let ended = ended.filter(|ended| is_over(ended.started_at, ended.ended_at));
    let (run, started_at, stands) = match (open, ended) {
        (Some(run), _) => (&run.id, run.admitted_at, "has not ended"),
        (None, Some(ended)) => (&ended.run, ended.started_at, "took longer"),
        (None, None) => return None,
    };
    Some(Finding {
        id: format!("too-long/{}", schedule.id),
        message: format!(
            "run `{run}` of `{}`, started at {started_at}, has {limit} and {stands}",
            schedule.id
        ),
        hint: format!("`muster status {run}` shows what it waits for, or where the time went"),
    })
}

#[cfg(test)]
mod tests;
