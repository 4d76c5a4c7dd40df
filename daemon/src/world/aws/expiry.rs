//! Recovery points that may go: marked first, deleted a day later, never by a guess (facts §2,
//! retention safety; design §3.7). The way is one for snapshots of databases and of caches and for exports;
//! what they differ in is in the folder.

mod caches;
mod clusters;
mod exports;
mod listing;
mod place;

use muster_runbooks::action::expiry::{DeleteExpired, MarkExpired};
use muster_state::{
    call::{Answer, Call, CallError, Done, Progress, in_one_line},
    catalog::{PointChange, RecoveryPoint},
    expiry,
};
use serde_json::json;

use self::{listing::Listing, place::Place};
use super::error;
use crate::world::real::{Real, Verbs, verbs};

pub(super) use self::clusters::is_it;

/// The verbs of `delete-expired`.
pub(in crate::world) fn let_go<'a>(
    real: &'a Real,
    call: &'a Call,
    with: &'a DeleteExpired,
) -> Verbs<'a> {
    verbs(call, observe_delete(real, call, with), begin_delete(real, call, with))
}

/// Judges the points of one place and says which may go after the waiting time. Changes nothing there.
pub async fn observe_mark(
    real: &Real,
    call: &Call,
    action: &MarkExpired,
) -> Result<Progress, CallError> {
    let place = Place::of(call, action.at)?;
    if let Some(held) = place.source_trouble(real, call).await? {
        return Ok(held);
    }
    let side = place.side(real, call).await?;
    Ok(marked(call, &place, &place.read(real, call, &side).await?))
}

/// Says what a deletion would take, and once it was aimed, what is left of that.
async fn observe_delete(
    real: &Real,
    call: &Call,
    action: &DeleteExpired,
) -> Result<Progress, CallError> {
    let place = Place::of(call, action.at)?;
    if call.aim.is_none()
        && let Some(held) = place.source_trouble(real, call).await?
    {
        return Ok(held);
    }
    let side = place.side(real, call).await?;
    Ok(to_delete(call, &place, &place.read(real, call, &side).await?, action.cap))
}

/// Deletes what was aimed at and may still go, one by one. What a deletion met is told in the notes:
/// one point that cannot go must not keep the others.
async fn begin_delete(
    real: &Real,
    call: &Call,
    action: &DeleteExpired,
) -> Result<Answer, CallError> {
    let place = Place::of(call, action.at)?;
    let Some(aim) = &call.aim else {
        return Err(error::unfit(call, "nothing was aimed at"));
    };
    // Judged anew at the moment of deletion (facts §10, October 2025): a hold or a loss since the aim
    // keeps a point.
    let side = place.side(real, call).await?;
    let listing = place.read(real, call, &side).await?;
    let (points, judged) = (points(call, &place), listing.judge(call, &place));
    let may_go = |id: &String| {
        let point = points.iter().find(|point| point.id == *id);
        point.copied().filter(|_| judged.delete.contains(id))
    };
    let mut done = Done { notes: call.why_nothing_goes().into_iter().collect(), ..Done::default() };
    let (mut deleted, mut undeletable) = (0_u32, 0_u32);
    for id in aim.targets.iter().take(action.cap as usize) {
        let result = if !listing.holds(id) {
            Ok(())
        } else if real.clock.now() >= call.not_after {
            Err("the time limit came first".to_owned())
        } else if let Some(point) = may_go(id) {
            met(place.delete(real, call, &side, point).await)?
        } else {
            Err("it may no longer go".to_owned())
        };
        match result {
            Ok(()) => {
                deleted += 1;
                done.points.push(PointChange::Deleted { id: id.clone() });
            }
            Err(why) => {
                undeletable += 1;
                done.notes.push(format!("`{id}` was not deleted: {why}"));
            }
        }
    }
    real.poller.forget(&side).await;
    done.outputs.insert("deleted".to_owned(), json!(deleted));
    done.outputs.insert("undeletable".to_owned(), json!(undeletable));
    Ok(Answer::Done(done))
}

/// How one deletion ended.
enum End {
    /// It is gone, or was not there any more.
    Gone,
    /// It is not what the catalogue means, for this reason.
    Kept(String),
}

/// What a deletion means for the others. Only missing credentials end the list early. Without an answer it
/// may be gone or not: the next run's complete listing tells.
fn met(ended: Result<End, CallError>) -> Result<Result<(), String>, CallError> {
    match ended {
        Ok(End::Gone) => Ok(Ok(())),
        Ok(End::Kept(why)) => Ok(Err(why)),
        Err(why @ CallError::Credentials { .. }) => Err(why),
        Err(why @ (CallError::NoAnswer { .. } | CallError::Refused { .. })) => {
            Ok(Err(in_one_line(&why)))
        }
    }
}

fn points<'a>(call: &'a Call, place: &Place<'_>) -> Vec<&'a RecoveryPoint> {
    call.points.iter().filter(|point| place.holds(point)).collect()
}

fn marked(call: &Call, place: &Place<'_>, listing: &Listing) -> Progress {
    let judged = listing.judge(call, place);
    let points = points(call, place);
    let mut done = expiry::marking(call, &points, &judged, place.retention(), call.asked_at);
    done.notes.extend(place.keeps_for_ever());
    for point in points {
        if listing.holds(&point.id) {
            continue;
        }
        // A deletion whose answer was lost ends here: marked, and no longer there.
        if point.marked_at.is_some() {
            done.points.push(PointChange::Deleted { id: point.id.clone() });
        }
        done.notes.push(format!(
            "`{}` is in the catalogue and not in {}",
            point.id,
            place.region()
        ));
    }
    Progress::Done(done)
}

fn to_delete(call: &Call, place: &Place<'_>, listing: &Listing, cap: u32) -> Progress {
    let judged = listing.judge(call, place);
    let Some(aim) = &call.aim else {
        let targets: Vec<String> = judged.delete.into_iter().take(cap as usize).collect();
        let before =
            json!({ "listed": listing.len(), "kept": judged.kept.keys().collect::<Vec<_>>() });
        return Progress::NotStarted { before, targets };
    };
    if aim.targets.iter().any(|id| listing.is_left(id)) {
        return Progress::NotStarted { before: aim.before.clone(), targets: aim.targets.clone() };
    }
    let mut done = Done::with([("deleted", json!(aim.targets.len())), ("undeletable", json!(0))]);
    done.points = aim.targets.iter().map(|id| PointChange::Deleted { id: id.clone() }).collect();
    Progress::Done(done)
}

#[cfg(test)]
mod tests;
