//! Places in buckets that small files are put into.

use muster_runbooks::name::Region;
use serde::Deserialize;

use super::check::Findings;

/// A place in a bucket.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The region of the bucket.
    pub region: Region,
    /// The bucket.
    pub bucket: String,
    /// What every object's key begins with.
    pub prefix: String,
}

/// What is wrong with places by themselves; `of` is what they belong to.
pub(super) fn check(of: &str, copies: &[Place], found: &mut Findings<'_>) {
    for (at, place) in copies.iter().enumerate() {
        let at = at.to_string();
        if !super::lease::is_bucket(&place.bucket) {
            let message = format!("`{}` is not the name of a bucket", place.bucket);
            found.add(&[of, "copies", &at, "bucket"], "wrong-value", message, "");
        }
        if !super::ship::is_prefix(&place.prefix) {
            let message = format!("`{}` is not the prefix of keys", place.prefix);
            let hint = format!("such as `{}`", of.replace('_', "-"));
            found.add(&[of, "copies", &at, "prefix"], "wrong-value", message, &hint);
        }
    }
}
