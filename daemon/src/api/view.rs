//! What the API, the page and the command line say about a run: types of their own, built from the
//! fold by pure functions. A field here is a promise to every client of `/v1`.

pub mod application;
pub mod approval;
pub mod by_hand;
pub mod canary;
pub mod detection;
pub mod drill;
pub mod event;
pub mod figures;
pub mod finding;
pub mod freeze;
pub mod inventory;
pub mod leaving;
pub mod next;
pub mod objectives;
pub mod point;
pub mod readiness;
pub mod refusal;
pub mod run;
pub mod runbook;
pub mod schedule;
pub mod step;
pub mod wait;
pub mod way_back;

use jiff::Timestamp;
use muster_runbooks::value::{Loss, Span};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A length of time, for people and for programs.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct Length {
    /// Such as `1h 30m`.
    pub text: String,
    /// Whole seconds, rounded down.
    pub secs: u64,
}

impl Length {
    /// The time from `from` to `to` in whole seconds, zero when `to` is earlier.
    pub fn between(from: Timestamp, to: Timestamp) -> Length {
        whole(Span::between(from, to)).into()
    }
}

impl From<Span> for Length {
    fn from(span: Span) -> Length {
        Length { text: span.to_string(), secs: span.secs() }
    }
}

/// Milliseconds help nobody at night.
fn whole(span: Span) -> Span {
    Span::from_secs(u32::try_from(span.secs()).unwrap_or(u32::MAX))
}

/// How much data is or would be lost. What is not known is `unknown`, never zero.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct LossFigure {
    /// Such as `30s`, or `unknown`.
    pub text: String,
    /// Whole seconds rounded up, or nothing when it is unknown.
    pub secs: Option<u64>,
    /// Where the figure comes from, or why there is none.
    pub by: String,
}

impl LossFigure {
    /// A figure with its source.
    pub fn new(loss: Loss, by: impl Into<String>) -> LossFigure {
        let secs = match loss {
            // An upper bound that is rounded down is no upper bound (I15).
            Loss::AtMost(span) => Some(span.duration().as_millis().unsigned_abs().div_ceil(1_000)),
            Loss::Unknown => None,
        };
        let secs = secs.map(|secs| u32::try_from(secs).unwrap_or(u32::MAX));
        let text = secs.map_or("unknown".to_owned(), |secs| Span::from_secs(secs).to_string());
        LossFigure { text, secs: secs.map(u64::from), by: by.into() }
    }
}

/// An answer that may be missing: what could not be read is neither yes nor no.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It was seen to be so.
    Yes,
    /// It was seen not to be so.
    No,
    /// Nobody can say.
    Unknown,
}

/// The word that stands in front of everything that is not the real thing.
pub fn banner(mode: muster_runbooks::request::Mode) -> Option<String> {
    use muster_runbooks::request::Mode;
    match mode {
        Mode::Live => None,
        Mode::Preview => Some("PREVIEW".to_owned()),
        Mode::Drill => Some("DRILL".to_owned()),
    }
}
