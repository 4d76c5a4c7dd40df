//! When a drill may move users, and which alarms keep it from that or stop it.

use std::collections::BTreeSet;

use jiff::{
    Timestamp,
    civil::{Date, Time},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};

use super::detection::Alarm;
use crate::value::words;

words! {
    /// A day of the week.
    Day {
        /// Monday.
        Mon = "mon",
        /// Tuesday.
        Tue = "tue",
        /// Wednesday.
        Wed = "wed",
        /// Thursday.
        Thu = "thu",
        /// Friday.
        Fri = "fri",
        /// Saturday.
        Sat = "sat",
        /// Sunday.
        Sun = "sun",
    }
}

/// What an application says about drills that move its users. A failover in earnest asks none of it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Drills {
    /// Users may be moved within these only; at any hour where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<Hours>,
    /// Nobody is moved on these days.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<Blocked>,
    /// Nobody is moved unless each of these is known to be OK.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocking_alarms: Vec<Alarm>,
    /// One of these that rings while users are moved stops that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outcome_alarms: Vec<Alarm>,
}

/// Hours of some days of every week.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// The days.
    pub days: BTreeSet<Day>,
    /// From then on.
    pub from: Time,
    /// Before then; later than `from`.
    pub to: Time,
    /// Where the clock hangs, such as `America/New_York`.
    pub zone: String,
}

/// Days on which nobody is moved.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Blocked {
    /// The first day, by the clock of UTC.
    pub from: Date,
    /// The last day.
    pub to: Date,
    /// Why.
    pub because: String,
}

impl Drills {
    /// Whether it says nothing.
    pub fn is_usual(&self) -> bool {
        *self == Drills::default()
    }

    /// Why users are not moved for a drill now; nothing where they may be.
    pub fn forbids(&self, now: Timestamp) -> Option<String> {
        let today = now.to_zoned(TimeZone::UTC).date();
        if let Some(day) = self.blocked.iter().find(|one| (one.from..=one.to).contains(&today)) {
            return Some(format!("no drill until {} is over: {}", day.to, day.because));
        }
        if self.allowed.is_empty() || self.allowed.iter().any(|hours| hours.holds(now)) {
            return None;
        }
        let all: Vec<String> = self.allowed.iter().map(Hours::text).collect();
        Some(format!("drills move users only within {}", all.join(" and ")))
    }
}

impl Hours {
    /// A zone that is not known holds at no time.
    fn holds(&self, now: Timestamp) -> bool {
        let Ok(zone) = TimeZone::get(&self.zone) else { return false };
        let local = now.to_zoned(zone);
        // The order of the words is that of the week.
        let days = [Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat, Day::Sun];
        let today = usize::try_from(local.weekday().to_monday_zero_offset()).ok();
        let is_day = today.and_then(|at| days.get(at)).is_some_and(|day| self.days.contains(day));
        is_day && (self.from..self.to).contains(&local.time())
    }

    fn text(&self) -> String {
        let days: Vec<&str> = self.days.iter().map(|day| day.word()).collect();
        format!("{} {}–{} {}", days.join(", "), self.from, self.to, self.zone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Goal: a drill moves users within its hours only, by the clock of their zone, and never on a day that is
    /// blocked; where nothing is said it may at any time.
    #[test]
    fn when_a_drill_may_move_users() {
        assert_eq!(Drills::default().forbids(at("2026-03-02T03:00:00Z")), None);
        let hours = Hours {
            days: [Day::Tue, Day::Wed].into(),
            from: Time::constant(13, 0, 0, 0),
            to: Time::constant(17, 0, 0, 0),
            zone: "America/New_York".to_owned(),
        };
        let day = Blocked {
            from: Date::constant(2026, 3, 3),
            to: Date::constant(2026, 3, 3),
            because: "the sale".to_owned(),
        };
        let mut drills = Drills { allowed: vec![hours], blocked: vec![day], ..Drills::default() };
        for (now, may) in [
            // Wednesday: 12:59, 13:00, 16:59 and 17:00 in New York.
            ("2026-03-04T17:59:59Z", false),
            ("2026-03-04T18:00:00Z", true),
            ("2026-03-04T21:59:59Z", true),
            ("2026-03-04T22:00:00Z", false),
            // A week later its clocks have been put forward.
            ("2026-03-11T17:00:00Z", true),
            // Thursday, and the Tuesday that is blocked.
            ("2026-03-05T19:00:00Z", false),
            ("2026-03-03T19:00:00Z", false),
        ] {
            assert_eq!(drills.forbids(at(now)).is_none(), may, "{now}");
        }
        let why = drills.forbids(at("2026-03-03T19:00:00Z")).unwrap();
        assert_eq!(why, "no drill until 2026-03-03 is over: the sale");
        drills.allowed[0].zone = "Nowhere/Else".to_owned();
        assert!(
            drills.forbids(at("2026-03-04T18:00:00Z")).is_some(),
            "an unknown zone is no leave"
        );
    }
}
