//! What earlier runs have measured: how long a failover and a restore took, how long a canary travelled.
//! Read from the journal, once a round for all applications.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use muster_runbooks::{
    name::{ApplicationName, ComponentName, StepId},
    plan::Thawed,
    request::{Mode, Request},
    value::Span,
};
use muster_state::{
    event::{Event, RunEvent, Stream},
    journal::{Journal, ReadError},
    progress::EndedRun,
    run::Status,
    step::Change,
};
use tracing::warn;

use crate::world::inventory::objectives::{Measured, Took};

/// How many of the newest ended runs are looked through.
const ROWS_MAX: usize = 2_000;

/// How many are read at a time.
const ROWS_AT_ONCE: usize = 200;

/// The most records of one run that are looked through.
const RECORDS_MAX: usize = 5_000;

/// Runs that move an application. A graceful one takes as long as a forced one, or longer.
const MOVES: &[&str] = &["region-failover", "region-failback"];

/// Runs that restore a recovery point and look at what is in it.
const RESTORES: &[&str] = &["restore-test"];

/// Runs that send canaries.
const CHECKS: &[&str] = &["replication-check"];

/// What runs of each application have measured. A journal that cannot be read has measured nothing.
pub(super) fn all(journal: &dyn Journal) -> BTreeMap<ApplicationName, Measured> {
    let mut measured: BTreeMap<ApplicationName, Measured> = BTreeMap::new();
    if let Err(error) = look_back(journal, &mut measured) {
        warn!(%error, "what earlier runs measured cannot be read");
    }
    measured
}

fn look_back(
    journal: &dyn Journal,
    measured: &mut BTreeMap<ApplicationName, Measured>,
) -> Result<(), ReadError> {
    let mut after: Option<EndedRun> = None;
    let mut checked: BTreeMap<ApplicationName, ()> = BTreeMap::new();
    for _ in 0..ROWS_MAX / ROWS_AT_ONCE {
        let rows = journal.ended(after.as_ref(), ROWS_AT_ONCE)?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some(last.clone());
        for row in &rows {
            let Some(name) = &row.application else { continue };
            let of = measured.entry(name.clone()).or_default();
            let runbook = row.runbook.as_str();
            let took = |wanted: &[&str], known: &Option<Took>| {
                wanted.contains(&runbook) && known.is_none() && row.status == Status::Succeeded
            };
            if took(MOVES, &of.failover) {
                of.failover = whole(journal, row)?;
            } else if took(RESTORES, &of.restore) {
                of.restore = whole(journal, row)?;
            } else if CHECKS.contains(&runbook) && checked.insert(name.clone(), ()).is_none() {
                of.canaries = canaries(journal, row)?;
            }
        }
    }
    Ok(())
}

/// How long a run took from the first symptom, or from its request, until it had ended: longer than until
/// users were served, never shorter (I16). Only real runs have measured anything.
fn whole(journal: &dyn Journal, row: &EndedRun) -> Result<Option<Took>, ReadError> {
    let Some((request, _)) = admission(journal, row)? else { return Ok(None) };
    if request.mode != Mode::Live {
        return Ok(None);
    }
    let from = request.symptom_at.map_or(row.admitted_at, |at| at.min(row.admitted_at));
    Ok(Some(took(row, from, row.ended_at)))
}

fn took(row: &EndedRun, from: Timestamp, to: Timestamp) -> Took {
    Took { took: Span::between(from, to), at: to, run: format!("{} {}", row.runbook, row.id) }
}

/// What a run was asked for, and its plan, unless a newer program made it.
type Admission = (Request, Option<Arc<Thawed>>);

fn admission(journal: &dyn Journal, row: &EndedRun) -> Result<Option<Admission>, ReadError> {
    let stream = Stream::Run(row.id.clone());
    let first = journal.read(Some(&stream), row.first_seq, 1)?;
    Ok(first.into_iter().next().and_then(|record| {
        let Event::Run(RunEvent::Admitted { request, plan }) = record.event else { return None };
        Some((*request, plan.thaw().ok()))
    }))
}

/// How long the canary of each bucket travelled.
fn canaries(
    journal: &dyn Journal,
    row: &EndedRun,
) -> Result<BTreeMap<ComponentName, Took>, ReadError> {
    let mut canaries = BTreeMap::new();
    let Some((request, Some(plan))) = admission(journal, row)? else { return Ok(canaries) };
    if request.mode != Mode::Live {
        return Ok(canaries);
    }
    let component = |id: &StepId| {
        let step = plan.step(id).filter(|step| step.task.action == "write-canary")?;
        step.component.clone()
    };
    let stream = Stream::Run(row.id.clone());
    for record in journal.read(Some(&stream), row.first_seq, RECORDS_MAX)? {
        if let Event::Run(RunEvent::Step { step, change: Change::Succeeded { outputs, .. } }) =
            &record.event
            && let Some(component) = component(step)
            && let Some(Ok(span)) = outputs
                .get("arrived_after")
                .and_then(|value| value.as_str())
                .map(str::parse::<Span>)
        {
            let took = Took { took: span, ..took(row, record.at, record.at) };
            canaries.insert(component, took);
        }
    }
    Ok(canaries)
}
