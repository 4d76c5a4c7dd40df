//! Part 9: what should have happened in the period and did not, and what nobody ever asked for.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::application::Application;
use muster_state::{
    event::{Event, ScheduleEvent},
    run::Status,
};
use serde::{Deserialize, Serialize};

use super::{
    List,
    duties::{self, DUTIES, Duty},
    facts::{Facts, ScheduleFacts},
};

/// The period, where nobody says another: three months, for a report that is made every quarter.
pub const PERIOD: SignedDuration = SignedDuration::from_hours(92 * 24);

/// The most occurrences of one schedule that are looked through.
const OCCURRENCES_MAX: usize = 10_000;

/// The most missed occurrences of one schedule, and the most failed runs, that are listed.
const LINES_MAX: usize = 100;

/// What did not happen.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Absent {
    /// Where the period begins.
    pub since: Timestamp,
    /// Where it ends: with the run, or when the report was made.
    pub until: Timestamp,
    /// When the first record of the journal was written. Of what was before nothing is known.
    pub journal_begins_at: Option<Timestamp>,
    /// Whether the journal is younger than the period.
    pub partly_unknown: bool,
    /// The schedules of the application, as they were configured when the report was made.
    pub schedules: Vec<ScheduleLine>,
    /// The duties for which there is no schedule.
    pub unscheduled: Vec<Unscheduled>,
    /// The runs of the application in the period that failed or were given up.
    pub failed: List<FailedRun>,
    /// Whether more runs have ended since than were looked through.
    pub failed_cut: bool,
}

/// What was due by one schedule.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ScheduleLine {
    /// Its id.
    pub id: String,
    /// The runbook that it starts.
    pub runbook: String,
    /// Minute, hour, day of month, month, day of week.
    pub cron: String,
    /// The zone that these are meant in.
    pub zone: String,
    /// How many occurrences its calendar has in the period.
    pub due: usize,
    /// How many of them were started.
    pub started: usize,
    /// Those that were recorded as missed, newest first.
    pub missed: List<Missed>,
    /// Those of which the journal has nothing although the schedule was known by then, newest first.
    pub unrecorded: List<Timestamp>,
    /// How many came before the schedule was known here. Whether they happened, nobody can say.
    pub before_known: usize,
    /// Whether it has more occurrences, or records, than were looked through.
    pub cut: bool,
}

/// An occurrence that did not run.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Missed {
    /// The occurrence.
    pub due_at: Timestamp,
    /// Why.
    pub because: String,
}

/// A duty without a schedule.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Unscheduled {
    /// What.
    pub duty: Duty,
    /// The newest run of the period that did it all the same, asked for by hand.
    pub last_run: Option<String>,
    /// When that ended.
    pub last_ended_at: Option<Timestamp>,
    /// How that ended.
    pub last_status: Option<String>,
}

/// A run that failed.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct FailedRun {
    /// Its id.
    pub run: String,
    /// Its runbook.
    pub runbook: String,
    /// How it ended.
    pub status: String,
    /// When it was admitted.
    pub admitted_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
}

impl Absent {
    /// What did not happen around a run.
    pub fn make(facts: &Facts<'_>) -> Absent {
        let (since, until) = (facts.since, facts.until());
        let begins_at = facts.around.begins_at;
        let binding = facts.run.run.plan.binding.as_ref();
        let failed = facts.around.ended.iter().filter(|run| {
            (since..=until).contains(&run.ended_at)
                && matches!(run.status, Status::Failed | Status::Abandoned)
        });
        let failed = failed.map(|run| FailedRun {
            run: run.id.to_string(),
            runbook: run.runbook.clone(),
            status: run.status.to_string(),
            admitted_at: run.admitted_at,
            ended_at: run.ended_at,
        });
        let schedules = facts.around.schedules.iter();
        Absent {
            since,
            until,
            journal_begins_at: begins_at,
            partly_unknown: begins_at.is_none_or(|begins_at| begins_at > since),
            schedules: schedules.map(|one| line(one, since, until)).collect(),
            unscheduled: binding
                .map_or_else(Vec::new, |binding| unscheduled(facts, &binding.application)),
            failed: List::first(LINES_MAX, failed),
            failed_cut: facts.around.ended_cut,
        }
    }
}

fn line(one: &ScheduleFacts<'_>, since: Timestamp, until: Timestamp) -> ScheduleLine {
    let schedule = one.schedule;
    let (mut started, mut missed) = (BTreeSet::new(), Vec::new());
    for record in &one.part.records {
        let Event::Schedule(event) = &record.event else { continue };
        match event {
            ScheduleEvent::Started { due_at, .. } => {
                started.insert(*due_at);
            }
            ScheduleEvent::Missed { due_at, because } => {
                missed.push(Missed { due_at: *due_at, because: because.clone() });
            }
        }
    }
    let is_in = |due_at: &Timestamp| (since..=until).contains(due_at);
    started.retain(is_in);
    missed.retain(|missed| is_in(&missed.due_at));
    let due = schedule.occurrences(since, until, OCCURRENCES_MAX + 1);
    let cut = one.part.cut || due.len() > OCCURRENCES_MAX;
    let recorded: BTreeSet<Timestamp> = missed.iter().map(|missed| missed.due_at).collect();
    let told = |at: &Timestamp| started.contains(at) || recorded.contains(at);
    // What may still start is not missing yet.
    let is_over = |at: &Timestamp| *at + schedule.start_within.duration() < until;
    let silent = due.iter().map(|one| one.due_at).filter(|at| !told(at) && is_over(at));
    let is_known = |at: &Timestamp| one.first_due.is_some_and(|first| *at >= first);
    let (known, before): (Vec<Timestamp>, Vec<Timestamp>) = silent.partition(is_known);
    missed.sort_by_key(|missed| missed.due_at);
    ScheduleLine {
        id: schedule.id.to_string(),
        runbook: schedule.runbook.to_string(),
        cron: schedule.cron.to_string(),
        zone: schedule.zone.to_string(),
        due: due.len().min(OCCURRENCES_MAX),
        started: started.len(),
        missed: List::first(LINES_MAX, missed.into_iter().rev()),
        unrecorded: List::first(LINES_MAX, known.into_iter().rev()),
        before_known: before.len(),
        cut,
    }
}

fn unscheduled(facts: &Facts<'_>, application: &Application) -> Vec<Unscheduled> {
    let owed = DUTIES.iter().filter(|duty| duties::is_owed(application, **duty));
    let missing = owed.filter(|duty| !duties::is_scheduled(facts, **duty));
    let one = |duty: &Duty| {
        let last = facts.around.ended.iter().find(|run| {
            (facts.since..=facts.until()).contains(&run.ended_at)
                && duties::is_done_by(facts.library, &run.runbook, *duty)
        });
        Unscheduled {
            duty: *duty,
            last_run: last.map(|run| run.id.to_string()),
            last_ended_at: last.map(|run| run.ended_at),
            last_status: last.map(|run| run.status.to_string()),
        }
    };
    missing.map(one).collect()
}
