//! What the rows of two sides say together, without a server.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use jiff::Timestamp;
use muster_runbooks::{
    action::divergence::Found,
    value::{Loss, Span},
};
use muster_state::call::{Done, Progress};
use serde_json::json;

/// A row of the old side.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Newest {
    pub(super) key: String,
    pub(super) digest: String,
    /// When it was written, as it says itself.
    pub(super) written_at: Option<Timestamp>,
}

/// What was found in one table.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Tally {
    /// So many rows of the old side were looked at.
    pub(super) looked_at: usize,
    /// Rows whose key the active side does not have.
    left_behind: u64,
    /// Keys under which the active side has another row.
    conflicting: u64,
    highest: Option<String>,
    lowest: Option<String>,
    /// When the newest row that was left behind was written.
    lost_at: Option<Timestamp>,
    /// When the newest row that both sides have was written.
    arrived_at: Option<Timestamp>,
    /// A row did not say when it was written.
    is_undated: bool,
    /// The walk came to rows that both sides have, or to the end.
    pub(super) is_whole: bool,
}

impl Tally {
    /// Takes a page of the old side in, highest key first. Returns whether all of it is on both sides.
    pub(super) fn take(
        &mut self,
        page: &[Newest],
        there: &BTreeMap<String, BTreeSet<String>>,
    ) -> bool {
        let before = self.found();
        self.looked_at += page.len();
        for Newest { key, digest, written_at } in page {
            self.is_undated |= written_at.is_none();
            match there.get(key) {
                None => {
                    self.left_behind += 1;
                    self.lost_at = self.lost_at.max(*written_at);
                    self.highest.get_or_insert_with(|| key.clone());
                    self.lowest = Some(key.clone());
                }
                Some(digests) if !digests.contains(digest) => self.conflicting += 1,
                Some(_) => self.arrived_at = self.arrived_at.max(*written_at),
            }
        }
        self.found() == before
    }

    fn found(&self) -> u64 {
        self.left_behind + self.conflicting
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { looked_at, left_behind, conflicting, highest, lowest, is_whole, .. } = self;
        let least = if *is_whole { "" } else { "at least " };
        match (lowest, highest) {
            (Some(lowest), Some(highest)) => {
                write!(
                    f,
                    "{least}{left_behind} rows were left behind, keys {lowest} to {highest}"
                )?;
            }
            _ => f.write_str("no row was left behind")?,
        }
        if *conflicting > 0 {
            write!(
                f,
                "; {least}{conflicting} keys hold another row on either side, or one that was changed since"
            )?;
        }
        write!(f, "; the newest {looked_at} rows were looked at")?;
        if *is_whole { Ok(()) } else { f.write_str(", and no more") }
    }
}

/// One canary.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Mark {
    pub(super) sequence: i64,
    pub(super) epoch: i64,
    pub(super) written_at: Timestamp,
}

/// What the canaries say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Canaries {
    /// None are written.
    Undeclared,
    /// Every one of the old side arrived.
    Arrived,
    /// So many did not, the first and the last of them written then by the old server's clock.
    Left { count: usize, is_least: bool, from: Timestamp, to: Timestamp },
    /// The active side has written over what could tell.
    Overwritten,
    /// They could not be read.
    Unread(String),
}

impl Canaries {
    /// Compares the canaries of both sides, each in the order of its numbers. What the old side sent arrived
    /// in order, so everything up to one that is there is there or was. After a failover the active side goes
    /// on counting from the last one that it has: the same number is another canary, unless it is of the same
    /// instant.
    pub(super) fn compare(old: &[Mark], new: &[Mark]) -> Canaries {
        if let Some(last) = old.iter().rposition(|mark| new.contains(mark)) {
            return Canaries::after(&old[last + 1..], false);
        }
        // None of them is there any more. From the first number that was given twice on, none ever was.
        let again = old.iter().position(|mark| new.iter().any(|one| one.sequence == mark.sequence));
        match again {
            Some(first) => Canaries::after(&old[first..], first == 0),
            None if old.is_empty() => Canaries::Unread("the old side has none".to_owned()),
            None => Canaries::Overwritten,
        }
    }

    fn after(left: &[Mark], is_least: bool) -> Canaries {
        match (left.first(), left.last()) {
            (Some(first), Some(last)) => Canaries::Left {
                count: left.len(),
                is_least,
                from: first.written_at,
                to: last.written_at,
            },
            _ => Canaries::Arrived,
        }
    }
}

impl fmt::Display for Canaries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Canaries::Undeclared => f.write_str("no canary is declared"),
            Canaries::Arrived => f.write_str("every canary of the old side arrived"),
            Canaries::Left { count, is_least, from, to } => {
                let least = if *is_least { "at least " } else { "" };
                write!(
                    f,
                    "{least}{count} canaries never arrived, written from {from:.3} to {to:.3}"
                )
            }
            Canaries::Overwritten => {
                f.write_str("the active side has written over the canaries that could tell")
            }
            Canaries::Unread(why) => write!(f, "the canaries cannot tell: {why}"),
        }
    }
}

/// Nothing was compared, and why.
pub(super) fn unknown(why: &str) -> Progress {
    Progress::Done(Done {
        notes: vec![format!("what was left behind is unknown: {why}")],
        ..Done::with([
            ("verdict", json!(Found::Unknown)),
            ("left_behind", json!("unknown")),
            ("conflicting", json!("unknown")),
            ("data_loss", json!(Loss::Unknown)),
            ("tables", json!([format!("not looked at: {why}")])),
            ("canaries", json!("not looked at")),
        ])
    })
}

/// The time that was lost. A side sends in the order of its commits: whatever was committed before a row that
/// arrived has arrived too, in whichever table. Where canaries never arrived and no row did not, something was
/// lost that is not looked at.
fn lost<'a>(tallies: impl Iterator<Item = &'a Tally> + Clone, canaries: &Canaries) -> Loss {
    let lost_at = tallies.clone().filter_map(|tally| tally.lost_at).max();
    let arrived_at = tallies.clone().filter_map(|tally| tally.arrived_at).max();
    let is_undated = tallies.clone().any(|tally| tally.is_undated);
    match (lost_at, arrived_at) {
        _ if is_undated => Loss::Unknown,
        (Some(lost_at), Some(arrived_at)) => Loss::AtMost(Span::between(arrived_at, lost_at)),
        (Some(_), None) => Loss::Unknown,
        (None, _) if matches!(canaries, Canaries::Left { .. }) => Loss::Unknown,
        (None, _) => Loss::AtMost(Span::default()),
    }
}

/// What all of it comes to. A canary that is missing shows that something was left behind; one that is there
/// shows nothing about rows that are not looked at.
pub(super) fn told(tables: &[(String, Result<Tally, String>)], canaries: &Canaries) -> Progress {
    let read = || tables.iter().filter_map(|(_, tally)| tally.as_ref().ok());
    let is_whole = !tables.is_empty()
        && tables.iter().all(|(_, tally)| tally.as_ref().is_ok_and(|tally| tally.is_whole));
    let found = read().any(|tally| tally.found() > 0) || matches!(canaries, Canaries::Left { .. });
    let verdict = match canaries {
        _ if found => Found::Something,
        Canaries::Unread(_) => Found::Unknown,
        Canaries::Arrived if tables.is_empty() => Found::Nothing,
        Canaries::Arrived
        | Canaries::Left { .. }
        | Canaries::Undeclared
        | Canaries::Overwritten => {
            if is_whole {
                Found::Nothing
            } else {
                Found::Unknown
            }
        }
    };
    let count = |of: fn(&Tally) -> u64| match read().map(of).sum::<u64>() {
        count if is_whole => count.to_string(),
        0 => "unknown".to_owned(),
        count => format!("at least {count}"),
    };
    let line = |(table, tally): &(String, Result<Tally, String>)| match tally {
        Ok(tally) => format!("`{table}`: {tally}"),
        Err(why) => format!("`{table}`: unknown: {why}"),
    };
    let lines: Vec<String> = tables.iter().map(line).collect();
    let mut notes = Vec::new();
    if verdict != Found::Nothing {
        notes.clone_from(&lines);
        notes.push(canaries.to_string());
    }
    Progress::Done(Done {
        notes,
        ..Done::with([
            ("verdict", json!(verdict)),
            ("left_behind", json!(count(|tally| tally.left_behind))),
            ("conflicting", json!(count(|tally| tally.conflicting))),
            ("data_loss", json!(if is_whole { lost(read(), canaries) } else { Loss::Unknown })),
            ("tables", json!(lines)),
            ("canaries", json!(canaries.to_string())),
        ])
    })
}

#[cfg(test)]
mod tests;
