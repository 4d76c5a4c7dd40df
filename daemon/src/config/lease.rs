//! The lease in the configuration: where it is kept, and for how long a write of it is good.

use std::collections::BTreeMap;

use muster_runbooks::{
    application::Application,
    name::{ApplicationName, Region},
    value::Span,
};
use serde::Deserialize;

use super::check::Findings;

/// The margin covers how far clocks differ and how late a call leaves: so often it fits into the length.
const MARGINS_MIN: i32 = 3;

/// Renewing more often than every few seconds only finds more throttling.
const LENGTH_MIN: Span = Span::from_secs(3);

/// A successor waits for as long.
const LENGTH_MAX: Span = Span::from_mins(10);

/// The longest key of an object (facts §4).
const KEY_BYTES_MAX: usize = 1_024;

/// Where the lease is kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// The region of the bucket: a third one where possible.
    pub region: Region,
    /// The bucket. It is never replicated: a replicated lease is two.
    pub bucket: String,
    /// The object.
    pub key: String,
    /// For how long one write is good.
    #[serde(default = "Lease::default_length")]
    pub length: Span,
    /// Nothing is sent so shortly before the end.
    #[serde(default = "Lease::default_margin")]
    pub margin: Span,
}

/// Whether a text can be the name of a bucket.
pub(super) fn is_bucket(text: &str) -> bool {
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
    (3..=63).contains(&text.len()) && text.bytes().all(fits)
}

impl Lease {
    /// Unless the file says otherwise (facts §5.5).
    pub fn default_length() -> Span {
        Span::from_secs(30)
    }

    /// Unless the file says otherwise.
    pub fn default_margin() -> Span {
        Span::from_secs(5)
    }

    /// What is wrong with it by itself.
    pub(super) fn check(&self, found: &mut Findings<'_>) {
        let (length, margin) = (self.length, self.margin);
        if length < LENGTH_MIN || length > LENGTH_MAX {
            let message = format!("{length} is not between {LENGTH_MIN} and {LENGTH_MAX}");
            found.add(&["lease", "length"], "out-of-range", message, "");
        }
        if margin < Span::from_secs(1) {
            let message = format!("a margin of {margin} leaves no time for a call to leave");
            found.add(&["lease", "margin"], "out-of-range", message, "1s at least");
        } else if length.duration() < margin.duration() * MARGINS_MIN {
            let message =
                format!("a length of {length} is less than {MARGINS_MIN} margins of {margin}");
            let hint = "it is renewed every third of its length, and must survive one that fails";
            found.add(&["lease", "length"], "lease-too-short", message, hint);
        }
        if !is_bucket(&self.bucket) {
            let message = format!("`{}` is not the name of a bucket", self.bucket);
            found.add(&["lease", "bucket"], "wrong-value", message, "");
        }
        if self.key.is_empty() || self.key.len() > KEY_BYTES_MAX || self.key.starts_with('/') {
            let message = format!("`{}` is not the key of an object", self.key);
            found.add(&["lease", "key"], "wrong-value", message, "such as `muster/lease`");
        }
    }

    /// What is wrong with it next to the applications.
    pub(super) fn check_beside(
        &self,
        applications: &BTreeMap<ApplicationName, Application>,
        found: &mut Findings<'_>,
    ) {
        for (name, application) in applications {
            if [&application.home, &application.standby].contains(&&self.region) {
                let message = format!("the lease is kept in {}, where `{name}` lives", self.region);
                let hint = "with that region the lease is lost, and nothing is begun without it";
                found.warn(&["lease", "region"], "lease-in-region", message, hint);
            }
            let mut buckets = application.buckets.iter().flat_map(|one| one.buckets.values());
            if buckets.any(|bucket| *bucket == self.bucket) {
                let message =
                    format!("`{}` is a bucket of `{name}`, which is replicated", self.bucket);
                let hint = "a replicated lease is two leases: give it a bucket of its own";
                found.add(&["lease", "bucket"], "lease-replicated", message, hint);
            }
        }
    }
}
