//! What `muster state …` does without a daemon: verify, export, restore, repair.

mod assembly;
mod export;
mod new_log;
mod repair;
mod restore;
mod verify;

use std::path::Path;

pub(crate) use self::export::{commit_line, split};
pub use self::{
    assembly::Assembly,
    export::{Exported, export},
    repair::{Repaired, repair},
    restore::{Existing, Rebuilt, restore, restore_from},
    verify::{Agreement, Report, verify},
};
use super::{Hash, OpenError, home::Home, segment::Segment};

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
        "`{dir}` already holds {records} records\nhint: nothing was changed; `--set-aside` keeps the existing log beside the new one, or name an empty directory"
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

/// Repeats work over the segments when the process that writes them began a new one meanwhile.
fn steadily<T>(
    home: &Home,
    mut work: impl FnMut(&mut [Segment]) -> Result<T, OfflineError>,
) -> Result<T, OfflineError> {
    loop {
        let mut segments = Segment::list(&home.log())?;
        let count = segments.len();
        let done = work(&mut segments);
        if done.is_ok() || Segment::list(&home.log())?.len() == count {
            return done;
        }
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
