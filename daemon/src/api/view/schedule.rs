//! What happens by itself, what did, and what did not.

use jiff::Timestamp;
use muster_runbooks::schedule::Schedule;
use muster_state::progress::ScheduleState;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Length;

/// A schedule.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct ScheduleView {
    /// Its id.
    pub id: String,
    /// The runbook that it starts.
    pub runbook: String,
    /// The application.
    pub application: Option<String>,
    /// Minute, hour, day of month, month, day of week.
    pub cron: String,
    /// The zone that these are meant in.
    pub zone: String,
    /// What happens to occurrences that were missed.
    pub catch_up: String,
    /// How long before the named time it starts.
    pub lead: Option<Length>,
    /// The last occurrence that is known to have been started or missed.
    pub last_due_at: Option<Timestamp>,
    /// The last run that it started.
    pub last_run: Option<LastRunView>,
    /// How late a start may be and still count.
    pub start_within: Length,
    /// How long its run may take.
    pub complete_within: Option<Length>,
    /// By how much the last run was started too late, though still in its window.
    pub late: Option<Length>,
    /// The newest occurrence whose run ended well.
    pub last_success_at: Option<Timestamp>,
    /// When it starts next.
    pub next_due_at: Option<Timestamp>,
    /// An occurrence that should have been started and was neither started nor recorded as missed.
    pub overdue_at: Option<Timestamp>,
    /// The newest occurrences that did not run, newest first.
    pub missed: Vec<MissedView>,
}

/// The last run of a schedule.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct LastRunView {
    /// The run.
    pub run: String,
    /// The occurrence.
    pub due_at: Timestamp,
}

/// An occurrence that did not run.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct MissedView {
    /// The occurrence.
    pub due_at: Timestamp,
    /// Why.
    pub because: String,
    /// Whether it is newer than the last one whose run ended well: nothing has made up for it.
    pub standing: bool,
}

/// A start that is later than this is called late. The bell rings once a second; the rest is what
/// anybody would call in time.
const LATE_AFTER_SECS: u64 = 60;

fn late(state: &ScheduleState) -> Option<Length> {
    let (due_at, _) = state.last_run.as_ref()?;
    let late = Length::between(*due_at, state.started_at?);
    (late.secs > LATE_AFTER_SECS).then_some(late)
}

/// The view of a schedule.
pub fn view(schedule: &Schedule, state: Option<&ScheduleState>, now: Timestamp) -> ScheduleView {
    let last_due_at = state.and_then(|state| state.last_due);
    let last_run = state.and_then(|state| state.last_run.clone());
    let overdue = last_due_at.and_then(|last| schedule.next(last)).map(|next| next.due_at);
    let last_success_at = state.and_then(|state| state.succeeded);
    let missed = state.map_or(&[][..], |state| &state.missed);
    ScheduleView {
        id: schedule.id.to_string(),
        runbook: schedule.runbook.to_string(),
        application: schedule.application.as_ref().map(ToString::to_string),
        cron: schedule.cron.to_string(),
        zone: schedule.zone.to_string(),
        catch_up: schedule.catch_up.to_string(),
        lead: schedule.lead.map(Length::from),
        last_due_at,
        last_run: last_run.map(|(due_at, run)| LastRunView { run: run.to_string(), due_at }),
        start_within: schedule.start_within.into(),
        complete_within: schedule.complete_within.map(Length::from),
        late: state.and_then(late),
        last_success_at,
        next_due_at: schedule.next(now).map(|occurrence| occurrence.due_at),
        overdue_at: overdue.filter(|due_at| *due_at + schedule.start_within.duration() < now),
        missed: missed
            .iter()
            .rev()
            .map(|(due_at, because)| MissedView {
                due_at: *due_at,
                because: because.clone(),
                standing: last_success_at.is_none_or(|good| good < *due_at),
            })
            .collect(),
    }
}
