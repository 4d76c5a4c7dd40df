//! What travels from the Lambda to the daemon's queue: one versioned message per event.
//!
//! The text is JSON, in snake case, at most [`BYTES_MAX`] bytes:
//!
//! ```json
//! {"v": 1,
//!  "kind": {"request": {"runbook": "daily-backup", "application": "covetpy", "inputs": {}, "reason": "nightly"}},
//!  "dedupe_key": "schedule|123456789012|muster-daily-backup|daily-backup|covetpy|2026-03-01T02:00:00Z",
//!  "source": {"account": "123456789012", "region": "us-west-2", "event_id": "53dc…", "event_type": "Scheduled Event"},
//!  "occurred_at": "2026-03-01T02:00:00Z",
//!  "not_after": "2026-03-01T03:00:00Z"}
//! ```
//!
//! or `"kind": {"nudge": {"about": "arn:aws:rds:…"}}`. Version 2 adds what an event said, and whether people
//! should heed it: `{"nudge": {"about": "arn:…", "says": "RDS-EVENT-0391: …", "heed": true}}`. Each message bears the lowest version that
//! can carry it, so an older daemon goes on reading what it knows. A field that a version does not have
//! is an error: whoever adds one makes a new version, and upgrades the daemon before the Lambda.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::name::{ApplicationName, Region, RunbookName};

/// The oldest version that is read.
pub const VERSION_MIN: u16 = 1;

/// The newest version that is read. A message is written in the lowest that can carry it:
/// [`Kind::version`].
pub const VERSION_MAX: u16 = 2;

/// The longest message, in bytes. SQS would carry four times that.
pub const BYTES_MAX: usize = 64 * 1024;

/// The longest dedupe key, in bytes: two ARNs fit.
pub const KEY_BYTES_MAX: usize = 512;

/// The longest text in any other field but an input, in bytes.
pub const TEXT_BYTES_MAX: usize = 1_024;

/// One event, translated.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Its version: at least what its [`Kind`] needs.
    pub v: u16,
    /// What is asked for.
    pub kind: Kind,
    /// What the event means, not which delivery of it this is: two rules, two regions and every
    /// retry give the same key (facts §9).
    pub dedupe_key: String,
    /// Where the event came from.
    pub source: Source,
    /// When it happened, by the clock of its sender.
    pub occurred_at: Timestamp,
    /// After this instant nothing is done about it. EventBridge retries for a day.
    pub not_after: Timestamp,
}

/// What is asked for.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Kind {
    /// Start a runbook. Whether it starts or only waits for a person is the daemon's decision.
    Request {
        /// The runbook.
        runbook: RunbookName,
        /// The application it is bound to.
        #[serde(default)]
        application: Option<ApplicationName>,
        /// Values for the runbook's inputs.
        #[serde(default)]
        inputs: BTreeMap<String, Value>,
        /// Why, in words.
        #[serde(default)]
        reason: String,
    },
    /// Look sooner at what is being waited for. What the event said about it is not believed.
    Nudge {
        /// What the event was about, such as a snapshot's ARN.
        about: String,
        /// What it said, in a line for people; it decides nothing. Since version 2.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        says: Option<String>,
        /// Whether people are to be shown it. Since version 2.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        heed: bool,
    },
}

impl Kind {
    /// The lowest version that can carry it.
    pub fn version(&self) -> u16 {
        match self {
            Kind::Request { .. } | Kind::Nudge { says: None, heed: false, .. } => 1,
            Kind::Nudge { .. } => 2,
        }
    }
}

/// Where an event came from.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The AWS account: twelve digits.
    pub account: String,
    /// The region that emitted it.
    pub region: Region,
    /// The id of this delivery. For people who compare logs; never for deduplication.
    pub event_id: String,
    /// EventBridge's `detail-type`.
    pub event_type: String,
}

/// Why a text is not a message. None of them changes by reading it again.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It is too long to be looked at.
    #[error("{bytes} bytes; {BYTES_MAX} at most")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// It is not a JSON object.
    #[error("not the JSON of a message")]
    NotJson(#[source] serde_json::Error),
    /// A newer program wrote it, or none of ours.
    #[error("message version {found}; this program reads {VERSION_MIN} to {VERSION_MAX}")]
    Version {
        /// The version that it claims.
        found: u64,
    },
    /// It claims a version and does not have its fields, or is nested deeper than 128 levels.
    #[error("not a message of version {version}")]
    Shape {
        /// The version that it claims.
        version: u64,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A field holds what it may not.
    #[error("`{field}` {rule}")]
    Field {
        /// The field.
        field: &'static str,
        /// What it must be.
        rule: &'static str,
    },
}

/// Only the version; everything else may differ between versions.
#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    v: u64,
}

impl Message {
    /// A message in the lowest version that can carry it.
    pub fn new(
        kind: Kind,
        dedupe_key: String,
        source: Source,
        occurred_at: Timestamp,
        not_after: Timestamp,
    ) -> Message {
        Message { v: kind.version(), kind, dedupe_key, source, occurred_at, not_after }
    }

    /// Reads a message that anybody may have written.
    pub fn read(text: &str) -> Result<Message, Unreadable> {
        if text.len() > BYTES_MAX {
            return Err(Unreadable::TooLong { bytes: text.len() });
        }
        // Twice over the text instead of once over a tree: this pass keeps nothing and does not
        // recurse, the second one stops at the 128 levels of serde_json.
        let Envelope { v } = serde_json::from_str(text).map_err(Unreadable::NotJson)?;
        if !(u64::from(VERSION_MIN)..=u64::from(VERSION_MAX)).contains(&v) {
            return Err(Unreadable::Version { found: v });
        }
        let shape = |source| Unreadable::Shape { version: v, source };
        let message: Message = serde_json::from_str(text).map_err(shape)?;
        message.check()?;
        Ok(message)
    }

    /// The text for the queue.
    pub fn write(&self) -> Result<String, Unreadable> {
        self.check()?;
        let shape = |source| Unreadable::Shape { version: u64::from(self.v), source };
        let text = serde_json::to_string(self).map_err(shape)?;
        if text.len() > BYTES_MAX {
            return Err(Unreadable::TooLong { bytes: text.len() });
        }
        Ok(text)
    }

    /// The part of the check that the types do not do.
    fn check(&self) -> Result<(), Unreadable> {
        let graphic = |text: &str, max| {
            !text.is_empty() && text.len() <= max && text.bytes().all(|b| b.is_ascii_graphic())
        };
        let fail = |field, rule| Err(Unreadable::Field { field, rule });
        if !graphic(&self.dedupe_key, KEY_BYTES_MAX) {
            return fail("dedupe_key", "must be 1 to 512 printable ASCII characters, no spaces");
        }
        if !is_account(&self.source.account) {
            return fail("source.account", "must be twelve digits");
        }
        if self.v < self.kind.version() {
            return fail("kind.nudge.says", "is not of version 1");
        }
        let ids = [
            ("source.event_id", &self.source.event_id),
            ("source.event_type", &self.source.event_type),
        ];
        let said = match &self.kind {
            Kind::Request { reason, .. } => vec![("kind.request.reason", reason)],
            Kind::Nudge { about, says, heed: _ } => {
                let says = says.iter().map(|says| ("kind.nudge.says", says));
                std::iter::once(("kind.nudge.about", about)).chain(says).collect()
            }
        };
        for (field, text) in ids.into_iter().chain(said) {
            if text.len() > TEXT_BYTES_MAX || text.chars().any(char::is_control) {
                return fail(field, "must be at most 1,024 bytes without control characters");
            }
        }
        Ok(())
    }
}

/// Whether `text` has the form of an AWS account's id.
pub fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"v":1,"kind":{"nudge":{"about":"arn:aws:rds:us-east-1:123456789012:cluster-snapshot:a"}},"dedupe_key":"rds|a","source":{"account":"123456789012","region":"us-east-1","event_id":"e","event_type":"t"},"occurred_at":"2026-03-01T02:00:00Z","not_after":"2026-03-01T03:00:00Z"}"#;

    /// Goal: the text on the queue is a promise between two programs that are upgraded apart.
    /// Method: read a text that is written down here, write it again, and compare byte for byte.
    #[test]
    fn a_message_reads_back_byte_for_byte() {
        let said = TEXT.replacen("\"v\":1", "\"v\":2", 1).replacen(
            "snapshot:a\"",
            "snapshot:a\",\"says\":\"RDS-EVENT-0391: it timed out\",\"heed\":true",
            1,
        );
        for text in [TEXT, &said] {
            assert_eq!(Message::read(text).unwrap().write().unwrap(), text);
        }
        let Message { v, kind, dedupe_key, source, occurred_at, not_after } =
            Message::read(&said).unwrap();
        assert_eq!(Message::new(kind, dedupe_key, source, occurred_at, not_after).v, v);
    }

    /// Goal: nothing that is not a message of this version gets further than here.
    /// Method: spoil one thing after the other in a good message.
    #[test]
    fn what_is_not_a_message_says_why() {
        let spoilt = |from: &str, to: &str| {
            assert!(TEXT.contains(from), "{from}");
            Message::read(&TEXT.replacen(from, to, 1)).unwrap_err().to_string()
        };
        let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
        let deep = |name: &str| TEXT.replacen("\"v\":1", &format!("\"v\":1,\"{name}\":{deep}"), 1);
        let deep_input = r#""request":{"runbook":"a","inputs":{"a":INPUT}}"#
            .replace("INPUT", &format!("{}{}", "[".repeat(9_000), "]".repeat(9_000)));
        for (found, wanted) in [
            (Message::read("").unwrap_err().to_string(), "not the JSON of a message"),
            (Message::read("{}").unwrap_err().to_string(), "message version 0"),
            (Message::read(&deep("x")).unwrap_err().to_string(), "not a message of version 1"),
            (Message::read(&deep("v")).unwrap_err().to_string(), "not the JSON of a message"),
            (
                spoilt(
                    r#""nudge":{"about":"arn:aws:rds:us-east-1:123456789012:cluster-snapshot:a"}"#,
                    &deep_input,
                ),
                "not a message of version 1",
            ),
            (Message::read(&" ".repeat(BYTES_MAX + 1)).unwrap_err().to_string(), "65537 bytes"),
            (
                spoilt("\"v\":1", "\"v\":3,\"new\":[]"),
                "message version 3; this program reads 1 to 2",
            ),
            (spoilt("\"v\":1", "\"v\":1,\"new\":[]"), "not a message of version 1"),
            (spoilt("\"v\":1", "\"v\":2,\"new\":[]"), "not a message of version 2"),
            (
                spoilt("snapshot:a\"", "snapshot:a\",\"says\":\"b\""),
                "`kind.nudge.says` is not of version 1",
            ),
            (spoilt("us-east-1\",\"event", "moon-1\",\"event"), "not a message of version 1"),
            (spoilt("rds|a", "rds|\\n"), "`dedupe_key` must be"),
            (spoilt("rds|a", ""), "`dedupe_key` must be"),
            (spoilt("\"123456789012", "\"12345678901x"), "`source.account` must be"),
            (spoilt("\"t\"", "\"\\u001b[2J\""), "`source.event_type` must be"),
        ] {
            assert!(found.starts_with(wanted), "{found}\n{wanted}");
        }
    }
}
