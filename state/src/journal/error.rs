//! Why a state directory cannot be used, and what to do about it.

use std::{io, path::Path};

use crate::progress::Misfit;

/// Why a state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "`{dir}` is in use by another process\nhint: stop the other `muster serve`, or name another state directory"
    )]
    Locked {
        /// The directory.
        dir: String,
    },
    /// It may not be written.
    #[error("`{file}` cannot be written: read-only, or no permission\nhint: {}", Hint::Writable)]
    ReadOnly {
        /// The file.
        file: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No room is left.
    #[error("no room is left to write `{file}`\nhint: free some room; nothing was lost")]
    Full {
        /// The file.
        file: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The disk or the system refused otherwise.
    #[error("`{file}` cannot be used")]
    Io {
        /// The file.
        file: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A newer program wrote the directory or a segment.
    #[error("`{file}` has format {found}; this program reads up to {known}\nhint: {}", Hint::Newer)]
    NewerFormat {
        /// The file.
        file: String,
        /// Its format.
        found: u32,
        /// The newest format that this program knows.
        known: u32,
    },
    /// A newer program wrote a commit.
    #[error(
        "`{file}`, record {seq}, has version {found}; this program reads up to {known}\nhint: {}",
        Hint::Newer
    )]
    NewerEvents {
        /// The segment.
        file: String,
        /// The first record of the commit.
        seq: u64,
        /// The version of its events.
        found: u16,
        /// The newest version that this program knows.
        known: u16,
    },
    /// A record that was acknowledged is damaged or missing.
    #[error("`{file}` is damaged at record {seq}: {because}\nhint: {}", Hint::Damaged)]
    Damaged {
        /// The segment.
        file: String,
        /// The first record that cannot be trusted.
        seq: u64,
        /// What is wrong.
        because: String,
    },
    /// A record is intact but does not follow from those before it.
    #[error(
        "`{file}`, record {seq}, does not follow from those before it\nhint: {}",
        Hint::Damaged
    )]
    Misfit {
        /// The segment.
        file: String,
        /// The first record of the commit.
        seq: u64,
        /// Why.
        #[source]
        source: Misfit,
    },
    /// The progress in sled cannot be trusted.
    #[error("the progress in `{file}` is damaged: {because}\nhint: {}", Hint::Progress)]
    Progress {
        /// The directory of sled.
        file: String,
        /// What is wrong.
        because: String,
    },
    /// The log is intact, but its first commit of this start could not be written.
    #[error(
        "the log cannot be written: {because}\nhint: look for a full or failing disk; what was acknowledged is safe"
    )]
    Unwritable {
        /// What the disk said.
        because: String,
    },
    /// The log and the progress contradict each other: one of them is from another time.
    #[error(
        "`{file}` does not match its progress at record {seq}: {because}\nhint: {}",
        Hint::Apart
    )]
    Apart {
        /// The segment or directory.
        file: String,
        /// Where they part.
        seq: u64,
        /// What is wrong.
        because: String,
    },
}

/// What to do, in one place, so that every message says it in the same words.
enum Hint {
    Writable,
    Newer,
    Damaged,
    Progress,
    Apart,
}

impl std::fmt::Display for Hint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Hint::Writable => "give the state directory to the user that Muster runs as",
            Hint::Newer => "start the newer program again; an older one never writes to this directory",
            Hint::Damaged => {
                "`muster state restore --from EXPORT` brings a copy back; `muster state repair` cuts the log at its last intact record"
            }
            Hint::Progress => "`muster state restore` rebuilds it from the log",
            Hint::Apart => {
                "if the log is the right one, `muster state restore` rebuilds the progress from it; if it lost records, `muster state restore --from EXPORT` brings a copy back"
            }
        })
    }
}

impl OpenError {
    /// The error for a file that the system refused.
    pub(crate) fn io(file: &Path, source: io::Error) -> OpenError {
        let file = file.display().to_string();
        use io::ErrorKind as Kind;
        let is = |kinds: [Kind; 2]| kinds.contains(&source.kind());
        if is([Kind::PermissionDenied, Kind::ReadOnlyFilesystem]) {
            OpenError::ReadOnly { file, source }
        } else if is([Kind::StorageFull, Kind::QuotaExceeded]) {
            OpenError::Full { file, source }
        } else {
            OpenError::Io { file, source }
        }
    }

    pub(crate) fn damaged(file: &Path, seq: u64, because: impl Into<String>) -> OpenError {
        OpenError::Damaged { file: file.display().to_string(), seq, because: because.into() }
    }
}
