//! What is protected: an application, its components in each region, its objectives.

mod beside;
mod parse;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    action::ComponentKind,
    check::{Checked, Finding},
    name::{ApplicationName, ComponentName, Region},
    value::Span,
};
pub use beside::{Cache, Objects, Secret};

/// One protected application, as its file declares it. Part of every plan that is bound to it, so
/// that an edit never changes an open run.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// Its name in commands, streams and metrics.
    pub name: ApplicationName,
    /// What people call it.
    pub title: String,
    /// Where it lives in quiet times.
    pub home: Region,
    /// Where it can live otherwise.
    pub standby: Region,
    /// What was promised about it.
    pub objectives: Objectives,
    /// Its Aurora global databases.
    #[serde(default)]
    pub databases: Vec<Database>,
    /// Its replicated buckets.
    #[serde(default)]
    pub buckets: Vec<Bucket>,
    /// Its caches.
    #[serde(default)]
    pub caches: Vec<Cache>,
    /// Its secrets.
    #[serde(default)]
    pub secrets: Vec<Secret>,
    /// Objects that something else must find.
    #[serde(default)]
    pub objects: Vec<Objects>,
    /// How users reach it.
    #[serde(default)]
    pub traffic: Option<Traffic>,
    /// The URL that tells, per region, whether the application serves there.
    #[serde(default)]
    pub probes: BTreeMap<String, String>,
    /// Who watches it, each from a failure domain of its own.
    #[serde(default)]
    pub observers: Vec<Observer>,
}

/// The promises of an application.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Objectives {
    /// Recovery time objective.
    pub rto: Span,
    /// Recovery point objective.
    pub rpo: Span,
}

/// An Aurora global database with one cluster per region.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Its name inside the application.
    pub name: ComponentName,
    /// The global cluster identifier.
    pub global_cluster: String,
    /// Per region the cluster's ARN (facts §1.1: both promotions name their target by ARN).
    pub clusters: BTreeMap<String, String>,
    /// Per region the KMS key under which copies to it are encrypted.
    #[serde(default)]
    pub copy_keys: BTreeMap<String, String>,
    /// How long recovery points are kept.
    #[serde(default)]
    pub retention: Retention,
}

/// How long recovery points are kept.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Points whose data is older than this may go.
    pub keep_for: Span,
}

impl Default for Retention {
    /// 14 days, the retention of the reference application.
    fn default() -> Retention {
        Retention { keep_for: Span::from_hours(14 * 24) }
    }
}

/// A bucket that is replicated to one in the other region.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// Its name inside the application.
    pub name: ComponentName,
    /// Per region the bucket's name.
    pub buckets: BTreeMap<String, String>,
    /// Where canary objects may be written; none are without it.
    #[serde(default)]
    pub canary_prefix: Option<String>,
}

/// How users reach the application: a failover record pair and the object that decides between them.
///
/// The primary record is guarded by an inverted health check on the marker: while the marker is
/// absent the primary answers, once it exists the secondary does (facts §5.3, "standby takes over
/// primary"). Writing it needs the data plane of the marker's region only.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// The name that users resolve.
    pub name: String,
    /// The hosted zone's identifier.
    pub zone: String,
    /// The region behind the primary record.
    pub primary: Region,
    /// The object that moves users away from the primary record.
    pub marker: Marker,
    /// Per region, the addresses or names that an answer for it consists of.
    pub answers: BTreeMap<String, Vec<String>>,
    /// The zone's own name servers as `address:port`; looked up when empty.
    #[serde(default)]
    pub name_servers: Vec<String>,
    /// Whether the application may be written in both regions at once. Weights need it.
    #[serde(default)]
    pub writable_in_both: bool,
}

/// The object whose existence sends users to the secondary record.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Marker {
    /// Its bucket's region: the standby region, never the one behind the primary record.
    pub region: Region,
    /// Its bucket, without a lifecycle rule on the key.
    pub bucket: String,
    /// Its key.
    pub key: String,
}

/// Somebody who watches the active region.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Observer {
    /// What it is called in verdicts.
    pub name: ComponentName,
    /// What fails together with it; one vote per domain.
    pub domain: String,
    /// Per region the URL whose answer is its report about that region.
    pub sees: BTreeMap<String, String>,
    /// A URL that answers while the observer itself is well; without an answer its vote is `unknown`.
    pub control: String,
}

/// One component of an application.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Component {
    /// An Aurora global database.
    Database(Database),
    /// A replicated bucket.
    Bucket(Bucket),
    /// A cache.
    Cache(Cache),
}

impl Component {
    /// Its name inside the application.
    pub fn name(&self) -> &ComponentName {
        match self {
            Component::Database(database) => &database.name,
            Component::Bucket(bucket) => &bucket.name,
            Component::Cache(cache) => &cache.name,
        }
    }
}

impl Application {
    /// Reads an application and finds everything that is wrong with it, warnings included.
    pub fn check(file: &str, text: &str) -> Checked<Application> {
        parse::application(file, text)
    }

    /// Reads an application that may be used; warnings are left out, see [`Application::check`].
    pub fn parse(file: &str, text: &str) -> Result<Application, Vec<Finding>> {
        Application::check(file, text).into_result()
    }

    /// The components of one kind, in the order of the file.
    pub fn components(&self, kind: ComponentKind) -> Vec<Component> {
        match kind {
            ComponentKind::Databases => {
                self.databases.iter().cloned().map(Component::Database).collect()
            }
            ComponentKind::Buckets => self
                .buckets
                .iter()
                .filter(|bucket| bucket.canary_prefix.is_some())
                .cloned()
                .map(Component::Bucket)
                .collect(),
            // Nobody restores what fills itself again.
            ComponentKind::Caches => self
                .caches
                .iter()
                .filter(|cache| !cache.rebuildable)
                .cloned()
                .map(Component::Cache)
                .collect(),
        }
    }

    /// The region that is not `region`, if `region` is one of the application's two.
    pub fn other(&self, region: &Region) -> Option<&Region> {
        if *region == self.home {
            Some(&self.standby)
        } else if *region == self.standby {
            Some(&self.home)
        } else {
            None
        }
    }
}
