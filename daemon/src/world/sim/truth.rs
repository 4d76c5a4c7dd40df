//! What is really so. Tests check invariants on this, never on what the engine believes.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    name::{ApplicationName, ComponentName, Region},
    request::Mode,
};

use super::{
    Sim,
    aurora::{Aurora, How, Promotion},
    names::TTL,
    snapshots::Status,
};
use crate::world::drill;

/// Something that a call really changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Effect {
    /// The name that the work bears.
    pub token: String,
    /// The provider's operation.
    pub operation: &'static str,
    /// What it changed.
    pub object: String,
    /// How real the run was.
    pub mode: Mode,
    /// When.
    pub at: Timestamp,
}

/// The answer of the name servers changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shift {
    /// When.
    pub at: Timestamp,
    /// To which region.
    pub to: Region,
    /// By whose call; `None` when a trouble or a stranger did it.
    pub token: Option<String>,
}

/// What one promotion cost.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Loss {
    /// By whose call; `None` when a stranger did it.
    pub token: Option<String>,
    /// The new writer's region.
    pub to: Region,
    /// When it became the writer.
    pub promoted_at: Timestamp,
    /// Up to when the old writer was stopped, if it was.
    pub fenced_at: Option<Timestamp>,
    /// The time between the new writer's data and the last commit at the old one.
    pub lost: SignedDuration,
    /// For how long both sides took writes.
    pub overlap: SignedDuration,
}

/// One build as it really is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BuildFact {
    /// Its project.
    pub project: String,
    /// The name that it bears.
    pub token: String,
    /// When it started.
    pub from: Timestamp,
    /// When it ends, or has ended.
    pub until: Timestamp,
}

/// One recovery point as it really is: a snapshot, a copy or an export.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SnapshotFact {
    /// Its ARN.
    pub arn: String,
    /// The application and component whose state it holds.
    pub of: (ApplicationName, ComponentName),
    /// Where it is.
    pub region: Region,
    /// The instant that its data is from.
    pub data_time: Timestamp,
    /// Whether it can be restored.
    pub is_available: bool,
    /// When it was deleted, and by whose call.
    pub deleted: Option<(Timestamp, String)>,
}

/// A cluster or instance beside the databases as it really is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RestoredFact {
    /// Its name.
    pub name: String,
    /// Whether its name and its tags together say that a drill owns it.
    pub is_owned: bool,
    /// The run in its tags.
    pub run: Option<String>,
    /// The component in its tags.
    pub component: Option<String>,
    /// Where it is.
    pub region: Region,
    /// Whether it is there, or being deleted.
    pub is_there: bool,
}

/// A view of the whole world as it really is.
#[derive(Clone, Copy, Debug)]
pub struct Truth<'a> {
    sim: &'a Sim,
}

impl<'a> Truth<'a> {
    pub(super) fn new(sim: &'a Sim) -> Truth<'a> {
        Truth { sim }
    }

    /// Everything that calls really changed, in order.
    pub fn effects(&self) -> &'a [Effect] {
        &self.sim.effects
    }

    /// How often the effect behind each token and object happened.
    pub fn counts(&self) -> BTreeMap<(&'a str, &'a str), u32> {
        let mut counts = BTreeMap::new();
        for effect in &self.sim.effects {
            *counts.entry((effect.token.as_str(), effect.object.as_str())).or_default() += 1;
        }
        counts
    }

    /// How often each notice arrived, by token. More than once is bearable, never is not.
    pub fn notices(&self) -> &'a BTreeMap<String, u32> {
        &self.sim.control.notices
    }

    /// How often each hook was asked, by token and name. More than once is bearable.
    pub fn hooks(&self) -> BTreeMap<(&'a str, &'a str), u32> {
        self.sim.hooks.asked().map(|(token, hook, times)| ((token, hook), times)).collect()
    }

    /// The databases that stand still for a snapshot, with the token that asked for it.
    pub fn standing_still(&self) -> Vec<(&'a ComponentName, &'a str)> {
        self.sim.hooks.standing_still().collect()
    }

    /// The workers of all applications that have pods in a region.
    pub fn at_work(&self, region: &Region, at: Timestamp) -> Vec<String> {
        let all = self.sim.applications.iter();
        all.flat_map(|one| self.sim.workers.at_work(one, region, at)).collect()
    }

    /// The pods of all applications that stand on a lost node of a region, after its name.
    pub fn on_lost_nodes(&self, region: &Region, at: Timestamp) -> Vec<String> {
        let all = self.sim.applications.iter();
        all.flat_map(|one| self.sim.on_lost_nodes(one, region, at)).collect()
    }

    /// The region in which a cache with a global datastore is written.
    pub fn cache_primary(
        &self,
        application: &ApplicationName,
        cache: &ComponentName,
        at: Timestamp,
    ) -> Option<&'a Region> {
        let home = &self.sim.application(application)?.home;
        let key = (application.clone(), cache.clone());
        Some(self.sim.datastores.primary(&key, home, at))
    }

    /// The node that is the primary of a cache's replication group in a region.
    pub fn cache_node(
        &self,
        application: &ApplicationName,
        cache: &ComponentName,
        region: &Region,
        at: Timestamp,
    ) -> Option<String> {
        let declared = &self.sim.application(application)?.caches;
        let id = declared
            .iter()
            .find(|one| one.name == *cache)?
            .replication_groups
            .get(region.as_str())?;
        let key = (application.clone(), cache.clone(), region.clone());
        Some(self.sim.caches.nodes.primary(&key, at).name(id))
    }

    /// Where an ingress does not let in all that it did before a run limited it.
    pub fn limited(&self) -> Vec<&'a Region> {
        self.sim.admissions.limited().map(|(_, _, region)| region).collect()
    }

    /// How many requests were sent.
    pub fn calls(&self) -> u64 {
        self.sim.calls
    }

    fn databases(&self, application: &ApplicationName) -> impl Iterator<Item = &'a Aurora> {
        self.sim.databases.values().filter(move |one| *one.application() == *application)
    }

    /// The regions in which a database takes writes at an instant.
    pub fn writers(
        &self,
        application: &ApplicationName,
        database: &ComponentName,
        at: Timestamp,
    ) -> impl Iterator<Item = &'a Region> + use<'a> {
        let key = (application.clone(), database.clone());
        let (sim, one) = (self.sim, self.sim.databases.get(&key));
        one.into_iter().flat_map(move |one| {
            let takes =
                move |region: &&Region| one.reigns(region, at) && sim.regions.runs(region, at);
            [&one.home, &one.other].into_iter().filter(takes)
        })
    }

    /// The region of the member that calls itself the writer.
    pub fn writer(
        &self,
        application: &ApplicationName,
        database: &ComponentName,
        at: Timestamp,
    ) -> Option<Region> {
        let key = (application.clone(), database.clone());
        self.sim.databases.get(&key).map(|one| one.writer(at).clone())
    }

    /// Whether users who are sent to a region can work, down to a write into every database.
    pub fn serves(&self, application: &ApplicationName, region: &Region, at: Timestamp) -> bool {
        self.sim.serves(application, region, at)
    }

    /// The region that the name servers answer with.
    pub fn answers(&self, application: &ApplicationName, at: Timestamp) -> Option<Region> {
        let names = self.sim.names.get(application)?;
        Some(names.answers(&self.sim.regions, at))
    }

    /// Every change of that answer up to `at`. Users follow within [`Truth::resolvers_keep`].
    pub fn shifts(&self, application: &ApplicationName, at: Timestamp) -> Vec<Shift> {
        let Some(names) = self.sim.names.get(application) else { return Vec::new() };
        let flips = names.flips(&self.sim.regions, at).into_iter();
        flips.map(|flip| Shift { at: flip.at, to: flip.to, token: flip.token }).collect()
    }

    /// How long resolvers keep an answer.
    pub fn resolvers_keep(&self) -> SignedDuration {
        TTL
    }

    /// What every promotion of an application's databases that came to its end has cost up to `at`.
    pub fn losses(&self, application: &ApplicationName, at: Timestamp) -> Vec<Loss> {
        let mut losses = Vec::new();
        for aurora in self.databases(application) {
            for one in &aurora.promotions {
                let Some(promoted_at) = one.promoted_at.filter(|done| *done <= at) else {
                    continue;
                };
                losses.push(Loss {
                    token: one.token.clone(),
                    to: one.to.clone(),
                    promoted_at,
                    fenced_at: one.fenced_at,
                    lost: aurora.lost(&self.sim.regions, one, at),
                    overlap: self.overlap(aurora, one, promoted_at, at),
                });
            }
        }
        losses
    }

    fn overlap(
        &self,
        aurora: &Aurora,
        one: &Promotion,
        promoted_at: Timestamp,
        at: Timestamp,
    ) -> SignedDuration {
        if one.how == How::Switchover {
            return SignedDuration::ZERO;
        }
        let old = aurora
            .reigns
            .iter()
            .rev()
            .find(|reign| reign.region == one.from && reign.from <= one.asked_at);
        let end = old.and_then(|reign| reign.until).map_or(at, |until| until.min(at));
        let whole = end.duration_since(promoted_at).max(SignedDuration::ZERO);
        let down = |outage: &super::region::Outage| {
            let from = outage.from.max(promoted_at);
            let until = outage.until.unwrap_or(end).min(end);
            until.duration_since(from).max(SignedDuration::ZERO)
        };
        let dead = self.sim.regions.of(&one.from).filter(|outage| {
            matches!(outage.lost, super::Lost::Everything | super::Lost::DataPlane)
        });
        let dead = dead.map(down).fold(SignedDuration::ZERO, |all, one| all + one);
        (whole - dead).max(SignedDuration::ZERO)
    }

    /// The loss that a failover of a database would bring if it were asked for at `at`.
    pub fn loss_now(
        &self,
        application: &ApplicationName,
        database: &ComponentName,
        at: Timestamp,
    ) -> Option<SignedDuration> {
        let key = (application.clone(), database.clone());
        let one = self.sim.databases.get(&key)?;
        let writer = one.writer(at).clone();
        let target = one.opposite(&writer).clone();
        let asked = Promotion {
            token: None,
            how: How::Failover,
            from: writer,
            to: target.clone(),
            asked_at: at,
            shown_at: at,
            fenced_at: None,
            promoted_at: None,
            ended_at: at,
            data_from: one.replicated(self.sim.dice, &self.sim.regions, &target, at),
            cancelled_at: None,
        };
        Some(one.lost(&self.sim.regions, &asked, at))
    }

    /// Every snapshot of a database that ever was.
    pub fn snapshots(&self, at: Timestamp) -> Vec<SnapshotFact> {
        let fact = |one: &super::snapshots::Snapshot| SnapshotFact {
            arn: one.arn.clone(),
            of: (one.application.clone(), one.component.clone()),
            region: one.region.clone(),
            data_time: one.data_time,
            is_available: one.status(at) == Some(Status::Available),
            deleted: one.deleted.clone(),
        };
        self.sim.snapshots.iter().map(fact).collect()
    }

    /// Every recovery point that ever was: snapshots and copies of databases, snapshots of caches, exports.
    pub fn points(&self, at: Timestamp) -> Vec<SnapshotFact> {
        let saved = self.sim.caches.iter().map(|one| one.fact(at));
        self.snapshots(at).into_iter().chain(saved).chain(self.sim.exports.facts(at)).collect()
    }

    /// Every snapshot that is shared with another account, with that account.
    pub fn shares(&self, at: Timestamp) -> Vec<(String, String)> {
        self.sim.shares(at)
    }

    /// Everything that ever stood beside the databases.
    pub fn restored(&self, at: Timestamp) -> Vec<RestoredFact> {
        let fact = |one: &super::restored::Restored| RestoredFact {
            name: one.mark.name.clone(),
            is_owned: one.mark.is_owned(),
            run: one.mark.tag(drill::RUN).map(str::to_owned),
            component: one.mark.tag(drill::COMPONENT).map(str::to_owned),
            region: one.region.clone(),
            is_there: one.is_there(at),
        };
        self.sim.beside.all.iter().map(fact).collect()
    }

    /// Every build that ever ran.
    pub fn builds(&self) -> Vec<BuildFact> {
        let fact = |one: &super::builds::Build| BuildFact {
            project: one.project.clone(),
            token: one.token.clone(),
            from: one.asked_at,
            until: one.ends_at,
        };
        self.sim.builds.all.iter().map(fact).collect()
    }

    /// Whether a cluster of a database stands in a region, in whatever state.
    pub fn has_cluster(
        &self,
        application: &ApplicationName,
        database: &ComponentName,
        region: &Region,
        at: Timestamp,
    ) -> bool {
        self.sim.has_cluster(&(application.clone(), database.clone()), region, at)
    }

    /// Whether nothing is wrong with a region.
    pub fn is_well(&self, region: &Region, at: Timestamp) -> bool {
        self.sim.regions.is_well(region, at)
    }
}
