//! What the lease allows: no promise and no begin without it.

use jiff::Timestamp;

use super::{Engine, Output};
use crate::{
    command::{Command, Refusal},
    lease::{Lease, Missing},
    run::Run,
};

impl Engine {
    /// Takes in whose the lease is. What waited for it goes on at once.
    pub(super) fn leased(&mut self, now: Timestamp, lease: Lease, out: &mut Vec<Output>) {
        if let Lease::Held { epoch, .. } = &lease
            && *epoch != self.known.epoch
        {
            let known = self.known.epoch;
            let what = format!("the lease has epoch {epoch}, and the journal knows {known}");
            return out.push(Output::Bug(what));
        }
        let acted = self.lease.forbids(now).is_none();
        if let Lease::Held { acts_until, .. } = self.lease {
            self.acted_at = self.acted_at.max(Some(acts_until.min(now)));
        }
        self.lease = lease;
        if !acted {
            // Never act late: what was promised before may no longer be what is wanted (design §3.4).
            if self.lease.forbids(now).is_none() {
                self.gate(now, "without the lease nothing was begun for", out);
            }
            self.advance_all(now, out);
        }
    }

    /// Whether a run may neither promise nor begin anything: all is off, or this process is not known
    /// to be the one that acts and nobody took that upon themselves for this run.
    pub(super) fn begins_nothing(&self, now: Timestamp, run: &Run) -> bool {
        let lets = |why: Missing| why.may_be_overridden() && run.lease_overridden.is_some();
        self.known.off.is_some() || !self.lease.forbids(now).is_none_or(lets)
    }

    /// Until when something may be sent that was allowed now.
    pub(super) fn not_after(&self, now: Timestamp, deadline: Timestamp) -> Timestamp {
        match &self.lease {
            // A run that goes on without the lease has its own deadline only.
            Lease::Held { acts_until, .. } if now < *acts_until => deadline.min(*acts_until),
            Lease::Held { .. } | Lease::NotConfigured | Lease::Missing(_) => deadline,
        }
    }

    /// Overriding is for the case that nobody can tell. Where somebody else acts, two would.
    pub(super) fn may_override(&self, now: Timestamp) -> Result<(), Refusal> {
        let because = match self.lease.forbids(now) {
            Some(why) if why.may_be_overridden() => return Ok(()),
            Some(why) => why.to_string(),
            None => "nothing waits for the lease".to_owned(),
        };
        Err(Refusal::NotNow { what: "overriding the lease", because })
    }

    /// What another process should be told is refused here. What only this one saw is written down.
    pub(super) fn may_be_said(&self, command: &Command) -> Result<(), Refusal> {
        let Some(why) = self.lease.stands_down() else { return Ok(()) };
        match command {
            Command::Refused { .. }
            | Command::Active { .. }
            | Command::Finding { .. }
            | Command::Canary { .. }
            | Command::Peak { .. }
            | Command::Grant(_) => Ok(()),
            Command::Admit(_)
            | Command::Propose { .. }
            | Command::Steer { .. }
            | Command::Unstarted { .. }
            | Command::Off { .. }
            | Command::On { .. }
            | Command::Missed { .. }
            | Command::Keep { .. }
            | Command::Mark { .. }
            | Command::Care { .. }
            | Command::Freeze { .. }
            | Command::Thaw { .. }
            | Command::Nudge { .. } => Err(Refusal::NotTheActor { because: why.to_string() }),
        }
    }
}
