//! Freezing an application, and letting it thaw: a person's word, written down with until when it holds.

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{action::control::PersonRole, name::ApplicationName};

use super::{Engine, Output};
use crate::{
    command::{Accepted, Person, Refusal},
    event::{ApplicationEvent, Entry},
    steer::may_say,
};

/// No freeze lasts longer by one word: whoever forgets it must not stop all work for ever.
const FREEZE_MAX: SignedDuration = SignedDuration::from_hours(24 * 90);

impl Engine {
    /// Freezes an application until an instant; the last word counts.
    pub(super) fn freeze(
        &mut self,
        now: Timestamp,
        application: &ApplicationName,
        by: Person,
        reason: String,
        until: Timestamp,
        out: &mut Vec<Output>,
    ) -> Result<Accepted, Refusal> {
        may_say(&by, PersonRole::Operator, &reason)?;
        let not_now = |because: &str| {
            Err(Refusal::NotNow { what: "this freeze", because: because.to_owned() })
        };
        if until <= now {
            return not_now("it would have ended before it begins");
        }
        if until.duration_since(now) > FREEZE_MAX {
            return not_now("it would last longer than 90 days; say it again when they are over");
        }
        let event = ApplicationEvent::Frozen { by: by.name, reason, until };
        self.record(now, Entry::application(application, event), out);
        Ok(Accepted { run: None, repeated: false })
    }

    /// Ends a freeze that a person asked for. What a run keeps frozen stays so.
    pub(super) fn thaw(
        &mut self,
        now: Timestamp,
        application: &ApplicationName,
        by: Person,
        reason: String,
        out: &mut Vec<Output>,
    ) -> Result<Accepted, Refusal> {
        may_say(&by, PersonRole::Operator, &reason)?;
        let state = self.known.applications.get(application);
        if state.is_none_or(|state| state.frozen.is_none()) {
            return Ok(Accepted { run: None, repeated: true });
        }
        let event = ApplicationEvent::Thawed { by: by.name, reason };
        self.record(now, Entry::application(application, event), out);
        Ok(Accepted { run: None, repeated: false })
    }
}
