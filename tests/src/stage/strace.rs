//! Faults at the disk of an unmodified process, by `strace` from outside.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use crate::emulator::skip;

/// What happens at a sync.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// `kill -9` before the sync is carried out.
    Kill,
    /// The sync fails with this error, such as `EIO`. Those that follow would be carried out, as on
    /// a disk that has dropped what it should have written and is well again.
    Error(&'static str),
}

/// Whether `strace` can be used here; otherwise the skip is written down.
pub fn is_there() -> bool {
    let probe = ["-D", "-f", "-q", "-e", "trace=fdatasync", "-o", "/dev/null", "true"];
    let done = Command::new("strace").args(probe).stderr(Stdio::null()).status();
    let works = done.is_ok_and(|status| status.success());
    if !works {
        skip("strace", "not installed, or not allowed to trace: apt-get install strace");
    }
    works
}

/// The words before a command whose `nth` sync, of one file or of any, shall have a fate. Syncs are
/// counted per thread: the journal's own thread makes one of the log when it opens, and then one for each
/// group of commits. The traced process stays the child that the test started.
pub fn at_sync(file: Option<&Path>, nth: u32, fate: Fate) -> Vec<String> {
    let inject = match fate {
        Fate::Kill => format!("inject=fdatasync:signal=SIGKILL:when={nth}"),
        Fate::Error(errno) => format!("inject=fdatasync:error={errno}:when={nth}"),
    };
    let path = file.map(|file| file.display().to_string());
    let only: Vec<&str> = path.iter().flat_map(|path| ["-P", path]).collect();
    words(&[&only[..], &["-e", "trace=fdatasync", "-e", &inject]].concat())
}

/// The same for a kill at the `nth` write to a file, before it is carried out. What was written and
/// not synced outlives a killed process; what was not written does not.
pub fn at_write(file: &Path, nth: u32) -> Vec<String> {
    let inject = format!("inject=pwrite64:signal=SIGKILL:when={nth}");
    words(&["-P", &file.display().to_string(), "-e", "trace=pwrite64", "-e", &inject])
}

/// The words that put an error in the place of every opening of a file.
pub fn at_open(file: &Path, errno: &str) -> Vec<String> {
    let inject = format!("inject=openat:error={errno}");
    words(&["-P", &file.display().to_string(), "-e", "trace=openat", "-e", &inject])
}

fn words(fault: &[&str]) -> Vec<String> {
    // Without `--seccomp-bpf`: strace 6.1 then traces, and injects no signal.
    let strace = ["strace", "-D", "-f", "-q", "-o", "/dev/null"];
    strace.iter().chain(fault).map(|word| (*word).to_owned()).collect()
}
