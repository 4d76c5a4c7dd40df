//! What a comparison counted, and the file from which it can be resumed.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    judge::{How, Verdict},
    range::Range,
};

/// The most differences that are kept by name; all are counted.
pub const DIFFERENCES_MAX: usize = 1_000;

/// What was counted.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Keys that only the source has.
    pub missing: u64,
    /// Keys that only the target has.
    pub extra: u64,
    /// Keys that both have and that are not the same.
    pub different: u64,
    /// Keys of which all that can be seen is the same, and the content cannot be seen.
    pub unknown: u64,
    /// Keys that are the same.
    pub same: u64,
    /// Pages that were read.
    pub pages: u64,
    /// The first differences, at most [`DIFFERENCES_MAX`].
    pub differences: Vec<Difference>,
}

/// One key that is not the same on both sides.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Difference {
    /// The key.
    pub key: String,
    /// In which way it is not the same.
    pub what: How,
}

impl Tally {
    /// How many keys were compared.
    pub fn keys(&self) -> u64 {
        self.missing + self.extra + self.different + self.unknown + self.same
    }

    /// Whether anything is certainly not the same.
    pub fn differs(&self) -> bool {
        self.missing + self.extra + self.different > 0
    }

    /// Counts a key.
    pub fn add(&mut self, key: &str, verdict: Verdict) {
        let what = match verdict {
            Verdict::Same => return self.same += 1,
            Verdict::Unknown => return self.unknown += 1,
            Verdict::Differs(how) => how,
        };
        match what {
            How::Missing => self.missing += 1,
            How::Extra => self.extra += 1,
            How::Version
            | How::DeleteMarker
            | How::Latest
            | How::Size
            | How::Etag
            | How::Checksum
            | How::Encryption
            | How::Replication => self.different += 1,
        }
        if self.differences.len() < DIFFERENCES_MAX {
            self.differences.push(Difference { key: key.to_owned(), what });
        }
    }

    /// Takes another count in.
    pub fn take_in(&mut self, other: Tally) {
        self.missing += other.missing;
        self.extra += other.extra;
        self.different += other.different;
        self.unknown += other.unknown;
        self.same += other.same;
        self.pages += other.pages;
        let room = DIFFERENCES_MAX.saturating_sub(self.differences.len());
        self.differences.extend(other.differences.into_iter().take(room));
    }
}

/// How far a comparison has come: enough to go on after a crash.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// What is compared, so that nobody goes on with something else.
    pub what: String,
    /// What is left.
    pub left: Vec<Range>,
    /// What was counted of the rest.
    pub tally: Tally,
}

impl Checkpoint {
    /// Reads it; `None` if there is no such file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or is no checkpoint of ours.
    pub fn read(path: &Path) -> io::Result<Option<Checkpoint>> {
        match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes it, so that a crash leaves the one before or this one whole.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let aside = aside(path);
        let file = fs::File::create(&aside)?;
        serde_json::to_writer(io::BufWriter::new(&file), self).map_err(io::Error::from)?;
        file.sync_data()?;
        drop(file);
        fs::rename(aside, path)
    }
}

fn aside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".next");
    path.with_file_name(name)
}
