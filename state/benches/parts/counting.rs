//! A disk that counts its syncs, and what the same disk does without a journal in front.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use muster_state::journal::disk::{Disk, DiskFile, RealDisk};

use crate::figures::now;

/// The real disk, with a count of its syncs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counting(Arc<AtomicU64>);

#[derive(Debug)]
struct CountingFile(Box<dyn DiskFile>, Counting);

impl Counting {
    /// How many syncs there were so far.
    pub(crate) fn syncs(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Disk for Counting {
    fn create(&self, path: &Path, len: u64) -> io::Result<Box<dyn DiskFile>> {
        RealDisk.create(path, len)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(CountingFile(RealDisk.open(path)?, self.clone())))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.sync_dir(path)
    }
}

impl DiskFile for CountingFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.1.0.fetch_add(1, Ordering::Relaxed);
        self.0.sync()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
}

/// One write of `bytes` and one sync, `times` over, into a preallocated file: what a single caller
/// can have of this disk at best. Gives the time of each in microseconds, sorted.
pub(crate) fn raw_syncs(folder: &Path, bytes: usize, times: u64) -> Vec<u64> {
    const SIZE: u64 = 16 << 20;
    let path = folder.join("raw");
    drop(RealDisk.create(&path, SIZE).expect("made"));
    let file = File::options().write(true).open(&path).expect("opened");
    file.sync_all().expect("synced");
    let written = vec![7; bytes];
    let mut took: Vec<u64> = (0..times)
        .map(|n| {
            let began = now();
            file.write_all_at(&written, n * bytes as u64 % (SIZE - bytes as u64)).expect("written");
            file.sync_data().expect("synced");
            began.elapsed().as_micros() as u64
        })
        .collect();
    std::fs::remove_file(&path).expect("removed");
    took.sort_unstable();
    took
}

/// How many there are in a second, if they come one after the other.
pub(crate) fn per_second(took: &[u64]) -> f64 {
    took.len() as f64 * 1e6 / took.iter().sum::<u64>().max(1) as f64
}
