//! How many snapshots a region may still take (facts §2, quota).

use jiff::Timestamp;
use muster_state::call::CallError;

use super::{
    Side, error,
    poller::{Miss, Poller, Want},
};
use crate::world::inventory::Quota;

const OPERATION: &str = "DescribeAccountAttributes";

/// The quota of a region as somebody read it at `since` or later.
pub(super) async fn read(poller: &Poller, side: &Side, want: Want) -> Result<Quota, CallError> {
    Ok(poller.quotas.get(side, "rds", OPERATION, want, fetch(side)).await?.1)
}

/// The same for somebody who is about to take a snapshot.
pub(super) async fn now(
    poller: &Poller,
    side: &Side,
    asked_at: Timestamp,
) -> Result<Quota, CallError> {
    read(poller, side, Want { since: asked_at, now: asked_at, miss: Miss::AsksAgain }).await
}

async fn fetch(side: &Side) -> Result<Quota, CallError> {
    let sent = side.look.rds.describe_account_attributes().send().await;
    let answer = sent.map_err(|why| error::trouble(why).at(side.name("rds"), OPERATION))?;
    let quotas = answer.account_quotas();
    let found = quotas
        .iter()
        .find(|quota| quota.account_quota_name() == Some("ManualClusterSnapshots"))
        .and_then(|quota| {
            let (used, max) = (quota.used()?, quota.max()?);
            Some(Quota { used: used.try_into().ok()?, max: max.try_into().ok()? })
        });
    // An answer without the figure says nothing about it, and is not taken for room.
    found.ok_or_else(|| CallError::NoAnswer {
        service: side.name("rds"),
        operation: OPERATION,
        source: "it names no `ManualClusterSnapshots`".into(),
    })
}
