//! `muster state export`: the log as one file that proves itself.
//!
//! A header line, one line per commit with its hash over the one before and the commit's exact
//! bytes, and a last line with the head. The bytes of a commit are those in the log, so that the
//! chain can be checked with any tool that knows SHA-256.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, BufWriter, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::{Head, OfflineError, steadily};
use crate::journal::{
    OpenError, chain,
    codec::{FORMAT, Frame, Hash, Kind, PAYLOAD_MAX},
    home::Home,
    segment::Segment,
};

const HASH: &str = "{\"hash\":\"";
const COMMIT: &str = "\",\"commit\":";

/// What was exported.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Exported {
    /// How many commits.
    pub commits: u64,
    /// The end of what was exported.
    pub head: Head,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct First {
    muster_export: u32,
    before: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Last {
    end: u64,
    hash: String,
    commits: u64,
}

/// Writes the log to `out`, which must not exist. Works beside a running daemon, up to what is
/// durable when it gets there.
pub fn export(dir: &Path, out: &Path) -> Result<Exported, OfflineError> {
    let home = Home::at(dir);
    home.check_format()?;
    if out.exists() {
        return Err(OfflineError::file(out, std::io::ErrorKind::AlreadyExists.into()));
    }
    // An export that did not come to its end never has the name that was asked for.
    let new = out.with_added_extension("new");
    let exported = steadily(&home, |segments| write(segments, &new))?;
    fs::rename(&new, out).map_err(|source| OfflineError::file(out, source))?;
    Ok(exported)
}

fn write(segments: &mut [Segment], out: &Path) -> Result<Exported, OfflineError> {
    chain::check_first(segments)?;
    let failed = |source| OfflineError::file(out, source);
    let mut to = BufWriter::new(File::create(out).map_err(failed)?);
    first_line(&mut to).map_err(failed)?;
    let mut commits = 0;
    let end = chain::walk(segments, 0, 0, &mut |placed| {
        if placed.frame.kind != Kind::Commit {
            return Ok(());
        }
        commits += 1;
        placed.commit()?;
        commit_line(&mut to, &placed.frame.hash, placed.payload)
            .map_err(|source| OpenError::io(out, source))
    })?;
    let head = Head { end: end.at.seq, hash: end.at.hash };
    last_line(&mut to, head, commits).map_err(failed)?;
    let file = to.into_inner().map_err(|refused| failed(refused.into_error()))?;
    file.sync_all().map_err(failed)?;
    Ok(Exported { commits, head })
}

/// The line that an export begins with.
pub(super) fn first_line(to: &mut impl Write) -> std::io::Result<()> {
    line(to, &First { muster_export: FORMAT, before: Hash::genesis().to_string() })
}

/// The line of a commit.
pub(crate) fn commit_line(to: &mut impl Write, hash: &Hash, payload: &[u8]) -> std::io::Result<()> {
    write!(to, "{HASH}{hash}{COMMIT}")?;
    to.write_all(payload)?;
    to.write_all(b"}\n")
}

/// The line that it ends with.
pub(super) fn last_line(to: &mut impl Write, head: Head, commits: u64) -> std::io::Result<()> {
    line(to, &Last { end: head.end, hash: head.hash.to_string(), commits })
}

fn line(to: &mut impl Write, value: &impl Serialize) -> std::io::Result<()> {
    serde_json::to_writer(&mut *to, value)?;
    to.write_all(b"\n")
}

/// Is shown a frame and its payload.
pub(super) type Visit<'a> = dyn FnMut(&Frame, &[u8]) -> Result<(), OfflineError> + 'a;

/// Reads an export from its first line to its last, checks it, and shows every commit as the frame
/// and the payload that it has in a log.
pub(super) fn read_export(file: &Path, visit: &mut Visit<'_>) -> Result<Exported, OfflineError> {
    let mut reading = Reading { file, line: 0, buffer: Vec::new() };
    let opened = File::open(file).map_err(|source| OfflineError::file(file, source))?;
    let mut from = BufReader::new(opened);
    let first: First = serde_json::from_slice(reading.next(&mut from)?)
        .map_err(|bad| reading.bad(format!("it is no export: {bad}")))?;
    if first.muster_export > FORMAT {
        let found = first.muster_export;
        let file = file.display().to_string();
        return Err(OpenError::NewerFormat { file, found, known: FORMAT }.into());
    }
    let (mut hash, mut end, mut commits) = (Hash::genesis(), 0, 0);
    loop {
        let text = reading.next(&mut from)?;
        let Some((said, payload)) = split(text) else { break };
        let is_next = hash.then(payload);
        if is_next != said {
            return Err(reading.bad("the chain of hashes is broken"));
        }
        let commit: crate::event::Commit = match serde_json::from_slice(payload) {
            Ok(commit) => commit,
            Err(bad) => return Err(reading.bad(format!("the commit cannot be read: {bad}"))),
        };
        if commit.seq != end {
            return Err(reading.bad("the sequence has a gap or a repetition"));
        }
        let frame = Frame::commit(&commit, payload, end, is_next);
        visit(&frame, payload)?;
        (hash, end, commits) = (is_next, commit.end(), commits + 1);
    }
    let last: Last = serde_json::from_slice(&reading.buffer)
        .map_err(|bad| reading.bad(format!("it is neither a commit nor the last line: {bad}")))?;
    if (last.end, last.commits, last.hash) != (end, commits, hash.to_string()) {
        return Err(reading.bad("the last line does not match the commits before it"));
    }
    if !reading.next(&mut from)?.is_empty() {
        return Err(reading.bad("something stands behind the last line"));
    }
    Ok(Exported { commits, head: Head { end, hash } })
}

/// The hash and the payload of a commit's line.
pub(crate) fn split(line: &[u8]) -> Option<(Hash, &[u8])> {
    let rest = line.strip_prefix(HASH.as_bytes())?;
    let (hash, rest) = rest.split_at_checked(64)?;
    let payload = rest.strip_prefix(COMMIT.as_bytes())?.strip_suffix(b"}")?;
    Some((Hash::parse(std::str::from_utf8(hash).ok()?)?, payload))
}

struct Reading<'a> {
    file: &'a Path,
    line: u64,
    buffer: Vec<u8>,
}

impl Reading<'_> {
    /// The next line without its end; empty at the end of the file.
    fn next(&mut self, from: &mut impl BufRead) -> Result<&[u8], OfflineError> {
        self.line += 1;
        self.buffer.clear();
        let mut bounded = std::io::Read::take(from, PAYLOAD_MAX as u64 + 200);
        bounded
            .read_until(b'\n', &mut self.buffer)
            .map_err(|source| OfflineError::file(self.file, source))?;
        if self.buffer.pop_if(|byte| *byte == b'\n').is_none() && !self.buffer.is_empty() {
            return Err(self.bad("the line does not end"));
        }
        Ok(&self.buffer)
    }

    fn bad(&self, because: impl Into<String>) -> OfflineError {
        let (file, because) = (self.file.display().to_string(), because.into());
        OfflineError::Export { file, line: self.line, because }
    }
}
