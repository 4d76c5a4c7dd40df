//! Where the pages for doing it by hand are put, beside the state directory.

use std::collections::BTreeMap;

use muster_runbooks::{
    application::Application,
    name::{ApplicationName, Region},
};
use serde::Deserialize;

use super::check::Findings;

/// Where they are put.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByHand {
    /// Buckets, best one in each region of an application: nobody knows which will be left.
    #[serde(default)]
    pub copies: Vec<Place>,
}

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

impl ByHand {
    /// What is wrong with it by itself.
    pub(super) fn check(&self, found: &mut Findings<'_>) {
        for (at, place) in self.copies.iter().enumerate() {
            let at = at.to_string();
            if !super::lease::is_bucket(&place.bucket) {
                let message = format!("`{}` is not the name of a bucket", place.bucket);
                let path = ["by_hand", "copies", &at, "bucket"];
                found.add(&path, "wrong-value", message, "");
            }
            if !super::ship::is_prefix(&place.prefix) {
                let message = format!("`{}` is not the prefix of keys", place.prefix);
                let path = ["by_hand", "copies", &at, "prefix"];
                found.add(&path, "wrong-value", message, "such as `by-hand`");
            }
        }
    }

    /// What is wrong with it next to the applications.
    pub(super) fn check_beside(
        &self,
        applications: &BTreeMap<ApplicationName, Application>,
        found: &mut Findings<'_>,
    ) {
        if self.copies.is_empty() {
            return;
        }
        for (name, application) in applications {
            for lost in [&application.home, &application.standby] {
                if self.copies.iter().all(|place| place.region == *lost) {
                    let message =
                        format!("every copy lies in {lost}, and is lost with it when `{name}` is");
                    let hint = "put one into the other region, or into a third";
                    found.warn(&["by_hand", "copies"], "copies-in-region", message, hint);
                }
            }
        }
    }
}
