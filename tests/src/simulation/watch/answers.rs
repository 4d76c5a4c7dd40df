//! I24: what is acknowledged is durable.

use muster_runbooks::request::Manner;
use muster_state::{
    catalog::RecoveryPoint,
    command::{Accepted, Command, Refusal, Steer},
    engine::Ticket,
};

use super::Watch;
use crate::simulation::disk::Disk;

impl Watch {
    /// Remembers what was asked.
    pub fn asked(&mut self, ticket: Ticket, command: &Command) {
        self.asked.insert(ticket, command.clone());
    }

    /// I24: what is acknowledged is durable.
    pub fn replied(&mut self, ticket: Ticket, result: &Result<Accepted, Refusal>, disk: &Disk) {
        let Some(command) = self.asked.remove(&ticket) else { return };
        let Ok(accepted) = result else { return };
        let known = disk.progress();
        let is_durable = match &command {
            Command::Admit(_) => accepted
                .run
                .as_ref()
                .is_some_and(|id| known.runs.contains_key(id) || self.outcomes.contains_key(id)),
            Command::Steer { run, by, steer, .. } => match (known.runs.get(run), steer) {
                (Some(run), Steer::Approve { step, .. }) => {
                    run.approvals.iter().any(|one| one.step == *step && one.by == by.name)
                }
                (Some(run), Steer::Pause) => run.is_paused(),
                (Some(run), Steer::Force) => run.manner == Manner::Forced,
                (Some(run), Steer::Abandon { .. }) => run.abandoned.is_some(),
                (Some(_), _) => true,
                (None, _) => self.outcomes.contains_key(run),
            },
            Command::Off { .. } => known.off.is_some(),
            Command::On { .. } => known.off.is_none(),
            Command::Keep { application, keep } => {
                let state = known.applications.get(application);
                let point = state.and_then(|state| state.points.get(&keep.point));
                let held =
                    |point: &RecoveryPoint| point.holds.iter().any(|hold| hold.name == keep.name);
                point.is_none_or(|point| held(point) == keep.holds)
            }
            Command::Propose { .. }
            | Command::Unstarted { .. }
            | Command::Mark { .. }
            | Command::Care { .. }
            | Command::Missed { .. }
            | Command::Refused { .. }
            | Command::Active { .. }
            | Command::Finding { .. }
            | Command::Canary { .. }
            | Command::Peak { .. }
            | Command::Grant(_)
            | Command::Freeze { .. }
            | Command::Thaw { .. }
            | Command::Nudge { .. } => true,
        };
        self.check("I24", is_durable, || format!("{command:?} is acknowledged and not durable"));
    }
}
