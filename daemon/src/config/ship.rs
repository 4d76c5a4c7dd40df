//! Where the log is shipped to.

use muster_runbooks::name::Region;
use serde::Deserialize;

use super::check::Findings;

/// A place in a bucket, outside the region that may be lost.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ship {
    /// The region of the bucket.
    pub region: Region,
    /// The bucket.
    pub bucket: String,
    /// What every object's key begins with.
    pub prefix: String,
}

/// Whether a text can be what keys begin with, with room for the rest of a key.
pub(super) fn is_prefix(text: &str) -> bool {
    let prefix = text.trim_end_matches('/');
    !prefix.is_empty() && !prefix.starts_with('/') && prefix.len() <= 900
}

impl Ship {
    /// What is wrong with it by itself.
    pub(super) fn check(&self, found: &mut Findings<'_>) {
        if !super::lease::is_bucket(&self.bucket) {
            let message = format!("`{}` is not the name of a bucket", self.bucket);
            found.add(&["ship", "bucket"], "wrong-value", message, "");
        }
        if !is_prefix(&self.prefix) {
            let message = format!("`{}` is not the prefix of keys", self.prefix);
            found.add(&["ship", "prefix"], "wrong-value", message, "such as `muster/log`");
        }
    }
}
