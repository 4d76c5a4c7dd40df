//! The one writer: takes batches from the queue, writes a group at once, syncs once, and only then
//! lets anybody know.

mod behind;
mod flush;

use std::{
    collections::BTreeSet,
    sync::{
        Arc, PoisonError,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use futures::channel::oneshot;
use jiff::Timestamp;

use super::{
    AppendError,
    codec::{FRAME_HEADER, Frame, Hash, Kind, PAYLOAD_MAX, SEGMENT_HEADER},
    disk::DiskFile,
    ledger::Ledger,
    log::Shared,
    segment::Segment,
    sled::Sum,
};
use crate::{
    event::{Batch, Commit},
    progress::Row,
};

/// The most commits, and about the most bytes, that share one sync.
const GROUP_MAX: usize = 1024;
const GROUP_BYTES: usize = 4 << 20;

/// The rows are written after so long without a commit, after so many groups, or after so many
/// commits: a start after a crash folds them again.
const IDLE: Duration = Duration::from_millis(20);
const GROUPS_PER_ROWS: u32 = 512;
const COMMITS_PER_ROWS: u64 = 10_000;

/// What the writer is asked for.
pub(crate) enum Message {
    /// Write a batch.
    Append {
        /// By the clock of the engine.
        at: Timestamp,
        /// What.
        batch: Batch,
        /// Where the answer goes.
        reply: Reply,
    },
    /// There is a new beat.
    Beat,
    /// Write what is queued, seal the log, and end.
    Close,
}

/// Where an answer goes.
pub(crate) type Reply = oneshot::Sender<Result<u64, AppendError>>;

/// A batch that waits for the sync of its group.
enum Staged {
    Written { commit: Commit, payload: Arc<[u8]>, offset: u64, reply: Reply },
    Refused { error: AppendError, reply: Reply },
}

/// The end of the log, and what is on its way to it.
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) sum: Sum,
    pub(crate) ledger: Ledger,
    pub(crate) file: Box<dyn DiskFile>,
    /// Where the next frame goes.
    pub(crate) offset: u64,
    /// The chain behind the last staged commit.
    pub(crate) hash: Hash,
    /// The number behind the last durable record.
    pub(crate) durable: u64,
    pub(crate) segment_bytes: u64,
    pub(crate) dirty: BTreeSet<Row>,
    pub(crate) work: Work,
}

/// The writer's own counters and buffers; empty at the start.
#[derive(Default)]
pub(crate) struct Work {
    group: Vec<u8>,
    staged: Vec<Staged>,
    /// Groups and commits since the rows were written.
    groups: u32,
    commits: u64,
    rows_written: u32,
    beat_written: Option<Timestamp>,
}

/// Something that ends all writing.
struct Broken(String);

impl Writer {
    /// Works until told to close, or until nobody is left who could ask.
    pub(crate) fn run(mut self, queue: &Receiver<Message>) {
        loop {
            let message = if self.dirty.is_empty() {
                queue.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                queue.recv_timeout(IDLE)
            };
            match message {
                Ok(message) => {
                    if self.group(message, queue) {
                        return self.close();
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.write_rows(),
                Err(RecvTimeoutError::Disconnected) => return self.close(),
            }
        }
    }

    /// Carries out one message and those that wait behind it. Returns whether to close.
    fn group(&mut self, first: Message, queue: &Receiver<Message>) -> bool {
        let mut next = Some(first);
        let (mut beats, mut close) = (false, false);
        while let Some(message) = next.take() {
            match message {
                Message::Append { at, batch, reply } => self.append(at, batch, reply),
                Message::Beat => beats = true,
                Message::Close => close = true,
            }
            let is_full =
                self.work.staged.len() >= GROUP_MAX || self.work.group.len() >= GROUP_BYTES;
            if !is_full && !close {
                next = queue.try_recv().ok();
            }
        }
        let flushed = self.flush();
        self.survive(flushed);
        // Behind the commits that came before it: a process that dies before it has written that it
        // must ask leaves no sign of life.
        if beats {
            self.beat();
        }
        self.work.groups += 1;
        if self.work.groups >= GROUPS_PER_ROWS || self.work.commits >= COMMITS_PER_ROWS {
            self.write_rows();
        }
        close
    }

    fn append(&mut self, at: Timestamp, batch: Batch, reply: Reply) {
        if self.shared.broken.get().is_some() {
            let error = self.shared.broken_error();
            self.work.staged.push(Staged::Refused { error, reply });
            return;
        }
        let shared = self.shared.clone();
        let mut payload = Vec::new();
        let admitted = self.ledger.admit(at, batch, &|run| shared.has_ended(run), &mut |commit| {
            payload = encode(commit)?;
            Ok(())
        });
        match admitted {
            Ok(commit) => {
                if let Err(broken) = self.make_room(&commit, payload.len()) {
                    let error = AppendError::Broken { because: broken.0.clone() };
                    self.work.staged.push(Staged::Refused { error, reply });
                    return self.survive(Err(broken));
                }
                self.stage(commit, &payload, reply);
            }
            Err(error) => {
                self.mend();
                self.work.staged.push(Staged::Refused { error, reply });
            }
        }
    }

    fn mend(&mut self) {
        let durable = self.shared.progress.read().unwrap_or_else(PoisonError::into_inner);
        let pending = self.work.staged.iter().filter_map(|staged| match staged {
            Staged::Written { commit, .. } => Some(commit),
            Staged::Refused { .. } => None,
        });
        self.ledger.mend(&durable, pending);
    }

    /// Begins the next segment if a commit no longer fits into this one.
    fn make_room(&mut self, commit: &Commit, payload: usize) -> Result<(), Broken> {
        // Room for the turn is kept, so that a segment never outgrows its size by it.
        let size = (payload + 2 * FRAME_HEADER) as u64;
        let end = self.offset + self.work.group.len() as u64;
        if end + size <= self.segment_bytes || end == SEGMENT_HEADER as u64 {
            return Ok(());
        }
        self.flush()?;
        self.turn(commit.seq, size)
    }

    /// Puts the frame of an admitted commit behind the others of the group.
    fn stage(&mut self, commit: Commit, payload: &[u8], reply: Reply) {
        self.hash = self.hash.then(payload);
        self.work.commits += 1;
        let offset = self.offset + self.work.group.len() as u64;
        let frame = Frame::commit(&commit, payload, self.durable, self.hash);
        frame.encode(payload, &mut self.work.group);
        self.work.staged.push(Staged::Written { commit, payload: payload.into(), offset, reply });
    }

    /// Ends the segment and begins the next, in the order that a crash at any point can be told
    /// from a segment that went missing: the next one exists before this one says that it does.
    fn turn(&mut self, first_seq: u64, room: u64) -> Result<(), Broken> {
        let log = self.shared.home.log();
        let next = Segment::new(&log, first_seq);
        let len = self.segment_bytes.max(SEGMENT_HEADER as u64 + room);
        let disk = self.shared.disk.clone();
        let turned = next.create(disk.as_ref(), self.hash, len).and_then(|()| {
            write_turn(self.file.as_ref(), self.offset, first_seq, self.hash)?;
            disk.open(&next.path)
        });
        self.file = turned.map_err(|refused| Broken(refused.to_string()))?;
        self.offset = SEGMENT_HEADER as u64;
        self.shared.segments.write().unwrap_or_else(PoisonError::into_inner).push(next);
        Ok(())
    }

    /// Seals the log, so that damage to its last record is noticed whatever happens to the rows.
    fn close(mut self) {
        self.write_rows();
        if self.shared.broken.get().is_some() {
            return;
        }
        let mut seal = Vec::new();
        Frame::mark(Kind::Seal, self.durable, self.hash).encode(&[], &mut seal);
        let sealed = self.file.write_at(&seal, self.offset).and_then(|()| self.file.sync());
        let sealed = sealed.map_err(|refused| Broken(refused.to_string()));
        let synced = sealed
            .and_then(|()| self.shared.rows.sync().map_err(|trouble| Broken(trouble.because)));
        self.survive(synced);
    }
}

/// The payload of a commit, if one frame can hold it.
fn encode(commit: &Commit) -> Result<Vec<u8>, AppendError> {
    let conflict = |on: String| AppendError::Conflict { on };
    let payload = serde_json::to_vec(commit).map_err(|bad| conflict(bad.to_string()))?;
    if payload.len() > PAYLOAD_MAX {
        return Err(conflict(format!("a commit of {} bytes", payload.len())));
    }
    Ok(payload)
}

/// Ends a segment: its last frame is the last of the file.
pub(crate) fn write_turn(
    file: &dyn DiskFile,
    offset: u64,
    seq: u64,
    hash: Hash,
) -> std::io::Result<()> {
    let mut turn = Vec::new();
    Frame::mark(Kind::Turn, seq, hash).encode(&[], &mut turn);
    file.write_at(&turn, offset)?;
    file.sync()?;
    file.set_len(offset + turn.len() as u64)?;
    file.sync()
}
