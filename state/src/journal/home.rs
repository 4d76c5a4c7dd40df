//! The state directory: what lies where in it, whose it is, and which format it has.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use super::{OpenError, codec::FORMAT, disk};

/// How often a lock is tried, and how long is waited in between. A process that is being spawned
/// holds every descriptor of its parent until it runs, and so a lock that was just let go.
pub(crate) const LOCK_TRIES: usize = 40;
pub(crate) const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// A state directory.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    dir: PathBuf,
}

/// The right to write to a state directory, until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    // The lock is on the open file: the kernel frees it with the process, however that ends.
    _file: File,
}

impl Home {
    /// The state directory `dir`.
    pub(crate) fn at(dir: &Path) -> Home {
        Home { dir: dir.to_owned() }
    }

    /// The directory itself.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The directory of the segments.
    pub(crate) fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    /// The directory of sled.
    pub(crate) fn progress(&self) -> PathBuf {
        self.dir.join("progress")
    }

    /// The directory of what was cut off, replaced, or found damaged. Muster never reads it again.
    pub(crate) fn aside(&self) -> PathBuf {
        self.dir.join("aside")
    }

    fn format(&self) -> PathBuf {
        self.dir.join("format")
    }

    /// Makes the directories that are missing.
    pub(crate) fn make(&self) -> Result<(), OpenError> {
        for dir in [self.dir.clone(), self.log(), self.aside()] {
            fs::create_dir_all(&dir).map_err(|source| OpenError::io(&dir, source))?;
        }
        Ok(())
    }

    /// Takes the lock. It comes before everything else, so that a second process changes nothing.
    pub(crate) fn lock(&self) -> Result<Lock, OpenError> {
        let path = self.dir.join("lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|source| OpenError::io(&path, source))?;
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(Lock { _file: file }),
                Err(TryLockError::WouldBlock) => thread::park_timeout(LOCK_PAUSE),
                Err(TryLockError::Error(source)) => return Err(OpenError::io(&path, source)),
            }
        }
        Err(OpenError::Locked { dir: self.dir.display().to_string() })
    }

    /// Whether the directory was ever used: it has segments or progress.
    pub(crate) fn is_used(&self) -> bool {
        let has_any =
            |dir: PathBuf| fs::read_dir(dir).is_ok_and(|mut names| names.next().is_some());
        has_any(self.log()) || has_any(self.progress())
    }

    /// Refuses a directory of a newer program, or one whose format file is lost.
    pub(crate) fn check_format(&self) -> Result<(), OpenError> {
        let path = self.format();
        let damaged = || OpenError::damaged(&path, 0, "it does not say `muster state <number>`");
        match fs::read(&path) {
            Ok(bytes) => {
                let text = std::str::from_utf8(&bytes).map_err(|_| damaged())?;
                let number =
                    text.strip_prefix("muster state ").and_then(|rest| rest.strip_suffix('\n'));
                let found: u32 =
                    number.and_then(|number| number.parse().ok()).ok_or_else(damaged)?;
                if found > FORMAT {
                    let file = path.display().to_string();
                    return Err(OpenError::NewerFormat { file, found, known: FORMAT });
                }
                if found == FORMAT { Ok(()) } else { Err(damaged()) }
            }
            Err(missing) if missing.kind() == std::io::ErrorKind::NotFound && !self.is_used() => {
                Ok(())
            }
            Err(source) => Err(OpenError::io(&path, source)),
        }
    }

    /// Writes the format file.
    pub(crate) fn write_format(&self) -> Result<(), OpenError> {
        let path = self.format();
        disk::replace(&path, format!("muster state {FORMAT}\n").as_bytes())
            .map_err(|source| OpenError::io(&path, source))
    }

    /// A name in [`Home::aside`] that is free.
    pub(crate) fn free_aside(&self, name: &str) -> PathBuf {
        let aside = self.aside();
        let plain = aside.join(name);
        if !plain.exists() {
            return plain;
        }
        (1..)
            .map(|n: u64| aside.join(format!("{name}.{n}")))
            .find(|path| !path.exists())
            .unwrap_or(plain)
    }
}
