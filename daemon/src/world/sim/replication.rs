//! How far a standby is behind, and what was lost when it took over.
//!
//! The application's clients write once a second wherever a cluster accepts it. Those commits are
//! not kept one by one: they follow from who accepted writes when.

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::name::Region;

use super::{
    aurora::{Aurora, How, Promotion, Reign},
    dice::Dice,
    region::Regions,
};

/// How often a lag sample is taken.
const SAMPLED_EVERY: i64 = 30;

/// How long a sample takes until it can be read (facts §8: metrics lag).
const SAMPLE_DELAY: i64 = 15;

/// A sample that is older tells nothing any more.
const SAMPLE_AGE_MAX: i64 = 20 * 60;

/// A broken link catches up so many times as fast as it fell behind.
const CATCH_UP: i32 = 10;

/// A lag sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) at: Timestamp,
    pub(super) lag: SignedDuration,
}

impl Aurora {
    /// The instant up to which the cluster in `region` holds what its counterpart committed.
    pub(super) fn replicated(
        &self,
        dice: Dice,
        regions: &Regions,
        region: &Region,
        at: Timestamp,
    ) -> Timestamp {
        let lag = |at: Timestamp| {
            dice.millis("lag", self.label(), at.as_second() / SAMPLED_EVERY, 80..=1_200)
        };
        let mut up_to = at - lag(at);
        for cut in regions.cuts(region, self.opposite(region)).filter(|cut| cut.from <= at) {
            let bound = match cut.until.filter(|until| *until <= at) {
                None => cut.from - lag(cut.from),
                Some(until) => {
                    let fell_behind = until.duration_since(cut.from) + lag(cut.from);
                    let caught_up = at.duration_since(until) * CATCH_UP;
                    at - (fell_behind - caught_up).max(SignedDuration::ZERO)
                }
            };
            up_to = up_to.min(bound);
        }
        up_to
    }

    /// Whether the secondary in `region` is connected, and not being rebuilt after a failover.
    pub(super) fn is_synced(
        &self,
        dice: Dice,
        regions: &Regions,
        region: &Region,
        at: Timestamp,
    ) -> bool {
        let Some(last) = self.last(at).filter(|one| one.how == How::Failover) else { return true };
        let Some(promoted_at) = last.promoted_at.filter(|_| last.from == *region) else {
            return true;
        };
        let takes = dice.secs("resync", self.label(), 600..=1_500);
        let rebuilt = regions.ends(&last.from, &last.to, promoted_at, takes, at);
        rebuilt.is_some_and(|rebuilt| rebuilt <= at)
    }

    /// The newest sample of the secondary's lag that can be read.
    pub(super) fn sample(&self, dice: Dice, regions: &Regions, at: Timestamp) -> Option<Sample> {
        let writer = self.writer(at);
        let standby = self.opposite(writer);
        let newest = (at.as_second() - SAMPLE_DELAY).div_euclid(SAMPLED_EVERY) * SAMPLED_EVERY;
        let tried = (0..SAMPLE_AGE_MAX / SAMPLED_EVERY).map(|nth| newest - nth * SAMPLED_EVERY);
        let mut instants = tried.filter_map(|second| Timestamp::from_second(second).ok());
        let taken_at = instants.find(|taken_at| {
            self.writer(*taken_at) == writer
                && regions.is_linked(writer, standby, *taken_at)
                && self.is_synced(dice, regions, standby, *taken_at)
        })?;
        let lag = taken_at.duration_since(self.replicated(dice, regions, standby, taken_at));
        Some(Sample { at: taken_at, lag })
    }

    /// The last commit of the reign that a promotion ended, up to `at`.
    fn last_commit(&self, regions: &Regions, one: &Promotion, at: Timestamp) -> Option<Timestamp> {
        let (region, since) = (&one.from, one.data_from);
        // Backwards over whole seconds is exact, and short: the walk starts where writing stopped.
        let ended = |reign: &&Reign| reign.region == *region && reign.from <= one.asked_at;
        let reign = self.reigns.iter().rev().find(ended)?;
        let end = reign.until.map_or(at, |until| until.min(at));
        let mut second = end.as_second();
        while second > since.as_second() {
            let commit = Timestamp::from_second(second).ok()?;
            if self.reigns(region, commit) && regions.runs(region, commit) {
                return Some(commit);
            }
            // While the region is down nothing is written; jump to before the trouble.
            let down = regions.of(region).find(|outage| outage.covers(commit));
            second = down.map_or(second - 1, |outage| (second - 1).min(outage.from.as_second()));
        }
        None
    }

    /// What a failover has lost up to `at`: the time between the new writer's data and the last
    /// commit at the old one. Grows while nothing fences the old writer.
    pub(super) fn lost(&self, regions: &Regions, one: &Promotion, at: Timestamp) -> SignedDuration {
        match one.how {
            How::Switchover => SignedDuration::ZERO,
            How::Failover => self
                .last_commit(regions, one, at)
                .map_or(SignedDuration::ZERO, |commit| commit.duration_since(one.data_from))
                .max(SignedDuration::ZERO),
        }
    }
}
