//! S3 could not replicate an object, or did so late. S3 tells this to a queue, a topic or a function, and
//! never to EventBridge (facts §9).

use muster_runbooks::message::{Kind, Message};
use serde_json::Value;

use super::{AGE_OF_WORDS, NotOurs, cut, dated, expiry, listed, pressed, text};
use crate::settings::Rules;

/// Translates one record of a notification.
pub(super) fn record(event: &Value, rules: &Rules) -> Result<Message, NotOurs> {
    let name = text(event["eventName"].as_str(), "eventName")?;
    let name = name.strip_prefix("s3:").unwrap_or(name);
    let (says, heed) = match name {
        "Replication:OperationFailedReplication" => ("an object was not replicated", true),
        "Replication:OperationMissedThreshold" => ("an object is replicated too late", true),
        "Replication:OperationReplicatedAfterThreshold" => {
            ("an object was replicated too late", false)
        }
        "Replication:OperationNotTracked" => {
            ("nobody watches any longer whether an object is replicated", true)
        }
        _ => {
            let detail_type = cut(name);
            return Err(NotOurs::Type { source_name: "aws:s3".to_owned(), detail_type });
        }
    };
    let bucket = text(event["s3"]["bucket"]["name"].as_str(), "s3.bucket.name")?;
    // Nothing in the record says whose it is.
    let account = rules.buckets.get(bucket);
    let account = account.ok_or_else(|| NotOurs::Bucket { bucket: cut(bucket) })?;
    let region = text(event["awsRegion"].as_str(), "awsRegion")?;
    let id = event["responseElements"]["x-amz-request-id"].as_str().unwrap_or_default();
    let source = listed(account, region, id, name, rules)?;
    let object = &event["s3"]["object"];
    let key = text(object["key"].as_str(), "s3.object.key")?;
    let field = "eventTime";
    let at = dated(&event[field], field)?;
    let data = &event["replicationEventData"];
    let to = data["destinationBucket"].as_str().map(|to| format!(" to {}", cut(to)));
    let because = data["failureReason"].as_str().map(|because| format!(": {}", cut(because)));
    let says = format!("{says}{}{}", to.unwrap_or_default(), because.unwrap_or_default());
    let part = |name: &str| pressed(object[name].as_str().unwrap_or_default());
    let (version, sequencer) = (part("versionId"), part("sequencer"));
    let dedupe_key = format!("s3|{bucket}|{}|{version}|{name}|{sequencer}", pressed(key));
    let kind = Kind::Nudge {
        about: format!("arn:aws:s3:::{bucket}/{}", cut(key)),
        says: Some(says),
        heed,
    };
    Ok(Message::new(kind, dedupe_key, source, at, expiry(at, AGE_OF_WORDS, field)?))
}
