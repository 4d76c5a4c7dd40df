//! The journal as the simulation uses it: what was appended, what is durable, what a crash leaves.

use std::{collections::VecDeque, sync::RwLockReadGuard};

use jiff::Timestamp;
use muster_state::{
    event::{Batch, Record},
    journal::{Journal, MemoryJournal, Receipt},
    progress::Progress,
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

    /// Makes the oldest waiting batch durable, and returns its records.
    pub fn sync_one(&mut self) -> Result<Vec<Record>, String> {
        self.journal.sync_one();
        let receipt = self.receipts.pop_front().map(|mut receipt| receipt.try_recv());
        match receipt {
            Some(Ok(Some(Ok(_)))) => Ok(self.fresh()),
            Some(Ok(Some(Err(refused)))) => Err(refused.to_string()),
            Some(Ok(None) | Err(_)) | None => Err("a batch has no receipt".to_owned()),
        }
    }

    /// How many batches wait.
    pub fn unsynced(&self) -> usize {
        self.journal.unsynced()
    }

    /// What is durable, folded.
    pub fn progress(&self) -> RwLockReadGuard<'_, Progress> {
        self.journal.progress()
    }

    /// What the next process finds when `keep` of the waiting batches had reached the disk. Returns
    /// the records of those.
    pub fn crash(&mut self, keep: usize) -> Vec<Record> {
        self.journal = self.journal.crash(keep);
        self.receipts.clear();
        self.fresh()
    }

    /// Records that a process took the journal over.
    pub fn opened(&mut self, at: Timestamp) -> Vec<Record> {
        self.journal.opened(at, "simulation");
        self.fresh()
    }

    /// Everything that is durable, folded anew from the first commit on. Nothing may be waiting.
    pub fn replayed(&self) -> Progress {
        assert_eq!(self.unsynced(), 0, "a replay is of a journal at rest");
        self.journal.crash(0).progress().clone()
    }

    /// The records that became durable since the last look.
    fn fresh(&mut self) -> Vec<Record> {
        let records = self.journal.read(None, self.read_to, usize::MAX).unwrap_or_default();
        self.read_to = self.journal.progress().end;
        records
    }
}
