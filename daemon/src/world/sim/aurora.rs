//! One Aurora global database: every promotion that was ever asked of it, and who could write when.
//!
//! Facts with instants, not a present state: a reading of the past looks at the same facts.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    application::{Application, Database as Declared},
    name::{ApplicationName, ComponentName, Region},
};

use super::{
    dice::Dice,
    region::{Lost, Regions},
};

/// How a promotion was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum How {
    /// `SwitchoverGlobalCluster`: waits for the replica.
    Switchover,
    /// `FailoverGlobalCluster` with `AllowDataLoss`.
    Failover,
}

/// One promotion.
#[derive(Clone, Debug)]
pub(super) struct Promotion {
    /// Whose it is; `None` when a stranger asked.
    pub(super) token: Option<String>,
    pub(super) how: How,
    pub(super) from: Region,
    pub(super) to: Region,
    pub(super) asked_at: Timestamp,
    /// `FailoverState` is empty before the request registers (facts §0.4).
    pub(super) shown_at: Timestamp,
    /// When the old writer was stopped, by quiesce or by fence.
    pub(super) fenced_at: Option<Timestamp>,
    /// When the target became the writer; `None` when it was cancelled.
    pub(super) promoted_at: Option<Timestamp>,
    /// When `FailoverState` is empty again.
    pub(super) ended_at: Timestamp,
    /// The instant that the new writer's data is from.
    pub(super) data_from: Timestamp,
    /// When a trouble made Aurora give it up.
    pub(super) cancelled_at: Option<Timestamp>,
}

/// A time during which one cluster was the writer and was not fenced.
#[derive(Clone, Debug)]
pub(super) struct Reign {
    pub(super) region: Region,
    pub(super) from: Timestamp,
    pub(super) until: Option<Timestamp>,
}

/// A promotion of another instance inside one cluster.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    pub(super) region: Region,
    pub(super) asked_at: Timestamp,
    pub(super) done_at: Timestamp,
    pub(super) instance: u32,
}

/// A global database and its history.
#[derive(Clone, Debug)]
pub(super) struct Aurora {
    /// All that is declared, and where in it this one is: the application and its database.
    applications: Arc<[Application]>,
    place: (usize, usize),
    pub(super) home: Region,
    pub(super) other: Region,
    pub(super) promotions: Vec<Promotion>,
    pub(super) reigns: Vec<Reign>,
    pub(super) turns: Vec<Turn>,
}

/// An old writer that nothing fenced is demoted so soon after its region is well again.
const DEMOTED_AFTER: SignedDuration = SignedDuration::from_secs(20);

/// A cancelled promotion is shown as `cancelling` for so long.
const CANCELLING: SignedDuration = SignedDuration::from_secs(45);

impl Aurora {
    /// The database at a place of what is declared.
    pub(super) fn new(
        applications: &Arc<[Application]>,
        place: (usize, usize),
        since: Timestamp,
    ) -> Aurora {
        let applications = Arc::clone(applications);
        let (home, other) = (&applications[place.0].home, &applications[place.0].standby);
        let (home, other) = (home.clone(), other.clone());
        let reign = Reign { region: home.clone(), from: since, until: None };
        Aurora {
            applications,
            place,
            home,
            other,
            promotions: Vec::new(),
            reigns: vec![reign],
            turns: Vec::new(),
        }
    }

    /// Whose it is.
    pub(super) fn application(&self) -> &ApplicationName {
        &self.applications[self.place.0].name
    }

    /// What is declared of it.
    pub(super) fn declared(&self) -> &Declared {
        &self.applications[self.place.0].databases[self.place.1]
    }

    pub(super) fn opposite(&self, region: &Region) -> &Region {
        if *region == self.home { &self.other } else { &self.home }
    }

    /// The ARN of the cluster in a region.
    pub(super) fn arn<'a>(&'a self, region: &Region) -> &'a str {
        self.declared().clusters.get(region.as_str()).map_or("(no cluster)", String::as_str)
    }

    /// A name for rolls of the dice.
    pub(super) fn label(&self) -> &str {
        &self.declared().global_cluster
    }

    /// The promotion that `FailoverState` shows.
    pub(super) fn in_progress(&self, at: Timestamp) -> Option<&Promotion> {
        self.promotions.iter().find(|one| one.shown_at <= at && at < one.ended_at)
    }

    /// The promotion that the service is at work on, shown or not.
    pub(super) fn busy(&self, at: Timestamp) -> Option<&Promotion> {
        self.promotions.iter().find(|one| one.asked_at <= at && at < one.ended_at)
    }

    /// The last promotion that came to its end.
    pub(super) fn last(&self, at: Timestamp) -> Option<&Promotion> {
        self.promotions.iter().rev().find(|one| one.promoted_at.is_some_and(|done| done <= at))
    }

    /// The region of the member with `IsWriter`.
    pub(super) fn writer(&self, at: Timestamp) -> &Region {
        self.last(at).map_or(&self.home, |one| &one.to)
    }

    /// Whether the cluster takes a write, if its region runs.
    pub(super) fn reigns(&self, region: &Region, at: Timestamp) -> bool {
        self.reigns.iter().any(|reign| {
            reign.region == *region
                && reign.from <= at
                && reign.until.is_none_or(|until| at < until)
        })
    }

    /// The number of the instance that writes in a region.
    pub(super) fn instance(&self, region: &Region, at: Timestamp) -> u32 {
        let done = |turn: &&Turn| turn.region == *region && turn.done_at <= at;
        self.turns.iter().rfind(done).map_or(1, |turn| turn.instance)
    }

    /// Starts a switchover: the old writer stops, the replica catches up, the roles change. Nothing
    /// is lost.
    pub(super) fn switch_over(
        &mut self,
        dice: Dice,
        token: Option<&str>,
        to: &Region,
        now: Timestamp,
    ) {
        let about = token.unwrap_or("by-hand");
        let fenced_at = now + dice.secs("quiesce", about, 10..=30);
        let promoted_at = fenced_at + dice.secs("switchover", about, 40..=80);
        self.promote(How::Switchover, token, to, now, Some(fenced_at), promoted_at, fenced_at);
    }

    /// Starts a failover with data loss. What the target has not received by now is lost.
    pub(super) fn fail_over(
        &mut self,
        dice: Dice,
        regions: &Regions,
        fence_fails: bool,
        token: Option<&str>,
        to: &Region,
        now: Timestamp,
    ) {
        let about = token.unwrap_or("by-hand");
        let from = self.opposite(to).clone();
        let data_from = self.replicated(dice, regions, to, now);
        let fenced_at = now + dice.secs("fence", about, 5..=30);
        let is_fenced = !fence_fails && fence_holds(dice, regions, &from, about, now);
        let promoted_at = fenced_at + dice.secs("failover", about, 90..=180);
        let fenced_at = is_fenced.then_some(fenced_at);
        self.promote(How::Failover, token, to, now, fenced_at, promoted_at, data_from);
        if fenced_at.is_none() && regions.is_well(&from, now) {
            // Nothing keeps it alive but the failed fence; the rebuild takes its volume away.
            self.end_reign(&from, promoted_at + SignedDuration::from_mins(5));
        }
    }

    /// A failover by a stranger that has come to its end just now.
    pub(super) fn failed_over(
        &mut self,
        dice: Dice,
        regions: &Regions,
        to: &Region,
        now: Timestamp,
    ) {
        if self.writer(now) == to || self.busy(now).is_some() {
            return;
        }
        let data_from = self.replicated(dice, regions, to, now);
        self.promote(How::Failover, None, to, now, Some(now), now, data_from);
    }

    /// What stood in a region is gone.
    pub(super) fn lose(&mut self, region: &Region, now: Timestamp) {
        self.end_reign(region, now);
    }

    /// A global cluster made anew, of a cluster whose data is from then.
    pub(super) fn made_anew(
        &mut self,
        token: &str,
        writer: &Region,
        now: Timestamp,
        data_from: Timestamp,
    ) {
        let other = self.opposite(writer).clone();
        let fenced_at = (!self.reigns(&other, now)).then_some(now);
        self.promote(How::Failover, Some(token), writer, now, fenced_at, now, data_from);
    }

    #[expect(clippy::too_many_arguments, reason = "the facts of one promotion, used only here")]
    fn promote(
        &mut self,
        how: How,
        token: Option<&str>,
        to: &Region,
        now: Timestamp,
        fenced_at: Option<Timestamp>,
        promoted_at: Timestamp,
        data_from: Timestamp,
    ) {
        let from = self.opposite(to).clone();
        if let Some(fenced_at) = fenced_at {
            self.end_reign(&from, fenced_at);
        }
        self.reigns.push(Reign { region: to.clone(), from: promoted_at, until: None });
        self.promotions.push(Promotion {
            token: token.map(str::to_owned),
            how,
            from,
            to: to.clone(),
            asked_at: now,
            shown_at: now + SignedDuration::from_millis(1_500),
            fenced_at,
            promoted_at: Some(promoted_at),
            ended_at: promoted_at + SignedDuration::from_secs(3),
            data_from,
            cancelled_at: None,
        });
    }

    fn end_reign(&mut self, region: &Region, at: Timestamp) {
        let open = |reign: &&mut Reign| reign.region == *region && reign.until.is_none();
        for reign in self.reigns.iter_mut().filter(open) {
            reign.until = Some(at.max(reign.from));
        }
    }

    /// A region falls ill: a promotion that needs it is given up.
    pub(super) fn fell_ill(&mut self, region: &Region, now: Timestamp) {
        let needs = |one: &Promotion| match one.how {
            How::Switchover => one.from == *region || one.to == *region,
            How::Failover => one.to == *region,
        };
        let underway =
            |one: &Promotion| one.asked_at <= now && one.promoted_at.is_some_and(|at| at > now);
        let Some(place) = self.promotions.iter().position(|one| underway(one) && needs(one)) else {
            return;
        };
        let one = &mut self.promotions[place];
        let planned = one.promoted_at.take();
        one.cancelled_at = Some(now);
        one.ended_at = now + CANCELLING;
        let (from, to, back_at) = (one.from.clone(), one.to.clone(), one.ended_at);
        self.reigns.retain(|reign| !(reign.region == to && Some(reign.from) == planned));
        match self.reigns.iter_mut().rev().find(|reign| reign.region == from) {
            Some(reign) if reign.until.is_some_and(|until| until > now) => reign.until = None,
            Some(_) => self.reigns.push(Reign { region: from, from: back_at, until: None }),
            None => {}
        }
    }

    /// A region is well again: an old writer that nothing fenced is demoted.
    pub(super) fn got_well(&mut self, region: &Region, now: Timestamp) {
        let is_writer = self.writer(now) == region;
        let target = self.busy(now).is_some_and(|one| one.to == *region || one.fenced_at.is_some());
        if !is_writer && !target {
            self.end_reign(region, now + DEMOTED_AFTER);
        }
    }
}

/// Whether Aurora's own write fence takes hold: it needs the old region's storage (facts §7).
fn fence_holds(dice: Dice, regions: &Regions, from: &Region, about: &str, now: Timestamp) -> bool {
    let chance = |outage: &super::region::Outage| match outage.lost {
        Lost::Everything => 60,
        Lost::ControlPlane => 50,
        Lost::DataPlane => 100,
        Lost::Connections => 0,
    };
    regions
        .of(from)
        .filter(|outage| outage.covers(now))
        .all(|outage| dice.happens("fence-holds", about, chance(outage)))
}

/// Every global database, by application and name.
pub(super) type Databases = BTreeMap<(ApplicationName, ComponentName), Aurora>;
