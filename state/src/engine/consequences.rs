//! What the application's own stream learns from what a run did.

use muster_runbooks::{
    action::{Action, Role, database, expiry::DeleteExpired, rebuild},
    application::Vault,
    name::{ComponentName, Region},
    plan::{Binding, Step},
    value::Loss,
};

use super::{
    Engine,
    finding::{
        REPROTECT, divergence, divergence_id, finding_id, reprotect, stands_until_it_passes,
    },
};
use crate::{call::Done, event::ApplicationEvent, run::Run};

impl Engine {
    /// What the application's own stream learns from a step that ended well.
    pub(super) fn consequences(
        &self,
        run: &Run,
        step: &Step,
        action: &Action,
        done: &Done,
    ) -> Vec<ApplicationEvent> {
        let Some(binding) = &run.plan.binding else { return Vec::new() };
        let region = |role: Role| binding.region(role).clone();
        match action {
            Action::SwitchoverDatabase(database::SwitchoverDatabase { to })
            | Action::FailoverDatabase(database::FailoverDatabase { to, .. })
            | Action::MakeGlobalCluster(rebuild::MakeGlobalCluster { to }) => {
                let mut events = self.reviewed(run, step);
                // Between two databases of one application nobody can say where it is.
                if !promotes_more(run, step) {
                    let evidence = format!("run {} made it the writer", run.id);
                    events.push(ApplicationEvent::ActiveObserved { region: region(*to), evidence });
                }
                events
            }
            Action::ShiftTraffic(shift) => self.shifted(run, binding, &region(shift.to)),
            Action::InventoryDivergence(_) => self.looked_for(run, step, done),
            action if stands_until_it_passes(action) => self.closed(run, &finding_id(step)),
            Action::DeleteExpired(delete) => self.deleted(run, step, binding, delete, done),
            Action::SnapshotDatabase(_)
            | Action::CopySnapshot(_)
            | Action::ShareSnapshot(_)
            | Action::CopyToVault(_)
            | Action::UnshareSnapshot(_)
            | Action::MarkExpired(_)
            | Action::ScaleWorkload(_)
            | Action::RestartWorkload(_)
            | Action::ReplaceLostPods(_)
            | Action::LimitAdmission(_)
            | Action::RaiseAdmission(_)
            | Action::SuspendWorkers(_)
            | Action::ResumeWorkers(_)
            | Action::SnapshotCache(_)
            | Action::FailoverCache(_)
            | Action::FlushCache(_)
            | Action::FailoverCacheInRegion(_)
            | Action::CheckReadiness(_)
            | Action::PredictLoss(_)
            | Action::CheckObservers(_)
            | Action::CheckReplication(_)
            | Action::CheckActive(_)
            | Action::WriteCanary(_)
            | Action::CompareBuckets(_)
            | Action::CheckBucketReplication(_)
            | Action::Probe(_)
            | Action::CheckAlarms(_)
            | Action::CheckCalendar(_)
            | Action::CheckSql(_)
            | Action::CheckRestored(_)
            | Action::Fence(_)
            | Action::FailoverInRegion(_)
            | Action::RunHooks(_)
            | Action::TakeWriteLease(_)
            | Action::ExportObjects(_)
            | Action::ApplyObjects(_)
            | Action::ChoosePoint(_)
            | Action::RunBuild(_)
            | Action::CheckSecrets(_)
            | Action::RestoreDatabase(_)
            | Action::StartDatabaseInstance(_)
            | Action::RestoreCluster(_)
            | Action::RotatePassword(_)
            | Action::StartInstance(_)
            | Action::RemoveInstance(_)
            | Action::RemoveCluster(_)
            | Action::StampPoint(_)
            | Action::StartRun(_)
            | Action::MoveApplication(_)
            | Action::FindLeaks(_)
            | Action::WeighTraffic(_)
            | Action::Approval(_)
            | Action::Wait(_)
            | Action::Gate(_)
            | Action::OpenWindow(_)
            | Action::CloseWindow(_)
            | Action::CallHttp(_)
            | Action::RunJob(_)
            | Action::Notify(_)
            | Action::Rehearse(_) => Vec::new(),
        }
    }

    /// What is left of a place after what was past its time is gone.
    fn deleted(
        &self,
        run: &Run,
        step: &Step,
        binding: &Binding,
        delete: &DeleteExpired,
        done: &Done,
    ) -> Vec<ApplicationEvent> {
        let place = match delete.at.role() {
            Some(role) => Some(binding.region(role).to_string()),
            None => vault(run, step),
        };
        place.map_or_else(Vec::new, |place| self.left_behind(run, step, &place, delete.cap, done))
    }

    /// Where users are held by a marker, somebody has to swap the roles of the records in calm.
    fn shifted(&self, run: &Run, binding: &Binding, to: &Region) -> Vec<ApplicationEvent> {
        let traffic = binding.application.traffic.as_ref();
        let at_home = traffic.is_some_and(|traffic| traffic.primary == *to);
        if at_home { self.closed(run, REPROTECT) } else { vec![reprotect()] }
    }

    /// What was found of rows that were left behind stands as a finding, and so does that nobody knows.
    fn looked_for(&self, run: &Run, step: &Step, done: &Done) -> Vec<ApplicationEvent> {
        let Some(database) = &step.component else { return Vec::new() };
        let mut events = match divergence(database, done) {
            Some(finding) => vec![ApplicationEvent::FindingOpened { finding }],
            None => self.closed(run, &divergence_id(database)),
        };
        events.extend(self.lost(run, database, done));
        events
    }

    /// What the move before lost, now that the side that was left could be read.
    fn lost(&self, run: &Run, database: &ComponentName, done: &Done) -> Option<ApplicationEvent> {
        let loss = done.outputs.get("data_loss")?.as_str()?.parse().ok()?;
        let moved = self.known.applications.get(run.application()?)?.moved.as_ref()?;
        (loss != Loss::Unknown).then(|| ApplicationEvent::LossCounted {
            database: database.clone(),
            moved: moved.run.clone(),
            counted: run.id.clone(),
            loss,
        })
    }

    /// What was left behind stands until a run that took its inventory has brought the writer back: between
    /// the two a person has settled it.
    fn reviewed(&self, run: &Run, step: &Step) -> Vec<ApplicationEvent> {
        let was_seen = run.steps().any(|(other, state)| {
            other.component == step.component
                && other.task(run.manner).action == "inventory-divergence"
                && state.is_over()
        });
        match &step.component {
            Some(database) if was_seen => self.closed(run, &divergence_id(database)),
            Some(_) | None => Vec::new(),
        }
    }

    /// Closes a finding of the run's application, if it stands.
    pub(super) fn closed(&self, run: &Run, id: &str) -> Vec<ApplicationEvent> {
        let state = run.application().and_then(|name| self.known.applications.get(name));
        let stands = state.is_some_and(|state| state.findings.contains_key(id));
        if stands {
            vec![ApplicationEvent::FindingClosed { id: id.to_owned() }]
        } else {
            Vec::new()
        }
    }
}

/// What the vault of a step's database is called in findings.
fn vault(run: &Run, step: &Step) -> Option<String> {
    let component = run.plan.component(step.component.as_ref()?)?;
    component.database()?.vault.as_ref().map(Vault::place)
}

/// Whether another database of the run is still to be promoted.
fn promotes_more(run: &Run, this: &Step) -> bool {
    run.steps().any(|(step, state)| {
        let promotes = ["switchover-database", "failover-database", "make-global-cluster"];
        step.id != this.id
            && promotes.contains(&step.task(run.manner).action.as_str())
            && !state.is_over()
    })
}
