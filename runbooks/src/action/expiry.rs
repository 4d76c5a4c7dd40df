//! Actions that let recovery points go: of databases, of caches, and exports of Kubernetes objects.

use super::{ComponentKind, Description, Keeper, On, action, cache, objects, vault};
use crate::application::{Component, Vault};
use crate::shell::command;

/// Whose recovery points can be let go.
const ON: &[ComponentKind] =
    &[ComponentKind::Databases, ComponentKind::Caches, ComponentKind::Workloads];

action! {
    /// Marks the recovery points that the policy lets go. Nothing is deleted before a day has passed.
    MarkExpired = "mark-expired", Reads, on: ON, needs_active: false, global: false,
    with {
        /// Whose points are judged: one side's, or those in a database's vault.
        at: Keeper,
    }
    gives {
        /// How many were marked in this run.
        marked: u32,
        /// How many are kept.
        kept: u32,
        /// Which were marked, each with its age.
        marks: Vec<String>,
        /// Which were marked long enough ago, and would be deleted now if the cap allows.
        deletes: Vec<String>,
        /// Which stay, each with every reason.
        keeps: Vec<String>,
    }
}

impl MarkExpired {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let Some(place) = Place::of(on, self.at) else { return Description::default() };
        Description {
            effect: vec![format!("catalogue: mark expired points in {}", place.name)],
            permissions: place.looks(),
            ..Description::default()
        }
    }
}

action! {
    /// Deletes the points that were marked about a day ago and may still go, up to a cap. In a vault it is
    /// left out where no role may delete there.
    DeleteExpired = "delete-expired", Once, on: ON, needs_active: false, global: false,
    with {
        /// Whose points are deleted: one side's, or those in a database's vault.
        at: Keeper,
        /// The most that one run may delete.
        cap: u32,
    }
    gives {
        /// How many were deleted.
        deleted: u32,
        /// How many could not be, each with its cause in the run's notes.
        undeletable: u32,
    }
}

impl DeleteExpired {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let Some(place) = Place::of(on, self.at) else { return Description::default() };
        let (service, deletes) = place.kind.deletion();
        let permissions = place.looks().into_iter();
        let needed = place.kind.to_delete().iter().map(|&needed| needed.to_owned());
        Description {
            effect: vec![format!("{service} {}: {deletes}, {} at most", place.name, self.cap)],
            by_hand: place.by_hand(),
            permissions: permissions.chain(needed).collect(),
        }
    }
}

/// What a step judges, and where.
struct Place<'a> {
    kind: Kind,
    /// The region, and of another account its number.
    name: String,
    region: &'a str,
    /// What the points are of, or lie below.
    of: String,
    vault: Option<&'a Vault>,
}

#[derive(Clone, Copy)]
enum Kind {
    Snapshots,
    CacheSnapshots,
    Exports,
}

impl<'a> Place<'a> {
    fn of(on: &On<'a>, at: Keeper) -> Option<Place<'a>> {
        let Some(role) = at.role() else { return Place::in_vault(vault::vault(on)?) };
        let region = on.region(role);
        let (kind, of) = match on.component? {
            Component::Database(_) => (Kind::Snapshots, String::new()),
            Component::Cache(_) => (Kind::CacheSnapshots, cache::group(on, region).to_owned()),
            Component::Workload(_) => {
                let bucket = objects::bucket(on, role);
                (Kind::Exports, format!("{bucket}/{}", objects::folder(on)))
            }
            Component::Bucket(_) => return None,
        };
        Some(Place { kind, name: region.to_string(), region: region.as_str(), of, vault: None })
    }

    fn in_vault(vault: &'a Vault) -> Option<Place<'a>> {
        Some(Place {
            kind: Kind::Snapshots,
            name: format!("{} of {}", vault.region, vault.account),
            region: vault.region.as_str(),
            of: String::new(),
            vault: Some(vault),
        })
    }

    /// What it takes to list the points and to see that their source is there.
    fn looks(&self) -> Vec<String> {
        let enters = self.vault.map(|_| "sts:AssumeRole");
        let looks = self.kind.looks().iter().copied();
        enters.into_iter().chain(looks).map(str::to_owned).collect()
    }

    fn by_hand(&self) -> Vec<String> {
        let Place { region, of, .. } = self;
        let enters = self.vault.map(|vault| {
            let role = vault.expiry_role.as_deref().unwrap_or("(no role)");
            command!(
                "aws sts assume-role --region {} --role-arn {} --role-session-name by-hand",
                region,
                role
            )
        });
        let deletes = match self.kind {
            Kind::Snapshots => command!(
                "aws rds delete-db-cluster-snapshot --region {} --db-cluster-snapshot-identifier ID",
                region
            ),
            Kind::CacheSnapshots => {
                command!("aws elasticache delete-snapshot --region {} --snapshot-name NAME", region)
            }
            // Without a version, so that it can be undone.
            Kind::Exports => {
                let export = format!("s3://{of}NAME.json");
                command!("aws s3 rm --region {} {}", region, export)
            }
        };
        enters.into_iter().chain([deletes]).collect()
    }
}

impl Kind {
    fn looks(self) -> &'static [&'static str] {
        match self {
            Kind::Snapshots => &["rds:DescribeDBClusterSnapshots", "rds:DescribeDBClusters"],
            Kind::CacheSnapshots => {
                &["elasticache:DescribeSnapshots", "elasticache:DescribeReplicationGroups"]
            }
            Kind::Exports => &["s3:ListBucket"],
        }
    }

    /// The service and the call that deletes one.
    fn deletion(self) -> (&'static str, &'static str) {
        match self {
            Kind::Snapshots => ("rds", "DeleteDBClusterSnapshot"),
            Kind::CacheSnapshots => ("elasticache", "DeleteSnapshot"),
            Kind::Exports => ("s3", "DeleteObject"),
        }
    }

    /// What a deletion takes beside that, the proof right before it included.
    fn to_delete(self) -> &'static [&'static str] {
        match self {
            Kind::Snapshots => &["rds:DeleteDBClusterSnapshot"],
            Kind::CacheSnapshots => {
                &["elasticache:DeleteSnapshot", "elasticache:ListTagsForResource"]
            }
            Kind::Exports => &["s3:DeleteObject", "s3:GetObject"],
        }
    }
}
