//! Snapshots of caches: taken where the cache is written, and copied nowhere (facts §3).

use super::{Arn, Side, beside::Beside, error, instant, snapshot as snapshots};
use crate::world::real::{Real, Verbs, on, verbs};
use aws_sdk_elasticache::types::{Snapshot, Tag};
use jiff::Timestamp;
use muster_runbooks::{
    action::cache::SnapshotCache,
    application::{Cache, Component},
    name::Region,
};
use muster_state::{
    call::{Answer, Call, CallError, Progress},
    catalog::RecoveryPoint,
};

/// Takes a snapshot of a cache.
pub(in crate::world) fn snapshot<'a>(
    real: &'a Real,
    call: &'a Call,
    action: &'a SnapshotCache,
) -> Verbs<'a> {
    verbs(call, observe(real, call, action), begin(real, call, action))
}

/// Looks for the snapshot that bears the call's token.
async fn observe(real: &Real, call: &Call, action: &SnapshotCache) -> Result<Progress, CallError> {
    let region = on(call)?.region(action.at);
    let (side, clients) = (real.aws.side(region), real.aws.beside(region));
    let Some(found) = named(&side, &clients, call.token.as_str()).await? else {
        return Ok(Progress::not_started());
    };
    let Some(arn) = found.arn() else {
        return Ok(Progress::in_progress("it is not described completely yet"));
    };
    let is_ours = is_ours(&side, &clients, call, arn).await?;
    Ok(if is_ours { seen(call, &found) } else { snapshots::foreign(call) })
}

/// Takes the snapshot. Its name makes this repeatable.
async fn begin(real: &Real, call: &Call, action: &SnapshotCache) -> Result<Answer, CallError> {
    let region = on(call)?.region(action.at);
    let group = group(call, region)?;
    let (side, clients) = (real.aws.side(region), real.aws.beside(region));
    let tags = snapshots::marks(call, real.epoch(), None, None, None);
    let tags = tags.into_iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
    let sent = clients
        .caches_act
        .create_snapshot()
        .replication_group_id(group)
        .snapshot_name(call.token.as_str())
        .set_tags(Some(tags.collect()))
        .send()
        .await;
    match sent {
        Ok(_) => Ok(Answer::Accepted),
        Err(why) => error::trouble(why).begun_named(side.name("elasticache"), "CreateSnapshot"),
    }
}

/// The replication group of the cache that a call works on.
pub(super) fn group<'a>(call: &'a Call, region: &Region) -> Result<&'a str, CallError> {
    let cache = cache(call)?;
    let found = cache.replication_groups.get(region.as_str()).map(String::as_str);
    found.ok_or_else(|| {
        error::unfit(call, &format!("`{}` has no replication group in {region}", cache.name))
    })
}

fn cache(call: &Call) -> Result<&Cache, CallError> {
    let cache = call.component.as_deref().and_then(Component::cache);
    cache.ok_or_else(|| error::unfit(call, "the step names no cache"))
}

async fn named(side: &Side, clients: &Beside, name: &str) -> Result<Option<Snapshot>, CallError> {
    match clients.caches.describe_snapshots().snapshot_name(name).send().await {
        Ok(answer) => Ok(answer.snapshots.unwrap_or_default().into_iter().next()),
        Err(why) => match error::trouble(why) {
            why if why.class == error::Class::Missing => Ok(None),
            why => Err(why.at(side.name("elasticache"), "DescribeSnapshots")),
        },
    }
}

/// A description of a snapshot says nothing about its tags.
async fn is_ours(side: &Side, clients: &Beside, call: &Call, arn: &str) -> Result<bool, CallError> {
    let sent = clients.caches.list_tags_for_resource().resource_name(arn).send().await;
    let answer = sent
        .map_err(|why| error::trouble(why).at(side.name("elasticache"), "ListTagsForResource"))?;
    let says = |name: &str, value: &str| {
        answer.tag_list().iter().any(|tag| tag.key() == Some(name) && tag.value() == Some(value))
    };
    Ok(says(snapshots::RUN, call.run.as_str()) && says(snapshots::STEP, call.step.as_str()))
}

fn seen(call: &Call, found: &Snapshot) -> Progress {
    let status = found.snapshot_status().unwrap_or("without a status");
    match status {
        "available" => match point(call, found) {
            Some(point) => snapshots::done(point),
            None => Progress::in_progress("available, and not described completely yet"),
        },
        // For lack of reserved memory, among others (facts §3).
        "failed" | "deleting" | "deleted" => {
            Progress::Failed { reason: format!("`{}` is {status}", call.token) }
        }
        // `creating`, and every status that AWS may add.
        _ => Progress::in_progress(format!("`{}` is {status}", call.token)),
    }
}

fn point(call: &Call, found: &Snapshot) -> Option<RecoveryPoint> {
    let id = found.arn()?;
    let arn = Arn::parse(id)?;
    Some(RecoveryPoint {
        key: found.kms_key_id().map(str::to_owned),
        source_resource: found.replication_group_id().map(str::to_owned),
        ..RecoveryPoint::new(
            id.to_owned(),
            call.component.as_ref()?.name().clone(),
            arn.region,
            arn.account,
            data_time(found)?,
            call.run.clone(),
        )
    })
}

/// Each node is saved at its own instant: the oldest says from when all of it is. One node that does
/// not say makes the whole unknown.
pub(super) fn data_time(found: &Snapshot) -> Option<Timestamp> {
    let times = found.node_snapshots().iter();
    let times: Option<Vec<_>> =
        times.map(|node| node.snapshot_create_time().and_then(instant)).collect();
    times?.into_iter().min()
}

#[cfg(test)]
mod tests {
    use aws_sdk_elasticache::{primitives::DateTime, types::NodeSnapshot};
    use muster_state::{call::Done, catalog::PointChange};
    use serde_json::{Value, json};

    use super::*;
    use crate::world::aws::fixture::{at, call};

    fn snapshot(status: &str, nodes: &[Option<i64>]) -> Snapshot {
        let nodes = nodes.iter().map(|secs| {
            NodeSnapshot::builder().set_snapshot_create_time(secs.map(DateTime::from_secs)).build()
        });
        Snapshot::builder()
            .arn("arn:aws:elasticache:us-east-1:123456789012:snapshot:muster-r00000000001-work-1")
            .replication_group_id("shop")
            .snapshot_status(status)
            .set_node_snapshots(Some(nodes.collect()))
            .build()
    }

    /// Goal: a snapshot of several nodes is as old as the oldest of them, and no node without a time
    /// is taken for a young one.
    /// Method: every status, and nodes that do and do not say.
    #[test]
    fn what_a_snapshot_means() {
        let mut call = call("snapshot-cache", json!({ "at": "active" }));
        let cache = json!({ "name": "sessions", "replication_groups": { "us-east-1": "shop" } });
        let cache: Cache = serde_json::from_value(cache).unwrap();
        call.component = Some(std::sync::Arc::new(Component::Cache(cache)));
        let early = at("2026-03-01T02:00:00Z");
        let (one, two) = (early.as_second(), early.as_second() + 60);
        let table = [
            (snapshot("creating", &[]), "is creating"),
            (snapshot("something-new", &[]), "is something-new"),
            (snapshot("failed", &[]), "failed: "),
            (snapshot("deleting", &[Some(one)]), "failed: "),
            (snapshot("available", &[]), "not described completely"),
            (snapshot("available", &[Some(two), None]), "not described completely"),
            (snapshot("available", &[Some(two), Some(one)]), "done"),
        ];
        for (found, meant) in table {
            let progress = seen(&call, &found);
            assert!(progress.to_string().contains(meant), "{progress}, not {meant}");
            if let Progress::Done(Done { outputs, points, .. }) = progress {
                assert_eq!(outputs["data_time"], Value::from(early.to_string()));
                let [PointChange::Recorded(point)] = &points[..] else { panic!("{points:?}") };
                assert_eq!((point.data_time, point.component.as_str()), (early, "sessions"));
                assert_eq!((point.region.as_str(), &*point.account), ("us-east-1", "123456789012"));
            }
        }
    }
}
