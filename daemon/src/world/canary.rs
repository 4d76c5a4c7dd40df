//! What the canary of a database shows: how far the standby is behind, and the most that could be
//! lost. Samples, not facts: in memory, one per database, each with the instant it was read at.
//!
//! Everything is counted on our own clock, from before a row was sent: whatever was committed before
//! that is at the standby once the row is. So no server's clock can make the loss look smaller than
//! it is (proofs, I15).

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    application::sql::CANARY_SLOTS,
    name::{ApplicationName, ComponentName, Region},
    value::{Loss, Span},
};

use super::sql::canary::Row;

/// After so many misses in a row nothing is known any more.
pub const MISSES_MAX: u32 = 3;

/// A sample that nobody has renewed for so long says nothing, whatever its last words were.
pub const STALE_AFTER: SignedDuration = SignedDuration::from_mins(2);

/// How many written rows are remembered. A standby that is further behind is measured by the last
/// row that was seen there.
const REMEMBERED_MAX: usize = 720;

/// The last sample of every canary. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Canaries(Arc<Mutex<BTreeMap<(ApplicationName, ComponentName), Sample>>>);

impl Canaries {
    /// The last sample of a database's canary.
    pub fn of(&self, application: &ApplicationName, database: &ComponentName) -> Option<Sample> {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        samples.get(&(application.clone(), database.clone())).cloned()
    }

    /// Replaces the sample of a database's canary.
    pub fn put(&self, application: &ApplicationName, database: &ComponentName, sample: Sample) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        samples.insert((application.clone(), database.clone()), sample);
    }
}

/// What a canary showed last.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sample {
    /// Where it is written.
    pub from: Option<Region>,
    /// Where it is looked for.
    pub to: Option<Region>,
    /// How far the standby was behind when it was read.
    lag: Loss,
    /// The standby holds whatever was committed before.
    held_at: Option<Timestamp>,
    /// When the standby was last asked and answered.
    pub read_at: Option<Timestamp>,
    /// Since when the writer has not answered, if it did not the last time.
    pub silent_since: Option<Timestamp>,
    /// How that is known, or why it is not.
    pub by: String,
}

impl Sample {
    /// Nothing is known.
    pub fn unknown(by: impl Into<String>) -> Sample {
        let (lag, by) = (Loss::Unknown, by.into());
        Sample { from: None, to: None, lag, held_at: None, read_at: None, silent_since: None, by }
    }

    /// How far the standby was behind; unknown once nobody has read it for long.
    pub fn lag(&self, now: Timestamp) -> Loss {
        if self.is_fresh(now) { self.lag } else { Loss::Unknown }
    }

    /// The standby holds whatever was committed before, if somebody has read it lately.
    pub fn held_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.held_at.filter(|_| self.is_fresh(now))
    }

    /// The most that a failover at `now` would lose. It grows with time until a newer row is seen.
    pub fn loss(&self, now: Timestamp) -> Loss {
        match self.held_at(now) {
            Some(held_at) => Loss::AtMost(Span::between(held_at, now)),
            None => Loss::Unknown,
        }
    }

    /// How the loss is known, in a sentence.
    pub fn words(&self, now: Timestamp) -> String {
        match (self.held_at, self.read_at) {
            (Some(held_at), Some(read_at)) if self.is_fresh(now) => {
                let age = Span::between(read_at, now);
                format!("canary: the standby held all of {held_at} when it was read, {age} ago")
            }
            (_, Some(read_at)) if !self.is_fresh(now) => {
                format!("canary: not read since {read_at}; {}", self.by)
            }
            _ => format!("canary: {}", self.by),
        }
    }

    /// Whether the standby's reader answered lately.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.read_at.is_some_and(|read_at| now.duration_since(read_at) <= STALE_AFTER)
    }
}

/// A row that was sent to the writer.
#[derive(Clone, Copy, Debug)]
struct Written {
    sequence: i64,
    epoch: u64,
    /// Before it was sent, on our clock.
    sent_at: Timestamp,
    acknowledged: bool,
    /// By this process, so that its arrival can be measured.
    ours: bool,
}

/// What is known of one canary while writer and standby stay what they are.
#[derive(Clone, Debug)]
pub struct Track {
    from: Region,
    to: Region,
    written: VecDeque<Written>,
    /// The newest row that the standby showed.
    seen: Option<Written>,
    /// How long the newest acknowledged row took, once it has arrived.
    arrived_after: Option<Span>,
    read_at: Option<Timestamp>,
    write_misses: u32,
    silent_since: Option<Timestamp>,
    read_misses: u32,
    why_unwritten: String,
    why_unread: String,
}

impl Track {
    /// A canary that is written in one region and looked for in the other.
    pub fn new(from: Region, to: Region) -> Track {
        Track {
            from,
            to,
            written: VecDeque::new(),
            seen: None,
            arrived_after: None,
            read_at: None,
            write_misses: 0,
            silent_since: None,
            read_misses: 0,
            why_unwritten: String::new(),
            why_unread: String::new(),
        }
    }

    /// Whether it is about these regions.
    pub fn is_between(&self, from: &Region, to: &Region) -> bool {
        self.from == *from && self.to == *to
    }

    /// Takes up what the writer holds, oldest first, after a new connection to it. `asked_at` is
    /// before it was asked, so that a row is taken for older rather than for younger than it is.
    pub fn remember(&mut self, rows: &[Row], asked_at: Timestamp) {
        let held = |one: &Written| {
            rows.iter().any(|row| (row.sequence, row.epoch) == (one.sequence, one.epoch))
        };
        // A writer that no longer has what it acknowledged is another one, or lost it.
        let newest = self.written.iter().rev().find(|one| one.acknowledged);
        if newest.is_some_and(|one| !held(one)) {
            *self = Track::new(self.from.clone(), self.to.clone());
        }
        let known = self.written.back().map(|one| one.sequence);
        for row in rows.iter().filter(|row| known.is_none_or(|known| row.sequence > known)) {
            let sent_at = asked_at - row.age.max(SignedDuration::ZERO);
            let Row { sequence, epoch, .. } = *row;
            self.push(Written { sequence, epoch, sent_at, acknowledged: true, ours: false });
        }
    }

    /// The number of the next row.
    pub fn next(&self) -> i64 {
        self.written.back().map_or(1, |one| one.sequence + 1)
    }

    /// A row is about to be sent.
    pub fn promise(&mut self, sequence: i64, epoch: u64, sent_at: Timestamp) {
        self.push(Written { sequence, epoch, sent_at, acknowledged: false, ours: true });
    }

    fn push(&mut self, written: Written) {
        if self.written.len() == REMEMBERED_MAX {
            self.written.pop_front();
        }
        self.written.push_back(written);
    }

    /// The row that was sent last is committed.
    pub fn wrote(&mut self) {
        self.write_misses = 0;
        self.arrived_after = None;
        if let Some(last) = self.written.back_mut() {
            last.acknowledged = true;
        }
    }

    /// The writer did not take it, or did not say so. It may have been committed all the same.
    pub fn write_missed(&mut self, why: impl Into<String>) {
        self.write_misses = self.write_misses.saturating_add(1);
        self.why_unwritten = why.into();
    }

    /// Whether the writer stayed silent when it was last asked. A refusal is a voice, too.
    pub fn writer_is(&mut self, silent: bool, at: Timestamp) {
        self.silent_since = if silent { self.silent_since.or(Some(at)) } else { None };
    }

    /// The standby answered with its newest row.
    pub fn saw(&mut self, row: Option<Row>, read_at: Timestamp) {
        self.read_misses = 0;
        self.read_at = Some(read_at);
        self.seen = match row {
            None => None,
            Some(row) => {
                let is_it = |one: &&Written| (one.sequence, one.epoch) == (row.sequence, row.epoch);
                let found = self.written.iter().rev().find(is_it).copied();
                // A row that was forgotten or never known is newer than one that was seen before it.
                found.or(self.seen.filter(|seen| seen.sequence <= row.sequence))
            }
        };
        if self.has_caught_up() && self.arrived_after.is_none() {
            let newest = self.seen.filter(|seen| seen.ours);
            self.arrived_after = newest.map(|newest| Span::between(newest.sent_at, read_at));
        }
    }

    /// The standby did not answer.
    pub fn read_missed(&mut self, why: impl Into<String>) {
        self.read_misses = self.read_misses.saturating_add(1);
        self.why_unread = why.into();
    }

    /// Whether the standby shows everything that the writer acknowledged.
    pub fn has_caught_up(&self) -> bool {
        let newest = self.written.iter().rev().find(|one| one.acknowledged);
        match (newest, &self.seen) {
            (Some(newest), Some(seen)) => seen.sequence >= newest.sequence,
            (_, None) | (None, Some(_)) => false,
        }
    }

    /// What it all says.
    pub fn sample(&self) -> Sample {
        let unread = self.read_misses >= MISSES_MAX;
        let unwritten = self.write_misses >= MISSES_MAX;
        let lag = match (&self.seen, self.read_at) {
            // Nothing new is sent, so nothing shows how long it would take.
            _ if unread || unwritten => None,
            (Some(_), Some(_)) if self.has_caught_up() => self.arrived_after,
            (Some(seen), Some(read_at)) => Some(Span::between(seen.sent_at, read_at)),
            _ => None,
        };
        let by = if unread {
            format!("{} cannot be read: {}", self.to, self.why_unread)
        } else if unwritten {
            format!("{} cannot be written: {}", self.from, self.why_unwritten)
        } else if self.seen.is_none() {
            format!("none of its rows was seen in {} yet", self.to)
        } else {
            format!("written in {}, seen in {}", self.from, self.to)
        };
        Sample {
            from: Some(self.from.clone()),
            to: Some(self.to.clone()),
            lag: lag.map_or(Loss::Unknown, Loss::AtMost),
            held_at: self.seen.filter(|_| !unread).map(|seen| seen.sent_at),
            read_at: self.read_at,
            silent_since: self.silent_since,
            by,
        }
    }
}

const _: () =
    assert!(REMEMBERED_MAX > CANARY_SLOTS as usize, "all rows of a writer are remembered");

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_second(1_772_330_400 + secs).unwrap()
    }

    fn row(sequence: i64, age_secs: i64) -> Row {
        Row { sequence, epoch: 7, age: SignedDuration::from_secs(age_secs) }
    }

    fn track() -> Track {
        Track::new("us-east-1".parse().unwrap(), "us-west-2".parse().unwrap())
    }

    fn write(track: &mut Track, sequence: i64, secs: i64) {
        track.promise(sequence, 7, at(secs));
        track.wrote();
    }

    fn said(track: &Track, now: i64) -> (String, String) {
        let sample = track.sample();
        (sample.lag(at(now)).to_string(), sample.loss(at(now)).to_string())
    }

    /// Goal: the lag is what a row takes, and while none arrives it and the loss grow with time.
    #[test]
    fn a_standby_that_stops_falls_behind() {
        let mut track = track();
        write(&mut track, 1, 0);
        track.saw(Some(row(1, 0)), at(1));
        assert_eq!(said(&track, 1), ("1s".into(), "1s".into()));
        // The loss grows between two looks; the lag is of the look.
        assert_eq!(said(&track, 4), ("1s".into(), "4s".into()));
        for secs in [5, 10, 15] {
            write(&mut track, 1 + secs / 5, secs);
            track.saw(Some(row(1, secs)), at(secs));
        }
        assert_eq!(said(&track, 15), ("15s".into(), "15s".into()));
        track.saw(Some(row(4, 0)), at(17));
        assert_eq!(said(&track, 17), ("2s".into(), "2s".into()));
    }

    /// Goal: silence is unknown after a few misses, and never zero; before that the loss has grown.
    #[test]
    fn silence_is_never_zero() {
        let mut track = track();
        assert_eq!(said(&track, 0), ("unknown".into(), "unknown".into()));
        write(&mut track, 1, 0);
        track.saw(Some(row(1, 0)), at(0));
        for _ in 1..MISSES_MAX {
            track.read_missed("down");
        }
        assert_eq!(said(&track, 20), ("0s".into(), "20s".into()));
        track.read_missed("down");
        assert_eq!(said(&track, 25), ("unknown".into(), "unknown".into()));
        assert!(track.sample().by.contains("us-west-2 cannot be read: down"));
        track.saw(Some(row(1, 30)), at(30));
        assert_eq!(said(&track, 30).1, "30s");
    }

    /// Goal: with the writer gone the loss that a failover would mean is known and grows, and the lag
    /// is not, for nothing is sent that could arrive.
    #[test]
    fn a_writer_that_is_gone_leaves_a_bound() {
        let mut track = track();
        write(&mut track, 1, 0);
        track.saw(Some(row(1, 0)), at(0));
        for secs in 1..=3 {
            track.promise(1 + secs, 7, at(secs * 5));
            track.write_missed("no answer");
            track.saw(Some(row(1, secs * 5)), at(secs * 5));
        }
        assert_eq!(said(&track, 20), ("unknown".into(), "20s".into()));
        // A row that was committed without a word counts once it is seen.
        track.saw(Some(row(3, 0)), at(21));
        assert_eq!(said(&track, 21).1, "11s");
    }

    /// Goal: nothing that nobody renews stays good.
    #[test]
    fn an_old_sample_says_nothing() {
        let mut track = track();
        write(&mut track, 1, 0);
        track.saw(Some(row(1, 0)), at(0));
        assert_eq!(said(&track, 120).1, "2m");
        assert_eq!(said(&track, 121), ("unknown".into(), "unknown".into()));
    }

    /// Goal: after a restart the standby is measured by the rows of the process before, by their age
    /// at the writer; rows that the standby shows and nobody knows prove nothing.
    #[test]
    fn a_restart_knows_the_rows_before_it() {
        let mut track = track();
        track.saw(Some(row(40, 0)), at(0));
        assert_eq!(said(&track, 0).1, "unknown");
        track.remember(&[row(39, 65), row(40, 60), row(41, 55)], at(0));
        assert_eq!(track.next(), 42);
        track.saw(Some(row(40, 0)), at(2));
        assert_eq!(said(&track, 2).1, "1m 2s");
        track.saw(Some(row(41, 0)), at(2));
        assert_eq!(said(&track, 2), ("unknown".into(), "57s".into()));
    }

    /// Goal: rows that a lossy failover took are not taken for their successors of the same number.
    #[test]
    fn a_writer_that_lost_rows_starts_over() {
        let mut track = track();
        for sequence in 1..=5 {
            write(&mut track, sequence, sequence);
        }
        track.saw(Some(row(5, 0)), at(5));
        track.remember(&[row(1, 9), row(2, 8)], at(10));
        assert_eq!(track.next(), 3);
        assert_eq!(said(&track, 10).1, "unknown");
    }

    /// Goal: a standby that shows less than before is believed.
    #[test]
    fn a_standby_may_go_back() {
        let mut track = track();
        for sequence in 1..=3 {
            write(&mut track, sequence, sequence);
        }
        track.saw(Some(row(3, 0)), at(4));
        track.saw(Some(row(1, 0)), at(5));
        assert_eq!(said(&track, 5).1, "4s");
        track.saw(None, at(6));
        assert_eq!(said(&track, 6).1, "unknown");
    }
}
