//! `muster state restore`: progress from the log, or both from an export.

use std::path::{Path, PathBuf};

use super::{Head, OfflineError, export::read_export, new_log::NewLog};
use crate::journal::{
    OpenError,
    chain::{self, Placed},
    codec::SEGMENT_HEADER,
    disk::{Disk, RealDisk},
    fold::Fold,
    home::Home,
    segment::Segment,
    sled::{Rows, Sum, Trouble},
};

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

/// Rebuilds the progress from the log, which must be intact. The old progress is set aside.
pub fn restore(dir: &Path) -> Result<Rebuilt, OfflineError> {
    let home = Home::at(dir);
    let _lock = home.lock()?;
    home.check_format()?;
    home.make()?;
    let mut segments = Segment::list(&home.log())?;
    chain::check_first(&segments)?;
    // The log is proven before the old progress is touched.
    let mut fold = Fold::empty();
    chain::walk(&mut segments, 0, 0, &mut |placed| {
        fold.frame(placed)?;
        fold.dirty.clear();
        fold.ended.clear();
        Ok(())
    })?;
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
    if let (Some(records), Existing::Refuse) = (held(&home)?, existing) {
        return Err(OfflineError::NotEmpty { dir: dir.display().to_string(), records });
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
        && last.load().and_then(|one| one.is_blank(SEGMENT_HEADER as u64)).is_ok_and(|blank| blank);
    Ok((!is_empty).then_some(last.first_seq.max(1)))
}

/// Renames a file or directory into `aside/`, if it is there.
pub(super) fn set_aside(home: &Home, path: &Path) -> Result<Option<PathBuf>, OpenError> {
    if !path.exists() {
        return Ok(None);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let to = home.free_aside(&name);
    std::fs::rename(path, &to)
        .and_then(|()| RealDisk.sync_dir(&home.aside()))
        .and_then(|()| RealDisk.sync_dir(home.dir()))
        .map_err(|source| OpenError::io(path, source))?;
    Ok(Some(to))
}

/// Folds the whole log into new rows.
pub(super) fn build_rows(home: &Home, segments: &mut [Segment]) -> Result<Head, OpenError> {
    let rows = Rows::open(&home.progress())?;
    let (mut fold, mut sum) = (Fold::empty(), Sum::default());
    let failed = |trouble: Trouble| trouble.at(&home.progress());
    chain::walk(segments, 0, 0, &mut |placed| {
        fold.frame(placed)?;
        if fold.is_large() { fold.write(&rows, &mut sum).map_err(failed) } else { Ok(()) }
    })?;
    fold.write(&rows, &mut sum).map_err(failed)?;
    rows.sync_names()?;
    Ok(Head { end: fold.progress.end, hash: fold.hash })
}
