//! An export that is put together from the parts that a daemon shipped.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use super::{
    Head, OfflineError,
    export::{first_line, last_line, split},
};
use crate::{event::Commit, journal::Hash};

/// An export on its way. What was pushed twice stands in it once; a gap is refused at once, and
/// everything else when the export is read.
#[derive(Debug)]
pub struct Assembly {
    path: PathBuf,
    to: BufWriter<File>,
    head: Head,
    commits: u64,
    newest: Option<jiff::Timestamp>,
}

impl Assembly {
    /// Begins an export in a new file.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn begin(path: &Path, file: File) -> Result<Assembly, OfflineError> {
        let mut to = BufWriter::new(file);
        first_line(&mut to).map_err(|source| OfflineError::file(path, source))?;
        let head = Head { end: 0, hash: Hash::genesis() };
        Ok(Assembly { path: path.to_owned(), to, head, commits: 0, newest: None })
    }

    /// How far it is.
    pub fn end(&self) -> u64 {
        self.head.end
    }

    /// When the newest commit in it was written.
    pub fn newest(&self) -> Option<jiff::Timestamp> {
        self.newest
    }

    /// Puts a part behind the others. `name` is what errors call it.
    ///
    /// # Errors
    ///
    /// When something is missing before it, or it is no part.
    pub fn push(&mut self, name: &str, part: &[u8]) -> Result<(), OfflineError> {
        let lines = part.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        for (number, line) in (1..).zip(lines) {
            let bad = |because: String| {
                let file = name.to_owned();
                OfflineError::Export { file, line: number, because }
            };
            let (hash, payload) = split(line).ok_or_else(|| bad("it is no commit".to_owned()))?;
            let commit: Commit = serde_json::from_slice(payload)
                .map_err(|why| bad(format!("the commit cannot be read: {why}")))?;
            if commit.end() <= self.head.end {
                continue;
            }
            if commit.seq != self.head.end {
                let (from, to) = (self.head.end, commit.seq);
                return Err(bad(format!("the records {from} to {to} are missing before it")));
            }
            let written = self.to.write_all(line).and_then(|()| self.to.write_all(b"\n"));
            written.map_err(|source| OfflineError::file(&self.path, source))?;
            self.head = Head { end: commit.end(), hash };
            self.commits += 1;
            self.newest = Some(commit.at);
        }
        Ok(())
    }

    /// Ends it.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn finish(mut self) -> Result<Head, OfflineError> {
        let failed = |source| OfflineError::file(&self.path, source);
        last_line(&mut self.to, self.head, self.commits).map_err(failed)?;
        let file = self
            .to
            .into_inner()
            .map_err(|refused| OfflineError::file(&self.path, refused.into_error()))?;
        file.sync_all().map_err(|source| OfflineError::file(&self.path, source))?;
        Ok(self.head)
    }
}
