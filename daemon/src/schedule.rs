//! The first door: what is due becomes a request, and what was missed is written down.
//!
//! The ticker only rings. What ran and what was missed stands in the journal, so that a restart, a
//! clock that jumps or a change to summer time neither doubles nor loses an occurrence (I20).

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    request::{Manner, Mode, Request, Trigger},
    schedule::{CatchUp, Occurrence, Schedule},
};
use muster_state::command::{Command, Refusal};
use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tracing::{info, warn};

use crate::{
    intake::{Intake, Rejected},
    perform::Health,
};

/// The most missed occurrences of one schedule that are written down one by one.
const MISSED_MAX: usize = 100;

/// A schedule without a past looks back so far, from when a process was last seen alive or, before
/// the first start, from that: what was due just before the first start is not started, what is due
/// in the second of the start is, and what came due while no process ran is not forgotten (I20).
const FIRST_LOOK_BACK: SignedDuration = SignedDuration::from_secs(1);

/// Rings once a second. The planner decides what that means.
pub struct Bell {
    scheduler: JobScheduler,
    rung: Arc<Notify>,
}

impl Bell {
    /// Hangs the bell.
    ///
    /// # Errors
    ///
    /// When the scheduler's own task cannot be started.
    pub async fn hang() -> Result<Bell, JobSchedulerError> {
        let scheduler = JobScheduler::new().await?;
        let rung = Arc::new(Notify::new());
        let ring = Arc::clone(&rung);
        // One UTC ticker job and nothing else: this scheduler forgets missed runs and daylight saving.
        scheduler.add(Job::new("* * * * * *", move |_, _| ring.notify_one())?).await?;
        scheduler.start().await?;
        Ok(Bell { scheduler, rung })
    }

    /// Plans at every ring until the future is dropped. `alive_at` is when a process before this one
    /// was last seen alive.
    pub async fn plan(&self, intake: &Intake, alive_at: Option<Timestamp>) {
        let started_at = intake.clock().now();
        let since = alive_at.map_or(started_at, |alive_at| alive_at.min(started_at));
        loop {
            for schedule in intake.schedules() {
                look(intake, schedule, since).await;
            }
            self.rung.notified().await;
        }
    }

    /// Takes the bell down.
    pub async fn take_down(mut self) {
        if let Err(error) = self.scheduler.shutdown().await {
            warn!(%error, "the ticker did not stop");
        }
    }
}

/// What is to be done about occurrences that are due.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Due {
    /// Those that will not run, each with the reason.
    pub missed: Vec<(Timestamp, String)>,
    /// The one that runs.
    pub start: Option<Occurrence>,
}

/// Sorts the occurrences since the last one that is known. Pure, so that the table of restarts and
/// clock jumps can be read in a test.
pub fn due(schedule: &Schedule, last_due: Timestamp, now: Timestamp) -> Due {
    let occurrences = schedule.occurrences(last_due, now, MISSED_MAX + 1);
    let Some((last, earlier)) = occurrences.split_last() else {
        return Due { missed: Vec::new(), start: None };
    };
    let late = now.duration_since(last.due_at);
    let is_late = late > schedule.start_within.duration();
    let missed = |occurrence: &Occurrence| {
        let because = match schedule.catch_up {
            CatchUp::Skip => "muster was not running then",
            CatchUp::RunOnce => "muster was not running then; a later run makes up for it",
        };
        (occurrence.due_at, because.to_owned())
    };
    let mut due = Due { missed: earlier.iter().map(missed).collect(), start: Some(*last) };
    if is_late && schedule.catch_up == CatchUp::Skip {
        due.missed.push(missed(last));
        due.start = None;
    }
    due
}

async fn look(intake: &Intake, schedule: &Schedule, since: Timestamp) {
    // What is due falls to the process that acts, and stays due until there is one.
    if let Health::StandingBy { .. } = intake.health() {
        return;
    }
    let now = intake.clock().now();
    let last_due =
        intake.known(|known| known.schedules.get(&schedule.id).and_then(|state| state.last_due));
    let due = due(schedule, last_due.unwrap_or(since - FIRST_LOOK_BACK), now);
    for (due_at, because) in due.missed {
        warn!(schedule = %schedule.id, %due_at, because, "missed");
        let missed = Command::Missed { schedule: schedule.id.clone(), due_at, because };
        if let Err(error) = intake.command(missed).await {
            warn!(schedule = %schedule.id, %error, "a missed run could not be written down; at the next ring again");
            return;
        }
    }
    let Some(occurrence) = due.start else { return };
    let request = request(schedule, &occurrence);
    match intake.request(request, None, None).await {
        Ok(accepted) => {
            info!(schedule = %schedule.id, due_at = %occurrence.due_at, run = ?accepted.run, "started")
        }
        Err(Rejected::Refused(Refusal::OccurrenceTaken { .. })) => {}
        // Not taken in, so not lost: the occurrence is still due at the next ring.
        Err(Rejected::Unavailable | Rejected::Journal(_)) => {}
        Err(Rejected::Refused(Refusal::NotTheActor { .. })) => {}
        Err(error) => give_up(intake, schedule, &occurrence, &error).await,
    }
}

/// A refusal will be the same at the next ring: it is written down as missed, once.
async fn give_up(intake: &Intake, schedule: &Schedule, occurrence: &Occurrence, error: &Rejected) {
    warn!(schedule = %schedule.id, due_at = %occurrence.due_at, %error, "refused");
    let (schedule, due_at) = (schedule.id.clone(), occurrence.due_at);
    let missed = Command::Missed { schedule, due_at, because: error.to_string() };
    if let Err(error) = intake.command(missed).await {
        warn!(%error, "a refused run could not be written down");
    }
}

fn request(schedule: &Schedule, occurrence: &Occurrence) -> Request {
    Request {
        runbook: schedule.runbook.clone(),
        application: schedule.application.clone(),
        inputs: schedule.inputs_for(occurrence),
        trigger: Trigger::Schedule { schedule: schedule.id.clone(), due_at: occurrence.due_at },
        mode: Mode::Live,
        manner: Manner::Graceful,
        reason: format!("schedule {}", schedule.id),
        dedupe_key: None,
        symptom_at: None,
        not_after: None,
    }
}
