//! Cluster snapshots of databases, in the application's own account and in a vault.

use aws_sdk_rds::types::DbClusterSnapshot;
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
        Side, error, instance,
        snapshot::{self, cluster_name},
    },
    real::Real,
};

/// What the cluster that the points belong to is in the way of.
pub(super) async fn source_trouble(
    real: &Real,
    region: &Region,
    arn: &str,
) -> Result<Option<Progress>, CallError> {
    let side = real.aws.side(region);
    let found = instance::cluster(real.desk_by(&side, &side.look), arn).await?;
    Ok(match found.as_ref().map(|cluster| cluster.status().unwrap_or("without a status")) {
        None => Some(Progress::Refused {
            reason: format!("`{arn}` is missing; its recovery points may be all that is left"),
        }),
        Some("available" | "backing-up") => None,
        Some(status) => {
            Some(Progress::in_progress(format!("`{arn}` is {status}; nothing is let go")))
        }
    })
}

/// Every manual snapshot of the region and account.
pub(super) async fn read(real: &Real, call: &Call, side: &Side) -> Result<Listing, CallError> {
    let listed = real.poller.manual(side, call.asked_at, call.asked_at).await?;
    Ok(listed.snapshots.iter().filter_map(item).collect())
}

pub(super) fn item(found: &DbClusterSnapshot) -> Option<(String, Item)> {
    let item = Item {
        is_sound: is_sound(found),
        is_going: found.status() == Some("deleting"),
        source: found.db_cluster_resource_id().map(str::to_owned),
    };
    Some((found.db_cluster_snapshot_arn()?.to_owned(), item))
}

/// Whether a snapshot is available and ours by its name and tag. Without a source no snapshot proves whose it is.
fn is_sound(found: &DbClusterSnapshot) -> bool {
    found.status() == Some("available")
        && found.snapshot_type() == Some("manual")
        && snapshot::is_ours(found)
        && found.db_cluster_resource_id().is_some()
}

/// Whether a snapshot is available and certainly the one that the catalogue means: our name, our tag,
/// and the same source cluster, not one that was made later under its name.
pub(in crate::world::aws) fn is_it(point: &RecoveryPoint, found: &DbClusterSnapshot) -> bool {
    is_sound(found) && point.source_resource.as_deref() == found.db_cluster_resource_id()
}

/// Deletes one. The list has shown its tags.
pub(super) async fn delete(side: &Side, point: &RecoveryPoint) -> Result<End, CallError> {
    let name = cluster_name(&point.id);
    let sent = side.act.rds.delete_db_cluster_snapshot().db_cluster_snapshot_identifier(name);
    match sent.send().await.map_err(error::trouble) {
        Ok(_) => Ok(End::Gone),
        Err(why) if why.class == error::Class::Missing => Ok(End::Gone),
        Err(why) => Err(why.at(side.name("rds"), "DeleteDBClusterSnapshot")),
    }
}
