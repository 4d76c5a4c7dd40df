//! When an application's turn comes while a whole region is left.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Application;
use crate::name::ApplicationName;

/// An application that says nothing stands in the middle.
pub const USUAL_PRIORITY: u32 = 50;

/// Its place among the applications that leave a region together.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// From 1, which goes first, to 100.
    pub priority: u32,
    /// The applications without which it cannot serve: it moves when they have moved.
    #[serde(default)]
    pub after: Vec<ApplicationName>,
}

impl Default for Recovery {
    fn default() -> Recovery {
        Recovery { priority: USUAL_PRIORITY, after: Vec::new() }
    }
}

impl Recovery {
    /// Whether it says nothing of its own.
    pub fn is_usual(&self) -> bool {
        *self == Recovery::default()
    }
}

/// Applications in the order in which they leave a region: by priority, those of one priority by name, and none
/// before one that it comes after. Who is not among them is not waited for.
///
/// # Errors
///
/// Those that wait for each other, if some do.
pub fn in_order<'a>(
    applications: impl IntoIterator<Item = &'a Application>,
) -> Result<Vec<&'a Application>, Vec<ApplicationName>> {
    let mut left: Vec<&Application> = applications.into_iter().collect();
    left.sort_by_key(|one| (one.recovery.priority, &one.name));
    let mut waits: BTreeSet<&ApplicationName> = left.iter().map(|one| &one.name).collect();
    let mut ordered = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let is_free =
            |one: &&Application| !one.recovery.after.iter().any(|name| waits.contains(name));
        let Some(place) = left.iter().position(is_free) else {
            return Err(left.iter().map(|one| one.name.clone()).collect());
        };
        let next = left.remove(place);
        waits.remove(&next.name);
        ordered.push(next);
    }
    Ok(ordered)
}
