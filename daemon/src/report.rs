//! The report of a run: what was asked, done, measured and left out, for somebody who was not there.
//!
//! Facts go in and the payload comes out: between them nobody reads a clock, a disk or the network. The
//! payload has a version of its own, because it is kept for years and read by other programs; what the API
//! shows may change without it. [`crate::envelope`] signs it, [`html`] shows it, [`verify`] believes it or not.

pub mod absent;
pub mod account;
pub mod aftermath;
pub mod controls;
pub mod deviations;
pub mod duties;
pub mod evidence;
pub mod facts;
pub mod findings;
pub mod gather;
pub mod heading;
pub mod html;
pub mod objectives;
pub mod people;
pub mod results;
pub mod scope;
pub mod steps;
pub mod timeline;
pub mod verify;

use jiff::Timestamp;
use muster_runbooks::value::Span;
use serde::{Deserialize, Serialize};

use self::{
    absent::Absent,
    account::{Account, Child},
    controls::Control,
    evidence::Evidence,
    facts::Facts,
    findings::Findings,
};

/// The version of the payload that this program writes, and the only one that it can show.
pub const VERSION: u32 = 1;

/// The type of the payload in its envelope.
pub const PAYLOAD_TYPE: &str = "application/vnd.muster.report+json";

/// A text of the payload is not longer, in characters; what is cut off stands in the journal.
const TEXT_CHARS_MAX: usize = 2_000;

/// What is signed.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Report {
    /// The version of these fields.
    pub v: u32,
    /// When it was made, by the clock of the daemon.
    pub made_at: Timestamp,
    /// The program that made it, with the id of its sources.
    pub made_by: String,
    /// Parts 1 to 6: the run.
    pub run: Account,
    /// The runs that its steps started, each with its own parts 1 to 6.
    pub children: List<Child>,
    /// Part 7: what is wrong with the application, and what became so or well again meanwhile.
    pub findings: Findings,
    /// Part 8: which part answers which control, and what is missing for it.
    pub controls: Vec<Control>,
    /// Part 8: where each statement can be looked up, and how somebody else checks it.
    pub evidence: Evidence,
    /// Part 9: what should have happened in the period and did not.
    pub absent: Absent,
}

impl Report {
    /// Makes the report that some facts give.
    pub fn make(facts: &Facts<'_>) -> Report {
        let run = Account::make(&facts.run, facts);
        let children = account::children(facts);
        let findings = Findings::make(facts);
        let absent = Absent::make(facts);
        let controls = controls::make(&run, &children, &findings, &absent);
        Report {
            v: VERSION,
            made_at: facts.made_at,
            made_by: facts.program.to_owned(),
            run,
            children,
            findings,
            controls,
            evidence: Evidence::make(facts),
            absent,
        }
    }
}

/// A list with an end: what had no room is counted, so that nobody takes it for the whole.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct List<T> {
    /// The first of them.
    pub items: Vec<T>,
    /// How many more there are.
    pub left_off: usize,
}

impl<T> List<T> {
    /// The first `max` of them.
    pub fn first(max: usize, all: impl IntoIterator<Item = T>) -> List<T> {
        let mut all = all.into_iter();
        let items: Vec<T> = all.by_ref().take(max).collect();
        List { items, left_off: all.count() }
    }

    /// Whether there is nothing, shown or left off.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.left_off == 0
    }
}

/// A length of time.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Length {
    /// For people, such as `1h 30m`.
    pub text: String,
    /// Whole seconds, rounded down.
    pub secs: u64,
}

impl Length {
    /// The time from one instant to a later one; zero when it is earlier.
    pub fn between(from: Timestamp, to: Timestamp) -> Length {
        Length::from(Span::between(from, to))
    }
}

impl From<Span> for Length {
    fn from(span: Span) -> Length {
        let secs = span.secs();
        let whole = Span::from_secs(u32::try_from(secs).unwrap_or(u32::MAX));
        Length { text: whole.to_string(), secs }
    }
}

/// An answer that may be missing: what could not be read is neither yes nor no.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It was seen to be so.
    Yes,
    /// It was seen not to be so.
    No,
    /// Nobody can say.
    Unknown,
}

impl Answer {
    /// The answer as it is written.
    pub fn word(self) -> &'static str {
        match self {
            Answer::Yes => "yes",
            Answer::No => "no",
            Answer::Unknown => "unknown",
        }
    }
}

impl From<Option<bool>> for Answer {
    fn from(known: Option<bool>) -> Answer {
        match known {
            Some(true) => Answer::Yes,
            Some(false) => Answer::No,
            None => Answer::Unknown,
        }
    }
}

/// A text of a bearable length.
fn clip(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => format!("{}… (cut off; the journal has all of it)", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a list that was cut says by how much, and so does a text.
    #[test]
    fn what_is_cut_is_said() {
        let list = List::first(2, [1, 2, 3, 4, 5]);
        assert_eq!((list.items.as_slice(), list.left_off), (&[1, 2][..], 3));
        assert!(!List::first(0, [1]).is_empty() && List::first(3, [0; 0]).is_empty());
        let long = "ü".repeat(TEXT_CHARS_MAX + 1);
        assert!(
            clip(&long).starts_with(&"ü".repeat(TEXT_CHARS_MAX)) && clip(&long).contains("cut")
        );
        assert_eq!(clip("short"), "short");
    }
}
