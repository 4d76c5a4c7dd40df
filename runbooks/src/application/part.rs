//! Which components a step is for: what was not declared for one is not done with it.

use super::{Component, Database, hook::HookTime};
use crate::name::Region;

/// What a step says of itself before it has components.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// Its action.
    pub action: &'a str,
    /// The region that it is done at, if it names a side.
    pub at: Option<&'a Region>,
    /// The hooks that it asks, if it says of which time.
    pub when: Option<HookTime>,
}

impl Component {
    /// Whether a step is meant for it. Canaries are off until they are declared (design §9).
    pub fn takes_part(&self, step: &Offer<'_>) -> bool {
        match self {
            Component::Database(database) => database.takes_part(step),
            Component::Cache(_) | Component::Workload(_) => true,
            Component::Bucket(bucket) => {
                step.action != "write-canary" || !bucket.canaries().is_empty()
            }
        }
    }
}

impl Database {
    /// Data is looked at where it was said what must be true of it, hooks are asked where there are some,
    /// and another account has copies where one was named. What serves the vault starts from a snapshot in
    /// the vault's region: it is one chain of steps for each side, of which a plan holds the one that fits.
    fn takes_part(&self, step: &Offer<'_>) -> bool {
        let vault = self.vault.as_ref();
        match step.action {
            "check-sql" | "check-restored" => !self.checks.is_empty(),
            "run-hooks" => {
                self.hooks.iter().any(|hook| step.when.is_none_or(|when| hook.when == when))
            }
            "share-snapshot" | "copy-to-vault" | "unshare-snapshot" => {
                vault.is_some_and(|vault| step.at == Some(&vault.region))
            }
            "mark-vault-expired" => vault.is_some(),
            "delete-vault-expired" => vault.is_some_and(|vault| vault.expiry_role.is_some()),
            _ => true,
        }
    }
}
