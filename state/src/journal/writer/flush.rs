//! From written to durable to known: the order that everything else relies on.

use std::{
    mem,
    sync::{Arc, PoisonError, atomic::Ordering},
};

use super::{Broken, Staged, Writer};
use crate::journal::{AppendError, recent::Payload};

/// Room for a group that is kept for the next; a burst needs more, and gives it back.
const GROUP_KEPT: usize = 256 << 10;

impl Writer {
    /// Writes and syncs the group, shows it, and answers.
    pub(super) fn flush(&mut self) -> Result<(), Broken> {
        let group = mem::take(&mut self.work.group);
        let staged = mem::take(&mut self.work.staged);
        let mut result = Ok(());
        if !group.is_empty() {
            let written = self.file.write_at(&group, self.offset).and_then(|()| self.file.sync());
            result = written.map_err(|refused| Broken(refused.to_string())).and_then(|()| {
                self.offset += group.len() as u64;
                self.show(&staged)
            });
        }
        for staged in staged {
            // Nobody may wait any more; the batch is on disk all the same.
            let _ = match (staged, &result) {
                (Staged::Written { commit, reply, .. }, Ok(())) => reply.send(Ok(commit.end())),
                (Staged::Refused { error, reply }, Ok(())) => reply.send(Err(error)),
                (
                    Staged::Written { reply, .. } | Staged::Refused { reply, .. },
                    Err(Broken(because)),
                ) => reply.send(Err(AppendError::Broken { because: because.clone() })),
            };
        }
        self.work.group = group;
        self.work.group.clear();
        self.work.group.shrink_to(GROUP_KEPT);
        result
    }

    /// Folds what is durable now into what everybody sees.
    fn show(&mut self, staged: &[Staged]) -> Result<(), Broken> {
        let shared = self.shared.clone();
        let written = || {
            staged.iter().filter_map(|staged| match staged {
                Staged::Written { commit, payload, offset, .. } => Some((commit, payload, *offset)),
                Staged::Refused { .. } => None,
            })
        };
        // One lock at a time: a reader may hold the progress while it reads records.
        if let Some(segment) =
            shared.segments.write().unwrap_or_else(PoisonError::into_inner).last_mut()
        {
            written().for_each(|(commit, _, offset)| segment.note(commit.seq, offset));
        }
        let mut recent = shared.recent.lock().unwrap_or_else(PoisonError::into_inner);
        for (commit, bytes, _) in written() {
            let (seq, end, bytes) = (commit.seq, commit.end(), Arc::clone(bytes));
            recent.push(Payload { seq, end, bytes });
        }
        drop(recent);
        let mut ended = Vec::new();
        let mut progress = shared.progress.write().unwrap_or_else(PoisonError::into_inner);
        for (commit, ..) in written() {
            let touched = progress
                .apply(commit)
                .map_err(|misfit| Broken(format!("a durable commit does not fit: {misfit}")))?;
            self.dirty.extend(touched.rows);
            ended.extend(touched.ended);
        }
        self.durable = progress.end;
        self.ledger.settle(ended.iter().map(|run| &run.id));
        shared.unwritten.lock().unwrap_or_else(PoisonError::into_inner).extend(ended);
        shared.durable.store(progress.end, Ordering::Release);
        drop(progress);
        Ok(())
    }

    /// Remembers the first thing that broke. A sync that failed may have dropped what it should
    /// have written, so the descriptor is never trusted again.
    pub(super) fn survive(&mut self, result: Result<(), Broken>) {
        if let Err(Broken(because)) = result {
            let _ = self.shared.broken.set(because);
            self.dirty.clear();
            self.work.group.clear();
            let error = self.shared.broken_error();
            for staged in mem::take(&mut self.work.staged) {
                let (Staged::Written { reply, .. } | Staged::Refused { reply, .. }) = staged;
                let _ = reply.send(Err(error.clone()));
            }
        }
    }
}
