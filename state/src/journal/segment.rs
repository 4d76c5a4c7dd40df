//! One segment of the log: walking through its frames, and telling a torn tail from damage.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    OpenError,
    codec::{
        BadHeader, FORMAT, FRAME_MAGIC, Frame, Hash, Kind, NoFrame, SEGMENT_HEADER, SegmentHeader,
    },
    disk::Disk,
};

const SUFFIX: &str = "muster";

/// How many bytes are looked at at once where zeros are expected.
const BLOCK: usize = 4 << 10;

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

/// A segment in memory.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// Its header.
    pub(crate) header: SegmentHeader,
    bytes: Vec<u8>,
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
pub(crate) type Visit<'a, E> = dyn FnMut(&Frame, &[u8], u64, Hash) -> Result<(), E> + 'a;

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

    /// Reads the segment and checks its header against its name.
    pub(crate) fn load(&self) -> Result<Loaded, OpenError> {
        let bytes = fs::read(&self.path).map_err(|source| OpenError::io(&self.path, source))?;
        Ok(Loaded { header: self.header(&bytes)?, bytes })
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
    pub(crate) fn rest(&self, offset: u64) -> &[u8] {
        let rest = self.bytes.get(offset as usize..).unwrap_or_default();
        // Most of a new segment is zeros, and a start waits for this: whole blocks first.
        let is_blank = |block: &[u8]| block.iter().fold(0, |any, byte| any | byte) == 0;
        let blank = rest.rchunks(BLOCK).take_while(|block| is_blank(block));
        let rest = &rest[..rest.len() - blank.map(<[u8]>::len).sum::<usize>()];
        let len = rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        &rest[..len]
    }

    /// Shows every intact frame to `visit`, with its payload, its offset and the chain before it,
    /// and says where they end.
    pub(crate) fn walk<E>(&self, visit: &mut Visit<'_, E>) -> Result<Walked, E> {
        let SegmentHeader { first_seq: seq, before: hash } = self.header;
        let mut at = Walked { offset: SEGMENT_HEADER as u64, seq, hash, last: None, flaw: None };
        loop {
            let here = self.bytes.get(at.offset as usize..).unwrap_or_default();
            let flaw = match Frame::decode(here) {
                Ok((frame, payload)) => match misplaced(&at, &frame, payload) {
                    Some(because) => Some((because, false)),
                    None => {
                        visit(&frame, payload, at.offset, at.hash)?;
                        at.offset += frame.size() as u64;
                        at.seq = frame.end();
                        at.hash = frame.hash;
                        at.last = (frame.kind != Kind::Commit).then_some(frame.kind);
                        continue;
                    }
                },
                Err(NoFrame::Blank) if self.rest(at.offset).is_empty() => None,
                Err(NoFrame::Blank) => Some(("zeros stand where a frame should", true)),
                Err(NoFrame::Short(_)) => Some(("the file ends inside a frame", true)),
                Err(NoFrame::Bad(because)) => Some((because, true)),
            };
            at.flaw = flaw.map(|(because, may_be_torn)| {
                let rest = self.rest(at.offset);
                let bytes = rest.len() as u64;
                Flaw { because, may_be_torn: may_be_torn && !is_covered(rest, at.seq), bytes }
            });
            return Ok(at);
        }
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
