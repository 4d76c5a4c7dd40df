//! Whether a queue can be read, and what people have been told about it: pure.

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::name::Region;
use muster_state::catalog::Finding;

/// A queue that has not answered for so long is a finding. AWS throttles for a minute at times, and
/// nobody needs to know.
pub const SILENT_MAX: SignedDuration = SignedDuration::from_mins(3);

/// The longest cause that is told.
const CAUSE_CHARS_MAX: usize = 300;

/// What is known of a queue's answers.
#[derive(Debug)]
pub(super) struct Reach {
    id: String,
    queue: String,
    silent_since: Option<Timestamp>,
    told: Told,
}

/// What people have been told since this process started. What an earlier one told is not known, so
/// the first answer always closes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Told {
    Nothing,
    Answers,
    Silent,
}

/// What they are to be told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Word {
    Silent { since: Timestamp, why: String },
    Answers,
}

impl Reach {
    pub(super) fn new(region: &Region, url: &str) -> Reach {
        let name = url.trim_end_matches('/').rsplit('/').next().unwrap_or(url);
        Reach {
            id: format!("queue-{region}-{name}"),
            queue: format!("queue `{name}` in {region}"),
            silent_since: None,
            told: Told::Nothing,
        }
    }

    /// The queue did not answer.
    pub(super) fn failed(&mut self, why: &str, now: Timestamp) -> Option<Word> {
        let since = *self.silent_since.get_or_insert(now);
        let is_due = now.duration_since(since) >= SILENT_MAX && self.told != Told::Silent;
        let why = why.chars().take(CAUSE_CHARS_MAX).collect();
        is_due.then_some(Word::Silent { since, why })
    }

    /// The queue answered.
    pub(super) fn answered(&mut self) -> Option<Word> {
        self.silent_since = None;
        (self.told != Told::Answers).then_some(Word::Answers)
    }

    /// The word is durable.
    pub(super) fn told(&mut self, word: &Word) {
        self.told = match word {
            Word::Silent { .. } => Told::Silent,
            Word::Answers => Told::Answers,
        };
    }

    /// The finding that stands while the queue is silent; its id once that is over.
    pub(super) fn finding(&self, word: &Word) -> Result<Finding, String> {
        match word {
            Word::Silent { since, why } => Ok(Finding {
                id: self.id.clone(),
                message: format!("{} cannot be read since {since}: {why}", self.queue),
                hint:
                    "no event is acted on until it can; what happens by schedule or by hand goes \
                       on. Look at its URL, its region, and `sqs:ReceiveMessage` of our role"
                        .to_owned(),
            }),
            Word::Answers => Err(self.id.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: an outage is told once, a hiccup never, and the end of either is told.
    /// Method: minutes of failures and answers, and what is said at each.
    #[test]
    fn an_outage_is_told_once() {
        let at = |minute: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute);
        let region: Region = "us-west-2".parse().unwrap();
        let mut reach = Reach::new(&region, "https://sqs/1/events/");
        let closes = reach.answered();
        assert_eq!(closes, Some(Word::Answers), "an earlier process may have left one open");
        assert_eq!(reach.answered(), Some(Word::Answers), "until it is durable");
        reach.told(&Word::Answers);
        assert_eq!(reach.answered(), None);

        assert_eq!(reach.failed("throttled", at(0)), None);
        assert_eq!(reach.failed("throttled", at(2)), None);
        assert_eq!(reach.answered(), None, "nobody was told");
        assert_eq!(reach.failed("gone", at(5)), None, "the clock starts again");
        assert_eq!(reach.failed("gone", at(7)), None);
        let word = reach.failed("gone", at(8)).unwrap();
        assert_eq!(word, Word::Silent { since: at(5), why: "gone".to_owned() });
        assert_eq!(
            reach.failed("gone", at(9)),
            Some(Word::Silent { since: at(5), why: "gone".to_owned() })
        );
        reach.told(&word);
        assert_eq!(reach.failed("still gone", at(60)), None);
        let finding = reach.finding(&word).unwrap();
        assert_eq!(finding.id, "queue-us-west-2-events");
        assert!(
            finding
                .message
                .contains("`events` in us-west-2 cannot be read since 1970-01-01T00:05:00Z: gone")
        );
        assert_eq!(reach.answered(), Some(Word::Answers));
        assert_eq!(reach.finding(&Word::Answers), Err(finding.id));
    }
}
