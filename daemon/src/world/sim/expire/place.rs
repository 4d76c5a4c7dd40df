//! Where points are judged: those of one component, in one region of one account.

use std::collections::BTreeSet;

use jiff::Timestamp;
use muster_runbooks::{
    action::Keeper,
    application::{Component, Retention, Vault},
    name::{ApplicationName, ComponentName, Region},
};
use muster_state::{
    call::{Call, CallError},
    catalog::RecoveryPoint,
};

use super::super::{Bound, Sim, backup, caches, no_outside, snapshots::Status, vault, wire::Door};

/// A component's points in one place.
pub(super) struct Place<'a> {
    application: &'a ApplicationName,
    component: &'a ComponentName,
    region: &'a Region,
    account: String,
    kind: Kind<'a>,
    pub(super) retention: Retention,
}

/// What points are of.
enum Kind<'a> {
    Cluster {
        vault: Option<&'a Vault>,
    },
    Cache,
    /// The cluster whose namespace is exported lies in this region.
    Namespace {
        active: &'a Region,
    },
}

impl<'a> Place<'a> {
    pub(super) fn of(sim: &Sim, call: &'a Call, at: Keeper) -> Result<Place<'a>, CallError> {
        let binding = call.binding.as_deref().ok_or_else(|| no_outside(call))?;
        let (region, vault) = match at.role() {
            Some(role) => (binding.region(role), None),
            None => {
                let vault = vault::vault(call)?;
                (&vault.region, Some(vault))
            }
        };
        let component = call.component.as_deref().ok_or_else(|| no_outside(call))?;
        let (account, kind, retention) = match component {
            Component::Database(database) => {
                let account = match vault {
                    Some(vault) => vault.account.clone(),
                    None => backup::account(sim, &Bound::database(call)?, region)?,
                };
                (account, Kind::Cluster { vault }, database.retention)
            }
            Component::Cache(cache) => (caches::ACCOUNT.to_owned(), Kind::Cache, cache.retention),
            Component::Workload(workload) => {
                let kind = Kind::Namespace { active: &binding.active };
                (String::new(), kind, workload.exports.retention)
            }
            Component::Bucket(_) => return Err(no_outside(call)),
        };
        let (application, component) = (&binding.application.name, component.name());
        Ok(Place { application, component, region, account, kind, retention })
    }

    /// Whether a point of the catalogue lies here.
    pub(super) fn holds(&self, point: &RecoveryPoint) -> bool {
        point.component == *self.component
            && point.region == *self.region
            && point.account == self.account
    }

    /// Whether nobody may delete here.
    pub(super) fn is_final(&self) -> bool {
        matches!(&self.kind, Kind::Cluster { vault: Some(vault) } if vault.expiry_role.is_none())
    }

    /// Looks whether what the points are of is there. Clusters and groups of this world always are.
    pub(super) fn ask_source(&self, sim: &mut Sim, now: Timestamp) -> Result<(), CallError> {
        let Kind::Namespace { active } = &self.kind else { return Ok(()) };
        sim.ask(now, Door::kubernetes(active, "GET")).map(drop)
    }

    /// Asks for the list. Returns the instant whose state it shows.
    pub(super) fn look(&self, sim: &mut Sim, now: Timestamp) -> Result<Timestamp, CallError> {
        let door = match &self.kind {
            Kind::Cluster { .. } => self.rds(sim, now, "DescribeDBClusterSnapshots")?,
            Kind::Cache => caches::door(self.region, "DescribeSnapshots"),
            Kind::Namespace { .. } => Door::s3(self.region, "ListObjectsV2"),
        };
        sim.ask(now, door)
    }

    /// The door of a deletion.
    pub(super) fn deletion(&self, sim: &Sim, now: Timestamp) -> Result<Door<'_>, CallError> {
        match &self.kind {
            Kind::Cluster { .. } => self.rds(sim, now, "DeleteDBClusterSnapshot"),
            Kind::Cache => Ok(caches::door(self.region, "DeleteSnapshot")),
            Kind::Namespace { .. } => Ok(Door::s3(self.region, "DeleteObject")),
        }
    }

    fn rds(
        &self,
        sim: &Sim,
        now: Timestamp,
        operation: &'static str,
    ) -> Result<Door<'_>, CallError> {
        match &self.kind {
            Kind::Cluster { vault: Some(vault) } => vault::door(sim, now, vault, operation),
            Kind::Cluster { vault: None } | Kind::Cache | Kind::Namespace { .. } => {
                Ok(Door::rds(self.region, operation))
            }
        }
    }

    /// What a complete list shows as available.
    pub(super) fn available(&self, sim: &Sim, at: Timestamp) -> BTreeSet<String> {
        match &self.kind {
            Kind::Cluster { .. } => available(sim, self.region, &self.account, at),
            Kind::Cache => {
                let saved = sim.caches.of(self.application, self.component, self.region);
                let shown = saved.filter(|one| one.status(at) == Some("available"));
                shown.map(|one| one.arn.clone()).collect()
            }
            Kind::Namespace { .. } => {
                sim.exports.shown(self.application, self.component, self.region, at).collect()
            }
        }
    }

    /// Whether a list shows it at all.
    pub(super) fn is_shown(&self, sim: &Sim, id: &str, at: Timestamp) -> bool {
        match &self.kind {
            Kind::Cluster { .. } => {
                sim.snapshots.get(id).is_some_and(|one| one.status(at).is_some())
            }
            Kind::Cache => sim.caches.get(id).is_some_and(|one| one.status(at).is_some()),
            Kind::Namespace { .. } => self.available(sim, at).contains(id),
        }
    }

    /// Whether it is really there, whatever lists show.
    pub(super) fn is_there(&self, sim: &Sim, id: &str) -> bool {
        match &self.kind {
            Kind::Cluster { .. } => sim.snapshots.get(id).is_some_and(|one| one.deleted.is_none()),
            Kind::Cache => sim.caches.get(id).is_some_and(|one| one.deleted.is_none()),
            Kind::Namespace { .. } => sim.exports.get(id).is_some_and(|one| one.deleted.is_none()),
        }
    }

    /// Deletes one, and says whether it was there.
    pub(super) fn delete(&self, sim: &mut Sim, id: &str, now: Timestamp, by: &str) -> bool {
        match &self.kind {
            Kind::Cluster { .. } => sim.snapshots.delete(id, now, by),
            Kind::Cache => sim.caches.delete(id, now, by),
            Kind::Namespace { .. } => sim.exports.delete(id, now, by),
        }
    }
}

/// The ids that a complete list of a region of an account shows as available.
pub(in crate::world::sim) fn available(
    sim: &Sim,
    region: &Region,
    account: &str,
    at: Timestamp,
) -> BTreeSet<String> {
    let shown = sim.snapshots.iter().filter(|one| one.is_at(region, account));
    let there = shown.filter(|one| one.status(at) == Some(Status::Available));
    there.map(|one| one.arn.clone()).collect()
}
