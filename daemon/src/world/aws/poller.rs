//! One list per account, region and kind for all who wait: AWS throttles per account and region, at rates
//! that nobody publishes (facts §8, rates).

use std::{
    collections::BTreeMap,
    error::Error,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use aws_sdk_elasticache::types::{ReplicationGroup, Snapshot};
use aws_sdk_rds::types::{DbCluster, DbClusterSnapshot, DbInstance, GlobalCluster};
use aws_smithy_async::future::pagination_stream::PaginationStream;
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use jiff::{SignedDuration, Timestamp};
use muster_state::call::{Call, CallError, in_one_line};

use super::{Clients, Seat, Side, beside::Beside, error};

/// For how long one list serves those who only wait.
pub const CADENCE: SignedDuration = SignedDuration::from_secs(5);

/// For how long one list serves those who watch the same kind of work: a hundred applications that move
/// together look at one list, and nobody hears of an end more than so much later.
pub const FRESH: SignedDuration = SignedDuration::from_secs(1);

const CLUSTERS: &str = "DescribeDBClusters";
const GLOBALS: &str = "DescribeGlobalClusters";
const INSTANCES: &str = "DescribeDBInstances";
const OPERATION: &str = "DescribeDBClusterSnapshots";
const SAVED: &str = "DescribeSnapshots";

/// The most things that a list may have; a region's quotas are far below.
const ITEMS_MAX: usize = 20_000;

/// The manual cluster snapshots of one region, all of them: a list with a page missing is no list
/// (facts §2, retention safety).
#[derive(Clone, Debug)]
pub struct Listed {
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// The snapshots.
    pub snapshots: Arc<[DbClusterSnapshot]>,
}

/// What a list that could not be read means to others who ask for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Miss {
    /// They ask again, unless it failed while they waited for it.
    AsksAgain,
    /// It is their answer too, if it is as new as they want: a round over all applications must not
    /// wait for a dead region once for each of them.
    Serves,
}

/// The last list of each kind, account and region.
#[derive(Debug, Default)]
pub struct Poller {
    manual: Lists<Arc<[DbClusterSnapshot]>>,
    automated: Lists<Arc<[DbClusterSnapshot]>>,
    clusters: Lists<Arc<[DbCluster]>>,
    globals: Lists<Arc<[GlobalCluster]>>,
    instances: Lists<Arc<[DbInstance]>>,
    pub(super) quotas: Lists<crate::world::inventory::Quota>,
    pub(super) groups: Lists<Arc<[ReplicationGroup]>>,
    cache_snapshots: Lists<Arc<[Snapshot]>>,
}

/// The last list of one kind in each account and region.
#[derive(Debug)]
pub(super) struct Lists<T> {
    seats: Mutex<BTreeMap<Seat, Arc<Shelf<T>>>>,
}

#[derive(Debug)]
struct Shelf<T> {
    /// Held by the one who asks; the others wait for what comes.
    last: tokio::sync::Mutex<Option<Last<T>>>,
    /// How many answers came.
    answers: AtomicU64,
}

#[derive(Debug)]
struct Last<T> {
    asked_at: Timestamp,
    said: Result<T, String>,
}

impl<T> Default for Lists<T> {
    fn default() -> Lists<T> {
        Lists { seats: Mutex::default() }
    }
}

impl<T> Default for Shelf<T> {
    fn default() -> Shelf<T> {
        Shelf { last: tokio::sync::Mutex::default(), answers: AtomicU64::default() }
    }
}

/// When somebody asks, and how new the answer must be.
#[derive(Clone, Copy, Debug)]
pub(in crate::world) struct Want {
    /// An answer that was asked for at this instant or later will do.
    pub(super) since: Timestamp,
    /// When the caller asks.
    pub(super) now: Timestamp,
    /// What a failure of others means.
    pub(super) miss: Miss,
}

impl Want {
    /// What a look at an open attempt may be shown: nothing from before it was promised or aimed.
    pub(in crate::world) fn of(call: &Call) -> Want {
        let not_before = call.aim.as_ref().map_or(call.started_at, |aim| aim.at);
        let since = (call.asked_at - FRESH).max(not_before).max(call.started_at);
        Want { since, now: call.asked_at, miss: Miss::AsksAgain }
    }

    /// What is no older than `FRESH`.
    pub(in crate::world) fn fresh(now: Timestamp) -> Want {
        Want { since: now - FRESH, now, miss: Miss::AsksAgain }
    }
}

/// Where something of Aurora is looked up: a region, with the clients of whoever asks.
#[derive(Clone, Copy)]
pub(in crate::world) struct Desk<'a> {
    pub(in crate::world) poller: &'a Poller,
    pub(in crate::world) side: &'a Side,
    pub(in crate::world) clients: &'a Clients,
    pub(in crate::world) want: Want,
}

impl Desk<'_> {
    /// Every global cluster that the region shows.
    pub(super) async fn globals(self) -> Result<Arc<[GlobalCluster]>, CallError> {
        let pages = self.clients.rds.describe_global_clusters().into_paginator().send();
        let fetch = whole(self.side, "rds", GLOBALS, pages, |page| page.global_clusters);
        let lists = &self.poller.globals;
        Ok(lists.get(self.side, "rds", GLOBALS, self.want, fetch).await?.1)
    }

    /// Every cluster of the region.
    pub(super) async fn clusters(self) -> Result<Arc<[DbCluster]>, CallError> {
        let pages = self.clients.rds.describe_db_clusters().into_paginator().send();
        let fetch = whole(self.side, "rds", CLUSTERS, pages, |page| page.db_clusters);
        let lists = &self.poller.clusters;
        Ok(lists.get(self.side, "rds", CLUSTERS, self.want, fetch).await?.1)
    }

    /// Every instance of the region.
    pub(super) async fn instances(self) -> Result<Arc<[DbInstance]>, CallError> {
        let pages = self.clients.rds.describe_db_instances().into_paginator().send();
        let fetch = whole(self.side, "rds", INSTANCES, pages, |page| page.db_instances);
        let lists = &self.poller.instances;
        Ok(lists.get(self.side, "rds", INSTANCES, self.want, fetch).await?.1)
    }
}

impl<T: Clone> Lists<T> {
    /// The last answer, if it is new enough; else the one that `fetch` brings.
    pub(super) async fn get(
        &self,
        side: &Side,
        service: &str,
        operation: &'static str,
        want: Want,
        fetch: impl Future<Output = Result<T, CallError>>,
    ) -> Result<(Timestamp, T), CallError> {
        let shelf = self.shelf(&side.seat());
        let answers = shelf.answers.load(Ordering::Acquire);
        let mut last = shelf.last.lock().await;
        match last.as_ref() {
            Some(Last { asked_at, said: Ok(list) }) if *asked_at >= want.since => {
                return Ok((*asked_at, list.clone()));
            }
            // It failed while we waited for it: had we asked, it would have failed for us too. Without
            // this a dead region would be asked by one waiter after the other.
            Some(Last { asked_at, said: Err(why) })
                if shelf.answers.load(Ordering::Acquire) != answers
                    || (want.miss == Miss::Serves && *asked_at >= want.since) =>
            {
                return Err(CallError::NoAnswer {
                    service: side.name(service),
                    operation,
                    source: why.clone().into(),
                });
            }
            Some(_) | None => {}
        }
        let fetched = fetch.await;
        *last = match &fetched {
            Ok(list) => Some(Last { asked_at: want.now, said: Ok(list.clone()) }),
            Err(CallError::NoAnswer { source, .. }) => {
                Some(Last { asked_at: want.now, said: Err(in_one_line(source.as_ref())) })
            }
            // The others shall hear the real refusal.
            Err(CallError::Refused { .. } | CallError::Credentials { .. }) => None,
        };
        shelf.answers.fetch_add(1, Ordering::Release);
        fetched.map(|list| (want.now, list))
    }

    async fn forget(&self, seat: &Seat) {
        *self.shelf(seat).last.lock().await = None;
    }

    fn shelf(&self, seat: &Seat) -> Arc<Shelf<T>> {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        seats.entry(seat.clone()).or_default().clone()
    }
}

impl Poller {
    /// A list that was asked for at `since` or later. `now` is when the caller asks.
    pub async fn manual(
        &self,
        side: &Side,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Listed, CallError> {
        self.manual_as(side, Want { since, now, miss: Miss::AsksAgain }).await
    }

    pub(super) async fn manual_as(&self, side: &Side, want: Want) -> Result<Listed, CallError> {
        let fetch = snapshots(side, "manual");
        let got = self.manual.get(side, "rds", OPERATION, want, fetch).await;
        got.map(|(asked_at, snapshots)| Listed { asked_at, snapshots })
    }

    pub(super) async fn automated(
        &self,
        side: &Side,
        want: Want,
    ) -> Result<Arc<[DbClusterSnapshot]>, CallError> {
        let fetch = snapshots(side, "automated");
        Ok(self.automated.get(side, "rds", OPERATION, want, fetch).await?.1)
    }

    /// The snapshots of all caches of a region, whoever made them.
    pub(super) async fn saved(
        &self,
        side: &Side,
        beside: &Beside,
        want: Want,
    ) -> Result<Arc<[Snapshot]>, CallError> {
        let fetch = cache_snapshots(side, beside);
        Ok(self.cache_snapshots.get(side, "elasticache", SAVED, want, fetch).await?.1)
    }

    /// Forgets who writes where in a region: that was just changed, and whoever looks next must not be shown
    /// what stood before.
    pub(super) async fn forget_writers(&self, side: &Side) {
        let seat = side.seat();
        self.globals.forget(&seat).await;
        self.clusters.forget(&seat).await;
        self.instances.forget(&seat).await;
    }

    /// Forgets the lists of snapshots of a region and account, because something there is about to change
    /// (design §6).
    pub async fn forget(&self, side: &Side) {
        let seat = side.seat();
        self.manual.forget(&seat).await;
        self.quotas.forget(&seat).await;
        self.cache_snapshots.forget(&seat).await;
    }
}

async fn cache_snapshots(side: &Side, beside: &Beside) -> Result<Arc<[Snapshot]>, CallError> {
    let pages = beside.caches.describe_snapshots().into_paginator().send();
    whole(side, "elasticache", SAVED, pages, |page| page.snapshots).await
}

async fn snapshots(side: &Side, kind: &str) -> Result<Arc<[DbClusterSnapshot]>, CallError> {
    let request = side.look.rds.describe_db_cluster_snapshots().snapshot_type(kind);
    let pages = request.into_paginator().send();
    whole(side, "rds", OPERATION, pages, |page| page.db_cluster_snapshots).await
}

/// Everything that a list has: one with a page missing is none (facts §2, retention safety). The paginator
/// ends with an error when a page's token repeats (proofs, faults).
pub(super) async fn whole<P, T, E>(
    side: &Side,
    service: &str,
    operation: &'static str,
    mut pages: PaginationStream<Result<P, SdkError<E, HttpResponse>>>,
    items: impl Fn(P) -> Option<Vec<T>>,
) -> Result<Arc<[T]>, CallError>
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let mut all = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|why| error::trouble(why).at(side.name(service), operation))?;
        all.extend(items(page).unwrap_or_default());
        bounded(side, service, operation, all.len())?;
    }
    Ok(all.into())
}

/// A list without an end is no list.
pub(super) fn bounded(
    side: &Side,
    service: &str,
    operation: &'static str,
    count: usize,
) -> Result<(), CallError> {
    if count <= ITEMS_MAX {
        return Ok(());
    }
    let (service, source) = (side.name(service), format!("more than {ITEMS_MAX} items").into());
    Err(CallError::NoAnswer { service, operation, source })
}
