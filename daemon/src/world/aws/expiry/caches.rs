//! Snapshots of caches (facts §3). No quota of snapshots fills with them, but the bill does.

use aws_sdk_elasticache::types::Snapshot;
use muster_runbooks::name::Region;
use muster_state::{
    call::{Call, CallError, Progress},
    catalog::RecoveryPoint,
};

use super::{
    End,
    listing::{Item, Listing},
};
use crate::world::{
    aws::{
        Side, cache,
        error::{self, Class},
        poller::{Miss, Want},
        snapshot,
    },
    real::Real,
};

/// What the replication group that is saved here is in the way of.
pub(super) async fn source_trouble(
    real: &Real,
    call: &Call,
    region: &Region,
) -> Result<Option<Progress>, CallError> {
    let group = cache::group(call, region)?;
    let (side, beside) = (real.aws.side(region), real.aws.beside(region));
    let sent = beside.caches.describe_replication_groups().replication_group_id(group).send().await;
    let found = match sent.map_err(error::trouble) {
        Ok(answer) => answer.replication_groups.unwrap_or_default().into_iter().next(),
        Err(why) if why.class == Class::Missing => None,
        Err(why) => return Err(why.at(side.name("elasticache"), "DescribeReplicationGroups")),
    };
    Ok(match found.as_ref().map(|group| group.status().unwrap_or("without a status")) {
        None => Some(Progress::Refused {
            reason: format!("`{group}` is missing; its snapshots may be all that is left"),
        }),
        Some("available" | "snapshotting") => None,
        Some(status) => {
            Some(Progress::in_progress(format!("`{group}` is {status}; nothing is let go")))
        }
    })
}

/// Every snapshot of the region, of whatever group.
pub(super) async fn read(real: &Real, call: &Call, side: &Side) -> Result<Listing, CallError> {
    let want = Want { since: call.asked_at, now: call.asked_at, miss: Miss::AsksAgain };
    let beside = real.aws.beside(&side.region);
    let listed = real.poller.saved(side, &beside, want).await?;
    Ok(listed.iter().filter_map(item).collect())
}

/// A list does not say tags: here the name has to do, and the tags are read right before the deletion.
pub(super) fn item(found: &Snapshot) -> Option<(String, Item)> {
    let status = found.snapshot_status();
    let is_named = found.snapshot_name().is_some_and(|name| name.starts_with("muster-"));
    let item = Item {
        is_sound: status == Some("available")
            && found.snapshot_source() == Some("manual")
            && is_named
            && found.replication_group_id().is_some(),
        is_going: status == Some("deleting"),
        source: found.replication_group_id().map(str::to_owned),
    };
    Some((found.arn()?.to_owned(), item))
}

/// Deletes one that bears the tags of the run that made it.
pub(super) async fn delete(
    real: &Real,
    call: &Call,
    side: &Side,
    point: &RecoveryPoint,
) -> Result<End, CallError> {
    let (beside, service) = (real.aws.beside(&side.region), side.name("elasticache"));
    let sent = beside.caches.list_tags_for_resource().resource_name(&point.id).send().await;
    let tags = match sent.map_err(error::trouble) {
        Ok(answer) => answer.tag_list.unwrap_or_default(),
        Err(why) if why.class == Class::Missing => return Ok(End::Gone),
        Err(why) => return Err(why.at(service, "ListTagsForResource")),
    };
    let says = |name: &str, value: &str| {
        tags.iter().any(|tag| tag.key() == Some(name) && tag.value() == Some(value))
    };
    let of = call.application().is_some_and(|of| says(snapshot::APPLICATION, of.as_str()));
    let ours = says(snapshot::RUN, point.made_by.as_str())
        && says(snapshot::COMPONENT, point.component.as_str());
    if !(of && ours) {
        return Ok(End::Kept("it does not bear the tags of the run that made it".to_owned()));
    }
    let name = snapshot::cluster_name(&point.id);
    match beside.caches_act.delete_snapshot().snapshot_name(name).send().await {
        Ok(_) => Ok(End::Gone),
        Err(why) => match error::trouble(why) {
            why if why.class == Class::Missing => Ok(End::Gone),
            why => Err(why.at(service, "DeleteSnapshot")),
        },
    }
}
