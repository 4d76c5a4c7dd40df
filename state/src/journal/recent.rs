//! The newest commits in memory, so that a client that follows the journal does not read the disk.

use std::{collections::VecDeque, sync::Arc};

use crate::event::{Commit, Record, Stream};

/// How many bytes of payload are kept.
const BYTES_MAX: usize = 8 << 20;

/// How many commits are kept.
const COMMITS_MAX: usize = 16 << 10;

/// The newest durable commits, without gaps.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    commits: VecDeque<(Arc<Commit>, usize)>,
    bytes: usize,
}

impl Recent {
    /// Adds the next commit, whose payload has `bytes` bytes.
    pub(crate) fn push(&mut self, commit: Arc<Commit>, bytes: usize) {
        self.commits.push_back((commit, bytes));
        self.bytes += bytes;
        while self.bytes > BYTES_MAX || self.commits.len() > COMMITS_MAX {
            let Some((_, bytes)) = self.commits.pop_front() else { return };
            self.bytes -= bytes;
        }
    }

    /// Records from `from` on and before `end`; none if some of them are no longer kept.
    pub(crate) fn read(
        &self,
        stream: Option<&Stream>,
        from: u64,
        end: u64,
        limit: usize,
    ) -> Option<Vec<Record>> {
        if from >= end {
            return Some(Vec::new());
        }
        let first = self.commits.front()?.0.seq;
        if from < first {
            return None;
        }
        let start = self.commits.partition_point(|(commit, _)| commit.end() <= from);
        let commits = self.commits.range(start..).map(|(commit, _)| commit);
        Some(records(commits.map(Arc::as_ref), stream, from, end).take(limit).collect())
    }
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
