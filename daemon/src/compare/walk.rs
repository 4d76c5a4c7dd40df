//! Two listings of one range of keys, side by side.

use std::{
    cmp::Ordering,
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use futures::{StreamExt, TryStreamExt, stream};
use muster_state::call::CallError;
use tokio::sync::Notify;

use super::{
    Depth,
    judge::{How, Tags, Verdict, Version, What, judge},
    range::Range,
    tally::Tally,
};
use crate::world::aws::listing::{Head, Marker, Shelf};

/// The most entries of a page; S3 gives no more.
pub const PAGE: i32 = 1_000;

/// How many pages must pass after each look for a cut that found none.
const PAGES_BETWEEN: u64 = 4;

/// The most versions of one shard that are asked for their head at a time.
const HEADS_MAX: usize = 16;

/// A range that is being walked, as others see it.
#[derive(Debug)]
pub struct Shard {
    state: Mutex<State>,
}

#[derive(Clone, Debug)]
struct State {
    /// What is not counted yet.
    left: Range,
    /// Behind this nothing was read yet; a cut must lie beyond.
    read_to: String,
    /// There is more to read.
    goes_on: bool,
    /// Pages since it was last cut.
    pages: u64,
    /// Somebody looks for a place to cut it.
    is_claimed: bool,
    /// How often none was found.
    in_vain: u64,
}

impl Shard {
    /// A range of which nothing was read.
    pub fn new(range: Range) -> Shard {
        let state = State {
            read_to: range.after.clone(),
            left: range,
            goes_on: true,
            pages: 0,
            is_claimed: false,
            in_vain: 0,
        };
        Shard { state: Mutex::new(state) }
    }

    /// All that there is, worth a cut before a page was read.
    pub fn whole(range: Range) -> Shard {
        let shard = Shard::new(range);
        shard.with(|state| state.pages = 1);
        shard
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is not counted yet.
    pub fn left(&self) -> Range {
        self.with(|state| state.left.clone())
    }

    /// The part in which a cut may lie; `None` once it is read to its end.
    pub fn ahead(&self) -> Option<Range> {
        self.with(|state| {
            let range = Range { after: state.read_to.clone(), until: state.left.until.clone() };
            state.goes_on.then_some(range)
        })
    }

    /// How many pages were read since the last cut, if it may be worth another one.
    pub fn pages_ahead(&self) -> Option<u64> {
        self.with(|state| {
            // A range that could not be cut is left alone for longer each time.
            let is_worth = state.pages > state.in_vain * PAGES_BETWEEN;
            (state.goes_on && is_worth && !state.is_claimed).then_some(state.pages)
        })
    }

    /// Somebody looks for a place to cut it.
    pub fn claim(&self) {
        self.with(|state| state.is_claimed = true);
    }

    /// Nobody looks any more. The next look comes when more was read.
    pub fn probed(&self, found: bool) {
        self.with(|state| {
            (state.is_claimed, state.pages) = (false, 0);
            state.in_vain = if found { 0 } else { state.in_vain + 1 };
        });
    }

    /// Ends the range at a key; answers what is cut off. `None` when it was read past that meanwhile.
    pub fn cut(&self, at: &str) -> Option<Range> {
        self.with(|state| {
            if !state.goes_on || state.read_to.as_str() >= at || !state.left.holds(at) {
                return None;
            }
            let until = state.left.until.replace(at.to_owned());
            Some(Range { after: at.to_owned(), until })
        })
    }
}

/// One side of a walk.
struct Cursor<'a> {
    shelf: &'a Shelf,
    ready: VecDeque<(String, Version)>,
    next: Option<Marker>,
}

impl<'a> Cursor<'a> {
    fn new(shelf: &'a Shelf, after: &str) -> Cursor<'a> {
        let next = Marker { key: after.to_owned(), version: None };
        Cursor { shelf, ready: VecDeque::new(), next: Some(next) }
    }

    /// Whether more must be read before all versions of the first key are certainly there.
    fn is_short(&self) -> bool {
        let ends = [self.ready.front(), self.ready.back()].map(|end| end.map(|(key, _)| key));
        self.next.is_some() && ends[0] == ends[1]
    }

    /// Reads until all versions of the first key are there; answers how many pages that took.
    async fn fill(&mut self) -> Result<u64, CallError> {
        let mut pages = 0;
        while self.is_short()
            && let Some(marker) = &self.next
        {
            let page = self.shelf.page(marker, PAGE).await?;
            self.ready.extend(page.versions);
            self.next = page.next;
            pages += 1;
        }
        Ok(pages)
    }

    fn first(&self) -> Option<&str> {
        self.ready.front().map(|(key, _)| key.as_str())
    }

    /// Behind this nothing was read.
    fn read_to(&self) -> Option<&str> {
        let last = self.ready.back().map(|(key, _)| key.as_str());
        last.max(self.next.as_ref().map(|next| next.key.as_str()))
    }

    /// Takes every version of the first key.
    fn take(&mut self, versions: &mut Vec<Version>) -> String {
        versions.clear();
        let mut first = String::new();
        while self.ready.front().is_some_and(|(key, _)| versions.is_empty() || *key == first) {
            let Some((key, version)) = self.ready.pop_front() else { break };
            first = key;
            versions.push(version);
        }
        first
    }
}

/// What a walk works with.
pub struct Walk<'a> {
    /// Compared with.
    pub source: &'a Shelf,
    /// Compared.
    pub target: &'a Shelf,
    /// Whether entity tags say something.
    pub tags: Tags,
    /// How deep.
    pub depth: Depth,
    /// Where everything is counted.
    pub tally: &'a Mutex<Tally>,
    /// Rung at every page.
    pub news: &'a Notify,
}

impl Walk<'_> {
    /// Compares a range to its end, which others may move nearer meanwhile.
    pub async fn walk(&self, shard: &Shard) -> Result<(), CallError> {
        let mut range = shard.left();
        let mut source = Cursor::new(self.source, &range.after);
        let mut target = Cursor::new(self.target, &range.after);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        let mut batch = Batch::default();
        loop {
            if source.is_short() || target.is_short() {
                self.settle(shard, &mut batch).await?;
                let (one, other) = futures::try_join!(source.fill(), target.fill())?;
                batch.tally.pages += one + other;
                range = read(shard, &source, &target);
                self.news.notify_one();
            }
            let order = match (source.first(), target.first()) {
                (Some(one), Some(other)) => one.cmp(other),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => break,
            };
            let first = if order.is_gt() { target.first() } else { source.first() };
            if !first.is_some_and(|key| range.holds(key)) {
                break;
            }
            let (key, verdict) = match order {
                Ordering::Less => (source.take(&mut ours), Verdict::Differs(How::Missing)),
                Ordering::Greater => (target.take(&mut theirs), Verdict::Differs(How::Extra)),
                Ordering::Equal => {
                    target.take(&mut theirs);
                    (source.take(&mut ours), judge(&mut ours, &mut theirs, self.tags))
                }
            };
            let looks_same = matches!(verdict, Verdict::Same | Verdict::Unknown);
            if self.depth == Depth::Head && looks_same {
                batch.heads.push((key.clone(), objects(&ours)));
            } else {
                batch.tally.add(&key, verdict);
            }
            batch.last = Some(key);
        }
        self.settle(shard, &mut batch).await
    }

    /// Counts what was compared so far, heads first. From here a resumed comparison goes on.
    async fn settle(&self, shard: &Shard, batch: &mut Batch) -> Result<(), CallError> {
        let heads = batch.heads.drain(..).map(async |(key, versions)| {
            let verdict = self.heads(&key, &versions).await?;
            Ok::<_, CallError>((key, verdict))
        });
        let mut heads = stream::iter(heads).buffer_unordered(HEADS_MAX);
        while let Some((key, verdict)) = heads.try_next().await? {
            batch.tally.add(&key, verdict);
        }
        drop(heads);
        let Some(last) = batch.last.take() else { return Ok(()) };
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.take_in(std::mem::take(&mut batch.tally));
        shard.with(|state| state.left.after = last);
        Ok(())
    }

    /// Asks both sides about every version of a key, and says what the worst of them is.
    async fn heads(&self, key: &str, versions: &[String]) -> Result<Verdict, CallError> {
        let mut worst = Verdict::Same;
        for version in versions {
            let (one, other) = futures::try_join!(
                self.source.head(key, version),
                self.target.head(key, version),
            )?;
            match heads_say(&one, &other) {
                Verdict::Same => {}
                Verdict::Unknown => worst = Verdict::Unknown,
                Verdict::Differs(how) => return Ok(Verdict::Differs(how)),
            }
        }
        Ok(worst)
    }
}

/// What was compared since the last page.
#[derive(Default)]
struct Batch {
    tally: Tally,
    /// Keys that look the same in the lists, with their versions that are objects.
    heads: Vec<(String, Vec<String>)>,
    last: Option<String>,
}

fn objects(versions: &[Version]) -> Vec<String> {
    let objects = versions.iter().filter(|version| version.what != What::DeleteMarker);
    objects.map(|version| version.id.clone()).collect()
}

/// Tells the others how far it was read, and hears whether the range has been cut.
fn read(shard: &Shard, source: &Cursor<'_>, target: &Cursor<'_>) -> Range {
    shard.with(|state| {
        if let Some(read_to) = source.read_to().max(target.read_to())
            && read_to > state.read_to.as_str()
        {
            read_to.clone_into(&mut state.read_to);
        }
        let more = source.next.is_some() || target.next.is_some();
        state.goes_on = more && state.left.holds(&state.read_to);
        state.pages += 1;
        state.left.clone()
    })
}

/// What the heads of one version on both sides say. Where there is nothing to compare, that is
/// unknown, and never the same.
fn heads_say(source: &Head, target: &Head) -> Verdict {
    let different = Verdict::Differs;
    if source.replication.as_deref() == Some("FAILED") {
        return different(How::Replication);
    }
    if source.encryption != target.encryption {
        return different(How::Encryption);
    }
    let shared = source.checksums.iter().filter_map(|(name, sum)| {
        let theirs = target.checksums.iter().find(|(theirs, _)| theirs == name)?;
        Some(theirs.1 == *sum)
    });
    let checks: Vec<bool> = shared.collect();
    if checks.contains(&false) {
        return different(How::Checksum);
    }
    let is_plain = matches!(source.encryption.as_deref(), None | Some("AES256"));
    let has_tags = source.etag.is_some() && target.etag.is_some();
    match (checks.is_empty(), is_plain && has_tags) {
        (false, _) => Verdict::Same,
        (true, true) if source.etag == target.etag => Verdict::Same,
        (true, true) => different(How::Etag),
        (true, false) => Verdict::Unknown,
    }
}
