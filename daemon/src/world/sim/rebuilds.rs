//! What stood of an application in a region and is gone, and what comes in its place: by builds, by restores
//! from recovery points, and by a global cluster that is made anew.

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    action::{
        build::Databases,
        rebuild::{
            CheckSecrets, MadeBy, MakeGlobalCluster, RestoreDatabase, StartDatabaseInstance,
        },
    },
    name::{ApplicationName, ComponentName, Region},
};
use muster_state::call::{Answer, Call, CallError, Done, Progress};
use serde_json::json;

use super::{
    Bound, Sim, builds, no_outside, restore, snapshots,
    wire::{Door, Side},
};

/// A description shows what was made only so long after.
const SHOWN_AFTER: SignedDuration = SignedDuration::from_millis(800);

/// A cluster that became a member has everything so long after.
const JOINS: SignedDuration = SignedDuration::from_mins(4);

/// A database of an application.
type Key = (ApplicationName, ComponentName);

/// What is gone.
#[derive(Clone, Debug)]
struct Lost {
    application: ApplicationName,
    region: Region,
    at: Timestamp,
}

/// A cluster or an instance that stands under the application's own name.
#[derive(Clone, Debug)]
struct Made {
    key: Key,
    region: Region,
    token: String,
    /// The run and the step in its tags.
    by: (String, String),
    is_instance: bool,
    asked_at: Timestamp,
    done_at: Timestamp,
    fails: bool,
    /// The instant that the data of a cluster is from.
    data_time: Timestamp,
}

/// All that was lost and made anew.
#[derive(Clone, Debug, Default)]
pub(super) struct Rebuilds {
    lost: Vec<Lost>,
    made: Vec<Made>,
}

impl Rebuilds {
    /// When what stood there was last lost.
    fn lost_at(&self, name: &ApplicationName, region: &Region, at: Timestamp) -> Option<Timestamp> {
        let here = |lost: &&Lost| lost.application == *name && lost.region == *region;
        self.lost.iter().filter(here).map(|lost| lost.at).filter(|lost| *lost <= at).max()
    }

    /// What was made of a database in a region since it was lost there, as far as it is shown.
    fn made(
        &self,
        bound: &Bound<'_>,
        region: &Region,
        at: Timestamp,
    ) -> impl Iterator<Item = &Made> {
        let lost_at = self.lost_at(&bound.key.0, region, at);
        let (key, region) = (bound.key.clone(), region.clone());
        self.made.iter().filter(move |made| {
            made.key == key
                && made.region == region
                && lost_at.is_some_and(|lost| lost <= made.asked_at)
                && made.asked_at + SHOWN_AFTER <= at
        })
    }
}

/// Where a cluster of a database stands at a side.
enum Stands {
    /// There is none.
    Nowhere,
    /// It is a member of the global cluster, and always was or became one by a build.
    Member,
    /// It was restored.
    Restored(Box<Made>),
}

impl Sim {
    /// What stood of an application in a region is gone.
    pub(super) fn lose_environment(
        &mut self,
        now: Timestamp,
        name: &ApplicationName,
        region: &Region,
    ) {
        let (application, region) = (name.clone(), region.clone());
        for one in self.databases.values_mut().filter(|one| *one.application() == *name) {
            one.lose(&region, now);
        }
        self.workloads.forget(name, &region);
        self.rebuilds.lost.push(Lost { application, region, at: now });
    }

    /// When a build of a kind last succeeded since a loss.
    fn built(
        &self,
        (name, region): (&ApplicationName, &Region),
        is_it: impl Fn(Option<Databases>) -> bool,
        lost: Timestamp,
        at: Timestamp,
    ) -> Option<Timestamp> {
        let own = |one: &&builds::Build| {
            one.application == *name && one.region == *region && is_it(one.databases)
        };
        let ends = self.builds.all.iter().filter(own).filter_map(|one| one.succeeded(at));
        ends.filter(|end| *end > lost).max()
    }

    /// Whether what serves users is deployed in a region.
    pub(super) fn is_deployed(
        &self,
        name: &ApplicationName,
        region: &Region,
        at: Timestamp,
    ) -> bool {
        let deploys = |databases: Option<Databases>| databases.is_none();
        self.rebuilds
            .lost_at(name, region, at)
            .is_none_or(|lost| self.built((name, region), deploys, lost, at).is_some())
    }

    /// Whether a region has a member of the global cluster of a database.
    pub(super) fn is_member(&self, key: &Key, region: &Region, at: Timestamp) -> bool {
        let Some(lost) = self.rebuilds.lost_at(&key.0, region, at) else { return true };
        let joins = |databases: Option<Databases>| databases == Some(Databases::Joined);
        let joined = self.built((&key.0, region), joins, lost, at);
        joined.is_some_and(|joined| joined + JOINS <= at)
            || self.databases.get(key).is_some_and(|one| one.reigns(region, at))
    }

    /// Whether the global cluster of a database exists: one without a member is gone.
    pub(super) fn has_global(&self, key: &Key, at: Timestamp) -> bool {
        self.databases.get(key).is_some_and(|one| {
            [&one.home, &one.other].into_iter().any(|region| self.is_member(key, region, at))
        })
    }

    fn stands(&self, bound: &Bound<'_>, region: &Region, at: Timestamp) -> Stands {
        let mut made = self.rebuilds.made(bound, region, at).filter(|made| !made.is_instance);
        if let Some(made) = made.next() {
            Stands::Restored(Box::new(made.clone()))
        } else if self.is_member(&bound.key, region, at) {
            Stands::Member
        } else {
            Stands::Nowhere
        }
    }

    /// Whether a cluster of a database stands in a region, shown or not, in whatever state.
    pub(super) fn has_cluster(&self, key: &Key, region: &Region, at: Timestamp) -> bool {
        let lost = self.rebuilds.lost_at(&key.0, region, at);
        let restored = self.rebuilds.made.iter().any(|made| {
            !made.is_instance
                && (&made.key, &made.region) == (key, region)
                && made.asked_at <= at
                && lost.is_some_and(|lost| lost <= made.asked_at)
        });
        restored || self.is_member(key, region, at)
    }
}

/// Secrets are replicated, and outlive what reads them.
pub(super) fn observe_secrets(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &CheckSecrets,
) -> Result<Progress, CallError> {
    let on = call.on().ok_or_else(|| no_outside(call))?;
    let side = Side::Control(on.region(action.at));
    sim.ask(now, Door { service: "secretsmanager", operation: "DescribeSecret", side })?;
    Ok(Progress::Done(Done::with([("secrets", json!(on.application.secrets.len()))])))
}

pub(super) fn observe_cluster(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &RestoreDatabase,
) -> Result<Progress, CallError> {
    let bound = Bound::database(call)?;
    let region = bound.on.region(action.at);
    let at = sim.ask(now, Door::rds(region, "DescribeDBClusters"))?;
    let refused = |what: &str| Ok(Progress::Refused { reason: format!("the cluster {what}") });
    let made = match sim.stands(&bound, region, at) {
        Stands::Nowhere => return Ok(Progress::not_started()),
        Stands::Member if sim.aurora(&bound)?.writer(at) == region => {
            return refused("stands and writes");
        }
        Stands::Member => MadeBy::Replication,
        Stands::Restored(made) if !is_ours(&made, call) => {
            return refused("stands and is of unknown origin");
        }
        Stands::Restored(made) if at < made.done_at => {
            return Ok(Progress::in_progress("the cluster is creating"));
        }
        Stands::Restored(made) if made.fails => return refused("is failed"),
        Stands::Restored(_) => MadeBy::Restore,
    };
    let arn = sim.aurora(&bound)?.arn(region).to_owned();
    let cluster = arn.rsplit(':').next().unwrap_or_default().to_owned();
    Ok(Progress::Done(Done::with([
        ("cluster", json!(cluster)),
        ("arn", json!(arn)),
        ("made", json!(made)),
    ])))
}

pub(super) fn begin_cluster(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &RestoreDatabase,
) -> Result<Answer, CallError> {
    let bound = Bound::database(call)?;
    let region = bound.on.region(action.at);
    let door = Door::rds(region, "RestoreDBClusterFromSnapshot");
    sim.tell(now, door, |sim| {
        if sim.has_cluster(&bound.key, region, now) {
            // `DBClusterAlreadyExistsFault`: whose it is, the next look tells.
            return Ok(Answer::Accepted);
        }
        restore::room(sim, now, door)?;
        let lost = sim.rebuilds.lost_at(&bound.key.0, region, now).unwrap_or(now);
        let network = |databases: Option<Databases>| databases.is_some();
        if sim.built((&bound.key.0, region), network, lost, now).is_none() {
            return Err(door.refused("DBSubnetGroupNotFoundFault", "the network is not there"));
        }
        let point = sim.snapshots.get(&action.point);
        let there = point.filter(|one| one.status(now) == Some(snapshots::Status::Available));
        let Some(data_time) = there.map(|one| one.data_time) else {
            let message = format!("`{}` is not found", action.point);
            return Err(door.refused("DBClusterSnapshotNotFoundFault", message));
        };
        let takes = sim.dice.secs("rebuild", call.token.as_str(), 900..=1_800);
        make(sim, call, &bound, region, (now, now + takes), Some(data_time));
        let cluster = sim.aurora(&bound)?.arn(region).to_owned();
        sim.took_effect(now, call, "RestoreDBClusterFromSnapshot", cluster);
        Ok(Answer::Accepted)
    })
}

pub(super) fn observe_instance(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &StartDatabaseInstance,
) -> Result<Progress, CallError> {
    let bound = Bound::database(call)?;
    let region = bound.on.region(action.at);
    let at = sim.ask(now, Door::rds(region, "DescribeDBInstances"))?;
    let made = match sim.stands(&bound, region, at) {
        Stands::Nowhere => return Ok(Progress::in_progress("the cluster cannot be seen")),
        // What a build made has its instances.
        Stands::Member => MadeBy::Others,
        Stands::Restored(_) => {
            let mut own = sim.rebuilds.made(&bound, region, at).filter(|made| made.is_instance);
            match own.find(|made| made.token == call.token.as_str()) {
                None => return Ok(Progress::not_started()),
                Some(own) if at < own.done_at => return Ok(Progress::in_progress("creating")),
                Some(own) if own.fails => {
                    return Ok(Progress::Failed { reason: format!("`{}` is failed", own.token) });
                }
                Some(_) => MadeBy::Start,
            }
        }
    };
    let name = &bound.key.1;
    Ok(Progress::Done(Done::with([
        ("instance", json!(call.token)),
        ("endpoint", json!(format!("{name}.cluster.{region}.example"))),
        ("port", json!(5_432)),
        ("made", json!(made)),
    ])))
}

pub(super) fn begin_instance(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &StartDatabaseInstance,
) -> Result<Answer, CallError> {
    let bound = Bound::database(call)?;
    let region = bound.on.region(action.at);
    let door = Door::rds(region, "CreateDBInstance");
    sim.tell(now, door, |sim| {
        let is_it = |made: &Made| made.is_instance && made.token == call.token.as_str();
        if sim.rebuilds.made.iter().any(is_it) {
            return Ok(Answer::Accepted);
        }
        restore::room(sim, now, door)?;
        if !sim.has_cluster(&bound.key, region, now) {
            return Err(door.refused("DBClusterNotFoundFault", "the cluster is not there"));
        }
        let takes = sim.dice.secs("instance", call.token.as_str(), 300..=600);
        make(sim, call, &bound, region, (now, now + takes), None);
        sim.took_effect(now, call, "CreateDBInstance", region);
        Ok(Answer::Accepted)
    })
}

pub(super) fn observe_global(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &MakeGlobalCluster,
) -> Result<Progress, CallError> {
    let bound = Bound::database(call)?;
    let region = bound.on.region(action.to);
    let at = sim.ask(now, Door::rds(region, "DescribeGlobalClusters"))?;
    let aurora = sim.aurora(&bound)?;
    if aurora.writer(at) == region && aurora.reigns(region, at) {
        return Ok(Progress::Done(Done::with([("writer", json!(aurora.arn(region)))])));
    }
    Ok(if sim.has_global(&bound.key, at) {
        let writer = aurora.writer(at);
        Progress::Refused { reason: format!("it exists, and its writer in {writer} may come back") }
    } else {
        Progress::not_started()
    })
}

pub(super) fn begin_global(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &MakeGlobalCluster,
) -> Result<Answer, CallError> {
    let bound = Bound::database(call)?;
    let region = bound.on.region(action.to);
    let door = Door::rds(region, "CreateGlobalCluster");
    sim.tell(now, door, |sim| {
        if sim.has_global(&bound.key, now) {
            // `GlobalClusterAlreadyExistsFault`: whose it is, the next look tells.
            return Ok(Answer::Accepted);
        }
        let Stands::Restored(made) = sim.stands(&bound, region, now) else {
            return Err(door.refused("DBClusterNotFoundFault", "the cluster is not there"));
        };
        let one = sim.aurora_mut(&bound)?;
        one.made_anew(call.token.as_str(), region, now, made.data_time);
        sim.took_effect(now, call, "CreateGlobalCluster", region);
        Ok(Answer::Accepted)
    })
}

fn is_ours(made: &Made, call: &Call) -> bool {
    (made.by.0.as_str(), made.by.1.as_str()) == (call.run.as_str(), call.step.as_str())
}

fn make(
    sim: &mut Sim,
    call: &Call,
    bound: &Bound<'_>,
    region: &Region,
    (asked_at, done_at): (Timestamp, Timestamp),
    cluster_of: Option<Timestamp>,
) {
    let fails = sim.faults.restore_fails();
    sim.rebuilds.made.push(Made {
        key: bound.key.clone(),
        region: region.clone(),
        token: call.token.to_string(),
        by: (call.run.to_string(), call.step.to_string()),
        is_instance: cluster_of.is_none(),
        asked_at,
        done_at,
        fails,
        data_time: cluster_of.unwrap_or(asked_at),
    });
}
