//! The one door behind the three: a request becomes a run here, a word from a person reaches its
//! run from here.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
};

use muster_runbooks::{
    application::Application,
    name::{ApplicationName, Region, RunId, StepId},
    plan::{Binding, Plan},
    request::Request,
    runbook::{Runbook, library::Library},
    schedule::Schedule,
};
use muster_state::{
    command::{Accepted, Admission, Command, Person, Refusal, Steer},
    journal::{AppendError, Journal},
    lease::Lease,
    progress::Progress,
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    by_hand::Pages,
    catalogue::Catalogue,
    clock::Clock,
    config::Home,
    detect::Detections,
    inventory::Looks,
    perform::{self, Health, Order, Samples},
    ship::Shipping,
    world::canary::Canaries,
};

/// What the doors talk to. Cheap to clone.
#[derive(Clone)]
pub struct Intake {
    journal: Arc<dyn Journal>,
    orders: mpsc::Sender<Order>,
    samples: Samples,
    canaries: Canaries,
    health: watch::Receiver<Health>,
    looked: watch::Receiver<bool>,
    lease: watch::Receiver<Lease>,
    clock: Clock,
    catalogue: Arc<Catalogue>,
    looks: Looks,
    detections: Detections,
    shipping: Shipping,
    pages: Pages,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Rejected {
    /// No runbook is called so.
    #[error("no runbook is called `{name}`")]
    UnknownRunbook {
        /// The name.
        name: String,
    },
    /// No application is called so.
    #[error("no application is called `{name}`")]
    UnknownApplication {
        /// The name.
        name: String,
    },
    /// The request does not fit its runbook.
    #[error("the request does not fit its runbook: {}", problems.join("; "))]
    Invalid {
        /// Everything that is wrong with it.
        problems: Vec<String>,
    },
    /// The engine refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The journal could not take it.
    #[error(transparent)]
    Journal(#[from] AppendError),
    /// The process is on its way out, or its queue is full.
    #[error("muster cannot take this now; try again")]
    Unavailable,
}

impl Intake {
    /// The door to a performer that reads `orders` at its other end. `looked` says whether every
    /// application has been looked at.
    #[expect(clippy::too_many_arguments, reason = "each is a part of the process, named once")]
    pub fn new(
        journal: Arc<dyn Journal>,
        orders: mpsc::Sender<Order>,
        samples: Samples,
        canaries: Canaries,
        health: watch::Receiver<Health>,
        looked: watch::Receiver<bool>,
        lease: watch::Receiver<Lease>,
        clock: Clock,
        catalogue: Arc<Catalogue>,
    ) -> Intake {
        Intake {
            journal,
            orders,
            samples,
            canaries,
            health,
            looked,
            lease,
            clock,
            catalogue,
            looks: Looks::default(),
            detections: Detections::default(),
            shipping: Shipping::default(),
            pages: Pages::default(),
        }
    }

    /// Takes a request in: plans it and has it admitted. Returns when that is durable. `asked` is the
    /// [`fingerprint`] of what came through the door.
    ///
    /// # Errors
    ///
    /// When the request does not fit, when the engine refuses, or when nothing can be taken in now.
    pub async fn request(
        &self,
        request: Request,
        proposal: Option<RunId>,
        asked: Option<String>,
    ) -> Result<Accepted, Rejected> {
        match &request.application {
            Some(name) => self.first_look(name).await,
            // Who is served from where decides who is moved.
            None if self.moves_many(&request) => {
                for name in self.catalogue.applications.keys() {
                    self.first_look(name).await;
                }
            }
            None => {}
        }
        let plan = self.plan(&request)?;
        let plan =
            plan.freeze().map_err(|why| Rejected::Invalid { problems: vec![why.to_string()] })?;
        let admission = Admission { id: perform::fresh_id(), request, plan, proposal, asked };
        self.command(Command::Admit(Box::new(admission))).await
    }

    fn moves_many(&self, request: &Request) -> bool {
        self.catalogue.library.get(&request.runbook).is_some_and(Runbook::moves_many)
    }

    /// Waits until somebody has looked from where an application is served, if nobody ever has. The
    /// look has limits of its own, and ends in a region that was lost, too.
    async fn first_look(&self, name: &ApplicationName) {
        let is_seen = self.known(|known| {
            known.applications.get(name).is_some_and(|state| state.active.is_some())
        });
        if !is_seen && self.catalogue.applications.contains_key(name) {
            // Without anybody who looks there is nothing to wait for.
            let _ = self.looked.clone().wait_for(|looked| *looked).await;
        }
    }

    /// What was answered before to who asked for `asked` under this key. What the first one needed may
    /// be gone by now, such as its proposal, so this comes before everything else.
    ///
    /// # Errors
    ///
    /// When the key stands for something else.
    pub fn answered(&self, dedupe_key: &str, asked: &str) -> Result<Option<Accepted>, Rejected> {
        let holder =
            self.known(|known| known.answered(dedupe_key, Some(asked)).map(|one| one.cloned()))?;
        Ok(holder.map(|run| Accepted { run: Some(run), repeated: true }))
    }

    /// The plan that a request would carry out now.
    ///
    /// # Errors
    ///
    /// When runbook or application are unknown, or the request does not fit.
    pub fn plan(&self, request: &Request) -> Result<Plan, Rejected> {
        let runbook = self.catalogue.library.get(&request.runbook);
        let runbook = runbook
            .ok_or_else(|| Rejected::UnknownRunbook { name: request.runbook.to_string() })?;
        let binding = request.application.as_ref().map(|name| self.binding(name)).transpose()?;
        let served = if runbook.moves_many() { self.served() } else { Vec::new() };
        let served: Vec<(&Application, &Region)> =
            served.iter().map(|(application, from)| (*application, from)).collect();
        Plan::among(runbook, request, binding, &served).map_err(|problems| Rejected::Invalid {
            problems: problems.iter().map(ToString::to_string).collect(),
        })
    }

    /// Every application, and from where it was last seen to be served.
    fn served(&self) -> Vec<(&Application, Region)> {
        let applications = self.catalogue.applications.values();
        let known = self.journal.progress();
        applications.map(|one| (one, known.served_from(one).clone())).collect()
    }

    /// Binds the roles: the active region is where the application is served from.
    fn binding(&self, name: &ApplicationName) -> Result<Binding, Rejected> {
        let unknown = || Rejected::UnknownApplication { name: name.to_string() };
        let application = self.catalogue.applications.get(name).ok_or_else(unknown)?.clone();
        let active = self.journal.progress().served_from(&application).clone();
        let standby = application.other(&active).cloned().ok_or_else(|| Rejected::Invalid {
            problems: vec![format!(
                "`{name}` was last seen in {active}, which is neither its home nor its standby"
            )],
        })?;
        Ok(Binding { application, active, standby })
    }

    /// Has a person's word carried out. Returns when that is durable.
    ///
    /// # Errors
    ///
    /// When the engine refuses, or when nothing can be taken in now.
    pub async fn steer(
        &self,
        run: RunId,
        by: Person,
        reason: String,
        steer: Steer,
    ) -> Result<Accepted, Rejected> {
        self.command(Command::Steer { run, by, reason, steer }).await
    }

    /// Has any command carried out. Returns when that is durable.
    ///
    /// # Errors
    ///
    /// When the engine refuses, or when nothing can be taken in now.
    pub async fn command(&self, command: Command) -> Result<Accepted, Rejected> {
        let (answer, answered) = oneshot::channel();
        // A full queue says so at once: whoever waits would not know whether it was taken.
        self.orders.try_send(Order { command, answer }).map_err(|_| Rejected::Unavailable)?;
        answered.await.unwrap_or(Err(Rejected::Unavailable))
    }

    /// What is durable.
    pub fn journal(&self) -> &dyn Journal {
        &*self.journal
    }

    /// The configured applications.
    pub fn applications(&self) -> &BTreeMap<ApplicationName, Application> {
        &self.catalogue.applications
    }

    /// The runbooks.
    pub fn library(&self) -> &Library {
        &self.catalogue.library
    }

    /// The schedules.
    pub fn schedules(&self) -> &[Schedule] {
        &self.catalogue.schedules
    }

    /// Where this process runs, if its configuration says so.
    pub fn runs_in(&self) -> Option<&Home> {
        self.catalogue.runs_in.as_ref()
    }

    /// The clock that everything here is stamped by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The last look at what protects each application: samples, no facts.
    pub fn looks(&self) -> &Looks {
        &self.looks
    }

    /// What those who watch said last: samples, no facts.
    pub fn detections(&self) -> &Detections {
        &self.detections
    }

    /// Whether the process can do its work.
    pub fn health(&self) -> Health {
        self.health.borrow().clone()
    }

    /// Whether this process acts, as it was asked last.
    pub fn lease(&self) -> Lease {
        self.lease.borrow().clone()
    }

    /// How far the log has been shipped.
    pub fn shipping(&self) -> &Shipping {
        &self.shipping
    }

    /// What became of the pages for doing it by hand.
    pub fn pages(&self) -> &Pages {
        &self.pages
    }

    /// A copy of what one reader needs, taken under the lock for as short as possible.
    pub fn known<T>(&self, look: impl FnOnce(&Progress) -> T) -> T {
        look(&self.journal.progress())
    }

    /// What the canaries showed last.
    pub fn canaries(&self) -> &Canaries {
        &self.canaries
    }

    /// What the last look at an open step found, in words, with the instant it was asked for. A
    /// sample, not a fact: it is not in the journal.
    pub fn sample(&self, run: &RunId, step: &StepId) -> Option<Sample> {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        samples.get(&(run.clone(), step.clone())).cloned()
    }
}

/// A number for what was asked for: two requests under one key must have the same.
pub fn fingerprint(asked: &impl Serialize) -> String {
    let text = serde_json::to_vec(asked).unwrap_or_default();
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The last look at an open step.
#[derive(Clone, Debug)]
pub struct Sample {
    /// What was seen.
    pub seen: String,
    /// How far it is, from 0 to 100, if the provider says.
    pub percent: Option<u8>,
    /// When it was asked for.
    pub read_at: jiff::Timestamp,
}
