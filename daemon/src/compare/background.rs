//! Comparisons that go on while others look how far they are.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use tokio::task::JoinSet;

use super::{Comparison, Extent, Stopped, checkpoint::Checkpoint, tally::Tally};
use crate::clock::Clock;

/// All that are under way in this process, by the name of their file. They end with this.
#[derive(Debug)]
pub struct Comparisons {
    folder: Option<PathBuf>,
    running: Mutex<BTreeMap<String, Running>>,
}

#[derive(Debug)]
struct Running {
    comparison: Arc<Comparison>,
    /// The one task of it.
    task: JoinSet<Result<Tally, Stopped>>,
}

/// How far a comparison is.
#[derive(Debug)]
pub enum Stand {
    /// It goes on.
    Going {
        /// What is counted so far.
        tally: Tally,
        /// How many keys the last complete one counted, if there was one.
        last_keys: Option<u64>,
    },
    /// It has come to its end.
    Ended {
        /// When it began.
        began_at: Timestamp,
        /// What it counted.
        tally: Tally,
    },
}

impl Comparisons {
    /// Writes into a folder how far they are; nowhere without one.
    pub fn in_folder(folder: Option<PathBuf>) -> Comparisons {
        Comparisons { folder, running: Mutex::default() }
    }

    /// How far the comparison of a name is that began at `since` or later. Begins one if there is none,
    /// or goes on with one that a crash has cut off.
    ///
    /// # Errors
    ///
    /// When it has stopped, once; the next look goes on from where it was.
    pub fn look(
        &self,
        name: &str,
        extent: Extent,
        since: Timestamp,
        clock: &Clock,
        made: impl Fn() -> Comparison,
    ) -> Result<Stand, Stopped> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(one) = running.get_mut(name) {
            let began_at = one.comparison.began_at().unwrap_or(since);
            match one.task.try_join_next() {
                None if began_at >= since => return Ok(one.going()),
                // Somebody else's, of before: what it has read may be older than what is asked for.
                None => drop(running.remove(name)),
                Some(ended) => {
                    running.remove(name);
                    let tally = ended.map_err(io::Error::other)??;
                    if began_at >= since {
                        return Ok(Stand::Ended { began_at, tally });
                    }
                }
            }
        }
        let file = self.folder.as_ref().map(|folder| folder.join(format!("{name}.json")));
        let mut before = file.as_deref().map_or(Ok(None), Checkpoint::read)?;
        if let Some(written) = &mut before {
            if let (true, Some(last)) = (written.left.is_empty(), &written.began.last)
                && last.began_at >= since
            {
                return Ok(Stand::Ended { began_at: last.began_at, tally: last.tally.clone() });
            }
            // What was cut off before that is not gone on with.
            if written.began.at.is_none_or(|at| at < since) {
                written.left.clear();
            }
        }
        if let Some(folder) = &self.folder {
            std::fs::create_dir_all(folder)?;
        }
        let now = clock.now();
        let comparison = made().from(before, extent, now);
        // The file is of another pair: the application was changed.
        let comparison = comparison.or_else(|_| made().from(None, extent, now));
        let comparison = Arc::new(comparison.map_err(io::Error::other)?);
        let mut task = JoinSet::new();
        let (this, clock) = (Arc::clone(&comparison), clock.clone());
        task.spawn(async move { this.follow(&clock, file.as_deref(), |_| ()).await });
        let one = Running { comparison, task };
        let going = one.going();
        running.insert(name.to_owned(), one);
        Ok(going)
    }

    /// What the last complete comparison of a name has counted, if one is written down.
    pub fn last(&self, name: &str) -> Option<Tally> {
        let file = self.folder.as_ref()?.join(format!("{name}.json"));
        Some(Checkpoint::read(&file).ok()??.began.last?.tally)
    }
}

impl Running {
    fn going(&self) -> Stand {
        let Checkpoint { tally, began, .. } = self.comparison.checkpoint();
        Stand::Going { tally, last_keys: began.last.map(|last| last.tally.keys()) }
    }
}
