//! How a commit stands on disk: segment headers, frames, and the chain of hashes through them.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::event::Commit;

/// The newest version of segments and frames that this program reads, and the one it writes.
pub(crate) const FORMAT: u32 = 1;

/// The bytes before a segment's first frame.
pub(crate) const SEGMENT_HEADER: usize = 64;

/// The bytes before a frame's payload.
pub(crate) const FRAME_HEADER: usize = 72;

/// The largest payload. A commit is a handful of facts; the largest holds a plan.
pub(crate) const PAYLOAD_MAX: usize = 64 << 20;

const SEGMENT_MAGIC: &[u8; 8] = b"MUSTERJL";

/// Starts every frame, so that intact frames can be found behind a damaged one.
pub(crate) const FRAME_MAGIC: &[u8; 4] = b"MFr1";

/// A link of the chain: SHA-256 of the link before it and a payload.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Hash(pub(crate) [u8; 32]);

impl Hash {
    /// The link before the first commit.
    pub(crate) fn genesis() -> Hash {
        Hash(Sha256::digest(b"muster journal").into())
    }

    /// The link behind `payload`.
    pub(crate) fn then(&self, payload: &[u8]) -> Hash {
        Hash(Sha256::new().chain_update(self.0).chain_update(payload).finalize().into())
    }

    /// The hash that a text of 64 hexadecimal digits names.
    pub(crate) fn parse(text: &str) -> Option<Hash> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (byte, place) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[place..place + 2], 16).ok()?;
        }
        Some(Hash(bytes))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What stands at the start of a segment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct SegmentHeader {
    /// The sequence number of its first record.
    pub(crate) first_seq: u64,
    /// The link of the chain before its first frame.
    pub(crate) before: Hash,
}

/// What a frame says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// One commit.
    Commit,
    /// The process stopped in good order; everything before it is on disk.
    Seal,
    /// The segment is complete, and the next one exists.
    Turn,
}

/// A frame without its payload.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Frame {
    /// What it says.
    pub(crate) kind: Kind,
    /// The version of the commit's events. It stands outside the payload, so that a newer payload
    /// can be refused by name although it cannot be parsed.
    pub(crate) version: u16,
    /// The sequence number of its first record; of a seal or a turn, the one behind the last.
    pub(crate) seq: u64,
    /// How many records it has.
    pub(crate) count: u32,
    /// Every record before this number was synced when the frame was written. A damaged frame that
    /// a later one covers in this way was acknowledged, and is no torn tail.
    pub(crate) synced: u64,
    /// The chain behind it.
    pub(crate) hash: Hash,
    /// The length of its payload.
    pub(crate) len: usize,
}

/// Why no frame stands somewhere.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum NoFrame {
    /// Only zeros: nothing was written here yet.
    Blank,
    /// The bytes end before the frame does; so many are needed.
    Short(usize),
    /// Something else stands here.
    Bad(&'static str),
}

/// Why a segment cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum BadHeader {
    /// It is no segment, or its header is damaged.
    Damaged(&'static str),
    /// A newer program wrote it.
    Newer(u32),
}

impl SegmentHeader {
    /// The header as bytes.
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER] {
        let mut bytes = [0; SEGMENT_HEADER];
        bytes[..8].copy_from_slice(SEGMENT_MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first_seq.to_le_bytes());
        bytes[24..56].copy_from_slice(&self.before.0);
        let crc = crc32c::crc32c(&bytes[..56]);
        bytes[56..60].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The header that the bytes are.
    pub(crate) fn decode(bytes: &[u8]) -> Result<SegmentHeader, BadHeader> {
        let Some(bytes) = bytes.first_chunk::<SEGMENT_HEADER>() else {
            return Err(BadHeader::Damaged("the file is shorter than a segment's header"));
        };
        if bytes[..8] != *SEGMENT_MAGIC {
            return Err(BadHeader::Damaged("the file is no segment of the log"));
        }
        if crc32c::crc32c(&bytes[..56]) != u32_at(bytes, 56) || bytes[60..] != [0; 4] {
            return Err(BadHeader::Damaged("the segment's header has a wrong checksum"));
        }
        let format = u32_at(bytes, 8);
        if format > FORMAT {
            return Err(BadHeader::Newer(format));
        }
        Ok(SegmentHeader { first_seq: u64_at(bytes, 16), before: hash_at(bytes, 24) })
    }
}

impl Frame {
    /// How many bytes it takes with its payload.
    pub(crate) fn size(&self) -> usize {
        FRAME_HEADER + self.len
    }

    /// The sequence number behind its last record.
    pub(crate) fn end(&self) -> u64 {
        self.seq.saturating_add(u64::from(self.count))
    }

    /// Appends the frame of a commit whose payload is known.
    pub(crate) fn commit(commit: &Commit, payload: &[u8], synced: u64, hash: Hash) -> Frame {
        let count = u32::try_from(commit.entries.len()).unwrap_or(u32::MAX);
        let (version, seq) = (commit.v, commit.seq);
        Frame { kind: Kind::Commit, version, seq, count, synced, hash, len: payload.len() }
    }

    /// A seal or a turn behind record `end`.
    pub(crate) fn mark(kind: Kind, end: u64, hash: Hash) -> Frame {
        Frame { kind, version: 0, seq: end, count: 0, synced: end, hash, len: 0 }
    }

    /// Appends the frame to `to`.
    pub(crate) fn encode(&self, payload: &[u8], to: &mut Vec<u8>) {
        let mut head = [0; FRAME_HEADER];
        head[..4].copy_from_slice(FRAME_MAGIC);
        head[8..12].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        head[12] = match self.kind {
            Kind::Commit => 1,
            Kind::Seal => 2,
            Kind::Turn => 3,
        };
        head[14..16].copy_from_slice(&self.version.to_le_bytes());
        head[16..24].copy_from_slice(&self.seq.to_le_bytes());
        head[24..28].copy_from_slice(&self.count.to_le_bytes());
        head[32..40].copy_from_slice(&self.synced.to_le_bytes());
        head[40..].copy_from_slice(&self.hash.0);
        let crc = crc32c::crc32c_append(crc32c::crc32c(&head[8..]), payload);
        head[4..8].copy_from_slice(&crc.to_le_bytes());
        to.extend_from_slice(&head);
        to.extend_from_slice(payload);
    }

    /// The frame at the start of `bytes`, and its payload.
    pub(crate) fn decode(bytes: &[u8]) -> Result<(Frame, &[u8]), NoFrame> {
        let Some(head) = bytes.first_chunk::<FRAME_HEADER>() else {
            let is_blank = bytes.iter().all(|byte| *byte == 0);
            return Err(if is_blank { NoFrame::Blank } else { NoFrame::Short(FRAME_HEADER) });
        };
        if head.iter().all(|byte| *byte == 0) {
            return Err(NoFrame::Blank);
        }
        if head[..4] != *FRAME_MAGIC {
            return Err(NoFrame::Bad("no frame begins here"));
        }
        let len = u32_at(head, 8) as usize;
        if len > PAYLOAD_MAX {
            return Err(NoFrame::Bad("the frame's length is impossible"));
        }
        let Some(payload) = bytes.get(FRAME_HEADER..FRAME_HEADER + len) else {
            return Err(NoFrame::Short(FRAME_HEADER + len));
        };
        let crc = crc32c::crc32c_append(crc32c::crc32c(&head[8..]), payload);
        if crc != u32_at(head, 4) {
            return Err(NoFrame::Bad("the frame has a wrong checksum"));
        }
        let kind = match head[12] {
            1 => Kind::Commit,
            2 => Kind::Seal,
            3 => Kind::Turn,
            _ => return Err(NoFrame::Bad("the frame is of an unknown kind")),
        };
        let (count, seq, synced) = (u32_at(head, 24), u64_at(head, 16), u64_at(head, 32));
        let (version, hash) = (u16::from_le_bytes([head[14], head[15]]), hash_at(head, 40));
        Ok((Frame { kind, version, seq, count, synced, hash, len }, payload))
    }
}

fn u32_at(bytes: &[u8], place: usize) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[place..place + 4]);
    u32::from_le_bytes(four)
}

fn u64_at(bytes: &[u8], place: usize) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[place..place + 8]);
    u64::from_le_bytes(eight)
}

fn hash_at(bytes: &[u8], place: usize) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(&bytes[place..place + 32]);
    Hash(hash)
}
