//! The way from Muster to a service and back: where calls are delayed, turned away and lost.

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{action::Action, name::Region};
use muster_state::call::{Call, CallError};

use super::{Sim, fault::Fault, hook};
use crate::world::rates::Kind;

/// What nobody hears: a call whose turn has not come is asked again when it has.
const WAITS: &str = "its turn has not come";

/// The service and operation that a call goes to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Door<'a> {
    /// Such as `rds`.
    pub(super) service: &'static str,
    /// Such as `CopyDBClusterSnapshot`.
    pub(super) operation: &'static str,
    /// Where it is.
    pub(super) side: Side<'a>,
}

/// Which part of the world must be well for a call to be answered.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side<'a> {
    /// The management API of a region.
    Control(&'a Region),
    /// What runs in a region: objects, the application itself.
    Data(&'a Region),
    /// The control plane of a global service, which lives in us-east-1 (facts §5.1).
    Global,
    /// Somewhere else: name servers, observers, receivers of notices.
    Elsewhere,
}

impl<'a> Door<'a> {
    pub(super) fn rds(region: &'a Region, operation: &'static str) -> Door<'a> {
        Door { service: "rds", operation, side: Side::Control(region) }
    }

    pub(super) fn s3(region: &'a Region, operation: &'static str) -> Door<'a> {
        Door { service: "s3", operation, side: Side::Data(region) }
    }

    /// The API server of a region's cluster.
    pub(super) fn kubernetes(region: &'a Region, operation: &'static str) -> Door<'a> {
        Door { service: "kubernetes", operation, side: Side::Data(region) }
    }

    pub(super) fn http(region: &'a Region) -> Door<'a> {
        Door { service: "http", operation: "GET", side: Side::Data(region) }
    }

    fn region(self) -> Option<&'a Region> {
        match self.side {
            Side::Control(region) | Side::Data(region) => Some(region),
            Side::Global | Side::Elsewhere => None,
        }
    }

    fn name(self) -> String {
        match self.region() {
            Some(region) => format!("{} {region}", self.service),
            None => self.service.to_owned(),
        }
    }

    pub(super) fn no_answer(self, cause: &str) -> CallError {
        CallError::NoAnswer {
            service: self.name(),
            operation: self.operation,
            source: cause.to_owned().into(),
        }
    }

    pub(super) fn refused(self, code: &str, message: impl Into<String>) -> CallError {
        CallError::Refused {
            service: self.name(),
            operation: self.operation,
            code: code.to_owned(),
            message: message.into(),
        }
    }
}

/// How long the client waits before it calls a silence "no answer".
pub(super) const CLIENT_TIMEOUT: SignedDuration = SignedDuration::from_secs(5);

impl Sim {
    /// How long a call takes until its answer is there, or until the client gives up.
    pub fn latency(&self, call: &Call) -> SignedDuration {
        let binding = call.binding.as_deref();
        let regions = binding.map(|binding| [&binding.active, &binding.standby]);
        let hangs = |region: &&Region| self.would_hang(region, call.asked_at);
        if call.best_effort && regions.into_iter().flatten().any(|region| hangs(&region)) {
            return CLIENT_TIMEOUT;
        }
        if let Action::RunHooks(action) = &*call.action
            && let Some(length) = hook::hangs_for(self, call, action)
        {
            return length;
        }
        let nth = call.asked_at.as_millisecond();
        self.dice.millis("latency", call.token.as_str(), nth, 15..=250)
    }

    /// Sends a reading call. Returns the instant whose state the answer shows: now, or earlier while
    /// reads are stale.
    pub(super) fn ask(&mut self, now: Timestamp, door: Door<'_>) -> Result<Timestamp, CallError> {
        if self.must_wait(now, door, Kind::Look) {
            return Err(door.no_answer(WAITS));
        }
        self.reach(now, door)?;
        let by = self.faults.at(now).find_map(|fault| {
            if let Fault::StaleReads { by, .. } = fault { Some(by.duration()) } else { None }
        });
        let Some(by) = by else { return Ok(now) };
        let nth = i64::try_from(self.calls).unwrap_or(0);
        let past = self.dice.millis("stale", door.operation, nth, 0..=by.as_millis() as i64);
        Ok((now - past).max(self.since))
    }

    /// Sends a changing call. `carry_out` is what the provider does with it when it arrives.
    pub(super) fn tell<T>(
        &mut self,
        now: Timestamp,
        door: Door<'_>,
        carry_out: impl FnOnce(&mut Sim) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        if self.must_wait(now, door, Kind::Act) {
            return Err(door.no_answer(WAITS));
        }
        self.reach(now, door)?;
        match self.faults.reply_lost(door.operation) {
            None => carry_out(self),
            Some(true) => {
                // Whatever the provider answered, nobody hears it.
                drop(carry_out(self));
                Err(door.no_answer("connection reset while waiting for the answer"))
            }
            Some(false) => Err(door.no_answer("connection reset")),
        }
    }

    fn reach(&mut self, now: Timestamp, door: Door<'_>) -> Result<(), CallError> {
        self.calls += 1;
        let well = match door.side {
            Side::Control(region) => self.regions.is_managed(region, now),
            Side::Data(region) => self.regions.is_reachable(region, now),
            Side::Global => self.is_global_well(now),
            Side::Elsewhere => true,
        };
        if !well || self.is_silent(door, now) {
            return Err(door.no_answer("timed out"));
        }
        let service = (!matches!(door.side, Side::Elsewhere)).then_some(door.service);
        let Some(service) = service else { return Ok(()) };
        for fault in self.faults.at(now) {
            if let Fault::Throttled { service: which, region, .. } = fault {
                let here = region.as_ref().is_none_or(|region| door.region() == Some(region));
                if here && which.is_none_or(|which| which == service) {
                    return Err(door.no_answer("ThrottlingException: Rate exceeded"));
                }
            }
            if matches!(fault, Fault::CredentialsExpired { .. }) && service != "http" {
                return Err(CallError::Credentials {
                    service: door.name(),
                    operation: door.operation,
                    code: "ExpiredToken".to_owned(),
                });
            }
        }
        Ok(())
    }

    fn is_silent(&self, door: Door<'_>, now: Timestamp) -> bool {
        door.region().is_some_and(|region| self.is_swallowed(region, now))
    }

    fn is_swallowed(&self, region: &Region, now: Timestamp) -> bool {
        let swallows =
            |fault: &Fault| matches!(fault, Fault::Silence { region: at, .. } if at == region);
        self.faults.at(now).any(swallows)
    }

    /// Global control planes die by their own fault, and with us-east-1.
    pub(super) fn is_global_well(&self, now: Timestamp) -> bool {
        let dead = self.faults.at(now).any(|fault| *fault == Fault::GlobalControlPlane);
        let home = self.global_home.as_ref();
        !dead && home.is_none_or(|home| self.regions.is_managed(home, now))
    }

    /// Whether a call to a region would wait for the client's time-out.
    pub(super) fn would_hang(&self, region: &Region, now: Timestamp) -> bool {
        !self.regions.is_well(region, now) || self.is_swallowed(region, now)
    }
}
