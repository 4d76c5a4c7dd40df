//! A small object that travels the way of all objects: written on one side, looked for on the other
//! (facts §4, canary check).

use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    action::check::WriteCanary,
    application::{Bucket, Component},
    name::Region,
    value::Span,
};
use muster_state::call::{Answer, Call, CallError, Done, Progress};
use serde_json::json;

use super::{Side, error};
use crate::world::real::{Real, on};

/// Metadata of a canary.
const TOKEN: &str = "muster-token";
const WRITTEN_AT: &str = "muster-written-at";

/// For so long an object may be without a replication status before that means that no rule covers
/// it.
const STATUS_WITHIN: SignedDuration = SignedDuration::from_secs(60);

/// Looks for the replica, and if it is not there, for the object itself.
pub async fn observe(
    real: &Real,
    call: &Call,
    action: &WriteCanary,
) -> Result<Progress, CallError> {
    let on = on(call)?;
    let from = on.region(action.at);
    let to = if from == on.active { on.standby } else { on.active };
    let bucket = bucket(call)?;
    if let Some(replica) = head(&real.aws.side(to), call, bucket, to).await? {
        return Ok(arrived(call, &replica));
    }
    let written = head(&real.aws.side(from), call, bucket, from).await?;
    Ok(written.map_or_else(Progress::not_started, |object| travelling(call, &object)))
}

/// Writes the object. Its key bears the token, so writing it again changes nothing.
pub async fn begin(real: &Real, call: &Call, action: &WriteCanary) -> Result<Answer, CallError> {
    let region = on(call)?.region(action.at);
    let bucket = bucket(call)?;
    let side = real.aws.side(region);
    let sent = side
        .act
        .s3
        .put_object()
        .bucket(name(call, bucket, region)?)
        .key(key(call, bucket)?)
        .metadata(TOKEN, call.token.as_str())
        .metadata(WRITTEN_AT, call.asked_at.to_string())
        .content_type("text/plain")
        .body(format!("{}\n", call.token).into_bytes().into())
        .send()
        .await;
    match sent {
        Ok(_) => Ok(Answer::Accepted),
        Err(why) => error::trouble(why).begun(side.name("s3"), "PutObject"),
    }
}

async fn head(
    side: &Side,
    call: &Call,
    bucket: &Bucket,
    region: &Region,
) -> Result<Option<HeadObjectOutput>, CallError> {
    let (name, key) = (name(call, bucket, region)?, key(call, bucket)?);
    match side.looks_for(call).s3.head_object().bucket(name).key(key).send().await {
        Ok(found) => Ok(Some(found)),
        Err(why) => match error::trouble(why) {
            why if why.class == error::Class::Missing => Ok(None),
            why => Err(why.at(side.name("s3"), "HeadObject")),
        },
    }
}

fn bucket(call: &Call) -> Result<&Bucket, CallError> {
    match call.component.as_deref() {
        Some(Component::Bucket(bucket)) => Ok(bucket),
        Some(Component::Database(_) | Component::Cache(_)) | None => {
            Err(error::unfit(call, "the step names no bucket"))
        }
    }
}

fn name<'a>(call: &Call, bucket: &'a Bucket, region: &Region) -> Result<&'a str, CallError> {
    let found = bucket.buckets.get(region.as_str()).map(String::as_str);
    found.ok_or_else(|| error::unfit(call, &format!("`{}` has no bucket in {region}", bucket.name)))
}

/// Canaries are off until a prefix is declared (design §9).
fn key(call: &Call, bucket: &Bucket) -> Result<String, CallError> {
    let Some(prefix) = &bucket.canary_prefix else {
        return Err(error::unfit(call, &format!("`{}` declares no canary prefix", bucket.name)));
    };
    Ok(format!("{}/{}", prefix.trim_end_matches('/'), call.token))
}

fn metadata<'a>(object: &'a HeadObjectOutput, name: &str) -> Option<&'a str> {
    object.metadata()?.get(name).map(String::as_str)
}

fn written_at(call: &Call, object: &HeadObjectOutput) -> Timestamp {
    let said = metadata(object, WRITTEN_AT).and_then(|text| text.parse().ok());
    said.unwrap_or(call.started_at)
}

/// The replica is there: the time since the writing is an upper bound, as coarse as the looks are.
fn arrived(call: &Call, replica: &HeadObjectOutput) -> Progress {
    if metadata(replica, TOKEN) != Some(call.token.as_str()) {
        return Progress::Foreign {
            saw: "an object of the canary's name is there and is not ours".to_owned(),
        };
    }
    let after = Span::between(written_at(call, replica), call.asked_at);
    Progress::Done(Done::with([("arrived_after", json!(after))]))
}

/// The object is written. `PENDING` is normal while a region has trouble, `FAILED` is for good
/// (facts §0.10), and without a status no rule covers the object (facts §4).
fn travelling(call: &Call, object: &HeadObjectOutput) -> Progress {
    let status = object.replication_status().map(|status| status.as_str());
    let age = call.asked_at.duration_since(written_at(call, object));
    match status {
        Some("FAILED") => Progress::Failed { reason: "its replication failed for good".to_owned() },
        None if age > STATUS_WITHIN => Progress::Refused {
            reason: "no replication rule covers the canary's prefix".to_owned(),
        },
        // `COMPLETED` and `COMPLETE` too: done is what is seen on the other side.
        status => Progress::in_progress(format!(
            "written, replication {}",
            status.unwrap_or("without a status yet")
        )),
    }
}

#[cfg(test)]
mod tests;
