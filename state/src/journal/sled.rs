//! The progress in sled: a cache of the fold with a witness of the log's end. It is written after
//! the log and never believed against it.
//!
//! sled's flush is no fsync and one flipped byte can lose rows without an error, so every value has
//! a checksum, the head row counts and sums all others, and what panics is caught.

use std::{
    collections::BTreeSet,
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    thread,
};

use jiff::Timestamp;
use muster_runbooks::name::RunId;

use super::{
    OpenError,
    codec::{FORMAT, Hash},
    home::{LOCK_PAUSE, LOCK_TRIES},
    ledger::Lengths,
    rows::{self, BEAT, Change, Gathered, HEAD, Head},
};
use crate::{
    event::Stream,
    progress::{EndedRun, Progress, Row},
};

/// Why rows cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{because}")]
pub(crate) struct Trouble {
    /// What happened.
    pub(crate) because: String,
}

/// The rows on disk.
#[derive(Debug)]
pub(crate) struct Rows {
    db: sled::Db,
    dir: PathBuf,
    /// sled's own flush does not reach the disk; this descriptor is only ever synced.
    synced: File,
}

/// How many values there are, and the sum over them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Sum {
    rows: u64,
    digest: u128,
}

/// What the rows say, once all of them are checked.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The progress.
    pub(crate) progress: Progress,
    /// The lengths of streams.
    pub(crate) lengths: Lengths,
    /// The chain behind `progress.end`.
    pub(crate) hash: Hash,
    /// The last beat.
    pub(crate) beat: Option<Timestamp>,
    /// The sum, to go on from.
    pub(crate) sum: Sum,
}

/// What is to be written at once.
#[derive(Debug)]
pub(crate) struct Update<'a> {
    /// The progress.
    pub(crate) progress: &'a Progress,
    /// The lengths of streams.
    pub(crate) lengths: &'a Lengths,
    /// The chain behind `progress.end`.
    pub(crate) hash: Hash,
    /// The rows that changed.
    pub(crate) dirty: &'a BTreeSet<Row>,
    /// The runs that ended.
    pub(crate) ended: &'a [EndedRun],
}

impl Rows {
    /// Opens the rows in `dir`, or makes the directory.
    pub(crate) fn open(dir: &Path) -> Result<Rows, OpenError> {
        let config = sled::Config::new().path(dir).flush_every_ms(None).cache_capacity(64 << 20);
        let mut opened = guarded(|| config.open());
        // Our own lock is held, so nobody else can mean to keep sled's.
        for _ in 0..LOCK_TRIES {
            match &opened {
                Err(trouble) if trouble.because.contains("could not acquire lock") => {
                    thread::park_timeout(LOCK_PAUSE);
                    opened = guarded(|| config.open());
                }
                Ok(_) | Err(_) => break,
            }
        }
        let db = opened.map_err(|trouble| trouble.at(dir))?;
        let synced = File::open(dir.join("db")).map_err(|source| OpenError::io(dir, source))?;
        Ok(Rows { db, dir: dir.to_owned(), synced })
    }

    /// Reads and checks all rows; none if nothing was ever written.
    pub(crate) fn load(&self) -> Result<Option<Loaded>, OpenError> {
        let checked = guarded(|| Ok(self.check())).and_then(|loaded| loaded);
        checked.map_err(|trouble| trouble.at(&self.dir))
    }

    fn check(&self) -> Result<Option<Loaded>, Trouble> {
        let (mut head, mut beat, mut sum) = (None, None, Sum::default());
        let mut gathered = Gathered::default();
        let mut open: Option<(Vec<u8>, u16, u16, Vec<u8>)> = None;
        let odd = |key: &[u8]| Trouble::new(format!("row `{}` is damaged", key.escape_ascii()));
        for item in self.db.iter() {
            let (key, value) = item.map_err(Trouble::sled)?;
            let (chunks, body) = rows::unseal(&key, &value).ok_or_else(|| odd(&key))?;
            if *key == *HEAD {
                head = Some(serde_json::from_slice::<Head>(body).map_err(|_| odd(&key))?);
                continue;
            }
            if *key == *BEAT {
                beat = Some(serde_json::from_slice(body).map_err(|_| odd(&key))?);
                continue;
            }
            sum.add(&key, &value);
            let (name, chunk) =
                key.split_at_checked(key.len().wrapping_sub(3)).ok_or_else(|| odd(&key))?;
            let (row, expected, next, mut whole) =
                open.take().unwrap_or_else(|| (name.to_vec(), chunks, 0, Vec::new()));
            if row != name || expected != chunks || chunk[1..] != next.to_be_bytes() {
                return Err(odd(&key));
            }
            whole.extend_from_slice(body);
            if next + 1 < expected {
                open = Some((row, expected, next + 1, whole));
            } else {
                gathered.row(&row, &whole).ok_or_else(|| odd(&key))?;
            }
        }
        let Some(head) = head else {
            let is_new = sum == Sum::default();
            return if is_new { Ok(None) } else { Err(Trouble::new("the head row is missing")) };
        };
        if head.format > FORMAT {
            return Err(Trouble::new(format!("a newer program wrote it (format {})", head.format)));
        }
        if open.is_some() || head.rows != sum.rows || head.digest != format!("{:x}", sum.digest) {
            let (found, rows) = (sum.rows, head.rows);
            return Err(Trouble::new(format!(
                "{found} rows do not match the head row, which knows {rows}"
            )));
        }
        let hash = Hash::parse(&head.hash).ok_or_else(|| odd(HEAD))?;
        let (progress, lengths) =
            gathered.finish(&head).ok_or_else(|| Trouble::new("plans and runs do not match"))?;
        Ok(Some(Loaded { progress, lengths, hash, beat, sum }))
    }

    /// Writes what changed in one piece, and hands it to the operating system.
    pub(crate) fn write(&self, sum: &mut Sum, update: &Update<'_>) -> Result<(), Trouble> {
        guarded(|| Ok(self.apply(sum, update)))??;
        guarded(|| self.db.flush()).map(drop)
    }

    fn apply(&self, sum: &mut Sum, update: &Update<'_>) -> Result<(), Trouble> {
        let mut batch = sled::Batch::default();
        let mut next = *sum;
        for (key, body) in self.bodies(update)? {
            let first = rows::chunk_key(&key, 0);
            let before = self.db.get(&first).map_err(Trouble::sled)?;
            let before = before.and_then(|value| rows::unseal(&first, &value).map(|(n, _)| n));
            for change in rows::chunks(&key, body.as_deref(), before.unwrap_or(0)) {
                self.stage(change, &mut next, &mut batch)?;
            }
        }
        let Update { progress, lengths, hash, .. } = update;
        let head = Head {
            format: FORMAT,
            end: progress.end,
            hash: hash.to_string(),
            epoch: progress.epoch,
            last_at: progress.last_at,
            off: progress.off.clone(),
            granted: progress.granted.clone(),
            access: lengths.of(&Stream::Access),
            rows: next.rows,
            digest: format!("{:x}", next.digest),
        };
        batch.insert(HEAD, rows::seal(HEAD, 1, &serde_json::to_vec(&head)?));
        self.db.apply_batch(batch).map_err(Trouble::sled)?;
        *sum = next;
        Ok(())
    }

    /// The rows to write, each once, with their bodies.
    fn bodies(&self, update: &Update<'_>) -> Result<Vec<Change>, Trouble> {
        let mut bodies = Vec::new();
        for row in update.dirty {
            bodies.extend(rows::encode(row, update.progress, update.lengths)?);
            if let Row::Run(id) = row {
                let key = rows::plan_key(id);
                match update.progress.runs.get(id) {
                    None => bodies.push((key, None)),
                    Some(run) => {
                        let first = rows::chunk_key(&key, 0);
                        if !self.db.contains_key(first).map_err(Trouble::sled)? {
                            bodies.push((key, Some(serde_json::to_vec(&run.plan)?)));
                        }
                    }
                }
            }
        }
        for run in update.ended {
            bodies.push((rows::ended_key(run.last_seq), Some(serde_json::to_vec(run)?)));
            bodies.push((rows::id_key(&run.id), Some(run.last_seq.to_be_bytes().to_vec())));
        }
        Ok(bodies)
    }

    fn stage(
        &self,
        (key, value): Change,
        sum: &mut Sum,
        batch: &mut sled::Batch,
    ) -> Result<(), Trouble> {
        let old = self.db.get(&key).map_err(Trouble::sled)?;
        if old.as_deref() == value.as_deref() {
            return Ok(());
        }
        if let Some(old) = old {
            sum.remove(&key, &old);
        }
        match value {
            Some(value) => {
                sum.add(&key, &value);
                batch.insert(key, value);
            }
            None => batch.remove(key),
        }
        Ok(())
    }

    /// Writes the last beat. It is a sample: nothing waits for the disk.
    pub(crate) fn beat(&self, at: Timestamp) -> Result<(), Trouble> {
        let value = rows::seal(BEAT, 1, &serde_json::to_vec(&at)?);
        guarded(|| {
            self.db.insert(BEAT, value)?;
            self.db.flush()
        })
        .map(drop)
    }

    /// Returns when what was written is durable.
    pub(crate) fn sync(&self) -> Result<(), Trouble> {
        guarded(|| self.db.flush())?;
        self.synced.sync_data().map_err(|refused| Trouble::new(refused.to_string()))
    }

    /// Makes the files and names of a new directory durable.
    pub(crate) fn sync_names(&self) -> Result<(), OpenError> {
        self.sync().map_err(|trouble| trouble.at(&self.dir))?;
        let parent = self.dir.parent().unwrap_or(&self.dir);
        for path in [&self.dir.join("conf"), &self.dir, parent] {
            let synced = File::open(path).and_then(|file| file.sync_all());
            synced.map_err(|source| OpenError::io(path, source))?;
        }
        Ok(())
    }

    /// Up to `limit` ended runs, newest first, whose last record stands before `before`.
    pub(crate) fn ended(&self, before: u64, limit: usize) -> Result<Vec<EndedRun>, Trouble> {
        guarded(|| {
            let keys = vec![rows::ENDED]..rows::ended_key(before);
            self.db.range(keys).rev().take(limit).collect::<Result<Vec<_>, _>>()
        })?
        .into_iter()
        .map(|(key, value)| {
            let body = rows::unseal(&key, &value).map(|(_, body)| body);
            body.and_then(|body| serde_json::from_slice(body).ok())
                .ok_or_else(|| Trouble::new("the row of an ended run is damaged"))
        })
        .collect()
    }

    /// Whether a run has ended.
    pub(crate) fn has_ended(&self, run: &RunId) -> Result<bool, Trouble> {
        guarded(|| self.db.contains_key(rows::chunk_key(&rows::id_key(run), 0)))
    }
}

impl Sum {
    fn add(&mut self, key: &[u8], value: &[u8]) {
        self.rows += 1;
        self.digest = self.digest.wrapping_add(rows::worth(key, value));
    }

    fn remove(&mut self, key: &[u8], value: &[u8]) {
        self.rows = self.rows.saturating_sub(1);
        self.digest = self.digest.wrapping_sub(rows::worth(key, value));
    }
}

impl Trouble {
    fn new(because: impl Into<String>) -> Trouble {
        Trouble { because: because.into() }
    }

    fn sled(error: sled::Error) -> Trouble {
        Trouble::new(error.to_string())
    }

    /// The same trouble as a reason not to start.
    pub(crate) fn at(self, dir: &Path) -> OpenError {
        OpenError::Progress { file: dir.display().to_string(), because: self.because }
    }
}

impl From<serde_json::Error> for Trouble {
    fn from(error: serde_json::Error) -> Trouble {
        Trouble::new(error.to_string())
    }
}

/// sled panics over some damaged files; a journal must not.
fn guarded<T>(work: impl FnOnce() -> Result<T, sled::Error>) -> Result<T, Trouble> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(Trouble::sled),
        Err(_) => Err(Trouble::new("the database gave up reading it")),
    }
}
