//! Nodes of the simulated regions that are lost, and the pods that stand on them: they are ready no more, and stay
//! where they are until somebody deletes them or the node is well again.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    action::node::ReplaceLostPods,
    application::{Application, Workload},
    name::{ApplicationName, ComponentName, Region},
};
use muster_state::call::{Answer, Call, CallError, Progress};

use super::{Sim, fault::Fault, wire::Door, workloads::bound};
use crate::world::{
    kube::{
        node::{Health, Owner, Pod, Standing},
        scale::{Set, Strengths},
    },
    node::{due, stands},
};

/// So many nodes of every region are never lost.
const WELL: usize = 6;

/// How many of a hundred pods stand on a node that is lost. The first one of each set does in any case, unless it
/// stood on another one that was.
const SHARE_PERCENT: u32 = 40;

/// A node that was lost, and when it was well again.
#[derive(Clone, Debug)]
struct Lost {
    region: Region,
    from: Timestamp,
    until: Option<Timestamp>,
}

impl Lost {
    fn covers(&self, at: Timestamp) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }
}

/// One of the replicas of a set, whichever pod it is.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Replica {
    application: ApplicationName,
    workload: ComponentName,
    region: Region,
    set: String,
    number: u32,
}

/// A pod that another one takes the place of.
#[derive(Clone, Copy, Debug)]
struct Replaced {
    at: Timestamp,
    /// When the other one is ready.
    ready_at: Timestamp,
    /// Whether no node had room for it at first.
    had_no_room: bool,
}

/// All nodes that were ever lost, and every pod that was replaced, by the node that it stood on.
#[derive(Clone, Debug, Default)]
pub(super) struct Nodes {
    lost: Vec<Lost>,
    replaced: BTreeMap<(Replica, usize), Replaced>,
}

/// A pod, and the lost node that it stands on.
struct Stood {
    pod: Pod,
    replica: Replica,
    on: Option<usize>,
    /// Since when no node has room for it.
    unplaced_since: Option<Timestamp>,
}

impl Nodes {
    /// A node of a region is lost from now on.
    pub(super) fn fail(&mut self, region: &Region, now: Timestamp) {
        self.lost.push(Lost { region: region.clone(), from: now, until: None });
    }

    /// Every node of a region is well again.
    pub(super) fn heal(&mut self, region: &Region, now: Timestamp) {
        let standing = |one: &&mut Lost| one.region == *region && one.until.is_none();
        self.lost.iter_mut().filter(standing).for_each(|one| one.until = Some(now));
    }

    fn health(&self, region: &Region, at: Timestamp) -> BTreeMap<String, Health> {
        let lost = self.lost.iter().enumerate().filter(|(_, one)| one.region == *region);
        let lost = lost.map(|(number, one)| {
            let since = Some(one.from);
            let health = if one.covers(at) { Health::NotReady { since } } else { Health::Ready };
            (lost_node(number), health)
        });
        (0..WELL).map(|number| (well_node(number), Health::Ready)).chain(lost).collect()
    }
}

fn lost_node(number: usize) -> String {
    format!("lost-{number}")
}

fn well_node(number: usize) -> String {
    format!("well-{number}")
}

pub(super) fn observe(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &ReplaceLostPods,
) -> Result<Progress, CallError> {
    let (on, workload) = bound(call)?;
    let region = on.region(action.at);
    let at = sim.ask(now, Door::kubernetes(region, "LIST pods"))?;
    Ok(stands(call, action, &sim.standing(&on.application.name, workload, region, (at, now))))
}

pub(super) fn begin(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &ReplaceLostPods,
) -> Result<Answer, CallError> {
    let (on, workload) = bound(call)?;
    let region = on.region(action.at);
    sim.tell(now, Door::kubernetes(region, "DELETE pods"), |sim| {
        let name = &on.application.name;
        let standing = sim.standing(name, workload, region, (now, now));
        let due: Vec<String> = match due(call, action, &standing) {
            Ok(due) => due.into_iter().map(|pod| pod.uid.clone()).collect(),
            Err(reason) => return Ok(Answer::Busy { reason }),
        };
        let had_no_room = !sim.has_room(now);
        let all = sim.stood(name, workload, region, (now, now));
        for one in all.into_iter().filter(|one| due.contains(&one.pod.uid)) {
            sim.took_effect(now, call, "DELETE pods", format!("{region}/{}", one.pod.name));
            let takes: SignedDuration = sim.dice.secs("start", &one.pod.name, 10..=40);
            let replaced = Replaced { at: now, ready_at: now + takes, had_no_room };
            // What no call should delete, on a node that is well, shows as an effect and comes back at once.
            if let Some(node) = one.on {
                sim.nodes.replaced.insert((one.replica, node), replaced);
            }
        }
        Ok(Answer::Accepted)
    })
}

impl Sim {
    fn has_room(&self, now: Timestamp) -> bool {
        !self.faults.at(now).any(|fault| matches!(fault, Fault::NoCapacity { .. }))
    }

    /// How a namespace stood at one instant, with the room that there is at another.
    fn standing(
        &self,
        application: &ApplicationName,
        workload: &Workload,
        region: &Region,
        (at, now): (Timestamp, Timestamp),
    ) -> Standing {
        let all = self.stood(application, workload, region, (at, now));
        let mut sets: BTreeMap<String, Set> = BTreeMap::new();
        for one in &all {
            let set = sets.entry(one.replica.set.clone()).or_default();
            set.is_observed = true;
            set.wanted += 1;
            set.available += u32::from(one.pod.is_ready);
        }
        let unplaced = all.iter().filter_map(|one| one.unplaced_since);
        let mut unplaced: Vec<(Timestamp, String)> =
            unplaced.map(|since| (since, "Insufficient cpu".to_owned())).collect();
        unplaced.sort();
        Standing {
            now: at,
            nodes: self.nodes.health(region, at),
            pods: all.into_iter().map(|one| one.pod).collect(),
            strengths: Strengths { sets, unplaced },
        }
    }

    /// The pods of a namespace.
    fn stood(
        &self,
        application: &ApplicationName,
        workload: &Workload,
        region: &Region,
        (at, now): (Timestamp, Timestamp),
    ) -> Vec<Stood> {
        let sets = workload.replicas.keys().filter(|set| !workload.is_worker(set));
        let replicas = sets.flat_map(|set| {
            let of = (application, &workload.name, region);
            let count = self.workloads.replicas(of, set, at);
            (0..count).map(|number| Replica {
                application: application.clone(),
                workload: workload.name.clone(),
                region: region.clone(),
                set: set.clone(),
                number,
            })
        });
        replicas.map(|replica| self.pod_of(replica, at, now)).collect()
    }

    /// Which pod a replica is: the first one, or the last that took the place of one.
    fn pod_of(&self, replica: Replica, at: Timestamp, now: Timestamp) -> Stood {
        let (mut pods, mut last, mut on) = (0, None::<Replaced>, None);
        let of_region = |(_, one): &(usize, &Lost)| one.region == replica.region && one.from <= at;
        for (number, lost) in self.nodes.lost.iter().enumerate().filter(of_region) {
            // A pod stands on no node that was lost before it came.
            let is_older = last.is_none_or(|last| last.at <= lost.from);
            if !is_older || !self.stands_on(&replica, number) {
                continue;
            }
            match self.nodes.replaced.get(&(replica.clone(), number)) {
                Some(replaced) if replaced.at <= at => (pods, last) = (pods + 1, Some(*replaced)),
                Some(_) | None => {
                    on = Some(number);
                    break;
                }
            }
        }
        let has_room = self.has_room(now);
        let waits = last.filter(|last| !has_room && (last.had_no_room || last.ready_at > at));
        let is_up = last.is_none_or(|last| last.ready_at <= at) && waits.is_none();
        let is_on_lost = on.is_some_and(|number| self.nodes.lost[number].covers(at));
        let (kind, set) = replica.set.split_once('/').unwrap_or(("deployment", &replica.set));
        let name = format!("{set}-{}-{pods}", replica.number);
        let node = on.map_or_else(|| well_node(replica.number as usize % WELL), lost_node);
        let pod = Pod {
            uid: format!("{}/{name}", replica.region),
            name,
            node: waits.is_none().then_some(node),
            owner: match kind {
                "deployment" => Owner::Replicas,
                _ => Owner::Named { kind: kind.to_owned(), name: set.to_owned() },
            },
            is_terminating: false,
            is_ready: is_up && !is_on_lost,
        };
        Stood { pod, replica, on, unplaced_since: waits.map(|last| last.at) }
    }

    fn stands_on(&self, replica: &Replica, node: usize) -> bool {
        let Replica { application, workload, region, set, number } = replica;
        let about = format!("{node} {application} {workload} {region} {set} {number}");
        *number == 0 || self.dice.happens("node-lost", &about, SHARE_PERCENT)
    }

    /// The pods of an application that stand on a lost node of a region.
    pub(super) fn on_lost_nodes(
        &self,
        application: &Application,
        region: &Region,
        at: Timestamp,
    ) -> Vec<String> {
        let all = application
            .workloads
            .iter()
            .flat_map(|workload| self.stood(&application.name, workload, region, (at, at)));
        let is_lost = |one: &Stood| one.on.is_some_and(|node| self.nodes.lost[node].covers(at));
        all.filter(is_lost).map(|one| format!("{region}/{}", one.pod.name)).collect()
    }
}
