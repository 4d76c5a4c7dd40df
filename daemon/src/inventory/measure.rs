//! What earlier runs have measured: how long a failover and a restore took, how long a canary travelled.
//! Read from the journal: everything once, and then, each round, what has ended since.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use muster_runbooks::{
    name::{ApplicationName, ComponentName, RunId, StepId},
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

use crate::world::inventory::{
    objectives::{Measured, Took},
    readiness::recovery::{Proof, Rehearsed},
};

/// How many of the newest ended runs are looked through: more than a year of a check every fifteen minutes
/// for five applications. A failover is measured once a quarter.
const ROWS_MAX: usize = 200_000;

/// How many are read at a time.
const ROWS_AT_ONCE: usize = 200;

/// The most records of one run that are looked through.
const RECORDS_MAX: usize = 5_000;

/// Runs that move an application. A graceful one takes as long as a forced one, or longer.
const MOVES: &[&str] = &["region-failover", "region-failback"];

/// The one that what a failover would find is compared with.
const REHEARSAL: &str = "region-failover";

/// Runs that restore a recovery point and look at what is in it.
const RESTORES: &[&str] = &["restore-test"];

/// Runs that send canaries.
const CHECKS: &[&str] = &["replication-check"];

/// What runs of each application have measured, and up to which run that was read.
#[derive(Debug, Default)]
pub(super) struct Measurements {
    of: BTreeMap<ApplicationName, Measured>,
    newest: Option<RunId>,
}

impl Measurements {
    /// What runs of an application have measured.
    pub(super) fn of(&self, name: &ApplicationName) -> Measured {
        self.of.get(name).cloned().unwrap_or_default()
    }

    /// Takes in what has ended since the last time. What cannot be read has measured nothing, and is read
    /// again the next time.
    pub(super) async fn go_on(&mut self, journal: &dyn Journal) {
        match self.newer(journal).await {
            Ok((newer, newest)) => {
                for (name, newer) in newer {
                    newer.over(self.of.entry(name).or_default());
                }
                self.newest = newest.or(self.newest.take());
            }
            Err(error) => warn!(%error, "what earlier runs measured cannot be read"),
        }
    }

    /// What the runs measured that ended after the newest known one, and which is the newest now.
    async fn newer(&self, journal: &dyn Journal) -> Result<Newer, ReadError> {
        let mut measured = BTreeMap::new();
        let (mut after, mut newest): (Option<EndedRun>, _) = (None, None);
        for _ in 0..ROWS_MAX / ROWS_AT_ONCE {
            let rows = journal.ended(after.as_ref(), ROWS_AT_ONCE)?;
            for row in &rows {
                if Some(&row.id) == self.newest.as_ref() {
                    return Ok((measured, newest));
                }
                newest = newest.or(Some(row.id.clone()));
                take_in(journal, row, &mut measured)?;
            }
            let Some(last) = rows.last() else { break };
            after = Some(last.clone());
            // A year of runs takes a while, and others have work to do.
            tokio::task::yield_now().await;
        }
        Ok((measured, newest))
    }
}

/// What newer runs measured, and the newest of them.
type Newer = (BTreeMap<ApplicationName, Since>, Option<RunId>);

/// What was measured since the last time.
#[derive(Debug, Default)]
struct Since {
    failover: Option<Took>,
    restore: Option<Took>,
    steps: BTreeMap<(StepId, String), Took>,
    rehearsed: Option<Rehearsed>,
    /// Of the newest check; one whose canary did not arrive has none.
    canaries: Option<BTreeMap<ComponentName, Took>>,
}

impl Since {
    /// Puts it in the place of what was measured before.
    fn over(self, known: &mut Measured) {
        known.failover = self.failover.or(known.failover.take());
        known.restore = self.restore.or(known.restore.take());
        known.rehearsed = self.rehearsed.or(known.rehearsed.take());
        known.steps.extend(self.steps);
        if let Some(canaries) = self.canaries {
            known.canaries = canaries;
        }
    }
}

/// Takes a run in, unless a newer one has measured the same.
fn take_in(
    journal: &dyn Journal,
    row: &EndedRun,
    measured: &mut BTreeMap<ApplicationName, Since>,
) -> Result<(), ReadError> {
    let Some(name) = &row.application else { return Ok(()) };
    let of = measured.entry(name.clone()).or_default();
    let runbook = row.runbook.as_str();
    let took = |wanted: &[&str], known: &Option<Took>| {
        wanted.contains(&runbook) && known.is_none() && row.status == Status::Succeeded
    };
    if MOVES.contains(&runbook) {
        for (key, took) in steps(journal, row)? {
            of.steps.entry(key).or_insert(took);
        }
    }
    if runbook == REHEARSAL && of.rehearsed.is_none() && row.status == Status::Succeeded {
        of.rehearsed = rehearsed(journal, row)?;
    }
    if took(MOVES, &of.failover) {
        of.failover = whole(journal, row)?;
    } else if took(RESTORES, &of.restore) {
        of.restore = whole(journal, row)?;
    } else if CHECKS.contains(&runbook) && of.canaries.is_none() {
        of.canaries = Some(canaries(journal, row)?);
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

/// How long each step took that ended well, from its last start. Only real runs have measured anything.
fn steps(
    journal: &dyn Journal,
    row: &EndedRun,
) -> Result<BTreeMap<(StepId, String), Took>, ReadError> {
    let (mut started, mut steps) = (BTreeMap::new(), BTreeMap::new());
    let Some((request, _)) = admission(journal, row)? else { return Ok(steps) };
    if request.mode != Mode::Live {
        return Ok(steps);
    }
    let stream = Stream::Run(row.id.clone());
    for record in journal.read(Some(&stream), row.first_seq, RECORDS_MAX)? {
        let Event::Run(RunEvent::Step { step, change }) = record.event else { continue };
        if let Change::Started { action, .. } = change {
            started.insert(step, (record.at, action.spec().name));
        } else if let Change::Succeeded { .. } = change
            && let Some((from, action)) = started.remove(&step)
        {
            steps.insert((step, action.to_owned()), took(row, from, record.at));
        }
    }
    Ok(steps)
}

/// What a run proved by being carried out.
fn rehearsed(journal: &dyn Journal, row: &EndedRun) -> Result<Option<Rehearsed>, ReadError> {
    let Some((request, Some(plan))) = admission(journal, row)? else { return Ok(None) };
    Ok((request.mode == Mode::Live).then(|| Rehearsed {
        run: format!("{} {}", row.runbook, row.id),
        at: row.ended_at,
        then: Proof::of(&plan),
    }))
}

fn took(row: &EndedRun, from: Timestamp, to: Timestamp) -> Took {
    Took { took: Span::between(from, to), at: to, run: format!("{} {}", row.runbook, row.id) }
}

/// What a run was asked for, and its plan, unless a newer program made it.
type Admission = (Arc<Request>, Option<Arc<Thawed>>);

fn admission(journal: &dyn Journal, row: &EndedRun) -> Result<Option<Admission>, ReadError> {
    let stream = Stream::Run(row.id.clone());
    let first = journal.read(Some(&stream), row.first_seq, 1)?;
    Ok(first.into_iter().next().and_then(|record| {
        let Event::Run(RunEvent::Admitted { request, plan }) = record.event else { return None };
        Some((request, plan.thaw().ok()))
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
