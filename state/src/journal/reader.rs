//! Reading records back from the segments, from the nearest place that is known.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::Path,
    sync::{PoisonError, RwLock},
};

use super::{
    ReadError,
    codec::{Frame, Kind, NoFrame, SEGMENT_HEADER},
    recent::{Payload, name, records, says},
    segment::Segment,
};
use crate::event::{Commit, Record, Stream};

/// How many bytes are read at once.
const WINDOW: usize = 256 << 10;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query<'a> {
    /// One stream, or all.
    pub(crate) stream: Option<&'a Stream>,
    /// The first number.
    pub(crate) from: u64,
    /// The number behind the last durable record.
    pub(crate) end: u64,
    /// How many records at most.
    pub(crate) limit: usize,
}

/// Is shown a frame and its payload, and says how many records it found there, or what is wrong with it.
pub(crate) type Visit<'a> = dyn FnMut(&Frame, &[u8]) -> Result<usize, String> + 'a;

/// Reads from the segments on disk.
pub(crate) fn read(
    segments: &RwLock<Vec<Segment>>,
    query: Query<'_>,
) -> Result<Vec<Record>, ReadError> {
    let Query { stream, from, end, limit } = query;
    let wanted = stream.map(name);
    let mut found = Vec::new();
    walk(segments, query, &mut |frame, payload| {
        let before = found.len();
        if frame.kind == Kind::Commit
            && frame.end() > from
            && wanted.as_ref().is_none_or(|name| says(payload, name))
        {
            let commit: Commit = serde_json::from_slice(payload)
                .map_err(|bad| format!("it cannot be read: {bad}"))?;
            let room = limit.saturating_sub(before);
            found.extend(records(std::iter::once(&commit), stream, from, end).take(room));
        }
        Ok(found.len() - before)
    })?;
    Ok(found)
}

/// Shows the frames from the nearest known place before the query's first record on, until it has what it
/// wants.
pub(crate) fn walk(
    segments: &RwLock<Vec<Segment>>,
    query: Query<'_>,
    visit: &mut Visit<'_>,
) -> Result<(), ReadError> {
    let mut from = query.from;
    let mut found = 0;
    while from < query.end && found < query.limit {
        let (place, path, seq, offset) = {
            let segments = segments.read().unwrap_or_else(PoisonError::into_inner);
            let place = segments.partition_point(|segment| segment.first_seq <= from);
            let Some(segment) = place.checked_sub(1).and_then(|place| segments.get(place)) else {
                let because = "the segment with this record is missing".to_owned();
                return Err(ReadError::Damaged { file: "log".to_owned(), seq: from, because });
            };
            let near = segment.index.partition_point(|(seq, _)| *seq <= from);
            let near = near.checked_sub(1).map(|near| segment.index[near]);
            let (seq, offset) = near.unwrap_or((segment.first_seq, SEGMENT_HEADER as u64));
            (place - 1, segment.path.clone(), seq, offset)
        };
        let mut pass = Pass { path: &path, seq, offset, query, notes: Vec::new() };
        let end = pass.run(&mut found, visit)?;
        let mut segments = segments.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(segment) = segments.get_mut(place) {
            let known = segment.index.last().map_or(0, |(_, offset)| *offset);
            let new = pass.notes.iter().filter(|(_, offset)| *offset > known);
            // An index that starts in the middle would hide what stands before it.
            let starts = segment.index.is_empty() && offset != SEGMENT_HEADER as u64;
            new.filter(|_| !starts).for_each(|(seq, offset)| segment.note(*seq, *offset));
        }
        from = end;
    }
    Ok(())
}

/// Reads from commits that are still in memory.
pub(crate) fn parse(payloads: &[Payload], query: Query<'_>) -> Result<Vec<Record>, ReadError> {
    let Query { stream, from, end, limit } = query;
    let wanted = stream.map(name);
    let mut found = Vec::new();
    for Payload { seq, bytes, .. } in payloads.iter().take_while(|payload| payload.seq < end) {
        if found.len() >= limit {
            break;
        }
        if wanted.as_ref().is_none_or(|name| says(bytes, name)) {
            let commit: Commit = serde_json::from_slice(bytes).map_err(|bad| {
                let because = format!("it cannot be read: {bad}");
                ReadError::Damaged { file: "memory".to_owned(), seq: *seq, because }
            })?;
            let room = limit - found.len();
            found.extend(records(std::iter::once(&commit), stream, from, end).take(room));
        }
    }
    Ok(found)
}

/// One pass through one segment.
struct Pass<'a> {
    path: &'a Path,
    seq: u64,
    offset: u64,
    query: Query<'a>,
    notes: Vec<(u64, u64)>,
}

impl Pass<'_> {
    /// Reads until enough is found, or to the end of the segment, whose number it returns.
    fn run(&mut self, found: &mut usize, visit: &mut Visit<'_>) -> Result<u64, ReadError> {
        let io = |source| ReadError::Io { file: self.path.display().to_string(), source };
        let file = File::open(self.path).map_err(io)?;
        let mut window = Vec::new();
        let mut need = WINDOW;
        loop {
            window.resize(need, 0);
            let len = fill(&file, &mut window, self.offset).map_err(|source| ReadError::Io {
                file: self.path.display().to_string(),
                source,
            })?;
            let mut place = 0;
            need = loop {
                if self.seq >= self.query.end || *found >= self.query.limit {
                    return Ok(self.seq);
                }
                match Frame::decode(&window[place..len]) {
                    Ok((frame, payload)) => {
                        *found += self.frame(&frame, payload, visit)?;
                        place += frame.size();
                        self.offset += frame.size() as u64;
                        if frame.kind == Kind::Turn {
                            return Ok(self.seq);
                        }
                    }
                    Err(NoFrame::Short(_) | NoFrame::Blank) if place > 0 => break WINDOW,
                    Err(NoFrame::Short(size)) if len == window.len() && size > len => break size,
                    Err(NoFrame::Short(_) | NoFrame::Blank) => {
                        return Err(self.damaged("the file ends before it"));
                    }
                    Err(NoFrame::Bad(because)) => return Err(self.damaged(because)),
                }
            };
        }
    }

    fn frame(
        &mut self,
        frame: &Frame,
        payload: &[u8],
        visit: &mut Visit<'_>,
    ) -> Result<usize, ReadError> {
        if frame.seq != self.seq {
            return Err(self.damaged("the sequence has a gap or a repetition"));
        }
        self.notes.push((self.seq, self.offset));
        let found = visit(frame, payload).map_err(|because| self.damaged(&because))?;
        self.seq = frame.end();
        Ok(found)
    }

    fn damaged(&self, because: &str) -> ReadError {
        let (file, seq) = (self.path.display().to_string(), self.seq);
        ReadError::Damaged { file, seq, because: because.to_owned() }
    }
}

fn fill(file: &File, window: &mut [u8], offset: u64) -> std::io::Result<usize> {
    let mut len = 0;
    while len < window.len() {
        match file.read_at(&mut window[len..], offset + len as u64) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(again) if again.kind() == std::io::ErrorKind::Interrupted => {}
            Err(refused) => return Err(refused),
        }
    }
    Ok(len)
}
