//! The journal as the simulation uses it: what was appended, what is durable, what a crash leaves.

use std::collections::VecDeque;

use jiff::Timestamp;
use muster_state::{
    event::{AccessEvent, Batch, Commit, Entry, Stream, VERSION},
    journal::AppendError,
    progress::Progress,
};

/// A log whose tail is lost in a crash.
#[derive(Debug, Default)]
pub struct Disk {
    durable: Vec<Commit>,
    known: Progress,
    written: Progress,
    tail: VecDeque<Result<Commit, AppendError>>,
}

impl Disk {
    /// Queues a batch.
    pub fn append(&mut self, at: Timestamp, batch: Batch) {
        let commit = self.admit(at, batch);
        self.tail.push_back(commit);
    }

    fn admit(&mut self, at: Timestamp, batch: Batch) -> Result<Commit, AppendError> {
        let conflict = |on: String| AppendError::Conflict { on };
        for (stream, expected) in &batch.expected {
            let len = match stream {
                Stream::Run(id) => self.written.runs.get(id).map_or(0, |run| run.len),
                Stream::Application(_)
                | Stream::Schedule(_)
                | Stream::Access
                | Stream::Notice(_) => continue,
            };
            if len != *expected {
                return Err(conflict(stream.to_string()));
            }
        }
        let taken = batch.take.iter().find(|claim| {
            let held = self.written.claims.get(&claim.key);
            held.is_some_and(|held| held.holder != claim.holder) && !batch.free.contains(&claim.key)
        });
        if let Some(claim) = taken {
            return Err(conflict(claim.key.clone()));
        }
        let Batch { entries, take, free, .. } = batch;
        let commit = Commit { v: VERSION, seq: self.written.end, at, entries, take, free };
        self.written.apply(&commit).map_err(|misfit| conflict(misfit.to_string()))?;
        Ok(commit)
    }

    /// Makes the oldest waiting batch durable.
    pub fn sync_one(&mut self) -> Result<&Commit, AppendError> {
        let gone = || AppendError::Broken { because: "nothing waits".to_owned() };
        let commit = self.tail.pop_front().ok_or_else(gone)??;
        let broken = |misfit: muster_state::progress::Misfit| AppendError::Broken {
            because: misfit.to_string(),
        };
        self.known.apply(&commit).map_err(broken)?;
        self.durable.push(commit);
        self.durable.last().ok_or_else(gone)
    }

    /// How many batches wait.
    pub fn unsynced(&self) -> usize {
        self.tail.len()
    }

    /// What is durable, folded.
    pub fn progress(&self) -> &Progress {
        &self.known
    }

    /// What is durable, commit by commit.
    pub fn commits(&self) -> &[Commit] {
        &self.durable
    }

    /// What the next process finds when `keep` of the waiting batches had reached the disk. Returns
    /// those.
    pub fn crash(&mut self, keep: usize) -> Vec<Commit> {
        let kept: Vec<Commit> = self.tail.drain(..).map_while(Result::ok).take(keep).collect();
        for commit in &kept {
            if self.known.apply(commit).is_ok() {
                self.durable.push(commit.clone());
            }
        }
        self.written = self.known.clone();
        kept
    }

    /// Records that a process took the journal over.
    pub fn opened(&mut self, at: Timestamp) -> Result<&Commit, AppendError> {
        let epoch = self.known.epoch + 1;
        let opened = Entry::access(AccessEvent::Opened { epoch, program: "simulation".to_owned() });
        self.append(at, Batch { entries: vec![opened], ..Batch::default() });
        self.sync_one()
    }

    /// Everything that is durable, folded anew from the first commit on.
    pub fn replayed(&self) -> Result<Progress, muster_state::progress::Misfit> {
        let mut progress = Progress::default();
        for commit in &self.durable {
            progress.apply(commit)?;
        }
        Ok(progress)
    }
}
