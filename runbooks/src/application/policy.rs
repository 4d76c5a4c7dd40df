//! How long recovery points are kept, and when the engine keeps for itself.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::value::{Span, words};

words! {
    /// What a recovery point was made for. It decides for how long it is kept, and whether it may take
    /// one of the last free places in a region's quota: those are kept for what cannot wait.
    Purpose {
        /// A night's backup. Waits until there is room.
        Backup = "backup",
        /// The way back from a deployment, as a last resort, of somebody who waits for it.
        PreDeployment = "pre-deployment",
        /// The way back from maintenance. Waits until there is room, or the window passes.
        PreMaintenance = "pre-maintenance",
        /// Before a failover or failback.
        PreFailover = "pre-failover",
    }
}

impl Purpose {
    /// Whether it may take the last free places.
    pub fn is_urgent(self) -> bool {
        match self {
            Purpose::PreDeployment | Purpose::PreFailover => true,
            Purpose::Backup | Purpose::PreMaintenance => false,
        }
    }
}

impl Default for Purpose {
    /// What points of older journals were made for.
    fn default() -> Purpose {
        Purpose::Backup
    }
}

/// How many of the newest available points per component, region and account always stay, whatever a
/// policy says (design §3.7).
pub const NEWEST_KEPT: u32 = 3;

/// The most monthly points that a policy may keep: ten years.
pub const MONTHLY_MAX: u32 = 120;

/// How long recovery points are kept. A point stays as long as any of these keeps it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Points whose data is older than this may go.
    pub keep_for: Span,
    /// So many of the newest points stay, however old; never fewer than [`NEWEST_KEPT`].
    #[serde(default = "newest_kept")]
    pub keep_last: u32,
    /// The first point of each calendar month in UTC stays for so many months, the present one
    /// counted.
    #[serde(default)]
    pub monthly: u32,
    /// What holds instead of `keep_for` for points from before a deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre_deployment: Option<PreDeployment>,
}

/// How long points from before a deployment are kept.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PreDeployment {
    /// Those whose data is older than this may go.
    pub keep_for: Span,
}

fn newest_kept() -> u32 {
    NEWEST_KEPT
}

impl Default for Retention {
    /// 14 days, the retention of the reference application.
    fn default() -> Retention {
        Retention::of(Span::from_hours(14 * 24))
    }
}

impl Retention {
    /// A retention by age alone.
    pub fn of(keep_for: Span) -> Retention {
        Retention { keep_for, keep_last: NEWEST_KEPT, monthly: 0, pre_deployment: None }
    }

    /// The age up to which a point stays that was made for this.
    pub fn keep_for(&self, purpose: Purpose) -> Span {
        match (purpose, self.pre_deployment) {
            (Purpose::PreDeployment, Some(own)) => own.keep_for,
            (Purpose::PreDeployment, None)
            | (Purpose::Backup | Purpose::PreMaintenance | Purpose::PreFailover, _) => {
                self.keep_for
            }
        }
    }
}

const DAY_MINS: u32 = 24 * 60;
const WEEK_MINS: u32 = 7 * DAY_MINS;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The shortest window that Aurora accepts (facts §2, backup window).
const WINDOW_MINS_MIN: u32 = 30;

/// A window of the engine's own, in UTC: every day `02:00-02:30`, or once a week
/// `sun:02:00-sun:06:00`, spelled as Aurora does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EngineWindow {
    text: String,
    /// Where it begins, in minutes of the week that begins on Monday, or of each day.
    from: u32,
    mins: u32,
    is_daily: bool,
}

/// Why a text is no [`EngineWindow`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "`{text}` is not a window of at least 30 minutes in UTC, such as `02:00-02:30` or `sun:02:00-sun:06:00`"
)]
pub struct BadWindow {
    text: String,
}

impl EngineWindow {
    /// Whether it comes every day.
    pub fn is_daily(&self) -> bool {
        self.is_daily
    }

    /// Whether something that takes so many minutes from a minute of the week on meets it.
    pub fn meets(&self, from: u32, mins: u32) -> bool {
        let starts = |day: u32| self.from + day * DAY_MINS;
        let days = if self.is_daily { 7 } else { 1 };
        (0..days).any(|day| {
            let own = starts(day) % WEEK_MINS;
            let (from, mins) = (from % WEEK_MINS, mins.max(1));
            // Each may reach over the end of the week.
            (own + WEEK_MINS - from) % WEEK_MINS < mins
                || (from + WEEK_MINS - own) % WEEK_MINS < self.mins
        })
    }

    /// Whether the two ever overlap.
    pub fn overlaps(&self, other: &EngineWindow) -> bool {
        let days = if other.is_daily { 7 } else { 1 };
        (0..days).any(|day| self.meets(other.from + day * DAY_MINS, other.mins))
    }
}

/// Minutes of a day, from `hh:mm`.
fn minutes(text: &str) -> Option<u32> {
    let (hours, mins) = text.split_once(':')?;
    let two = |text: &str| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u32>().ok()).flatten()
    };
    let (hours, mins) = (two(hours)?, two(mins)?);
    (hours < 24 && mins < 60).then_some(hours * 60 + mins)
}

/// Minutes of a week, from `ddd:hh:mm`.
fn of_week(text: &str) -> Option<u32> {
    let (day, time) = text.split_once(':')?;
    let day = DAYS.iter().position(|known| day.eq_ignore_ascii_case(known))?;
    Some(u32::try_from(day).ok()? * DAY_MINS + minutes(time)?)
}

impl FromStr for EngineWindow {
    type Err = BadWindow;

    fn from_str(text: &str) -> Result<EngineWindow, BadWindow> {
        let bad = || BadWindow { text: text.chars().take(40).collect() };
        let (from, to) = text.split_once('-').ok_or_else(bad)?;
        let daily = minutes(from).zip(minutes(to));
        let (from, to, length, is_daily) = match daily {
            Some((from, to)) => (from, to, DAY_MINS, true),
            None => {
                let (from, to) = of_week(from).zip(of_week(to)).ok_or_else(bad)?;
                (from, to, WEEK_MINS, false)
            }
        };
        let mins = (to + length - from) % length;
        // Aurora's maintenance window ends within a day of its start.
        if !(WINDOW_MINS_MIN..DAY_MINS).contains(&mins) {
            return Err(bad());
        }
        Ok(EngineWindow { text: text.to_owned(), from, mins, is_daily })
    }
}

impl fmt::Display for EngineWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl Serialize for EngineWindow {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EngineWindow {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<EngineWindow, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: windows meet exactly when they share a minute, over the ends of days and weeks.
    /// Method: a table of pairs.
    #[test]
    fn windows_that_share_a_minute_meet() {
        let window = |text: &str| text.parse::<EngineWindow>().unwrap();
        for (one, other, meet) in [
            ("02:00-02:30", "sun:02:00-sun:06:00", true),
            ("01:30-02:00", "sun:02:00-sun:06:00", false),
            ("06:00-06:30", "sun:02:00-sun:06:00", false),
            ("05:59-06:29", "sun:02:00-sun:06:00", true),
            ("23:45-00:15", "sun:00:00-sun:00:30", true),
            ("00:10-00:40", "sun:23:30-mon:00:11", true),
            ("00:11-00:41", "sun:23:30-mon:00:11", false),
            ("03:00-03:30", "03:15-03:45", true),
            ("sat:22:00-sun:01:00", "sun:00:30-sun:01:30", true),
            ("sat:22:00-sun:01:00", "sun:01:00-sun:01:30", false),
        ] {
            assert_eq!(window(one).overlaps(&window(other)), meet, "{one} {other}");
            assert_eq!(window(other).overlaps(&window(one)), meet, "{other} {one}");
        }
        for text in [
            "2:00-3:00",
            "02:00-02:29",
            "02:00",
            "02:00-25:00",
            "sun:02:00-06:00",
            "02:00-02:00",
            "mon:00:00-tue:00:00",
        ] {
            assert!(text.parse::<EngineWindow>().is_err(), "{text}");
        }
    }
}
