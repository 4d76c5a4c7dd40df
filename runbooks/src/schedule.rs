//! When a runbook starts by itself: schedules, and the instants at which they are due.
//!
//! The only file that knows croner. It is asked about a calendar without time zones; what daylight
//! saving does to the answer is decided in `schedule/zone.rs`. croner's own answer for a search that
//! starts in a repeated hour can lie before the start, which would run a schedule twice.

mod lint;
mod parse;
pub mod policy;
mod zone;

use std::{collections::BTreeMap, fmt, str::FromStr};

use chrono::{DateTime, Utc};
use croner::parser::{CronParser, Seconds, Year};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::Value;

pub use lint::lint;

use crate::{
    check::{Checked, Finding},
    name::{ApplicationName, RunbookName, ScheduleId},
    tree::Place,
    value::{Span, words},
};

words! {
    /// What happens to occurrences that were missed while Muster was down.
    CatchUp {
        /// Nothing: the next one comes anyway.
        Skip = "skip",
        /// One run makes up for all that were missed.
        RunOnce = "run-once",
    }
}

/// When a runbook starts by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Its id, unique among all schedules.
    pub id: ScheduleId,
    /// The runbook that it starts.
    pub runbook: RunbookName,
    /// The application that the run is bound to.
    pub application: Option<ApplicationName>,
    /// The days and times.
    pub cron: Cron,
    /// The zone that the times are meant in.
    pub zone: Zone,
    /// What happens to missed occurrences.
    pub catch_up: CatchUp,
    /// Starts so much before the occurrence, for what must be announced.
    pub lead: Option<Span>,
    /// The input that receives the occurrence's instant.
    pub occurrence_input: Option<String>,
    /// Values for the runbook's other inputs.
    pub inputs: BTreeMap<String, Value>,
    /// How late a start still counts as this occurrence and is not missed.
    pub start_within: Span,
    /// How long its run may take before that is a finding.
    pub complete_within: Option<Span>,
    /// The file it was read from.
    pub file: String,
    /// Where it stands there.
    pub place: Place,
}

/// One time at which a schedule is due.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Occurrence {
    /// When the run starts: the occurrence less the lead.
    pub due_at: Timestamp,
    /// The time that the schedule names.
    pub at: Timestamp,
}

/// Reads a file with a list of schedules and finds everything that is wrong inside it. What can
/// only be judged next to runbooks and applications is left to [`lint`].
pub fn check(file: &str, text: &str) -> Checked<Vec<Schedule>> {
    parse::schedules(file, text)
}

/// Reads schedules that may be used; warnings are left out, see [`check`].
pub fn parse(file: &str, text: &str) -> Result<Vec<Schedule>, Vec<Finding>> {
    check(file, text).into_result()
}

/// How far ahead [`Schedule::next`] looks. 29 February can be eight years away.
const LOOK_AHEAD: jiff::SignedDuration = jiff::SignedDuration::from_hours(24 * 366 * 9);

/// Over how long the longest interval is looked for, and over how many occurrences.
const INTERVAL_LOOK: jiff::SignedDuration = jiff::SignedDuration::from_hours(24 * 400);
const INTERVAL_MAX: usize = 800;

impl Schedule {
    /// The occurrences that are due after `after` and not after `until`, in order, at most `cap`.
    pub fn occurrences(&self, after: Timestamp, until: Timestamp, cap: usize) -> Vec<Occurrence> {
        let lead = self.lead.unwrap_or_default().duration();
        let (Ok(from), Ok(to)) = (after.checked_add(lead), until.checked_add(lead)) else {
            return Vec::new();
        };
        zone::walk(&self.zone.zone, self.cron.pass, from, to, &|civil| self.cron.at_or_after(civil))
            .take(cap)
            .filter_map(|at| Some(Occurrence { due_at: at.checked_sub(lead).ok()?, at }))
            .collect()
    }

    /// The first occurrence that is due after `after`.
    pub fn next(&self, after: Timestamp) -> Option<Occurrence> {
        let until = after.checked_add(LOOK_AHEAD).unwrap_or(Timestamp::MAX);
        self.occurrences(after, until, 1).pop()
    }

    /// The last occurrence that was due at `until` or before.
    pub fn last(&self, until: Timestamp) -> Option<Occurrence> {
        // Short looks first: what is due every few minutes has many in a year.
        [1, 26, 24 * 8, 24 * 32, 24 * 400, 24 * 366 * 9].into_iter().find_map(|hours| {
            let from = until.checked_sub(jiff::SignedDuration::from_hours(hours)).ok()?;
            self.occurrences(from, until, INTERVAL_MAX).pop()
        })
    }

    /// The longest time between two occurrences that follow each other, over the occurrences of about
    /// a year.
    pub fn interval_max(&self, from: Timestamp) -> Option<Span> {
        let until = from.checked_add(INTERVAL_LOOK).unwrap_or(Timestamp::MAX);
        let found = self.occurrences(from, until, INTERVAL_MAX);
        found.windows(2).map(|two| Span::between(two[0].due_at, two[1].due_at)).max()
    }

    /// The inputs of the request for an occurrence.
    pub fn inputs_for(&self, occurrence: &Occurrence) -> BTreeMap<String, Value> {
        let mut inputs = self.inputs.clone();
        if let Some(name) = &self.occurrence_input {
            inputs.insert(name.clone(), Value::from(occurrence.at.to_string()));
        }
        inputs
    }
}

/// A time zone of the IANA database that is built in; the host's own may be another edition.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

impl Default for Zone {
    fn default() -> Zone {
        Zone { name: "UTC".to_owned(), zone: TimeZone::UTC }
    }
}

impl FromStr for Zone {
    type Err = String;

    fn from_str(text: &str) -> Result<Zone, String> {
        let zones = jiff::tz::TimeZoneDatabase::bundled();
        match zones.get(text) {
            Ok(zone) => Ok(Zone { name: text.to_owned(), zone }),
            Err(_) => Err(format!("`{text}` is not a time zone such as `Europe/Berlin` or `UTC`")),
        }
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

/// Days and times in five fields: minute, hour, day of month, month, day of week.
#[derive(Clone, Debug, PartialEq)]
pub struct Cron {
    text: String,
    cron: croner::Cron,
    pass: Pass,
}

/// What a clock that is put forward or back does to a schedule.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Pass {
    /// It names hours: each runs once, even if the clock shows it twice or never.
    Once,
    /// It runs in every hour that passes, whatever the clock shows.
    Every,
}

/// Why a text is no [`Cron`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadCron {
    /// Not five fields of letters and digits that cron knows.
    #[error("`{0}` is not five fields: minute, hour, day of month, month, day of week")]
    Fields(String),
    /// A field holds what cron does not know.
    #[error("`{0}`: {1}")]
    Field(String, String),
    /// Both days are given; cron means either, and most people mean both.
    #[error("`{0}` names a day of the month and a day of the week, and cron would run on either")]
    TwoDays(String),
    /// There is no such day.
    #[error("`{0}` names a day that never comes")]
    Never(String),
    /// Every occurrence is a run with a journal and a place in the history.
    #[error("`{0}` runs more often than every {EVERY_MINS_MIN} minutes")]
    TooOften(String),
}

/// The shortest time between two occurrences, in minutes.
const EVERY_MINS_MIN: i64 = 5;

/// The longest text of the five fields, in bytes.
const CRON_BYTES_MAX: usize = 120;

impl Cron {
    /// The first match at or after a time of a clock without zone, both in seconds since 1970.
    fn at_or_after(&self, civil: i64) -> Option<i64> {
        let from = DateTime::<Utc>::from_timestamp(civil, 0)?;
        let found = self.cron.find_next_occurrence(&from, true).ok()?;
        Some(found.timestamp())
    }

    /// Whether the times of the pattern keep their distance. An hour has at most sixty of them, so
    /// the shortest distance is among the first sixty-one.
    fn keeps_distance(&self) -> bool {
        let first = self.at_or_after(0);
        let times = std::iter::successors(first, |last| self.at_or_after(last + 1));
        let times: Vec<i64> = times.take(61).collect();
        times.windows(2).all(|two| two[1] - two[0] >= EVERY_MINS_MIN * 60)
    }
}

/// Whether the day of a pattern ever comes. Asked about eight years, which hold every day that
/// there is: croner would look for 30 February up to the year 5000.
fn comes(text: &str) -> bool {
    let years = CronParser::new().parse(&format!("0 {text} 2000-2007"));
    let start = DateTime::<Utc>::from_timestamp(946_684_800, 0);
    years
        .ok()
        .zip(start)
        .is_some_and(|(cron, start)| cron.find_next_occurrence(&start, true).is_ok())
}

/// The message of croner without its frame.
fn why(error: &croner::errors::CronError) -> String {
    let text = error.to_string();
    let text = text.rsplit(": ").next().unwrap_or_default();
    text.trim_end_matches('.').to_lowercase()
}

impl FromStr for Cron {
    type Err = BadCron;

    fn from_str(text: &str) -> Result<Cron, BadCron> {
        let short: String = text.chars().take(40).collect();
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let known = |b: u8| b.is_ascii_alphanumeric() || b" *,/#-".contains(&b);
        if text.len() > CRON_BYTES_MAX || fields.len() != 5 || !text.bytes().all(known) {
            return Err(BadCron::Fields(short));
        }
        if fields[2] != "*" && fields[4] != "*" {
            return Err(BadCron::TwoDays(short));
        }
        let parser =
            CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron =
            parser.parse(text).map_err(|error| BadCron::Field(short.clone(), why(&error)))?;
        let pass = if fields[1] == "*" { Pass::Every } else { Pass::Once };
        let cron = Cron { text: text.to_owned(), cron, pass };
        if !comes(text) {
            return Err(BadCron::Never(short));
        }
        if !cron.keeps_distance() {
            return Err(BadCron::TooOften(short));
        }
        Ok(cron)
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}
