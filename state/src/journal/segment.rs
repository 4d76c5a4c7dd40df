//! One segment of the log: walking through its frames, and telling a torn tail from damage.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use super::{
    OpenError,
    codec::{
        BadHeader, FORMAT, FRAME_HEADER, FRAME_MAGIC, Frame, Hash, Kind, NoFrame, SEGMENT_HEADER,
        SegmentHeader,
    },
    disk::Disk,
};

const SUFFIX: &str = "muster";

/// How many bytes of a segment are in memory at once, as long as no frame is larger.
const WINDOW: usize = 256 << 10;

/// How far apart the entries of a segment's sparse index are.
pub(crate) const INDEX_EVERY: u64 = 64 << 10;

/// Where a segment is, and what its name says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Segment {
    /// The sequence number of its first record.
    pub(crate) first_seq: u64,
    /// The file.
    pub(crate) path: PathBuf,
    /// Some frames with the number of their first record and their offset, in order. Readers start
    /// from the nearest.
    pub(crate) index: Vec<(u64, u64)>,
}

/// A segment that is being read. Never all of it at once: an allocator that gave out sixteen
/// megabytes keeps as much for itself ever after.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// Its header.
    pub(crate) header: SegmentHeader,
    path: PathBuf,
    file: File,
    len: u64,
}

/// A part of a segment in memory.
#[derive(Default)]
struct Window {
    bytes: Vec<u8>,
    /// Where in the segment it begins.
    start: u64,
    /// Whether it ends with the segment.
    is_last: bool,
}

/// Where the intact frames of a segment end.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Walked {
    /// The offset behind the last intact frame.
    pub(crate) offset: u64,
    /// The number behind its last record.
    pub(crate) seq: u64,
    /// The chain behind its last frame.
    pub(crate) hash: Hash,
    /// The last frame, if it is a seal or a turn.
    pub(crate) last: Option<Kind>,
    /// What stands behind the last intact frame, if it is not zeros only.
    pub(crate) flaw: Option<Flaw>,
}

/// Why the frames of a segment end early.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Flaw {
    /// What is wrong.
    pub(crate) because: &'static str,
    /// Whether a write that a crash cut short explains it. A frame with a good checksum in the
    /// wrong place is never explained so, nor one that a later frame says was synced.
    pub(crate) may_be_torn: bool,
    /// How many bytes there are up to the last that is not zero.
    pub(crate) bytes: u64,
}

/// Is shown a frame, its payload, its offset, and the chain before it.
pub(crate) type Visit<'a> = dyn FnMut(&Frame, &[u8], u64, Hash) -> Result<(), OpenError> + 'a;

impl Segment {
    /// The segment of the log directory `log` that begins with record `first_seq`.
    pub(crate) fn new(log: &Path, first_seq: u64) -> Segment {
        let path = log.join(format!("{first_seq:020}.{SUFFIX}"));
        Segment { first_seq, path, index: Vec::new() }
    }

    /// The segments of a log directory, in order.
    pub(crate) fn list(log: &Path) -> Result<Vec<Segment>, OpenError> {
        let failed = |source| OpenError::io(log, source);
        let mut segments = Vec::new();
        for entry in fs::read_dir(log).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            let is_one = path.extension().is_some_and(|extension| extension == SUFFIX);
            if let (true, Some(first_seq)) = (is_one, stem.and_then(|stem| stem.parse().ok())) {
                segments.push(Segment { first_seq, path, index: Vec::new() });
            }
        }
        segments.sort_by_key(|segment| segment.first_seq);
        Ok(segments)
    }

    /// Makes the segment's file and syncs it and its name.
    pub(crate) fn create(&self, disk: &dyn Disk, before: Hash, len: u64) -> std::io::Result<()> {
        let new = self.path.with_extension("new");
        let file = disk.create(&new, len)?;
        file.write_at(&SegmentHeader { first_seq: self.first_seq, before }.encode(), 0)?;
        file.sync()?;
        disk.rename(&new, &self.path)?;
        self.path.parent().map_or(Ok(()), |log| disk.sync_dir(log))
    }

    /// Opens the segment and checks its header against its name.
    pub(crate) fn load(&self) -> Result<Loaded, OpenError> {
        let failed = |source| OpenError::io(&self.path, source);
        let file = File::open(&self.path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        let mut header = vec![0; SEGMENT_HEADER.min(len as usize)];
        file.read_exact_at(&mut header, 0).map_err(failed)?;
        Ok(Loaded { header: self.header(&header)?, path: self.path.clone(), file, len })
    }

    /// Checks a header against the segment's name.
    pub(crate) fn header(&self, bytes: &[u8]) -> Result<SegmentHeader, OpenError> {
        let header = SegmentHeader::decode(bytes).map_err(|bad| match bad {
            BadHeader::Damaged(because) => OpenError::damaged(&self.path, self.first_seq, because),
            BadHeader::Newer(found) => {
                let file = self.path.display().to_string();
                OpenError::NewerFormat { file, found, known: FORMAT }
            }
        })?;
        if header.first_seq != self.first_seq {
            let because = format!("its header says that it begins with {}", header.first_seq);
            return Err(OpenError::damaged(&self.path, self.first_seq, because));
        }
        Ok(header)
    }

    /// Notes where a frame stands, if the last note is far enough away.
    pub(crate) fn note(&mut self, seq: u64, offset: u64) {
        if self.index.last().is_none_or(|(_, last)| offset - last >= INDEX_EVERY) {
            self.index.push((seq, offset));
        }
    }
}

impl Loaded {
    /// The bytes from an offset on, without the zeros at the end.
    pub(crate) fn rest(&self, offset: u64) -> Result<Vec<u8>, OpenError> {
        let end = self.blank_from(offset)?;
        let window = self.window(offset, end.saturating_sub(offset) as usize)?;
        Ok(window.bytes)
    }

    /// Whether only zeros stand from an offset on.
    pub(crate) fn is_blank(&self, offset: u64) -> Result<bool, OpenError> {
        Ok(self.blank_from(offset)? <= offset)
    }

    /// From where on only zeros stand; `offset` if all that is behind it is zeros.
    fn blank_from(&self, offset: u64) -> Result<u64, OpenError> {
        let mut end = self.len;
        while end > offset {
            let start = end.saturating_sub(WINDOW as u64).max(offset);
            let Window { bytes, .. } = self.window(start, (end - start) as usize)?;
            // Most of a new segment is zeros, and a start waits for this: whole blocks first.
            let is_blank = |block: &[u8]| block.iter().fold(0, |any, byte| any | byte) == 0;
            if !is_blank(&bytes) {
                let last = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
                return Ok(start + last as u64 + 1);
            }
            end = start;
        }
        Ok(offset)
    }

    /// Up to `len` bytes from an offset on; fewer only at the end of the segment.
    fn window(&self, start: u64, len: usize) -> Result<Window, OpenError> {
        let len = len.min(self.len.saturating_sub(start) as usize);
        let mut bytes = vec![0; len];
        let mut read = 0;
        while read < len {
            match self.file.read_at(&mut bytes[read..], start + read as u64) {
                // It was cut at its turn while it was being read.
                Ok(0) => break,
                Ok(more) => read += more,
                Err(again) if again.kind() == std::io::ErrorKind::Interrupted => {}
                Err(refused) => return Err(OpenError::io(&self.path, refused)),
            }
        }
        bytes.truncate(read);
        let is_last = read < len || start + read as u64 >= self.len;
        Ok(Window { bytes, start, is_last })
    }

    /// Shows every intact frame to `visit`, with its payload, its offset and the chain before it,
    /// and says where they end.
    pub(crate) fn walk(&self, visit: &mut Visit<'_>) -> Result<Walked, OpenError> {
        let SegmentHeader { first_seq: seq, before: hash } = self.header;
        let mut at = Walked { offset: SEGMENT_HEADER as u64, seq, hash, last: None, flaw: None };
        let mut window = self.window(at.offset, WINDOW)?;
        loop {
            let here = (at.offset - window.start) as usize;
            let here = window.bytes.get(here..).unwrap_or_default();
            let more = match Frame::decode(here) {
                Ok((frame, payload)) if misplaced(&at, &frame, payload).is_none() => {
                    visit(&frame, payload, at.offset, at.hash)?;
                    at.offset += frame.size() as u64;
                    at.seq = frame.end();
                    at.hash = frame.hash;
                    at.last = (frame.kind != Kind::Commit).then_some(frame.kind);
                    continue;
                }
                Err(NoFrame::Short(size)) => Some(size),
                Err(NoFrame::Blank) if here.len() < FRAME_HEADER => Some(FRAME_HEADER),
                Ok(_) | Err(NoFrame::Blank | NoFrame::Bad(_)) => None,
            };
            match more.filter(|_| !window.is_last) {
                Some(size) => window = self.window(at.offset, size.max(WINDOW))?,
                None => {
                    at.flaw = self.flaw(&at, Frame::decode(here))?;
                    return Ok(at);
                }
            }
        }
    }

    /// What stands where the intact frames end, if it is not zeros only.
    fn flaw(
        &self,
        at: &Walked,
        here: Result<(Frame, &[u8]), NoFrame>,
    ) -> Result<Option<Flaw>, OpenError> {
        let (because, may_be_torn) = match here {
            Ok((frame, payload)) => {
                (misplaced(at, &frame, payload).unwrap_or("the frame does not follow"), false)
            }
            Err(NoFrame::Blank) if self.is_blank(at.offset)? => return Ok(None),
            Err(NoFrame::Blank) => ("zeros stand where a frame should", true),
            Err(NoFrame::Short(_)) => ("the file ends inside a frame", true),
            Err(NoFrame::Bad(because)) => (because, true),
        };
        let rest = self.rest(at.offset)?;
        let may_be_torn = may_be_torn && !is_covered(&rest, at.seq);
        Ok(Some(Flaw { because, may_be_torn, bytes: rest.len() as u64 }))
    }
}

/// What is wrong with an intact frame at this place.
fn misplaced(at: &Walked, frame: &Frame, payload: &[u8]) -> Option<&'static str> {
    if frame.seq != at.seq {
        return Some("the sequence has a gap or a repetition");
    }
    let follows = match frame.kind {
        Kind::Commit => frame.count > 0 && frame.hash == at.hash.then(payload),
        Kind::Seal | Kind::Turn => frame.count == 0 && frame.hash == at.hash,
    };
    if !follows {
        return Some("the chain of hashes is broken");
    }
    (at.last == Some(Kind::Turn)).then_some("a frame stands behind the end of its segment")
}

/// Whether an intact frame further on says that record `seq` had been synced before it was written.
fn is_covered(rest: &[u8], seq: u64) -> bool {
    let starts = rest.windows(FRAME_MAGIC.len()).enumerate();
    starts
        .filter(|(_, window)| *window == FRAME_MAGIC)
        .filter_map(|(place, _)| Frame::decode(&rest[place..]).ok())
        .any(|(frame, _)| frame.synced > seq || frame.kind != Kind::Commit && frame.seq > seq)
}
