//! What must not outlive a failover in a cache: locks, idempotency keys, counters of requests. Where they were
//! replicated they are older than the database that now writes (facts §3).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::sql::{Address, Login};
use crate::name::Region;

/// The keys of a cache that a side deletes once it is the one that is written, and where it is reached.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Flush {
    /// What the keys begin with, byte for byte: nothing in it is a pattern.
    pub prefixes: Vec<String>,
    /// Per region the `host:port` of the primary, or of any node where the keys are spread over several.
    /// Beyond loopback the connection is TLS, under the authorities that this host trusts.
    pub endpoints: BTreeMap<String, String>,
    /// Who logs in; nobody where the cache asks for nothing.
    #[serde(flatten)]
    pub login: Login,
    /// Whether the keys are spread over several primaries (cluster mode).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cluster: bool,
}

impl Flush {
    /// Where the side in a region is reached.
    pub fn address(&self, region: &Region) -> Option<Address> {
        self.endpoints.get(region.as_str())?.parse().ok()
    }
}

/// The pattern by which a server finds the keys that begin with a text.
pub fn pattern(prefix: &str) -> String {
    let mut pattern = String::with_capacity(prefix.len() + 1);
    for c in prefix.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '^' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('*');
    pattern
}

#[cfg(test)]
mod tests {
    use super::pattern;

    /// Goal: a prefix never matches more than what begins with it.
    #[test]
    fn a_prefix_is_no_pattern() {
        for (prefix, meant) in
            [("lock:", "lock:*"), ("a*b?", "a\\*b\\?*"), ("[x]", "\\[x\\]*"), ("\\", "\\\\*")]
        {
            assert_eq!(pattern(prefix), meant);
        }
    }
}
