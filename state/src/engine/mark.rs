//! What people say about an application that detection heeds.

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{action::control::PersonRole, name::ApplicationName};

use super::{Engine, Output};
use crate::{
    command::{Accepted, Mark, Person, Refusal},
    event::{ApplicationEvent, Entry},
    steer::may_say,
};

/// Downtime that is longer was forgotten.
const DOWNTIME_MAX: SignedDuration = SignedDuration::from_hours(30 * 24);

impl Engine {
    /// Records it. Downtime that nobody declared cannot be ended, and is over all the same.
    pub(super) fn mark(
        &mut self,
        now: Timestamp,
        application: &ApplicationName,
        by: Person,
        reason: String,
        mark: &Mark,
        out: &mut Vec<Output>,
    ) -> Result<Accepted, Refusal> {
        may_say(&by, PersonRole::Operator, &reason)?;
        let by = by.name;
        let event = match mark {
            Mark::Acknowledged => ApplicationEvent::Acknowledged { by, reason },
            Mark::Down { until } => {
                let latest = now + DOWNTIME_MAX;
                if *until <= now || *until > latest {
                    return Err(Refusal::BadDowntime { until: *until, latest });
                }
                ApplicationEvent::DowntimeBegan { by, reason, until: *until }
            }
            Mark::Up => {
                let state = self.known.applications.get(application);
                if state.is_none_or(|state| state.downtime.is_none()) {
                    return Ok(Accepted { run: None, repeated: true });
                }
                ApplicationEvent::DowntimeEnded { by, reason }
            }
        };
        self.record(now, Entry::application(application, event), out);
        Ok(Accepted { run: None, repeated: false })
    }
}
