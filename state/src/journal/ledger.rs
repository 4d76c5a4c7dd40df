//! Admission of batches: what is written but perhaps not yet durable, against which the next batch
//! is checked. The log and the in-memory journal share it, and so refuse alike.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use muster_runbooks::name::RunId;

use super::AppendError;
use crate::{
    event::{Batch, Commit, Entry, Event, NoticeEvent, RunEvent, Stream, VERSION},
    progress::Progress,
};

/// How many records the streams have that [`Progress`] does not count itself: all but runs. A
/// notice is counted while its proposal stands, so that nudges do not add up for ever.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Lengths(BTreeMap<Stream, u64>);

/// What is written, and the lengths of its streams.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    written: Progress,
    lengths: Lengths,
    /// Runs whose end is written but not durable.
    closing: BTreeSet<RunId>,
    /// The fold refused a batch halfway, and `written` can no longer be trusted.
    spoiled: bool,
}

impl Lengths {
    /// The length of a stream.
    pub(crate) fn of(&self, stream: &Stream) -> u64 {
        self.0.get(stream).copied().unwrap_or(0)
    }

    /// Sets the length of a stream, as a row of sled has it.
    pub(crate) fn set(&mut self, stream: Stream, len: u64) {
        self.0.insert(stream, len);
    }

    /// Counts a commit that `Progress` has just taken in.
    pub(crate) fn count(&mut self, commit: &Commit) {
        for entry in &commit.entries {
            match (&entry.stream, &entry.event) {
                (Stream::Run(_), _) => {}
                (Stream::Notice(_), Event::Notice(NoticeEvent::Proposed { .. }))
                | (Stream::Application(_) | Stream::Schedule(_) | Stream::Access, _) => {
                    *self.0.entry(entry.stream.clone()).or_default() += 1;
                }
                (Stream::Notice(_), _) => {
                    self.0.remove(&entry.stream);
                }
            }
        }
    }
}

impl Ledger {
    /// A ledger over what is durable.
    pub(crate) fn new(durable: &Progress, lengths: Lengths) -> Ledger {
        Ledger { written: durable.clone(), lengths, closing: BTreeSet::new(), spoiled: false }
    }

    /// Gives a batch its place, or refuses it. `has_ended` knows the runs that have ended, and
    /// `encode` may refuse the commit before it is taken in.
    ///
    /// After a refusal, [`Ledger::mend`] must be called before the next batch.
    pub(crate) fn admit(
        &mut self,
        at: Timestamp,
        batch: Batch,
        has_ended: &dyn Fn(&RunId) -> bool,
        encode: &mut dyn FnMut(&Commit) -> Result<(), AppendError>,
    ) -> Result<Commit, AppendError> {
        let closing = std::mem::take(&mut self.closing);
        let has_ended = &|run: &RunId| closing.contains(run) || has_ended(run);
        let admitted = self.take(at, batch, has_ended, encode);
        self.closing.extend(closing);
        admitted
    }

    fn take(
        &mut self,
        at: Timestamp,
        batch: Batch,
        has_ended: &dyn Fn(&RunId) -> bool,
        encode: &mut dyn FnMut(&Commit) -> Result<(), AppendError>,
    ) -> Result<Commit, AppendError> {
        let conflict = |on: String| Err(AppendError::Conflict { on });
        if batch.entries.is_empty() {
            return conflict("a batch without entries".to_owned());
        }
        for (stream, expected) in &batch.expected {
            if self.len(stream, has_ended) != Some(*expected) {
                return conflict(stream.to_string());
            }
        }
        for (place, entry) in batch.entries.iter().enumerate() {
            // Nor may a batch end a run and admit it anew: an ended run has one row.
            let ends = |before: &Entry| {
                before.stream == entry.stream
                    && matches!(before.event, Event::Run(RunEvent::Ended { .. }))
            };
            if let (Stream::Run(id), Event::Run(RunEvent::Admitted { .. })) =
                (&entry.stream, &entry.event)
                && (has_ended(id) || batch.entries[..place].iter().any(ends))
            {
                return conflict(entry.stream.to_string());
            }
        }
        if let Some(taken) = self.taken(&batch, at) {
            return conflict(taken);
        }
        let (seq, Batch { entries, take, free, .. }) = (self.written.end, batch);
        let commit = Commit { v: VERSION, seq, at, entries, take, free };
        encode(&commit)?;
        // A commit that the fold refuses would be durable and unreadable for ever, so it is folded
        // before it is written.
        match self.written.apply(&commit) {
            Ok(touched) => self.closing.extend(touched.ended.into_iter().map(|run| run.id)),
            Err(misfit) => {
                self.spoiled = true;
                return conflict(misfit.to_string());
            }
        }
        self.lengths.count(&commit);
        Ok(commit)
    }

    /// These ends are durable, and `has_ended` knows them from here on.
    pub(crate) fn settle<'a>(&mut self, ended: impl Iterator<Item = &'a RunId>) {
        for run in ended {
            self.closing.remove(run);
        }
    }

    /// The lengths of streams.
    pub(crate) fn lengths(&self) -> &Lengths {
        &self.lengths
    }

    /// Makes the ledger whole again after the fold refused a batch halfway.
    pub(crate) fn mend<'a>(
        &mut self,
        durable: &Progress,
        pending: impl Iterator<Item = &'a Commit>,
    ) {
        if self.spoiled {
            self.spoiled = false;
            self.written = durable.clone();
            for commit in pending {
                // It was taken in before in the same order, so it is again.
                self.spoiled |= self.written.apply(commit).is_err();
            }
        }
    }

    /// The length of a stream; none of a run that has ended, which nothing can be appended to.
    fn len(&self, stream: &Stream, has_ended: &dyn Fn(&RunId) -> bool) -> Option<u64> {
        match stream {
            Stream::Run(id) => match self.written.runs.get(id) {
                Some(run) => Some(run.len),
                None if has_ended(id) => None,
                None => Some(0),
            },
            Stream::Application(_) | Stream::Schedule(_) | Stream::Access | Stream::Notice(_) => {
                Some(self.lengths.of(stream))
            }
        }
    }

    /// The first claim of a batch that somebody else holds.
    fn taken(&self, batch: &Batch, at: Timestamp) -> Option<String> {
        let old = at.checked_sub(crate::progress::CLAIMS_KEPT).unwrap_or(Timestamp::MIN);
        let is_free = |key: &String, holder: &RunId| {
            batch.free.contains(key)
                || self.written.claims.get(key).is_none_or(|held| {
                    held.holder == *holder || !key.starts_with("lock/") && held.at < old
                })
        };
        batch
            .take
            .iter()
            .enumerate()
            .find(|(place, claim)| {
                !is_free(&claim.key, &claim.holder)
                    || batch.take[..*place]
                        .iter()
                        .any(|other| other.key == claim.key && other.holder != claim.holder)
            })
            .map(|(_, claim)| claim.key.clone())
    }
}
