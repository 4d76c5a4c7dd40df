//! What the other side needs to take over, as the outside shows it (facts §11).

use std::collections::{BTreeMap, BTreeSet};

use muster_runbooks::{
    name::{ComponentName, Region},
    value::Span,
};

use super::{Place, Said};

/// What was seen of whether the other side could take over.
#[derive(Clone, Debug, Default)]
pub struct Takeover {
    /// The databases' members.
    pub members: BTreeMap<Place, MemberSide>,
    /// What runs in each namespace.
    pub workloads: BTreeMap<Place, Said<WorkloadSide>>,
    /// What of each may run on one side only, where that was declared; nothing of what is not there.
    pub workers: BTreeMap<Place, Said<BTreeMap<String, WorkerSide>>>,
    /// How users would be moved; nothing where no traffic is declared.
    pub traffic: Option<TrafficSide>,
    /// What the application's probes answered, as HTTP statuses.
    pub probes: BTreeMap<Region, Said<u16>>,
    /// Whether each observer could say anything.
    pub observers: BTreeMap<ComponentName, Said<()>>,
}

/// A database's member in one region.
#[derive(Clone, Debug)]
pub struct MemberSide {
    /// Which engine its cluster runs; `None` if there is no cluster.
    pub engine: Said<Option<Engine>>,
    /// Its global cluster as this region describes it; `None` if there is none.
    pub global: Said<Option<GlobalSide>>,
    /// The instances of its cluster by name.
    pub instances: Said<BTreeMap<String, InstanceSide>>,
    /// The parameters that somebody has set in its cluster's parameter group.
    pub settings: Said<BTreeMap<String, String>>,
}

/// An engine and its version.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Engine {
    /// Such as `aurora-postgresql`.
    pub name: String,
    /// Such as `16.4`.
    pub version: String,
}

/// A global cluster.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GlobalSide {
    /// The ARN of the member that writes.
    pub writer: Option<String>,
    /// What it is in the middle of.
    pub moving: Option<String>,
    /// The members by ARN, with their synchronization status where the provider says one.
    pub members: BTreeMap<String, Option<String>>,
}

/// An instance.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InstanceSide {
    /// Its class.
    pub class: String,
    /// Its status.
    pub status: String,
}

impl InstanceSide {
    /// Whether it could write now.
    pub fn is_available(&self) -> bool {
        self.status == "available"
    }
}

/// What runs in a namespace.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WorkloadSide {
    /// Deployments and stateful sets, by kind and name.
    pub sets: BTreeMap<String, SetSide>,
}

/// A deployment or a stateful set.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SetSide {
    /// How many replicas are wanted.
    pub wanted: u32,
    /// How many are ready.
    pub ready: u32,
    /// The images of its containers.
    pub images: BTreeSet<String>,
    /// For how long its pods stay on a node that is lost.
    pub stays: Stay,
}

/// For how long pods stay on a node that is lost before others start in their place by themselves.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Stay {
    /// For so long after the node was called not ready.
    For(Span),
    /// As long as the node is lost: they were told to bear that.
    Forever,
    /// Until a person has proven that the node is off: two pods of a stateful set could write to one volume.
    UntilProven,
}

/// What may run on one side only.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct WorkerSide {
    /// How many replicas are wanted; one of a cron job that is not suspended.
    pub wanted: u32,
    /// Whether it bears what Muster writes when it stops it.
    pub is_remembered: bool,
}

/// What moves users.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TrafficSide {
    /// Whether the marker is there.
    pub marker: Said<bool>,
    /// The failover records of the application's name.
    pub records: Said<Vec<RecordSide>>,
}

/// A failover record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RecordSide {
    /// Its set identifier.
    pub id: String,
    /// Whether it is the primary one.
    pub is_primary: bool,
    /// Whether a health check guards it.
    pub is_guarded: bool,
}
