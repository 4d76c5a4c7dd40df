//! The way back that a snapshot before a deployment or maintenance leaves: until when it is meant, and
//! what taking it would lose. Restoring a snapshot is no rollback (facts §2).

use jiff::{Timestamp, tz::TimeZone};
use muster_runbooks::{
    action::{Action, backup::SnapshotDatabase},
    value::Span,
};
use muster_state::{run::Run, step::StepState};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Length;

/// The way back that one snapshot leaves.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct WayBackView {
    /// The database.
    pub component: String,
    /// What it was made for.
    pub purpose: String,
    /// The schema version that it fits.
    pub schema_version: Option<String>,
    /// The snapshot's identifier.
    pub snapshot: String,
    /// The instant that its data is from.
    pub data_at: Timestamp,
    /// Until when it is meant as a way back.
    pub until_at: Timestamp,
    /// How much of that is left; nothing once it is over.
    pub left: Option<Length>,
    /// What restoring it would lose, in words.
    pub loses: String,
}

/// How long a snapshot is meant as a way back where its runbook does not say.
const ROLLBACK_WINDOW_DEFAULT: Span = Span::from_hours(24);

/// Every way back that a run has made so far.
pub fn all(run: &Run, now: Timestamp) -> Vec<WayBackView> {
    let mut ways = Vec::new();
    for (step, state) in run.steps() {
        let StepState::Succeeded { outputs, .. } = state else { continue };
        let task = step.task(run.manner).resolve(&run.plan.inputs, |id| run.outputs(id));
        let Ok(Action::SnapshotDatabase(SnapshotDatabase {
            schema_version,
            purpose: Some(purpose),
            rollback_window,
            ..
        })) = task
        else {
            continue;
        };
        let text = |name: &str| outputs.get(name).and_then(|value| value.as_str());
        let (Some(snapshot), Some(data_at)) = (text("snapshot"), text("data_time")) else {
            continue;
        };
        let Ok(data_at) = data_at.parse::<Timestamp>() else { continue };
        let window = rollback_window.unwrap_or(ROLLBACK_WINDOW_DEFAULT);
        let until_at = data_at.saturating_add(window.duration()).unwrap_or(Timestamp::MAX);
        ways.push(WayBackView {
            component: step.component.as_ref().map(ToString::to_string).unwrap_or_default(),
            purpose: purpose.to_string(),
            schema_version,
            snapshot: snapshot.to_owned(),
            data_at,
            until_at,
            left: (now < until_at).then(|| Length::between(now, until_at)),
            loses: loses(data_at),
        });
    }
    ways
}

fn loses(data_at: Timestamp) -> String {
    let at = data_at.to_zoned(TimeZone::UTC);
    format!("every write since {} UTC on {}", at.strftime("%H:%M:%S"), at.strftime("%Y-%m-%d"))
}
