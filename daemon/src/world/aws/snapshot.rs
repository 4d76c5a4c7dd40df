//! Cluster snapshots: taken in one region, copied to the other (facts §2).

use aws_sdk_rds::types::{DbClusterSnapshot, Tag};
use jiff::Timestamp;
use muster_runbooks::{
    action::{
        Action,
        backup::{CopySnapshot, SnapshotDatabase},
    },
    application::Purpose,
};
use muster_state::{
    call::{Answer, Call, CallError, Done, Progress, Reading},
    catalog::{PointChange, RecoveryPoint},
};
use serde_json::json;

pub(super) use muster_runbooks::tag::{APPLICATION, COMPONENT, DATA_TIME, EPOCH, RUN, STEP};
use muster_runbooks::tag::{PURPOSE, SCHEMA_VERSION};

use super::{Arn, Side, cluster_in, database, error, instant, poller, quota};
use crate::world::real::{Real, Verbs, dated, on};

/// How many copies a region receives at a time, from all of an account (facts §2, concurrency).
const COPIES_MAX: usize = 5;

/// The verbs of `snapshot-database`.
pub(in crate::world) fn take<'a>(
    real: &'a Real,
    call: &'a Call,
    with: &'a SnapshotDatabase,
) -> Verbs<'a> {
    dated(observe_taken(real, call, with), begin_taken(real, call, with))
}

/// The verbs of `copy-snapshot`.
pub(in crate::world) fn copy<'a>(
    real: &'a Real,
    call: &'a Call,
    with: &'a CopySnapshot,
) -> Verbs<'a> {
    dated(observe_copied(real, call, with), begin_copied(real, call, with))
}

/// Looks for the snapshot that bears the call's token.
async fn observe_taken(
    real: &Real,
    call: &Call,
    action: &SnapshotDatabase,
) -> Result<Reading, CallError> {
    let side = real.aws.side(on(call)?.region(action.at));
    look(real, call, &side, |found| seen(call, found, Origin::Cluster)).await
}

/// Looks for the copy that bears the call's token, where it is to be.
async fn observe_copied(
    real: &Real,
    call: &Call,
    action: &CopySnapshot,
) -> Result<Reading, CallError> {
    let side = real.aws.side(on(call)?.region(action.to));
    let origin = Origin::Copy { source: &action.snapshot, data_time: action.data_time };
    look(real, call, &side, |found| seen(call, found, origin)).await
}

/// A list that others asked for serves as long as it only says "not yet". Whatever leads to a begin
/// or an end is read anew.
pub(super) async fn look(
    real: &Real,
    call: &Call,
    side: &Side,
    judge: impl Fn(Option<&DbClusterSnapshot>) -> Progress,
) -> Result<Reading, CallError> {
    let mut since = call.asked_at - poller::CADENCE;
    loop {
        let listed = real.poller.manual(side, since, call.asked_at).await?;
        let progress = judge(named(&listed.snapshots, call.token.as_str()));
        let is_fresh = listed.asked_at >= call.asked_at;
        if is_fresh || matches!(progress, Progress::InProgress { .. }) {
            return Ok(Reading { progress, read_at: listed.asked_at.min(call.asked_at) });
        }
        since = call.asked_at;
    }
}

/// Why there is no room for a snapshot of this purpose. Read after the promise and before the begin:
/// an older figure may not show what others have taken since.
pub(super) async fn no_room(
    real: &Real,
    call: &Call,
    side: &Side,
    purpose: Purpose,
) -> Result<Option<String>, CallError> {
    if purpose.is_urgent() {
        return Ok(None);
    }
    let quota = quota::now(&real.poller, side, call.asked_at).await?;
    Ok(quota.no_headroom(purpose, &side.region))
}

/// Takes the snapshot. Nothing but its name makes this repeatable: RDS has no request tokens
/// (facts §8).
async fn begin_taken(
    real: &Real,
    call: &Call,
    action: &SnapshotDatabase,
) -> Result<Answer, CallError> {
    let region = on(call)?.region(action.at);
    let cluster = cluster_in(call, database(call)?, region)?;
    let side = real.aws.side(region);
    if let Some(reason) = no_room(real, call, &side, action.purpose()).await? {
        return Ok(Answer::Busy { reason });
    }
    let sent = side
        .act
        .rds
        .create_db_cluster_snapshot()
        .db_cluster_identifier(cluster_name(cluster))
        .db_cluster_snapshot_identifier(call.token.as_str())
        .set_tags(Some(tags(call, real.epoch(), None, Some(action))))
        .send()
        .await;
    real.poller.forget(&side).await;
    match sent {
        Ok(_) => Ok(Answer::Accepted),
        Err(why) => error::trouble(why).begun_named(side.name("rds"), "CreateDBClusterSnapshot"),
    }
}

/// Copies the snapshot: asked of the destination region, with the source's ARN and a key of the
/// destination (facts §2, copy).
async fn begin_copied(
    real: &Real,
    call: &Call,
    action: &CopySnapshot,
) -> Result<Answer, CallError> {
    let region = on(call)?.region(action.to);
    let key = database(call)?.copy_keys.get(region.as_str()).cloned();
    let side = real.aws.side(region);
    if let Some(reason) = no_place(real, call, &side).await? {
        return Ok(Answer::Busy { reason });
    }
    let sent = side
        .act
        .rds
        .copy_db_cluster_snapshot()
        .source_db_cluster_snapshot_identifier(&action.snapshot)
        .target_db_cluster_snapshot_identifier(call.token.as_str())
        .set_kms_key_id(key)
        // Where our own tags win over the copied ones nothing is lost: they say the same and more.
        .copy_tags(true)
        .set_tags(Some(tags(call, real.epoch(), Some(action.data_time), None)))
        .send()
        .await;
    real.poller.forget(&side).await;
    match sent {
        Ok(_) => Ok(Answer::Accepted),
        Err(why) => copy_failed(error::trouble(why), &side),
    }
}

/// Why no copy can be begun now. The list that was just looked at serves, unless something of ours was
/// begun since: that forgets it.
pub(super) async fn no_place(
    real: &Real,
    call: &Call,
    side: &Side,
) -> Result<Option<String>, CallError> {
    let listed = real.poller.manual(side, call.asked_at - poller::CADENCE, call.asked_at).await?;
    let copying = copying(&listed.snapshots);
    let to = side.name("copies to");
    Ok((copying >= COPIES_MAX)
        .then(|| format!("{copying} {to} are in progress, and AWS takes no more")))
}

/// What an error of a copy means.
pub(super) fn copy_failed(why: error::Trouble, side: &Side) -> Result<Answer, CallError> {
    if waits_for_a_place(&why.code, &why.message) {
        return Ok(Answer::Busy { reason: format!("{}: {}", why.code, why.message) });
    }
    why.begun_named(side.name("rds"), "CopyDBClusterSnapshot")
}

/// Everybody's copies, of all applications: AWS counts them per account.
fn copying(snapshots: &[DbClusterSnapshot]) -> usize {
    snapshots.iter().filter(|snapshot| snapshot.status() == Some("copying")).count()
}

/// Five copies at a time per destination region: the sixth waits. The same code means a full region
/// otherwise, which no waiting mends (facts §2, concurrency).
fn waits_for_a_place(code: &str, message: &str) -> bool {
    let said = message.to_ascii_lowercase();
    code.starts_with("SnapshotQuotaExceeded")
        && ["in progress", "in-progress", "copies"].iter().any(|word| said.contains(word))
}

/// The snapshot of this name. RDS keeps names in lower case and compares them without case.
pub(super) fn named<'a>(
    snapshots: &'a [DbClusterSnapshot],
    name: &str,
) -> Option<&'a DbClusterSnapshot> {
    let is_it = |snapshot: &&DbClusterSnapshot| {
        snapshot.db_cluster_snapshot_identifier().is_some_and(|id| id.eq_ignore_ascii_case(name))
    };
    snapshots.iter().find(is_it)
}

/// The value of a tag.
pub(super) fn tag<'a>(snapshot: &'a DbClusterSnapshot, name: &str) -> Option<&'a str> {
    let found = snapshot.tag_list().iter().find(|tag| tag.key() == Some(name));
    found.and_then(Tag::value)
}

/// Whether Muster made it, in whatever run: our name and our tag (facts §2, retention safety).
pub(super) fn is_ours(snapshot: &DbClusterSnapshot) -> bool {
    let name = snapshot.db_cluster_snapshot_identifier().unwrap_or_default();
    name.starts_with("muster-") && tag(snapshot, RUN).is_some()
}

/// What a snapshot was made of.
#[derive(Clone, Copy)]
pub(super) enum Origin<'a> {
    /// A cluster.
    Cluster,
    /// Another snapshot, by its ARN, with the instant that its data is from.
    Copy { source: &'a str, data_time: Timestamp },
}

pub(super) fn seen(call: &Call, found: Option<&DbClusterSnapshot>, origin: Origin<'_>) -> Progress {
    let Some(snapshot) = found else { return Progress::not_started() };
    let ours = tag(snapshot, RUN) == Some(call.run.as_str())
        && tag(snapshot, STEP) == Some(call.step.as_str());
    if !ours {
        return foreign(call);
    }
    if let (Origin::Copy { source: meant, .. }, Some(source)) =
        (origin, snapshot.source_db_cluster_snapshot_arn())
        && source != meant
    {
        return Progress::Foreign { saw: format!("`{}` is a copy of `{source}`", call.token) };
    }
    let status = snapshot.status().unwrap_or("without a status");
    match status {
        "available" => match point(call, snapshot, origin) {
            Some(point) => done(point),
            None => Progress::in_progress("available, and not described completely yet"),
        },
        // Facts §1.4: terminal for snapshots.
        "failed" | "deleting" | "deleted" | "incompatible-restore" | "incompatible-parameters" => {
            Progress::Failed { reason: format!("`{}` is {status}", call.token) }
        }
        // `creating`, `copying`, and every status that AWS may add. 0 % for long is no sign of
        // trouble: copies of one source queue (facts §2).
        _ => Progress::InProgress {
            note: format!("`{}` is {status}", call.token),
            percent: snapshot
                .percent_progress()
                .and_then(|percent| percent.clamp(0, 100).try_into().ok()),
        },
    }
}

/// What bears our name and not our tags.
pub(super) fn foreign(call: &Call) -> Progress {
    let saw = format!("`{}` exists and does not bear this run's tags", call.token);
    Progress::Foreign { saw }
}

/// The recovery point that a snapshot is: where it is from its ARN, how old from the provider.
fn point(call: &Call, snapshot: &DbClusterSnapshot, origin: Origin<'_>) -> Option<RecoveryPoint> {
    let id = snapshot.db_cluster_snapshot_arn()?;
    let arn = Arn::parse(id)?;
    let (data_time, copied_from) = match origin {
        Origin::Cluster => (instant(snapshot.snapshot_create_time()?)?, None),
        // The copy's own time is when it was copied (facts §2).
        Origin::Copy { source, data_time } => (data_time, Some(source.to_owned())),
    };
    Some(RecoveryPoint {
        copied_from,
        key: snapshot.kms_key_id().map(str::to_owned),
        size_gib: snapshot.allocated_storage().and_then(|size| size.try_into().ok()),
        source_resource: snapshot.db_cluster_resource_id().map(str::to_owned),
        purpose: purpose(call),
        ..RecoveryPoint::new(
            id.to_owned(),
            call.component.as_ref()?.name().clone(),
            arn.region,
            arn.account,
            data_time,
            call.run.clone(),
        )
    })
}

pub(super) fn done(point: RecoveryPoint) -> Progress {
    let outputs = [("snapshot", json!(point.id)), ("data_time", json!(point.data_time))];
    let points = vec![PointChange::Recorded(Box::new(point))];
    Progress::Done(Done { points, ..Done::with(outputs) })
}

fn tags(
    call: &Call,
    epoch: u64,
    data_time: Option<Timestamp>,
    taken: Option<&SnapshotDatabase>,
) -> Vec<Tag> {
    let schema_version = taken.and_then(|action| action.schema_version.as_deref());
    written(marks(call, epoch, data_time, schema_version, Some(purpose(call))))
}

/// The tags of a copy in another account. AWS copies none there, so the version is carried over too.
pub(super) fn tags_of_copy(
    call: &Call,
    epoch: u64,
    data_time: Timestamp,
    source: &DbClusterSnapshot,
) -> Vec<Tag> {
    let version = tag(source, SCHEMA_VERSION);
    written(marks(call, epoch, Some(data_time), version, Some(purpose(call))))
}

fn written(marks: Vec<(&'static str, String)>) -> Vec<Tag> {
    let tag = |(key, value): (&str, String)| Tag::builder().key(key).value(value).build();
    marks.into_iter().map(tag).collect()
}

/// What tags say. `schema_version` and `data_time` are written only where they are known: the time of a
/// snapshot is the provider's to say, the version of a copy stands on its source.
pub(super) fn marks(
    call: &Call,
    epoch: u64,
    data_time: Option<Timestamp>,
    schema_version: Option<&str>,
    purpose: Option<Purpose>,
) -> Vec<(&'static str, String)> {
    let application = call.application().map(ToString::to_string);
    let component = call.component.as_ref().map(|component| component.name().to_string());
    [
        (RUN, Some(call.run.to_string())),
        (STEP, Some(call.step.to_string())),
        (APPLICATION, application),
        (COMPONENT, component),
        (EPOCH, Some(epoch.to_string())),
        (DATA_TIME, data_time.map(|time| time.to_string())),
        (SCHEMA_VERSION, schema_version.map(legal)),
        (PURPOSE, purpose.map(|purpose| purpose.to_string())),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key, value?)))
    .collect()
}

/// What the point is for, as the step says.
fn purpose(call: &Call) -> Purpose {
    if let Action::SnapshotDatabase(with) = &*call.action {
        with.purpose.unwrap_or_default()
    } else if let Action::CopySnapshot(with) = &*call.action {
        with.purpose.unwrap_or_default()
    } else if let Action::CopyToVault(with) = &*call.action {
        with.purpose.unwrap_or_default()
    } else {
        Purpose::default()
    }
}

/// The characters and the length that RDS allows in a tag's value.
fn legal(text: &str) -> String {
    let fits = |c: char| c.is_alphanumeric() || " _.:/=+-@".contains(c);
    text.chars().map(|c| if fits(c) { c } else { '_' }).take(256).collect()
}

/// The name of a cluster, which RDS wants where it does not take an ARN.
pub(super) fn cluster_name(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

#[cfg(test)]
mod tests;
