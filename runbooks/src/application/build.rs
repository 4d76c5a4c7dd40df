//! Builds that make what an application stands on: its infrastructure, and what is deployed there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Application, job::filled};
use crate::name::{ComponentName, Region};

/// The most builds of an application.
pub const BUILDS_MAX: usize = 16;

/// The variable that tells a build for which call it runs, and by which it is found again.
pub const TOKEN: &str = "MUSTER_TOKEN";

/// The variable that tells a build what becomes of the databases.
pub const DATABASES: &str = "MUSTER_DATABASES";

/// What the names of variables begin with that are not a file's to set.
pub const OWN_VARIABLES: &str = "MUSTER_";

/// A build in CodeBuild: one project per region, which runs in the region that it builds.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// What it is called, unique in the application.
    pub name: ComponentName,
    /// Per region the project's ARN. One in the region that was lost would be lost with it.
    pub projects: BTreeMap<String, String>,
    /// What its environment gets beside our own variables. Nothing here is secret; `{region}` and `{token}`
    /// are filled in.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
}

impl Build {
    /// The name of the project that builds a region.
    pub fn project(&self, region: &Region) -> Option<&str> {
        self.projects.get(region.as_str())?.split_once(":project/").map(|(_, name)| name)
    }

    /// What its environment gets, our token among it.
    pub fn variables_for(&self, region: &Region, token: &str) -> BTreeMap<String, String> {
        let own = (TOKEN.to_owned(), token.to_owned());
        let given =
            self.variables.iter().map(|(name, value)| (name.clone(), filled(value, region, token)));
        given.chain([own]).collect()
    }
}

impl Application {
    /// The build of a name.
    pub fn build(&self, name: &str) -> Option<&Build> {
        self.builds.iter().find(|build| build.name.as_str() == name)
    }
}
