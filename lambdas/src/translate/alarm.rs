//! A CloudWatch alarm changed its state. It comes in three shapes: over EventBridge, from an alarm whose
//! action is this function, and from one whose action is a topic (facts §9).

use jiff::Timestamp;
use muster_runbooks::message::{Kind, Message, Source};
use serde_json::Value;

use super::{AGE_OF_WORDS, Event, NotOurs, cut, expiry, listed, pressed, resource, text};
use crate::settings::Rules;

/// What the three shapes have in common.
struct Change<'a> {
    arn: &'a str,
    state: &'a str,
    at: Timestamp,
}

/// Over EventBridge.
pub(super) fn state_change(
    event: &Event,
    source: Source,
    _rules: &Rules,
) -> Result<Message, NotOurs> {
    let first = event.resources.iter().flatten().next();
    let arn = text(first.map(String::as_str), "resources[0]")?;
    let state = &event.detail["state"];
    let field = "detail.state.timestamp";
    let change = Change {
        arn,
        state: text(state["value"].as_str(), "detail.state.value")?,
        at: instant(&state["timestamp"], field)?,
    };
    change.message(source, field)
}

/// From an alarm whose action is this function.
pub(super) fn invoked(event: &Value, rules: &Rules) -> Result<Message, NotOurs> {
    let state = &event["alarmData"]["state"];
    let field = "alarmData.state.timestamp";
    let change = Change {
        arn: text(event["alarmArn"].as_str(), "alarmArn")?,
        state: text(state["value"].as_str(), "alarmData.state.value")?,
        at: instant(&state["timestamp"], field)?,
    };
    let account = text(event["accountId"].as_str(), "accountId")?;
    let region = text(event["region"].as_str(), "region")?;
    change.message(listed(account, region, "", "CloudWatch alarm action", rules)?, field)
}

/// From an alarm whose action is a topic. Its region is written as people call it, so the ARN's counts.
pub(super) fn notified(event: &Value, rules: &Rules) -> Result<Message, NotOurs> {
    let arn = text(event["AlarmArn"].as_str(), "AlarmArn")?;
    let field = "StateChangeTime";
    let change = Change {
        arn,
        state: text(event["NewStateValue"].as_str(), "NewStateValue")?,
        at: instant(&event[field], field)?,
    };
    let account = text(event["AWSAccountId"].as_str(), "AWSAccountId")?;
    let region = arn.split(':').nth(3).unwrap_or_default();
    change.message(listed(account, region, "", "CloudWatch alarm notification", rules)?, field)
}

impl Change<'_> {
    fn message(self, source: Source, field: &'static str) -> Result<Message, NotOurs> {
        let Change { arn, state, at } = self;
        let name = resource(arn, "cloudwatch", &source)?;
        let name = name.strip_prefix("alarm:").filter(|name| !name.is_empty());
        let name = name.ok_or(NotOurs::Field { field: "the alarm's ARN" })?;
        let says = match state {
            "ALARM" => "is in alarm".to_owned(),
            "OK" => "is well".to_owned(),
            // No data is no answer: the alarm knows nothing, which is not that all is well.
            "INSUFFICIENT_DATA" => "is unknown: there is not enough data".to_owned(),
            _ => format!("is in the unknown state `{}`", cut(state)),
        };
        let says = format!("CloudWatch alarm `{}` {says}", cut(name));
        let key = format!("alarm|{}|{at}|{}", pressed(arn), pressed(state));
        let kind = Kind::Nudge { about: cut_arn(arn), says: Some(says), heed: state != "OK" };
        Ok(Message::new(kind, key, source, at, expiry(at, AGE_OF_WORDS, field)?))
    }
}

/// The name of an alarm has 255 characters, of any script.
fn cut_arn(arn: &str) -> String {
    arn.chars().filter(|c| !c.is_control()).take(240).collect()
}

/// CloudWatch writes `+0000` without a colon, which is not RFC 3339 (facts §9).
fn instant(value: &Value, field: &'static str) -> Result<Timestamp, NotOurs> {
    let text = text(value.as_str(), field)?;
    let read = text.parse::<Timestamp>();
    let read = read.or_else(|_| Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text));
    read.map_err(|_| NotOurs::Field { field })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Goal: the way in which CloudWatch writes times is read, with and without fractions and colons.
    #[test]
    fn times_without_a_colon_are_read() {
        let at = |text: &str| instant(&json!(text), "x").ok().map(|at| at.to_string());
        for (text, wanted) in [
            ("2026-03-01T06:45:12.236+0000", Some("2026-03-01T06:45:12.236Z")),
            ("2026-03-01T06:45:12+0000", Some("2026-03-01T06:45:12Z")),
            ("2026-03-01T06:45:12.236Z", Some("2026-03-01T06:45:12.236Z")),
            ("2026-03-01T07:45:12+01:00", Some("2026-03-01T06:45:12Z")),
            ("2026-03-01", None),
            ("", None),
        ] {
            assert_eq!(at(text).as_deref(), wanted, "{text}");
        }
        assert!(instant(&json!(7), "x").is_err());
    }
}
