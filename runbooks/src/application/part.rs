//! Which components a step is for: what was not declared for one is not done with it.

use super::{Cache, Component, Database, Workload, hook::HookTime};
use crate::{action::Keeper, name::Region};

/// What a step says of itself before it has components.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// Its action.
    pub action: &'a str,
    /// The region that it is done at, if it names a side.
    pub at: Option<&'a Region>,
    /// Whose points it is about, if it says so.
    pub keeper: Option<Keeper>,
    /// The hooks that it asks, if it says of which time.
    pub when: Option<HookTime>,
}

impl Offer<'_> {
    fn expires(&self) -> bool {
        ["mark-expired", "delete-expired"].contains(&self.action)
    }

    fn is_in_vault(&self) -> bool {
        self.keeper == Some(Keeper::Vault)
    }
}

impl Component {
    /// Whether a step is meant for it. Canaries are off until they are declared (design §9), and where a side
    /// has no cache nothing of one was ever saved.
    pub fn takes_part(&self, step: &Offer<'_>) -> bool {
        match self {
            Component::Database(database) => database.takes_part(step),
            Component::Cache(cache) => cache.takes_part(step),
            Component::Workload(workload) => workload.takes_part(step),
            Component::Bucket(bucket) => {
                step.action != "write-canary" || !bucket.canaries().is_empty()
            }
        }
    }
}

impl Cache {
    /// One that has a global datastore is promoted, keys are deleted where some were named, and inside a region
    /// every one fails over that is there; all others of the steps are about what nobody fills again.
    fn takes_part(&self, step: &Offer<'_>) -> bool {
        match step.action {
            "failover-cache" => return self.global.is_some(),
            "flush-cache" => return self.flush.is_some(),
            "failover-cache-in-region" => return step.at.is_none_or(|at| self.is_in(at)),
            _ => {}
        }
        let is_kept = step.at.is_none_or(|at| self.is_in(at)) && !step.is_in_vault();
        !self.rebuildable && (!step.expires() || is_kept)
    }
}

impl Workload {
    /// What may run on one side only is stopped and started where some was named, what holds dead connections is
    /// restarted where some was, and users are let in by and by where stages were.
    fn takes_part(&self, step: &Offer<'_>) -> bool {
        match step.action {
            "suspend-workers" | "resume-workers" => !self.workers.is_empty(),
            "limit-admission" | "raise-admission" => self.admission.is_some(),
            "restart-workload" => !self.restart_after_failover.is_empty(),
            _ => !(step.expires() && step.is_in_vault()),
        }
    }
}

impl Database {
    /// Data is looked at where it was said what must be true of it or by what it is compared, hooks are asked where there are some,
    /// and another account has copies where one was named. What serves the vault starts from a snapshot in
    /// the vault's region: it is one chain of steps for each side, of which a plan holds the one that fits.
    fn takes_part(&self, step: &Offer<'_>) -> bool {
        let vault = self.vault.as_ref();
        match step.action {
            "check-sql" | "check-restored" => !self.checks.is_empty(),
            "inventory-divergence" => self.shows_divergence(),
            "run-hooks" => {
                self.hooks.iter().any(|hook| step.when.is_none_or(|when| hook.when == when))
            }
            "share-snapshot" | "copy-to-vault" | "unshare-snapshot" => {
                vault.is_some_and(|vault| step.at == Some(&vault.region))
            }
            "mark-expired" if step.is_in_vault() => vault.is_some(),
            "delete-expired" if step.is_in_vault() => {
                vault.is_some_and(|vault| vault.expiry_role.is_some())
            }
            _ => true,
        }
    }
}
