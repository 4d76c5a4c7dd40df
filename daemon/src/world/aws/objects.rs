//! Exports of Kubernetes objects in a bucket: one object for each, versioned by the bucket.

use aws_sdk_s3::{operation::head_object::HeadObjectOutput, types::ChecksumAlgorithm};
use muster_runbooks::{
    action::objects::{ApplyObjects, ExportObjects, key},
    application::{Component, Workload},
    name::Region,
};
use muster_state::{
    call::{Answer, Call, CallError, Done, Progress},
    catalog::{PointChange, RecoveryPoint},
};
use serde_json::json;

use super::{
    bucket::{head, metadata},
    error, listing,
};
use crate::world::{
    kube::{
        apply::Presence,
        export::{self, Object},
    },
    real::{Real, Verbs, on, verbs},
};

/// Metadata of an export.
pub(super) const TOKEN: &str = "muster-token";
pub(super) const RUN: &str = "muster-run";
const DATA_TIME: &str = "muster-data-time";
const OBJECTS: &str = "muster-objects";
const LEFT_OUT: &str = "muster-left-out";

/// What the ARN of an object in S3 begins with. It names neither region nor account.
const ARN: &str = "arn:aws:s3:::";

/// The most missing objects that are named before a restore.
const NAMED_MAX: usize = 100;

/// Exports the objects of a workload.
pub(in crate::world) fn export<'a>(
    real: &'a Real,
    call: &'a Call,
    action: &'a ExportObjects,
) -> Verbs<'a> {
    verbs(call, observe_export(real, call, action), begin_export(real, call, action))
}

/// Looks for the export that bears the call's token.
async fn observe_export(
    real: &Real,
    call: &Call,
    action: &ExportObjects,
) -> Result<Progress, CallError> {
    let on = on(call)?;
    let region = on.region(action.to);
    let workload = workload(call)?;
    let (bucket, key) = (bucket(call, workload, region)?, key(&on, call.token.as_str()));
    let side = real.aws.side(region);
    let Some(found) = head(&side, &side.look, bucket, &key).await? else {
        return Ok(Progress::not_started());
    };
    if metadata(&found, TOKEN) != Some(call.token.as_str()) {
        let saw = format!("`s3://{bucket}/{key}` exists and does not bear this run's token");
        return Ok(Progress::Foreign { saw });
    }
    // Where a bucket is, S3 says and no configuration (facts §10, OVH).
    let lies_in = listing::region_of(&real.aws, bucket).await;
    if let Some(lies_in) = lies_in.filter(|lies_in| lies_in != region) {
        let reason = format!("bucket `{bucket}` lies in {lies_in}, not in {region}");
        return Ok(Progress::Refused { reason });
    }
    done(call, region, arn(bucket, &key), &found)
}

/// Reads the objects and writes them, once: a second export of the token would be another state.
async fn begin_export(
    real: &Real,
    call: &Call,
    action: &ExportObjects,
) -> Result<Answer, CallError> {
    let on = on(call)?;
    let (from, to) = (on.region(action.at), on.region(action.to));
    let workload = workload(call)?;
    let bucket = bucket(call, workload, to)?;
    let export = real.kube.cluster(workload, from).await?.export().await?;
    if real.clock.now() >= call.not_after {
        return Ok(Answer::Busy { reason: "the time limit came before the objects".to_owned() });
    }
    let side = real.aws.side(to);
    let sent = side
        .act
        .s3
        .put_object()
        .bucket(bucket)
        .key(key(&on, call.token.as_str()))
        .if_none_match("*")
        .metadata(TOKEN, call.token.as_str())
        .metadata(RUN, call.run.as_str())
        .metadata(DATA_TIME, export.data_time.to_string())
        .metadata(OBJECTS, export.objects.to_string())
        .metadata(LEFT_OUT, export.left_out.join(" "))
        .content_type("application/json")
        .checksum_algorithm(ChecksumAlgorithm::Sha256)
        .body(export.body.into())
        .send()
        .await;
    match sent.map_err(error::trouble) {
        Ok(_) => Ok(Answer::Accepted),
        // It exists. Whose it is, the next look tells.
        Err(why) if why.code == "PreconditionFailed" => Ok(Answer::Accepted),
        Err(why) => why.begun(side.name("s3"), "PutObject"),
    }
}

/// Says what of an export is missing in the cluster.
pub async fn observe_apply(
    real: &Real,
    call: &Call,
    action: &ApplyObjects,
) -> Result<Progress, CallError> {
    let region = on(call)?.region(action.at);
    let items = read(real, call, region, &action.export).await?;
    let cluster = real.kube.cluster(workload(call)?, region).await?;
    let Presence { present, mut missing, secrets } = cluster.presence(&items).await?;
    if !missing.is_empty() {
        let before = json!({ "present": present, "missing": missing.len() });
        missing.truncate(NAMED_MAX);
        return Ok(Progress::NotStarted { before, targets: missing });
    }
    let mut done =
        Done::with([("present", json!(present)), ("secrets", json!(secrets.join(", ")))]);
    if !secrets.is_empty() {
        let list = secrets.join(", ");
        done.notes.push(format!("an export holds no Secret; the application needs: {list}"));
    }
    Ok(Progress::Done(done))
}

/// Creates what is missing.
pub async fn begin_apply(
    real: &Real,
    call: &Call,
    action: &ApplyObjects,
) -> Result<Answer, CallError> {
    let region = on(call)?.region(action.at);
    let items = read(real, call, region, &action.export).await?;
    real.kube.cluster(workload(call)?, region).await?.create_missing(&items).await
}

async fn read(
    real: &Real,
    call: &Call,
    region: &Region,
    arn: &str,
) -> Result<Vec<Object>, CallError> {
    const OPERATION: &str = "GetObject";
    let Some((bucket, key)) = place(arn) else {
        return Err(error::unfit(call, &format!("`{arn}` is not the ARN of an export")));
    };
    let side = real.aws.side(region);
    let sent = side.look.s3.get_object().bucket(bucket).key(key).send().await;
    let mut found = sent.map_err(|why| error::trouble(why).at(side.name("s3"), OPERATION))?;
    let mut body = Vec::new();
    while let Some(piece) = found.body.next().await {
        let piece = piece.map_err(|why| CallError::NoAnswer {
            service: side.name("s3"),
            operation: OPERATION,
            source: Box::new(why),
        })?;
        body.extend_from_slice(&piece);
        if body.len() > export::BYTES_MAX {
            return Err(error::unfit(call, &format!("`{arn}` is larger than any export")));
        }
    }
    export::items(&body)
        .map_err(|why| error::unfit(call, &format!("`{arn}` cannot be read: {why}")))
}

fn done(
    call: &Call,
    region: &Region,
    id: String,
    found: &HeadObjectOutput,
) -> Result<Progress, CallError> {
    let data_time = metadata(found, DATA_TIME).and_then(|text| text.parse().ok());
    let objects: Option<u32> = metadata(found, OBJECTS).and_then(|text| text.parse().ok());
    let (Some(data_time), Some(objects)) = (data_time, objects) else {
        let saw = format!("`{id}` does not say what it holds");
        return Ok(Progress::Foreign { saw });
    };
    let left_out = metadata(found, LEFT_OUT).unwrap_or_default();
    let mut done = Done::with([
        ("export", json!(id)),
        ("data_time", json!(data_time)),
        ("objects", json!(objects)),
        ("left_out", json!(left_out)),
    ]);
    if !left_out.is_empty() {
        done.notes.push(format!("not in the export, for their server did not answer: {left_out}"));
    }
    done.points.push(PointChange::Recorded(Box::new(RecoveryPoint {
        key: found.ssekms_key_id().map(str::to_owned),
        ..RecoveryPoint::new(
            id,
            workload(call)?.name.clone(),
            region.clone(),
            String::new(),
            data_time,
            call.run.clone(),
        )
    })));
    Ok(Progress::Done(done))
}

fn workload(call: &Call) -> Result<&Workload, CallError> {
    let workload = call.component.as_deref().and_then(Component::workload);
    workload.ok_or_else(|| error::unfit(call, "the step names no workload"))
}

/// The ARN of an object.
pub(super) fn arn(bucket: &str, key: &str) -> String {
    format!("{ARN}{bucket}/{key}")
}

/// The bucket and the key that an ARN names.
pub(super) fn place(arn: &str) -> Option<(&str, &str)> {
    arn.strip_prefix(ARN)?.split_once('/')
}

/// The bucket of a workload's exports in a region.
pub(super) fn bucket<'a>(
    call: &Call,
    workload: &'a Workload,
    region: &Region,
) -> Result<&'a str, CallError> {
    let found = workload.exports.buckets.get(region.as_str()).map(String::as_str);
    found.ok_or_else(|| {
        error::unfit(call, &format!("`{}` has no bucket in {region}", workload.name))
    })
}
