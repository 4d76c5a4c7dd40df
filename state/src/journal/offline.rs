//! What `muster state …` does without a daemon: verify, export, restore, repair.

mod export;
mod rebuild;
mod verify;

use std::path::Path;

pub use self::{
    export::{Exported, export},
    rebuild::{Existing, Rebuilt, Repaired, repair, restore, restore_from},
    verify::{Agreement, Report, verify},
};
use super::{Hash, OpenError};

/// Why an offline tool did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// The state directory cannot be used.
    #[error(transparent)]
    State(#[from] OpenError),
    /// The export file cannot be read or written.
    #[error("`{file}` cannot be used")]
    File {
        /// The file.
        file: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The export file is not what it says it is.
    #[error("`{file}`, line {line}: {because}\nhint: take another export; this one proves nothing")]
    Export {
        /// The file.
        file: String,
        /// The line.
        line: u64,
        /// What is wrong.
        because: String,
    },
    /// There are records already.
    #[error(
        "`{dir}` already holds {records} records\nhint: nothing was changed; ask for the existing log to be set aside, or name an empty directory"
    )]
    NotEmpty {
        /// The directory.
        dir: String,
        /// How many records its log has at least.
        records: u64,
    },
}

impl OfflineError {
    fn file(file: &Path, source: std::io::Error) -> OfflineError {
        OfflineError::File { file: file.display().to_string(), source }
    }
}

/// The end of a log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head {
    /// The number behind the last record.
    pub end: u64,
    /// The chain behind it.
    pub hash: Hash,
}
