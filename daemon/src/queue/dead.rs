//! How much lies in a queue's dead letters, and what people have been told about it: pure.

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::name::Region;
use muster_state::catalog::Finding;

/// How often they are counted. Nobody is waited for there.
const EVERY: SignedDuration = SignedDuration::from_mins(5);

/// The longest cause that is told.
const CAUSE_CHARS_MAX: usize = 300;

/// What is known of one queue's dead letters.
#[derive(Debug)]
pub(super) struct DeadLetters {
    /// Their URL.
    pub(super) url: String,
    id: String,
    queue: String,
    counted_at: Option<Timestamp>,
    /// What people have been told since this process started.
    told: Option<Count>,
}

/// What a look at them found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Count {
    /// So many messages, as far as SQS knows.
    Lie(u64),
    /// They could not be counted, and that is not none.
    Unknown {
        /// Why.
        why: String,
    },
}

impl DeadLetters {
    pub(super) fn new(region: &Region, url: &str) -> DeadLetters {
        let name = url.trim_end_matches('/').rsplit('/').next().unwrap_or(url);
        DeadLetters {
            url: url.to_owned(),
            id: format!("dead-letters-{region}-{name}"),
            queue: format!("`{name}` in {region}"),
            counted_at: None,
            told: None,
        }
    }

    /// Whether it is time to count; counts as done.
    pub(super) fn is_due(&mut self, now: Timestamp) -> bool {
        let is_due = self.counted_at.is_none_or(|at| now.duration_since(at).abs() >= EVERY);
        if is_due {
            self.counted_at = Some(now);
        }
        is_due
    }

    /// Whether a count is news.
    pub(super) fn is_news(&self, count: &Count) -> bool {
        match (&self.told, count) {
            // The words of a failure differ from one time to the next.
            (Some(Count::Unknown { .. }), Count::Unknown { .. }) => false,
            (told, count) => told.as_ref() != Some(count),
        }
    }

    /// The count is durable.
    pub(super) fn told(&mut self, count: Count) {
        self.told = Some(count);
    }

    /// The finding that stands while something lies there or nobody can say; its id once nothing does.
    pub(super) fn finding(&self, count: &Count) -> Result<Finding, String> {
        match count {
            Count::Lie(0) => Err(self.id.clone()),
            Count::Lie(count) => Ok(Finding {
                id: self.id.clone(),
                message: format!("dead letters lie in {}, {count} so far: nobody could deliver or take them", self.queue),
                hint: "read them there; ask by hand for what is still worth doing, mend what kept them away, and \
                       purge the queue"
                    .to_owned(),
            }),
            Count::Unknown { why } => {
                let why: String = why.chars().take(CAUSE_CHARS_MAX).collect();
                Ok(Finding {
                    id: self.id.clone(),
                    message: format!("nobody knows whether dead letters lie in {}: {why}", self.queue),
                    hint: "look at `dead_letters` of the queue, and at `sqs:GetQueueAttributes` of our role"
                        .to_owned(),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: dead letters are told when they come, when there are more, and when they are gone; that nobody knows
    /// is never none.
    /// Method: looks, one after the other, and what is said at each.
    #[test]
    fn what_lies_there_is_told_as_it_changes() {
        let region: Region = "us-west-2".parse().unwrap();
        let mut dead = DeadLetters::new(&region, "https://sqs/1/events-dead/");
        let unknown = |why: &str| Count::Unknown { why: why.to_owned() };
        for (count, is_news, message) in [
            (Count::Lie(0), true, None),
            (Count::Lie(0), false, None),
            (Count::Lie(2), true, Some("dead letters lie in `events-dead` in us-west-2, 2 so far")),
            (Count::Lie(2), false, Some("2 so far")),
            (
                unknown("throttled"),
                true,
                Some("nobody knows whether dead letters lie in `events-dead`"),
            ),
            (unknown("gone"), false, Some("gone")),
            (Count::Lie(3), true, Some("3 so far")),
            (Count::Lie(0), true, None),
        ] {
            assert_eq!(dead.is_news(&count), is_news, "{count:?}");
            let finding = dead.finding(&count);
            match message {
                Some(message) => assert!(finding.unwrap().message.contains(message), "{count:?}"),
                None => assert_eq!(finding, Err("dead-letters-us-west-2-events-dead".to_owned())),
            }
            dead.told(count);
        }
        let at = |minute: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute);
        let due: Vec<bool> = [0, 1, 4, 5, 6, 10].map(at).map(|now| dead.is_due(now)).into();
        assert_eq!(due, [true, false, false, true, false, true]);
    }
}
