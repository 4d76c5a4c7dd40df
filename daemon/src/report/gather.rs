//! Reads what a report is made of out of the journal, each with a bound.

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::name::ApplicationName;
use muster_state::{
    event::{AccessEvent, Event, Record, Stream},
    journal::{Journal, ReadError},
    progress::EndedRun,
};

use super::{
    absent::PERIOD,
    facts::{Around, ChildFacts, Facts, Head, OpenRun, Opened, Part, RunFacts, ScheduleFacts},
};
use crate::intake::Intake;

/// The most records of one stream that are read beside the run's own.
const RECORDS_MAX: usize = 20_000;

/// The most rows of ended runs that are looked through.
const ROWS_MAX: usize = 10_000;

/// How many rows are read at a time.
const ROWS_AT_ONCE: usize = 500;

/// So much earlier than the period the records are read: a clock that was put back must not hide the first
/// of them.
const CLOCK_SLACK: SignedDuration = SignedDuration::from_hours(24);

/// Gathers everything around a run. `since` is where the period begins; by itself it has three months.
///
/// # Errors
///
/// When the journal cannot be read.
pub fn gather<'a>(
    intake: &'a Intake,
    program: &'a str,
    run: RunFacts,
    children: Vec<ChildFacts>,
    since: Option<Timestamp>,
) -> Result<Facts<'a>, ReadError> {
    let made_at = intake.clock().now();
    let until = run.run.ended.map_or(made_at, |ended| ended.at);
    let since = since.unwrap_or_else(|| until.checked_sub(PERIOD).unwrap_or(Timestamp::MIN));
    let around = around(intake, &run, since)?;
    Ok(Facts { made_at, program, run, children, since, library: intake.library(), around })
}

fn around<'a>(
    intake: &'a Intake,
    run: &RunFacts,
    since: Timestamp,
) -> Result<Around<'a>, ReadError> {
    let journal = intake.journal();
    let end = intake.known(|known| known.end);
    let name = run.run.application();
    let first = journal.read(None, 0, 1)?;
    let (mut ended, mut ended_cut, mut schedules) = (Vec::new(), false, Vec::new());
    let mut meanwhile = Part::default();
    if let Some(name) = name {
        (ended, ended_cut) = ended_since(journal, name, since)?;
        let slack = since.checked_sub(CLOCK_SLACK).unwrap_or(Timestamp::MIN);
        let from = first_at(journal, slack, end)?;
        for schedule in
            intake.schedules().iter().filter(|one| one.application.as_ref() == Some(name))
        {
            let part = part(journal, &Stream::Schedule(schedule.id.clone()), from, end)?;
            let first_due = intake.known(|known| known.schedules.get(&schedule.id)?.first_due);
            schedules.push(ScheduleFacts { schedule, part, first_due });
        }
        if let Some((from, last)) = run.span() {
            meanwhile = part(journal, &Stream::Application(name.clone()), from, last + 1)?;
        }
    }
    let hash = journal.link(end)?.map(|hash| hash.to_string());
    Ok(Around {
        application: name.map(|name| {
            intake.known(|known| known.applications.get(name).cloned().unwrap_or_default())
        }),
        meanwhile,
        schedules,
        ended,
        ended_cut,
        open: name.map_or_else(Vec::new, |name| open(intake, name)),
        programs: programs(journal, end)?,
        begins_at: first.first().map(|record| record.at),
        head: Head { end, hash },
    })
}

/// The records of a stream from one number to another.
fn part(journal: &dyn Journal, stream: &Stream, from: u64, end: u64) -> Result<Part, ReadError> {
    let mut records = journal.read(Some(stream), from, RECORDS_MAX + 1)?;
    records.retain(|record| record.seq < end);
    let cut = records.len() > RECORDS_MAX;
    records.truncate(RECORDS_MAX);
    Ok(Part { records, cut })
}

/// The number of the first record that was written at an instant or later.
fn first_at(journal: &dyn Journal, at: Timestamp, end: u64) -> Result<u64, ReadError> {
    let (mut low, mut high) = (0, end);
    while low < high {
        let middle = low + (high - low) / 2;
        match journal.read(None, middle, 1)?.first() {
            Some(record) if record.at < at => low = middle + 1,
            Some(_) | None => high = middle,
        }
    }
    Ok(low)
}

/// The runs of an application that ended at an instant or later, newest first, and whether there are more.
fn ended_since(
    journal: &dyn Journal,
    name: &ApplicationName,
    since: Timestamp,
) -> Result<(Vec<EndedRun>, bool), ReadError> {
    let (mut own, mut seen, mut after) = (Vec::new(), 0, None);
    loop {
        let rows = journal.ended(after.as_ref(), ROWS_AT_ONCE)?;
        let Some(last) = rows.last().cloned() else { return Ok((own, false)) };
        seen += rows.len();
        let is_over = last.ended_at < since;
        let is_own =
            |row: &EndedRun| row.ended_at >= since && row.application.as_ref() == Some(name);
        own.extend(rows.into_iter().filter(is_own));
        if is_over || seen >= ROWS_MAX {
            return Ok((own, !is_over));
        }
        after = Some(last);
    }
}

fn open(intake: &Intake, name: &ApplicationName) -> Vec<OpenRun> {
    intake.known(|known| {
        let own = known.runs.values().filter(|run| run.application() == Some(name));
        let line = |run: &muster_state::run::Run| OpenRun {
            id: run.id.clone(),
            runbook: run.plan.runbook.to_string(),
            admitted_at: run.admitted_at,
        };
        own.map(line).collect()
    })
}

/// The processes that wrote the journal. Refusals stand on the same stream, and there may be many of them.
fn programs(journal: &dyn Journal, end: u64) -> Result<Vec<Opened>, ReadError> {
    let (mut opened, mut from) = (Vec::new(), 0);
    loop {
        let records = journal.read(Some(&Stream::Access), from, ROWS_AT_ONCE)?;
        let is_last = records.len() < ROWS_AT_ONCE;
        from = records.last().map_or(end, |record| record.seq + 1);
        opened.extend(records.into_iter().filter_map(process));
        if is_last || from >= end {
            return Ok(opened);
        }
    }
}

fn process(record: Record) -> Option<Opened> {
    let Event::Access(AccessEvent::Opened { epoch, program }) = record.event else { return None };
    Some(Opened { seq: record.seq, at: record.at, epoch, program })
}
