//! What a comparison counted.

use serde::{Deserialize, Serialize};

use super::judge::{How, Verdict};

/// The most differences that are kept by name; all are counted.
pub const DIFFERENCES_MAX: usize = 1_000;

/// What was counted.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Keys that only the source has.
    pub missing: u64,
    /// Keys that only the target has.
    pub extra: u64,
    /// Keys that both have and that are not the same.
    pub different: u64,
    /// Keys of which all that can be seen is the same, and the content cannot be seen.
    pub unknown: u64,
    /// Keys that are the same.
    pub same: u64,
    /// Keys that differ, and were written so lately that they may be on their way.
    #[serde(default)]
    pub pending: u64,
    /// Keys that look the same in the lists, and were not asked for their heads again.
    #[serde(default)]
    pub unchanged: u64,
    /// Pages that were read.
    pub pages: u64,
    /// Heads that were asked for.
    #[serde(default)]
    pub heads: u64,
    /// The first differences, at most [`DIFFERENCES_MAX`].
    pub differences: Vec<Difference>,
}

/// One key that is not the same on both sides.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Difference {
    /// The key.
    pub key: String,
    /// The version of it, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// In which way it is not the same.
    pub what: How,
}

impl Tally {
    /// How many keys were compared.
    pub fn keys(&self) -> u64 {
        self.missing
            + self.extra
            + self.different
            + self.unknown
            + self.same
            + self.unchanged
            + self.pending
    }

    /// Whether anything is certainly not the same.
    pub fn differs(&self) -> bool {
        self.missing + self.extra + self.different > 0
    }

    /// Counts a key.
    pub fn add(&mut self, key: &[u8], verdict: Verdict) {
        self.add_version(key, None, verdict);
    }

    /// Counts a key by what was said of one of its versions.
    pub fn add_version(&mut self, key: &[u8], version: Option<String>, verdict: Verdict) {
        let what = match verdict {
            Verdict::Same => return self.same += 1,
            Verdict::Unknown => return self.unknown += 1,
            Verdict::Differs(how) => how,
        };
        match what {
            How::Missing => self.missing += 1,
            How::Extra => self.extra += 1,
            How::Version
            | How::DeleteMarker
            | How::Latest
            | How::Size
            | How::Etag
            | How::Checksum
            | How::Encryption
            | How::Replication => self.different += 1,
        }
        if self.differences.len() < DIFFERENCES_MAX {
            let key = String::from_utf8_lossy(key).into_owned();
            self.differences.push(Difference { key, version, what });
        }
    }

    /// Takes another count in.
    pub fn take_in(&mut self, other: Tally) {
        self.missing += other.missing;
        self.extra += other.extra;
        self.different += other.different;
        self.unknown += other.unknown;
        self.same += other.same;
        self.pending += other.pending;
        self.unchanged += other.unchanged;
        self.pages += other.pages;
        self.heads += other.heads;
        let room = DIFFERENCES_MAX.saturating_sub(self.differences.len());
        self.differences.extend(other.differences.into_iter().take(room));
    }
}
