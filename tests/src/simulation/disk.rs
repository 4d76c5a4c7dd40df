//! The journal as the simulation uses it: what was appended, what is durable, what a crash leaves.

use std::{collections::VecDeque, sync::RwLockReadGuard};

use jiff::Timestamp;
use muster_runbooks::name::RunId;
use muster_state::{
    event::{Batch, Entry, Record},
    journal::{Journal, MemoryJournal, Receipt},
    lease::{Fit, Mark},
    progress::{EndedRun, Progress},
};

/// The journal in memory, and the receipts that wait.
#[derive(Debug, Default)]
pub struct Disk {
    journal: MemoryJournal,
    receipts: VecDeque<Receipt>,
    read_to: u64,
}

impl Disk {
    /// Queues a batch.
    pub fn append(&mut self, at: Timestamp, batch: Batch) {
        self.receipts.push_back(self.journal.append(at, batch));
    }

    /// Makes the oldest waiting batch durable.
    pub fn sync_one(&mut self) -> Result<(), String> {
        self.journal.sync_one();
        let receipt = self.receipts.pop_front().map(|mut receipt| receipt.try_recv());
        match receipt {
            Some(Ok(Some(Ok(_)))) => Ok(()),
            Some(Ok(Some(Err(refused)))) => Err(refused.to_string()),
            Some(Ok(None) | Err(_)) | None => Err("a batch has no receipt".to_owned()),
        }
    }

    /// The number behind the last record that was looked at.
    pub fn read_to(&self) -> u64 {
        self.read_to
    }

    /// How many batches wait.
    pub fn unsynced(&self) -> usize {
        self.journal.unsynced()
    }

    /// What is durable, folded.
    pub fn progress(&self) -> RwLockReadGuard<'_, Progress> {
        self.journal.progress()
    }

    /// What the next process finds when `keep` of the waiting batches had reached the disk.
    pub fn crash(&mut self, keep: usize) {
        self.journal = self.journal.crash(keep);
        self.receipts.clear();
    }

    /// What a process that stands still has before it: everything that it wrote reaches its own disk.
    pub fn left_behind(&mut self) -> Disk {
        let journal = self.journal.crash(usize::MAX);
        self.receipts.clear();
        Disk { journal, receipts: VecDeque::new(), read_to: self.read_to }
    }

    /// The row of a run that has ended.
    pub fn ended(&self, run: &RunId) -> Option<EndedRun> {
        let ended = self.journal.ended(None, usize::MAX).ok()?;
        ended.into_iter().find(|one| one.id == *run)
    }

    /// Everything that is durable, record by record.
    pub fn records(&self) -> Vec<Record> {
        self.journal.read(None, 0, usize::MAX).unwrap_or_default()
    }

    /// Where it ends.
    pub fn mark(&self) -> Mark {
        let sequence = self.progress().end;
        Mark { sequence, hash: self.link(sequence).unwrap_or_default() }
    }

    /// How a place in a journal fits this one.
    pub fn fits(&self, mark: &Mark) -> Fit {
        if mark.sequence > self.progress().end {
            return Fit::Beyond;
        }
        let same = self.link(mark.sequence).is_some_and(|link| link == mark.hash);
        if same { Fit::Known } else { Fit::Other }
    }

    fn link(&self, end: u64) -> Option<String> {
        self.journal.link(end).ok().flatten().map(|link| link.to_string())
    }

    /// Records that a process took the journal over.
    pub fn opened(&mut self, at: Timestamp) {
        self.journal.opened(at, "simulation");
    }

    /// Everything that is durable, folded anew from the first commit on. Nothing may be waiting.
    pub fn replayed(&self) -> Progress {
        assert_eq!(self.unsynced(), 0, "a replay is of a journal at rest");
        self.journal.replayed().expect("what was folded once folds again")
    }

    /// Shows what became durable since the last look.
    pub fn show_fresh(&mut self, to: impl FnMut(u64, &Entry)) {
        self.journal.show(self.read_to, to);
        self.read_to = self.journal.progress().end;
    }
}
