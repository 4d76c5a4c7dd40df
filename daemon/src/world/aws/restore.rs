//! A recovery point brought back as a drill-owned cluster with an instance (facts §2, restore).

use aws_sdk_rds::types::{DbCluster, DbInstance, Tag};
use jiff::Timestamp;
use muster_runbooks::{
    action::{
        Role,
        restore::{
            ChoosePoint, Preference, RestoreCluster, RotatePassword, StartInstance, declared,
        },
    },
    application::RestoreTest,
    value::Span,
};
use muster_state::{
    call::{Answer, Call, CallError, Done, Progress},
    catalog::choose,
};
use serde_json::json;

use super::{Side, database, error, expiry, poller, snapshot};
use crate::world::{
    drill::{Mark, POINT},
    real::{Real, Verbs, on, verbs},
};

/// Statuses that a cluster does not leave by itself (facts §1.4).
pub(super) const CLUSTER_LOST: &[&str] = &[
    "failed",
    "deleting",
    "deleted",
    "incompatible-restore",
    "incompatible-parameters",
    "migration-failed",
    "cloning-failed",
    "inaccessible-encryption-credentials",
];

/// The same for an instance.
pub(super) const INSTANCE_LOST: &[&str] = &[
    "failed",
    "deleting",
    "deleted",
    "incompatible-restore",
    "incompatible-parameters",
    "incompatible-network",
    "restore-error",
    "insufficient-capacity",
    "storage-full",
    "inaccessible-encryption-credentials",
];

/// Chooses among the points of the catalogue that are really there and certainly ours.
pub async fn observe_choice(
    real: &Real,
    call: &Call,
    action: &ChoosePoint,
) -> Result<Progress, CallError> {
    let region = on(call)?.region(action.at);
    let side = real.aws.side(region);
    let listed = real.poller.manual(&side, call.asked_at, call.asked_at).await?;
    let available = |point: &muster_state::catalog::RecoveryPoint| {
        let mut all = listed.snapshots.iter();
        all.any(|one| {
            one.db_cluster_snapshot_arn() == Some(point.id.as_str()) && expiry::is_it(point, one)
        })
    };
    let name = &database(call)?.name;
    let (asked, prefer) = (action.point.as_deref(), action.prefer.unwrap_or(Preference::Unproven));
    Ok(match choose(&call.points, &available, name, region, asked, prefer) {
        Ok(point) => Progress::Done(Done::with([
            ("point", json!(point.id)),
            ("data_time", json!(point.data_time)),
            ("data_loss", json!(Span::between(point.data_time, call.asked_at))),
            (
                "predicted_by",
                json!(format!("the data of `{}` is from {}", point.id, point.data_time)),
            ),
        ])),
        Err(reason) => Progress::Refused { reason },
    })
}

/// The verbs of `restore-cluster`.
pub(in crate::world) fn cluster<'a>(
    real: &'a Real,
    call: &'a Call,
    with: &'a RestoreCluster,
) -> Verbs<'a> {
    verbs(call, observe_cluster(real, call, with), begin_cluster(real, call, with))
}

/// Looks for the cluster that bears the call's token.
async fn observe_cluster(
    real: &Real,
    call: &Call,
    action: &RestoreCluster,
) -> Result<Progress, CallError> {
    let side = real.aws.side(on(call)?.region(action.at));
    let found = see_cluster(&side, call.token.as_str()).await?;
    Ok(restored(call, found.as_ref()))
}

/// Restores the point. What is not passed AWS fills with defaults, the default security group among
/// them, so nothing is left out (facts §2).
async fn begin_cluster(
    real: &Real,
    call: &Call,
    action: &RestoreCluster,
) -> Result<Answer, CallError> {
    let place = place(call, action.at)?;
    let side = real.aws.side(on(call)?.region(action.at));
    let engine = engine_of(real, &side, call, &action.point).await?;
    let mark = Mark::of(call, [(POINT, action.point.clone())]);
    let sent = side
        .act
        .rds
        .restore_db_cluster_from_snapshot()
        .db_cluster_identifier(&mark.name)
        .snapshot_identifier(&action.point)
        .set_engine(engine)
        .set_engine_version(place.engine_version.clone())
        .db_subnet_group_name(&place.subnet_group)
        .set_vpc_security_group_ids(Some(place.security_groups.clone()))
        .deletion_protection(false)
        .set_tags(Some(tags(real, &mark)))
        .send()
        .await;
    match sent {
        Ok(_) => Ok(Answer::Accepted),
        Err(why) => {
            error::trouble(why).begun_named(side.name("rds"), "RestoreDBClusterFromSnapshot")
        }
    }
}

/// The engine of a point that is to be restored; a refusal where the point is not there.
pub(super) async fn engine_of(
    real: &Real,
    side: &Side,
    call: &Call,
    point: &str,
) -> Result<Option<String>, CallError> {
    let since = call.asked_at - poller::CADENCE;
    let listed = real.poller.manual(side, since, call.asked_at).await?;
    match snapshot::named(&listed.snapshots, snapshot::cluster_name(point)) {
        Some(found) => Ok(found.engine().map(str::to_owned)),
        None => Err(error::unfit(call, &format!("`{point}` is not there"))),
    }
}

fn restored(call: &Call, found: Option<&DbCluster>) -> Progress {
    let Some(found) = found else { return Progress::not_started() };
    if !mark_of(found).is_by(call) {
        return stranger(call.token.as_str());
    }
    let status = found.status().unwrap_or("without a status");
    match (status, found.db_cluster_arn()) {
        ("available", Some(arn)) => Progress::Done(Done::with([
            ("cluster", json!(call.token)),
            ("arn", json!(arn)),
            ("began_at", json!(call.started_at)),
        ])),
        (status, _) if CLUSTER_LOST.contains(&status) => {
            Progress::Failed { reason: format!("`{}` is {status}", call.token) }
        }
        (status, _) => Progress::in_progress(format!("`{}` is {status}", call.token)),
    }
}

/// The verbs of `rotate-password`.
pub(in crate::world) fn password<'a>(
    real: &'a Real,
    call: &'a Call,
    with: &'a RotatePassword,
) -> Verbs<'a> {
    verbs(call, observe_password(real, call, with), begin_password(real, call, with))
}

/// Whether AWS keeps a password of its own for the cluster.
async fn observe_password(
    real: &Real,
    call: &Call,
    action: &RotatePassword,
) -> Result<Progress, CallError> {
    let side = real.aws.side(on(call)?.region(action.at));
    let found = see_cluster(&side, &action.cluster).await?;
    Ok(rotated(call, &action.cluster, found.as_ref()))
}

/// Has AWS make one. It never passes through here: only the secret's ARN is known.
async fn begin_password(
    real: &Real,
    call: &Call,
    action: &RotatePassword,
) -> Result<Answer, CallError> {
    let side = real.aws.side(on(call)?.region(action.at));
    own_cluster(&side, call, &action.cluster).await?;
    let sent = side
        .act
        .rds
        .modify_db_cluster()
        .db_cluster_identifier(&action.cluster)
        .manage_master_user_password(true)
        .apply_immediately(true)
        .send()
        .await;
    match sent {
        Ok(_) => Ok(Answer::Accepted),
        Err(why) => error::trouble(why).begun(side.name("rds"), "ModifyDBCluster"),
    }
}

fn rotated(call: &Call, name: &str, found: Option<&DbCluster>) -> Progress {
    let Some(found) = found else {
        return Progress::in_progress(format!("`{name}` cannot be seen"));
    };
    if !mark_of(found).is_of(call) {
        return stranger(name);
    }
    let status = found.status().unwrap_or("without a status");
    let secret = found.master_user_secret();
    let kept = secret.and_then(|secret| Some((secret.secret_arn()?, secret.secret_status()?)));
    match kept {
        Some((arn, "active")) if status == "available" => {
            Progress::Done(Done::with([("secret", json!(arn))]))
        }
        // AWS could not reach the secret or its key: a person has to mend that.
        Some((arn, "impaired")) => Progress::Refused { reason: format!("`{arn}` is impaired") },
        Some((_, state)) => {
            Progress::in_progress(format!("`{name}` is {status}, its secret {state}"))
        }
        None if status == "available" => Progress::not_started(),
        None if CLUSTER_LOST.contains(&status) => {
            Progress::Failed { reason: format!("`{name}` is {status}") }
        }
        None => Progress::in_progress(format!("`{name}` is {status}")),
    }
}

/// The verbs of `start-instance`.
pub(in crate::world) fn instance<'a>(
    real: &'a Real,
    call: &'a Call,
    with: &'a StartInstance,
) -> Verbs<'a> {
    verbs(call, observe_instance(real, call, with), begin_instance(real, call, with))
}

/// Looks for the instance that bears the call's token, and for the address of its cluster.
async fn observe_instance(
    real: &Real,
    call: &Call,
    action: &StartInstance,
) -> Result<Progress, CallError> {
    let side = real.aws.side(on(call)?.region(action.at));
    let Some(found) = see_instance(&side, call.token.as_str()).await? else {
        return Ok(Progress::not_started());
    };
    if let Some(progress) = not_started(call, &found) {
        return Ok(progress);
    }
    let of = see_cluster(&side, &action.cluster).await?;
    Ok(started(call, action.began_at, of.as_ref()))
}

/// Starts it, never reachable from outside, in a cluster that this run restored and in no other.
async fn begin_instance(
    real: &Real,
    call: &Call,
    action: &StartInstance,
) -> Result<Answer, CallError> {
    let place = place(call, action.at)?;
    let side = real.aws.side(on(call)?.region(action.at));
    let of = own_cluster(&side, call, &action.cluster).await?;
    let mark = Mark::of(call, []);
    let sent = side
        .act
        .rds
        .create_db_instance()
        .db_instance_identifier(&mark.name)
        .db_cluster_identifier(&action.cluster)
        .db_instance_class(&place.instance_class)
        .set_engine(of.engine().map(str::to_owned))
        .publicly_accessible(false)
        .set_tags(Some(tags(real, &mark)))
        .send()
        .await;
    match sent {
        Ok(_) => Ok(Answer::Accepted),
        Err(why) => error::trouble(why).begun_named(side.name("rds"), "CreateDBInstance"),
    }
}

/// Where an instance stands; `None` when it is available.
fn not_started(call: &Call, found: &DbInstance) -> Option<Progress> {
    if !mark_of_instance(found).is_by(call) {
        return Some(stranger(call.token.as_str()));
    }
    match found.db_instance_status().unwrap_or("without a status") {
        "available" => None,
        status if INSTANCE_LOST.contains(&status) => {
            Some(Progress::Failed { reason: format!("`{}` is {status}", call.token) })
        }
        status => Some(Progress::in_progress(format!("`{}` is {status}", call.token))),
    }
}

fn started(call: &Call, began_at: Timestamp, of: Option<&DbCluster>) -> Progress {
    let seen = of.and_then(|of| Some((of.status()?, of.endpoint()?, of.port()?)));
    match seen {
        Some(("available", endpoint, port)) => Progress::Done(Done::with([
            ("instance", json!(call.token)),
            ("endpoint", json!(endpoint)),
            ("port", json!(port)),
            ("restore_took", json!(Span::between(began_at, call.asked_at))),
        ])),
        Some((status, ..)) => Progress::in_progress(format!("its cluster is {status}")),
        None => Progress::in_progress("its cluster has no address yet"),
    }
}

/// The place that is declared for restores, or a refusal.
fn place(call: &Call, at: Role) -> Result<&RestoreTest, CallError> {
    let on = on(call)?;
    declared(&on, at).ok_or_else(|| {
        let region = on.region(at);
        error::unfit(call, &format!("no `restore_test` is declared for {region}"))
    })
}

/// A cluster that the call's run restored for its component; anything else is refused.
async fn own_cluster(side: &Side, call: &Call, name: &str) -> Result<DbCluster, CallError> {
    let found = see_cluster(side, name).await?.filter(|found| mark_of(found).is_of(call));
    found.ok_or_else(|| {
        error::unfit(call, &format!("`{name}` does not bear the marks of this run's drill"))
    })
}

fn stranger(name: &str) -> Progress {
    let saw = format!("`{name}` exists and does not bear the marks of this run's drill");
    Progress::Foreign { saw }
}

/// A cluster by its name, as its region sees it now.
pub(super) async fn see_cluster(side: &Side, name: &str) -> Result<Option<DbCluster>, CallError> {
    let sent = side.look.rds.describe_db_clusters().db_cluster_identifier(name).send().await;
    match sent.map_err(error::trouble) {
        Ok(answer) => Ok(answer.db_clusters.unwrap_or_default().into_iter().next()),
        Err(why) if why.class == error::Class::Missing => Ok(None),
        Err(why) => Err(why.at(side.name("rds"), "DescribeDBClusters")),
    }
}

/// An instance by its name, as its region sees it now.
pub(super) async fn see_instance(side: &Side, name: &str) -> Result<Option<DbInstance>, CallError> {
    let sent = side.look.rds.describe_db_instances().db_instance_identifier(name).send().await;
    match sent.map_err(error::trouble) {
        Ok(answer) => Ok(answer.db_instances.unwrap_or_default().into_iter().next()),
        Err(why) if why.class == error::Class::Missing => Ok(None),
        Err(why) => Err(why.at(side.name("rds"), "DescribeDBInstances")),
    }
}

/// The mark of a cluster.
pub(super) fn mark_of(cluster: &DbCluster) -> Mark {
    mark(cluster.db_cluster_identifier(), cluster.tag_list())
}

/// The mark of an instance.
pub(super) fn mark_of_instance(instance: &DbInstance) -> Mark {
    mark(instance.db_instance_identifier(), instance.tag_list())
}

fn mark(name: Option<&str>, tags: &[Tag]) -> Mark {
    let pair = |tag: &Tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned()));
    Mark { name: name.unwrap_or_default().to_owned(), tags: tags.iter().filter_map(pair).collect() }
}

fn tags(real: &Real, mark: &Mark) -> Vec<Tag> {
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    let epoch = tag(snapshot::EPOCH, &real.epoch().to_string());
    mark.tags.iter().map(|(key, value)| tag(key, value)).chain([epoch]).collect()
}
