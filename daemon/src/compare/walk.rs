//! Two listings of one range of keys, side by side.

use std::{
    cmp::Ordering,
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use muster_state::call::CallError;
use tokio::sync::{Notify, OnceCell};

use super::{
    Depth,
    calls::Calls,
    checkpoint::Complete,
    cursor::Cursor,
    judge::{How, Tags, Verdict, Version, What, judge},
    range::Range,
    shard::Shard,
    tally::Tally,
};
use crate::world::aws::listing::{Encryption, Head, Marker, Shelf};

/// The most heads that are asked for at a time.
const HEADS_MAX: usize = 48;

/// The most lists of a single key that are asked for at a time.
const LOOKS_MAX: usize = 48;

/// What a walk works with.
#[derive(Debug)]
pub struct Walk {
    /// Compared with.
    pub source: Shelf,
    /// Compared.
    pub target: Shelf,
    /// How deep.
    pub depth: Depth,
    /// Rung at every page.
    pub news: Notify,
    /// What it may ask at a time.
    calls: Calls,
    /// What it may ask besides, for one key each, so that neither waits for the other.
    looks: Calls,
    /// Whether entity tags say something, once that was asked.
    tags: OnceCell<Tags>,
    /// What is asked for its head, if not everything.
    recent: Option<Recent>,
    /// What was written since then, in milliseconds since 1970, may be on its way.
    spared_ms: Option<i64>,
    /// Where everything is counted.
    tally: Mutex<Tally>,
}

/// What a comparison before this one has left to ask for.
#[derive(Clone, Debug)]
pub struct Recent {
    /// Versions that were written since then, in milliseconds since 1970.
    pub since_ms: i64,
    /// Keys that were not the same.
    pub suspects: BTreeSet<String>,
}

impl Recent {
    /// What may be different from how a complete comparison found it.
    pub fn of(since: Timestamp, last: &Complete) -> Recent {
        let suspects = last.tally.differences.iter().map(|one| one.key.clone());
        Recent { since_ms: since.as_millisecond(), suspects: suspects.collect() }
    }

    fn is_settled(&self, key: &[u8], versions: &[Version<'_>]) -> bool {
        versions.iter().all(|version| version.modified_ms < self.since_ms)
            && std::str::from_utf8(key).is_ok_and(|key| !self.suspects.contains(key))
    }
}

impl Walk {
    /// Everything, from the beginning.
    pub fn new(source: Shelf, target: Shelf, depth: Depth, shards_max: usize) -> Walk {
        let pages_max = 2 * shards_max;
        let calls_max = match depth {
            Depth::List => pages_max,
            Depth::Head => pages_max.max(HEADS_MAX),
        };
        Walk {
            calls: Calls::at_most(calls_max),
            looks: Calls::at_most(LOOKS_MAX),
            source,
            target,
            depth,
            news: Notify::new(),
            tags: OnceCell::new(),
            recent: None,
            spared_ms: None,
            tally: Mutex::default(),
        }
    }

    /// The same, of which something is counted already.
    #[must_use]
    pub fn begun(self, tally: Tally) -> Walk {
        Walk { tally: Mutex::new(tally), ..self }
    }

    /// The same, that asks only some for their heads.
    #[must_use]
    pub fn only(self, recent: Recent) -> Walk {
        Walk { recent: Some(recent), ..self }
    }

    /// The same, that counts what differs and was written since then as on its way.
    #[must_use]
    pub fn sparing(self, since: Timestamp) -> Walk {
        Walk { spared_ms: Some(since.as_millisecond()), ..self }
    }

    /// Asks whether entity tags mean something, unless that is known. Where nobody can say, they do
    /// not.
    pub async fn tags(&self) -> Tags {
        let ask = async || match futures::join!(self.source.encryption(), self.target.encryption())
        {
            (Ok(Encryption::S3), Ok(Encryption::S3)) => Tags::Comparable,
            (Ok(_) | Err(_), Ok(_) | Err(_)) => Tags::Mute,
        };
        *self.tags.get_or_init(ask).await
    }

    /// What is counted so far.
    pub fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first key behind a place that a range still holds; in the target only where the source has none.
    pub async fn first_behind(
        &self,
        place: &str,
        range: &Range,
    ) -> Result<Option<String>, CallError> {
        let marker = Marker { key: place.to_owned(), version: None };
        for side in [&self.source, &self.target] {
            let page = self.looks.one(side.page(&marker, 1)).await?;
            if let Some(first) = page.key(0).filter(|key| range.holds(key)) {
                return Ok(Some(String::from_utf8_lossy(first).into_owned()));
            }
        }
        Ok(None)
    }

    /// Compares a range to its end, which others may move nearer meanwhile.
    pub async fn walk(&self, shard: &Shard) -> Result<(), CallError> {
        let mut range = shard.left();
        let mut source = Cursor::new(&self.source, &self.calls, &range.after);
        let mut target = Cursor::new(&self.target, &self.calls, &range.after);
        let mut batch = Batch::default();
        // Asked for while the first pages come in.
        let mut tags = None;
        loop {
            if source.is_short(&range) || target.is_short(&range) {
                self.settle(shard, &mut batch).await?;
                let (one, other) = futures::try_join!(source.fill(&range), target.fill(&range))?;
                batch.tally.pages += one + other;
                let more = source.next.is_some() || target.next.is_some();
                range = shard.read(source.read_to().max(target.read_to()), more);
                self.news.notify_one();
            }
            let order = match (source.first(), target.first()) {
                (Some(one), Some(other)) => one.cmp(other),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => break,
            };
            let (ours, theirs) = (order.is_le(), order.is_ge());
            let key = if ours { source.first() } else { target.first() };
            let Some(key) = key.filter(|key| range.holds(key)) else { break };
            batch.last.clear();
            batch.last.extend_from_slice(key);
            let counts = [(ours, &source), (theirs, &target)]
                .map(|(is_there, side)| if is_there { side.count() } else { 0 });
            match order {
                Ordering::Less if self.is_spared(&source.versions(counts[0])) => {
                    batch.tally.pending += 1;
                }
                Ordering::Less => batch.tally.add(key, Verdict::Differs(How::Missing)),
                Ordering::Greater => batch.tally.add(key, Verdict::Differs(How::Extra)),
                Ordering::Equal => {
                    let tags = match tags {
                        Some(tags) => tags,
                        None => *tags.insert(self.tags().await),
                    };
                    self.judge(key, [&source, &target], counts, tags, &mut batch);
                }
            }
            source.pass(counts[0]);
            target.pass(counts[1]);
        }
        self.settle(shard, &mut batch).await
    }

    /// Judges a key that both sides have, or puts it on the list of those whose heads are asked for.
    fn judge(
        &self,
        key: &[u8],
        sides: [&Cursor<'_>; 2],
        counts: [usize; 2],
        tags: Tags,
        batch: &mut Batch,
    ) {
        let [source, target] = sides;
        match source.version().zip(target.version()) {
            // Most keys have one version, and need no list.
            Some((one, other)) if counts == [1, 1] => {
                self.weigh(key, [&mut [one], &mut [other]], tags, batch);
            }
            Some(_) | None => {
                let [mut ours, mut theirs] =
                    [source.versions(counts[0]), target.versions(counts[1])];
                self.weigh(key, [&mut ours, &mut theirs], tags, batch);
            }
        }
    }

    fn weigh(
        &self,
        key: &[u8],
        [ours, theirs]: [&mut [Version<'_>]; 2],
        tags: Tags,
        batch: &mut Batch,
    ) {
        let verdict = judge(ours, theirs, tags);
        if matches!(verdict, Verdict::Differs(_)) && self.is_spared(ours) {
            batch.tally.pending += 1;
            return;
        }
        let looks_same = matches!(verdict, Verdict::Same | Verdict::Unknown);
        if self.depth == Depth::List || !looks_same {
            return batch.tally.add(key, verdict);
        }
        let settled =
            |recent: &Recent| recent.is_settled(key, ours) && recent.is_settled(key, theirs);
        if self.recent.as_ref().is_some_and(settled) {
            batch.tally.unchanged += 1;
        } else {
            batch.heads.push((key.to_vec(), objects(ours)));
        }
    }

    /// Whether one of the versions may be on its way.
    fn is_spared(&self, ours: &[Version<'_>]) -> bool {
        self.spared_ms.is_some_and(|since| ours.iter().any(|one| one.modified_ms >= since))
    }

    /// Counts what was compared so far, heads first. From here a resumed comparison goes on.
    async fn settle(&self, shard: &Shard, batch: &mut Batch) -> Result<(), CallError> {
        let heads = batch.heads.drain(..).map(async |(key, versions)| {
            let (verdict, version) = self.heads(&key, &versions).await?;
            Ok::<_, CallError>((key, verdict, version, versions.len()))
        });
        let mut heads = stream::iter(heads).buffer_unordered(HEADS_MAX);
        while let Some((key, verdict, version, asked)) = heads.try_next().await? {
            batch.tally.heads += 2 * asked as u64;
            batch.tally.add_version(&key, version, verdict);
        }
        drop(heads);
        if batch.last.is_empty() {
            return Ok(());
        }
        let last = String::from_utf8_lossy(&batch.last).into_owned();
        batch.last.clear();
        let mut tally = self.tally();
        tally.take_in(std::mem::take(&mut batch.tally));
        shard.counted(last);
        Ok(())
    }

    /// Asks both sides about every version of a key, and says what the worst of them is.
    async fn heads(&self, key: &[u8], versions: &[String]) -> Result<Said, CallError> {
        // The list was read as UTF-8.
        let key = std::str::from_utf8(key).unwrap_or_default();
        let mut worst = (Verdict::Same, None);
        for version in versions {
            let (one, other) = futures::try_join!(
                self.calls.one(self.source.head(key, version)),
                self.calls.one(self.target.head(key, version)),
            )?;
            match heads_say(&one, &other) {
                Verdict::Same => {}
                Verdict::Unknown => worst.0 = Verdict::Unknown,
                Verdict::Differs(how) => return Ok((Verdict::Differs(how), Some(version.clone()))),
            }
        }
        Ok(worst)
    }
}

/// What the heads of a key said, and of which version.
type Said = (Verdict, Option<String>);

/// What was compared since the last page.
#[derive(Default)]
struct Batch {
    tally: Tally,
    /// Keys that look the same in the lists, with their versions that are objects.
    heads: Vec<(Vec<u8>, Vec<String>)>,
    /// The last key; empty before the first.
    last: Vec<u8>,
}

fn objects(versions: &[Version<'_>]) -> Vec<String> {
    let objects = versions.iter().filter(|version| version.what != What::DeleteMarker);
    objects.map(|version| String::from_utf8_lossy(version.id).into_owned()).collect()
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
