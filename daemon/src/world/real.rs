//! The real world: for every action the function that looks and the one that begins.

use std::{
    collections::BTreeMap,
    future::Future,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use futures::future::BoxFuture;
use jiff::Timestamp;
use muster_runbooks::{
    action::{Action, On, control::Rehearse},
    application::{Application, Component, Workload},
    heartbeat::Notices,
};
use muster_state::call::{Answer, Call, CallError, Done, Progress, Reading};
use serde_json::json;

use super::http::{client, client_without_redirects, observe_probe};
use super::{
    admission,
    aws::{
        Access, Aws, Clients, Side, alarm, bucket, build, cache, comparison, copies, datastore,
        error, expiry, global, instance, inventory, lease, marker, objects, paced,
        poller::{Desk, Poller, Want},
        readiness, rebuild, record, replica, replication, restore, ship, snapshot, teardown, vault,
        write_lease, writer,
    },
    canary::Canaries,
    custom, dns, flush, hook,
    inventory::{Inventory, takeover::Takeover},
    kube::Kube,
    node,
    notify::{self, Delivered, Receiver, reception::Reception},
    observers,
    rates::Rates,
    restart, sql, takeover,
    whereabouts::Whereabouts,
    worker, workload,
};
use crate::{clock::Clock, compare::background::Comparisons, config};

/// The most rehearsals that are remembered.
const REHEARSED_MAX: usize = 1_024;

/// What the real world is made of.
#[derive(Debug)]
pub struct Settings {
    /// How AWS is reached. Regions come with the calls.
    pub access: Access,
    /// The kubeconfig; where `KUBECONFIG` says, without it.
    pub kubeconfig: Option<PathBuf>,
    /// Who is told.
    pub receivers: Vec<Receiver>,
    /// How often AWS is asked.
    pub rates: Rates,
    /// The time.
    pub clock: Clock,
    /// The epoch that is written on everything it makes (facts §5.5), until a lease brings another.
    pub epoch: u64,
    /// Where long comparisons write down how far they are; nowhere when `None`.
    pub comparisons: Option<PathBuf>,
}

/// The real world.
#[derive(Debug)]
pub struct Real {
    pub(super) aws: Aws,
    pub(super) poller: Poller,
    pub(super) kube: Kube,
    /// What asks over HTTP.
    pub(super) http: reqwest::Client,
    /// What sends over HTTP.
    pub(super) sends: reqwest::Client,
    pub(super) receivers: Vec<Receiver>,
    pub(super) delivered: Delivered,
    pub(super) reception: Reception,
    pub(super) clock: Clock,
    epoch: AtomicU64,
    pub(super) comparisons: Comparisons,
    pub(super) arrivals: bucket::Arrivals,
    pub(super) records: inventory::Records,
    pub(super) canaries: Canaries,
    rehearsed: Mutex<BTreeMap<String, String>>,
}

/// The two verbs of one action. Neither runs until it is awaited.
pub(super) struct Verbs<'a> {
    observe: BoxFuture<'a, Result<Reading, CallError>>,
    begin: BoxFuture<'a, Result<Answer, CallError>>,
}

impl Real {
    /// Makes the clients. Nothing outside is asked yet.
    pub async fn new(settings: Settings) -> Result<Real, reqwest::Error> {
        let names = settings.receivers.iter().map(Receiver::name);
        let reception = Reception::since(settings.clock.now(), names);
        Ok(Real {
            aws: Aws::load(&settings.access, settings.rates, settings.clock.clone()).await,
            poller: Poller::default(),
            kube: Kube::new(settings.kubeconfig),
            http: client()?,
            sends: client_without_redirects()?,
            receivers: settings.receivers,
            delivered: Delivered::default(),
            reception,
            clock: settings.clock,
            epoch: AtomicU64::new(settings.epoch),
            comparisons: Comparisons::in_folder(settings.comparisons),
            arrivals: bucket::Arrivals::default(),
            records: inventory::Records::default(),
            canaries: Canaries::default(),
            rehearsed: Mutex::default(),
        })
    }

    /// What the canaries showed last.
    pub fn canaries(&self) -> &Canaries {
        &self.canaries
    }

    /// The epoch that is written on everything it makes.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// From now on everything is made under the epoch of a lease.
    pub fn act_under(&self, epoch: u64) {
        self.epoch.store(epoch, Ordering::Release);
    }

    /// Where a lease is kept.
    pub fn lease(&self, at: &config::Lease) -> lease::Store {
        lease::Store::new(self.aws.side(&at.region), at)
    }

    /// Whether notices arrive.
    pub fn notices(&self) -> Notices {
        self.reception.notices()
    }

    /// A place for copies of small files.
    pub fn copies(&self, at: &config::CopyPlace) -> copies::Place {
        copies::Place::new(self.aws.side(&at.region), at)
    }

    /// Where the log is shipped to.
    pub fn shelf(&self, at: &config::Ship) -> ship::Shelf {
        ship::Shelf::new(self.aws.side(&at.region), at)
    }

    /// Where a look that belongs to `call` finds things of Aurora.
    pub(super) fn desk<'a>(&'a self, side: &'a Side, call: &Call) -> Desk<'a> {
        let clients = side.looks_for(call);
        Desk { poller: &self.poller, side, clients, want: Want::of(call) }
    }

    /// The same for whoever looks at the present, with clients of their choice.
    pub(super) fn desk_by<'a>(&'a self, side: &'a Side, clients: &'a Clients) -> Desk<'a> {
        Desk { poller: &self.poller, side, clients, want: Want::fresh(self.clock.now()) }
    }

    /// Looks how far a call has come. Changes nothing.
    pub async fn observe(&self, call: &Call) -> Result<Reading, CallError> {
        self.verbs(call).observe.await
    }

    /// Asks for a call to be begun.
    pub async fn begin(&self, call: &Call) -> Result<Answer, CallError> {
        paced::leaving_by(call.not_after, self.verbs(call).begin).await
    }

    /// Looks from where an application is served. Changes nothing.
    pub async fn locate(&self, application: &Application) -> Whereabouts {
        let read_at = self.clock.now();
        let writers = application.databases.iter().map(async |database| {
            (database.name.clone(), writer::locate(self, application, database).await)
        });
        let users = async {
            let heard = dns::ask(application.traffic.as_ref()?).await;
            Some(heard.map_err(|why| why.to_string()).and_then(|heard| {
                heard.region().ok_or_else(|| format!("the name servers say {heard}"))
            }))
        };
        let (writers, users) = futures::join!(futures::future::join_all(writers), users);
        Whereabouts { writers: writers.into_iter().collect(), users, read_at }
    }

    /// Looks at everything that protects an application, in lists that were asked for at `since` or
    /// later. Changes nothing.
    pub async fn inventory(&self, application: &Application, since: Timestamp) -> Inventory {
        let (mut seen, beside) = futures::join!(
            inventory::look(self, application, since),
            takeover::beside(self, application),
        );
        seen.takeover =
            Takeover { members: seen.takeover.members, traffic: seen.takeover.traffic, ..beside };
        seen
    }

    /// Snapshots and copies say themselves when they were read: their lists may be shared.
    fn verbs<'a>(&'a self, call: &'a Call) -> Verbs<'a> {
        match &*call.action {
            Action::SnapshotDatabase(with) => snapshot::take(self, call, with),
            Action::CopySnapshot(with) => snapshot::copy(self, call, with),
            Action::CopyToVault(with) => vault::copy(self, call, with),
            Action::ShareSnapshot(with) => vault::share(self, call, with),
            Action::UnshareSnapshot(with) => vault::unshare(self, call, with),
            Action::SnapshotCache(with) => cache::snapshot(self, call, with),
            Action::FailoverCache(with) => datastore::failover(self, call, with),
            Action::FlushCache(with) => flush::flush(self, call, with),
            Action::FailoverCacheInRegion(with) => replica::failover(self, call, with),
            Action::MarkExpired(with) => reads(call, expiry::observe_mark(self, call, with)),
            Action::DeleteExpired(with) => expiry::let_go(self, call, with),
            Action::ScaleWorkload(with) => workload::scale(self, call, with),
            Action::RestartWorkload(with) => restart::restart(self, call, with),
            Action::ReplaceLostPods(with) => node::replace(self, call, with),
            Action::LimitAdmission(with) => admission::limit(self, call, with),
            Action::RaiseAdmission(with) => admission::raise(self, call, with),
            Action::SuspendWorkers(with) => worker::suspend(self, call, with),
            Action::ResumeWorkers(with) => worker::resume(self, call, with),
            Action::CheckReadiness(with) => {
                reads(call, readiness::observe_readiness(self, call, with))
            }
            Action::PredictLoss(with) => {
                reads(call, readiness::observe_prediction(self, call, with))
            }
            Action::CheckObservers(with) => reads(call, observers::observe(self, call, with)),
            Action::CheckReplication(with) => {
                reads(call, readiness::observe_replication(self, call, with))
            }
            Action::CheckActive(with) => reads(call, writer::observe_active(self, call, with)),
            Action::WriteCanary(with) => {
                verbs(call, bucket::observe(self, call, with), bucket::begin(self, call, with))
            }
            Action::CompareBuckets(with) => reads(call, comparison::observe(self, call, with)),
            Action::CheckBucketReplication(with) => {
                reads(call, replication::observe(self, call, with))
            }
            Action::CheckAlarms(with) => reads(call, alarm::observe_drill(self, call, with)),
            Action::Probe(with) => reads(call, observe_probe(self, call, with)),
            Action::CheckSql(with) => reads(call, sql::check::observe(self, call, with)),
            Action::CheckRestored(with) => reads(call, sql::check::restored(self, call, with)),
            Action::InventoryDivergence(with) => sql::divergence::inventory(self, call, with),
            Action::Fence(with) => reads(call, writer::observe_fence(self, call, with)),
            Action::SwitchoverDatabase(with) => global::switchover(self, call, with),
            Action::FailoverDatabase(with) => global::failover(self, call, with),
            Action::FailoverInRegion(with) => instance::failover(self, call, with),
            Action::TakeWriteLease(with) => write_lease::take(self, call, with),
            Action::RunHooks(with) => verbs(call, hook::observe(), hook::begin(self, call, with)),
            Action::ExportObjects(with) => objects::export(self, call, with),
            Action::ApplyObjects(with) => verbs(
                call,
                objects::observe_apply(self, call, with),
                objects::begin_apply(self, call, with),
            ),
            Action::RunBuild(with) => build::run(self, call, with),
            Action::CheckSecrets(with) => reads(call, rebuild::observe_secrets(self, call, with)),
            Action::RestoreDatabase(with) => rebuild::cluster(self, call, with),
            Action::StartDatabaseInstance(with) => rebuild::instance(self, call, with),
            Action::MakeGlobalCluster(with) => rebuild::global(self, call, with),
            Action::ChoosePoint(with) => reads(call, restore::observe_choice(self, call, with)),
            Action::RestoreCluster(with) => restore::cluster(self, call, with),
            Action::RotatePassword(with) => restore::password(self, call, with),
            Action::StartInstance(with) => restore::instance(self, call, with),
            Action::RemoveInstance(with) => teardown::instances(self, call, with),
            Action::RemoveCluster(with) => teardown::clusters(self, call, with),
            Action::FindLeaks(_) => reads(call, teardown::observe_leaks(self, call)),
            Action::ShiftTraffic(with) => {
                verbs(call, marker::observe(self, call, with), marker::begin(self, call, with))
            }
            Action::WeighTraffic(with) => {
                verbs(call, record::observe(self, call, with), record::begin(self, call, with))
            }
            Action::CallHttp(with) => custom::call(self, call, with),
            Action::RunJob(with) => custom::job(self, call, with),
            Action::Notify(with) => verbs(call, notify::observe(), notify::begin(self, call, with)),
            Action::Rehearse(with) => {
                verbs(call, self.observe_rehearsal(call), self.begin_rehearsal(call, with))
            }
            Action::Approval(_)
            | Action::Wait(_)
            | Action::Gate(_)
            | Action::OpenWindow(_)
            | Action::CloseWindow(_)
            | Action::CheckCalendar(_)
            | Action::StampPoint(_)
            | Action::StartRun(_)
            | Action::MoveApplication(_) => reads(call, inside(call)),
        }
    }

    async fn observe_rehearsal(&self, call: &Call) -> Result<Progress, CallError> {
        let rehearsed = self.rehearsed.lock().unwrap_or_else(PoisonError::into_inner);
        let said = rehearsed.get(call.token.as_str());
        Ok(said.map_or_else(Progress::not_started, |said| {
            Progress::Done(Done::with([("said", json!(said))]))
        }))
    }

    async fn begin_rehearsal(&self, call: &Call, with: &Rehearse) -> Result<Answer, CallError> {
        let mut rehearsed = self.rehearsed.lock().unwrap_or_else(PoisonError::into_inner);
        if rehearsed.len() >= REHEARSED_MAX {
            rehearsed.pop_first();
        }
        rehearsed.insert(call.token.to_string(), with.say.clone().unwrap_or_default());
        Ok(Answer::Accepted)
    }
}

/// What a call works on. Only runbooks without an application lack it.
pub(super) fn on(call: &Call) -> Result<On<'_>, CallError> {
    call.on().ok_or_else(|| error::unfit(call, "the run is bound to no application"))
}

/// Of an action whose lists may be shared: it says itself when they were read.
pub(super) fn dated<'a>(
    observe: impl Future<Output = Result<Reading, CallError>> + Send + 'a,
    begin: impl Future<Output = Result<Answer, CallError>> + Send + 'a,
) -> Verbs<'a> {
    Verbs { observe: Box::pin(observe), begin: Box::pin(begin) }
}

pub(super) fn verbs<'a>(
    call: &'a Call,
    observe: impl Future<Output = Result<Progress, CallError>> + Send + 'a,
    begin: impl Future<Output = Result<Answer, CallError>> + Send + 'a,
) -> Verbs<'a> {
    let read_at = call.asked_at;
    let observe =
        Box::pin(async move { observe.await.map(|progress| Reading { progress, read_at }) });
    Verbs { observe, begin: Box::pin(begin) }
}

/// The verbs of an action that only reads. The engine never begins it.
pub(super) fn reads<'a>(
    call: &'a Call,
    observe: impl Future<Output = Result<Progress, CallError>> + Send + 'a,
) -> Verbs<'a> {
    verbs(call, observe, async { Err(error::unfit(call, "there is nothing to begin")) })
}

/// The workload that a call works on.
pub(super) fn workload(call: &Call) -> Result<&Workload, CallError> {
    let workload = call.component.as_deref().and_then(Component::workload);
    workload.ok_or_else(|| error::unfit(call, "the step names no workload"))
}

/// What happens inside Muster never comes here; if it does, that is a bug and no call.
async fn inside(call: &Call) -> Result<Progress, CallError> {
    Err(error::unfit(call, "it happens inside Muster"))
}
