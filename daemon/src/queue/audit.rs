//! Which refused messages have been recorded, and how many more may be this hour.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

/// The most refusals of one queue that are recorded per hour. Whoever may write to the queue must
/// not be able to fill the journal; what is over waits on the queue or goes to its dead letters.
const PER_HOUR_MAX: u32 = 100;

/// The recorded messages that are remembered, for when deleting one failed.
const REMEMBERED_MAX: usize = 256;

/// What was recorded lately.
#[derive(Debug, Default)]
pub(super) struct Audit {
    recorded: VecDeque<String>,
    hour_from: Timestamp,
    this_hour: u32,
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
    pub(super) fn look(&mut self, id: &str, now: Timestamp) -> Note {
        if now.duration_since(self.hour_from).abs() >= SignedDuration::from_hours(1) {
            (self.hour_from, self.this_hour) = (now, 0);
        }
        if self.recorded.iter().any(|recorded| recorded == id) {
            Note::Known
        } else if self.this_hour >= PER_HOUR_MAX {
            Note::Full
        } else {
            Note::New
        }
    }

    /// It is in the journal.
    pub(super) fn recorded(&mut self, id: &str) {
        self.this_hour += 1;
        if self.recorded.len() >= REMEMBERED_MAX {
            self.recorded.pop_front();
        }
        self.recorded.push_back(id.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a flood of refused messages neither fills the journal nor stops the door for ever.
    /// Method: record until the hour is full, come back for one of them, and wait an hour.
    #[test]
    fn an_hour_has_only_so_many_records() {
        let mut audit = Audit::default();
        let now: Timestamp = "2026-03-01T02:00:00Z".parse().unwrap();
        for number in 0..PER_HOUR_MAX {
            assert_eq!(audit.look(&number.to_string(), now), Note::New);
            audit.recorded(&number.to_string());
        }
        assert_eq!(audit.look("another", now), Note::Full);
        assert_eq!(audit.look("7", now), Note::Known);
        assert_eq!(audit.look("another", now + SignedDuration::from_hours(1)), Note::New);
    }
}
