//! What the name servers answer: a record pair, and the marker that an inverted health check reads.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    application::{Application, Traffic},
    name::Region,
};

use super::region::Regions;

/// A checker looks this often, and believes a change after so many looks (facts §5.4).
const CHECKED_EVERY: i64 = 10;
const THRESHOLD: i64 = 3;

/// How long resolvers keep an answer.
pub(super) const TTL: SignedDuration = SignedDuration::from_secs(60);

/// A change of weights.
#[derive(Clone, Debug)]
pub(super) struct Weighed {
    /// `INSYNC` from then on.
    pub(super) from: Timestamp,
    pub(super) percent: BTreeMap<Region, u32>,
}

/// One application's name.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// All that is declared, and where in it the application is.
    applications: Arc<[Application]>,
    place: usize,
    /// When the marker was put or removed, and by whose token.
    markers: Vec<(Timestamp, bool, Option<String>)>,
    pub(super) weights: Vec<Weighed>,
}

/// The answer changed.
#[derive(Clone, Debug)]
pub(super) struct Flip {
    pub(super) at: Timestamp,
    pub(super) to: Region,
    /// Whose marker brought it about; `None` when a trouble or a stranger did.
    pub(super) token: Option<String>,
}

impl Names {
    /// The name of the application at a place of what is declared.
    pub(super) fn new(applications: &Arc<[Application]>, place: usize) -> Names {
        let applications = Arc::clone(applications);
        Names { applications, place, markers: Vec::new(), weights: Vec::new() }
    }

    /// What is declared of it.
    pub(super) fn traffic(&self) -> &Traffic {
        let declared = self.applications[self.place].traffic.as_ref();
        declared.expect("only what has traffic has a name")
    }

    fn secondary(&self) -> &Region {
        let application = &self.applications[self.place];
        application.other(&self.traffic().primary).unwrap_or(&application.standby)
    }

    pub(super) fn set_marker(&mut self, at: Timestamp, present: bool, token: Option<&str>) -> bool {
        let changes = self.has_marker(at) != present;
        if changes {
            self.markers.push((at, present, token.map(str::to_owned)));
        }
        changes
    }

    /// Whether the marker lies in its bucket.
    pub(super) fn has_marker(&self, at: Timestamp) -> bool {
        let before = self.markers.iter().rev().find(|(set_at, ..)| *set_at <= at);
        before.is_some_and(|(_, present, _)| *present)
    }

    /// What a checker sees: the marker, if its region answers. No answer counts as no marker, so a
    /// lost standby region sends users back to the primary record.
    fn sees_marker(&self, regions: &Regions, at: Timestamp) -> bool {
        self.has_marker(at) && regions.is_reachable(&self.traffic().marker.region, at)
    }

    /// Every change of the answer up to `at`.
    pub(super) fn flips(&self, regions: &Regions, at: Timestamp) -> Vec<Flip> {
        if self.markers.is_empty() {
            return Vec::new();
        }
        let mut turns: Vec<Timestamp> = self.markers.iter().map(|(set_at, ..)| *set_at).collect();
        for outage in regions.of(&self.traffic().marker.region) {
            turns.push(outage.from);
            turns.extend(outage.until);
        }
        turns.retain(|turn| *turn <= at);
        turns.sort_unstable();
        turns.dedup();
        let (mut flips, mut shown) = (Vec::new(), false);
        let mut since = None;
        for (place, turn) in turns.iter().enumerate() {
            let sees = self.sees_marker(regions, *turn);
            if sees == shown {
                since = None;
                continue;
            }
            let since = *since.get_or_insert(*turn);
            let end = turns.get(place + 1).copied().unwrap_or(Timestamp::MAX);
            let flips_at = believed_at(since);
            if flips_at <= at && flips_at < end {
                shown = sees;
                let to = if sees { self.secondary() } else { &self.traffic().primary };
                flips.push(Flip { at: flips_at, to: to.clone(), token: self.token(since) });
            }
        }
        flips
    }

    /// Whose change of the marker happened then.
    fn token(&self, at: Timestamp) -> Option<String> {
        self.markers.iter().find(|(set_at, ..)| *set_at == at).and_then(|(.., token)| token.clone())
    }

    /// The region whose addresses the name servers give.
    pub(super) fn answers(&self, regions: &Regions, at: Timestamp) -> Region {
        let last = self.flips(regions, at).pop();
        last.map_or_else(|| self.traffic().primary.clone(), |flip| flip.to)
    }

    /// An answer as it is read.
    pub(super) fn text(&self, region: &Region) -> String {
        self.traffic().answers.get(region.as_str()).map(|all| all.join(", ")).unwrap_or_default()
    }
}

/// When the checkers believe a change: at the last of so many looks in a row.
fn believed_at(since: Timestamp) -> Timestamp {
    let first = (since.as_second() / CHECKED_EVERY + 1) * CHECKED_EVERY;
    Timestamp::from_second(first + (THRESHOLD - 1) * CHECKED_EVERY).unwrap_or(since)
}
