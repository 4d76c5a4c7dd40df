//! Global datastores of the simulated caches: one region is written, and a promotion moves that (facts §3).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    action::{On, cache::FailoverCache},
    application::{Cache, Component},
    name::{ApplicationName, ComponentName, Region},
    value::Span,
};
use muster_state::call::{Answer, Call, CallError, Done, Progress};
use serde_json::json;

use super::{Sim, caches::door, no_outside};

type Key = (ApplicationName, ComponentName);

/// Every promotion of every datastore: to where, and when it was over.
#[derive(Clone, Debug, Default)]
pub(super) struct Datastores {
    moves: BTreeMap<Key, Vec<(Region, Timestamp)>>,
}

impl Datastores {
    /// The region that is written at an instant. It begins at home.
    pub(super) fn primary<'a>(&'a self, key: &Key, home: &'a Region, at: Timestamp) -> &'a Region {
        let moves = self.moves.get(key).map(Vec::as_slice).unwrap_or_default();
        let over = moves.iter().rev().find(|(_, over_at)| *over_at <= at);
        over.map_or(home, |(to, _)| to)
    }

    fn is_moving(&self, key: &Key, at: Timestamp) -> bool {
        let last = self.moves.get(key).and_then(|moves| moves.last());
        last.is_some_and(|(_, over_at)| *over_at > at)
    }
}

pub(super) fn observe(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &FailoverCache,
) -> Result<Progress, CallError> {
    let (on, cache) = called(call)?;
    let to = on.region(action.to);
    let at = sim.ask(now, door(to, "DescribeGlobalReplicationGroups"))?;
    let key = (on.application.name.clone(), cache.name.clone());
    let primary = sim.datastores.primary(&key, &on.application.home, at).clone();
    let is_moving = sim.datastores.is_moving(&key, at);
    if call.aim.is_none() || (primary != *to && !is_moving) {
        let targets = if primary == *to { Vec::new() } else { vec![to.to_string()] };
        return Ok(Progress::NotStarted { before: json!({ "primary": primary }), targets });
    }
    if is_moving {
        return Ok(Progress::in_progress(format!("modifying, its primary {primary}")));
    }
    let from = call.aim.as_ref().map_or(call.started_at, |aim| aim.at);
    let took = Span::between(from, now);
    Ok(Progress::Done(Done::with([("primary", json!(primary)), ("took", json!(took))])))
}

pub(super) fn begin(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &FailoverCache,
) -> Result<Answer, CallError> {
    let (on, cache) = called(call)?;
    let to = on.region(action.to);
    let key = (on.application.name.clone(), cache.name.clone());
    sim.tell(now, door(to, "FailoverGlobalReplicationGroup"), |sim| {
        let moves = sim.datastores.moves.get(&key).map(Vec::as_slice).unwrap_or_default();
        let last = moves.last().map_or(&on.application.home, |(region, _)| region);
        // One that goes there, or is there, is not asked for again.
        if last != to {
            let takes: SignedDuration = sim.dice.secs("datastore", call.token.as_str(), 20..=90);
            sim.datastores.moves.entry(key).or_default().push((to.clone(), now + takes));
            sim.took_effect(now, call, "FailoverGlobalReplicationGroup", to);
        }
        Ok(Answer::Accepted)
    })
}

fn called(call: &Call) -> Result<(On<'_>, &Cache), CallError> {
    let on = call.on().ok_or_else(|| no_outside(call))?;
    let cache = on.component.and_then(Component::cache).ok_or_else(|| no_outside(call))?;
    Ok((on, cache))
}
