//! Actions that tell, and the one that only practises.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::action::Action;
use muster_state::call::{Answer, Call, CallError, Done, Progress};
use serde_json::json;

use super::{
    Sim, no_outside,
    wire::{Door, Side},
};

/// A rehearsal takes so long.
const REHEARSAL: SignedDuration = SignedDuration::from_secs(2);

/// What receivers were told and what was practised, by token.
#[derive(Clone, Debug, Default)]
pub(super) struct Control {
    /// How often each notice arrived. Receivers show the first and drop the rest.
    pub(super) notices: BTreeMap<String, u32>,
    rehearsals: BTreeMap<String, Timestamp>,
}

const HOOK: Door<'static> = Door { service: "receiver", operation: "POST", side: Side::Elsewhere };

pub(super) fn begin_notice(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
) -> Result<Answer, CallError> {
    sim.tell(now, HOOK, |sim| {
        let times = sim.control.notices.entry(call.token.to_string()).or_default();
        *times += 1;
        if *times == 1 {
            sim.took_effect(now, call, "POST", "receivers");
        }
        Ok(Answer::Done(Done::with([("sent_at", json!(now))])))
    })
}

pub(super) fn observe_rehearsal(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
) -> Result<Progress, CallError> {
    let Action::Rehearse(action) = &*call.action else { return Err(no_outside(call)) };
    let at = sim.ask(now, HOOK)?;
    let begun = sim.control.rehearsals.get(call.token.as_str()).filter(|begun| **begun <= at);
    Ok(match begun {
        None => Progress::not_started(),
        Some(begun) if at.duration_since(*begun) < REHEARSAL => Progress::in_progress("practising"),
        Some(_) => {
            let said = action.say.clone().unwrap_or_default();
            Progress::Done(Done::with([("said", json!(said))]))
        }
    })
}

pub(super) fn begin_rehearsal(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
) -> Result<Answer, CallError> {
    sim.tell(now, HOOK, |sim| {
        if !sim.control.rehearsals.contains_key(call.token.as_str()) {
            sim.control.rehearsals.insert(call.token.to_string(), now);
            sim.took_effect(now, call, "rehearse", "note");
        }
        Ok(Answer::Accepted)
    })
}
