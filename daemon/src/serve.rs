//! One process, put together: the journal, the performer, the doors.

use std::sync::Arc;

use muster_state::journal::Journal;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tracing::{error, info};

use crate::{
    catalogue::Catalogue,
    clock::Clock,
    intake::Intake,
    perform::{COMMANDS_MAX, Health, Performer, Samples},
    schedule::Bell,
    world::World,
};

/// A running process without its listeners.
pub struct Process {
    /// What the doors talk to.
    pub intake: Intake,
    tasks: JoinSet<()>,
}

impl Process {
    /// Takes up everything that is open and begins to plan.
    pub fn start(
        journal: Arc<dyn Journal>,
        world: Arc<World>,
        clock: Clock,
        catalogue: Arc<Catalogue>,
    ) -> Process {
        let samples = Samples::default();
        let (health, healthy) = watch::channel(Health::Starting);
        let (orders, ordered) = mpsc::channel(COMMANDS_MAX);
        let performer = Performer::new(
            Arc::clone(&journal),
            world,
            clock.clone(),
            Arc::clone(&samples),
            health,
        );
        let mut tasks = JoinSet::new();
        tasks.spawn(performer.run(ordered));
        let intake = Intake::new(journal, orders, samples, healthy, clock, catalogue);
        let planner = intake.clone();
        tasks.spawn(async move {
            match Bell::hang().await {
                Ok(bell) => bell.plan(&planner).await,
                Err(error) => error!(%error, "the ticker cannot be started; nothing is scheduled"),
            }
        });
        Process { intake, tasks }
    }

    /// Adds something that runs as long as the process.
    pub fn keep(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Ends every task. Open calls are dropped; whoever comes next observes before it begins.
    pub async fn stop(mut self) {
        info!("stopping");
        self.tasks.shutdown().await;
    }
}
