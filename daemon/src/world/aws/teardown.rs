//! What a restore test made is taken away: by name and tags, each read again before its deletion, and by
//! nothing that a step remembered. A restore whose answer was lost is found like any other.

use std::sync::Arc;

use aws_sdk_rds::types::{DbCluster, DbInstance};
use muster_runbooks::{
    action::restore::{RemoveCluster, RemoveInstance},
    name::Region,
};
use muster_state::{
    call::{Answer, Call, CallError, Done, Progress},
    catalog::Finding,
};
use serde_json::json;

use super::{
    Side, error, instant,
    poller::whole,
    restore::{mark_of, mark_of_instance, see_cluster, see_instance},
};
use crate::world::{
    drill::{Kind, Mark, SETTLING, is_settled},
    real::{Real, Verbs, on, verbs},
};

/// The verbs of `remove-instance`.
pub(in crate::world) fn instances<'a>(
    real: &'a Real,
    call: &'a Call,
    with: &'a RemoveInstance,
) -> Verbs<'a> {
    verbs(call, observe_instances(real, call, with), begin_instances(real, call, with))
}

/// What is left of the instances that the run started.
async fn observe_instances(
    real: &Real,
    call: &Call,
    action: &RemoveInstance,
) -> Result<Progress, CallError> {
    let side = real.aws.side(on(call)?.region(action.at));
    let all = all_instances(&side).await?;
    let seen = all.iter().map(|one| (mark_of_instance(one), one.db_instance_status()));
    Ok(left(call, seen))
}

/// Deletes them, one by one, without a last snapshot: the recovery point they came from is still there.
async fn begin_instances(
    real: &Real,
    call: &Call,
    action: &RemoveInstance,
) -> Result<Answer, CallError> {
    let side = real.aws.side(on(call)?.region(action.at));
    let mut busy = None;
    for one in all_instances(&side).await?.iter() {
        if !mark_of_instance(one).is_of(call) || one.db_instance_status() == Some("deleting") {
            continue;
        }
        let name = one.db_instance_identifier().unwrap_or_default();
        let Some(now) = see_instance(&side, name).await? else { continue };
        // Once more, at the moment of the call (facts §10, October 2025).
        if !mark_of_instance(&now).is_of(call) {
            continue;
        }
        let sent = side
            .act
            .rds
            .delete_db_instance()
            .db_instance_identifier(name)
            .skip_final_snapshot(true)
            .delete_automated_backups(true)
            .send()
            .await;
        let result = sent.map(drop).map_err(error::trouble);
        busy = gone(&side, "DeleteDBInstance", result)?.or(busy);
    }
    Ok(busy.unwrap_or(Answer::Accepted))
}

/// The verbs of `remove-cluster`.
pub(in crate::world) fn clusters<'a>(
    real: &'a Real,
    call: &'a Call,
    with: &'a RemoveCluster,
) -> Verbs<'a> {
    verbs(call, observe_clusters(real, call, with), begin_clusters(real, call, with))
}

/// What is left of the clusters that the run restored.
async fn observe_clusters(
    real: &Real,
    call: &Call,
    action: &RemoveCluster,
) -> Result<Progress, CallError> {
    let side = real.aws.side(on(call)?.region(action.at));
    let all = all_clusters(&side).await?;
    Ok(left(call, all.iter().map(|one| (mark_of(one), one.status()))))
}

/// Deletes them, one by one. AWS refuses while an instance is left in it, which is waited for.
async fn begin_clusters(
    real: &Real,
    call: &Call,
    action: &RemoveCluster,
) -> Result<Answer, CallError> {
    let side = real.aws.side(on(call)?.region(action.at));
    let mut busy = None;
    for one in all_clusters(&side).await?.iter() {
        if !mark_of(one).is_of(call) || one.status() == Some("deleting") {
            continue;
        }
        let name = one.db_cluster_identifier().unwrap_or_default();
        let Some(now) = see_cluster(&side, name).await? else { continue };
        if !mark_of(&now).is_of(call) {
            continue;
        }
        let sent = side
            .act
            .rds
            .delete_db_cluster()
            .db_cluster_identifier(name)
            .skip_final_snapshot(true)
            .delete_automated_backups(true)
            .send()
            .await;
        let result = sent.map(drop).map_err(error::trouble);
        busy = gone(&side, "DeleteDBCluster", result)?.or(busy);
    }
    Ok(busy.unwrap_or(Answer::Accepted))
}

/// That it is not there is success; that it is busy is no failure.
fn gone(
    side: &Side,
    operation: &'static str,
    result: Result<(), error::Trouble>,
) -> Result<Option<Answer>, CallError> {
    match result {
        Ok(()) => Ok(None),
        Err(why) if why.class == error::Class::Missing => Ok(None),
        Err(why) => why.begun(side.name("rds"), operation).map(Some),
    }
}

/// What of the run is left among everything that a complete list shows.
fn left<'a>(call: &Call, seen: impl Iterator<Item = (Mark, Option<&'a str>)>) -> Progress {
    let (mut own, mut going, mut strange) = (Vec::new(), Vec::new(), Vec::new());
    for (mark, status) in seen {
        if mark.is_of(call) {
            let list = if status == Some("deleting") { &mut going } else { &mut own };
            list.push(mark.name);
        } else if mark.is_strange_to(call) {
            strange.push(mark.name);
        }
    }
    if !own.is_empty() {
        return Progress::NotStarted { before: json!(own), targets: own };
    }
    if !going.is_empty() {
        return Progress::in_progress(format!("`{}` is deleting", going.join("`, `")));
    }
    if !strange.is_empty() {
        return Progress::Refused {
            reason: format!(
                "`{}` is called as if this run owned it and does not bear its tags: it is left alone",
                strange.join("`, `")
            ),
        };
    }
    if is_settled(call) {
        Progress::Done(Done::with([("gone_at", json!(call.asked_at))]))
    } else {
        Progress::in_progress(SETTLING)
    }
}

/// What restore tests of the application left behind, in both regions. One that does not answer leaves
/// the question open.
pub async fn observe_leaks(real: &Real, call: &Call) -> Result<Progress, CallError> {
    let on = on(call)?;
    let (one, other) =
        futures::try_join!(leaks(real, call, on.active), leaks(real, call, on.standby))?;
    let findings: Vec<Finding> = one.into_iter().chain(other).collect();
    let notes = findings.iter().map(|finding| finding.message.clone()).collect();
    let count = ("leaks", json!(findings.len()));
    Ok(Progress::Done(Done { findings, notes, ..Done::with([count]) }))
}

async fn leaks(real: &Real, call: &Call, region: &Region) -> Result<Vec<Finding>, CallError> {
    let side = real.aws.side(region);
    let mut found = Vec::new();
    for one in all_clusters(&side).await?.iter() {
        let made_at = one.cluster_create_time().and_then(instant);
        let is_going = one.status() == Some("deleting");
        let leak = mark_of(one).leak(call, Kind::Cluster, region, made_at);
        found.extend(leak.filter(|_| !is_going));
    }
    for one in all_instances(&side).await?.iter() {
        let made_at = one.instance_create_time().and_then(instant);
        let is_going = one.db_instance_status() == Some("deleting");
        let leak = mark_of_instance(one).leak(call, Kind::Instance, region, made_at);
        found.extend(leak.filter(|_| !is_going));
    }
    Ok(found)
}

/// Every cluster of a region, read for this alone.
async fn all_clusters(side: &Side) -> Result<Arc<[DbCluster]>, CallError> {
    let pages = side.look.rds.describe_db_clusters().into_paginator().send();
    whole(side, "rds", "DescribeDBClusters", pages, |page| page.db_clusters).await
}

async fn all_instances(side: &Side) -> Result<Arc<[DbInstance]>, CallError> {
    let pages = side.look.rds.describe_db_instances().into_paginator().send();
    whole(side, "rds", "DescribeDBInstances", pages, |page| page.db_instances).await
}
