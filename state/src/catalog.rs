//! Recovery points: what exists, what may go, and what must stay whatever the clock says.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    action::restore::TestStatus,
    application::Retention,
    name::{ComponentName, Region, RunId},
    value::Span,
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
    /// How its last restore test went. That it restores proves no data: see `verified_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tested: Option<Box<Tested>>,
}

/// How a restore test of a recovery point went: three things that say nothing about each other.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Tested {
    /// The run that tested it.
    pub run: RunId,
    /// Whether it came back as a cluster with an instance.
    pub restore: Stamp,
    /// Whether checks that prove data passed.
    pub validation: Stamp,
    /// Whether what was made for the test is gone.
    pub clean_up: Stamp,
    /// From the promise of the restore until the instance was available.
    pub took: Option<Span>,
    /// What went wrong, in the words of the first step that failed.
    pub because: Option<String>,
}

impl Tested {
    /// Whether the data of the point was proven.
    pub fn proves(&self) -> bool {
        [&self.restore, &self.validation].iter().all(|one| one.status == TestStatus::Succeeded)
    }

    /// Whether anything went wrong or is still to be done; a check that nobody asked for is neither.
    pub fn is_well(&self) -> bool {
        self.restore.status == TestStatus::Succeeded
            && self.validation.status != TestStatus::Failed
            && self.clean_up.status == TestStatus::Succeeded
    }
}

/// One part of a restore test, and when it came to its end.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Stamp {
    /// How it ended.
    pub status: TestStatus,
    /// When.
    pub at: Timestamp,
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

/// Chooses the point of a component and region to test: the one that was asked for, or else of those that
/// may stay the one that was not proven for longest, and of several the newest.
///
/// `points` are all of the application, so that a point of another component that was asked for is told
/// from one that nobody knows.
///
/// # Errors
///
/// With a reason for people, when there is nothing to test.
pub fn choose<'a>(
    points: &'a [RecoveryPoint],
    available: &dyn Fn(&RecoveryPoint) -> bool,
    component: &ComponentName,
    region: &Region,
    asked: Option<&str>,
) -> Result<&'a RecoveryPoint, String> {
    if let Some(id) = asked {
        let Some(found) = points.iter().find(|point| point.id == id) else {
            return Err(format!("`{id}` is not in the catalogue"));
        };
        if found.component == *component {
            return if found.region != *region {
                Err(format!("`{id}` is in {}, and the test is to be in {region}", found.region))
            } else if !available(found) {
                Err(format!("`{id}` is not available"))
            } else {
                Ok(found)
            };
        }
    }
    let may_serve = |point: &&RecoveryPoint| {
        point.component == *component
            && point.region == *region
            && point.marked_at.is_none()
            && available(point)
    };
    let proven_longest_ago = |one: &&RecoveryPoint, other: &&RecoveryPoint| {
        let newest_first = || other.data_time.cmp(&one.data_time);
        one.verified_at
            .cmp(&other.verified_at)
            .then_with(newest_first)
            .then_with(|| one.id.cmp(&other.id))
    };
    points
        .iter()
        .filter(may_serve)
        .min_by(proven_longest_ago)
        .ok_or_else(|| format!("`{component}` has no available recovery point in {region} to test"))
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
