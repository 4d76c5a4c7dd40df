//! Whether two buckets hold the same: both listings side by side, in memory that does not grow with
//! them.
//!
//! A listing can only be read from front to back, a page at a time. So it is cut into ranges that are
//! read at the same time. Nothing is known of how the keys lie; as long as there is room, the range
//! that has been read for longest is cut between keys that lists of a single key find in it.

pub mod judge;
pub mod range;
pub mod tally;
pub mod walk;

use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use muster_state::call::CallError;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

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

/// How often a cut is looked for in a range before it is left alone: enough to come down to
/// neighbouring letters of a few places.
const ROUNDS_MAX: u32 = 8;

/// How often a range is halved for one look: seven places.
const HALVINGS: u32 = 3;

/// A comparison under way.
pub struct Comparison {
    source: Shelf,
    target: Shelf,
    depth: Depth,
    shards_max: usize,
    shards: Mutex<Vec<Arc<Shard>>>,
    tally: Mutex<Tally>,
    news: Notify,
}

/// Something that ended.
enum Ended {
    /// A range was walked to its end.
    Walked(Result<(), CallError>, Arc<Shard>),
    /// A cut was looked for.
    Probed(Result<Vec<String>, CallError>, Arc<Shard>),
}

impl Comparison {
    /// A comparison from the beginning, with at most so many ranges at a time.
    pub fn new(source: Shelf, target: Shelf, depth: Depth, shards_max: usize) -> Comparison {
        let whole = Arc::new(Shard::whole(Range::below(source.prefix())));
        Comparison {
            source,
            target,
            depth,
            shards_max: shards_max.max(1),
            shards: Mutex::new(vec![whole]),
            tally: Mutex::default(),
            news: Notify::new(),
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
        let walk =
            Walk { source, target, tags, depth: self.depth, tally: &self.tally, news: &self.news };
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
            let ended = tokio::select! {
                ended = open.next() => ended,
                // More was read somewhere: it may be worth a cut by now.
                () = self.news.notified() => continue,
            };
            match ended {
                None => break,
                Some(Ended::Walked(done, shard)) => {
                    done?;
                    self.shards_mut(|shards| shards.retain(|other| !Arc::ptr_eq(other, &shard)));
                }
                Some(Ended::Probed(found, shard)) => {
                    let rests =
                        self.cut(&shard, found?, self.shards_max.saturating_sub(open.len()));
                    shard.probed(!rests.is_empty());
                    self.shards_mut(|shards| shards.extend(rests.iter().cloned()));
                    open.extend(rests.into_iter().map(walked));
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

    /// Cuts a range at some of the keys, from behind, into as many ranges as there is room for.
    fn cut(&self, shard: &Shard, mut at: Vec<String>, room: usize) -> Vec<Arc<Shard>> {
        let step = at.len().div_ceil(room.max(1)).max(1);
        at.reverse();
        let cuts = at.iter().step_by(step).filter_map(|at| shard.cut(at));
        cuts.take(room).map(|rest| Arc::new(Shard::new(rest))).collect()
    }

    /// Looks for keys between which something is left in a range, at several places at once. Where
    /// nothing is left behind the last of them the range ends earlier, and the next look is nearer.
    async fn probe(&self, shard: &Shard) -> Result<Vec<String>, CallError> {
        for _ in 0..ROUNDS_MAX {
            let Some(range) = shard.ahead() else { return Ok(Vec::new()) };
            let mut places = Vec::new();
            spread(&range.after, range.until.as_deref(), HALVINGS, &mut places);
            let looks = places.iter().map(|place| self.first_behind(place, &range));
            let firsts = futures::future::try_join_all(looks).await?;
            if let Some(end) = firsts.iter().position(Option::is_none) {
                shard.cut(&places[end]);
            }
            // Between two places before the same key there is nothing.
            let followed = firsts.iter().skip(1).chain([&None]);
            let is_cut =
                firsts.iter().zip(followed).map(|(one, next)| one.is_some() && one != next);
            let cuts: Vec<String> =
                places.iter().zip(is_cut).filter(|(_, is)| *is).map(|(at, _)| at.clone()).collect();
            if !cuts.is_empty() || places.is_empty() {
                return Ok(cuts);
            }
        }
        Ok(Vec::new())
    }

    /// The first key behind a place that a range still holds, on either side.
    async fn first_behind(&self, place: &str, range: &Range) -> Result<Option<String>, CallError> {
        let marker = Marker { key: place.to_owned(), version: None };
        let (one, other) =
            futures::try_join!(self.source.page(&marker, 1), self.target.page(&marker, 1))?;
        let firsts = [one, other].into_iter().filter_map(|page| page.versions.into_iter().next());
        Ok(firsts.map(|(key, _)| key).filter(|key| range.holds(key)).min())
    }
}

/// Halves a range so many times; the places come in order.
fn spread(after: &str, until: Option<&str>, halvings: u32, places: &mut Vec<String>) {
    let Some(halvings) = halvings.checked_sub(1) else { return };
    let Some(middle) = midpoint(after, until) else { return };
    spread(after, Some(&middle), halvings, places);
    let place = places.len();
    places.push(middle);
    let middle = places[place].clone();
    spread(&middle, until, halvings, places);
}
