//! From an AWS event to a message: pure, one function per type of event.

mod rds;
mod schedule;

use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use jiff::Timestamp;
use muster_runbooks::{
    message::{Message, Source},
    name::Region,
    value::Span,
};
use serde::Deserialize;
use serde_json::Value;

use crate::settings::Rules;

/// Why an event asks for nothing. All of these are logged and acknowledged: none changes by being
/// delivered again.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotOurs {
    /// It is no EventBridge event.
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
    /// Nothing that is waited for moves with this event.
    #[error("nothing waits for `{id}`")]
    EventId {
        /// The event's id, such as `RDS-EVENT-0074`.
        id: String,
    },
}

/// EventBridge's envelope around whatever the service says. What is new in it is ignored (facts §9).
type Event = EventBridgeEvent<Value>;

/// Translates one event.
pub fn translate(event: &Value, rules: &Rules) -> Result<Message, NotOurs> {
    let event =
        Event::deserialize(event).map_err(|why| NotOurs::Shape { why: cut(&why.to_string()) })?;
    let translate = match (event.source.as_str(), event.detail_type.as_str()) {
        ("aws.events", "Scheduled Event") => schedule::occurrence,
        ("aws.rds", "RDS DB Cluster Snapshot Event") => rds::cluster_snapshot,
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
    if !rules.accounts.contains(account) {
        return Err(NotOurs::Account { account: cut(account) });
    }
    let region = text(event.region.as_deref(), "region")?;
    let known: Option<Region> = region.parse().ok();
    let known = known.filter(|region| rules.regions.contains(region));
    Ok(Source {
        account: account.to_owned(),
        region: known.ok_or_else(|| NotOurs::Region { region: cut(region) })?,
        event_id: cut(event.id.as_deref().unwrap_or_default()),
        event_type: cut(&event.detail_type),
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

/// The last instant at which a message about something that happened at `at` may be acted on.
fn expiry(at: Timestamp, age: Span, field: &'static str) -> Result<Timestamp, NotOurs> {
    at.checked_add(age.duration()).map_err(|_| NotOurs::Field { field })
}

/// A text of somebody else's, fit for a log line and a message.
fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(128).collect()
}

#[cfg(test)]
mod tests;
