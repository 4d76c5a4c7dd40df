//! The outside, real or simulated: two verbs.

mod admission;
pub mod aws;
pub mod canary;
mod custom;
pub mod dns;
pub mod drill;
mod flush;
pub mod hook;
pub mod http;
pub mod inventory;
pub mod kube;
mod masked;
mod node;
pub mod notify;
pub mod observers;
pub mod rates;
pub mod real;
pub mod report;
mod restart;
pub mod sim;
pub mod sql;
mod takeover;
pub mod version;
pub mod whereabouts;
mod worker;
mod workload;

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use muster_runbooks::{
    application::{Application, detection::Alarm},
    name::Region,
};
use muster_state::{
    call::{Answer, Call, CallError, Reading},
    detect::{Sees, Vote},
};

use crate::clock::Clock;
use canary::Canaries;
use inventory::Inventory;
use real::Real;
use sim::Sim;
use whereabouts::Whereabouts;

/// What runs act on.
#[expect(clippy::large_enum_variant, reason = "there is one of them in a process")]
pub enum World {
    /// AWS, name servers and whatever else there is.
    Real(Real),
    /// Two simulated regions.
    Sim(Simulated),
}

impl World {
    /// Looks how far a call has come. Changes nothing.
    ///
    /// # Errors
    ///
    /// When there is no answer, or a definite refusal.
    pub async fn observe(&self, call: &Call) -> Result<Reading, CallError> {
        match self {
            World::Real(world) => world.observe(call).await,
            World::Sim(world) => world.observe(call).await,
        }
    }

    /// Asks for a call to be begun.
    ///
    /// # Errors
    ///
    /// When there is no answer, or a definite refusal. Without an answer it may have begun.
    pub async fn begin(&self, call: &Call) -> Result<Answer, CallError> {
        match self {
            World::Real(world) => world.begin(call).await,
            World::Sim(world) => world.begin(call).await,
        }
    }

    /// What the canaries showed last; nothing in a world that has none.
    pub fn canaries(&self) -> Canaries {
        match self {
            World::Real(world) => world.canaries().clone(),
            World::Sim(_) => Canaries::default(),
        }
    }

    /// Looks from where an application is served. Belongs to no run, and changes nothing.
    pub async fn locate(&self, application: &Application) -> Whereabouts {
        match self {
            World::Real(world) => world.locate(application).await,
            World::Sim(world) => world.with(|sim, now| sim.locate(now, application)),
        }
    }

    /// Asks everybody who watches an application about a region. Belongs to no run, and changes nothing.
    pub async fn votes(&self, application: &Application, region: &Region) -> Vec<Vote> {
        match self {
            World::Real(world) => observers::votes(world, application, region).await,
            World::Sim(world) => world.with(|sim, now| sim.votes(now, application, region)),
        }
    }

    /// What one alarm says now. Belongs to no run, and changes nothing.
    pub async fn alarm(&self, alarm: &Alarm) -> (Sees, String) {
        match self {
            World::Real(world) => {
                let (sees, _, why) = aws::alarm::observe(world, alarm).await;
                (sees, why)
            }
            World::Sim(_) => (Sees::Unknown, "the simulated world has no alarms".to_owned()),
        }
    }

    /// Looks at everything that protects an application. Belongs to no run, and changes nothing. Lists
    /// that were asked for at `since` or later serve all applications.
    pub async fn inventory(&self, application: &Application, since: Timestamp) -> Inventory {
        match self {
            World::Real(world) => world.inventory(application, since).await,
            World::Sim(world) => world.with(|sim, now| sim.inventory(now, application)),
        }
    }
}

/// The simulated world behind a clock of this process.
pub struct Simulated {
    sim: Mutex<Sim>,
    clock: Clock,
}

impl Simulated {
    /// Puts a simulated world on a clock.
    pub fn new(sim: Sim, clock: Clock) -> Simulated {
        Simulated { sim: Mutex::new(sim), clock }
    }

    /// Does something to the world, such as taking a region away.
    pub fn with<T>(&self, act: impl FnOnce(&mut Sim, jiff::Timestamp) -> T) -> T {
        act(&mut self.sim.lock().unwrap_or_else(PoisonError::into_inner), self.clock.now())
    }

    async fn observe(&self, call: &Call) -> Result<Reading, CallError> {
        self.clock.sleep(self.with(|sim, _| sim.latency(call))).await;
        self.with(|sim, now| sim.observe(now, call))
    }

    async fn begin(&self, call: &Call) -> Result<Answer, CallError> {
        self.clock.sleep(self.with(|sim, _| sim.latency(call))).await;
        self.with(|sim, now| sim.begin(now, call))
    }
}
