//! A simulated world: two regions per application, with everything in it that a failover meets, and
//! seeded faults by name. Pure: time is an argument, the same seed and calls give the same answers.
//!
//! It keeps facts with instants rather than a present state, so that a stale read is the same
//! question asked about an earlier instant. Each action is a pair of functions, one that looks and
//! one that begins, in the file of its group.

mod admission;
mod aurora;
mod backup;
mod bound;
mod builds;
mod caches;
mod check;
mod control;
mod custom;
mod datastores;
mod dice;
mod divergence;
mod expire;
mod exports;
mod fault;
mod flush;
mod hook;
mod inventory;
mod names;
mod nodes;
mod objects;
mod observers;
mod promote;
mod rebuilds;
mod region;
mod replicas;
mod replication;
mod restarts;
mod restore;
mod restored;
mod snapshots;
mod sql;
mod takeover;
mod traffic;
mod truth;
mod turns;
mod vault;
mod wire;
mod workers;
mod workloads;
mod write_lease;

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use muster_runbooks::{
    action::Action,
    application::Application,
    name::{ApplicationName, Region},
    request::Mode,
};
use muster_state::call::{Answer, Call, CallError, Progress, Reading};

use self::{
    admission::Admissions,
    aurora::{Aurora, Databases},
    bound::{Bound, bucket_of, no_outside},
    builds::Builds,
    control::Control,
    dice::Dice,
    exports::Exports,
    fault::Standing,
    names::Names,
    nodes::Nodes,
    objects::Objects,
    rebuilds::Rebuilds,
    region::Regions,
    restarts::Restarts,
    restored::Beside,
    snapshots::Snapshots,
    workers::Workers,
    workloads::Workloads,
    write_lease::WriteLeases,
};
pub use self::{
    fault::Fault,
    region::Lost,
    truth::{BuildFact, Effect, Loss, RestoredFact, Shift, SnapshotFact, Truth},
    turns::Sent,
};
use super::{drill::Kind, inventory::Inventory, rates::Kind as Turn, whereabouts::Whereabouts};

/// The simulated world.
#[derive(Debug)]
pub struct Sim {
    dice: Dice,
    /// When its history begins.
    since: Timestamp,
    applications: Arc<[Application]>,
    /// Where each of them is in the list.
    places: BTreeMap<ApplicationName, usize>,
    regions: Regions,
    faults: Standing,
    /// The region in which the global control planes live, if an application touches it.
    global_home: Option<Region>,
    databases: Databases,
    snapshots: Snapshots,
    beside: Beside,
    builds: Builds,
    rebuilds: Rebuilds,
    caches: caches::Caches,
    datastores: datastores::Datastores,
    objects: Objects,
    exports: Exports,
    workloads: Workloads,
    write_leases: WriteLeases,
    workers: Workers,
    restarts: Restarts,
    nodes: Nodes,
    admissions: Admissions,
    names: BTreeMap<ApplicationName, Names>,
    control: Control,
    hooks: hook::Hooks,
    custom: custom::Custom,
    /// What calls really changed, in order.
    effects: Vec<Effect>,
    /// How many requests were sent.
    calls: u64,
    /// Who waits for a turn, where there are rates.
    turns: Option<turns::Turns>,
}

impl Sim {
    /// A world in which every application is well and lives at home.
    pub fn new(seed: u64, applications: impl Into<Arc<[Application]>>, now: Timestamp) -> Sim {
        let applications = applications.into();
        let mut databases = Databases::new();
        let mut names = BTreeMap::new();
        for (at, application) in applications.iter().enumerate() {
            for (place, declared) in application.databases.iter().enumerate() {
                let key = (application.name.clone(), declared.name.clone());
                databases.insert(key, Aurora::new(&applications, (at, place), now));
            }
            if application.traffic.is_some() {
                names.insert(application.name.clone(), Names::new(&applications, at));
            }
        }
        Sim {
            dice: Dice::new(seed),
            since: now,
            places: (0..).zip(&*applications).map(|(at, one)| (one.name.clone(), at)).collect(),
            regions: Regions::default(),
            faults: Standing::default(),
            global_home: "us-east-1".parse().ok(),
            databases,
            snapshots: Snapshots::default(),
            beside: Beside::strangers(&applications, now),
            builds: Builds::default(),
            rebuilds: Rebuilds::default(),
            caches: caches::Caches::default(),
            datastores: datastores::Datastores::default(),
            objects: Objects::default(),
            exports: Exports::default(),
            workloads: Workloads::default(),
            write_leases: WriteLeases::new(&applications, now),
            workers: Workers::default(),
            restarts: Restarts::default(),
            nodes: Nodes::default(),
            admissions: Admissions::default(),
            names,
            control: Control::default(),
            hooks: hook::Hooks::default(),
            custom: custom::Custom::default(),
            effects: Vec::new(),
            calls: 0,
            turns: None,
            applications,
        }
    }

    /// The application of a name, if it is of this world.
    fn application(&self, name: &ApplicationName) -> Option<&Application> {
        self.places.get(name).map(|place| &self.applications[*place])
    }

    /// Looks how far a call has come. Changes nothing.
    pub fn observe(&mut self, now: Timestamp, call: &Call) -> Result<Reading, CallError> {
        self.calls(call.token.as_str(), Turn::Look);
        let progress = match &*call.action {
            Action::SnapshotDatabase(action) => backup::observe_snapshot(self, now, call, action),
            Action::CopySnapshot(action) => backup::observe_copy(self, now, call, action),
            Action::ShareSnapshot(action) => vault::observe_shared(self, now, call, action),
            Action::CopyToVault(_) => vault::observe_copied(self, now, call),
            Action::UnshareSnapshot(action) => vault::observe_unshared(self, now, call, action),
            Action::SnapshotCache(action) => caches::observe(self, now, call, action),
            Action::FailoverCache(action) => datastores::observe(self, now, call, action),
            Action::FlushCache(action) => flush::observe(self, now, call, action),
            Action::FailoverCacheInRegion(action) => replicas::observe(self, now, call, action),
            Action::MarkExpired(action) => expire::observe_mark(self, now, call, action),
            Action::DeleteExpired(action) => expire::observe_delete(self, now, call, action),
            Action::ScaleWorkload(action) => workloads::observe(self, now, call, action),
            Action::RestartWorkload(action) => restarts::observe(self, now, call, action),
            Action::ReplaceLostPods(action) => nodes::observe(self, now, call, action),
            Action::LimitAdmission(action) => admission::observe_limit(self, now, call, action),
            Action::RaiseAdmission(action) => admission::observe_raise(self, now, call, action),
            Action::SuspendWorkers(action) => workers::observe_suspension(self, now, call, action),
            Action::ResumeWorkers(action) => workers::observe_resumption(self, now, call, action),
            Action::CheckReadiness(action) => check::observe_readiness(self, now, call, action),
            Action::PredictLoss(_) => check::observe_loss(self, now, call),
            Action::CheckObservers(action) => observers::observe(self, now, call, action),
            Action::CheckReplication(action) => check::observe_replication(self, now, call, action),
            Action::CheckActive(action) => check::observe_active(self, now, call, action),
            Action::WriteCanary(action) => objects::observe_canary(self, now, call, action),
            Action::CompareBuckets(action) => objects::observe_compared(self, now, call, action),
            Action::CheckBucketReplication(action) => {
                objects::observe_rules(self, now, call, action)
            }
            Action::CheckAlarms(action) => observers::observe_alarms(self, now, call, action),
            Action::Probe(action) => check::observe_probe(self, now, call, action),
            Action::CheckSql(action) => sql::observe(self, now, call, action),
            Action::CheckRestored(action) => sql::observe(self, now, call, &action.check()),
            Action::InventoryDivergence(action) => divergence::observe(self, now, call, action),
            Action::Fence(_) => promote::observe_fence(self, now, call),
            Action::SwitchoverDatabase(action) => {
                promote::observe_switchover(self, now, call, action.to)
            }
            Action::FailoverDatabase(action) => {
                promote::observe_failover(self, now, call, action.to)
            }
            Action::FailoverInRegion(action) => promote::observe_in_region(self, now, call, action),
            Action::TakeWriteLease(action) => write_lease::observe(self, now, call, action),
            Action::ExportObjects(action) => exports::observe_export(self, now, call, action),
            Action::ApplyObjects(action) => exports::observe_apply(self, now, call, action),
            Action::RunBuild(action) => builds::observe(self, now, call, action),
            Action::CheckSecrets(action) => rebuilds::observe_secrets(self, now, call, action),
            Action::RestoreDatabase(action) => rebuilds::observe_cluster(self, now, call, action),
            Action::StartDatabaseInstance(action) => {
                rebuilds::observe_instance(self, now, call, action)
            }
            Action::MakeGlobalCluster(action) => rebuilds::observe_global(self, now, call, action),
            Action::ChoosePoint(action) => restore::observe_choice(self, now, call, action),
            Action::RestoreCluster(action) => restore::observe_cluster(self, now, call, action),
            Action::RotatePassword(action) => restore::observe_password(self, now, call, action),
            Action::StartInstance(action) => restore::observe_instance(self, now, call, action),
            Action::RemoveInstance(action) => {
                restore::observe_removal(self, now, call, (Kind::Instance, action.at))
            }
            Action::RemoveCluster(action) => {
                restore::observe_removal(self, now, call, (Kind::Cluster, action.at))
            }
            Action::FindLeaks(_) => restore::observe_leaks(self, now, call),
            Action::ShiftTraffic(action) => traffic::observe_shift(self, now, call, action),
            Action::WeighTraffic(action) => traffic::observe_weights(self, now, call, action),
            // What was sent cannot be seen: receivers drop repeats by the token.
            Action::Notify(_) | Action::RunHooks(_) => Ok(Progress::not_started()),
            Action::CallHttp(action) => custom::observe_call(self, now, call, action),
            Action::RunJob(action) => custom::observe_job(self, now, call, action),
            Action::Rehearse(_) => control::observe_rehearsal(self, now, call),
            Action::Approval(_)
            | Action::Wait(_)
            | Action::Gate(_)
            | Action::OpenWindow(_)
            | Action::CloseWindow(_)
            | Action::CheckCalendar(_)
            | Action::StampPoint(_)
            | Action::StartRun(_)
            | Action::MoveApplication(_) => Err(no_outside(call)),
        }?;
        Ok(Reading { progress, read_at: now })
    }

    /// Looks from where an application is served.
    pub fn locate(&mut self, now: Timestamp, application: &Application) -> Whereabouts {
        check::locate(self, now, application)
    }

    /// Looks at everything that protects an application.
    pub fn inventory(&mut self, now: Timestamp, application: &Application) -> Inventory {
        inventory::look(self, now, application)
    }

    /// Begins a call. What it changes is counted under its token.
    pub fn begin(&mut self, now: Timestamp, call: &Call) -> Result<Answer, CallError> {
        if call.mode == Mode::Preview {
            return Err(no_outside(call));
        }
        self.calls(call.token.as_str(), Turn::Act);
        match &*call.action {
            Action::SnapshotDatabase(action) => backup::begin_snapshot(self, now, call, action),
            Action::CopySnapshot(action) => backup::begin_copy(self, now, call, action),
            Action::ShareSnapshot(action) => vault::begin_shared(self, now, call, action),
            Action::CopyToVault(action) => vault::begin_copied(self, now, call, action),
            Action::UnshareSnapshot(action) => vault::begin_unshared(self, now, call, action),
            Action::SnapshotCache(action) => caches::begin(self, now, call, action),
            Action::FailoverCache(action) => datastores::begin(self, now, call, action),
            Action::FlushCache(action) => flush::begin(self, now, call, action),
            Action::FailoverCacheInRegion(action) => replicas::begin(self, now, call, action),
            Action::DeleteExpired(action) => expire::begin_delete(self, now, call, action),
            Action::ScaleWorkload(action) => workloads::begin(self, now, call, action),
            Action::RestartWorkload(action) => restarts::begin(self, now, call, action),
            Action::ReplaceLostPods(action) => nodes::begin(self, now, call, action),
            Action::LimitAdmission(action) => admission::begin_limit(self, now, call, action),
            Action::RaiseAdmission(action) => admission::begin_raise(self, now, call, action),
            Action::SuspendWorkers(action) => workers::begin_suspension(self, now, call, action),
            Action::ResumeWorkers(action) => workers::begin_resumption(self, now, call, action),
            Action::WriteCanary(action) => objects::begin_canary(self, now, call, action),
            Action::SwitchoverDatabase(action) => {
                promote::begin_switchover(self, now, call, action.to)
            }
            Action::FailoverDatabase(action) => promote::begin_failover(self, now, call, action.to),
            Action::FailoverInRegion(action) => promote::begin_in_region(self, now, call, action),
            Action::TakeWriteLease(action) => write_lease::begin(self, now, call, action),
            Action::ExportObjects(action) => exports::begin_export(self, now, call, action),
            Action::ApplyObjects(action) => exports::begin_apply(self, now, call, action),
            Action::RunBuild(action) => builds::begin(self, now, call, action),
            Action::RestoreDatabase(action) => rebuilds::begin_cluster(self, now, call, action),
            Action::StartDatabaseInstance(action) => {
                rebuilds::begin_instance(self, now, call, action)
            }
            Action::MakeGlobalCluster(action) => rebuilds::begin_global(self, now, call, action),
            Action::RestoreCluster(action) => restore::begin_cluster(self, now, call, action),
            Action::RotatePassword(action) => restore::begin_password(self, now, call, action),
            Action::StartInstance(action) => restore::begin_instance(self, now, call, action),
            Action::RemoveInstance(action) => {
                restore::begin_removal(self, now, call, (Kind::Instance, action.at))
            }
            Action::RemoveCluster(action) => {
                restore::begin_removal(self, now, call, (Kind::Cluster, action.at))
            }
            Action::ShiftTraffic(action) => traffic::begin_shift(self, now, call, action),
            Action::WeighTraffic(action) => traffic::begin_weights(self, now, call, action),
            Action::RunHooks(action) => hook::begin(self, now, call, action),
            Action::Notify(_) => control::begin_notice(self, now, call),
            Action::CallHttp(action) => custom::begin_call(self, now, call, action),
            Action::RunJob(action) => custom::begin_job(self, now, call, action),
            Action::Rehearse(_) => control::begin_rehearsal(self, now, call),
            Action::MarkExpired(_)
            | Action::CheckReadiness(_)
            | Action::PredictLoss(_)
            | Action::CheckObservers(_)
            | Action::CheckReplication(_)
            | Action::CompareBuckets(_)
            | Action::CheckBucketReplication(_)
            | Action::CheckActive(_)
            | Action::CheckAlarms(_)
            | Action::Probe(_)
            | Action::CheckSecrets(_)
            | Action::CheckSql(_)
            | Action::CheckRestored(_)
            | Action::InventoryDivergence(_)
            | Action::Fence(_)
            | Action::Approval(_)
            | Action::Wait(_)
            | Action::Gate(_)
            | Action::OpenWindow(_)
            | Action::CloseWindow(_)
            | Action::CheckCalendar(_)
            | Action::ChoosePoint(_)
            | Action::StartRun(_)
            | Action::MoveApplication(_)
            | Action::StampPoint(_)
            | Action::FindLeaks(_) => Err(no_outside(call)),
        }
    }

    /// Makes something go wrong from now on.
    pub fn inject(&mut self, now: Timestamp, fault: Fault) {
        match &fault {
            Fault::Outage { region, lost } => {
                self.regions.fail(region.clone(), *lost, now);
                self.databases.values_mut().for_each(|one| one.fell_ill(region, now));
                self.snapshots.freeze(region, now);
            }
            Fault::NodeLost { region } => self.nodes.fail(region, now),
            Fault::EnvironmentLost { application, region } => {
                self.lose_environment(now, application, region);
            }
            Fault::CopyStuck { length } => self.snapshots.hold_copies(now, length.duration()),
            Fault::ForeignFailover { application, database, to, data_loss } => {
                self.stranger_promotes(now, application, database, to, *data_loss);
            }
            Fault::FailedOverByHand { application, database, to } => {
                let key = (application.clone(), database.clone());
                if let Some(one) = self.databases.get_mut(&key) {
                    one.failed_over(self.dice, &self.regions, to, now);
                }
            }
            Fault::MarkerLost { application } => {
                if let Some(names) = self.names.get_mut(application) {
                    names.set_marker(now, false, None);
                }
            }
            Fault::GlobalControlPlane
            | Fault::Throttled { .. }
            | Fault::Silence { .. }
            | Fault::ReplyLost { .. }
            | Fault::StaleReads { .. }
            | Fault::SnapshotFails { .. }
            | Fault::RestoreFails { .. }
            | Fault::BuildFails { .. }
            | Fault::HookFails { .. }
            | Fault::NoCapacity { .. }
            | Fault::KeyGone { .. }
            | Fault::CredentialsExpired { .. }
            | Fault::VaultClosed { .. }
            | Fault::ObserverLies { .. }
            | Fault::ObserverSilent { .. }
            | Fault::FenceFails
            | Fault::AutomaticFailoverOff { .. }
            | Fault::DataSpoilt { .. } => {}
        }
        self.faults.add(now, fault);
    }

    /// Ends every trouble of a region.
    pub fn heal_region(&mut self, now: Timestamp, region: &Region) {
        self.nodes.heal(region, now);
        if self.regions.heal(region, now) {
            self.databases.values_mut().for_each(|one| one.got_well(region, now));
            self.snapshots.thaw(region, now);
        }
    }

    /// Ends the faults of one name. Regions are healed with their outage.
    pub fn heal(&mut self, now: Timestamp, fault: &Fault) {
        if let Fault::Outage { region, .. } = fault {
            self.heal_region(now, region);
        }
        if let Fault::NodeLost { region } = fault {
            self.nodes.heal(region, now);
        }
        self.faults.remove(fault.name());
    }

    /// Ends every fault.
    pub fn heal_all(&mut self, now: Timestamp) {
        let ill: Vec<Region> = self
            .applications
            .iter()
            .flat_map(|one| [one.home.clone(), one.standby.clone()])
            .collect();
        for region in ill {
            self.heal_region(now, &region);
        }
        self.faults.clear();
    }

    /// What is really so, whatever calls are told.
    pub fn truth(&self) -> Truth<'_> {
        Truth::new(self)
    }

    fn fail_over(
        &mut self,
        bound: &Bound<'_>,
        token: Option<&str>,
        to: &Region,
        now: Timestamp,
    ) -> Result<(), CallError> {
        let fence_fails = self.faults.at(now).any(|fault| *fault == Fault::FenceFails);
        let one = self.databases.get_mut(&bound.key).ok_or_else(|| bound.missing())?;
        one.fail_over(self.dice, &self.regions, fence_fails, token, to, now);
        Ok(())
    }

    fn aurora(&self, bound: &Bound<'_>) -> Result<&Aurora, CallError> {
        self.databases.get(&bound.key).ok_or_else(|| bound.missing())
    }

    fn aurora_mut(&mut self, bound: &Bound<'_>) -> Result<&mut Aurora, CallError> {
        self.databases.get_mut(&bound.key).ok_or_else(|| bound.missing())
    }

    /// Counts what a call really changed.
    fn took_effect(
        &mut self,
        at: Timestamp,
        call: &Call,
        operation: &'static str,
        object: impl ToString,
    ) {
        self.effects.push(Effect {
            token: call.token.to_string(),
            operation,
            object: object.to_string(),
            mode: call.mode,
            at,
        });
    }
}
