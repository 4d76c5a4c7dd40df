//! What is protected: an application, its components in each region, its objectives.

pub mod admission;
mod beside;
pub mod build;
mod controller;
pub mod declared;
pub mod detection;
pub mod drills;
pub mod flush;
pub mod hook;
pub mod job;
mod parse;
mod part;
pub mod policy;
pub mod recovery;
pub mod sql;
mod vault;
pub mod write_lease;

use std::{collections::BTreeMap, sync::LazyLock};

use serde::{Deserialize, Serialize};

pub use build::Build;
pub use job::Job;
pub(crate) use parse::sending_problem;
pub use part::Offer;
pub use policy::{EngineWindow, Purpose, Retention};
pub use vault::Vault;

use crate::{
    action::ComponentKind,
    check::{Checked, Finding},
    name::{ApplicationName, ComponentName, Region},
    value::Span,
};
pub use beside::{Cache, Objects, Secret};
pub use controller::{Controller, ControllerKind};
pub use declared::{Attested, Beside, ByHand, DeclaredLoss, Promotion};
use detection::{Detection, Observer};
use drills::Drills;
use recovery::Recovery;
use write_lease::WriteLease;

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
    /// Its namespaces in Kubernetes.
    #[serde(default)]
    pub workloads: Vec<Workload>,
    /// Its caches.
    #[serde(default)]
    pub caches: Vec<Cache>,
    /// Its secrets.
    #[serde(default)]
    pub secrets: Vec<Secret>,
    /// Objects that something else must find.
    #[serde(default)]
    pub objects: Vec<Objects>,
    /// The builds that make what it stands on; a region of it is not rebuilt without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub builds: Vec<Build>,
    /// How users reach it.
    #[serde(default)]
    pub traffic: Option<Traffic>,
    /// The URL that tells, per region, whether the application serves there.
    #[serde(default)]
    pub probes: BTreeMap<String, String>,
    /// Who watches it, each from a failure domain of its own.
    #[serde(default)]
    pub observers: Vec<Observer>,
    /// When its region counts as lost, and what follows; as usual, when nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detection: Option<Detection>,
    /// The lease without which nothing of it writes; it holds none without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_lease: Option<WriteLease>,
    /// When its turn comes while a whole region is left.
    #[serde(default, skip_serializing_if = "Recovery::is_usual")]
    pub recovery: Recovery,
    /// When a drill may move its users, and which alarms keep it from that.
    #[serde(default, skip_serializing_if = "Drills::is_usual")]
    pub drills: Drills,
    /// What its owner says that is lost of what nobody can measure. What is not declared is unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<DeclaredLoss>,
    /// What somebody has looked at by hand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attested: Vec<Attested>,
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
    /// Per region where a restore test may bring a recovery point back; none is done without it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub restore_test: BTreeMap<String, RestoreTest>,
    /// Per region where a rebuild brings it back under its own name; none is brought back without it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rebuild: BTreeMap<String, Rebuild>,
    /// How it is reached by SQL; nothing is checked in it without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<sql::Sql>,
    /// The rows by which its replication is measured; none are written without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<sql::Canary>,
    /// What must be true of its data, in the source and in what was restored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<sql::Check>,
    /// Where rows are looked for that one side took and never sent; none are without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub divergence: Option<sql::Divergence>,
    /// What the application is asked to do before and after a snapshot, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<hook::Hook>,
    /// When the engine backs up by itself, in UTC, if that was declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine_backup_window: Option<EngineWindow>,
    /// When the engine is maintained by AWS, in UTC, if that was declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine_maintenance_window: Option<EngineWindow>,
    /// Another account that keeps copies; none are made there without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<Vault>,
    /// Per region whether its side there may become the writer; it may where nothing is said.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub promotion: BTreeMap<String, Promotion>,
}

/// Where a restore test brings a recovery point back. Without these AWS would take the default security
/// group, and whatever subnets come with it (facts §2).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RestoreTest {
    /// The DB subnet group: private subnets that nothing of the application stands in.
    pub subnet_group: String,
    /// The security groups, one at least.
    pub security_groups: Vec<String>,
    /// The class of the instance that is started.
    pub instance_class: String,
    /// The engine version; the snapshot's own without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine_version: Option<String>,
}

/// Where and as what a rebuild brings a database back. What is not said AWS would fill with its defaults,
/// the default security and parameter groups among them (facts §2).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rebuild {
    /// The DB subnet group, as the rebuilt network has it.
    pub subnet_group: String,
    /// The security groups, one at least.
    pub security_groups: Vec<String>,
    /// The class of the instance that is started.
    pub instance_class: String,
    /// The engine version; the snapshot's own without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine_version: Option<String>,
    /// The parameter group of the cluster; the engine's default one without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter_group: Option<String>,
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
    /// More such places: one for each replication rule, so that each is proven.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub canary_prefixes: Vec<String>,
}

impl Bucket {
    /// Every prefix below which canaries are written, each once.
    pub fn canaries(&self) -> Vec<&str> {
        let mut all: Vec<&str> = Vec::new();
        for prefix in self.canary_prefix.iter().chain(&self.canary_prefixes) {
            let prefix = prefix.trim_end_matches('/');
            if !all.contains(&prefix) {
                all.push(prefix);
            }
        }
        all
    }
}

/// What runs in one namespace, in a cluster per region.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Its name inside the application.
    pub name: ComponentName,
    /// The namespace, the same in both regions.
    pub namespace: String,
    /// Per region the context of the kubeconfig that leads to its cluster.
    pub contexts: BTreeMap<String, String>,
    /// Per region the UID of the cluster's `kube-system` namespace. A context is a name that anybody
    /// may point elsewhere; before anything is written this must agree (facts §6).
    #[serde(default)]
    pub clusters: BTreeMap<String, String>,
    /// Where its objects are exported to.
    pub exports: Exports,
    /// The least that each set needs to carry the whole load, by kind and name such as
    /// `deployment/api`; what was seen of the source counts where it is more.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub replicas: BTreeMap<String, u32>,
    /// What steps of runbooks may run in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<Job>,
    /// What may run on one side only, such as cron jobs and consumers of queues: it runs where the
    /// application is served, and stands still on the other side.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workers: Vec<Controller>,
    /// The sets that keep connections to a database that writes no more, and start anew when its other
    /// side does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restart_after_failover: Vec<Controller>,
    /// How many users are let in at first where it has just taken over; all of them when nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admission: Option<admission::Admission>,
}

impl Workload {
    /// Whether a set, by kind and name, is one of its workers.
    pub fn is_worker(&self, set: &str) -> bool {
        self.workers.iter().any(|worker| worker.to_string() == set)
    }
}

/// Where exported objects are kept: a versioned bucket in each region.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Exports {
    /// Per region the bucket's name.
    pub buckets: BTreeMap<String, String>,
    /// What the keys begin with, without a slash at either end.
    pub prefix: String,
    /// How long exports are kept.
    #[serde(default)]
    pub retention: Retention,
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

/// One component of an application.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(clippy::large_enum_variant, reason = "most are databases, and a plan has few")]
pub enum Component {
    /// An Aurora global database.
    Database(Database),
    /// A replicated bucket.
    Bucket(Bucket),
    /// A namespace.
    Workload(Workload),
    /// A cache.
    Cache(Cache),
}

impl Component {
    /// Its name inside the application.
    pub fn name(&self) -> &ComponentName {
        match self {
            Component::Database(database) => &database.name,
            Component::Bucket(bucket) => &bucket.name,
            Component::Workload(workload) => &workload.name,
            Component::Cache(cache) => &cache.name,
        }
    }

    /// The database, if it is one.
    pub fn database(&self) -> Option<&Database> {
        if let Component::Database(database) = self { Some(database) } else { None }
    }

    /// The bucket, if it is one.
    pub fn bucket(&self) -> Option<&Bucket> {
        if let Component::Bucket(bucket) = self { Some(bucket) } else { None }
    }

    /// The cache, if it is one.
    pub fn cache(&self) -> Option<&Cache> {
        if let Component::Cache(cache) = self { Some(cache) } else { None }
    }

    /// The workload, if it is one.
    pub fn workload(&self) -> Option<&Workload> {
        if let Component::Workload(workload) = self { Some(workload) } else { None }
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
            ComponentKind::Workloads => {
                self.workloads.iter().cloned().map(Component::Workload).collect()
            }
            // It is one, and has none inside.
            ComponentKind::Applications => Vec::new(),
            ComponentKind::Buckets => self.buckets.iter().cloned().map(Component::Bucket).collect(),
            ComponentKind::Caches => self.caches.iter().cloned().map(Component::Cache).collect(),
        }
    }

    /// When its region counts as lost, and what follows.
    pub fn detection(&self) -> &Detection {
        static USUAL: LazyLock<Detection> = LazyLock::new(Detection::default);
        self.detection.as_ref().unwrap_or(&USUAL)
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
