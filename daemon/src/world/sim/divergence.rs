//! What the side that was left took and never sent, by what really was lost.

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    action::divergence::{Found, InventoryDivergence},
    value::{Loss, Span},
};
use muster_state::call::{Call, CallError, Done, Progress};
use serde_json::json;

use super::{
    Bound, Sim,
    aurora::How,
    wire::{Door, Side},
};

/// A side that does not answer for so long is unknown.
const SILENCE_MAX: SignedDuration = SignedDuration::from_secs(20);

/// Asks both sides. The clients write one row a second.
pub(super) fn observe(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &InventoryDivergence,
) -> Result<Progress, CallError> {
    let bound = Bound::database(call)?;
    let (left, writes) = (bound.on.region(action.left()), bound.on.across(action.left()));
    for region in [left, writes] {
        let side = Side::Data(region);
        let door = Door { service: "postgres", operation: "inventory-divergence", side };
        match sim.ask(now, door) {
            Ok(_) => {}
            Err(why) if now.duration_since(call.started_at) < SILENCE_MAX => return Err(why),
            Err(why) => {
                let said = format!("unknown: {why}");
                return Ok(told(Found::Unknown, "unknown", Loss::Unknown, &said));
            }
        }
    }
    let aurora = sim.aurora(&bound)?;
    let last = aurora.last(now).filter(|one| one.how == How::Failover && one.from == *left);
    let lost = last.map_or(SignedDuration::ZERO, |one| aurora.lost(&sim.regions, one, now));
    if lost.is_zero() {
        let none = Loss::AtMost(Span::default());
        return Ok(told(Found::Nothing, "0", none, "no row was left behind"));
    }
    let rows = lost.as_secs().max(1).to_string();
    let said = format!("{rows} rows of {lost:#} were left behind in {left}");
    let loss = Loss::AtMost(Span::default()).grown_by(lost);
    Ok(told(Found::Something, &rows, loss, &said))
}

fn told(verdict: Found, left_behind: &str, loss: Loss, said: &str) -> Progress {
    let conflicting = if verdict == Found::Unknown { "unknown" } else { "0" };
    Progress::Done(Done::with([
        ("verdict", json!(verdict)),
        ("left_behind", json!(left_behind)),
        ("conflicting", json!(conflicting)),
        ("data_loss", json!(loss)),
        ("tables", json!([format!("`public.orders`: {said}")])),
        ("canaries", json!("no canary is declared")),
    ]))
}
