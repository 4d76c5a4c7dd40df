//! From an AWS event to a message: pure, one function per type of event.

mod alarm;
mod backup;
mod deployment;
mod health;
mod rds;
mod replication;
mod schedule;

use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use jiff::Timestamp;
use muster_runbooks::{
    message::{Message, Source, Unreadable},
    name::Region,
    value::Span,
};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::settings::Rules;

/// How old what is said to people may be. It starts nothing, so a few hours do no harm.
const AGE_OF_WORDS: Span = Span::from_hours(6);

/// The longest foreign text in a line of ours, in characters and in bytes.
const CUT_CHARS_MAX: usize = 128;
const CUT_BYTES_MAX: usize = 256;

/// Why an event asks for nothing. All of these are logged and acknowledged: none changes by being
/// delivered again.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotOurs {
    /// It is no event that anybody here knows the shape of.
    #[error("it is no EventBridge event: {why}")]
    Shape {
        /// What is wrong with it.
        why: String,
    },
    /// Nobody here knows this type of event.
    #[error("no translation for `{detail_type}` of `{source_name}`")]
    Type {
        /// EventBridge's `source`.
        source_name: String,
        /// EventBridge's `detail-type`.
        detail_type: String,
    },
    /// It comes from an account that is not listed.
    #[error("account `{account}` is not listed")]
    Account {
        /// The account.
        account: String,
    },
    /// It comes from a region that is not listed.
    #[error("region `{region}` is not listed")]
    Region {
        /// The region.
        region: String,
    },
    /// It is about something that belongs to another account or region than the event does.
    #[error("`{arn}` is not in the event's own account and region")]
    Foreign {
        /// The ARN.
        arn: String,
    },
    /// A field that is needed is missing or cannot be read.
    #[error("`{field}` is missing or unreadable")]
    Field {
        /// The field.
        field: &'static str,
    },
    /// No schedule is configured for the rule.
    #[error("no schedule is configured for rule `{rule}`")]
    NoSchedule {
        /// The rule's name.
        rule: String,
    },
    /// No deployment rule names it.
    #[error("no deployment rule names `{name}`")]
    NoDeployment {
        /// The pipeline or the application.
        name: String,
    },
    /// Nothing that is waited for moves with this event.
    #[error("nothing waits for `{what}`")]
    Idle {
        /// What it said.
        what: String,
    },
    /// Nothing says whose bucket it is.
    #[error("bucket `{bucket}` is not listed")]
    Bucket {
        /// The bucket.
        bucket: String,
    },
    /// It came in a topic's or a queue's wrapping, and that one may carry nothing.
    #[error("`{carrier}` is not a topic or queue that may carry events")]
    Carrier {
        /// Its ARN.
        carrier: String,
    },
    /// It would make no message that the daemon takes.
    #[error("it makes no message: {why}")]
    Unwritable {
        /// Why.
        why: String,
    },
}

impl From<Unreadable> for NotOurs {
    fn from(why: Unreadable) -> NotOurs {
        NotOurs::Unwritable { why: why.to_string() }
    }
}

/// EventBridge's envelope around whatever the service says. What is new in it is ignored (facts §9).
type Event = EventBridgeEvent<Value>;

/// Translates one event, without any wrapping, and writes it down for the queue.
///
/// # Errors
///
/// When it asks for nothing.
pub fn translate(event: &Value, rules: &Rules) -> Result<(Message, String), NotOurs> {
    let message = message(event, rules)?;
    let text = message.write()?;
    Ok((message, text))
}

fn message(event: &Value, rules: &Rules) -> Result<Message, NotOurs> {
    // What comes without EventBridge's envelope is told by a field of its own.
    if event["eventSource"] == "aws:s3" {
        return replication::record(event, rules);
    }
    if event["alarmData"].is_object() {
        return alarm::invoked(event, rules);
    }
    if event["AlarmArn"].is_string() {
        return alarm::notified(event, rules);
    }
    let event =
        Event::deserialize(event).map_err(|why| NotOurs::Shape { why: cut(&why.to_string()) })?;
    let translate = match (event.source.as_str(), event.detail_type.as_str()) {
        ("aws.events", "Scheduled Event") => schedule::occurrence,
        (
            "aws.rds",
            "RDS DB Cluster Event"
            | "RDS DB Instance Event"
            | "RDS DB Cluster Snapshot Event"
            | "RDS DB Snapshot Event"
            | "RDS DB Parameter Group Event"
            | "RDS DB Proxy Event",
        ) => rds::event,
        ("aws.health", "AWS Health Event") => health::event,
        ("aws.cloudwatch", "CloudWatch Alarm State Change") => alarm::state_change,
        ("aws.backup", "Backup Job State Change") => backup::backup,
        ("aws.backup", "Copy Job State Change") => backup::copy,
        ("aws.backup", "Restore Job State Change") => backup::restore,
        ("aws.codepipeline", "CodePipeline Pipeline Execution State Change") => {
            deployment::pipeline
        }
        ("aws.codedeploy", "CodeDeploy Deployment State-change Notification") => {
            deployment::deployment
        }
        _ => {
            return Err(NotOurs::Type {
                source_name: cut(&event.source),
                detail_type: cut(&event.detail_type),
            });
        }
    };
    let source = origin(&event, rules)?;
    translate(&event, source, rules)
}

/// Where an event came from, if that is listed. Only AWS itself can send an event whose source starts
/// with `aws.`; which account and region it is from stands in the envelope.
fn origin(event: &Event, rules: &Rules) -> Result<Source, NotOurs> {
    let account = text(event.account.as_deref(), "account")?;
    let region = text(event.region.as_deref(), "region")?;
    let id = event.id.as_deref().unwrap_or_default();
    listed(account, region, id, &event.detail_type, rules)
}

/// The same of an event without that envelope.
fn listed(
    account: &str,
    region: &str,
    event_id: &str,
    event_type: &str,
    rules: &Rules,
) -> Result<Source, NotOurs> {
    if !rules.accounts.contains(account) {
        return Err(NotOurs::Account { account: cut(account) });
    }
    let known: Option<Region> = region.parse().ok();
    let known = known.filter(|region| rules.regions.contains(region));
    Ok(Source {
        account: account.to_owned(),
        region: known.ok_or_else(|| NotOurs::Region { region: cut(region) })?,
        event_id: cut(event_id),
        event_type: cut(event_type),
    })
}

/// When EventBridge says that it happened.
fn at(event: &Event) -> Result<Timestamp, NotOurs> {
    let time = event.time.ok_or(NotOurs::Field { field: "time" })?;
    let nanos = i32::try_from(time.timestamp_subsec_nanos()).ok();
    nanos
        .and_then(|nanos| Timestamp::new(time.timestamp(), nanos).ok())
        .ok_or(NotOurs::Field { field: "time" })
}

/// The resource of an ARN (`arn:partition:service:region:account:resource`), if service, region and
/// account are the ones that the event speaks for.
fn resource<'a>(arn: &'a str, service: &str, source: &Source) -> Result<&'a str, NotOurs> {
    let mut parts = arn.splitn(6, ':');
    let (head, _partition) = (parts.next(), parts.next());
    let found = (head, parts.next(), parts.next(), parts.next());
    let wanted =
        (Some("arn"), Some(service), Some(source.region.as_str()), Some(source.account.as_str()));
    match parts.next() {
        Some(resource) if found == wanted => Ok(resource),
        Some(_) | None => Err(NotOurs::Foreign { arn: cut(arn) }),
    }
}

fn text<'a>(text: Option<&'a str>, field: &'static str) -> Result<&'a str, NotOurs> {
    text.filter(|text| !text.is_empty()).ok_or(NotOurs::Field { field })
}

/// An instant that an event says.
fn dated(value: &Value, field: &'static str) -> Result<Timestamp, NotOurs> {
    text(value.as_str(), field)?.parse().map_err(|_| NotOurs::Field { field })
}

/// The last instant at which a message about something that happened at `at` may be acted on.
fn expiry(at: Timestamp, age: Span, field: &'static str) -> Result<Timestamp, NotOurs> {
    at.checked_add(age.duration()).map_err(|_| NotOurs::Field { field })
}

/// A text of somebody else's, fit for a log line and a message.
fn cut(text: &str) -> String {
    let mut kept = String::new();
    for c in text.chars().filter(|c| !c.is_control()).take(CUT_CHARS_MAX) {
        if kept.len() + c.len_utf8() > CUT_BYTES_MAX {
            break;
        }
        kept.push(c);
    }
    kept
}

/// Whether a text can stand in a dedupe key as it is.
fn is_graphic(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A text as a part of a dedupe key: itself where it is short, and otherwise its hash, so that two long
/// names that begin alike are two.
fn pressed(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    if text.len() <= CUT_CHARS_MAX && is_graphic(text) {
        return text.to_owned();
    }
    let hash = Sha256::digest(text.as_bytes());
    let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

#[cfg(test)]
mod tests;
