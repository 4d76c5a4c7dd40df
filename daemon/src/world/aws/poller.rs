//! One list of snapshots per region for all who wait: RDS throttles per account and region, at rates
//! that nobody publishes (facts §8, rates).

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use aws_sdk_rds::types::DbClusterSnapshot;
use jiff::{SignedDuration, Timestamp};
use muster_runbooks::name::Region;
use muster_state::call::{CallError, in_one_line};

use super::{Side, error};

/// For how long one list serves those who only wait.
pub const CADENCE: SignedDuration = SignedDuration::from_secs(5);

const OPERATION: &str = "DescribeDBClusterSnapshots";

/// The most snapshots that a list may have; a region's quota is far below.
const SNAPSHOTS_MAX: usize = 20_000;

/// The manual cluster snapshots of one region, all of them: a list with a page missing is no list
/// (facts §2, retention safety).
#[derive(Clone, Debug)]
pub struct Listed {
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// The snapshots.
    pub snapshots: Arc<[DbClusterSnapshot]>,
}

/// The last list of each region.
#[derive(Debug, Default)]
pub struct Poller {
    regions: Mutex<BTreeMap<Region, Arc<Shelf>>>,
}

#[derive(Debug, Default)]
struct Shelf {
    /// Held by the one who asks; the others wait for what comes.
    last: tokio::sync::Mutex<Option<Result<Listed, String>>>,
    /// How many answers came.
    answers: AtomicU64,
}

impl Poller {
    /// A list that was asked for at `since` or later. `now` is when the caller asks.
    pub async fn manual(
        &self,
        side: &Side,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Listed, CallError> {
        let shelf = self.shelf(&side.region);
        let answers = shelf.answers.load(Ordering::Acquire);
        let mut last = shelf.last.lock().await;
        match last.as_ref() {
            Some(Ok(listed)) if listed.asked_at >= since => return Ok(listed.clone()),
            // It failed while we waited for it: had we asked, it would have failed for us too. Without
            // this a dead region would be asked by one waiter after the other.
            Some(Err(why)) if shelf.answers.load(Ordering::Acquire) != answers => {
                return Err(CallError::NoAnswer {
                    service: side.name("rds"),
                    operation: OPERATION,
                    source: why.clone().into(),
                });
            }
            Some(Ok(_) | Err(_)) | None => {}
        }
        let fetched = fetch(side, now).await;
        *last = match &fetched {
            Ok(listed) => Some(Ok(listed.clone())),
            Err(CallError::NoAnswer { source, .. }) => Some(Err(in_one_line(source.as_ref()))),
            // The others shall hear the real refusal.
            Err(CallError::Refused { .. } | CallError::Credentials { .. }) => None,
        };
        shelf.answers.fetch_add(1, Ordering::Release);
        fetched
    }

    /// Forgets a region's list, because something there is about to change (design §6).
    pub async fn forget(&self, region: &Region) {
        *self.shelf(region).last.lock().await = None;
    }

    fn shelf(&self, region: &Region) -> Arc<Shelf> {
        let mut regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        regions.entry(region.clone()).or_default().clone()
    }
}

async fn fetch(side: &Side, now: Timestamp) -> Result<Listed, CallError> {
    let request = side.look.rds.describe_db_cluster_snapshots().snapshot_type("manual");
    // The paginator ends with an error when a page's token repeats (proofs, faults).
    let mut pages = request.into_paginator().send();
    let mut snapshots = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|why| error::trouble(why).at(side.name("rds"), OPERATION))?;
        snapshots.extend(page.db_cluster_snapshots.unwrap_or_default());
        if snapshots.len() > SNAPSHOTS_MAX {
            return Err(CallError::NoAnswer {
                service: side.name("rds"),
                operation: OPERATION,
                source: format!("more than {SNAPSHOTS_MAX} snapshots").into(),
            });
        }
    }
    Ok(Listed { asked_at: now, snapshots: snapshots.into() })
}
