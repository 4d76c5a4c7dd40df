//! What follows the log at its own pace: the rows, and the beat.

use std::sync::PoisonError;

use jiff::{SignedDuration, Timestamp};

use super::{Broken, Writer};
use crate::journal::sled::Update;

/// The rows are synced after so many writes of them: only to shorten the replay after a power cut.
const ROWS_PER_SYNC: u32 = 256;

/// Beats closer together than this are not written.
const BEAT_EVERY: SignedDuration = SignedDuration::from_secs(1);

impl Writer {
    /// Brings the rows up to the log.
    pub(super) fn write_rows(&mut self) {
        (self.work.groups, self.work.commits) = (0, 0);
        if self.dirty.is_empty() || self.shared.broken.get().is_some() {
            return;
        }
        let shared = self.shared.clone();
        let ended = shared.unwritten.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let written = {
            let progress = shared.progress.read().unwrap_or_else(PoisonError::into_inner);
            shared.rows.write(
                &mut self.sum,
                &Update {
                    progress: &progress,
                    lengths: self.ledger.lengths(),
                    hash: self.hash,
                    dirty: &self.dirty,
                    ended: &ended,
                },
            )
        };
        let synced = written.and_then(|()| {
            self.work.rows_written += 1;
            if self.work.rows_written.is_multiple_of(ROWS_PER_SYNC) {
                shared.rows.sync()
            } else {
                Ok(())
            }
        });
        self.dirty.clear();
        // Only now are they found among the rows.
        shared.unwritten.lock().unwrap_or_else(PoisonError::into_inner).drain(..ended.len());
        self.survive(synced.map_err(|trouble| Broken(trouble.because)));
    }

    pub(super) fn beat(&mut self) {
        let beat = *self.shared.beat.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(at) = beat else { return };
        let is_due = |last: Timestamp| at.duration_since(last).abs() >= BEAT_EVERY;
        if self.work.beat_written.is_none_or(is_due) && self.shared.broken.get().is_none() {
            self.work.beat_written = Some(at);
            let beaten = self.shared.rows.beat(at);
            self.survive(beaten.map_err(|trouble| Broken(trouble.because)));
        }
    }
}
