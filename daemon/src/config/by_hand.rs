//! Where the pages for doing it by hand are put, beside the state directory.

use std::collections::BTreeMap;

use muster_runbooks::{application::Application, name::ApplicationName};
use serde::Deserialize;

use super::{
    check::Findings,
    copies::{self, Place},
};

/// Where they are put.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByHand {
    /// Buckets, best one in each region of an application: nobody knows which will be left.
    #[serde(default)]
    pub copies: Vec<Place>,
}

impl ByHand {
    /// What is wrong with it by itself.
    pub(super) fn check(&self, found: &mut Findings<'_>) {
        copies::check("by_hand", &self.copies, found);
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
