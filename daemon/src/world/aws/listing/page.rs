//! One page of a listing, held as its bytes and where its parts lie in them.
//!
//! A comparison holds dozens of pages and reads every entry once. So an entry owns nothing: its key,
//! its version and its tag are places in one buffer.

use super::Marker;
use crate::compare::judge::{Version, What};

/// One page.
#[derive(Debug, Default)]
pub struct Page {
    pub(super) text: Vec<u8>,
    pub(super) entries: Vec<Entry>,
    /// Where the next one begins; `None` after the last.
    pub next: Option<Marker>,
}

/// One version, by the places of its parts: the key, then its version, then its tag.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) start: u32,
    pub(super) key: u16,
    /// Bytes between the key and the version, left over where a key was written longer than it is.
    pub(super) slack: u16,
    pub(super) id: u16,
    pub(super) etag: u16,
    pub(super) is_marker: bool,
    pub(super) is_latest: bool,
    pub(super) size: i64,
    pub(super) modified_ms: i64,
}

impl Page {
    /// How many versions it has.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The key of an entry.
    pub fn key(&self, place: usize) -> Option<&[u8]> {
        self.entries.get(place).map(|entry| self.key_of(entry))
    }

    /// What stands at an entry.
    pub fn version(&self, place: usize) -> Option<Version<'_>> {
        let entry = self.entries.get(place)?;
        let id = entry.start as usize + usize::from(entry.key) + usize::from(entry.slack);
        let etag = id + usize::from(entry.id);
        let what = if entry.is_marker {
            What::DeleteMarker
        } else {
            let etag = &self.text[etag..etag + usize::from(entry.etag)];
            What::Object { size: entry.size, etag }
        };
        let is_latest = entry.is_latest;
        Some(Version { id: &self.text[id..etag], what, is_latest, modified_ms: entry.modified_ms })
    }

    pub(super) fn key_of(&self, entry: &Entry) -> &[u8] {
        let start = entry.start as usize;
        &self.text[start..start + usize::from(entry.key)]
    }
}
