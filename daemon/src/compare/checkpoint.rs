//! The file from which a comparison can be resumed, and which knows the last complete one.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{range::Range, tally::Tally};

/// How far a comparison has come: enough to go on after a crash.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Checkpoint {
    /// What is compared, so that nobody goes on with something else.
    pub what: String,
    /// What is left.
    pub left: Vec<Range>,
    /// What was counted of the rest.
    pub tally: Tally,
    /// How it began.
    #[serde(flatten)]
    pub began: Began,
}

/// How a comparison began.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Began {
    /// When.
    #[serde(default, rename = "began_at")]
    pub at: Option<Timestamp>,
    /// Since when versions are asked for their heads; all of them when `None`.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// The last comparison that came to its end.
    #[serde(default)]
    pub last: Option<Complete>,
}

/// A comparison that came to its end.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Complete {
    /// When it began.
    pub began_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// What it counted.
    pub tally: Tally,
}

/// How long after it was written the head of a version may still change by itself: a replication may
/// fail a day later.
const MARGIN: SignedDuration = SignedDuration::from_hours(24);

impl Complete {
    /// Versions that were written before this are as they were found. `None` when not all that was
    /// found is known by name, so that everything must be asked for again.
    pub fn settled_before(&self) -> Option<Timestamp> {
        let named = self.tally.differences.len() as u64;
        let is_known = self.tally.unknown == 0
            && named == self.tally.missing + self.tally.extra + self.tally.different;
        is_known.then(|| self.began_at.saturating_sub(MARGIN).unwrap_or(Timestamp::MIN))
    }
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
