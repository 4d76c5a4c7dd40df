//! `muster state repair`: everything up to the last intact record, and a record of the cut.

use std::{
    fs,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::{
    Head, OfflineError,
    new_log::SEGMENT_BYTES,
    restore::{build_rows, set_aside},
};
use crate::{
    event::{AccessEvent, Commit, Entry, VERSION},
    journal::{
        OpenError,
        chain::{self, Placed},
        codec::{Frame, Kind, SEGMENT_HEADER},
        disk::{Disk, RealDisk},
        fold::Fold,
        home::Home,
        segment::{Segment, Walked},
        sled::Rows,
        tail,
    },
};

/// What `repair` did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Repaired {
    /// The end of the log, with the record of the repair.
    pub head: Head,
    /// The first record that was cut.
    pub cut_at: u64,
    /// Why it had to be cut; none if the log was intact.
    pub because: Option<String>,
    /// Where what was cut is kept.
    pub kept_in: Vec<PathBuf>,
}

/// Cuts a damaged log behind its last intact record, sets the rest aside, records the cut, and
/// rebuilds the progress. An intact log keeps every record.
pub fn repair(dir: &Path, at: Timestamp) -> Result<Repaired, OfflineError> {
    let home = Home::at(dir);
    home.make()?;
    let _lock = home.lock()?;
    match home.check_format() {
        Err(newer @ OpenError::NewerFormat { .. }) => return Err(newer.into()),
        Ok(()) | Err(_) => home.write_format()?,
    }
    let mut segments = Segment::list(&home.log())?;
    let mut intact = Intact {
        fold: Fold::empty(),
        segment: None,
        offset: SEGMENT_HEADER as u64,
        last: Kind::Commit,
    };
    let known = known(&home);
    let walked = chain::check_first(&segments)
        .and_then(|()| chain::walk(&mut segments, 0, known, &mut |placed| intact.frame(placed)))
        .and_then(|end| if end.at.seq < known { Err(gone(&home, &end.at, known)) } else { Ok(()) });
    let because = match walked {
        Ok(()) => None,
        Err(
            newer @ (OpenError::NewerFormat { .. }
            | OpenError::NewerEvents { .. }
            | OpenError::Io { .. }
            | OpenError::ReadOnly { .. }
            | OpenError::Full { .. }),
        ) => return Err(newer.into()),
        Err(damage) => Some(damage),
    };
    let cut_at = intact.fold.progress.end;
    let mut kept_in = Vec::new();
    if let Some(damage) = &because {
        kept_in = intact.cut(&home, &segments)?;
        let kept = kept_in.first().map_or(String::new(), |path| path.display().to_string());
        let because = damage.to_string().lines().next().unwrap_or_default().to_owned();
        intact.record(
            &home,
            at,
            AccessEvent::Repaired { file: intact.name(), kept_in: kept, because },
        )?;
    }
    kept_in.extend(set_aside(&home, &home.progress())?);
    let head = build_rows(&home, &mut Segment::list(&home.log())?)?;
    let because =
        because.map(|damage| damage.to_string().lines().next().unwrap_or_default().to_owned());
    Ok(Repaired { head, cut_at, because, kept_in })
}

/// The number behind the last record that the progress knows, if it can still be read.
fn known(home: &Home) -> u64 {
    let loaded = home.progress().exists().then(|| Rows::open(&home.progress())?.load());
    loaded.and_then(Result::ok).flatten().map_or(0, |loaded| loaded.progress.end)
}

fn gone(home: &Home, end: &Walked, known: u64) -> OpenError {
    let because = format!("the records up to {known} were acknowledged and are gone");
    OpenError::damaged(&home.log(), end.seq, because)
}

/// The last place up to which everything is intact and follows.
struct Intact {
    fold: Fold,
    segment: Option<PathBuf>,
    offset: u64,
    last: Kind,
}

impl Intact {
    fn frame(&mut self, placed: &Placed<'_>) -> Result<(), OpenError> {
        self.fold.frame(placed)?;
        self.fold.dirty.clear();
        self.fold.ended.clear();
        self.segment = Some(placed.path.to_owned());
        self.offset = placed.offset + placed.frame.size() as u64;
        self.last = placed.frame.kind;
        Ok(())
    }

    fn name(&self) -> String {
        let name = self.segment.as_ref().and_then(|path| path.file_name());
        name.unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Sets aside what stands behind the last intact place, the segment it is in first.
    fn cut(&mut self, home: &Home, segments: &[Segment]) -> Result<Vec<PathBuf>, OpenError> {
        let mut kept = Vec::new();
        let here = self.segment.clone();
        let mut is_behind = here.is_none();
        for segment in segments {
            let failed = |source| OpenError::io(&segment.path, source);
            if is_behind {
                kept.extend(set_aside(home, &segment.path)?);
            } else if here.as_ref() == Some(&segment.path) {
                is_behind = true;
                let bytes = fs::read(&segment.path).map_err(failed)?;
                let rest = bytes.get(self.offset as usize..).unwrap_or_default();
                if rest.iter().any(|byte| *byte != 0) {
                    let stem = segment.path.file_stem().unwrap_or_default().to_string_lossy();
                    let path = home.free_aside(&format!("{stem}.{}.damaged", self.offset));
                    tail::keep(home, &path, rest)?;
                    kept.push(path);
                }
                let file = RealDisk.open(&segment.path).map_err(failed)?;
                file.set_len(self.offset).and_then(|()| file.sync()).map_err(failed)?;
            }
        }
        RealDisk.sync_dir(&home.log()).map_err(|source| OpenError::io(&home.log(), source))?;
        Ok(kept)
    }

    /// Writes the record of the repair behind the last intact place.
    fn record(&mut self, home: &Home, at: Timestamp, event: AccessEvent) -> Result<(), OpenError> {
        let seq = self.fold.progress.end;
        let (entries, take, free) = (vec![Entry::access(event)], Vec::new(), Vec::new());
        let commit = Commit { v: VERSION, seq, at, entries, take, free };
        let log = home.log();
        let bad = |because: serde_json::Error| OpenError::damaged(&log, seq, because.to_string());
        let payload = serde_json::to_vec(&commit).map_err(bad)?;
        let hash = self.fold.hash.then(&payload);
        let mut bytes = Vec::new();
        Frame::commit(&commit, &payload, seq, hash).encode(&payload, &mut bytes);
        let (path, offset) = match (&self.segment, self.last) {
            (Some(path), Kind::Commit | Kind::Seal) => (path.clone(), self.offset),
            // What followed the turn is gone, or nothing was intact: a new segment begins here.
            (Some(_), Kind::Turn) | (None, _) => {
                let segment = Segment::new(&log, seq);
                segment
                    .create(&RealDisk, self.fold.hash, SEGMENT_BYTES)
                    .map_err(|source| OpenError::io(&segment.path, source))?;
                (segment.path, SEGMENT_HEADER as u64)
            }
        };
        let file = RealDisk.open(&path).map_err(|source| OpenError::io(&path, source))?;
        let written = file.write_at(&bytes, offset).and_then(|()| file.sync());
        written.map_err(|source| OpenError::io(&path, source))
    }
}
