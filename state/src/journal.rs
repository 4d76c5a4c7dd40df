//! What is durable. Nothing outside this module knows how.

mod chain;
mod codec;
#[doc(hidden)]
pub mod disk;
mod error;
mod fold;
mod home;
mod ledger;
mod log;
mod memory;
pub mod offline;
mod open;
mod reader;
mod recent;
mod rows;
mod segment;
mod sled;
mod tail;
mod writer;

use std::sync::RwLockReadGuard;

use futures::channel::oneshot;
use jiff::Timestamp;

use crate::{
    event::{Batch, Commit, Record, Stream},
    lease::Mark,
    progress::{EndedRun, Progress},
};

pub use self::{
    codec::Hash,
    error::OpenError,
    log::{LogJournal, Options},
    memory::MemoryJournal,
};

/// The end of a wait for the disk: the sequence number behind the batch, or why it is not there.
pub type Receipt = oneshot::Receiver<Result<u64, AppendError>>;

/// Some commits, one behind the other, each with its link of the chain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Part {
    /// The number of the first record.
    pub first: u64,
    /// The number behind the last.
    pub end: u64,
    /// When the first commit was written.
    pub since: Timestamp,
    /// The commits, as an export has them.
    pub lines: Vec<u8>,
}

impl Part {
    /// Where the last commit of some lines ends, and the chain there.
    pub fn mark(lines: &[u8]) -> Option<Mark> {
        let mut lines = lines.rsplit(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let (hash, payload) = offline::split(lines.next()?)?;
        let commit: Commit = serde_json::from_slice(payload).ok()?;
        Some(Mark { sequence: commit.end(), hash: hash.to_string() })
    }

    /// Puts a commit behind the others, or begins with it.
    fn push(part: &mut Option<Part>, commit: &Commit, hash: &Hash, payload: &[u8]) {
        let begun =
            Part { first: commit.seq, end: commit.seq, since: commit.at, lines: Vec::new() };
        let part = part.get_or_insert(begun);
        part.end = commit.end();
        // A vector takes whatever is written to it.
        let _ = offline::commit_line(&mut part.lines, hash, payload);
    }
}

/// Why a batch is not on disk.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AppendError {
    /// A stream has another length than the batch expects, or somebody else holds a claim.
    #[error("conflict on `{on}`")]
    Conflict {
        /// The stream or the key.
        on: String,
    },
    /// The queue to the writer is full. Nothing was written; try again later, begin nothing.
    #[error("the journal's queue is full")]
    Full,
    /// The disk refused. Nothing more will be acknowledged by this process.
    #[error("the journal cannot be written: {because}")]
    Broken {
        /// What the disk said.
        because: String,
    },
}

/// Where facts are kept. One writer, any number of readers; readers see only what is durable.
pub trait Journal: Send + Sync {
    /// Queues a batch. It is durable when the receipt says so, and in the order of the calls.
    fn append(&self, at: Timestamp, batch: Batch) -> Receipt;

    /// What is known from durable commits.
    fn progress(&self) -> RwLockReadGuard<'_, Progress>;

    /// Up to `limit` records from sequence number `from` on, of one stream or of all.
    fn read(
        &self,
        stream: Option<&Stream>,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Record>, ReadError>;

    /// Up to `limit` ended runs, newest first, that ended before the run `after`.
    fn ended(&self, after: Option<&EndedRun>, limit: usize) -> Result<Vec<EndedRun>, ReadError>;

    /// The link of the chain behind the commit that ends before record `end`; nothing where none does.
    fn link(&self, end: u64) -> Result<Option<Hash>, ReadError>;

    /// The durable commits from record `from` on, about `bytes_max` of them, as lines of an export;
    /// nothing where there are none yet.
    fn part(&self, from: u64, bytes_max: usize) -> Result<Option<Part>, ReadError>;

    /// Notes that the process is alive. A sample: last value, never synced, written now and then.
    fn beat(&self, at: Timestamp);

    /// When a process was last alive. Before the first beat of this process it is the last sign of
    /// the one before: its last beat or its last commit, whichever is later.
    fn last_beat(&self) -> Option<Timestamp>;
}

/// Why records cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A record is damaged.
    #[error("`{file}` is damaged at record {seq}: {because}")]
    Damaged {
        /// The file.
        file: String,
        /// The record.
        seq: u64,
        /// What is wrong with it.
        because: String,
    },
    /// The disk refused.
    #[error("`{file}` cannot be read")]
    Io {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}
