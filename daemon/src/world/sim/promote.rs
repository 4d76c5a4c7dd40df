//! Actions that decide who writes: fence, switchover, failover, failover in the region.

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    action::{
        Role,
        database::{FailoverInRegion, Verdict},
    },
    name::{ApplicationName, ComponentName, Region},
    value::{Loss, Span},
};
use muster_state::call::{Answer, Call, CallError, Done, Progress};
use serde_json::{Value, json};

use super::{
    Bound, Sim,
    aurora::{Aurora, How},
    fault::Fault,
    wire::Door,
    write_lease,
};

/// A fence waits so long for an old side that does not answer before it calls it unreachable.
const FENCE_PATIENCE: SignedDuration = SignedDuration::from_secs(25);

/// The canary that measures a loss is written this often.
const CANARY_EVERY: i64 = 10;

pub(super) fn observe_fence(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
) -> Result<Progress, CallError> {
    let bound = Bound::database(call)?;
    if let Some(lease) = &bound.on.application.write_lease {
        match write_lease::fenced(sim, now, bound.on.application, lease, bound.on.standby) {
            Some(Ok(verdict)) => {
                return Ok(Progress::Done(Done::with([("verdict", json!(verdict))])));
            }
            Some(Err(waits)) => return Ok(waits),
            // What the old side says itself may still be a proof.
            None => {}
        }
    }
    let verdict = match sim.ask(now, Door::rds(bound.active, "DescribeGlobalClusters")) {
        Ok(at) => {
            let is_writer = sim.aurora(&bound)?.writer(at) == bound.active;
            if is_writer { Verdict::Attempted } else { Verdict::Proven }
        }
        // Best effort: what the old side does not answer is a finding, not a failure of the step.
        Err(error) if now.duration_since(call.started_at) < FENCE_PATIENCE => {
            return Ok(Progress::in_progress(format!("the old side: {error}")));
        }
        Err(_) => Verdict::Impossible,
    };
    Ok(Progress::Done(Done::with([("verdict", json!(verdict))])))
}

pub(super) fn observe_switchover(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    to: Role,
) -> Result<Progress, CallError> {
    observe(sim, now, call, to, How::Switchover)
}

pub(super) fn observe_failover(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    to: Role,
) -> Result<Progress, CallError> {
    observe(sim, now, call, to, How::Failover)
}

impl Sim {
    /// Somebody promotes a database without telling Muster.
    pub(super) fn stranger_promotes(
        &mut self,
        now: Timestamp,
        application: &ApplicationName,
        database: &ComponentName,
        to: &Region,
        data_loss: bool,
    ) {
        let fence_fails = self.faults.at(now).any(|fault| *fault == Fault::FenceFails);
        let Some(one) = self.databases.get_mut(&(application.clone(), database.clone())) else {
            return;
        };
        if one.writer(now) == to || one.busy(now).is_some() {
            return;
        }
        if data_loss {
            one.fail_over(self.dice, &self.regions, fence_fails, None, to, now);
        } else {
            one.switch_over(self.dice, None, to, now);
        }
    }
}

/// Both promotions are looked at from the side that survives.
fn observe(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    to: Role,
    how: How,
) -> Result<Progress, CallError> {
    let bound = Bound::database(call)?;
    let target = bound.on.region(to);
    let at = sim.ask(now, Door::rds(target, "DescribeGlobalClusters"))?;
    let aurora = sim.aurora(&bound)?;
    if let Some(one) = aurora.in_progress(at) {
        let (what, note) = match (one.cancelled_at, one.how) {
            (Some(cancelled_at), _) if cancelled_at <= at => ("cancelling", ""),
            (_, How::Switchover) => ("switching-over", ""),
            (_, How::Failover) => ("failing-over", ", data loss allowed"),
        };
        let saw = [what, " from ", one.from.as_str(), " to ", one.to.as_str(), note].concat();
        // A running operation is ours only if all three say so (facts §1.4).
        return Ok(if one.to == *target && one.how == how {
            Progress::in_progress(saw)
        } else {
            Progress::Foreign { saw }
        });
    }
    if aurora.writer(at) != target {
        let before = json!({ "writer": aurora.arn(aurora.writer(at)) });
        let targets = vec![aurora.arn(target).to_owned()];
        return Ok(Progress::NotStarted { before, targets });
    }
    if !sim.regions.runs(target, at) {
        return Ok(Progress::in_progress("promoted; no instance accepts writes yet"));
    }
    let (loss, measured_by) = measured(aurora, at);
    let asked_at = call.aim.as_ref().map_or(call.started_at, |aim| aim.at);
    let mut done = Done::with([
        ("writer", json!(aurora.arn(target))),
        ("took", json!(Span::between(asked_at, now))),
        ("data_loss", json!(loss)),
    ]);
    if how == How::Failover {
        done.outputs.insert("measured_by".to_owned(), Value::String(measured_by));
    }
    Ok(Progress::Done(done))
}

/// The loss of the last promotion, as far as it can be told from the surviving side.
fn measured(aurora: &Aurora, at: Timestamp) -> (Loss, String) {
    let Some(one) = aurora.last(at).filter(|one| one.how == How::Failover) else {
        let by = "a switchover waits for the replica".to_owned();
        return (Loss::AtMost(Span::default()), by);
    };
    let second = one.data_from.as_second().div_euclid(CANARY_EVERY) * CANARY_EVERY;
    let canary = Timestamp::from_second(second).unwrap_or(one.data_from);
    // Events 0390 and 0391 tell whether the fence took hold (facts §1.7).
    let Some(fenced_at) = one.fenced_at.filter(|fenced_at| *fenced_at <= at) else {
        let by = format!(
            "newest replicated canary {canary}; the write fence timed out (RDS-EVENT-0391), so \
             the old side in {} may still take writes",
            one.from
        );
        return (Loss::Unknown, by);
    };
    let by = format!("newest replicated canary {canary}; write fence {fenced_at} (RDS-EVENT-0390)");
    (Loss::AtMost(Span::between(canary, fenced_at)), by)
}

pub(super) fn begin_switchover(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    to: Role,
) -> Result<Answer, CallError> {
    let bound = Bound::database(call)?;
    let target = bound.on.region(to).clone();
    // Asked for in the region of the present writer (facts §1.1).
    let source = bound.on.application.other(&target).unwrap_or(bound.active);
    sim.tell(now, Door::rds(source, "SwitchoverGlobalCluster"), |sim| {
        if let Some(busy) = not_promotable(sim, sim.aurora(&bound)?, &target, now, How::Switchover)
        {
            return Ok(busy);
        }
        let dice = sim.dice;
        sim.aurora_mut(&bound)?.switch_over(dice, Some(call.token.as_str()), &target, now);
        sim.took_effect(now, call, "SwitchoverGlobalCluster", &target);
        Ok(Answer::Accepted)
    })
}

pub(super) fn begin_failover(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    to: Role,
) -> Result<Answer, CallError> {
    let bound = Bound::database(call)?;
    let target = bound.on.region(to).clone();
    // Asked for in the region of the target (facts §1.1).
    sim.tell(now, Door::rds(&target, "FailoverGlobalCluster"), |sim| {
        if let Some(busy) = not_promotable(sim, sim.aurora(&bound)?, &target, now, How::Failover) {
            return Ok(busy);
        }
        let token = Some(call.token.as_str());
        sim.fail_over(&bound, token, &target, now)?;
        sim.took_effect(now, call, "FailoverGlobalCluster", &target);
        Ok(Answer::Accepted)
    })
}

/// Why the service does not take a promotion now. Answered as `InvalidGlobalClusterStateFault`,
/// which a caller cannot tell from "it is ours already": it looks again.
fn not_promotable(
    sim: &Sim,
    aurora: &Aurora,
    to: &Region,
    now: Timestamp,
    how: How,
) -> Option<Answer> {
    let because = if let Some(one) = aurora.busy(now) {
        format!("a promotion to {} is in progress", one.to)
    } else if aurora.writer(now) == to {
        format!("{} is the primary", aurora.arn(to))
    } else if !sim.regions.runs(to, now) {
        format!("{} has no available instance", aurora.arn(to))
    } else if how == How::Switchover
        && !(sim.regions.is_well(to, now)
            && sim.regions.is_well(aurora.opposite(to), now)
            && aurora.is_synced(sim.dice, &sim.regions, to, now))
    {
        "a switchover needs all clusters healthy and in sync".to_owned()
    } else {
        return None;
    };
    Some(Answer::Busy { reason: format!("InvalidGlobalClusterStateFault: {because}") })
}

pub(super) fn observe_in_region(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &FailoverInRegion,
) -> Result<Progress, CallError> {
    let bound = Bound::database(call)?;
    let region = bound.on.region(action.at);
    let at = sim.ask(now, Door::rds(region, "DescribeDBClusters"))?;
    let aurora = sim.aurora(&bound)?;
    let underway = |turn: &super::aurora::Turn| turn.asked_at <= at && at < turn.done_at;
    if aurora.turns.iter().any(|turn| turn.region == *region && underway(turn)) {
        return Ok(Progress::in_progress("failing-over"));
    }
    let writer = format!("{}-{}", cluster_name(aurora.arn(region)), aurora.instance(region, at));
    let before = call.aim.as_ref().and_then(|aim| aim.before.get("writer"));
    if before.is_some_and(|before| *before != json!(writer)) {
        let asked_at = call.aim.as_ref().map_or(call.started_at, |aim| aim.at);
        return Ok(Progress::Done(Done::with([
            ("writer", json!(writer)),
            ("took", json!(Span::between(asked_at, now))),
        ])));
    }
    let targets = vec![aurora.arn(region).to_owned()];
    Ok(Progress::NotStarted { before: json!({ "writer": writer }), targets })
}

pub(super) fn begin_in_region(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &FailoverInRegion,
) -> Result<Answer, CallError> {
    let bound = Bound::database(call)?;
    let region = bound.on.region(action.at).clone();
    sim.tell(now, Door::rds(&region, "FailoverDBCluster"), |sim| {
        let takes = sim.dice.secs("turn", call.token.as_str(), 15..=35);
        let aurora = sim.aurora_mut(&bound)?;
        let underway = |turn: &super::aurora::Turn| now < turn.done_at;
        if aurora.turns.iter().any(|turn| turn.region == region && underway(turn)) {
            let reason = "InvalidDBClusterStateFault: failing-over".to_owned();
            return Ok(Answer::Busy { reason });
        }
        // A second call does it a second time (facts §8): back to the first instance.
        let instance = 3 - aurora.instance(&region, now);
        let done_at = now + takes;
        let region_of_turn = region.clone();
        aurora.turns.push(super::aurora::Turn {
            region: region_of_turn,
            asked_at: now,
            done_at,
            instance,
        });
        sim.took_effect(now, call, "FailoverDBCluster", &region);
        Ok(Answer::Accepted)
    })
}

fn cluster_name(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}
