//! Recovery points: what exists, what may go, and what must stay whatever the clock says.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use muster_runbooks::{
    action::restore::{Preference, TestStatus},
    application::{Purpose, Retention, policy},
    name::{ComponentName, Region, RunId},
    value::{Span, words},
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
    /// What it was made for.
    #[serde(default)]
    pub purpose: Purpose,
    /// Who keeps it from being marked and deleted, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Hold>,
}

impl RecoveryPoint {
    /// A point of which nothing more is known: no copy, no key, not marked, held, tested or proven.
    pub fn new(
        id: String,
        component: ComponentName,
        region: Region,
        account: String,
        data_time: Timestamp,
        made_by: RunId,
    ) -> RecoveryPoint {
        RecoveryPoint {
            id,
            component,
            region,
            account,
            data_time,
            made_by,
            copied_from: None,
            key: None,
            size_gib: None,
            source_resource: None,
            marked_at: None,
            verified_at: None,
            tested: None,
            purpose: Purpose::default(),
            holds: Vec::new(),
        }
    }
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

/// A hold on a recovery point: as long as it stands, the point is neither marked nor deleted.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// What it is called, such as the number of a case.
    pub name: String,
    /// Who placed it.
    pub by: String,
    /// Why.
    pub reason: String,
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

/// Who looks after a finding, and until when.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Assigned {
    /// Who looks after it.
    pub owner: String,
    /// Until when it is to be settled.
    pub due_at: Timestamp,
    /// Where more is written about it.
    pub ticket: Option<String>,
    /// Who said so.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// How many of the newest available points per component, region and account always stay.
pub const NEWEST_KEPT: usize = policy::NEWEST_KEPT as usize;

/// How long a point stays marked before it may be deleted (facts §2, two-phase): a day, less what
/// the daily run that deletes may come earlier than the one that marked. That is the hour by which a
/// clock is put forward, and the hour by which a start may be late.
pub const MARKED_FOR: SignedDuration = SignedDuration::from_hours(22);

words! {
    /// Why a point stays.
    Kept {
        /// Somebody holds it, by name and with a reason.
        Held = "held",
        /// It is one of the newest three of its component, region and account.
        Newest = "one of the newest three",
        /// It is the newest of its component, region and account that was proven to restore.
        NewestVerified = "the newest that was proven to restore",
        /// The policy keeps so many of the newest.
        Last = "one of the last that the policy keeps",
        /// Its data is younger than the retention.
        Young = "young",
        /// It is the first of a calendar month that the policy keeps.
        Monthly = "the first of its month",
        /// The application is being moved, and nothing is let go meanwhile.
        Moving = "the application is being moved",
        /// Nobody was given the right to delete there.
        NoRole = "no role may delete in its account",
    }
}

/// Recovery points, judged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judged {
    /// Past the policy and not yet marked, oldest data first.
    pub mark: Vec<String>,
    /// Marked long enough, and still past the policy, oldest data first.
    pub delete: Vec<String>,
    /// Marked, and waiting.
    pub waiting: Vec<String>,
    /// What stays, and every reason.
    pub kept: BTreeMap<String, BTreeSet<Kept>>,
}

impl Judged {
    /// The same where no role may delete: everything stays, and each point says so.
    pub fn without_a_role(mut self) -> Judged {
        for id in self.mark.drain(..).chain(self.delete.drain(..)).chain(self.waiting.drain(..)) {
            self.kept.entry(id).or_default();
        }
        self.kept.values_mut().for_each(|why| {
            why.insert(Kept::NoRole);
        });
        self
    }
}

/// Chooses a point of a component and region: the one that was asked for, or else of those that may stay the
/// one that is preferred: the one that was not proven for longest, and of several the newest; or the newest
/// of all.
///
/// `points` are all of the application, so that a point of another component that was asked for is told
/// from one that nobody knows.
///
/// # Errors
///
/// With a reason for people, when there is none.
pub fn choose<'a>(
    points: &'a [RecoveryPoint],
    available: &dyn Fn(&RecoveryPoint) -> bool,
    component: &ComponentName,
    region: &Region,
    asked: Option<&str>,
    prefer: Preference,
) -> Result<&'a RecoveryPoint, String> {
    if let Some(id) = asked {
        let Some(found) = points.iter().find(|point| point.id == id) else {
            return Err(format!("`{id}` is not in the catalogue"));
        };
        if found.component == *component {
            return if found.region != *region {
                Err(format!("`{id}` is in {}, and not in {region}", found.region))
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
    let newest = |one: &&RecoveryPoint, other: &&RecoveryPoint| {
        other.data_time.cmp(&one.data_time).then_with(|| one.id.cmp(&other.id))
    };
    let serve = points.iter().filter(may_serve);
    match prefer {
        Preference::Unproven => serve.min_by(proven_longest_ago),
        Preference::Newest => serve.min_by(newest),
    }
    .ok_or_else(|| format!("`{component}` has no available recovery point in {region}"))
}

/// Judges recovery points, those of each component, region and account by themselves.
///
/// `available` holds the ids that a complete listing of the provider just showed as available; a
/// point that is not in it neither counts as one of the newest nor is touched. Age is counted in
/// data time against `now`; the newest stay even if the clock is years ahead. While the application
/// is `moving`, nothing goes.
pub fn judge(
    points: &[&RecoveryPoint],
    available: &dyn Fn(&str) -> bool,
    retention: &Retention,
    moving: Option<&RunId>,
    now: Timestamp,
) -> Judged {
    let mut places: BTreeMap<_, Vec<&RecoveryPoint>> = BTreeMap::new();
    for point in points.iter().copied().filter(|point| available(&point.id)) {
        let place = (&point.component, &point.region, &point.account);
        places.entry(place).or_default().push(point);
    }
    let mut judged = Judged::default();
    for (_, mut present) in places {
        present.sort_by(|one, other| {
            other.data_time.cmp(&one.data_time).then_with(|| other.id.cmp(&one.id))
        });
        let reasons = reasons(&present, retention, now);
        for (point, mut reasons) in present.into_iter().zip(reasons).rev() {
            let id = point.id.clone();
            let stood = point.marked_at.map(|marked_at| now.duration_since(marked_at));
            let is_waiting = stood.is_some_and(|stood| stood < MARKED_FOR);
            if reasons.is_empty() && moving.is_some() && !is_waiting {
                reasons.insert(Kept::Moving);
            }
            if !reasons.is_empty() {
                judged.kept.insert(id, reasons);
            } else if is_waiting {
                judged.waiting.push(id);
            } else if stood.is_some() {
                judged.delete.push(id);
            } else {
                judged.mark.push(id);
            }
        }
    }
    judged
}

/// Every reason to keep each of the points of one place, which come newest first.
fn reasons(
    present: &[&RecoveryPoint],
    retention: &Retention,
    now: Timestamp,
) -> Vec<BTreeSet<Kept>> {
    let newest_verified = present.iter().position(|point| point.verified_at.is_some());
    let keep_last = usize::try_from(retention.keep_last).unwrap_or(usize::MAX);
    // The oldest of each month comes last, and so it is the one that stands here.
    let first_of: BTreeMap<i32, usize> =
        present.iter().enumerate().map(|(place, point)| (month(point.data_time), place)).collect();
    let this_month = month(now);
    let months = i32::try_from(retention.monthly).unwrap_or(i32::MAX);
    let is_monthly = |place: usize, point: &RecoveryPoint| {
        let of = month(point.data_time);
        this_month - of < months && first_of.get(&of) == Some(&place)
    };
    let why = |(place, point): (usize, &&RecoveryPoint)| {
        let age = now.duration_since(point.data_time);
        let reasons = [
            (Kept::Held, !point.holds.is_empty()),
            (Kept::Newest, place < NEWEST_KEPT),
            (Kept::NewestVerified, Some(place) == newest_verified),
            (Kept::Last, retention.keep_last > policy::NEWEST_KEPT && place < keep_last),
            (Kept::Young, age <= retention.keep_for(point.purpose).duration()),
            (Kept::Monthly, retention.monthly > 0 && is_monthly(place, point)),
        ];
        reasons.into_iter().filter_map(|(reason, holds)| holds.then_some(reason)).collect()
    };
    present.iter().enumerate().map(why).collect()
}

/// The calendar month of an instant in UTC, counted from year 0.
fn month(at: Timestamp) -> i32 {
    let date = at.to_zoned(TimeZone::UTC).date();
    i32::from(date.year()) * 12 + i32::from(date.month())
}

#[cfg(test)]
mod tests;
