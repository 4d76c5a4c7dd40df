//! The write lease of an application: the one thing that proves a fence while the old side cannot be reached
//! (facts §7).
//!
//! It is one object in a place that is lost with neither region. Whoever writes the application's data holds
//! it and renews it, and stops by itself when it cannot. Muster alone changes who the holder is, and makes the
//! next one wait until the last renewal of the one before has run out.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{name::Region, value::Span};

/// Where the write lease of an application is, and how long it lasts.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WriteLease {
    /// The region of its bucket: best neither of the application's two.
    pub region: Region,
    /// The bucket, versioned and not replicated.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// For how long one renewal lets its holder write, counted from before it was sent.
    pub length: Span,
    /// How far the clocks of the holders and of the store may be apart.
    pub skew: Span,
}

/// What stands in the object. The application reads and writes it too, so its keys are a promise.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Holder {
    /// Who may write.
    pub holder: Region,
    /// Rises with every change of the holder. Rows that bear an older one come from a writer that is
    /// fenced.
    pub epoch: u64,
    /// The holder writes from then on, and not before.
    pub from: Timestamp,
    /// What made it the holder; a renewal leaves it as it is.
    #[serde(default)]
    pub by: String,
}

impl WriteLease {
    /// When nobody of those who held it before can write any more: the last renewal was stored at
    /// `stored_at`, and let its holder write for the length, counted from before.
    pub fn free_at(&self, stored_at: Timestamp) -> Timestamp {
        let wait = self.length.duration() + self.skew.duration();
        stored_at.checked_add(wait).unwrap_or(Timestamp::MAX)
    }

    /// The longest that a change of the holder lets nobody write.
    pub fn wait(&self) -> SignedDuration {
        self.length.duration() + self.skew.duration()
    }
}
