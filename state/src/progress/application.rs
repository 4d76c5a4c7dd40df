//! What an application's own events make of what is known of it.

use jiff::Timestamp;

use super::{Active, ApplicationState, Counted, Downtime, Lost, Peak};
use crate::{
    catalog::{Assigned, Finding, Hold},
    event::ApplicationEvent,
    freeze::Freeze,
};

impl ApplicationState {
    pub(super) fn apply(&mut self, event: &ApplicationEvent, at: Timestamp) {
        match event {
            ApplicationEvent::ActiveObserved { region, evidence } => {
                let (region, evidence) = (region.clone(), evidence.clone());
                self.active = Some(Active { region, evidence, at });
            }
            ApplicationEvent::PointRecorded { point } => {
                let mut point = point.as_ref().clone();
                // A hold is lifted by a person, and by nothing that is seen anew.
                if let Some(known) = self.points.get(&point.id) {
                    point.holds.clone_from(&known.holds);
                }
                self.points.insert(point.id.clone(), point);
            }
            ApplicationEvent::PointMarked { id, .. } => {
                if let Some(point) = self.points.get_mut(id).filter(|point| point.holds.is_empty())
                {
                    point.marked_at = Some(at);
                }
            }
            ApplicationEvent::PointHeld { id, name, by, reason } => {
                let (name, by, reason) = (name.clone(), by.clone(), reason.clone());
                self.hold(id, Hold { name, by, reason, at });
            }
            ApplicationEvent::PointReleased { id, name, .. } => {
                self.release(id, name);
            }
            ApplicationEvent::PointDeleted { id } => {
                self.points.remove(id);
            }
            ApplicationEvent::PointVerified { id } => self.proven(id, at),
            ApplicationEvent::PointTested { id, tested } => {
                if let Some(point) = self.points.get_mut(id) {
                    if tested.proves() {
                        point.verified_at = Some(tested.validation.at);
                    }
                    point.tested = Some(tested.clone());
                }
            }
            ApplicationEvent::FindingOpened { finding } => self.stands(finding, at),
            ApplicationEvent::FindingRaised { finding, by, .. } => {
                self.stands(finding, at);
                self.raised.insert(finding.id.clone(), by.clone());
            }
            ApplicationEvent::FindingAssigned { id, owner, due_at, ticket, by, .. } => {
                let (owner, ticket, by) = (owner.clone(), ticket.clone(), by.clone());
                let assigned = Assigned { owner, due_at: *due_at, ticket, by, at };
                self.assigned.insert(id.clone(), assigned);
            }
            ApplicationEvent::FindingClosed { id }
            | ApplicationEvent::FindingSettled { id, .. } => {
                self.findings.remove(id);
                self.assigned.remove(id);
                self.raised.remove(id);
            }
            ApplicationEvent::WindowOpened { run, closes_at } => {
                self.window = Some((run.clone(), *closes_at));
            }
            ApplicationEvent::WindowClosed { run } => {
                if self.window.as_ref().is_some_and(|(opened_by, _)| opened_by == run) {
                    self.window = None;
                }
            }
            ApplicationEvent::RowsCounted { database, rows } => {
                self.rows.insert(database.clone(), Counted { at, rows: rows.clone() });
            }
            ApplicationEvent::LossCounted { database, moved, counted, loss } => {
                let (moved, counted) = (moved.clone(), counted.clone());
                self.lost.insert(database.clone(), Lost { moved, counted, loss: *loss, at });
            }
            ApplicationEvent::PeakSeen { workload, region, sets } => {
                let peak = Peak { at, region: region.clone(), sets: sets.clone() };
                self.peaks.insert(workload.clone(), peak);
            }
            ApplicationEvent::Acknowledged { .. } => self.acknowledged_at = Some(at),
            ApplicationEvent::DowntimeBegan { by, reason, until } => {
                let (by, reason) = (by.clone(), reason.clone());
                self.downtime = Some(Downtime { by, reason, until: *until });
            }
            ApplicationEvent::DowntimeEnded { .. } => self.downtime = None,
            ApplicationEvent::Frozen { by, reason, until } => {
                let (by, reason, until) = (by.clone(), reason.clone(), *until);
                self.frozen = Some(Freeze { by, reason, at, until });
            }
            ApplicationEvent::Thawed { .. } => self.frozen = None,
            // It names the writes that follow it; nothing else depends on it.
            ApplicationEvent::CanaryGranted { .. } => {}
        }
    }

    fn proven(&mut self, id: &str, at: Timestamp) {
        if let Some(point) = self.points.get_mut(id) {
            point.verified_at = Some(at);
        }
    }

    fn release(&mut self, id: &str, name: &str) {
        if let Some(point) = self.points.get_mut(id) {
            point.holds.retain(|hold| hold.name != name);
        }
    }

    fn hold(&mut self, id: &str, hold: Hold) {
        if let Some(point) = self.points.get_mut(id) {
            point.holds.retain(|other| other.name != hold.name);
            point.holds.push(hold);
            // Once it is released, it waits its whole time again.
            point.marked_at = None;
        }
    }

    fn stands(&mut self, finding: &Finding, at: Timestamp) {
        let since = self.findings.get(&finding.id).map_or(at, |(since, _)| *since);
        self.findings.insert(finding.id.clone(), (since, finding.clone()));
    }
}
