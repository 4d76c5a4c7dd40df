//! Who acts: one process at a time, for as long as its lease says (facts §4, §5.5).
//!
//! The lease is an object outside both regions that is only ever written on the condition that it is
//! still the one that was read. Its epoch rises with every process that takes it.

mod keeper;

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use keeper::{Answer, Ask, Condition, Fit, Keeper, Own};

/// Whether this process may send anything.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Lease {
    /// No lease is configured: whoever has the state directory acts.
    NotConfigured,
    /// It is ours, and its epoch stands in our journal.
    Held {
        /// The epoch.
        epoch: u64,
        /// Nothing is sent from then on: its end less the margin.
        acts_until: Timestamp,
    },
    /// It is not ours, or nobody knows whose it is.
    Missing(Missing),
}

/// Why a process must not act.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Missing {
    /// Nobody has answered yet whose it is.
    Unasked,
    /// It was ours, and was not renewed in time.
    Ended {
        /// When it was over for whoever sends something.
        at: Timestamp,
    },
    /// Somebody else has it, or had it a moment ago.
    Taken {
        /// Who.
        holder: String,
        /// Its end, by the holder's clock.
        until: Timestamp,
        /// Before then it is not taken: whatever its holder sent last must have arrived.
        free_at: Timestamp,
    },
    /// Its storage gives no answer that can be used.
    Unreadable {
        /// What it said.
        because: String,
    },
    /// The lease was renewed with a journal that goes on where ours ends.
    Behind {
        /// Where ours ends.
        ends_at: u64,
        /// Where the other one was last known to end.
        knows: u64,
    },
    /// The lease was renewed with a journal that is not ours.
    Apart {
        /// The record behind which they differ.
        at: u64,
    },
}

impl Lease {
    /// Why nothing may be sent at an instant; nothing if it may.
    pub fn forbids(&self, now: Timestamp) -> Option<Missing> {
        match self {
            Lease::NotConfigured => None,
            Lease::Held { acts_until, .. } => {
                (*acts_until <= now).then_some(Missing::Ended { at: *acts_until })
            }
            Lease::Missing(why) => Some(why.clone()),
        }
    }

    /// Why nothing may even be promised: somebody else acts, or must.
    pub fn stands_down(&self) -> Option<&Missing> {
        match self {
            Lease::NotConfigured | Lease::Held { .. } => None,
            Lease::Missing(why) => (!why.may_be_overridden()).then_some(why),
        }
    }
}

impl Missing {
    /// Whether a person may have a run go on all the same: only where nobody is known to act instead.
    pub fn may_be_overridden(&self) -> bool {
        match self {
            Missing::Ended { .. } | Missing::Unreadable { .. } => true,
            Missing::Unasked
            | Missing::Taken { .. }
            | Missing::Behind { .. }
            | Missing::Apart { .. } => false,
        }
    }

    /// In one word, for whoever counts.
    pub fn word(&self) -> &'static str {
        match self {
            Missing::Unasked => "unasked",
            Missing::Ended { .. } => "ended",
            Missing::Taken { .. } => "taken",
            Missing::Unreadable { .. } => "unreadable",
            Missing::Behind { .. } => "behind",
            Missing::Apart { .. } => "apart",
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::Unasked => f.write_str("nobody has said yet whose the lease is"),
            Missing::Ended { at } => {
                write!(f, "the lease was not renewed in time: nothing is sent since {at:.0}")
            }
            Missing::Taken { holder, until, free_at } => write!(
                f,
                "`{holder}` holds the lease until {until:.0}; it can be taken at {free_at:.0}"
            ),
            Missing::Unreadable { because } => write!(f, "the lease cannot be read: {because}"),
            Missing::Behind { ends_at, knows } => {
                write!(f, "the journal here ends at {ends_at}, the lease knows {knows}")
            }
            Missing::Apart { at } => {
                write!(f, "the journal here is not the one that the lease knows up to record {at}")
            }
        }
    }
}

/// How a lease is kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Terms {
    /// For how long one write is good.
    pub length: SignedDuration,
    /// Nothing is sent so shortly before the end.
    pub margin: SignedDuration,
    /// How long what was sent may be under way. A successor waits it out.
    pub longest_call: SignedDuration,
}

/// What stands in the lease.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Record {
    /// Rises with every process that takes it.
    pub epoch: u64,
    /// The machine and the state directory, for people and for a process that was started again.
    pub holder: String,
    /// The one process that wrote this.
    pub process: String,
    /// Its end, by the holder's clock.
    pub until: Timestamp,
    /// How far its journal was.
    pub journal: Mark,
}

/// A place in a journal, and the chain of hashes behind it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Mark {
    /// The number behind the last record.
    pub sequence: u64,
    /// The link of the chain there.
    pub hash: String,
}

/// The lease that this journal last knew.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Granted {
    /// The epoch.
    pub epoch: u64,
    /// Who took it.
    pub holder: String,
}

/// An instant by two clocks. A person or a server may set the one; the other only ever goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Moment {
    /// By the clock that everything is stamped with.
    pub wall: Timestamp,
    /// Since some instant of this process.
    pub steady: SignedDuration,
}
