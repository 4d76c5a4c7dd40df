//! Every refused change becomes a fact, but nobody can fill the disk by being refused.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use muster_state::command::Command;
use tracing::warn;

use crate::intake::Intake;

/// So many refusals are recorded at once.
const BURST: u32 = 30;

/// After that, one in so many seconds.
const REFILL_SECS: i64 = 10;

/// The audit trail's door, with a limit of its own for strangers, so that their noise cannot drown
/// what a known person tried.
#[derive(Debug, Default)]
pub struct Audit {
    strangers: Mutex<Option<Bucket>>,
    persons: Mutex<Option<Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: u32,
    filled_at: Timestamp,
    dropped: u64,
}

impl Bucket {
    /// Takes one, if there is one, and says how many were dropped before.
    fn take(&mut self, now: Timestamp) -> Option<u64> {
        let passed = now.duration_since(self.filled_at).as_secs().max(0) / REFILL_SECS;
        let gained = u32::try_from(passed).unwrap_or(BURST).min(BURST);
        if gained > 0 {
            self.left = (self.left + gained).min(BURST);
            self.filled_at = now;
        }
        if self.left == 0 {
            self.dropped += 1;
            return None;
        }
        self.left -= 1;
        Some(std::mem::take(&mut self.dropped))
    }
}

impl Audit {
    /// Records a refusal, unless there are too many.
    pub async fn record(
        &self,
        intake: &Intake,
        who: String,
        known: bool,
        what: &str,
        because: &str,
    ) {
        let Some(dropped) = self.admit(known, intake.clock().now()) else { return };
        let mut because = clean(because, 300);
        if dropped > 0 {
            because.push_str(&format!(" ({dropped} more refusals were not recorded)"));
        }
        let command = Command::Refused { who: clean(&who, 100), what: clean(what, 200), because };
        if let Err(error) = intake.command(command).await {
            warn!(%error, "a refusal could not be recorded");
        }
    }

    fn admit(&self, known: bool, now: Timestamp) -> Option<u64> {
        let bucket = if known { &self.persons } else { &self.strangers };
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let full = Bucket { left: BURST, filled_at: now, dropped: 0 };
        bucket.get_or_insert(full).take(now)
    }
}

/// What strangers sent is cut and freed of control characters before it is kept.
fn clean(text: &str, chars_max: usize) -> String {
    text.chars().filter(|sign| !sign.is_control()).take(chars_max).collect()
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;

    /// Goal: an attacker can neither fill the disk nor hide that somebody attacked.
    /// Method: a thousand refusals in a second, then one later.
    #[test]
    fn refusals_are_recorded_up_to_a_rate() {
        let audit = Audit::default();
        let now = Timestamp::UNIX_EPOCH;
        let kept = (0..1_000).filter(|_| audit.admit(false, now).is_some()).count();
        assert_eq!(kept, 30);
        assert_eq!(audit.admit(true, now), Some(0), "a person's refusal is not drowned");
        assert_eq!(audit.admit(false, now + 11.seconds()), Some(970));
    }
}
