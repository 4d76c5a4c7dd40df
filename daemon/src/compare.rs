//! Whether two buckets hold the same: both listings side by side, in memory that does not grow with
//! them.
//!
//! A listing can only be read from front to back, a page at a time. So it is cut into ranges that are
//! read at the same time. Nothing is known of how the keys lie; each time a range ends, the one that
//! has been read for longest is cut where a single-key list says that something is left.

pub mod judge;
pub mod range;
pub mod tally;
pub mod walk;

use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use muster_state::call::CallError;
use serde::{Deserialize, Serialize};

use crate::world::aws::listing::{Encryption, Marker, Shelf};
use judge::Tags;
use range::{Range, midpoint};
use tally::{Checkpoint, Tally};
use walk::{Shard, Walk};

/// How deep two buckets are compared.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Depth {
    /// What the lists say: keys, sizes, versions, delete markers, and entity tags where they mean
    /// something.
    List,
    /// One HEAD per version besides: checksums, replication status, encryption.
    Head,
}

/// How often a cut is looked for in a range before it is left alone: enough to come from the whole of
/// Unicode down to neighbouring letters of a few places.
const PROBES_MAX: u32 = 24;

/// A comparison under way.
pub struct Comparison {
    source: Shelf,
    target: Shelf,
    depth: Depth,
    shards_max: usize,
    shards: Mutex<Vec<Arc<Shard>>>,
    tally: Mutex<Tally>,
}

/// Something that ended.
enum Ended {
    /// A range was walked to its end.
    Walked(Result<(), CallError>, Arc<Shard>),
    /// A cut was looked for.
    Probed(Result<Option<String>, CallError>, Arc<Shard>),
}

impl Comparison {
    /// A comparison from the beginning, with at most so many ranges at a time.
    pub fn new(source: Shelf, target: Shelf, depth: Depth, shards_max: usize) -> Comparison {
        let whole = Arc::new(Shard::new(Range::below(source.prefix())));
        Comparison {
            source,
            target,
            depth,
            shards_max: shards_max.max(1),
            shards: Mutex::new(vec![whole]),
            tally: Mutex::default(),
        }
    }

    /// Goes on from a checkpoint.
    #[must_use]
    pub fn resume(self, from: Checkpoint) -> Comparison {
        let shards = from.left.into_iter().map(|range| Arc::new(Shard::new(range))).collect();
        Comparison { shards: Mutex::new(shards), tally: Mutex::new(from.tally), ..self }
    }

    /// What is compared, in words that a checkpoint keeps.
    pub fn what(&self) -> String {
        format!("{} with {} by {:?}", self.source, self.target, self.depth)
    }

    /// How far it is. What is counted and what is left fit together.
    pub fn checkpoint(&self) -> Checkpoint {
        // In the order in which a walk takes them: the count first, then its range.
        let shards = self.shards();
        let tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        let left = shards.iter().map(|shard| shard.left()).collect();
        Checkpoint { what: self.what(), left, tally: tally.clone() }
    }

    fn shards(&self) -> Vec<Arc<Shard>> {
        self.shards_mut(|shards| shards.clone())
    }

    fn shards_mut<T>(&self, act: impl FnOnce(&mut Vec<Arc<Shard>>) -> T) -> T {
        act(&mut self.shards.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Compares to the end.
    ///
    /// # Errors
    ///
    /// When a listing has no answer, is refused, or cannot be trusted. What was counted until then
    /// stands in the checkpoint.
    pub async fn run(&self) -> Result<Tally, CallError> {
        let tags = self.tags().await;
        let (source, target) = (&self.source, &self.target);
        let walk = Walk { source, target, tags, depth: self.depth, tally: &self.tally };
        let mut open: FuturesUnordered<BoxFuture<'_, Ended>> = FuturesUnordered::new();
        let walked = |shard: Arc<Shard>| -> BoxFuture<'_, Ended> {
            Box::pin(async { Ended::Walked(walk.walk(&shard).await, shard) })
        };
        open.extend(self.shards().into_iter().map(walked));
        loop {
            while open.len() < self.shards_max
                && let Some(shard) = self.longest()
            {
                open.push(Box::pin(async { Ended::Probed(self.probe(&shard).await, shard) }));
            }
            match open.next().await {
                None => break,
                Some(Ended::Walked(done, shard)) => {
                    done?;
                    self.shards_mut(|shards| shards.retain(|other| !Arc::ptr_eq(other, &shard)));
                }
                Some(Ended::Probed(found, shard)) => {
                    let rest = found?.and_then(|at| shard.cut(&at));
                    shard.probed();
                    let Some(rest) = rest else { continue };
                    let rest = Arc::new(Shard::new(rest));
                    self.shards_mut(|shards| shards.push(Arc::clone(&rest)));
                    open.push(walked(rest));
                }
            }
        }
        Ok(self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Whether entity tags mean something. Where nobody can say, they do not.
    async fn tags(&self) -> Tags {
        let both = futures::join!(self.source.encryption(), self.target.encryption());
        match both {
            (Ok(Encryption::S3), Ok(Encryption::S3)) => Tags::Comparable,
            (Ok(_) | Err(_), Ok(_) | Err(_)) => Tags::Mute,
        }
    }

    /// The range that has been read for longest since it was cut, claimed for a probe.
    fn longest(&self) -> Option<Arc<Shard>> {
        let shards = self.shards();
        let ahead = shards.iter().filter_map(|shard| Some((shard.pages_ahead()?, shard)));
        let (_, shard) = ahead.max_by_key(|(pages, _)| *pages)?;
        shard.claim();
        Some(Arc::clone(shard))
    }

    /// Looks for a key behind which something is left in a range, about half-way to its end. Where
    /// nothing is left the range ends earlier, so that the next look starts nearer.
    async fn probe(&self, shard: &Shard) -> Result<Option<String>, CallError> {
        for _ in 0..PROBES_MAX {
            let Some(range) = shard.ahead() else { return Ok(None) };
            let Some(at) = midpoint(&range.after, range.until.as_deref()) else { return Ok(None) };
            let marker = Marker { key: at.clone(), version: None };
            let (one, other) =
                futures::try_join!(self.source.page(&marker, 1), self.target.page(&marker, 1))?;
            let is_left =
                one.versions.iter().chain(&other.versions).any(|(key, _)| range.holds(key));
            if is_left {
                return Ok(Some(at));
            }
            shard.cut(&at);
        }
        Ok(None)
    }
}
