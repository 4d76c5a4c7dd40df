//! The nodes of the simulated caches: two for each replication group, in two zones, one of them the primary
//! (facts §3).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    action::{On, cache::FailoverCacheInRegion},
    application::Component,
    name::{ApplicationName, ComponentName, Region},
    value::Span,
};
use muster_state::call::{Answer, Call, CallError, Done, Progress};
use serde_json::json;

use super::{Sim, caches::door, fault::Fault, no_outside};
use crate::world::inventory::{GroupSide, ShardSide};

type Key = (ApplicationName, ComponentName, Region);

/// One of the two.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Node {
    /// The primary as the group was made.
    First,
    /// Its replica, in another zone.
    Second,
}

impl Node {
    const BOTH: [Node; 2] = [Node::First, Node::Second];

    /// Its name in a group.
    pub(super) fn name(self, group: &str) -> String {
        let number = match self {
            Node::First => "001",
            Node::Second => "002",
        };
        format!("{group}-{number}")
    }

    fn zone(self, region: &Region) -> String {
        let letter = match self {
            Node::First => 'a',
            Node::Second => 'b',
        };
        format!("{region}{letter}")
    }

    fn other(self) -> Node {
        match self {
            Node::First => Node::Second,
            Node::Second => Node::First,
        }
    }
}

/// A move of the primary to another node.
#[derive(Clone, Copy, Debug)]
struct Turn {
    to: Node,
    asked_at: Timestamp,
    done_at: Timestamp,
}

/// Every move in every group.
#[derive(Clone, Debug, Default)]
pub(super) struct Nodes {
    turns: BTreeMap<Key, Vec<Turn>>,
}

impl Nodes {
    /// The primary of a group at an instant.
    pub(super) fn primary(&self, key: &Key, at: Timestamp) -> Node {
        let turns = self.turns.get(key).map(Vec::as_slice).unwrap_or_default();
        let over = turns.iter().rev().find(|turn| turn.done_at <= at);
        over.map_or(Node::First, |turn| turn.to)
    }

    fn is_moving(&self, key: &Key, at: Timestamp) -> bool {
        let mut turns = self.turns.get(key).into_iter().flatten();
        turns.any(|turn| turn.asked_at <= at && at < turn.done_at)
    }

    /// A group as it is described at an instant.
    pub(super) fn described(
        &self,
        key: Key,
        group: &str,
        global: Option<(String, String)>,
        promotes: bool,
        at: Timestamp,
    ) -> GroupSide {
        let primary = self.primary(&key, at);
        let role = |node: Node| if node == primary { "primary" } else { "replica" };
        let members = Node::BOTH.map(|node| (node.name(group), role(node).to_owned()));
        let zones = Node::BOTH.map(|node| Some(node.zone(&key.2)));
        GroupSide {
            status: if self.is_moving(&key, at) { "modifying" } else { "available" }.to_owned(),
            global,
            members: members.into(),
            promotes: Some(promotes),
            multi_az: Some(promotes),
            shards: vec![ShardSide { id: SHARD.to_owned(), zones: zones.into() }],
        }
    }
}

/// The one shard of each group.
const SHARD: &str = "0001";

/// Whether the groups of a cache promote by themselves: they do, until somebody turns it off.
pub(super) fn promotes(
    sim: &Sim,
    cache: &(ApplicationName, ComponentName),
    now: Timestamp,
) -> bool {
    !sim.faults.at(now).any(|fault| {
        matches!(fault, Fault::AutomaticFailoverOff { application, cache: name }
            if (application, name) == (&cache.0, &cache.1))
    })
}

pub(super) fn observe(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &FailoverCacheInRegion,
) -> Result<Progress, CallError> {
    let Group { key, id, promotes } = called(sim, now, call, action)?;
    let at = sim.ask(now, door(&key.2, "DescribeReplicationGroups"))?;
    let primary = sim.caches.nodes.primary(&key, at);
    if sim.caches.nodes.is_moving(&key, at) {
        let primary = primary.name(&id);
        return Ok(Progress::in_progress(format!("`{id}` is modifying, its primary {primary}")));
    }
    let name = primary.name(&id);
    if let Some(aim) = &call.aim
        && let Some(before) = aim.before.get("primary").filter(|before| **before != json!(name))
    {
        return Ok(Progress::Done(Done::with([
            ("primary", json!(name)),
            ("before", before.clone()),
            ("took", json!(Span::between(aim.at, now))),
        ])));
    }
    let reason = match (promotes, action.is_practice()) {
        (true, true) | (false, false) => None,
        (true, false) => {
            Some(format!("ElastiCache promotes by itself in `{id}`, and this is no practice"))
        }
        (false, true) => {
            Some(format!("automatic failover of `{id}` is off, so there is none to practise"))
        }
    };
    Ok(match reason {
        Some(reason) => Progress::Refused { reason },
        None => Progress::NotStarted { before: json!({ "primary": name }), targets: vec![id] },
    })
}

pub(super) fn begin(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &FailoverCacheInRegion,
) -> Result<Answer, CallError> {
    let Group { key, id, promotes } = called(sim, now, call, action)?;
    let operation = if action.is_practice() { "TestFailover" } else { "ModifyReplicationGroup" };
    let region = key.2.clone();
    let door = door(&region, operation);
    sim.tell(now, door, |sim| {
        if action.is_practice() && !promotes {
            return Err(door.refused("InvalidParameterCombination", "automatic failover is off"));
        }
        let because = if sim.caches.nodes.is_moving(&key, now) {
            Some("the group is modifying")
        } else {
            (!action.is_practice() && promotes).then_some("automatic failover is enabled")
        };
        if let Some(because) = because {
            let reason = format!("InvalidReplicationGroupState: {because}");
            return Ok(Answer::Busy { reason });
        }
        // A second call does it a second time: back to the first node.
        let to = sim.caches.nodes.primary(&key, now).other();
        let takes: SignedDuration = sim.dice.secs("node", call.token.as_str(), 15..=60);
        let turn = Turn { to, asked_at: now, done_at: now + takes };
        sim.caches.nodes.turns.entry(key).or_default().push(turn);
        sim.took_effect(now, call, operation, id);
        Ok(Answer::Accepted)
    })
}

/// The replication group that a call is about.
struct Group {
    key: Key,
    id: String,
    promotes: bool,
}

fn called(
    sim: &Sim,
    now: Timestamp,
    call: &Call,
    action: &FailoverCacheInRegion,
) -> Result<Group, CallError> {
    let on: On<'_> = call.on().ok_or_else(|| no_outside(call))?;
    let cache = on.component.and_then(Component::cache).ok_or_else(|| no_outside(call))?;
    let region = on.region(action.at);
    let id = cache.replication_groups.get(region.as_str()).ok_or_else(|| no_outside(call))?;
    let of = (on.application.name.clone(), cache.name.clone());
    let promotes = promotes(sim, &of, now);
    Ok(Group { key: (of.0, of.1, region.clone()), id: id.clone(), promotes })
}
