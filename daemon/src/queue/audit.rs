//! Which refused messages have been recorded, and how many more may be this hour.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

/// The most refusals of one queue that are recorded per hour. Whoever may write to the queue must
/// not be able to fill the journal; what is over waits on the queue or goes to its dead letters.
const PER_HOUR_MAX: u32 = 100;

/// The most that are recorded per hour of messages that were good and came too late. After hours in which
/// nobody read the queue that is nearly all of it: what waits behind must not wait for days, and what is too
/// late costs the journal no more than what is not. Some megabytes.
const LATE_PER_HOUR_MAX: u32 = 20_000;

/// The recorded messages that are remembered, for when deleting one failed.
const REMEMBERED_MAX: usize = 256;

/// What was recorded lately.
#[derive(Debug, Default)]
pub(super) struct Audit {
    recorded: VecDeque<String>,
    hour_from: Timestamp,
    this_hour: u32,
    late_this_hour: u32,
}

/// Why a message is refused, as far as its record is concerned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cause {
    /// It was good, and nobody read it in time.
    Late,
    /// It should not have been sent.
    Wrong,
}

/// What is to be done with a refused message.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Note {
    /// Record it.
    New,
    /// It was recorded before.
    Known,
    /// Not this hour.
    Full,
}

impl Audit {
    /// Says whether a refused message is to be recorded.
    pub(super) fn look(&mut self, id: &str, cause: Cause, now: Timestamp) -> Note {
        if now.duration_since(self.hour_from).abs() >= SignedDuration::from_hours(1) {
            (self.hour_from, self.this_hour, self.late_this_hour) = (now, 0, 0);
        }
        let is_full = match cause {
            Cause::Late => self.late_this_hour >= LATE_PER_HOUR_MAX,
            Cause::Wrong => self.this_hour >= PER_HOUR_MAX,
        };
        if self.recorded.iter().any(|recorded| recorded == id) {
            Note::Known
        } else if is_full {
            Note::Full
        } else {
            Note::New
        }
    }

    /// It is in the journal.
    pub(super) fn recorded(&mut self, id: &str, cause: Cause) {
        match cause {
            Cause::Late => self.late_this_hour += 1,
            Cause::Wrong => self.this_hour += 1,
        }
        if self.recorded.len() >= REMEMBERED_MAX {
            self.recorded.pop_front();
        }
        self.recorded.push_back(id.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a flood of refused messages neither fills the journal nor stops the door for ever, and hours in
    /// which nobody was there do not look like one.
    /// Method: record until the hour is full, come back for one of them, wait an hour; and what was late.
    #[test]
    fn an_hour_has_only_so_many_records() {
        let mut audit = Audit::default();
        let now: Timestamp = "2026-03-01T02:00:00Z".parse().unwrap();
        for number in 0..PER_HOUR_MAX {
            assert_eq!(audit.look(&number.to_string(), Cause::Wrong, now), Note::New);
            audit.recorded(&number.to_string(), Cause::Wrong);
        }
        assert_eq!(audit.look("another", Cause::Wrong, now), Note::Full);
        assert_eq!(audit.look("7", Cause::Wrong, now), Note::Known);
        let later = now + SignedDuration::from_hours(1);
        assert_eq!(audit.look("another", Cause::Wrong, later), Note::New);
        for number in 0..LATE_PER_HOUR_MAX {
            assert_eq!(audit.look(&format!("late {number}"), Cause::Late, later), Note::New);
            audit.recorded(&format!("late {number}"), Cause::Late);
        }
        assert_eq!(audit.look("late", Cause::Late, later), Note::Full);
        assert_eq!(audit.look("another", Cause::Wrong, later), Note::New);
    }
}
