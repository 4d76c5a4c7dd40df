//! Where points are judged: those of one component, in one region of one account.

use std::sync::Arc;

use muster_runbooks::{
    action::Keeper,
    application::{Cache, Component, Database, Retention, Vault, Workload},
    name::{ComponentName, Region},
};
use muster_state::{
    call::{Call, CallError, Progress},
    catalog::RecoveryPoint,
};

use super::{End, caches, clusters, exports, listing::Listing};
use crate::world::{
    aws::{Side, cluster_in, database, error, vault},
    real::{Real, on},
};

/// A component's points in one place.
pub(super) struct Place<'a> {
    region: &'a Region,
    kind: Kind<'a>,
}

/// What points are of, and with it what lists and deletes them.
pub(super) enum Kind<'a> {
    /// Cluster snapshots, in the application's own account or in the vault.
    Clusters { database: &'a Database, vault: Option<&'a Vault> },
    /// Snapshots of a cache.
    Caches { cache: &'a Cache },
    /// Exports of the objects of a namespace.
    Exports { workload: &'a Workload, shelf: exports::Shelf<'a> },
}

impl<'a> Place<'a> {
    /// The place that a call is about.
    pub(super) fn of(call: &'a Call, at: Keeper) -> Result<Place<'a>, CallError> {
        let Some(role) = at.role() else {
            let vault = vault::vault(call)?;
            return Ok(Place::clusters(database(call)?, &vault.region, Some(vault)));
        };
        let on = on(call)?;
        let region = on.region(role);
        match on.component {
            Some(Component::Database(database)) => Ok(Place::clusters(database, region, None)),
            Some(Component::Cache(cache)) => Ok(Place { region, kind: Kind::Caches { cache } }),
            Some(Component::Workload(workload)) => {
                let shelf = exports::Shelf::of(call, &on, workload, region)?;
                Ok(Place { region, kind: Kind::Exports { workload, shelf } })
            }
            Some(Component::Bucket(_)) | None => {
                Err(error::unfit(call, "the step names nothing that has recovery points"))
            }
        }
    }

    /// The cluster snapshots of a database in a region, of its own account without a vault.
    pub(super) fn clusters(
        database: &'a Database,
        region: &'a Region,
        vault: Option<&'a Vault>,
    ) -> Place<'a> {
        Place { region, kind: Kind::Clusters { database, vault } }
    }

    pub(super) fn region(&self) -> &'a Region {
        self.region
    }

    /// How long its points are kept.
    pub(super) fn retention(&self) -> &'a Retention {
        match &self.kind {
            Kind::Clusters { database, .. } => &database.retention,
            Kind::Caches { cache } => &cache.retention,
            Kind::Exports { workload, .. } => &workload.exports.retention,
        }
    }

    fn component(&self) -> &'a ComponentName {
        match &self.kind {
            Kind::Clusters { database, .. } => &database.name,
            Kind::Caches { cache } => &cache.name,
            Kind::Exports { workload, .. } => &workload.name,
        }
    }

    /// Whether a point of the catalogue lies here.
    pub(super) fn holds(&self, point: &RecoveryPoint) -> bool {
        let is_here = match &self.kind {
            Kind::Clusters { vault: Some(vault), .. } => point.account == vault.account,
            Kind::Clusters { database, vault: None } => {
                database.is_own(self.region, &point.account)
            }
            Kind::Caches { .. } => true,
            // What lies elsewhere since the bucket or the prefix was changed is not in the list, and that
            // must not be taken for gone.
            Kind::Exports { shelf, .. } => shelf.key(&point.id).is_some(),
        };
        is_here && point.component == *self.component() && point.region == *self.region
    }

    /// Whether nobody may delete here.
    pub(super) fn is_final(&self) -> bool {
        self.keeps_for_ever().is_some()
    }

    /// Why nothing ever goes here, if that is so.
    pub(super) fn keeps_for_ever(&self) -> Option<String> {
        let Kind::Clusters { vault: Some(vault), .. } = &self.kind else { return None };
        vault.expiry_role.is_none().then(|| {
            format!(
                "no role may delete in account {}: its copies are kept for ever; declare `expiry_role` to \
                 let old ones go",
                vault.account
            )
        })
    }

    /// The clients that list and delete here.
    pub(super) async fn side(&self, real: &Real, call: &Call) -> Result<Arc<Side>, CallError> {
        let Kind::Clusters { vault: Some(vault), .. } = &self.kind else {
            return Ok(real.aws.side(self.region));
        };
        let role = vault.expiry_role.as_ref().unwrap_or(&vault.role);
        real.aws.assumed(vault, role, call.run.as_str()).await
    }

    /// Nothing is marked or deleted while what the points are of is missing or unwell: they may be all that
    /// is left of it (facts §2).
    pub(super) async fn source_trouble(
        &self,
        real: &Real,
        call: &Call,
    ) -> Result<Option<Progress>, CallError> {
        match &self.kind {
            Kind::Clusters { database, .. } => {
                let arn = cluster_in(call, database, self.region)?;
                clusters::source_trouble(real, self.region, arn).await
            }
            Kind::Caches { .. } => caches::source_trouble(real, call, self.region).await,
            Kind::Exports { workload, .. } => exports::source_trouble(real, call, workload).await,
        }
    }

    /// Everything that lies here.
    pub(super) async fn read(
        &self,
        real: &Real,
        call: &Call,
        side: &Side,
    ) -> Result<Listing, CallError> {
        match &self.kind {
            Kind::Clusters { .. } => clusters::read(real, call, side).await,
            Kind::Caches { .. } => caches::read(real, call, side).await,
            Kind::Exports { shelf, .. } => exports::read(side, shelf).await,
        }
    }

    /// Proves once more that it is the catalogue's, where only the thing itself can say so, and deletes it.
    pub(super) async fn delete(
        &self,
        real: &Real,
        call: &Call,
        side: &Side,
        point: &RecoveryPoint,
    ) -> Result<End, CallError> {
        match &self.kind {
            Kind::Clusters { .. } => clusters::delete(side, point).await,
            Kind::Caches { .. } => caches::delete(real, call, side, point).await,
            Kind::Exports { shelf, .. } => exports::delete(side, shelf, point).await,
        }
    }
}
