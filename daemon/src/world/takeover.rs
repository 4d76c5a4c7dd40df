//! What of a takeover no provider's list tells: what runs in the namespaces, whether each side serves, and
//! whether those who watch could say anything.

use std::{collections::BTreeMap, future::Future};

use futures::future::join_all;
use muster_runbooks::{
    application::{Application, Workload},
    name::Region,
};
use muster_state::{
    call::CallError,
    detect::{Sees, Vote},
};

use super::http::probe;
use super::{
    inventory::{
        Said,
        takeover::{Takeover, WorkerSide, WorkloadSide},
    },
    observers,
    real::Real,
    worker,
};

/// Looks at all of it, everything side by side.
pub(super) async fn beside(real: &Real, application: &Application) -> Takeover {
    let regions = [&application.home, &application.standby];
    let workloads = application.workloads.iter().flat_map(|one| regions.map(|at| (one, at)));
    let workloads = workloads.filter(|(one, at)| one.contexts.contains_key(at.as_str()));
    let workloads: Vec<_> = workloads.collect();
    let workers = workloads.iter().filter(|(one, _)| !one.workers.is_empty());
    let workers = workers.map(async |(one, at)| {
        let key = (one.name.clone(), (*at).clone());
        (key, said(self::workers(real, one, at)).await)
    });
    let workloads = workloads.iter().map(async |(one, at)| {
        let key = (one.name.clone(), (*at).clone());
        (key, said(sets(real, one, at)).await)
    });
    let probes = regions.into_iter().filter_map(|at| {
        let url = application.probes.get(at.as_str())?;
        Some(async move { (at.clone(), said(status(real, url)).await) })
    });
    let observers = application.observers.iter().map(async |one| {
        let asked = regions.map(|at| observers::vote(real, application, one, at));
        let votes = join_all(asked).await;
        (one.name.clone(), able(&votes))
    });
    let (workloads, workers, probes, observers) = futures::join!(
        join_all(workloads),
        join_all(workers),
        join_all(probes),
        join_all(observers)
    );
    Takeover {
        workloads: workloads.into_iter().collect(),
        workers: workers.into_iter().collect(),
        probes: probes.into_iter().collect(),
        observers: observers.into_iter().collect(),
        ..Takeover::default()
    }
}

async fn sets(real: &Real, workload: &Workload, at: &Region) -> Result<WorkloadSide, CallError> {
    real.kube.cluster(workload, at).await?.sets().await
}

async fn workers(
    real: &Real,
    workload: &Workload,
    at: &Region,
) -> Result<BTreeMap<String, WorkerSide>, CallError> {
    worker::look(&real.kube.cluster(workload, at).await?, workload).await
}

async fn status(real: &Real, url: &str) -> Result<u16, CallError> {
    Ok(probe(&real.http, url).await?.as_u16())
}

/// Whether an observer can say something about either region; which, is nobody's business here.
fn able(votes: &[Vote]) -> Said<()> {
    if votes.iter().any(|vote| vote.sees != Sees::Unknown) {
        return Ok(());
    }
    Err(votes.first().map_or_else(String::new, |vote| vote.why.clone()))
}

/// Why something could not be read, in a sentence.
async fn said<T>(asked: impl Future<Output = Result<T, CallError>>) -> Said<T> {
    asked.await.map_err(|why| why.to_string())
}
