//! Whether two buckets hold the same: both listings side by side, in memory that does not grow with
//! them.
//!
//! A listing can only be read from front to back, a page at a time. So it is cut into ranges that are
//! read at the same time. Nothing is known of how the keys lie; as long as there is room, the range
//! that has been read for longest is cut between keys that lists of a single key find in it.

pub mod background;
pub mod calls;
pub mod checkpoint;
mod cursor;
pub mod judge;
pub mod range;
pub mod shard;
pub mod tally;
pub mod walk;

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use muster_state::call::CallError;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::{clock::Clock, world::aws::listing::Shelf};
use checkpoint::{Began, Checkpoint, Complete};
use range::{Range, midpoint, outline, rungs};
use shard::Shard;
use tally::Tally;
use walk::{Recent, Walk};

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

/// How often it says how far it is, and writes down where to go on.
const WRITE_EVERY: SignedDuration = SignedDuration::from_secs(2);

/// How often a cut is looked for in a range before it is left alone: enough to come down to
/// neighbouring letters of a few places.
const ROUNDS_MAX: u32 = 8;

/// How often a range is halved for one look: seven places.
const HALVINGS: u32 = 3;

/// For so many ranges that there is room for, one range is looked through for cuts: about as many as a look
/// finds. What is looked for beyond that keeps lists from being read.
const CUTS_TYPICAL: usize = 4;

/// Why a comparison did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// A bucket could not be read.
    #[error(transparent)]
    Call(CallError),
    /// How far it is could not be written down.
    #[error(transparent)]
    File(#[from] std::io::Error),
}

/// How much of two buckets is compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Extent {
    /// Everything.
    Full,
    /// The lists; and the heads of what may have changed since the last complete comparison.
    Incremental,
}

/// A comparison under way.
#[derive(Debug)]
pub struct Comparison {
    walk: Arc<Walk>,
    shards_max: usize,
    shards: Mutex<Vec<Arc<Shard>>>,
    began: Began,
    grace: Option<SignedDuration>,
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
        let whole = Arc::new(Shard::worth_a_cut(Range::below(source.prefix())));
        Comparison {
            walk: Arc::new(Walk::new(source, target, depth, shards_max)),
            shards_max: shards_max.max(1),
            shards: Mutex::new(vec![whole]),
            began: Began::default(),
            grace: None,
        }
    }

    /// Goes on from a checkpoint, or begins anew behind a complete comparison. One that was cut off
    /// goes on as what it was.
    ///
    /// # Errors
    ///
    /// With the words of the other comparison, when the checkpoint is of another one.
    pub fn from(
        self,
        before: Option<Checkpoint>,
        extent: Extent,
        now: Timestamp,
    ) -> Result<Comparison, String> {
        let mut began = Began::default();
        let mut shards = self.shards;
        let Walk { source, target, depth, .. } = &*self.walk;
        let mut walk = Walk::new(source.clone(), target.clone(), *depth, self.shards_max);
        if let Some(before) = before {
            if before.what != what(&self.walk) {
                return Err(before.what);
            }
            began = before.began;
            if !before.left.is_empty() {
                let left = before.left.into_iter().map(|range| Arc::new(Shard::new(range)));
                shards = Mutex::new(left.collect());
                walk = walk.begun(before.tally);
            } else {
                began.at = None;
            }
        }
        if began.at.is_none() {
            began.at = Some(now);
            began.since = match extent {
                Extent::Full => None,
                Extent::Incremental => began.last.as_ref().and_then(Complete::settled_before),
            };
        }
        if let (Some(since), Some(last)) = (began.since, &began.last) {
            walk = walk.only(Recent::of(since, last));
        }
        if let (Some(at), Some(grace)) = (began.at, self.grace) {
            walk = walk.sparing(at.saturating_sub(grace).unwrap_or(Timestamp::MIN));
        }
        let (walk, shards_max, grace) = (Arc::new(walk), self.shards_max, self.grace);
        Ok(Comparison { walk, shards, began, shards_max, grace })
    }

    /// Counts what differs and was written within this time before it began as on its way.
    #[must_use]
    pub fn sparing(self, grace: SignedDuration) -> Comparison {
        Comparison { grace: Some(grace), ..self }
    }

    /// When it began.
    pub fn began_at(&self) -> Option<Timestamp> {
        self.began.at
    }

    /// Since when versions are asked for their heads, if not all are.
    pub fn since(&self) -> Option<Timestamp> {
        self.began.since
    }

    /// What is compared, in words that a checkpoint keeps.
    pub fn what(&self) -> String {
        what(&self.walk)
    }

    /// How far it is. What is counted and what is left fit together.
    pub fn checkpoint(&self) -> Checkpoint {
        // In the order in which a walk takes them: the count first, then its range. And no range is
        // cut meanwhile.
        self.shards_mut(|shards| {
            let tally = self.walk.tally();
            let left = shards.iter().map(|shard| shard.left()).collect();
            Checkpoint { what: self.what(), left, tally: tally.clone(), began: self.began.clone() }
        })
    }

    /// What is kept when it has come to its end.
    fn complete(&self, tally: &Tally, now: Timestamp) -> Checkpoint {
        let last = Complete {
            began_at: self.began.at.unwrap_or(now),
            ended_at: now,
            tally: tally.clone(),
        };
        let began = Began { last: Some(last), ..Began::default() };
        Checkpoint { what: self.what(), left: Vec::new(), tally: Tally::default(), began }
    }

    fn shards(&self) -> Vec<Arc<Shard>> {
        self.shards_mut(|shards| shards.clone())
    }

    fn shards_mut<T>(&self, act: impl FnOnce(&mut Vec<Arc<Shard>>) -> T) -> T {
        act(&mut self.shards.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Compares to the end, and writes down from time to time how far it is.
    ///
    /// # Errors
    ///
    /// As [`Comparison::run`], and when the file cannot be written.
    pub async fn follow(
        &self,
        clock: &Clock,
        file: Option<&Path>,
        mut say: impl FnMut(&Tally),
    ) -> Result<Tally, Stopped> {
        let mut running = std::pin::pin!(self.run());
        let write = |checkpoint: Checkpoint| file.map_or(Ok(()), |path| checkpoint.write(path));
        loop {
            let done = tokio::select! {
                done = &mut running => Some(done),
                () = Clock::Real.sleep(WRITE_EVERY) => None,
            };
            match done {
                Some(Ok(tally)) => {
                    write(self.complete(&tally, clock.now()))?;
                    return Ok(tally);
                }
                Some(Err(why)) => {
                    write(self.checkpoint())?;
                    return Err(Stopped::Call(why));
                }
                None => {
                    let checkpoint = self.checkpoint();
                    say(&checkpoint.tally);
                    write(checkpoint)?;
                }
            }
        }
    }

    /// Compares to the end. Ranges are tasks, so that more than one processor reads them; they end
    /// with this.
    ///
    /// # Errors
    ///
    /// When a listing has no answer, is refused, or cannot be trusted. What was counted until then
    /// stands in the checkpoint.
    pub async fn run(&self) -> Result<Tally, CallError> {
        let (_, tally) = futures::join!(self.walk.tags(), self.walk_all());
        tally
    }

    async fn walk_all(&self) -> Result<Tally, CallError> {
        let mut open = JoinSet::new();
        let (mut walking, mut probing) = (0, 0);
        for shard in self.shards() {
            self.start(shard, &mut open);
            walking += 1;
        }
        loop {
            let room = self.shards_max.saturating_sub(walking);
            while probing < room.div_ceil(CUTS_TYPICAL)
                && let Some(shard) = self.longest()
            {
                let walk = Arc::clone(&self.walk);
                open.spawn(async move { Ended::Probed(probe(&walk, &shard).await, shard) });
                probing += 1;
            }
            let ended = tokio::select! {
                ended = open.join_next() => ended,
                // More was read somewhere: it may be worth a cut by now.
                () = self.walk.news.notified() => continue,
            };
            // Nobody ends a task but by dropping them all.
            let ended = ended.map(|ended| {
                ended.unwrap_or_else(|why| std::panic::resume_unwind(why.into_panic()))
            });
            match ended {
                None => break,
                Some(Ended::Walked(done, shard)) => {
                    done?;
                    walking -= 1;
                    self.shards_mut(|shards| shards.retain(|other| !Arc::ptr_eq(other, &shard)));
                }
                Some(Ended::Probed(found, shard)) => {
                    // The others that are looked through shall find room too: what is cut unevenly is waited
                    // for at the end.
                    let share = room.div_ceil(probing);
                    probing -= 1;
                    for rest in self.cut(&shard, &found?, share) {
                        self.start(rest, &mut open);
                        walking += 1;
                    }
                }
            }
        }
        Ok(self.walk.tally().clone())
    }

    fn start(&self, shard: Arc<Shard>, open: &mut JoinSet<Ended>) {
        let walk = Arc::clone(&self.walk);
        open.spawn(async move { Ended::Walked(walk.walk(&shard).await, shard) });
    }

    /// The range that has been read for longest since it was cut, claimed for a probe.
    fn longest(&self) -> Option<Arc<Shard>> {
        let shards = self.shards();
        let ahead = shards.iter().filter_map(|shard| Some((shard.pages_ahead()?, shard)));
        let (_, shard) = ahead.max_by_key(|(pages, _)| *pages)?;
        shard.claim();
        Some(Arc::clone(shard))
    }

    /// Cuts a range at some of the keys, from behind, into as many ranges as there is room for. With less
    /// room than keys, at those that leave about as much on either side.
    fn cut(&self, shard: &Shard, at: &[String], room: usize) -> Vec<Arc<Shard>> {
        let wanted = room.min(at.len());
        let even = |number: usize| &at[number * (at.len() + 1) / (wanted + 1) - 1];
        // Whoever writes down what is left sees both parts or the whole.
        let rests = self.shards_mut(|shards| {
            let cuts = (1..=wanted).rev().map(even);
            let rests: Vec<_> = cuts.filter_map(|at| shard.cut(at)).collect();
            // As long as there is room for more, a new range is worth a cut before a page was read.
            let new = if rests.len() < room { Shard::worth_a_cut } else { Shard::new };
            let rests: Vec<_> = rests.into_iter().map(|rest| Arc::new(new(rest))).collect();
            shards.extend(rests.iter().cloned());
            rests
        });
        shard.probed(!rests.is_empty());
        rests
    }
}

fn what(walk: &Walk) -> String {
    format!("{} with {} by {:?}", walk.source, walk.target, walk.depth)
}

/// Looks for keys between which something is left in a range, at several places at once. Where
/// nothing is left behind the last of them the range ends earlier, and the next look is nearer.
async fn probe(walk: &Walk, shard: &Shard) -> Result<Vec<String>, CallError> {
    let mut is_outlined = false;
    let mut first = None;
    for _ in 0..ROUNDS_MAX {
        let Some(range) = shard.ahead() else { return Ok(Vec::new()) };
        if range.after.is_empty() && first.is_none() {
            first = walk.first_behind("", &range).await?;
        }
        // A key that is there: where it branches off, others may.
        let from = if range.after.is_empty() { first.clone() } else { Some(range.after.clone()) };
        let Some(from) = from else { return Ok(Vec::new()) };
        let outlines = range.until.is_none() && !is_outlined;
        let places = if outlines { outline(&from) } else { between(&from, range.until.as_deref()) };
        let looks = places.iter().map(|place| walk.first_behind(place, &range));
        let firsts = futures::future::try_join_all(looks).await?;
        if let Some(end) = firsts.iter().position(Option::is_none) {
            shard.cut(&places[end]);
        }
        if outlines {
            is_outlined = true;
            continue;
        }
        let cuts = cuts(&places, &firsts);
        if !cuts.is_empty() || places.is_empty() {
            return Ok(cuts);
        }
    }
    Ok(Vec::new())
}

/// Places where to look for a cut between a key that is there and the end of its range.
fn between(from: &str, until: Option<&str>) -> Vec<String> {
    let mut places = rungs(from, until);
    if places.is_empty() {
        spread(from, until, HALVINGS, &mut places);
    }
    places
}

/// The places on both sides of which there is something, by the first key behind each.
fn cuts(places: &[String], firsts: &[Option<String>]) -> Vec<String> {
    let before = std::iter::once(None).chain(firsts.iter().map(Some));
    let is_cut =
        |((place, first), before): &((&String, &Option<String>), Option<&Option<String>>)| {
            let is_left = before.is_none_or(|key| key.as_ref().is_some_and(|key| key <= *place));
            first.is_some() && is_left
        };
    let all = places.iter().zip(firsts).zip(before).filter(is_cut);
    all.map(|((place, _), _)| place.clone()).collect()
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
