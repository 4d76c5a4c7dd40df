//! The newest commits in memory, so that a client that follows the journal does not read the disk.
//!
//! They are kept as the bytes that were written: what is parsed takes several times the room, and
//! most of it is never asked for.

use std::{collections::VecDeque, sync::Arc};

use crate::event::{Commit, Record, Stream};

/// How many bytes of payload are kept.
const BYTES_MAX: usize = 4 << 20;

/// How many commits are kept.
const COMMITS_MAX: usize = 16 << 10;

/// The newest durable commits, without gaps.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    commits: VecDeque<Payload>,
    bytes: usize,
}

/// A commit as it was written.
#[derive(Clone, Debug)]
pub(crate) struct Payload {
    /// The number of its first record.
    pub(crate) seq: u64,
    /// The number behind its last record.
    pub(crate) end: u64,
    /// The commit as JSON.
    pub(crate) bytes: Arc<[u8]>,
}

impl Recent {
    /// Adds the next commit.
    pub(crate) fn push(&mut self, payload: Payload) {
        self.bytes += payload.bytes.len();
        self.commits.push_back(payload);
        while self.bytes > BYTES_MAX || self.commits.len() > COMMITS_MAX {
            let Some(oldest) = self.commits.pop_front() else { return };
            self.bytes -= oldest.bytes.len();
        }
    }

    /// Up to `limit` commits from the one with record `from` on; none if that is no longer kept.
    /// Whoever follows the journal parses them after this is let go of.
    pub(crate) fn since(&self, from: u64, limit: usize) -> Option<Vec<Payload>> {
        if from < self.commits.front()?.seq {
            return None;
        }
        let start = self.commits.partition_point(|commit| commit.end <= from);
        Some(self.commits.range(start..).take(limit).cloned().collect())
    }
}

/// How the name of a stream stands in a commit.
pub(crate) fn name(stream: &Stream) -> String {
    format!("\"{stream}\"")
}

/// Whether a name stands in a commit. Most commits are of other streams, and looking for the name is
/// cheaper than parsing.
pub(crate) fn says(payload: &[u8], name: &str) -> bool {
    let Some((first, rest)) = name.as_bytes().split_first() else { return true };
    let mut bytes = payload;
    while let Some(place) = bytes.iter().position(|byte| byte == first) {
        bytes = &bytes[place + 1..];
        if bytes.starts_with(rest) {
            return true;
        }
    }
    false
}

/// The records of commits that belong to a stream and stand in `from..end`.
pub(crate) fn records<'a>(
    commits: impl Iterator<Item = &'a Commit>,
    stream: Option<&Stream>,
    from: u64,
    end: u64,
) -> impl Iterator<Item = Record> {
    commits.flat_map(move |commit| {
        (commit.seq..).zip(&commit.entries).filter_map(move |(seq, entry)| {
            let is_wanted =
                (from..end).contains(&seq) && stream.is_none_or(|stream| *stream == entry.stream);
            is_wanted.then(|| Record {
                seq,
                at: commit.at,
                stream: entry.stream.clone(),
                event: entry.event.clone(),
            })
        })
    })
}
