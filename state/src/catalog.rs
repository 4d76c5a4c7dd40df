//! Recovery points: what exists, what may go, and what must stay whatever the clock says.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    application::Retention,
    name::{ComponentName, Region, RunId},
};
use serde::{Deserialize, Serialize};

/// A restorable state.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryPoint {
    /// The ARN.
    pub id: String,
    /// The component whose state it holds.
    pub component: ComponentName,
    /// Where it is, from the ARN and never from configuration (facts §10, OVH).
    pub region: Region,
    /// The account it is in, from the ARN.
    pub account: String,
    /// The instant its data is from, read from the provider. A copy has its source's.
    pub data_time: Timestamp,
    /// The point it was copied from.
    pub copied_from: Option<String>,
    /// The KMS key it is encrypted with.
    pub key: Option<String>,
    /// Its allocated size in GiB, if the provider says.
    pub size_gib: Option<u32>,
    /// The source's `DbClusterResourceId`, part of the proof that it is ours to delete.
    pub source_resource: Option<String>,
    /// The run that made it.
    pub made_by: RunId,
    /// When it was marked for deletion.
    pub marked_at: Option<Timestamp>,
    /// When it was last restored and its data proven.
    pub verified_at: Option<Timestamp>,
}

/// What became of a recovery point.
#[derive(Clone, Debug, PartialEq)]
pub enum PointChange {
    /// It exists.
    Recorded(Box<RecoveryPoint>),
    /// It may go after the waiting time.
    Marked {
        /// The ARN.
        id: String,
        /// Why.
        because: String,
    },
    /// It is gone.
    Deleted {
        /// The ARN.
        id: String,
    },
}

/// Something wrong or unknown, standing until resolved.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// Stable, so that the same trouble is one finding: such as `reprotect-traffic`.
    pub id: String,
    /// What is wrong, in a sentence.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

/// How many of the newest available points per component and region always stay.
pub const NEWEST_KEPT: usize = 3;

/// How long a point stays marked before it may be deleted (facts §2, two-phase).
pub const MARKED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// Why a point stays.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Kept {
    /// Its data is younger than the retention.
    Young,
    /// It is one of the newest of its component and region.
    Newest,
    /// It is the newest of its component and region that was proven to restore.
    NewestVerified,
}

/// The points of one component in one region, judged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judged {
    /// Past the policy and not yet marked.
    pub mark: Vec<String>,
    /// Marked long enough, and still past the policy.
    pub delete: Vec<String>,
    /// Marked, and waiting.
    pub waiting: Vec<String>,
    /// What stays, and why.
    pub kept: BTreeMap<String, Kept>,
}

/// Judges the points of one component and region.
///
/// `available` holds the ids that a complete listing of the provider just showed as available; a
/// point that is not in it neither counts as one of the newest nor is touched. Age is counted in
/// data time against `now`; the newest stay even if the clock is years ahead.
pub fn judge(
    points: &[&RecoveryPoint],
    available: &dyn Fn(&str) -> bool,
    retention: Retention,
    now: Timestamp,
) -> Judged {
    let mut present: Vec<&RecoveryPoint> =
        points.iter().copied().filter(|point| available(&point.id)).collect();
    present.sort_by(|one, other| {
        other.data_time.cmp(&one.data_time).then_with(|| other.id.cmp(&one.id))
    });
    let newest_verified = present.iter().position(|point| point.verified_at.is_some());
    let mut judged = Judged::default();
    for (place, point) in present.iter().enumerate() {
        let id = point.id.clone();
        if place < NEWEST_KEPT {
            judged.kept.insert(id, Kept::Newest);
        } else if Some(place) == newest_verified {
            judged.kept.insert(id, Kept::NewestVerified);
        } else if now.duration_since(point.data_time) <= retention.keep_for.duration() {
            judged.kept.insert(id, Kept::Young);
        } else {
            match point.marked_at {
                None => judged.mark.push(id),
                Some(marked_at) if now.duration_since(marked_at) >= MARKED_FOR => {
                    judged.delete.push(id)
                }
                Some(_) => judged.waiting.push(id),
            }
        }
    }
    judged
}
