//! Holds on recovery points, and what an expiry leaves behind.

use jiff::Timestamp;
use muster_runbooks::{
    action::control::PersonRole,
    name::{ApplicationName, RunId},
    plan::Step,
    request::Mode,
};
use serde_json::Value;

use super::{Engine, Output, ask::deletes_points};
use crate::{
    call::Done,
    catalog::{Finding, PointChange, RecoveryPoint},
    command::{Accepted, Keep, Refusal},
    event::{ApplicationEvent, Entry},
    run::Run,
    steer::may_say,
    step::StepState,
};

/// The longest name of a hold, in bytes.
const NAME_BYTES_MAX: usize = 100;

impl Engine {
    /// Places a hold on a recovery point, or lifts it.
    pub(super) fn keep(
        &mut self,
        now: Timestamp,
        application: &ApplicationName,
        keep: Keep,
        out: &mut Vec<Output>,
    ) -> Result<Accepted, Refusal> {
        let Keep { point: id, name, by, reason, holds } = keep;
        may_say(&by, PersonRole::Operator, &reason)?;
        let fits = |sign: char| !sign.is_control();
        if name.trim().is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(fits) {
            return Err(Refusal::NoHoldName);
        }
        let state = self.known.applications.get(application);
        let point = state.and_then(|state| state.points.get(&id));
        let point = point.ok_or_else(|| Refusal::UnknownPoint { id: id.clone() })?;
        let stands = is_held_by(point, &name);
        let by = by.name;
        let event = match (holds, stands) {
            (true, true) => return Ok(Accepted { run: None, repeated: true }),
            (true, false) => {
                // What was aimed at may be on its way out: a hold that cannot be kept is not promised.
                if let Some(run) = self.deletes(&id) {
                    return Err(Refusal::NotNow {
                        what: "a hold",
                        because: format!(
                            "run `{run}` is deleting it; look again when that has ended"
                        ),
                    });
                }
                ApplicationEvent::PointHeld { id, name, by, reason }
            }
            (false, true) => ApplicationEvent::PointReleased { id, name, by, reason },
            (false, false) => return Err(Refusal::UnknownHold { id, name }),
        };
        self.record(now, Entry::application(application, event), out);
        Ok(Accepted { run: None, repeated: false })
    }

    /// The run that has aimed a deletion at a point and is not done with it.
    fn deletes(&self, id: &str) -> Option<&RunId> {
        let aims = |state: &StepState| {
            let StepState::Running(attempt) = state else { return false };
            let aim = attempt.aim.as_ref().filter(|_| deletes_points(&attempt.action));
            aim.is_some_and(|aim| aim.targets.iter().any(|target| target == id))
        };
        let mut runs = self.known.runs.values();
        runs.find(|run| run.steps().any(|(_, state)| aims(state))).map(|run| &run.id)
    }

    /// Whether what became of a point is written down: nothing is changed by a preview or a drill, and
    /// nothing that somebody has taken hold of since is marked.
    pub(super) fn may_record(
        &self,
        run: &Run,
        application: &ApplicationName,
        change: &PointChange,
    ) -> bool {
        let marks_held =
            matches!(change, PointChange::Marked { id, .. } if self.is_held(application, id));
        run.plan.mode == Mode::Live && !marks_held
    }

    /// What a deletion that has ended means for the finding about what cannot be deleted.
    pub(super) fn left_behind(
        &self,
        run: &Run,
        step: &Step,
        place: &str,
        cap: u32,
        done: &Done,
    ) -> Vec<ApplicationEvent> {
        let component = step.component.as_ref().map_or("application", |name| name.as_str());
        match undeletable(component, place, cap, done) {
            Some(Ok(finding)) => vec![ApplicationEvent::FindingOpened { finding }],
            Some(Err(id)) => self.closed(run, &id),
            None => Vec::new(),
        }
    }

    /// Whether a point is held by anybody.
    fn is_held(&self, application: &ApplicationName, id: &str) -> bool {
        let state = self.known.applications.get(application);
        let point = state.and_then(|state| state.points.get(id));
        point.is_some_and(|point| !point.holds.is_empty())
    }
}

fn is_held_by(point: &RecoveryPoint, name: &str) -> bool {
    point.holds.iter().any(|hold| hold.name == name)
}

/// What a deletion could not delete, as a finding with its cause; or the id of the finding that is
/// over. Nothing where the cap leaves open what became of the rest. The place is a region, or a region and
/// another account.
fn undeletable(
    component: &str,
    place: &str,
    cap: u32,
    done: &Done,
) -> Option<Result<Finding, String>> {
    let count = |name: &str| done.outputs.get(name).and_then(Value::as_u64).unwrap_or(0);
    let id = format!("undeletable/{component}/{place}");
    match (count("undeletable"), count("deleted")) {
        (0, deleted) if deleted < u64::from(cap) => Some(Err(id)),
        (0, _) => None,
        (left, _) => Some(Ok(Finding {
            id,
            message: format!(
                "{left} recovery points of `{component}` in {place} are past the policy and could not \
                 be deleted: {}",
                done.notes.first().map_or("nobody said why", String::as_str)
            ),
            hint: "mend the cause; the next expiry tries again. The run's notes name each point"
                .to_owned(),
        })),
    }
}
