//! Folding the log into progress and rows: when a process starts, and when progress is rebuilt.

use std::collections::BTreeSet;

use super::{
    OpenError,
    chain::Placed,
    codec::{Hash, Kind},
    ledger::Lengths,
    sled::{Rows, Sum, Update},
};
use crate::{
    event::Commit,
    progress::{EndedRun, Progress, Row},
};

/// After so many changes the rows are written, so that a long replay does not grow in memory.
const CHANGES_MAX: usize = 20_000;

/// What is folded so far, and what of it the rows lack.
#[derive(Debug)]
pub(crate) struct Fold {
    /// The progress.
    pub(crate) progress: Progress,
    /// The lengths of streams.
    pub(crate) lengths: Lengths,
    /// The chain behind the last commit.
    pub(crate) hash: Hash,
    /// The rows that changed.
    pub(crate) dirty: BTreeSet<Row>,
    /// The runs that ended.
    pub(crate) ended: Vec<EndedRun>,
}

impl Fold {
    /// Nothing yet.
    pub(crate) fn empty() -> Fold {
        Fold::from(Progress::default(), Lengths::default(), Hash::genesis())
    }

    /// What is known already.
    pub(crate) fn from(progress: Progress, lengths: Lengths, hash: Hash) -> Fold {
        Fold { progress, lengths, hash, dirty: BTreeSet::new(), ended: Vec::new() }
    }

    /// Takes one frame in, and gives its commit if it is one.
    pub(crate) fn frame(&mut self, placed: &Placed<'_>) -> Result<Option<Commit>, OpenError> {
        match placed.frame.kind {
            Kind::Seal | Kind::Turn => Ok(None),
            Kind::Commit => {
                let commit = placed.commit()?;
                let touched = self.progress.apply(&commit).map_err(|source| {
                    let file = placed.path.display().to_string();
                    OpenError::Misfit { file, seq: commit.seq, source }
                })?;
                self.lengths.count(&commit);
                self.hash = placed.frame.hash;
                self.dirty.extend(touched.rows);
                self.ended.extend(touched.ended);
                Ok(Some(commit))
            }
        }
    }

    /// Whether enough has come together to write it.
    pub(crate) fn is_large(&self) -> bool {
        self.dirty.len() + self.ended.len() > CHANGES_MAX
    }

    /// Writes what the rows lack.
    pub(crate) fn write(&mut self, rows: &Rows, sum: &mut Sum) -> Result<(), super::sled::Trouble> {
        rows.write(
            sum,
            &Update {
                progress: &self.progress,
                lengths: &self.lengths,
                hash: self.hash,
                dirty: &self.dirty,
                ended: &self.ended,
            },
        )?;
        self.dirty.clear();
        self.ended.clear();
        Ok(())
    }
}
