//! Aurora global databases: the writer moves from one region to the other (facts §0.2–0.4, §1.1, §1.4).
//!
//! A switchover is asked for where the writer is, a failover with data loss where the target is. Both
//! are looked at from the target's side. Success is what Aurora shows: the target is the writer, its
//! cluster is available, and so is the instance that writes. A canary write of our own is not part of
//! it yet; every such end says so in a note.

use aws_sdk_rds::types::{FailoverState, GlobalCluster};
use muster_runbooks::{
    action::database::{FailoverDatabase, SwitchoverDatabase},
    application::Database,
    name::Region,
    value::{Loss, Span},
};
use muster_state::call::{Answer, Call, CallError, Done, Progress};
use serde_json::{Value, json};

use super::{
    Arn, Side, cluster_in, database, error, instance,
    lag::{self, Known},
    poller::Desk,
    readiness,
};
use crate::world::real::{Real, Verbs, on, verbs};

/// Makes a side the writer without loss.
pub(in crate::world) fn switchover<'a>(
    real: &'a Real,
    call: &'a Call,
    action: &'a SwitchoverDatabase,
) -> Verbs<'a> {
    verbs(call, observe_switchover(real, call, action), begin_switchover(real, call, action))
}

/// Where a switchover stands, seen from its target.
async fn observe_switchover(
    real: &Real,
    call: &Call,
    action: &SwitchoverDatabase,
) -> Result<Progress, CallError> {
    let look = Look::new(real, call, on(call)?.region(action.to), false)?;
    if let Some(progress) = look.progress().await? {
        return Ok(progress);
    }
    Ok(Progress::Done(Done {
        notes: vec![UNWRITTEN.to_owned()],
        ..Done::with([
            ("writer", json!(look.target)),
            ("took", json!(look.took())),
            // Aurora waits for the target to have everything (facts §1.1).
            ("data_loss", json!(Loss::AtMost(Span::default()))),
        ])
    }))
}

/// Makes a side the writer, and accepts the loss of what never arrived there.
pub(in crate::world) fn failover<'a>(
    real: &'a Real,
    call: &'a Call,
    action: &'a FailoverDatabase,
) -> Verbs<'a> {
    verbs(call, observe_failover(real, call, action), begin_failover(real, call, action))
}

/// Where a failover stands, seen from its target and from nowhere else.
async fn observe_failover(
    real: &Real,
    call: &Call,
    action: &FailoverDatabase,
) -> Result<Progress, CallError> {
    let on = on(call)?;
    let look = Look::new(real, call, on.region(action.to), true)?;
    match look.progress().await? {
        Some(Progress::NotStarted { mut before, targets }) => {
            // After the promotion nobody can tell any more which canary was the last to arrive.
            let held_at = readiness::held_at(real, &on, look.database, call.asked_at);
            before[HELD_AT] = json!(held_at);
            return Ok(Progress::NotStarted { before, targets });
        }
        Some(progress) => return Ok(progress),
        None => {}
    }
    // Samples up to the moment of asking: what came later is about another writer. Counted up to now,
    // because nothing proves that the old side stopped earlier.
    let asked = call.aim.as_ref().map_or(call.started_at, |aim| aim.at);
    let known = lag::known(&look.side, call, &look.target, asked, call.asked_at).await?;
    let known = tighter(known, by_canary(call));
    let measured_by =
        format!("{}; and that the old side took no writes after {}", known.by, call.asked_at);
    Ok(Progress::Done(Done {
        notes: vec![UNWRITTEN.to_owned()],
        ..Done::with([
            ("writer", json!(look.target)),
            ("took", json!(look.took())),
            ("data_loss", json!(known.loss)),
            ("measured_by", json!(measured_by)),
        ])
    }))
}

/// Asks the region of the present writer. One try: RDS has no request tokens, and a repeated answer
/// would look like somebody else's operation (facts §0.9).
async fn begin_switchover(
    real: &Real,
    call: &Call,
    action: &SwitchoverDatabase,
) -> Result<Answer, CallError> {
    let database = database(call)?;
    let to = on(call)?.region(action.to);
    let target = cluster_in(call, database, to)?;
    let aimed = call.aim.as_ref().and_then(|aim| aim.before.get("writer")).and_then(Value::as_str);
    let at = match aimed.and_then(Arn::parse) {
        Some(writer) => writer.region,
        None => other(call, to)?,
    };
    let side = real.aws.side(&at);
    let sent = side
        .act
        .rds
        .switchover_global_cluster()
        .global_cluster_identifier(&database.global_cluster)
        .target_db_cluster_identifier(target)
        .send()
        .await;
    real.poller.forget_writers(&real.aws.side(to)).await;
    match sent {
        Ok(_) => Ok(Answer::Accepted),
        Err(why) => error::trouble(why).begun(side.name("rds"), "SwitchoverGlobalCluster"),
    }
}

/// Asks the region of the target. Data loss is always said: without it the same call is a switchover,
/// which cannot run without the old side (facts §1.1).
async fn begin_failover(
    real: &Real,
    call: &Call,
    action: &FailoverDatabase,
) -> Result<Answer, CallError> {
    let database = database(call)?;
    let at = on(call)?.region(action.to);
    let side = real.aws.side(at);
    let sent = side
        .act
        .rds
        .failover_global_cluster()
        .global_cluster_identifier(&database.global_cluster)
        .target_db_cluster_identifier(cluster_in(call, database, at)?)
        .allow_data_loss(true)
        .send()
        .await;
    real.poller.forget_writers(&side).await;
    match sent {
        Ok(_) => Ok(Answer::Accepted),
        Err(why) => error::trouble(why).begun(side.name("rds"), "FailoverGlobalCluster"),
    }
}

/// What is kept of the canary before the promotion is asked for.
const HELD_AT: &str = "held_at";

/// The bound by the newest canary that had arrived when the promotion was asked for.
fn by_canary(call: &Call) -> Option<Known> {
    let held_at = call.aim.as_ref()?.before.get(HELD_AT)?.as_str()?.parse().ok()?;
    let loss = Loss::AtMost(Span::between(held_at, call.asked_at));
    let by = format!(
        "canary: the standby held all of {held_at} before it was promoted; assumes that nothing was \
         replicated since"
    );
    Some(Known { loss, lag: None, by })
}

/// Both are upper bounds, so the smaller one holds.
fn tighter(by_lag: Known, by_canary: Option<Known>) -> Known {
    let Some(by_canary) = by_canary else { return by_lag };
    match (by_lag.loss, by_canary.loss) {
        (Loss::AtMost(lag), Loss::AtMost(canary)) if lag < canary => by_lag,
        (Loss::AtMost(_), Loss::Unknown) => by_lag,
        (Loss::AtMost(_) | Loss::Unknown, Loss::AtMost(_)) | (Loss::Unknown, Loss::Unknown) => {
            by_canary
        }
    }
}

const UNWRITTEN: &str =
    "Aurora shows the new writer; this step made no write of its own through it";

/// The global cluster as one region sees it; `None` if there is none of this name.
pub(super) async fn describe(
    desk: Desk<'_>,
    name: &str,
) -> Result<Option<GlobalCluster>, CallError> {
    let list = desk.globals().await?;
    Ok(list.iter().find(|one| one.global_cluster_identifier() == Some(name)).cloned())
}

/// The member that writes.
pub(super) fn writer(global: &GlobalCluster) -> Option<&str> {
    let found =
        global.global_cluster_members().iter().find(|member| member.is_writer() == Some(true));
    found.and_then(|member| member.db_cluster_arn())
}

fn other(call: &Call, region: &Region) -> Result<Region, CallError> {
    let other = on(call)?.application.other(region).cloned();
    other.ok_or_else(|| error::unfit(call, "the target is not a region of the application"))
}

/// One look from the target's side.
struct Look<'a> {
    real: &'a Real,
    side: std::sync::Arc<Side>,
    call: &'a Call,
    database: &'a Database,
    target: String,
    data_loss: bool,
}

impl<'a> Look<'a> {
    fn new(
        real: &'a Real,
        call: &'a Call,
        to: &Region,
        data_loss: bool,
    ) -> Result<Look<'a>, CallError> {
        let database = database(call)?;
        let target = cluster_in(call, database, to)?.to_owned();
        Ok(Look { real, side: real.aws.side(to), call, database, target, data_loss })
    }

    /// How far it is; `None` when everything is as it should be.
    async fn progress(&self) -> Result<Option<Progress>, CallError> {
        let desk = self.real.desk(&self.side, self.call);
        let name = &self.database.global_cluster;
        let Some(global) = describe(desk, name).await? else {
            return Ok(Some(Progress::Refused {
                reason: format!("there is no global cluster `{name}`"),
            }));
        };
        let aim = self.call.aim.as_ref().map(|aim| &aim.before);
        if let Some(progress) = stands(&global, self.database, &self.target, self.data_loss, aim) {
            return Ok(Some(progress));
        }
        instance::not_writing(desk, &self.target).await
    }

    fn took(&self) -> Span {
        let from = self.call.aim.as_ref().map_or(self.call.started_at, |aim| aim.at);
        Span::between(from, self.call.asked_at)
    }
}

/// What a global cluster says about the move of its writer to `target`; `None` when the target is
/// the writer and nothing is in progress.
fn stands(
    global: &GlobalCluster,
    database: &Database,
    target: &str,
    data_loss: bool,
    aim: Option<&Value>,
) -> Option<Progress> {
    let members = global.global_cluster_members();
    if !members.iter().any(|member| member.db_cluster_arn() == Some(target)) {
        return Some(Progress::Refused {
            reason: format!("`{target}` is not a member of `{}`", database.global_cluster),
        });
    }
    let aimed = aim.and_then(|before| before.get("writer")).and_then(Value::as_str);
    if let Some(state) = global.failover_state().filter(|state| is_something(state)) {
        // The writer may have moved already while the state still says how it came there.
        let from = aimed.or(writer(global).filter(|writer| *writer != target));
        return Some(moving(state, database, target, data_loss, from));
    }
    let Some(writer) = writer(global) else {
        return Some(Progress::in_progress("no member writes"));
    };
    if writer == target {
        return None;
    }
    let is_known = database.clusters.values().any(|cluster| cluster == writer);
    if !is_known || aimed.is_some_and(|aimed| aimed != writer && aimed != target) {
        return Some(Progress::Foreign { saw: format!("`{writer}` writes") });
    }
    // Nothing in progress is not "succeeded": it is also what stands before the request has registered,
    // after a cancel and after a failure (facts §0.4).
    Some(Progress::NotStarted {
        before: json!({ "writer": writer, "status": global.status() }),
        targets: vec![target.to_owned()],
    })
}

fn is_something(state: &FailoverState) -> bool {
    state.status().is_some_and(|status| !status.as_str().is_empty())
        || state.to_db_cluster_arn().is_some()
}

/// An operation is under way: ours if it has our target, our origin and our leave to lose data
/// (facts §1.4). Its status is compared as a text, for AWS says more than its own enum lists, such as
/// `switching-over` (facts §0.3).
fn moving(
    state: &FailoverState,
    database: &Database,
    target: &str,
    data_loss: bool,
    from: Option<&str>,
) -> Progress {
    let status = state.status().map_or("in progress", |status| status.as_str());
    let to = state.to_db_cluster_arn().unwrap_or("an unknown target");
    let is_ours = to == target
        && state.is_data_loss_allowed().is_none_or(|allowed| allowed == data_loss)
        && state.from_db_cluster_arn().is_none_or(|stated| {
            from.is_none_or(|from| from == stated)
                && database.clusters.values().any(|cluster| cluster == stated)
        });
    if is_ours && status != "cancelling" {
        return Progress::in_progress(format!("{status} to `{to}`"));
    }
    let loss = if state.is_data_loss_allowed() == Some(true) { ", data loss allowed" } else { "" };
    let from = state.from_db_cluster_arn().unwrap_or("an unknown origin");
    Progress::Foreign { saw: format!("{status} from `{from}` to `{to}`{loss}") }
}

#[cfg(test)]
mod tests;
