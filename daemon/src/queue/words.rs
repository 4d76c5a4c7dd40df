//! What AWS says that people are to heed: a finding for a day, of every application, because an event does
//! not say whose it is. Nothing is done about it. Pure.

use jiff::{SignedDuration, Timestamp};
use muster_state::{catalog::Finding, progress::ApplicationState};
use sha2::{Digest, Sha256};

/// The findings that are made here start so.
const KIND: &str = "aws-says/";

/// For how long a word stands. No event reliably says that it is over.
const STANDS_FOR: SignedDuration = SignedDuration::from_hours(24);

/// The most words that stand at a time. More of them say the same: something is very wrong. The journal
/// has all.
const STANDING_MAX: usize = 20;

/// The finding about one object. A later word about the same object takes the place of an earlier one.
pub(super) fn finding(about: &str, says: &str) -> Finding {
    let hash = Sha256::digest(about.as_bytes());
    let short: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    Finding {
        id: format!("{KIND}{short}"),
        message: format!("AWS says about `{about}`: {says}"),
        hint: "nothing was done about it, and nothing of it is believed: look there. It is no longer shown a \
               day after it was heard first"
            .to_owned(),
    }
}

/// Whether a finding may stand beside those that do.
pub(super) fn has_room(state: Option<&ApplicationState>, id: &str) -> bool {
    let Some(state) = state else { return true };
    let standing = state.findings.keys().filter(|id| id.starts_with(KIND)).count();
    state.findings.contains_key(id) || standing < STANDING_MAX
}

/// The findings of an application that have stood for long enough.
pub(super) fn over(state: &ApplicationState, now: Timestamp) -> Vec<String> {
    let is_over = |(id, (since, _)): &(&String, &(Timestamp, Finding))| {
        id.starts_with(KIND) && now.duration_since(*since) >= STANDS_FOR
    };
    state.findings.iter().filter(is_over).map(|(id, _)| id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a flood of words neither fills the findings nor stays for ever, and nobody else's are touched.
    #[test]
    fn words_stand_for_a_day_and_not_too_many() {
        let at = |hours| Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours);
        let mut state = ApplicationState::default();
        let mut open = |finding: Finding, since| {
            state.findings.insert(finding.id.clone(), (since, finding));
        };
        let first = finding("arn:0", "it timed out");
        assert_eq!(first.id, finding("arn:0", "it is well again").id, "one object, one finding");
        for number in 0..STANDING_MAX {
            open(finding(&format!("arn:{number}"), "it timed out"), at(number as i64));
        }
        open(Finding { id: "snapshot-quota/us-east-1".to_owned(), ..first.clone() }, at(0));
        assert!(has_room(None, "x") && has_room(Some(&state), &first.id));
        assert!(!has_room(Some(&state), &finding("arn:more", "x").id));
        assert_eq!(over(&state, at(23)), Vec::<String>::new());
        assert_eq!(over(&state, at(24)), [first.id]);
        assert_eq!(over(&state, at(100)).len(), STANDING_MAX);
    }
}
