//! Those who watch a region, each from a failure domain of its own.

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    action::{check::CheckObservers, drill::CheckAlarms},
    application::{Application, detection::Observer},
    name::Region,
};
use muster_state::{
    call::{Call, CallError, Progress},
    detect::{Sees, Vote},
};

use super::{
    Sim,
    fault::Fault,
    no_outside,
    wire::{Door, Side},
};
use crate::world::{aws::alarm, observers::judge};

/// An observer needs so long to see that something has changed.
const NOTICES_AFTER: SignedDuration = SignedDuration::from_secs(10);

const ASK: Door<'static> = Door { service: "observer", operation: "GET", side: Side::Elsewhere };

pub(super) fn observe(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &CheckObservers,
) -> Result<Progress, CallError> {
    let on = call.on().ok_or_else(|| no_outside(call))?;
    sim.ask(now, ASK)?;
    Ok(judge(&sim.votes(now, on.application, on.active), call, action))
}

/// An alarm rings while a region of its application is not well, and says nothing with its own region gone.
pub(super) fn observe_alarms(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &CheckAlarms,
) -> Result<Progress, CallError> {
    let on = call.on().ok_or_else(|| no_outside(call))?;
    sim.ask(now, ASK)?;
    let truth = sim.truth();
    let is_well = truth.is_well(on.active, now) && truth.is_well(on.standby, now);
    let said = action.of(&on).iter().map(|alarm| {
        let name = &alarm.name;
        if !truth.is_well(&alarm.region, now) {
            (Sees::Unknown, format!("`{name}` has no data"))
        } else if is_well {
            (Sees::Healthy, format!("`{name}` is OK"))
        } else {
            (Sees::Lost, format!("`{name}` rings"))
        }
    });
    Ok(alarm::judge(said))
}

impl Sim {
    /// What everybody who watches an application says about a region.
    pub fn votes(&self, now: Timestamp, application: &Application, region: &Region) -> Vec<Vote> {
        application.observers.iter().map(|observer| self.vote(observer, region, now)).collect()
    }

    fn vote(&self, observer: &Observer, region: &Region, now: Timestamp) -> Vote {
        let (sees, since) = self.sees(observer, region, now);
        let why = match sees {
            Sees::Unknown => "no answer",
            Sees::Lost => "nothing answers there",
            Sees::Healthy => "it serves",
        };
        Vote {
            observer: observer.name.clone(),
            domain: observer.domain.clone(),
            sees,
            since,
            why: why.to_owned(),
        }
    }

    fn sees(
        &self,
        observer: &Observer,
        region: &Region,
        now: Timestamp,
    ) -> (Sees, Option<Timestamp>) {
        let lying = Fault::ObserverLies { observer: observer.name.clone() };
        let lies = self.faults.at(now).any(|fault| *fault == lying);
        if is_silent(self, observer, now) {
            return (Sees::Unknown, None);
        }
        let lost_since = self.lost_since(region, now - NOTICES_AFTER);
        match (lost_since, lies) {
            (Some(since), false) => (Sees::Lost, Some(since)),
            (None, false) | (Some(_), true) => (Sees::Healthy, None),
            (None, true) => (Sees::Lost, Some(self.since)),
        }
    }
}

/// Whether an observer does not answer: it was silenced, or sits in a region that fails with it.
pub(super) fn is_silent(sim: &Sim, observer: &Observer, now: Timestamp) -> bool {
    let silent = Fault::ObserverSilent { observer: observer.name.clone() };
    let domain = observer.domain.strip_prefix("aws-").unwrap_or(&observer.domain);
    let place: Option<Region> = domain.parse().ok();
    sim.faults.at(now).any(|fault| *fault == silent)
        || place.is_some_and(|place| !sim.regions.is_reachable(&place, now))
}
