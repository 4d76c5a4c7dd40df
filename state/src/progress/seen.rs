//! What was last seen of an application, each with the instant at which that was written down.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_runbooks::{
    name::{Region, RunId},
    value::Loss,
};
use serde::{Deserialize, Serialize};

/// The rows of a database, as they were last counted in the source.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Counted {
    /// When that was written down.
    pub at: Timestamp,
    /// How many each table had.
    pub rows: BTreeMap<String, u64>,
}

/// From where an application is served.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Active {
    /// The region.
    pub region: Region,
    /// By what it was seen.
    pub evidence: String,
    /// When.
    pub at: Timestamp,
}

/// The last live run that moved an application, or tried to.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Moved {
    /// The run.
    pub run: RunId,
    /// When it ended.
    pub at: Timestamp,
}

/// What a move lost of a database, as it was counted once the side that was left could be read.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Lost {
    /// The run that moved it.
    pub moved: RunId,
    /// The run that counted.
    pub counted: RunId,
    /// How much.
    pub loss: Loss,
    /// When that was written down.
    pub at: Timestamp,
}

/// Downtime that somebody declared.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Downtime {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it ends by itself.
    pub until: Timestamp,
}

/// How strong a workload was where it served.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Peak {
    /// When that was written down.
    pub at: Timestamp,
    /// Where it served.
    pub region: Region,
    /// The most replicas of each set, by kind and name.
    pub sets: BTreeMap<String, u32>,
}
