//! Schedules next to the policies of an application: intervals against retentions, copies against
//! keys, and times against the engine's own windows.

use jiff::{Timestamp, Zoned, tz::TimeZone};

use super::Schedule;
use crate::{
    application::{Application, Database, EngineWindow, Purpose},
    check::Findings,
    plan::{Arg, Part},
    runbook::{Runbook, StepDefinition},
    value::Span,
};

/// How a runbook backs databases up.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct BacksUp {
    /// Whether it copies what it took to another region.
    pub copies: bool,
    /// Whether it copies that to another account, where one keeps copies.
    pub vaults: bool,
}

/// Whether a runbook is a backup of all databases, and how. One that only keeps a way back from a
/// deployment or from maintenance is none.
pub fn backs_up(runbook: &Runbook) -> Option<BacksUp> {
    let mut steps = runbook.steps.iter().filter(|step| step.part == Part::Steps);
    let is = |step: &StepDefinition, action: &str| {
        step.each.is_some() && step.task.action.value == action && purpose(step) == Purpose::Backup
    };
    steps.clone().any(|step| is(step, "snapshot-database")).then(|| BacksUp {
        copies: steps.clone().any(|step| is(step, "copy-snapshot")),
        vaults: steps.any(|step| is(step, "copy-to-vault")),
    })
}

fn purpose(step: &StepDefinition) -> Purpose {
    let given = step.task.with.get("purpose").and_then(|given| given.arg.as_ref());
    let Some(Arg::Literal(value)) = given else { return Purpose::default() };
    value.as_str().and_then(|word| word.parse().ok()).unwrap_or_default()
}

/// How many occurrences are held against the engine's windows: more than a year of nights.
const OCCURRENCES_MAX: usize = 400;

/// When the occurrences are counted from: a Monday, so that a week is whole.
const EPOCH: Timestamp = Timestamp::constant(1_767_571_200, 0);

/// How long a snapshot is taken to keep the cluster busy when windows are compared.
const SNAPSHOT_MINS: u32 = 5;

/// Judges one schedule of an application.
pub(super) fn judge(
    schedule: &Schedule,
    runbook: &Runbook,
    application: &Application,
    out: &mut Findings,
) {
    if let Some(how) = backs_up(runbook) {
        let interval = schedule.interval_max(EPOCH);
        for database in &application.databases {
            kept_long_enough(schedule, database, interval, out);
            if how.copies {
                keys(schedule, application, database, out);
            }
        }
    }
    for database in &application.databases {
        windows(schedule, database, runbook, out);
    }
}

fn kept_long_enough(
    schedule: &Schedule,
    database: &Database,
    interval: Option<Span>,
    out: &mut Findings,
) {
    let keep_for = database.retention.keep_for;
    if let Some(interval) = interval.filter(|interval| keep_for < *interval) {
        let message = format!(
            "`{}` backs `{}` up every {interval} and its points are kept for {keep_for}",
            schedule.id, database.name
        );
        out.error(schedule.place, "retention-under-interval", message)
            .hint(format!("make `keep_for` longer than {interval}, or back up more often"));
    }
}

/// Facts §2: a copy of an encrypted snapshot needs a key that is valid where it arrives, and after a
/// failover copies go the other way.
fn keys(schedule: &Schedule, application: &Application, database: &Database, out: &mut Findings) {
    for side in [&application.home, &application.standby] {
        if !database.copy_keys.contains_key(side.as_str()) {
            let message = format!(
                "`{}` copies `{}`, and there is no key for copies to `{side}`",
                schedule.id, database.name
            );
            out.error(schedule.place, "no-copy-key", message).hint(format!(
                "AWS refuses to copy an encrypted snapshot without a key of the region where it \
                 arrives: add `{side}` under `copy_keys`"
            ));
        }
    }
}

/// For how long the runbook keeps a maintenance window open, if it opens one.
fn open_for(schedule: &Schedule, runbook: &Runbook) -> Option<u32> {
    let opens = runbook.steps.iter().find(|step| step.task.action.value == "open-window")?;
    let given = match opens.task.with.get("open_for").and_then(|given| given.arg.as_ref())? {
        Arg::Literal(value) => value.clone(),
        Arg::Input(name) => {
            let default = runbook.inputs.get(name).and_then(|input| input.default.clone());
            schedule.inputs.get(name).cloned().or(default)?
        }
        Arg::Output { .. } | Arg::Worst { .. } => return None,
    };
    let span: Span = given.as_str()?.parse().ok()?;
    u32::try_from(span.secs() / 60).ok()
}

/// What the engine does by itself in a window of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Own {
    /// It takes a snapshot.
    Backup,
    /// AWS maintains it.
    Maintenance,
}

impl Own {
    /// The word for it in messages.
    pub fn word(self) -> &'static str {
        match self {
            Own::Backup => "backup",
            Own::Maintenance => "maintenance",
        }
    }

    /// The key under which an application declares its window.
    pub fn key(self) -> &'static str {
        match self {
            Own::Backup => "engine_backup_window",
            Own::Maintenance => "engine_maintenance_window",
        }
    }
}

impl Database {
    /// What is declared of a window of its clusters.
    pub fn engine_window(&self, own: Own) -> Option<&EngineWindow> {
        match own {
            Own::Backup => self.engine_backup_window.as_ref(),
            Own::Maintenance => self.engine_maintenance_window.as_ref(),
        }
    }
}

/// The occurrence of a schedule that meets a window of the engine and had better not, if there is one. While
/// the cluster is busy with itself it takes no snapshot (facts §2, backup window); that it is maintained while
/// the application is, is as it should be.
pub fn meets(
    schedule: &Schedule,
    runbook: &Runbook,
    own: Own,
    window: &EngineWindow,
) -> Option<Timestamp> {
    let backs_up = backs_up(runbook).map(|_| SNAPSHOT_MINS);
    let open_for = open_for(schedule, runbook).filter(|_| own == Own::Backup);
    first_met(schedule, window, backs_up.into_iter().chain(open_for).max()?)
}

fn first_met(schedule: &Schedule, window: &EngineWindow, mins: u32) -> Option<Timestamp> {
    let until = EPOCH.checked_add(super::INTERVAL_LOOK).unwrap_or(Timestamp::MAX);
    let found = schedule.occurrences(EPOCH, until, OCCURRENCES_MAX);
    let meets = |at: Timestamp| window.meets(minute_of_week(&at.to_zoned(TimeZone::UTC)), mins);
    found.iter().map(|one| one.at).find(|at| meets(*at))
}

/// Says which of the declared windows occurrences meet.
fn windows(schedule: &Schedule, database: &Database, runbook: &Runbook, out: &mut Findings) {
    for own in [Own::Backup, Own::Maintenance] {
        let Some(window) = database.engine_window(own) else { continue };
        let Some(met) = meets(schedule, runbook, own, window) else { continue };
        let (word, key) = (own.word(), own.key());
        let message = format!(
            "`{}` meets the engine's own {word} window `{window}` of `{}`, such as at {met}",
            schedule.id, database.name
        );
        out.warning(schedule.place, "engine-windows", message).hint(format!(
            "the cluster takes no snapshot while it is busy with itself: move the schedule, or \
             change the cluster's window and `{key}` with it"
        ));
    }
}

fn minute_of_week(at: &Zoned) -> u32 {
    let day = at.weekday().to_monday_zero_offset().unsigned_abs();
    u32::from(day) * 24 * 60
        + u32::from(at.hour().unsigned_abs()) * 60
        + u32::from(at.minute().unsigned_abs())
}

/// Two maintenance windows of one application that are open at the same time: the second would be
/// closed by nobody's plan.
pub(super) fn overlapping(schedules: &[(&Schedule, &Runbook)]) -> Vec<(usize, String)> {
    let until = EPOCH.checked_add(super::INTERVAL_LOOK).unwrap_or(Timestamp::MAX);
    let mut opened: Vec<(usize, Vec<(Timestamp, Timestamp)>)> = Vec::new();
    let mut found = Vec::new();
    for (place, (schedule, runbook)) in schedules.iter().enumerate() {
        let Some(mins) = open_for(schedule, runbook) else { continue };
        let length = Span::from_mins(mins).duration();
        let own: Vec<(Timestamp, Timestamp)> = schedule
            .occurrences(EPOCH, until, OCCURRENCES_MAX)
            .iter()
            .map(|one| (one.at, one.at.saturating_add(length).unwrap_or(Timestamp::MAX)))
            .collect();
        for (other, theirs) in &opened {
            let same = schedules[*other].0.application == schedule.application;
            let meet = own.iter().find(|(from, to)| theirs.iter().any(|(a, b)| a < to && from < b));
            if let Some((from, _)) = meet.filter(|_| same) {
                let message = format!(
                    "the window of `{}` at {from} overlaps that of `{}`",
                    schedule.id, schedules[*other].0.id
                );
                found.push((place, message));
            }
        }
        opened.push((place, own));
    }
    found
}
