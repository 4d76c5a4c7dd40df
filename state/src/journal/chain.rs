//! The segments as one chain: what follows from what, where the log ends, and what is missing.

use std::{fs::File, io::Read, os::unix::fs::FileExt, path::Path};

use super::{
    OpenError,
    codec::{FRAME_HEADER, Frame, Hash, Kind, SEGMENT_HEADER, SegmentHeader},
    segment::{Segment, Walked},
};
use crate::event::{Commit, VERSION};

/// A frame in its place.
#[derive(Debug)]
pub(crate) struct Placed<'a> {
    /// The segment.
    pub(crate) path: &'a Path,
    /// Where in it.
    pub(crate) offset: u64,
    /// The chain before it.
    pub(crate) before: Hash,
    /// The frame.
    pub(crate) frame: &'a Frame,
    /// Its payload.
    pub(crate) payload: &'a [u8],
}

/// Where the log ends.
#[derive(Clone, Debug)]
pub(crate) struct End {
    /// The place in the last segment.
    pub(crate) at: Walked,
    /// Whether the last segment but one still lacks its turn: the process died between making the
    /// last segment and saying so. Where the turn belongs.
    pub(crate) unturned: Option<u64>,
}

impl Placed<'_> {
    /// The commit of the frame.
    pub(crate) fn commit(&self) -> Result<Commit, OpenError> {
        let Frame { version, seq, count, .. } = *self.frame;
        if version > VERSION {
            let file = self.path.display().to_string();
            return Err(OpenError::NewerEvents { file, seq, found: version, known: VERSION });
        }
        let damaged = |because: String| OpenError::damaged(self.path, seq, because);
        let commit: Commit = serde_json::from_slice(self.payload)
            .map_err(|bad| damaged(format!("it cannot be read: {bad}")))?;
        if commit.seq != seq
            || commit.entries.len() as u64 != u64::from(count)
            || commit.v != version
        {
            return Err(damaged("the frame and its commit differ".to_owned()));
        }
        Ok(commit)
    }
}

/// Walks through `segments[from..]`, which end the log, and shows every frame to `visit`.
///
/// `durable` is the number behind the last record that is known from elsewhere to have been
/// acknowledged: nothing before it is ever taken for a torn tail.
pub(crate) fn walk(
    segments: &mut [Segment],
    from: usize,
    durable: u64,
    visit: &mut dyn FnMut(&Placed<'_>) -> Result<(), OpenError>,
) -> Result<End, OpenError> {
    let mut before: Option<(Walked, usize)> = None;
    let mut unturned = None;
    let last = segments.len().saturating_sub(1);
    for place in from..segments.len() {
        let loaded = segments[place].load()?;
        if let Some((end, of)) = &before {
            let is_last = place == last;
            joins(&segments[*of], end, &segments[place], &loaded.header)?;
            if end.last != Some(Kind::Turn) {
                // A turn is synced before the next segment takes its first frame.
                if !(is_last && loaded.is_blank(SEGMENT_HEADER as u64)?) {
                    let because = "the end of the segment is damaged";
                    return Err(OpenError::damaged(&segments[*of].path, end.seq, because));
                }
                unturned = Some(end.offset);
            }
        }
        let path = segments[place].path.clone();
        let mut notes = Vec::new();
        let walked = loaded.walk(&mut |frame, payload, offset, before| {
            notes.push((frame.seq, offset));
            visit(&Placed { path: &path, offset, before, frame, payload })
        })?;
        notes.into_iter().for_each(|(seq, offset)| segments[place].note(seq, offset));
        before = Some((walked, place));
    }
    let Some((at, of)) = before else {
        return Err(OpenError::damaged(Path::new("log"), 0, "it has no segments"));
    };
    if at.last == Some(Kind::Turn) && at.flaw.is_none() {
        return Err(OpenError::damaged(
            &segments[of].path,
            at.seq,
            "the segment that should follow it is missing",
        ));
    }
    match &at.flaw {
        Some(flaw) if !flaw.may_be_torn || at.seq < durable => {
            Err(OpenError::damaged(&segments[of].path, at.seq, flaw.because))
        }
        Some(_) | None => Ok(End { at, unturned }),
    }
}

/// Checks that a segment begins where the one before it ends.
fn joins(
    one: &Segment,
    end: &Walked,
    next: &Segment,
    header: &SegmentHeader,
) -> Result<(), OpenError> {
    if let (Some(flaw), true) = (&end.flaw, end.seq < header.first_seq) {
        return Err(OpenError::damaged(&one.path, end.seq, flaw.because));
    }
    if end.seq != header.first_seq {
        let because = format!("records {} to {} are missing before it", end.seq, next.first_seq);
        return Err(OpenError::damaged(&next.path, end.seq, because));
    }
    if end.hash != header.before {
        let because = "the chain of hashes is broken at its start";
        return Err(OpenError::damaged(&next.path, next.first_seq, because));
    }
    Ok(())
}

/// Checks the segments before `to` by their headers and their last frames only: that each is there,
/// in its place, complete, and the start of the next. What is inside them `verify` checks.
pub(crate) fn check_old(segments: &[Segment], to: usize) -> Result<(), OpenError> {
    check_first(segments)?;
    for pair in segments[..segments.len().min(to + 1)].windows(2) {
        let [one, next] = pair else { continue };
        header(one)?;
        let following = header(next)?;
        let damaged = |because| OpenError::damaged(&one.path, next.first_seq, because);
        let Some(turn) = last_frame(one)? else {
            return Err(damaged("its last frame is damaged, or records behind it are missing"));
        };
        let is_turn = turn.kind == Kind::Turn;
        if !is_turn || turn.seq != following.first_seq || turn.hash != following.before {
            return Err(damaged("it does not lead to the segment behind it"));
        }
    }
    Ok(())
}

/// Checks that the log begins at its beginning.
pub(crate) fn check_first(segments: &[Segment]) -> Result<(), OpenError> {
    match segments.first() {
        Some(first) if first.first_seq != 0 || header(first)?.before != Hash::genesis() => {
            Err(OpenError::damaged(&first.path, 0, "the segment before it is missing"))
        }
        Some(_) | None => Ok(()),
    }
}

fn header(segment: &Segment) -> Result<SegmentHeader, OpenError> {
    let failed = |source| OpenError::io(&segment.path, source);
    let mut bytes = Vec::new();
    let file = File::open(&segment.path).map_err(failed)?;
    file.take(SEGMENT_HEADER as u64).read_to_end(&mut bytes).map_err(failed)?;
    segment.header(&bytes)
}

/// The frame without payload at the very end of a file.
fn last_frame(segment: &Segment) -> Result<Option<Frame>, OpenError> {
    let failed = |source| OpenError::io(&segment.path, source);
    let file = File::open(&segment.path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    let Some(offset) = len.checked_sub(FRAME_HEADER as u64) else { return Ok(None) };
    let mut bytes = [0; FRAME_HEADER];
    file.read_exact_at(&mut bytes, offset).map_err(failed)?;
    Ok(Frame::decode(&bytes).ok().map(|(frame, _)| frame))
}
