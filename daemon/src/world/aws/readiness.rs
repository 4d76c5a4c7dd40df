//! Whether a standby could take over now, and what that would lose (facts §1.2, §1.3).

use std::fmt::Write as _;

use aws_sdk_rds::types::{DbCluster, GlobalCluster};
use jiff::Timestamp;
use muster_runbooks::{
    action::{
        On,
        check::{CheckReadiness, CheckReplication, PredictLoss},
    },
    application::Database,
    value::{Loss, Span},
};
use muster_state::call::{Call, CallError, Done, Progress};
use serde_json::json;

use super::{
    cluster_in, database, global, instance,
    lag::{self, Known},
};
use crate::world::{
    canary::Sample,
    real::{Real, on},
    version::{self, Path},
};

/// Checks that a planned switchover is possible: both sides are asked.
pub async fn observe_readiness(
    real: &Real,
    call: &Call,
    action: &CheckReadiness,
) -> Result<Progress, CallError> {
    let (on, database) = (on(call)?, database(call)?);
    let (active, standby) = (real.aws.side(on.active), real.aws.side(on.standby));
    let old = cluster_in(call, database, on.active)?;
    let new = cluster_in(call, database, on.standby)?;
    let (old_desk, new_desk) = (real.desk(&active, call), real.desk(&standby, call));
    let (global, old_seen, new_seen, instances) = futures::try_join!(
        global::describe(old_desk, &database.global_cluster),
        instance::cluster(old_desk, old),
        instance::cluster(new_desk, new),
        instance::any_available(new_desk, new),
    )?;
    let known = lag::known(&standby, call, new, call.asked_at, call.asked_at).await?;
    let Some(global) = global else {
        let reason = format!("there is no global cluster `{}`", database.global_cluster);
        return Ok(Progress::Refused { reason });
    };
    let sides = Sides {
        writer: global::writer(&global) == Some(old),
        old: old_seen.as_ref(),
        new: new_seen.as_ref(),
        has_instance: instances,
        connected: is_connected(&global, new),
    };
    Ok(ready(&sides, &known, action.lag_max))
}

/// Predicts the loss of a failover from the standby's side alone.
pub async fn observe_prediction(
    real: &Real,
    call: &Call,
    _action: &PredictLoss,
) -> Result<Progress, CallError> {
    let (on, database) = (on(call)?, database(call)?);
    let standby = real.aws.side(on.standby);
    let desk = real.desk(&standby, call);
    let new = cluster_in(call, database, on.standby)?;
    let global = global::describe(desk, &database.global_cluster).await?;
    let seen = instance::cluster(desk, new).await?;
    // Rows that were seen to arrive are better evidence than a metric, and nobody waits for them.
    let known = match measured(real, &on, database, call.asked_at) {
        Some(known) if known.loss != Loss::Unknown => known,
        Some(_) | None => lag::known(&standby, call, new, call.asked_at, call.asked_at).await?,
    };
    // The writer's own version cannot be asked of a dead region; the global cluster keeps it.
    let versions = global.as_ref().zip(seen.as_ref()).map(|(global, seen)| {
        let of = global.engine_version().or(seen.engine_version()).unwrap_or_default();
        version::managed(seen.engine().unwrap_or_default(), of, seen.engine_version().unwrap_or(of))
    });
    let path = match versions {
        Some(Some(true)) => Path::Failover,
        Some(Some(false) | None) | None => Path::Detach,
    };
    Ok(Progress::Done(Done::with([
        ("data_loss", json!(known.loss)),
        ("predicted_by", json!(known.by)),
        ("path", json!(path)),
    ])))
}

/// Measures the lag, and fails when it is over the limit or unknown.
pub async fn observe_replication(
    real: &Real,
    call: &Call,
    action: &CheckReplication,
) -> Result<Progress, CallError> {
    let (on, database) = (on(call)?, database(call)?);
    let standby = real.aws.side(on.standby);
    let new = cluster_in(call, database, on.standby)?;
    let desk = real.desk(&standby, call);
    let global = global::describe(desk, &database.global_cluster).await?;
    let known = lag::known(&standby, call, new, call.asked_at, call.asked_at).await?;
    if !global.is_some_and(|global| is_connected(&global, new)) {
        return Ok(Progress::Failed { reason: format!("`{new}` is not connected to its writer") });
    }
    let measured = measured(real, &on, database, call.asked_at);
    Ok(replicated(&known, measured.as_ref(), action.lag_max))
}

/// What the canary between the two sides says; `None` where none is declared.
fn measured(real: &Real, on: &On<'_>, database: &Database, now: Timestamp) -> Option<Known> {
    database.canary.as_ref()?;
    let sample = real.canaries.of(&on.application.name, &database.name);
    let sample = sample.unwrap_or_else(|| Sample::unknown("it has not been read yet"));
    let (loss, by) = if is_between(&sample, on) {
        (sample.loss(now), sample.words(now))
    } else {
        (Loss::Unknown, "canary: it is written elsewhere".to_owned())
    };
    Some(Known { loss, lag: None, by })
}

/// The instant up to which the canary shows that the standby holds everything.
pub(super) fn held_at(
    real: &Real,
    on: &On<'_>,
    database: &Database,
    now: Timestamp,
) -> Option<Timestamp> {
    let sample = real.canaries.of(&on.application.name, &database.name)?;
    sample.held_at(now).filter(|_| is_between(&sample, on))
}

fn is_between(sample: &Sample, on: &On<'_>) -> bool {
    sample.from.as_ref().is_none_or(|from| from == on.active)
        && sample.to.as_ref().is_none_or(|to| to == on.standby)
}

/// Both are reported. What is known must be within the limit, and one of them must be known.
fn replicated(known: &Known, measured: Option<&Known>, lag_max: Span) -> Progress {
    let canary_lag = measured.map_or(Loss::Unknown, |measured| measured.loss);
    let all = || std::iter::once(known).chain(measured);
    // A sample is a minute old at best: its age says what could be lost, and not how far behind it is.
    let is_over = |one: &&Known| !one.loss.within(lag_max) && !one.follows(lag_max);
    let mut over = all().filter(|one| one.loss != Loss::Unknown).filter(is_over);
    let none_known = all().all(|one| one.loss == Loss::Unknown);
    if let Some(one) = over.next().or(none_known.then_some(known)) {
        let others = all().filter(|other| other.by != one.by);
        let others: Vec<String> =
            others.map(|other| format!("; {}: {}", other.loss, other.by)).collect();
        let reason =
            format!("the lag is {}, over {lag_max} ({}{})", one.loss, one.by, others.concat());
        return Progress::Failed { reason };
    }
    // A canary that was asked for and says nothing is worth a word.
    let silent = measured.filter(|measured| measured.loss == Loss::Unknown);
    Progress::Done(Done {
        notes: silent.map(|measured| measured.by.clone()).into_iter().collect(),
        ..Done::with([("lag", json!(known.loss)), ("canary_lag", json!(canary_lag))])
    })
}

/// `pending-resync` is a member that is being rebuilt (facts §1.3). Emulators and old versions say
/// nothing, which is no trouble seen.
fn is_connected(global: &GlobalCluster, arn: &str) -> bool {
    let members = global.global_cluster_members();
    members.iter().any(|member| {
        let status = member.synchronization_status().map(|status| status.as_str());
        member.db_cluster_arn() == Some(arn) && status.is_none_or(|status| status == "connected")
    })
}

/// What both sides showed.
struct Sides<'a> {
    /// The active side's cluster is the writer.
    writer: bool,
    old: Option<&'a DbCluster>,
    new: Option<&'a DbCluster>,
    /// The standby has an available instance.
    has_instance: bool,
    connected: bool,
}

/// What passes by itself, such as a backup or a lag, is waited for; what does not is a failure.
fn ready(sides: &Sides<'_>, known: &Known, lag_max: Span) -> Progress {
    let failed = |reason: &str| Progress::Failed { reason: reason.to_owned() };
    let (Some(old), Some(new)) = (sides.old, sides.new) else {
        return failed("one of the two clusters does not exist");
    };
    if !sides.writer {
        return Progress::Foreign { saw: "the active side's cluster is not the writer".to_owned() };
    }
    let of = |cluster: &DbCluster| cluster.engine_version().unwrap_or_default().to_owned();
    let engine = old.engine().unwrap_or_default();
    match version::managed(engine, &of(old), &of(new)) {
        Some(true) => {}
        Some(false) => {
            return failed(&format!(
                "versions {} and {} leave only the path `{}`",
                of(old),
                of(new),
                Path::Detach
            ));
        }
        None => {
            return failed(&format!("versions {} and {} leave no path open", of(old), of(new)));
        }
    }
    // A headless secondary needs an instance first, and making one in a failover may not work
    // (facts §0.7, §1.2).
    if !sides.has_instance {
        return failed("the standby has no available instance");
    }
    let mut waits = String::new();
    for (name, cluster) in [("active", old), ("standby", new)] {
        let status = cluster.status().unwrap_or("without a status");
        if status != "available" {
            let _ = write!(waits, "the {name} cluster is {status}; ");
        }
    }
    if !sides.connected {
        waits.push_str("the standby is not connected; ");
    }
    if !known.follows(lag_max) {
        let lag = known.lag.map_or("unknown".to_owned(), |lag| lag.to_string());
        let _ = write!(waits, "the lag is {lag}, over {lag_max} ({})", known.by);
    }
    if !waits.is_empty() {
        return Progress::in_progress(waits.trim_end_matches("; "));
    }
    Progress::Done(Done::with([
        ("data_loss", json!(known.loss)),
        ("path", json!(Path::Switchover)),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(status: &str, version: &str) -> DbCluster {
        DbCluster::builder()
            .engine("aurora-postgresql")
            .status(status)
            .engine_version(version)
            .build()
    }

    /// Goal: nothing that is unknown or unwell is called ready.
    /// Method: one thing wrong at a time.
    #[test]
    fn what_is_ready() {
        let good = cluster("available", "16.4");
        let (busy, newer) = (cluster("backing-up", "16.4"), cluster("available", "16.6"));
        let patched = cluster("available", "16.4.2");
        // The bound of a sample that is as young as they come.
        let loss = Loss::AtMost(Span::from_secs(61));
        let fresh = Known { loss, lag: Some(Span::from_secs(1)), by: "x".to_owned() };
        let behind = Known { lag: Some(Span::from_secs(31)), ..fresh.clone() };
        let old = Known { lag: None, ..fresh.clone() };
        let unknown = Known { loss: Loss::Unknown, lag: None, by: "x".to_owned() };
        let sides =
            |old, new| Sides { writer: true, old, new, has_instance: true, connected: true };
        let both = || sides(Some(&good), Some(&good));
        let table = [
            (both(), &fresh, "done"),
            (both(), &behind, "the lag is 31s, over 30s"),
            (both(), &old, "the lag is unknown"),
            (both(), &unknown, "the lag is unknown"),
            (sides(Some(&busy), Some(&good)), &fresh, "the active cluster is backing-up"),
            (sides(Some(&good), Some(&newer)), &fresh, "failed: versions 16.4 and 16.6 leave no"),
            (sides(Some(&patched), Some(&good)), &fresh, "leave only the path `detach`"),
            (sides(Some(&good), None), &fresh, "failed: one of the two"),
            (Sides { writer: false, ..both() }, &fresh, "not ours"),
            (Sides { has_instance: false, ..both() }, &fresh, "failed: the standby has no"),
            (Sides { connected: false, ..both() }, &fresh, "not connected"),
        ];
        for (sides, known, meant) in table {
            let said = ready(&sides, known, Span::from_secs(30)).to_string();
            assert!(said.contains(meant), "{said}, not {meant}");
        }
    }

    #[test]
    fn an_unknown_lag_fails_the_check() {
        let limit = Span::from_mins(5);
        let known = |loss| Known { loss, lag: None, by: String::new() };
        let unknown = known(Loss::Unknown);
        let over = known(Loss::AtMost(Span::from_mins(6)));
        let under = known(Loss::AtMost(Span::from_mins(4)));
        let fresh = Known { lag: Some(Span::from_secs(2)), ..over.clone() };
        for (metric, canary, is_well) in [
            (&fresh, None, true),
            (&fresh, Some(&over), false),
            (&unknown, None, false),
            (&over, None, false),
            (&under, None, true),
            (&unknown, Some(&unknown), false),
            (&unknown, Some(&under), true),
            (&under, Some(&unknown), true),
            (&under, Some(&over), false),
            (&over, Some(&under), false),
        ] {
            let said = replicated(metric, canary, limit);
            assert_eq!(matches!(said, Progress::Done(_)), is_well, "{metric:?} {canary:?}: {said}");
        }
    }
}
