//! What a drill asks before it moves anybody.

use super::{Description, On, action};
use crate::{application::detection::Alarm, shell::command, value::words};

words! {
    /// Which alarms of an application's `drills` are meant.
    Alarms {
        /// Those that keep a drill from moving users.
        Blocking = "blocking",
        /// Those that stop it while it does.
        Outcome = "outcome",
    }
}

action! {
    /// Checks that a drill may move users now, by the hours and days in the application's `drills`.
    CheckCalendar = "check-calendar", Inside, on: &[], needs_active: false, global: false,
    with {
        /// Nothing is checked when this is `false`.
        wanted: Option<bool>,
    }
    gives {
        /// `open`, or `not_wanted`.
        calendar: String,
    }
}

impl CheckCalendar {
    /// Whether it is checked at all.
    pub fn is_wanted(&self) -> bool {
        self.wanted.unwrap_or(true)
    }

    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let name = &on.application.name;
        let effect = vec![format!("muster: the hours and days of the drills of {name} (reads)")];
        Description { effect, ..Description::default() }
    }
}

action! {
    /// Checks that each of an application's alarms for drills is known to be OK. One that rings fails the step; one that has no data is waited for.
    CheckAlarms = "check-alarms", Reads, on: &[], needs_active: false, global: false,
    with {
        /// Which ones.
        which: Alarms,
        /// Nothing is checked when this is `false`.
        wanted: Option<bool>,
    }
    gives {
        /// What each of them says.
        seen: String,
    }
}

impl CheckAlarms {
    /// The alarms that are asked; none where nothing is to be checked.
    pub fn of<'a>(&self, on: &On<'a>) -> &'a [Alarm] {
        if !self.wanted.unwrap_or(true) {
            return &[];
        }
        match self.which {
            Alarms::Blocking => &on.application.drills.blocking_alarms,
            Alarms::Outcome => &on.application.drills.outcome_alarms,
        }
    }

    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let alarms = self.of(on);
        let effect =
            |one: &Alarm| format!("cloudwatch {}: DescribeAlarms {} (reads)", one.region, one.name);
        let by_hand = |one: &Alarm| {
            command!(
                "aws cloudwatch describe-alarms --region {} --alarm-names {}",
                one.region,
                one.name
            )
        };
        Description {
            effect: alarms.iter().map(effect).collect(),
            by_hand: alarms.iter().map(by_hand).collect(),
            permissions: if alarms.is_empty() {
                Vec::new()
            } else {
                vec!["cloudwatch:DescribeAlarms".to_owned()]
            },
        }
    }
}
