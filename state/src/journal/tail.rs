//! Cutting what a crash left behind the last whole frame. Nothing is thrown away: the bytes are set
//! aside, and the cut is recorded.

use std::{
    fs::{self, File},
    io::Write,
    path::PathBuf,
};

use super::{OpenError, chain::End, disk::Disk, home::Home, segment::Segment};

/// The suffix of bytes whose cut is not recorded yet.
const OPEN: &str = "torn-unrecorded";

/// The suffix of bytes whose cut is recorded.
const RECORDED: &str = "torn";

/// One tail that was cut.
#[derive(Debug)]
pub(crate) struct Cut {
    /// The name of its segment.
    pub(crate) segment: String,
    /// How many bytes were set aside.
    pub(crate) bytes: u64,
    kept: PathBuf,
}

/// Sets a torn tail aside and fills its place with zeros, so that no stale frame ever stands behind
/// a new one. Returns every cut that is not recorded yet, also of a start that did not come so far.
pub(crate) fn cut(
    home: &Home,
    disk: &dyn Disk,
    segments: &[Segment],
    end: &End,
) -> Result<Vec<Cut>, OpenError> {
    if let (Some(_), Some(segment)) = (&end.at.flaw, segments.last()) {
        let failed = |source| OpenError::io(&segment.path, source);
        let torn = segment.load()?.rest(end.at.offset)?;
        let name = segment.path.file_stem().unwrap_or_default().to_string_lossy();
        let kept = home.free_aside(&format!("{name}.{}.{OPEN}", end.at.offset));
        keep(home, &kept, &torn)?;
        let file = disk.open(&segment.path).map_err(failed)?;
        file.write_at(&vec![0; torn.len()], end.at.offset).map_err(failed)?;
        file.sync().map_err(failed)?;
    }
    let aside = home.aside();
    let mut cuts = Vec::new();
    for entry in fs::read_dir(&aside).map_err(|source| OpenError::io(&aside, source))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.contains(OPEN) {
            let stem = name.split('.').next().unwrap_or_default();
            let segment = format!("{stem}.muster");
            let bytes = entry.metadata().map_or(0, |metadata| metadata.len());
            cuts.push(Cut { segment, bytes, kept: entry.path() });
        }
    }
    Ok(cuts)
}

/// Remembers that the cuts are recorded.
pub(crate) fn recorded(home: &Home, cuts: &[Cut]) -> Result<(), OpenError> {
    for cut in cuts {
        let name = cut.kept.file_name().unwrap_or_default().to_string_lossy();
        let to = home.free_aside(&name.replace(OPEN, RECORDED));
        fs::rename(&cut.kept, to).map_err(|source| OpenError::io(&cut.kept, source))?;
    }
    Ok(())
}

/// Writes bytes to a new file and syncs it and its name.
pub(crate) fn keep(home: &Home, path: &PathBuf, bytes: &[u8]) -> Result<(), OpenError> {
    let failed = |source| OpenError::io(path, source);
    let mut file = File::create_new(path).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    File::open(home.aside()).and_then(|dir| dir.sync_all()).map_err(failed)
}
