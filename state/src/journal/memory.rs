//! The journal of the simulator: in memory, with a tail that a crash can tear at any place.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard},
};

use futures::channel::oneshot;
use jiff::Timestamp;
use muster_runbooks::name::RunId;

use super::{
    AppendError, Hash, Journal, Part, ReadError, Receipt,
    ledger::{Ledger, Lengths},
    recent::records,
};
use crate::{
    event::{AccessEvent, Batch, Commit, Entry, Record, Stream},
    progress::{EndedRun, Misfit, Progress},
};

/// A journal in memory. A batch is durable once [`MemoryJournal::sync_one`] or
/// [`MemoryJournal::sync_all`] has reached it, or at once after [`MemoryJournal::auto`].
#[derive(Debug, Default)]
pub struct MemoryJournal {
    progress: RwLock<Progress>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    durable: Vec<Commit>,
    /// The chain of hashes behind the first of them.
    links: Vec<Hash>,
    lengths: Lengths,
    /// Ended runs in the order of their last record.
    ended: Vec<EndedRun>,
    /// The last record of each ended run.
    ids: BTreeMap<RunId, u64>,
    ledger: Ledger,
    tail: VecDeque<Unsynced>,
    auto: bool,
    beat: Option<Timestamp>,
}

/// What waits for a sync: a commit, or a refusal that must not be known before what caused it is.
struct Unsynced {
    commit: Result<Commit, AppendError>,
    reply: oneshot::Sender<Result<u64, AppendError>>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (durable, tail) = (self.durable.len(), self.tail.len());
        write!(f, "{durable} commits durable, {tail} waiting")
    }
}

impl MemoryJournal {
    /// An empty journal in which nothing is durable until it is synced.
    pub fn new() -> MemoryJournal {
        MemoryJournal::default()
    }

    /// The same journal, with every batch durable at once.
    #[must_use]
    pub fn auto(self) -> MemoryJournal {
        self.inner().auto = true;
        self.sync_all();
        self
    }

    /// Records that a process took the journal over, as opening one on disk does, and syncs it.
    pub fn opened(&self, at: Timestamp, program: &str) {
        let epoch = self.progress().epoch + 1;
        let opened = Entry::access(AccessEvent::Opened { epoch, program: program.to_owned() });
        // Nobody waits: an opening cannot be refused.
        drop(self.append(at, Batch { entries: vec![opened], ..Batch::default() }));
        self.sync_all();
    }

    /// How many batches wait for a sync.
    pub fn unsynced(&self) -> usize {
        self.inner().tail.len()
    }

    /// Makes the oldest waiting batch durable and completes its receipt. Returns whether there was
    /// one.
    pub fn sync_one(&self) -> bool {
        let mut inner = self.inner();
        let Some(Unsynced { commit, reply }) = inner.tail.pop_front() else { return false };
        let answer = commit.and_then(|commit| self.settle(&mut inner, commit));
        drop(inner);
        // A receipt that nobody waits for is no trouble.
        let _ = reply.send(answer);
        true
    }

    /// Makes everything that waits durable.
    pub fn sync_all(&self) {
        while self.sync_one() {}
    }

    /// What the next process finds after a crash in which `keep` of the unsynced batches had
    /// reached the disk. The receipts of all unsynced batches are cancelled.
    #[must_use]
    pub fn crash(&self, keep: usize) -> MemoryJournal {
        let mut inner = self.inner();
        let kept = inner.tail.drain(..).filter_map(|unsynced| unsynced.commit.ok()).take(keep);
        let kept: Vec<Commit> = kept.collect();
        let commits: Vec<Commit> = inner.durable.iter().cloned().chain(kept).collect();
        let beat = inner.beat.max(commits.last().map(|commit| commit.at));
        let auto = inner.auto;
        drop(inner);
        let next = MemoryJournal::new();
        {
            let mut inner = next.inner();
            inner.auto = auto;
            inner.beat = beat;
            for commit in commits {
                // They were folded before in the same order.
                if next.settle(&mut inner, commit).is_err() {
                    break;
                }
            }
            let lengths = inner.lengths.clone();
            inner.ledger = Ledger::new(&next.progress(), lengths);
        }
        next
    }

    /// Shows everything durable from record `from` on with its number, without copying it.
    pub fn show(&self, from: u64, mut to: impl FnMut(u64, &Entry)) {
        let inner = self.inner();
        let start = inner.durable.partition_point(|commit| commit.end() <= from);
        for commit in &inner.durable[start..] {
            let entries = (commit.seq..).zip(&commit.entries);
            entries.filter(|(seq, _)| *seq >= from).for_each(|(seq, entry)| to(seq, entry));
        }
    }

    /// Everything that is durable, folded anew from the first commit on.
    pub fn replayed(&self) -> Result<Progress, Misfit> {
        let mut progress = Progress::default();
        for commit in &self.inner().durable {
            progress.apply(commit)?;
        }
        Ok(progress)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Folds a commit into what everybody sees.
    fn settle(&self, inner: &mut Inner, commit: Commit) -> Result<u64, AppendError> {
        let mut progress = self.progress.write().unwrap_or_else(PoisonError::into_inner);
        let touched = progress
            .apply(&commit)
            .map_err(|misfit| AppendError::Broken { because: misfit.to_string() })?;
        inner.lengths.count(&commit);
        for run in touched.ended {
            inner.ledger.settle(std::iter::once(&run.id));
            inner.ids.insert(run.id.clone(), run.last_seq);
            inner.ended.push(run);
        }
        let end = commit.end();
        inner.durable.push(commit);
        Ok(end)
    }
}

impl Journal for MemoryJournal {
    fn append(&self, at: Timestamp, batch: Batch) -> Receipt {
        let (reply, receipt) = oneshot::channel();
        let mut inner = self.inner();
        let Inner { ledger, ids, tail, .. } = &mut *inner;
        let commit = ledger.admit(at, batch, &|run| ids.contains_key(run), &mut |_| Ok(()));
        if commit.is_err() {
            let durable = self.progress.read().unwrap_or_else(PoisonError::into_inner);
            ledger.mend(&durable, tail.iter().filter_map(|waiting| waiting.commit.as_ref().ok()));
        }
        tail.push_back(Unsynced { commit, reply });
        let auto = inner.auto;
        drop(inner);
        if auto {
            self.sync_all();
        }
        receipt
    }

    fn progress(&self) -> RwLockReadGuard<'_, Progress> {
        self.progress.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(
        &self,
        stream: Option<&Stream>,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Record>, ReadError> {
        let inner = self.inner();
        let start = inner.durable.partition_point(|commit| commit.end() <= from);
        let commits = inner.durable[start..].iter();
        Ok(records(commits, stream, from, u64::MAX).take(limit).collect())
    }

    fn ended(&self, after: Option<&EndedRun>, limit: usize) -> Result<Vec<EndedRun>, ReadError> {
        let inner = self.inner();
        let before = after.map_or(u64::MAX, |run| run.last_seq);
        let end = inner.ended.partition_point(|run| run.last_seq < before);
        Ok(inner.ended[..end].iter().rev().take(limit).cloned().collect())
    }

    fn link(&self, end: u64) -> Result<Option<Hash>, ReadError> {
        let mut inner = self.inner();
        // The simulator rarely asks, so that most journals never need theirs.
        while inner.links.len() < inner.durable.len() {
            let payload = serde_json::to_vec(&inner.durable[inner.links.len()]);
            let before = inner.links.last().copied().unwrap_or_else(Hash::genesis);
            inner.links.push(before.then(&payload.unwrap_or_default()));
        }
        if end == 0 {
            return Ok(Some(Hash::genesis()));
        }
        let place = inner.durable.binary_search_by_key(&end, Commit::end);
        Ok(place.ok().map(|place| inner.links[place]))
    }

    fn part(&self, from: u64, bytes_max: usize) -> Result<Option<Part>, ReadError> {
        let mut part = None;
        let mut bytes = 0;
        let commits: Vec<Commit> = {
            let inner = self.inner();
            let start = inner.durable.partition_point(|commit| commit.seq < from);
            inner.durable[start..].to_vec()
        };
        for commit in &commits {
            let Some(hash) = self.link(commit.end())? else { break };
            let payload = serde_json::to_vec(commit).unwrap_or_default();
            Part::push(&mut part, commit, &hash, &payload);
            bytes += payload.len();
            if bytes >= bytes_max {
                break;
            }
        }
        Ok(part)
    }

    fn beat(&self, at: Timestamp) {
        self.inner().beat = Some(at);
    }

    fn last_beat(&self) -> Option<Timestamp> {
        self.inner().beat
    }
}
