//! The simulated caches forget the declared keys. They hold nothing that could be counted.

use jiff::Timestamp;
use muster_runbooks::{action::cache::FlushCache, application::Component};
use muster_state::call::{Answer, Call, CallError, Done, Progress};
use serde_json::json;

use super::{
    Sim, no_outside,
    truth::Effect,
    wire::{Door, Side},
};

pub(super) fn observe(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &FlushCache,
) -> Result<Progress, CallError> {
    let on = call.on().ok_or_else(|| no_outside(call))?;
    let cache = on.component.and_then(Component::cache).ok_or_else(|| no_outside(call))?;
    let flush = cache.flush.as_ref().ok_or_else(|| no_outside(call))?;
    let region = on.region(action.at);
    let at =
        sim.ask(now, Door { service: "redis", operation: "ROLE", side: Side::Data(region) })?;
    let key = (on.application.name.clone(), cache.name.clone());
    let primary = sim.datastores.primary(&key, &on.application.home, at);
    if cache.global.is_some() && primary != region {
        return Ok(Progress::in_progress("the cache there still follows the other side"));
    }
    Ok(Progress::NotStarted { before: json!(null), targets: flush.prefixes.clone() })
}

pub(super) fn begin(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &FlushCache,
) -> Result<Answer, CallError> {
    let region = call.on().ok_or_else(|| no_outside(call))?.region(action.at);
    let door = Door { service: "redis", operation: "UNLINK", side: Side::Data(region) };
    sim.tell(now, door, |sim| {
        // Keys that are gone go no second time.
        let is_gone = |one: &Effect| one.operation == "UNLINK" && one.token == call.token.as_str();
        if !sim.effects.iter().any(is_gone) {
            sim.took_effect(now, call, "UNLINK", region);
        }
        Ok(Answer::Done(Done::with([("deleted", json!(0))])))
    })
}
