//! Clusters and instances that stand beside the databases: what restore tests made, and what others made
//! that must not be mistaken for it.

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{application::Application, name::Region};

use crate::world::drill::{self, Kind, Mark};

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Restored {
    pub(super) kind: Kind,
    pub(super) mark: Mark,
    pub(super) region: Region,
    /// The cluster that an instance belongs to.
    pub(super) of: Option<String>,
    pub(super) asked_at: Timestamp,
    pub(super) done_at: Timestamp,
    /// Whether it ends as `failed`.
    pub(super) fails: bool,
    /// When its own password is there, once it was asked for.
    pub(super) secret_at: Option<Timestamp>,
    /// When its deletion was asked for, when it is gone, and by whose call.
    pub(super) deleted: Option<(Timestamp, Timestamp, String)>,
}

/// What a description says about one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Status {
    Creating,
    Available,
    Failed,
    Deleting,
}

/// A list shows what was made only so long after.
const SHOWN_AFTER: SignedDuration = SignedDuration::from_millis(800);

impl Restored {
    /// Its status, if a description shows it.
    pub(super) fn status(&self, at: Timestamp) -> Option<Status> {
        match &self.deleted {
            Some((_, gone_at, _)) if *gone_at <= at => return None,
            Some((asked_at, ..)) if *asked_at <= at => return Some(Status::Deleting),
            Some(_) | None => {}
        }
        if at < self.asked_at + SHOWN_AFTER {
            None
        } else if at < self.done_at {
            Some(Status::Creating)
        } else if self.fails {
            Some(Status::Failed)
        } else {
            Some(Status::Available)
        }
    }

    /// Whether it is there, shown or not.
    pub(super) fn is_there(&self, at: Timestamp) -> bool {
        self.asked_at <= at && self.deleted.as_ref().is_none_or(|(_, gone_at, _)| at < *gone_at)
    }
}

/// All that ever were.
#[derive(Clone, Debug, Default)]
pub(super) struct Beside {
    pub(super) all: Vec<Restored>,
}

impl Beside {
    /// Clusters beside the applications' own that no drill made. Some bear the tags of the first restore test
    /// that the simulations play.
    pub(super) fn strangers(applications: &[Application], now: Timestamp) -> Beside {
        let mut beside = Beside::default();
        for application in applications {
            let Some(database) = application.databases.first() else { continue };
            let tags = [
                (drill::DRILL, "restore-test"),
                (drill::RUN, "t00000000001"),
                (drill::APPLICATION, application.name.as_str()),
                (drill::COMPONENT, database.name.as_str()),
            ];
            for region in [&application.home, &application.standby] {
                beside.add_strangers(region, &tags, now);
            }
        }
        beside
    }

    /// What strangers made: one cluster is called like a drill's and has no tags, the other has the tags
    /// of one, copied by a tool, and another name.
    fn add_strangers(&mut self, region: &Region, tags: &[(&str, &str)], now: Timestamp) {
        let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let marks = [
            Mark { name: "muster-drill-by-hand".to_owned(), ..Mark::default() },
            Mark { name: "copy-by-hand".to_owned(), tags: tags.collect() },
        ];
        self.all.extend(marks.into_iter().map(|mark| Restored {
            kind: Kind::Cluster,
            mark,
            region: region.clone(),
            of: None,
            asked_at: now - SHOWN_AFTER,
            done_at: now,
            fails: false,
            secret_at: None,
            deleted: None,
        }));
    }

    /// What bears a name in a region and is there.
    pub(super) fn get(&self, region: &Region, name: &str, at: Timestamp) -> Option<&Restored> {
        let is_it =
            |one: &&Restored| one.region == *region && one.mark.name == name && one.is_there(at);
        self.all.iter().find(is_it)
    }

    /// What a list of a region shows.
    pub(super) fn shown(
        &self,
        kind: Kind,
        region: &Region,
        at: Timestamp,
    ) -> impl Iterator<Item = (&Restored, Status)> {
        let here = move |one: &&Restored| one.kind == kind && one.region == *region;
        self.all.iter().filter(here).filter_map(move |one| Some((one, one.status(at)?)))
    }
}
