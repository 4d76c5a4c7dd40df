//! A log that is written from an export.

use std::path::{Path, PathBuf};

use crate::journal::{
    OpenError,
    codec::{FRAME_HEADER, Frame, Hash, Kind, SEGMENT_HEADER},
    disk::{Disk, DiskFile, RealDisk},
    home::Home,
    segment::Segment,
    writer::write_turn,
};

/// The size of the segments that are written offline.
pub(super) const SEGMENT_BYTES: u64 = 16 << 20;

/// A log that is written from an export.
pub(super) struct NewLog {
    log: PathBuf,
    path: PathBuf,
    file: Box<dyn DiskFile>,
    offset: u64,
    end: u64,
    hash: Hash,
}

impl NewLog {
    /// Begins the log of a state directory that has none.
    pub(super) fn create(home: &Home) -> Result<NewLog, OpenError> {
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

    /// Writes the next frame.
    pub(super) fn frame(&mut self, frame: &Frame, payload: &[u8]) -> Result<(), OpenError> {
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

    /// Seals and syncs the log.
    pub(super) fn finish(self) -> Result<(), OpenError> {
        let mut seal = Vec::new();
        Frame::mark(Kind::Seal, self.end, self.hash).encode(&[], &mut seal);
        let sealed = self.file.write_at(&seal, self.offset).and_then(|()| self.file.sync());
        sealed.map_err(|source| OpenError::io(&self.path, source))
    }
}
