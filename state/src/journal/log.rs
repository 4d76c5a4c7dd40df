//! The journal on disk: a log in front, progress in sled behind it.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering},
        mpsc::{SyncSender, TrySendError},
    },
    thread::JoinHandle,
};

use futures::channel::oneshot;
use jiff::Timestamp;
use muster_runbooks::name::RunId;

use super::{
    AppendError, Hash, Journal, OpenError, Part, ReadError, Receipt,
    codec::Kind,
    disk::{Disk, RealDisk},
    home::{Home, Lock},
    open,
    reader::{self, Query},
    recent::Recent,
    segment::Segment,
    sled::{Rows, Trouble},
    writer::Message,
};
use crate::{
    event::{Batch, Commit, Record, Stream},
    progress::{EndedRun, Progress},
};

/// How a journal on disk is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The time of the opening, by the clock of the engine.
    pub at: Timestamp,
    /// The program's version, for the record of the opening.
    pub program: String,
    /// The size of a segment.
    pub segment_bytes: u64,
    /// How many batches may wait for the writer.
    pub queue: usize,
    /// How much of the newest log is verified in full before anything is served.
    pub verified_bytes: u64,
    /// Where the log is.
    #[doc(hidden)]
    pub disk: Arc<dyn Disk>,
}

impl Options {
    /// What a daemon uses.
    pub fn new(at: Timestamp, program: &str) -> Options {
        Options {
            at,
            program: program.to_owned(),
            segment_bytes: 16 << 20,
            queue: 4096,
            verified_bytes: 64 << 20,
            disk: Arc::new(RealDisk),
        }
    }
}

/// The journal in a state directory. Dropping it writes what is queued and seals the log.
#[derive(Debug)]
pub struct LogJournal {
    shared: Arc<Shared>,
    queue: SyncSender<Message>,
    writer: Option<JoinHandle<()>>,
    // Held until the writer is done.
    _lock: Lock,
}

/// What the writer and the readers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) home: Home,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) rows: Rows,
    pub(crate) progress: RwLock<Progress>,
    /// The number behind the last durable record, for those who must not wait for `progress`.
    pub(crate) durable: AtomicU64,
    pub(crate) segments: RwLock<Vec<Segment>>,
    pub(crate) recent: Mutex<Recent>,
    /// Ended runs that are not among the rows yet.
    pub(crate) unwritten: Mutex<Vec<EndedRun>>,
    pub(crate) beat: Mutex<Option<Timestamp>>,
    /// Why nothing is written any more.
    pub(crate) broken: OnceLock<String>,
}

impl Shared {
    /// What everybody is told once something broke.
    pub(crate) fn broken_error(&self) -> AppendError {
        let because = self.broken.get().map_or("the writer has stopped", String::as_str);
        AppendError::Broken { because: because.to_owned() }
    }

    /// Whether a run has ended. If that cannot be read, it counts as ended: nothing is appended.
    pub(crate) fn has_ended(&self, run: &RunId) -> bool {
        let unwritten = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
        unwritten.iter().any(|ended| ended.id == *run) || self.rows.has_ended(run).unwrap_or(true)
    }
}

impl LogJournal {
    /// Opens the journal in `dir`, or makes one, and records that it did.
    pub fn open(dir: &Path, options: Options) -> Result<LogJournal, OpenError> {
        open::open(dir, options)
    }

    pub(crate) fn new(
        shared: Arc<Shared>,
        queue: SyncSender<Message>,
        writer: JoinHandle<()>,
        lock: Lock,
    ) -> LogJournal {
        LogJournal { shared, queue, writer: Some(writer), _lock: lock }
    }

    /// Writes what is queued and seals the log. The error says that it could not be sealed; what
    /// was acknowledged is durable all the same.
    pub fn close(mut self) -> Result<(), AppendError> {
        self.stop();
        if self.shared.broken.get().is_some() { Err(self.shared.broken_error()) } else { Ok(()) }
    }

    fn stop(&mut self) {
        if let Some(writer) = self.writer.take() {
            // Blocks while the queue is full; fails if the writer is gone, and then so is the work.
            let _ = self.queue.send(Message::Close);
            let _ = writer.join();
        }
    }
}

impl Drop for LogJournal {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Journal for LogJournal {
    fn append(&self, at: Timestamp, batch: Batch) -> Receipt {
        let (reply, receipt) = oneshot::channel();
        let refused = match self.queue.try_send(Message::Append { at, batch, reply }) {
            Ok(()) => return receipt,
            Err(TrySendError::Full(Message::Append { reply, .. })) => {
                Some((reply, AppendError::Full))
            }
            Err(TrySendError::Disconnected(Message::Append { reply, .. })) => {
                Some((reply, self.shared.broken_error()))
            }
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => None,
        };
        if let Some((reply, error)) = refused {
            let _ = reply.send(Err(error));
        }
        receipt
    }

    fn progress(&self) -> RwLockReadGuard<'_, Progress> {
        self.shared.progress.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(
        &self,
        stream: Option<&Stream>,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Record>, ReadError> {
        let end = self.shared.durable.load(Ordering::Acquire);
        if from >= end {
            return Ok(Vec::new());
        }
        let query = Query { stream, from, end, limit };
        // Each commit has a record at least, but perhaps none of the stream.
        let commits = if stream.is_some() { usize::MAX } else { limit };
        let recent = self.shared.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let since = recent.since(from, commits);
        drop(recent);
        match since {
            Some(payloads) => reader::parse(&payloads, query),
            None => reader::read(&self.shared.segments, query),
        }
    }

    fn ended(&self, after: Option<&EndedRun>, limit: usize) -> Result<Vec<EndedRun>, ReadError> {
        let before = after.map_or(u64::MAX, |run| run.last_seq);
        // First those that are on their way to the rows: they may arrive there in between, but
        // never be in neither place.
        let unwritten = self.shared.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
        let mut runs: Vec<EndedRun> = unwritten
            .iter()
            .rev()
            .filter(|run| run.last_seq < before)
            .take(limit)
            .cloned()
            .collect();
        drop(unwritten);
        let rest = runs.last().map_or(before, |run| run.last_seq);
        let written = self.shared.rows.ended(rest, limit - runs.len());
        runs.extend(written.map_err(|trouble: Trouble| ReadError::Damaged {
            file: self.shared.home.progress().display().to_string(),
            seq: rest,
            because: trouble.because,
        })?);
        Ok(runs)
    }

    fn link(&self, end: u64) -> Result<Option<Hash>, ReadError> {
        if end == 0 {
            return Ok(Some(Hash::genesis()));
        }
        if end > self.shared.durable.load(Ordering::Acquire) {
            return Ok(None);
        }
        // The commit that ends there is the last that begins before it.
        let query = Query { stream: None, from: end - 1, end, limit: usize::MAX };
        let mut link = None;
        reader::walk(&self.shared.segments, query, &mut |frame, _| {
            link = (frame.kind == Kind::Commit && frame.end() == end).then_some(frame.hash);
            Ok(0)
        })?;
        Ok(link)
    }

    fn part(&self, from: u64, bytes_max: usize) -> Result<Option<Part>, ReadError> {
        let end = self.shared.durable.load(Ordering::Acquire);
        let mut part = None;
        let query = Query { stream: None, from, end, limit: bytes_max };
        reader::walk(&self.shared.segments, query, &mut |frame, payload| {
            if frame.kind != Kind::Commit || frame.seq < from {
                return Ok(0);
            }
            let commit: Commit = serde_json::from_slice(payload)
                .map_err(|bad| format!("it cannot be read: {bad}"))?;
            Part::push(&mut part, &commit, &frame.hash, payload);
            Ok(payload.len())
        })?;
        Ok(part)
    }

    fn beat(&self, at: Timestamp) {
        *self.shared.beat.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
        // With a full queue there are commits enough to see that the process was alive.
        let _ = self.queue.try_send(Message::Beat);
    }

    fn last_beat(&self) -> Option<Timestamp> {
        *self.shared.beat.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
