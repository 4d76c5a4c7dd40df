//! Actions that let recovery points go: mark, and a day later delete.

mod place;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::action::expiry::{DeleteExpired, MarkExpired};
use muster_state::{
    call::{Answer, Call, CallError, Done, Progress},
    catalog::{Judged, PointChange, RecoveryPoint},
    expiry,
};
use serde_json::json;

use self::place::Place;
pub(super) use self::place::available;
use super::Sim;

/// What could not be deleted so long after the aim stays.
const UNDELETABLE_AFTER: SignedDuration = SignedDuration::from_mins(3);

pub(super) fn observe_mark(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &MarkExpired,
) -> Result<Progress, CallError> {
    let place = Place::of(sim, call, action.at)?;
    place.ask_source(sim, now)?;
    let at = place.look(sim, now)?;
    let judged = judge(sim, call, &place, at);
    let points = points(call, &place);
    let mut done = expiry::marking(call, &points, &judged, &place.retention, call.asked_at);
    // A deletion whose answer was lost ends here: marked, and no longer there.
    let is_gone =
        |point: &&&RecoveryPoint| point.marked_at.is_some() && !place.is_shown(sim, &point.id, at);
    let gone = points.iter().filter(is_gone);
    done.points.extend(gone.map(|point| PointChange::Deleted { id: point.id.clone() }));
    Ok(Progress::Done(done))
}

pub(super) fn observe_delete(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &DeleteExpired,
) -> Result<Progress, CallError> {
    let place = Place::of(sim, call, action.at)?;
    if call.aim.is_none() {
        place.ask_source(sim, now)?;
    }
    let at = place.look(sim, now)?;
    let shown = place.available(sim, at);
    let Some(aim) = &call.aim else {
        let mut targets = judge(sim, call, &place, at).delete;
        targets.truncate(action.cap as usize);
        let before = json!({ "available": shown.len() });
        return Ok(Progress::NotStarted { before, targets });
    };
    let (left, gone): (Vec<&String>, Vec<&String>) =
        aim.targets.iter().partition(|id| shown.contains(id.as_str()));
    if left.is_empty() || !gone.is_empty() && now.duration_since(aim.at) > UNDELETABLE_AFTER {
        let gone = gone.into_iter().cloned().collect();
        return Ok(Progress::Done(deleted(gone, left.into_iter().cloned().collect())));
    }
    if !gone.is_empty() {
        return Ok(Progress::in_progress(format!("{} of {} gone", gone.len(), aim.targets.len())));
    }
    Ok(Progress::NotStarted { before: aim.before.clone(), targets: aim.targets.clone() })
}

pub(super) fn begin_delete(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &DeleteExpired,
) -> Result<Answer, CallError> {
    let place = Place::of(sim, call, action.at)?;
    let door = place.deletion(sim, now)?;
    sim.tell(now, door, |sim| {
        // Proof of what remains, once more and now: only what may still go is deleted (I7).
        let may_go = judge(sim, call, &place, now).delete;
        let targets = call.aim.as_ref().map(|aim| aim.targets.clone()).unwrap_or_default();
        let (mut gone, mut left) = (Vec::new(), Vec::new());
        for id in targets {
            // What is missing answers 404, which is success (facts §2).
            if place.is_there(sim, &id) && !may_go.contains(&id) {
                left.push(id);
                continue;
            }
            if place.delete(sim, &id, now, call.token.as_str()) {
                sim.took_effect(now, call, door.operation, &id);
            }
            gone.push(id);
        }
        let mut done = deleted(gone, left);
        done.notes.extend(call.why_nothing_goes());
        Ok(Answer::Done(done))
    })
}

fn deleted(gone: Vec<String>, left: Vec<String>) -> Done {
    let outputs = [("deleted", json!(gone.len())), ("undeletable", json!(left.len()))];
    let notes = left.into_iter().map(|id| format!("`{id}` may no longer be deleted")).collect();
    let points = gone.into_iter().map(|id| PointChange::Deleted { id }).collect();
    Done { points, notes, ..Done::with(outputs) }
}

fn judge(sim: &Sim, call: &Call, place: &Place<'_>, at: Timestamp) -> Judged {
    let shown = place.available(sim, at);
    // By the clock of whoever asks, as in the real world: it may be another than the provider's.
    let is_shown = |id: &str| shown.contains(id);
    let judged = call.judge(&points(call, place), &is_shown, &place.retention, call.asked_at);
    if place.is_final() { judged.without_a_role() } else { judged }
}

fn points<'a>(call: &'a Call, place: &Place<'_>) -> Vec<&'a RecoveryPoint> {
    call.points.iter().filter(|point| place.holds(point)).collect()
}
