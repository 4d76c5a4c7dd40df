//! What whoever acts says outside every half minute: an object beside the lease, read by the watchdog and
//! by alarms.
//!
//! ```json
//! {"epoch": 7, "sequence": 4711, "at": "2026-03-01T02:00:00Z", "version": "0.1.0",
//!  "notices": {"since": "2026-02-27T08:00:00Z", "receivers": [
//!    {"name": "on-call", "taken_at": "2026-02-28T12:00:00Z"},
//!    {"name": "chat", "failing_since": "2026-03-01T01:58:00Z", "because": "it answered 500"}]},
//!  "proven": [{"application": "covetpy", "component": "main",
//!    "point": "arn:aws:rds:us-west-2:123456789012:cluster-snapshot:muster-a1", "at": "2026-02-22T16:40:00Z"}]}
//! ```
//!
//! The two programs are upgraded apart. Whoever reads ignores what it does not know, and takes what is not
//! there as not known; so fields may be added, and none may change its meaning.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::name::{ApplicationName, ComponentName};

/// What is put behind the key of the lease.
pub const KEY_SUFFIX: &str = ".heartbeat";

/// The longest that is written, and the most that is read, in bytes.
pub const BYTES_MAX: usize = 64 * 1024;

/// The most proofs that are told. With the longest names they fit by far.
pub const PROVEN_MAX: usize = 64;

/// The longest cause that is told, in characters.
pub const BECAUSE_CHARS_MAX: usize = 200;

/// A sign of life.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Heartbeat {
    /// The epoch of the lease.
    pub epoch: u64,
    /// The number behind the last record of the journal.
    pub sequence: u64,
    /// When it was written.
    pub at: Timestamp,
    /// The program.
    pub version: String,
    /// Whether notices arrive; programs before this field do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notices: Option<Notices>,
    /// The recovery points that were proven to restore, the newest proof of each component in each place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proven: Vec<Proof>,
}

/// Whether those who are to be told take what they are told.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Notices {
    /// Since when it is known: this process's start.
    pub since: Timestamp,
    /// Every receiver that is configured.
    pub receivers: Vec<Receiver>,
}

/// What one receiver made of what it was told.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Receiver {
    /// Its name, and nothing that is secret about it.
    pub name: String,
    /// When it last took a notice, if it has been told any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_at: Option<Timestamp>,
    /// Since when it takes none; absent while it takes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
    /// Why, in its words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// A recovery point whose data was proven. Only the journal knows: AWS keeps no such mark.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Proof {
    /// The application.
    pub application: ApplicationName,
    /// Its component.
    pub component: ComponentName,
    /// The point's ARN.
    pub point: String,
    /// When it was proven.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"epoch":7,"sequence":4711,"at":"2026-03-01T02:00:00Z","version":"0.1.0","notices":{"since":"2026-02-27T08:00:00Z","receivers":[{"name":"on-call","taken_at":"2026-02-28T12:00:00Z"},{"name":"chat","failing_since":"2026-03-01T01:58:00Z","because":"it answered 500"}]},"proven":[{"application":"covetpy","component":"main","point":"arn:a","at":"2026-02-22T16:40:00Z"}]}"#;

    /// Goal: two programs that are upgraded apart read each other.
    /// Method: a text that is written down here, byte for byte; the text of the program before; one with
    /// fields that nobody knows yet.
    #[test]
    fn a_heartbeat_reads_back_and_tolerates_its_neighbours() {
        let read = |text: &str| serde_json::from_str::<Heartbeat>(text).unwrap();
        assert_eq!(serde_json::to_string(&read(TEXT)).unwrap(), TEXT);
        let before = r#"{"epoch":7,"sequence":4711,"at":"2026-03-01T02:00:00Z","version":"0.0.9"}"#;
        let heard = read(before);
        assert_eq!((heard.notices.clone(), heard.proven.len()), (None, 0));
        assert_eq!(serde_json::to_string(&heard).unwrap(), before);
        let later = TEXT.replacen("{\"epoch\"", "{\"mood\":{\"a\":[1]},\"epoch\"", 1);
        let later = later.replacen("{\"name\"", "{\"colour\":1,\"name\"", 1);
        assert_eq!(read(&later), read(TEXT));
    }
}
