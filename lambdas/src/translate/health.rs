//! AWS Health said that something is wrong, or over. It lags by tens of minutes and is best effort
//! (facts §9): corroboration for people, never a trigger.

use jiff::{Timestamp, fmt::rfc2822::DateTimeParser};
use muster_runbooks::{
    message::{Kind, Message, Source},
    name::Region,
    value::Span,
};
use serde_json::Value;

use super::{AGE_OF_WORDS, Event, NotOurs, at, cut, expiry, is_graphic, pressed, text};
use crate::settings::Rules;

const PARSER: DateTimeParser = DateTimeParser::new();

/// How far the sender's instants may lie ahead of when it sent them.
const AHEAD_MAX: Span = Span::from_mins(5);

/// The same words come from the affected region and from a second one: they bear one key.
pub(super) fn event(event: &Event, source: Source, rules: &Rules) -> Result<Message, NotOurs> {
    let detail = &event.detail;
    let arn = text(detail["eventArn"].as_str(), "detail.eventArn")?;
    if !arn.starts_with("arn:") || arn.len() > 300 || !is_graphic(arn) {
        return Err(NotOurs::Field { field: "detail.eventArn" });
    }
    if let Some(account) = detail["affectedAccount"].as_str().filter(|text| !text.is_empty())
        && !rules.accounts.contains(account)
    {
        return Err(NotOurs::Account { account: cut(account) });
    }
    let region = region(detail, &source, rules)?;
    let said_at = at(event)?;
    let updated_at = instant(&detail["lastUpdatedTime"])
        .filter(|at| at.duration_since(said_at) <= AHEAD_MAX.duration())
        .unwrap_or(said_at);
    let status = detail["statusCode"].as_str().unwrap_or("unknown");
    let communication = match detail["communicationId"].as_str() {
        Some(id) if id.len() <= 100 && is_graphic(id) => id.to_owned(),
        Some(_) => return Err(NotOurs::Field { field: "detail.communicationId" }),
        None => format!("{updated_at}/{}", pressed(status)),
    };
    let says = format!(
        "AWS Health, {}: {} is {} in {region}{}",
        word(&detail["service"]),
        word(&detail["eventTypeCode"]),
        cut(status),
        match truth(&detail["backupEvent"]) {
            Some(true) => ", told by the backup region",
            Some(false) | None => "",
        },
    );
    let kind = Kind::Nudge { about: arn.to_owned(), says: Some(says), heed: status != "closed" };
    let key = format!("health|{arn}|{communication}");
    let not_after = expiry(updated_at, AGE_OF_WORDS, "detail.lastUpdatedTime")?;
    Ok(Message::new(kind, key, source, updated_at, not_after))
}

/// The region that is affected, which need not be the one that says so.
fn region(detail: &Value, source: &Source, rules: &Rules) -> Result<String, NotOurs> {
    match detail["eventRegion"].as_str() {
        None => Ok(source.region.to_string()),
        Some("global") => Ok("all regions".to_owned()),
        Some(name) => {
            let known: Option<Region> = name.parse().ok();
            match known.filter(|region| rules.regions.contains(region)) {
                Some(region) => Ok(region.to_string()),
                None => Err(NotOurs::Region { region: cut(name) }),
            }
        }
    }
}

/// Times are HTTP-dates here (facts §9); nobody promised that they stay so.
fn instant(value: &Value) -> Option<Timestamp> {
    let text = value.as_str()?;
    PARSER.parse_timestamp(text).ok().or_else(|| text.parse().ok())
}

/// A truth that comes as one, or as a text of it (facts §9); anything else is not known.
fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        Value::String(_) | Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    }
}

fn word(value: &Value) -> String {
    cut(value.as_str().unwrap_or("unknown"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Goal: what Health writes is read however it writes it, and nothing else becomes a truth or a time.
    #[test]
    fn times_and_truths_in_every_writing() {
        let at: Timestamp = "2026-03-01T06:50:12Z".parse().unwrap();
        for text in ["Sun, 01 Mar 2026 06:50:12 GMT", "2026-03-01T06:50:12Z"] {
            assert_eq!(instant(&json!(text)), Some(at), "{text}");
        }
        for value in [json!("soon"), json!(""), json!(1_772_347_812), json!(null)] {
            assert_eq!(instant(&value), None, "{value}");
        }
        for (value, wanted) in [
            (json!(true), Some(true)),
            (json!("true"), Some(true)),
            (json!("False"), Some(false)),
            (json!(false), Some(false)),
            (json!("yes"), None),
            (json!(1), None),
            (json!(null), None),
        ] {
            assert_eq!(truth(&value), wanted, "{value}");
        }
    }
}
