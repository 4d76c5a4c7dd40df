//! The simulated application's side of its hooks: it stands still, and it goes on.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    action::hook::RunHooks,
    application::{Component, Database, hook::HookTime},
    name::{ApplicationName, ComponentName},
};
use muster_state::call::{Answer, Call, CallError};

use super::{
    Bound, Fault, Sim, no_outside,
    wire::{Door, Side},
};
use crate::world::hook::Tally;

/// What became of the hooks of every database.
#[derive(Clone, Debug, Default)]
pub(super) struct Hooks {
    /// How often each hook was asked, by the outside name and its own.
    asked: BTreeMap<(String, String), u32>,
    /// Whose hooks were last asked for a time, with the outside name.
    last: BTreeMap<(ApplicationName, ComponentName), (HookTime, String)>,
}

impl Hooks {
    /// How often each hook was asked, by the outside name and its own.
    pub(super) fn asked(&self) -> impl Iterator<Item = (&str, &str, u32)> {
        self.asked.iter().map(|((token, hook), times)| (token.as_str(), hook.as_str(), *times))
    }

    /// The databases that a hook asked to stand still and none has let go since, with the outside name.
    pub(super) fn standing_still(&self) -> impl Iterator<Item = (&ComponentName, &str)> {
        let still = self.last.iter().filter(|(_, (time, _))| *time == HookTime::BeforeSnapshot);
        still.map(|((_, database), (_, token))| (database, token.as_str()))
    }
}

/// Asks the hooks of a database. They take no time, unless they hang: then the answer comes after their
/// limits.
pub(super) fn begin(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &RunHooks,
) -> Result<Answer, CallError> {
    let bound = Bound::database(call)?;
    let database = declared(call)?;
    let door = Door { service: "hook", operation: "ask", side: Side::Elsewhere };
    sim.tell(now, door, |sim| {
        let mut tally = Tally::new(action.when);
        for hook in database.hooks_at(action.when) {
            let key = (call.token.to_string(), hook.name.to_string());
            let times = sim.hooks.asked.entry(key).or_default();
            *times += 1;
            if *times == 1 {
                sim.took_effect(now, call, "hook", hook.name.as_str());
            }
            let last = (action.when, call.token.to_string());
            sim.hooks.last.insert(bound.key.clone(), last);
            let said = match sim.faults.hook_fails() {
                None => Ok(()),
                Some(false) => Err("it answered 500".to_owned()),
                Some(true) => Err(format!("no answer within {}", hook.limit)),
            };
            if tally.note(hook, said).is_break() {
                break;
            }
        }
        Ok(tally.answer())
    })
}

/// How long the hooks of a call are silent, if they will be.
pub(super) fn hangs_for(sim: &Sim, call: &Call, action: &RunHooks) -> Option<SignedDuration> {
    let left = sim.faults.at(call.asked_at).find_map(|fault| {
        let Fault::HookFails { times, hangs: true } = fault else { return None };
        usize::try_from(*times).ok().filter(|times| *times > 0)
    })?;
    let limits = declared(call).ok()?.hooks_at(action.when).take(left);
    Some(limits.map(|hook| hook.limit.duration()).sum())
}

fn declared(call: &Call) -> Result<&Database, CallError> {
    call.component.as_deref().and_then(Component::database).ok_or_else(|| no_outside(call))
}
