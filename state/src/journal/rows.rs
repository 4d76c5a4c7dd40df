//! How progress stands in rows: keys, checksums, chunks. No database is named here.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use muster_runbooks::{name::RunId, plan::Thawed};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use super::ledger::Lengths;
use crate::{
    event::Stream,
    lease::Granted,
    progress::{ApplicationState, EndedRun, Held, Progress, Proposal, Row, ScheduleState},
    run::Run,
};

/// The most bytes of one value. The database keeps larger ones in files of their own, which it does
/// not write atomically with the rest.
const CHUNK: usize = 16 << 10;

/// The key of the head row.
pub(crate) const HEAD: &[u8] = b"head";

/// The key of the last beat.
pub(crate) const BEAT: &[u8] = b"beat";

/// The first byte of the keys of ended runs.
pub(crate) const ENDED: u8 = b'e';

/// The row that says what all others are worth.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Head {
    /// The version of the rows.
    pub(crate) format: u32,
    /// The number behind the last record that is folded in.
    pub(crate) end: u64,
    /// The chain behind it.
    pub(crate) hash: String,
    /// The epoch.
    pub(crate) epoch: u64,
    /// When the last commit was written.
    pub(crate) last_at: Option<Timestamp>,
    /// The off switch.
    pub(crate) off: Option<(String, String)>,
    /// The lease. Older rows do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) granted: Option<Granted>,
    /// The length of the stream `access`.
    pub(crate) access: u64,
    /// How many values there are besides this one and the beat.
    pub(crate) rows: u64,
    /// The sum over them, in any order.
    pub(crate) digest: String,
}

#[derive(Deserialize)]
struct RunRow {
    run: Run,
    span: (u64, u64),
}

#[derive(Serialize)]
struct BorrowedRunRow<'a> {
    run: &'a Run,
    span: (u64, u64),
}

#[derive(Deserialize, Serialize)]
struct Counted<T> {
    len: u64,
    state: T,
}

/// A value, or the whole body of a row, under its key; none to delete it.
pub(crate) type Change = (Vec<u8>, Option<Vec<u8>>);

/// What a row is worth in the digest.
pub(crate) fn worth(key: &[u8], value: &[u8]) -> u128 {
    let hash = Sha256::new().chain_update((key.len() as u64).to_le_bytes());
    let hash = hash.chain_update(key).chain_update(value).finalize();
    hash.iter().take(16).fold(0, |sum, byte| sum << 8 | u128::from(*byte))
}

/// A value with its checksum, which covers the key.
pub(crate) fn seal(key: &[u8], chunks: u16, body: &[u8]) -> Vec<u8> {
    let chunks = chunks.to_le_bytes();
    let crc = [key, &chunks, body].iter().fold(0, |crc, part| crc32c::crc32c_append(crc, part));
    [&crc.to_le_bytes()[..], &chunks, body].concat()
}

/// The number of chunks and the body of a value whose checksum is right.
pub(crate) fn unseal<'a>(key: &[u8], value: &'a [u8]) -> Option<(u16, &'a [u8])> {
    let (head, body) = value.split_first_chunk::<6>()?;
    let chunks = u16::from_le_bytes([head[4], head[5]]);
    (seal(key, chunks, body) == value).then_some((chunks, body))
}

/// The key of one chunk.
pub(crate) fn chunk_key(key: &[u8], chunk: u16) -> Vec<u8> {
    [key, &[0], &chunk.to_be_bytes()].concat()
}

/// The values that one row becomes. `before` is how many chunks it had.
pub(crate) fn chunks(key: &[u8], body: Option<&[u8]>, before: u16) -> Vec<Change> {
    let parts: Vec<&[u8]> = body.map_or(Vec::new(), |body| match body {
        [] => vec![&[][..]],
        body => body.chunks(CHUNK).collect(),
    });
    let count = u16::try_from(parts.len()).unwrap_or(u16::MAX);
    let written = (0..count).zip(parts).map(|(n, part)| {
        let key = chunk_key(key, n);
        let value = seal(&key, count, part);
        (key, Some(value))
    });
    let deleted = (count..before).map(|n| (chunk_key(key, n), None));
    written.chain(deleted).collect()
}

/// The key of an ended run, so that the newest is the last.
pub(crate) fn ended_key(last_seq: u64) -> Vec<u8> {
    [&[ENDED][..], &last_seq.to_be_bytes()].concat()
}

/// The key under which an ended run is known by its id.
pub(crate) fn id_key(id: &RunId) -> Vec<u8> {
    format!("i{id}").into_bytes()
}

/// The key of a run's plan. It is large and never changes, so it is a row of its own.
pub(crate) fn plan_key(id: &RunId) -> Vec<u8> {
    format!("p{id}").into_bytes()
}

/// The key and the body of a row as it is now; no body if it is gone.
pub(crate) fn encode(
    row: &Row,
    progress: &Progress,
    lengths: &Lengths,
) -> Result<Option<Change>, serde_json::Error> {
    let (key, body) = match row {
        Row::Run(id) => {
            let span = progress.spans.get(id).copied();
            let run = progress.runs.get(id).zip(span);
            let row = run.map(|(run, span)| BorrowedRunRow { run, span });
            (format!("r{id}"), row.map(|row| serde_json::to_vec(&row)))
        }
        Row::Claim(key) => (format!("c{key}"), progress.claims.get(key).map(serde_json::to_vec)),
        Row::Application(name) => {
            let len = lengths.of(&Stream::Application(name.clone()));
            let state = progress.applications.get(name);
            (format!("a{name}"), state.map(|state| serde_json::to_vec(&Counted { len, state })))
        }
        Row::Schedule(id) => {
            let len = lengths.of(&Stream::Schedule(id.clone()));
            let state = progress.schedules.get(id);
            (format!("s{id}"), state.map(|state| serde_json::to_vec(&Counted { len, state })))
        }
        Row::Proposal(id) => {
            let len = lengths.of(&Stream::Notice(id.clone()));
            let state = progress.proposals.get(id);
            (format!("n{id}"), state.map(|state| serde_json::to_vec(&Counted { len, state })))
        }
        Row::Head => return Ok(None),
    };
    Ok(Some((key.into_bytes(), body.transpose()?)))
}

/// Progress as it comes back from rows, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    /// The progress so far.
    pub(crate) progress: Progress,
    /// The lengths so far.
    pub(crate) lengths: Lengths,
    plans: BTreeMap<RunId, Thawed>,
}

impl Gathered {
    /// Takes one row in.
    pub(crate) fn row(&mut self, key: &[u8], body: &[u8]) -> Option<()> {
        let (kind, name) = key.split_first()?;
        if *kind == ENDED {
            return read::<EndedRun>(body).map(|_| ());
        }
        let name = std::str::from_utf8(name).ok()?;
        match kind {
            b'r' => {
                let RunRow { run, span } = read(body)?;
                let id: RunId = name.parse().ok()?;
                self.progress.spans.insert(id.clone(), span);
                self.progress.runs.insert(id, run);
            }
            b'p' => {
                self.plans.insert(name.parse().ok()?, read(body)?);
            }
            b'c' => {
                self.progress.claims.insert(name.to_owned(), read::<Held>(body)?);
            }
            b'a' => {
                let Counted { len, state } = read::<Counted<ApplicationState>>(body)?;
                self.lengths.set(Stream::Application(name.parse().ok()?), len);
                self.progress.applications.insert(name.parse().ok()?, state);
            }
            b's' => {
                let Counted { len, state } = read::<Counted<ScheduleState>>(body)?;
                self.lengths.set(Stream::Schedule(name.parse().ok()?), len);
                self.progress.schedules.insert(name.parse().ok()?, state);
            }
            b'n' => {
                let Counted { len, state } = read::<Counted<Proposal>>(body)?;
                self.lengths.set(Stream::Notice(name.parse().ok()?), len);
                self.progress.proposals.insert(name.parse().ok()?, state);
            }
            b'i' => {
                name.parse::<RunId>().ok()?;
            }
            _ => return None,
        }
        Some(())
    }

    /// Puts the plans into their runs and the head on top.
    pub(crate) fn finish(mut self, head: &Head) -> Option<(Progress, Lengths)> {
        for (id, run) in &mut self.progress.runs {
            run.plan = Arc::new(self.plans.remove(id)?);
        }
        if head.access > 0 {
            self.lengths.set(Stream::Access, head.access);
        }
        self.progress.epoch = head.epoch;
        self.progress.end = head.end;
        self.progress.last_at = head.last_at;
        self.progress.off = head.off.clone();
        self.progress.granted = head.granted.clone();
        self.plans.is_empty().then_some((self.progress, self.lengths))
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    serde_json::from_slice(body).ok()
}
