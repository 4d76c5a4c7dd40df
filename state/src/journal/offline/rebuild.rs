//! `muster state restore` and `muster state repair`: a state directory that can be started again.

use std::{
    fs,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::{Head, OfflineError, export::read_export};
use crate::{
    event::{AccessEvent, Commit, Entry, VERSION},
    journal::{
        OpenError,
        chain::{self, Placed},
        codec::{FRAME_HEADER, Frame, Hash, Kind, SEGMENT_HEADER},
        disk::{Disk, DiskFile, RealDisk},
        fold::Fold,
        home::Home,
        segment::Segment,
        sled::{Rows, Sum},
        tail,
        writer::write_turn,
    },
};

/// The size of the segments that are written here.
const SEGMENT_BYTES: u64 = 16 << 20;

/// What happens to a log that is there already.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Existing {
    /// It stays, and nothing is done.
    Refuse,
    /// It is renamed into `aside/`, with its progress.
    SetAside,
}

/// What `restore` made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rebuilt {
    /// The end of the log.
    pub head: Head,
    /// Where what was there before is kept.
    pub kept_in: Vec<PathBuf>,
}

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

/// Rebuilds the progress from the log, which must be intact. The old progress is set aside.
pub fn restore(dir: &Path) -> Result<Rebuilt, OfflineError> {
    let home = Home::at(dir);
    let _lock = home.lock()?;
    home.check_format()?;
    home.make()?;
    let mut segments = Segment::list(&home.log())?;
    chain::check_old(&segments, 0)?;
    // The log is proven before the old progress is touched.
    chain::walk(&mut segments, 0, 0, &mut |_| Ok(()))?;
    let kept_in = set_aside(&home, &home.progress())?.into_iter().collect();
    let head = build_rows(&home, &mut segments)?;
    Ok(Rebuilt { head, kept_in })
}

/// Brings log and progress back from an export, whose chain is checked before anything is touched.
pub fn restore_from(
    dir: &Path,
    export: &Path,
    existing: Existing,
) -> Result<Rebuilt, OfflineError> {
    let mut fold = Fold::empty();
    read_export(export, &mut |frame, payload| {
        let placed = Placed { path: export, offset: 0, before: fold.hash, frame, payload };
        fold.frame(&placed)?;
        fold.dirty.clear();
        fold.ended.clear();
        Ok(())
    })?;
    let home = Home::at(dir);
    home.make()?;
    let _lock = home.lock()?;
    let mut kept_in = Vec::new();
    if let Some(records) = held(&home)? {
        if existing == Existing::Refuse {
            return Err(OfflineError::NotEmpty { dir: dir.display().to_string(), records });
        }
    }
    kept_in.extend(set_aside(&home, &home.progress())?);
    kept_in.extend(set_aside(&home, &home.log())?);
    home.make()?;
    home.write_format()?;
    let mut log = NewLog::create(&home)?;
    read_export(export, &mut |frame, payload| {
        log.frame(frame, payload).map_err(OfflineError::from)
    })?;
    log.finish()?;
    let head = build_rows(&home, &mut Segment::list(&home.log())?)?;
    Ok(Rebuilt { head, kept_in })
}

/// How many records a log has at least; none if it has no commit.
fn held(home: &Home) -> Result<Option<u64>, OpenError> {
    let segments = Segment::list(&home.log())?;
    let Some(last) = segments.last() else { return Ok(None) };
    let is_empty = last.first_seq == 0
        && last.load().is_ok_and(|one| one.rest(SEGMENT_HEADER as u64).is_empty());
    Ok((!is_empty).then_some(last.first_seq.max(1)))
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
    let walked = chain::check_first(&segments).and_then(|()| {
        chain::walk(&mut segments, 0, 0, &mut |placed| intact.frame(placed)).map(drop)
    });
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

/// Renames a file or directory into `aside/`, if it is there.
fn set_aside(home: &Home, path: &Path) -> Result<Option<PathBuf>, OpenError> {
    if !path.exists() {
        return Ok(None);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let to = home.free_aside(&name);
    fs::rename(path, &to)
        .and_then(|()| RealDisk.sync_dir(&home.aside()))
        .and_then(|()| RealDisk.sync_dir(home.dir()))
        .map_err(|source| OpenError::io(path, source))?;
    Ok(Some(to))
}

/// Folds the whole log into new rows.
fn build_rows(home: &Home, segments: &mut [Segment]) -> Result<Head, OpenError> {
    let rows = Rows::open(&home.progress())?;
    let (mut fold, mut sum) = (Fold::empty(), Sum::default());
    let failed = |trouble: crate::journal::sled::Trouble| trouble.at(&home.progress());
    chain::walk(segments, 0, 0, &mut |placed| {
        fold.frame(placed)?;
        if fold.is_large() { fold.write(&rows, &mut sum).map_err(failed) } else { Ok(()) }
    })?;
    fold.write(&rows, &mut sum).map_err(failed)?;
    rows.sync_names()?;
    Ok(Head { end: fold.progress.end, hash: fold.hash })
}

/// A log that is written from an export.
struct NewLog {
    log: PathBuf,
    path: PathBuf,
    file: Box<dyn DiskFile>,
    offset: u64,
    end: u64,
    hash: Hash,
}

impl NewLog {
    fn create(home: &Home) -> Result<NewLog, OpenError> {
        let log = home.log();
        let (path, file) = NewLog::segment(&log, 0, Hash::genesis(), 0)?;
        let (offset, hash) = (SEGMENT_HEADER as u64, Hash::genesis());
        Ok(NewLog { log, path, file, offset, end: 0, hash })
    }

    fn segment(
        log: &Path,
        first_seq: u64,
        before: Hash,
        room: u64,
    ) -> Result<(PathBuf, Box<dyn DiskFile>), OpenError> {
        let segment = Segment::new(log, first_seq);
        let file = segment
            .create(&RealDisk, before, SEGMENT_BYTES.max(SEGMENT_HEADER as u64 + room))
            .and_then(|()| RealDisk.open(&segment.path))
            .map_err(|source| OpenError::io(&segment.path, source))?;
        Ok((segment.path, file))
    }

    fn frame(&mut self, frame: &Frame, payload: &[u8]) -> Result<(), OpenError> {
        let size = (frame.size() + FRAME_HEADER) as u64;
        if self.offset + size > SEGMENT_BYTES && self.offset > SEGMENT_HEADER as u64 {
            let (path, next) = NewLog::segment(&self.log, self.end, self.hash, size)?;
            write_turn(self.file.as_ref(), self.offset, self.end, self.hash)
                .map_err(|source| OpenError::io(&self.path, source))?;
            (self.path, self.file, self.offset) = (path, next, SEGMENT_HEADER as u64);
        }
        let mut bytes = Vec::new();
        frame.encode(payload, &mut bytes);
        let written = self.file.write_at(&bytes, self.offset);
        written.map_err(|source| OpenError::io(&self.path, source))?;
        self.offset += bytes.len() as u64;
        (self.end, self.hash) = (frame.end(), frame.hash);
        Ok(())
    }

    fn finish(self) -> Result<(), OpenError> {
        let mut seal = Vec::new();
        Frame::mark(Kind::Seal, self.end, self.hash).encode(&[], &mut seal);
        let sealed = self.file.write_at(&seal, self.offset).and_then(|()| self.file.sync());
        sealed.map_err(|source| OpenError::io(&self.path, source))
    }
}
