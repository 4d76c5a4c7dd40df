//! A small object that travels the way of all objects: written on one side, looked for on the other
//! (facts §4, canary check).

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

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

use super::{Clients, Side, error};
use crate::world::real::{Real, on};

/// Metadata of a canary.
const TOKEN: &str = "muster-token";
const WRITTEN_AT: &str = "muster-written-at";

/// For so long an object may be without a replication status before that means that no rule covers
/// it.
const STATUS_WITHIN: SignedDuration = SignedDuration::from_secs(60);

/// Looks for the replicas, and for those that are not there, for the object itself.
pub async fn observe(
    real: &Real,
    call: &Call,
    action: &WriteCanary,
) -> Result<Progress, CallError> {
    let on = on(call)?;
    let from = on.region(action.at);
    let to = on.across(action.at);
    let bucket = bucket(call)?;
    let mut spans = Vec::new();
    let mut missing = None;
    for prefix in prefixes(call, bucket)? {
        if let Some(replica) = canary(&real.aws.side(to), call, bucket, to, prefix).await? {
            let seen_at = real.arrivals.first_seen(&key(call, prefix), call.asked_at);
            match arrived(call, &replica, seen_at) {
                Ok(span) => spans.push((prefix, span)),
                Err(foreign) => return Ok(foreign),
            }
            continue;
        }
        let written = canary(&real.aws.side(from), call, bucket, from, prefix).await?;
        let progress =
            written.map_or_else(Progress::not_started, |object| travelling(call, prefix, &object));
        match progress {
            // The worst is said, whichever prefix it is of.
            Progress::Failed { .. } | Progress::Refused { .. } | Progress::NotStarted { .. } => {
                return Ok(progress);
            }
            Progress::InProgress { .. } | Progress::Done(_) | Progress::Foreign { .. } => {
                missing.get_or_insert(progress);
            }
        }
    }
    Ok(missing.unwrap_or_else(|| all_arrived(&spans)))
}

/// Writes an object below every prefix. Its key bears the token; what an earlier try has written
/// stays, with its instant.
pub async fn begin(real: &Real, call: &Call, action: &WriteCanary) -> Result<Answer, CallError> {
    let region = on(call)?.region(action.at);
    let bucket = bucket(call)?;
    let side = real.aws.side(region);
    for prefix in prefixes(call, bucket)? {
        let sent = side
            .act
            .s3
            .put_object()
            .bucket(name(call, bucket, region)?)
            .key(key(call, prefix))
            .if_none_match("*")
            .metadata(TOKEN, call.token.as_str())
            .metadata(WRITTEN_AT, call.asked_at.to_string())
            .content_type("text/plain")
            .body(format!("{}\n", call.token).into_bytes().into())
            .send()
            .await;
        match sent.map_err(error::trouble) {
            Ok(_) => {}
            Err(why) if why.code == "PreconditionFailed" => {}
            Err(why) => return why.begun(side.name("s3"), "PutObject"),
        }
    }
    Ok(Answer::Accepted)
}

/// The canary of a prefix in a region, if it is there.
async fn canary(
    side: &Side,
    call: &Call,
    bucket: &Bucket,
    region: &Region,
    prefix: &str,
) -> Result<Option<HeadObjectOutput>, CallError> {
    head(side, side.looks_for(call), name(call, bucket, region)?, &key(call, prefix)).await
}

/// What S3 says of an object, if it is there.
pub(super) async fn head(
    side: &Side,
    clients: &Clients,
    bucket: &str,
    key: &str,
) -> Result<Option<HeadObjectOutput>, CallError> {
    match clients.s3.head_object().bucket(bucket).key(key).send().await {
        Ok(found) => Ok(Some(found)),
        Err(why) => match error::trouble(why) {
            why if why.class == error::Class::Missing => Ok(None),
            why => Err(why.at(side.name("s3"), "HeadObject")),
        },
    }
}

/// The bucket that a call works on.
pub(super) fn bucket(call: &Call) -> Result<&Bucket, CallError> {
    let bucket = call.component.as_deref().and_then(Component::bucket);
    bucket.ok_or_else(|| error::unfit(call, "the step names no bucket"))
}

/// The name of a declared bucket in a region.
pub(super) fn name<'a>(
    call: &Call,
    bucket: &'a Bucket,
    region: &Region,
) -> Result<&'a str, CallError> {
    let found = bucket.buckets.get(region.as_str()).map(String::as_str);
    found.ok_or_else(|| error::unfit(call, &format!("`{}` has no bucket in {region}", bucket.name)))
}

/// Canaries are off until a prefix is declared (design §9).
fn prefixes<'a>(call: &Call, bucket: &'a Bucket) -> Result<Vec<&'a str>, CallError> {
    let prefixes = bucket.canaries();
    if prefixes.is_empty() {
        return Err(error::unfit(call, &format!("`{}` declares no canary prefix", bucket.name)));
    }
    Ok(prefixes)
}

fn key(call: &Call, prefix: &str) -> String {
    format!("{prefix}/{}", call.token)
}

/// An object's own metadata.
pub(super) fn metadata<'a>(object: &'a HeadObjectOutput, name: &str) -> Option<&'a str> {
    object.metadata()?.get(name).map(String::as_str)
}

fn written_at(call: &Call, object: &HeadObjectOutput) -> Timestamp {
    let said = metadata(object, WRITTEN_AT).and_then(|text| text.parse().ok());
    said.unwrap_or(call.started_at)
}

/// When replicas were first seen. S3 gives them the instant of the original, so only we can tell; after
/// a crash it is later than it was, which is the safe side.
#[derive(Debug, Default)]
pub struct Arrivals(Mutex<BTreeMap<String, Timestamp>>);

/// The most that are remembered.
const ARRIVALS_MAX: usize = 1_024;

impl Arrivals {
    fn first_seen(&self, key: &str, now: Timestamp) -> Timestamp {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= ARRIVALS_MAX {
            seen.pop_first();
        }
        *seen.entry(key.to_owned()).or_insert(now)
    }
}

/// The replica is there: the time since the writing is an upper bound, as coarse as the looks are.
fn arrived(call: &Call, replica: &HeadObjectOutput, seen_at: Timestamp) -> Result<Span, Progress> {
    if metadata(replica, TOKEN) != Some(call.token.as_str()) {
        let saw = "an object of the canary's name is there and is not ours".to_owned();
        return Err(Progress::Foreign { saw });
    }
    Ok(Span::between(written_at(call, replica), seen_at))
}

fn all_arrived(spans: &[(&str, Span)]) -> Progress {
    let last = spans.iter().map(|(_, span)| *span).max().unwrap_or_default();
    let each: Vec<String> = spans.iter().map(|(prefix, span)| format!("{prefix} {span}")).collect();
    Progress::Done(Done::with([("arrived_after", json!(last)), ("arrived", json!(each))]))
}

/// The object is written. `PENDING` is normal while a region has trouble, `FAILED` is for good
/// (facts §0.10), and without a status no rule covers the object (facts §4).
fn travelling(call: &Call, prefix: &str, object: &HeadObjectOutput) -> Progress {
    let status = object.replication_status().map(|status| status.as_str());
    let age = call.asked_at.duration_since(written_at(call, object));
    match status {
        Some("FAILED") => Progress::Failed {
            reason: format!("replication of the canary below `{prefix}` failed for good"),
        },
        None if age > STATUS_WITHIN => Progress::Refused {
            reason: format!("no replication rule covers the canary's prefix `{prefix}`"),
        },
        // `COMPLETED` and `COMPLETE` too: done is what is seen on the other side.
        status => Progress::in_progress(format!(
            "written below `{prefix}`, replication {}",
            status.unwrap_or("without a status yet")
        )),
    }
}

#[cfg(test)]
mod tests;
