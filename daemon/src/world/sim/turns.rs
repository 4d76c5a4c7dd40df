//! Turns of simulated requests under declared rates, as those of real ones: lists are shared, and what
//! changes something waits until it may leave.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::name::Region;

use super::{
    Sim,
    wire::{Door, Side},
};
use crate::world::{
    aws::poller::FRESH,
    rates::{Kind, Lane, Pace, Rates, Service},
};

/// What was sent in one lane.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// How many requests.
    pub count: u32,
    /// The first of them.
    pub first: Timestamp,
    /// The last of them.
    pub last: Timestamp,
}

/// The turns of a world whose requests keep to a table.
#[derive(Debug, Default)]
pub(super) struct Turns {
    pace: Pace,
    /// When each request of a call that is still under way may leave.
    granted: BTreeMap<String, BTreeMap<&'static str, Timestamp>>,
    /// When the last list of its kind was or will be asked for: what RDS shows is listed.
    lists: BTreeMap<(Region, &'static str), Timestamp>,
    /// Whose request comes next.
    calling: String,
    /// When the call that was asked last is to be asked again.
    put_off: Option<Timestamp>,
    sent: BTreeMap<Lane, Sent>,
}

/// How long a look waits before it gives up, as the real client does.
const LOOKS_WAIT: SignedDuration = SignedDuration::from_secs(5);

impl Turns {
    pub(super) fn new(rates: Rates) -> Turns {
        Turns { pace: Pace::new(rates), ..Turns::default() }
    }

    fn comes(&mut self, now: Timestamp, door: Door<'_>, kind: Kind) -> Option<Timestamp> {
        let (service, place) = lane_of(door)?;
        let granted = self.granted.entry(self.calling.clone()).or_default();
        if let Some(at) = granted.get(door.operation) {
            return Some(*at).filter(|at| *at > now);
        }
        let list = place.clone().filter(|_| kind == Kind::Look && service == Service::Rds);
        if let Some(region) = &list
            && let Some(at) = self.lists.get(&(region.clone(), door.operation))
            && *at >= now - FRESH
        {
            granted.insert(door.operation, *at);
            return Some(*at).filter(|at| *at > now);
        }
        let seat = place.map_or_else(|| "everywhere".to_owned(), |region| region.to_string());
        let lane = (service, seat, kind);
        let clock = now.duration_since(Timestamp::UNIX_EPOCH);
        let at_most = if kind == Kind::Look { LOOKS_WAIT } else { SignedDuration::MAX };
        let wait = match self.pace.turn(clock, &lane, at_most) {
            Ok(wait) => wait,
            // It gives up after so long, and asks again.
            Err(_) => return Some(now + LOOKS_WAIT),
        };
        let at = now + wait;
        granted.insert(door.operation, at);
        if let Some(region) = list {
            self.lists.insert((region, door.operation), at);
        }
        let sent = self.sent.entry(lane).or_insert(Sent { count: 0, first: at, last: at });
        (sent.count, sent.last) = (sent.count + 1, at);
        Some(at).filter(|at| *at > now)
    }
}

/// The lane of a service that has a rate, and where it is.
fn lane_of(door: Door<'_>) -> Option<(Service, Option<Region>)> {
    let service = door.service.parse().ok()?;
    match door.side {
        Side::Control(region) | Side::Data(region) => Some((service, Some(region.clone()))),
        Side::Global => Some((service, None)),
        Side::Elsewhere => None,
    }
}

impl Sim {
    /// The same world, asked no more often than a table says.
    #[must_use]
    pub fn under(mut self, rates: Rates) -> Sim {
        self.turns = Some(Turns::new(rates));
        self
    }

    /// The same world, in which everything takes as long as it takes on average: what is left of a
    /// difference between two histories is then not chance.
    #[must_use]
    pub fn steady(mut self) -> Sim {
        self.dice = self.dice.steady();
        self
    }

    /// What was sent in each lane; nothing where there is no table.
    pub fn sent(&self) -> BTreeMap<Lane, Sent> {
        self.turns.as_ref().map(|turns| turns.sent.clone()).unwrap_or_default()
    }

    /// When the call that was just asked is to be asked again, because its turn had not come. Nothing has
    /// happened then. Else the call is over.
    pub fn put_off(&mut self) -> Option<Timestamp> {
        let turns = self.turns.as_mut()?;
        let put_off = turns.put_off.take();
        if put_off.is_none() {
            turns.granted.remove(&turns.calling);
        }
        put_off
    }

    /// Whose requests come next.
    pub(super) fn calls(&mut self, token: &str, kind: Kind) {
        if let Some(turns) = &mut self.turns {
            turns.calling = format!("{token} {kind}");
        }
    }

    /// Whether a request must wait for its turn.
    pub(super) fn must_wait(&mut self, now: Timestamp, door: Door<'_>, kind: Kind) -> bool {
        let Some(turns) = &mut self.turns else { return false };
        let at = turns.comes(now, door, kind);
        turns.put_off = turns.put_off.max(at);
        if kind == Kind::Act && at.is_none() {
            // Nobody is shown what stood before.
            turns.lists.clear();
        }
        at.is_some()
    }
}
