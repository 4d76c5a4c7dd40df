//! Whose approvals a lone person may open, and how many of them it takes.

use muster_runbooks::application::detection::PublicKey;
use serde::Deserialize;

use super::{Config, check::Findings};
use crate::glass::Glass;

/// Approvals that are sealed beforehand. Without this, none is believed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakGlass {
    /// How many seals of different people it takes; two at least.
    pub needed: usize,
    /// The approvers whose seals are believed.
    pub keys: Vec<SealKey>,
}

/// An approver and the key of the seals.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealKey {
    /// The person, as the tokens name them.
    pub name: String,
    /// What the seals are verified with, as `muster break-glass key` prints it.
    pub key: PublicKey,
}

impl BreakGlass {
    pub(super) fn check(&self, found: &mut Findings<'_>) {
        let names: Vec<&str> = self.keys.iter().map(|one| one.name.as_str()).collect();
        found.clashes(&["break_glass", "keys"], "name", "approver", &names);
        // One person under two names would be two.
        let keys: Vec<String> = self.keys.iter().map(|one| one.key.to_string()).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        found.clashes(&["break_glass", "keys"], "key", "key", &keys);
        let people = self.keys.len();
        if self.needed < 2 || self.needed > people {
            let message = format!(
                "`needed` is {}: of {people} approvers it takes two at least, and no more than there are",
                self.needed
            );
            found.add(&["break_glass", "needed"], "wrong-value", message, "");
        }
    }
}

impl Config {
    /// Whose seals are believed; none where nothing is configured.
    pub fn glass(&self) -> Option<Glass> {
        let glass = self.break_glass.as_ref()?;
        let keys = glass.keys.iter().map(|one| (one.name.clone(), one.key)).collect();
        Some(Glass { needed: glass.needed, keys })
    }
}
