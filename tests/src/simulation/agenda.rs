//! What waits to happen, ordered by instant; what happens at the same instant is ordered by chance.

use std::{cmp::Ordering, collections::BinaryHeap};

use jiff::Timestamp;

use super::Happening;

/// Everything that waits.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    waiting: BinaryHeap<Waiting>,
    /// How many were ever put on it.
    count: u64,
}

/// One thing that waits. The greatest comes first, so the earliest is the greatest.
#[derive(Debug)]
struct Waiting {
    at: Timestamp,
    tie: u64,
    number: u64,
    happening: Happening,
}

impl Ord for Waiting {
    fn cmp(&self, other: &Waiting) -> Ordering {
        (other.at, other.tie, other.number).cmp(&(self.at, self.tie, self.number))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Waiting) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Waiting) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Waiting {}

impl Agenda {
    /// Something is to happen; `tie` says whether before or after whatever else happens then.
    pub(super) fn put(&mut self, at: Timestamp, tie: u64, happening: Happening) {
        self.count += 1;
        self.waiting.push(Waiting { at, tie, number: self.count, happening });
    }

    /// What happens next, and when.
    pub(super) fn next(&mut self) -> Option<(Timestamp, Happening)> {
        self.waiting.pop().map(|first| (first.at, first.happening))
    }

    /// Whether something of a kind waits.
    pub(super) fn has(&self, is_it: impl Fn(&Happening) -> bool) -> bool {
        self.waiting.iter().any(|waiting| is_it(&waiting.happening))
    }

    /// Forgets all of a kind.
    pub(super) fn forget(&mut self, is_it: impl Fn(&Happening) -> bool) {
        self.waiting.retain(|waiting| !is_it(&waiting.happening));
    }

    /// Takes all of a kind off it, in the order in which they would have happened.
    pub(super) fn take(&mut self, is_it: impl Fn(&Happening) -> bool) -> Vec<Happening> {
        let (mut taken, left): (Vec<Waiting>, Vec<Waiting>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|one| is_it(&one.happening));
        self.waiting = left.into();
        taken.sort_by(|one, other| other.cmp(one));
        taken.into_iter().map(|one| one.happening).collect()
    }
}
