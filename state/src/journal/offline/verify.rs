//! `muster state verify`: every frame, the chain, the fold, and whether progress agrees.

use std::path::Path;

use super::{Head, OfflineError, steadily};
use crate::{
    journal::{
        OpenError,
        chain::{self, End},
        codec::{Hash, Kind},
        fold::Fold,
        home::Home,
        segment::Segment,
        sled::{Loaded, Rows},
    },
    progress::EndedRun,
};

/// What `verify` found in an intact log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Report {
    /// How many segments.
    pub segments: u64,
    /// How many commits.
    pub commits: u64,
    /// How many runs are open.
    pub open_runs: u64,
    /// How many runs have ended.
    pub ended_runs: u64,
    /// The end of the log.
    pub head: Head,
    /// Whether the last process stopped in good order.
    pub sealed: bool,
    /// How many bytes of a torn tail stand behind the head. The next start cuts them.
    pub torn_bytes: u64,
    /// Whether the progress follows from the log.
    pub progress: Agreement,
}

/// Whether the progress follows from the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Agreement {
    /// Every row follows from the log up to this record. The rest is replayed at the next start.
    Agrees {
        /// The number behind the last record that is folded in.
        end: u64,
    },
    /// A running daemon has it open; only the log was verified.
    InUse,
}

/// Verifies a state directory. Beside a running daemon it verifies the log up to what is durable.
pub fn verify(dir: &Path) -> Result<Report, OfflineError> {
    let home = Home::at(dir);
    home.check_format()?;
    let lock = match home.lock() {
        Ok(lock) => Some(lock),
        Err(OpenError::Locked { .. }) => None,
        Err(other) => return Err(other.into()),
    };
    let rows = match (&lock, home.progress().exists()) {
        (Some(_), true) => Some(Rows::open(&home.progress())?),
        (Some(_), false) => return Err(missing(&home).into()),
        (None, _) => None,
    };
    let loaded =
        rows.as_ref().map(|rows| rows.load()?.ok_or_else(|| missing(&home))).transpose()?;
    steadily(&home, |segments| report(&home, segments, rows.as_ref(), loaded.as_ref()))
}

fn report(
    home: &Home,
    segments: &mut [Segment],
    rows: Option<&Rows>,
    loaded: Option<&Loaded>,
) -> Result<Report, OfflineError> {
    chain::check_first(segments)?;
    let mut found = Found { fold: Fold::empty(), commits: 0, ended: 0, sealed: false };
    let end = match loaded {
        Some(loaded) => found.walk(segments, loaded, rows, home)?,
        None => chain::walk(segments, 0, 0, &mut |placed| found.frame(placed).map(drop))?,
    };
    let in_use = Agreement::InUse;
    Ok(Report {
        segments: segments.len() as u64,
        commits: found.commits,
        open_runs: found.fold.progress.runs.len() as u64,
        ended_runs: found.ended,
        head: Head { end: end.at.seq, hash: end.at.hash },
        sealed: found.sealed,
        torn_bytes: end.at.flaw.map_or(0, |flaw| flaw.bytes),
        progress: loaded.map_or(in_use, |loaded| Agreement::Agrees { end: loaded.progress.end }),
    })
}

fn missing(home: &Home) -> OpenError {
    OpenError::Progress {
        file: home.progress().display().to_string(),
        because: "it is missing".to_owned(),
    }
}

struct Found {
    fold: Fold,
    commits: u64,
    ended: u64,
    sealed: bool,
}

impl Found {
    fn frame(&mut self, placed: &chain::Placed<'_>) -> Result<Vec<EndedRun>, OpenError> {
        self.sealed = placed.frame.kind == Kind::Seal;
        if self.fold.frame(placed)?.is_some() {
            self.commits += 1;
        }
        self.fold.dirty.clear();
        self.ended += self.fold.ended.len() as u64;
        Ok(std::mem::take(&mut self.fold.ended))
    }

    /// Walks the whole log and compares with the rows at the place where they stand.
    fn walk(
        &mut self,
        segments: &mut [Segment],
        loaded: &Loaded,
        rows: Option<&Rows>,
        home: &Home,
    ) -> Result<End, OpenError> {
        let known = loaded.progress.end;
        let apart = |seq, because: &str| OpenError::Apart {
            file: home.progress().display().to_string(),
            seq,
            because: because.to_owned(),
        };
        let mut met = false;
        let mut compare = |fold: &Fold, hash: Hash| {
            if fold.progress.end == known && !met {
                met = true;
                if hash != loaded.hash {
                    return Err(apart(known, "their chains of hashes differ"));
                }
                if fold.progress != loaded.progress || fold.lengths != loaded.lengths {
                    return Err(apart(known, "the rows do not follow from the log"));
                }
            }
            Ok(())
        };
        compare(&self.fold, Hash::genesis())?;
        let end = chain::walk(segments, 0, known, &mut |placed| {
            for run in self.frame(placed)? {
                let row = rows.map(|rows| rows.ended(run.last_seq + 1, 1)).transpose();
                let row = row.map_err(|trouble| trouble.at(&home.progress()))?;
                if run.last_seq < known && row.is_some_and(|row| row.first() != Some(&run)) {
                    return Err(apart(run.last_seq, "the row of an ended run is not as it ended"));
                }
            }
            compare(&self.fold, placed.frame.hash)
        })?;
        if met { Ok(end) } else { Err(apart(known, "the log ends before the progress does")) }
    }
}
