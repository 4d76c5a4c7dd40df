//! Another account that keeps copies: what the credentials of an application's own account cannot delete
//! (facts §10, UniSuper and OVH).

use serde::{Deserialize, Serialize};

use super::Database;
use crate::name::Region;

/// Another account that keeps copies of a database's recovery points.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Vault {
    /// The account, twelve digits.
    pub account: String,
    /// One of the application's two regions.
    pub region: Region,
    /// The ARN of the role that copies there and lists.
    pub role: String,
    /// The name of the environment variable with the external id that the roles ask for, if they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id_env: Option<String>,
    /// The ARN of the key under which copies lie, of that account and region.
    pub key: String,
    /// The ARN of the role that may delete there; nothing is ever deleted without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry_role: Option<String>,
}

impl Vault {
    /// What places of it are called in findings and errors: the region and the account.
    pub fn place(&self) -> String {
        format!("{}/{}", self.region, self.account)
    }
}

impl Database {
    /// The account that its cluster in a region is in, from the ARN.
    pub fn account(&self, region: &Region) -> Option<&str> {
        account_of(self.clusters.get(region.as_str())?)
    }

    /// Whether a recovery point of an account and a region lies where the database itself lives there, and
    /// not in another account.
    pub fn is_own(&self, region: &Region, account: &str) -> bool {
        let is_vault = self.vault.as_ref().is_some_and(|vault| vault.account == account);
        !is_vault && self.account(region).is_none_or(|own| own == account)
    }
}

/// The account in an ARN, if there is one.
pub(super) fn account_of(arn: &str) -> Option<&str> {
    arn.split(':').nth(4).filter(|account| !account.is_empty())
}
