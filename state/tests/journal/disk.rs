//! A disk that remembers what was synced, and can lose, tear and reorder the rest.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use muster_state::journal::disk::{Disk, DiskFile, RealDisk};

use crate::support::copy;

/// What one sync does instead of its work.
#[derive(Clone, Debug)]
pub(crate) enum Fate {
    /// The power goes before the sync. The image of the disk is left in this directory, made with
    /// this seed.
    PowerCut { image: PathBuf, seed: u64 },
    /// The system answers with this kind of error.
    Error(io::ErrorKind),
}

#[derive(Debug, Default)]
struct State {
    /// Contents by the file they belong to: what is synced, and what is only written.
    files: BTreeMap<u64, (Vec<u8>, Vec<u8>)>,
    /// Names as a process sees them, and as they are on disk.
    seen: BTreeMap<PathBuf, u64>,
    named: BTreeMap<PathBuf, u64>,
    syncs: u64,
    fate: Option<(u64, Fate)>,
    dead: bool,
    home: PathBuf,
}

/// A real disk with a memory.
#[derive(Clone, Debug)]
pub(crate) struct TestDisk(Arc<Mutex<State>>);

#[derive(Debug)]
struct TestFile {
    disk: TestDisk,
    id: u64,
    real: Box<dyn DiskFile>,
}

impl TestDisk {
    /// A disk under the state directory `home`, whose `at`-th sync has a fate.
    pub(crate) fn new(home: &Path, fate: Option<(u64, Fate)>) -> TestDisk {
        let home = home.to_owned();
        TestDisk(Arc::new(Mutex::new(State { fate, home, ..State::default() })))
    }

    /// How many syncs there were.
    pub(crate) fn syncs(&self) -> u64 {
        self.state().syncs
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics while it holds the disk")
    }

    fn before_sync(&self) -> io::Result<()> {
        let mut state = self.state();
        if state.dead {
            return Err(io::ErrorKind::NotConnected.into());
        }
        state.syncs += 1;
        match state.fate.clone() {
            Some((at, Fate::Error(kind))) if at == state.syncs => Err(kind.into()),
            Some((at, Fate::PowerCut { image, seed })) if at == state.syncs => {
                state.dead = true;
                state.cut(&image, seed);
                Err(io::ErrorKind::NotConnected.into())
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl State {
    /// Leaves what a power cut leaves: names and contents that were synced, and of the rest a
    /// random part of the sectors, in no order.
    fn cut(&self, image: &Path, seed: u64) {
        let mut dice = Dice(seed);
        fs::create_dir_all(image.join("log")).expect("made");
        let mut names = self.named.clone();
        if dice.roll(2) == 0 {
            names = self.seen.clone();
        }
        for (path, id) in names {
            let (synced, written) = &self.files[&id];
            let mut left = if dice.roll(2) == 0 { synced.clone() } else { written.clone() };
            left.truncate(synced.len().max(written.len()));
            // In a third of the cuts nothing unsynced is left, in a third all, in a third some.
            let luck = dice.roll(3);
            for (n, sector) in left.chunks_mut(512).enumerate() {
                let take = luck == 1 || luck == 2 && dice.roll(2) == 0;
                let source = if take { written } else { synced };
                for (byte, place) in sector.iter_mut().zip(n * 512..) {
                    *byte = source.get(place).copied().unwrap_or(0);
                }
            }
            fs::write(image.join("log").join(path.file_name().expect("a name")), left)
                .expect("written");
        }
        fs::copy(self.home.join("format"), image.join("format")).expect("copied");
        copy(&self.home.join("progress"), &image.join("progress"));
    }
}

impl Disk for TestDisk {
    fn create(&self, path: &Path, len: u64) -> io::Result<Box<dyn DiskFile>> {
        let real = RealDisk.create(path, len)?;
        let mut state = self.state();
        let id = state.files.len() as u64;
        state.files.insert(id, (Vec::new(), vec![0; len as usize]));
        state.seen.insert(path.to_owned(), id);
        Ok(Box::new(TestFile { disk: self.clone(), id, real }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let real = RealDisk.open(path)?;
        let mut state = self.state();
        let id = match state.seen.get(path) {
            Some(id) => *id,
            None => {
                // It was there before this disk was watched, and so it is durable.
                let id = state.files.len() as u64;
                let bytes = fs::read(path)?;
                state.files.insert(id, (bytes.clone(), bytes));
                state.seen.insert(path.to_owned(), id);
                state.named.insert(path.to_owned(), id);
                id
            }
        };
        Ok(Box::new(TestFile { disk: self.clone(), id, real }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)?;
        let mut state = self.state();
        if let Some(id) = state.seen.remove(from) {
            state.seen.insert(to.to_owned(), id);
        }
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.before_sync()?;
        let mut state = self.state();
        let inside = |name: &Path| name.parent() == Some(path);
        let seen: Vec<_> = state
            .seen
            .iter()
            .filter(|(name, _)| inside(name))
            .map(|(name, id)| (name.clone(), *id))
            .collect();
        state.named.retain(|name, _| !inside(name));
        state.named.extend(seen);
        Ok(())
    }
}

impl DiskFile for TestFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.real.write_at(bytes, offset)?;
        let mut state = self.disk.state();
        let (_, written) = state.files.get_mut(&self.id).expect("an open file");
        let end = offset as usize + bytes.len();
        if written.len() < end {
            written.resize(end, 0);
        }
        written[offset as usize..end].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.before_sync()?;
        let mut state = self.disk.state();
        let (synced, written) = state.files.get_mut(&self.id).expect("an open file");
        synced.clone_from(written);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.real.set_len(len)?;
        let mut state = self.disk.state();
        let (_, written) = state.files.get_mut(&self.id).expect("an open file");
        written.resize(len as usize, 0);
        Ok(())
    }
}

/// A small generator, so that a seed is all that a failure needs to come again.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number below `sides`.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}
