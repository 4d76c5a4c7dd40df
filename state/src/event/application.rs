//! What happened to an application: its recovery points, what is wrong with it, where it is served from.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_runbooks::{
    name::{ComponentName, Region, RunId},
    value::Loss,
};
use serde::{Deserialize, Serialize};

use crate::catalog::{Finding, RecoveryPoint, Tested};

/// What happened to an application.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ApplicationEvent {
    /// The application was seen to be served from a region.
    ActiveObserved {
        /// Where.
        region: Region,
        /// By what it was seen.
        evidence: String,
    },
    /// A recovery point exists.
    PointRecorded {
        /// The point.
        point: Box<RecoveryPoint>,
    },
    /// A recovery point may be deleted once the waiting time is over.
    PointMarked {
        /// The point's ARN.
        id: String,
        /// Why it may go.
        because: String,
    },
    /// A recovery point is gone.
    PointDeleted {
        /// The point's ARN.
        id: String,
    },
    /// A recovery point was restored and its data proven.
    PointVerified {
        /// The point's ARN.
        id: String,
    },
    /// A recovery point was tested, well or not.
    PointTested {
        /// The point's ARN.
        id: String,
        /// How the test went.
        tested: Box<Tested>,
    },
    /// Somebody keeps a recovery point, whatever the policy says.
    PointHeld {
        /// The point's ARN.
        id: String,
        /// What the hold is called.
        name: String,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Somebody no longer does.
    PointReleased {
        /// The point's ARN.
        id: String,
        /// What the hold was called.
        name: String,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Something is wrong or unknown from now on.
    FindingOpened {
        /// What.
        finding: Finding,
    },
    /// It no longer is.
    FindingClosed {
        /// The finding's id.
        id: String,
    },
    /// A person found something, which stands until people settle it.
    FindingRaised {
        /// What.
        finding: Finding,
        /// Who.
        by: String,
        /// Why, or where it was seen.
        reason: String,
    },
    /// Somebody looks after a finding from now on.
    FindingAssigned {
        /// The finding's id.
        id: String,
        /// Who looks after it.
        owner: String,
        /// Until when it is to be settled.
        due_at: Timestamp,
        /// Where more is written about it.
        ticket: Option<String>,
        /// Who said so.
        by: String,
        /// Why.
        reason: String,
    },
    /// A person settled what a person, or a broken glass, had raised.
    FindingSettled {
        /// The finding's id.
        id: String,
        /// Who.
        by: String,
        /// How.
        reason: String,
    },
    /// The maintenance window is open.
    WindowOpened {
        /// The run that opened it.
        run: RunId,
        /// When it closes by itself.
        closes_at: Timestamp,
    },
    /// The maintenance window is closed.
    WindowClosed {
        /// The run that closed it.
        run: RunId,
    },
    /// Nothing may change the application until then: a person said so.
    Frozen {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// It ends by itself then.
        until: Timestamp,
    },
    /// A person said that something may change it again.
    Thawed {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// The rows of a database were counted in the source, by checks that passed.
    RowsCounted {
        /// The database.
        database: ComponentName,
        /// How many rows each table had.
        rows: BTreeMap<String, u64>,
    },
    /// The side that was left could be read: what the last move lost was counted.
    LossCounted {
        /// The database.
        database: ComponentName,
        /// The run that moved it.
        moved: RunId,
        /// The run that counted.
        counted: RunId,
        /// How much.
        loss: Loss,
    },
    /// A workload was stronger, or for a whole day weaker, than was known.
    PeakSeen {
        /// The workload.
        workload: ComponentName,
        /// Where it served.
        region: Region,
        /// The most replicas of each set in the last day, by kind and name.
        sets: BTreeMap<String, u32>,
    },
    /// Somebody knows of the last move and has settled what it left.
    Acknowledged {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// It is down on purpose: what those who watch see of it is no news.
    DowntimeBegan {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When it ends by itself.
        until: Timestamp,
    },
    /// It no longer is.
    DowntimeEnded {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// From now on this process writes the canary of a database, until its epoch or the place ends.
    CanaryGranted {
        /// The database.
        database: ComponentName,
        /// Where it is written.
        region: Region,
        /// The schema that holds nothing else.
        schema: String,
        /// What allowed it.
        by: String,
    },
}
