//! Regions, and what of them was out of order when.

use jiff::Timestamp;
use muster_runbooks::{name::Region, value::words};

words! {
    /// What a region has lost.
    Lost {
        /// All of it: nothing inside runs, nothing answers.
        Everything = "everything",
        /// The management API. What runs goes on running.
        ControlPlane = "control-plane",
        /// What runs. The management API answers as if nothing had happened.
        DataPlane = "data-plane",
        /// The way in and out. Inside, clients go on writing.
        Connections = "connections",
    }
}

/// One trouble of one region.
#[derive(Clone, Debug)]
pub(super) struct Outage {
    pub(super) region: Region,
    pub(super) lost: Lost,
    pub(super) from: Timestamp,
    pub(super) until: Option<Timestamp>,
}

impl Outage {
    pub(super) fn covers(&self, at: Timestamp) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }

    /// Whether it keeps data from passing between regions.
    pub(super) fn cuts_replication(&self) -> bool {
        self.lost != Lost::ControlPlane
    }
}

/// Every trouble that any region ever had.
#[derive(Clone, Debug, Default)]
pub(super) struct Regions {
    outages: Vec<Outage>,
}

impl Regions {
    pub(super) fn fail(&mut self, region: Region, lost: Lost, from: Timestamp) {
        self.outages.push(Outage { region, lost, from, until: None });
    }

    /// Ends the troubles of a region, and says whether there were any.
    pub(super) fn heal(&mut self, region: &Region, at: Timestamp) -> bool {
        let standing = |outage: &&mut Outage| outage.region == *region && outage.until.is_none();
        let mut any = false;
        for outage in self.outages.iter_mut().filter(standing) {
            outage.until = Some(at);
            any = true;
        }
        any
    }

    pub(super) fn of<'a>(&'a self, region: &'a Region) -> impl Iterator<Item = &'a Outage> {
        self.outages.iter().filter(move |outage| outage.region == *region)
    }

    fn has_lost(&self, region: &Region, at: Timestamp, lost: &[Lost]) -> bool {
        self.of(region).any(|outage| outage.covers(at) && lost.contains(&outage.lost))
    }

    /// Whether the management API answers a caller outside the region.
    pub(super) fn is_managed(&self, region: &Region, at: Timestamp) -> bool {
        !self.has_lost(region, at, &[Lost::Everything, Lost::ControlPlane, Lost::Connections])
    }

    /// Whether what runs there answers a caller outside the region.
    pub(super) fn is_reachable(&self, region: &Region, at: Timestamp) -> bool {
        !self.has_lost(region, at, &[Lost::Everything, Lost::DataPlane, Lost::Connections])
    }

    /// Whether what runs there runs, for clients inside.
    pub(super) fn runs(&self, region: &Region, at: Timestamp) -> bool {
        !self.has_lost(region, at, &[Lost::Everything, Lost::DataPlane])
    }

    /// Whether nothing at all is wrong there.
    pub(super) fn is_well(&self, region: &Region, at: Timestamp) -> bool {
        !self.of(region).any(|outage| outage.covers(at))
    }

    /// The troubles of either region that keep data from passing between the two, oldest first.
    pub(super) fn cuts<'a>(
        &'a self,
        one: &'a Region,
        other: &'a Region,
    ) -> impl Iterator<Item = &'a Outage> {
        let between = move |outage: &&Outage| outage.region == *one || outage.region == *other;
        self.outages.iter().filter(between).filter(|outage| outage.cuts_replication())
    }

    /// Whether data passes between two regions.
    pub(super) fn is_linked(&self, one: &Region, other: &Region, at: Timestamp) -> bool {
        !self.cuts(one, other).any(|outage| outage.covers(at))
    }

    /// When work that takes `from` to `to` and needs both regions ends, with every trouble in
    /// between starting it anew; `None` while one stands at `at`.
    pub(super) fn ends(
        &self,
        one: &Region,
        other: &Region,
        mut from: Timestamp,
        takes: jiff::SignedDuration,
        at: Timestamp,
    ) -> Option<Timestamp> {
        for outage in self.cuts(one, other) {
            let is_between = outage.from < from + takes && outage.until.is_none_or(|u| u > from);
            if !is_between || outage.from > at {
                continue;
            }
            from = outage.until?;
        }
        Some(from + takes)
    }
}
