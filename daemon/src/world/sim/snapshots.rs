//! Cluster snapshots and their copies: asked for at once, there much later.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::name::{ApplicationName, ComponentName, Region};

/// One snapshot or copy.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) id: String,
    pub(super) arn: String,
    pub(super) region: Region,
    pub(super) application: ApplicationName,
    pub(super) component: ComponentName,
    /// The tag that says which attempt asked for it.
    pub(super) token: String,
    pub(super) asked_at: Timestamp,
    /// A list shows it only from then on.
    pub(super) shown_at: Timestamp,
    /// It stays at 0 % until then.
    pub(super) moves_at: Timestamp,
    pub(super) done_at: Timestamp,
    /// Whether it ends as `failed`.
    pub(super) fails: bool,
    pub(super) deleted: Option<(Timestamp, String)>,
    pub(super) data_time: Timestamp,
    /// The ARN and region of what it is a copy of.
    pub(super) copied_from: Option<(String, Region)>,
    pub(super) key: Option<String>,
    pub(super) size_gib: u32,
    pub(super) resource: String,
    /// A region that it needs is ill since then.
    pub(super) frozen_at: Option<Timestamp>,
}

/// What a description says about a snapshot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Status {
    /// `creating` or `copying`, so far.
    Underway { percent: u8 },
    /// `available`.
    Available,
    /// `failed`.
    Failed,
}

impl Snapshot {
    /// Its status, if a list shows it.
    pub(super) fn status(&self, at: Timestamp) -> Option<Status> {
        if at < self.shown_at || self.deleted.as_ref().is_some_and(|(gone_at, _)| *gone_at <= at) {
            return None;
        }
        let at = self.frozen_at.map_or(at, |frozen_at| frozen_at.min(at));
        Some(if at < self.moves_at {
            Status::Underway { percent: 0 }
        } else if at < self.done_at {
            let whole = self.done_at.duration_since(self.moves_at).as_millis().max(1);
            let part = at.duration_since(self.moves_at).as_millis();
            Status::Underway { percent: u8::try_from(part * 100 / whole).unwrap_or(99).min(99) }
        } else if self.fails {
            Status::Failed
        } else {
            Status::Available
        })
    }

    /// Whether it lies in a region of an account.
    pub(super) fn is_at(&self, region: &Region, account: &str) -> bool {
        self.region == *region && place_of(&self.arn).is_some_and(|(_, of)| of == account)
    }

    fn is_underway(&self, at: Timestamp) -> bool {
        self.asked_at <= at
            && self.deleted.is_none()
            && (self.frozen_at.is_some() || at < self.done_at)
    }

    fn needs(&self, region: &Region) -> bool {
        self.region == *region || self.copied_from.as_ref().is_some_and(|(_, from)| from == region)
    }
}

/// Every snapshot that ever was, by ARN.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshots {
    all: BTreeMap<String, Snapshot>,
    /// When which snapshot was shared with which account, or was so no more.
    shares: Vec<(Timestamp, String, String, bool)>,
}

impl Snapshots {
    pub(super) fn add(&mut self, snapshot: Snapshot) {
        self.all.insert(snapshot.arn.clone(), snapshot);
    }

    /// The snapshot with an ARN, deleted or not.
    pub(super) fn get(&self, arn: &str) -> Option<&Snapshot> {
        self.all.get(arn)
    }

    /// Shares a snapshot with an account, or takes that back; says whether it was otherwise before.
    pub(super) fn share(&mut self, arn: &str, account: &str, at: Timestamp, shared: bool) -> bool {
        let changes = self.is_shared(arn, account, at) != shared;
        if changes {
            self.shares.push((at, arn.to_owned(), account.to_owned(), shared));
        }
        changes
    }

    /// Whether a snapshot is shared with an account.
    pub(super) fn is_shared(&self, arn: &str, account: &str, at: Timestamp) -> bool {
        let last = self.shares.iter().rev();
        let mut last =
            last.filter(|(since, of, with, _)| *since <= at && of == arn && with == account);
        last.next().is_some_and(|(.., shared)| *shared)
    }

    /// Every snapshot that ever was shared, with the account.
    pub(super) fn ever_shared(&self) -> impl Iterator<Item = (&str, &str)> {
        self.shares.iter().map(|(_, arn, account, _)| (arn.as_str(), account.as_str()))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Snapshot> {
        self.all.values()
    }

    /// How many snapshots the quota of a region of an account counts.
    pub(super) fn counted(&self, region: &Region, account: &str, at: Timestamp) -> usize {
        let counts = |one: &&Snapshot| one.is_at(region, account) && one.status(at).is_some();
        self.all.values().filter(counts).count()
    }

    /// How many copies a region of an account is receiving.
    pub(super) fn copies_underway(&self, region: &Region, account: &str, at: Timestamp) -> usize {
        let counts = |one: &&Snapshot| {
            one.is_at(region, account) && one.copied_from.is_some() && one.is_underway(at)
        };
        self.all.values().filter(counts).count()
    }

    /// Removes a snapshot, and says whether it was there.
    pub(super) fn delete(&mut self, arn: &str, at: Timestamp, by: &str) -> bool {
        match self.all.get_mut(arn) {
            Some(one) if one.deleted.is_none() => {
                one.deleted = Some((at, by.to_owned()));
                true
            }
            Some(_) | None => false,
        }
    }

    pub(super) fn freeze(&mut self, region: &Region, now: Timestamp) {
        for one in self.all.values_mut() {
            if one.needs(region) && one.is_underway(now) && one.frozen_at.is_none() {
                one.frozen_at = Some(now);
            }
        }
    }

    pub(super) fn thaw(&mut self, region: &Region, now: Timestamp) {
        for one in self.all.values_mut().filter(|one| one.needs(region)) {
            if let Some(frozen_at) = one.frozen_at.take() {
                let lost = now.duration_since(frozen_at);
                one.moves_at =
                    if one.moves_at > frozen_at { one.moves_at + lost } else { one.moves_at };
                one.done_at += lost;
            }
        }
    }

    pub(super) fn hold_copies(&mut self, now: Timestamp, length: SignedDuration) {
        let copies = |one: &&mut Snapshot| one.copied_from.is_some() && now < one.done_at;
        for one in self.all.values_mut().filter(copies) {
            one.moves_at = if one.moves_at > now { one.moves_at + length } else { one.moves_at };
            one.done_at += length;
        }
    }
}

/// The region and account that stand in an ARN.
pub(super) fn place_of(arn: &str) -> Option<(Region, &str)> {
    let mut parts = arn.split(':').skip(3);
    let region = parts.next()?.parse().ok()?;
    Some((region, parts.next()?))
}

/// The ARN of a cluster snapshot.
pub(super) fn snapshot_arn(region: &Region, account: &str, id: &str) -> String {
    format!("arn:aws:rds:{region}:{account}:cluster-snapshot:{id}")
}
