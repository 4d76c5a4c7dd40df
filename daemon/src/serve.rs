//! One process, put together: the journal, the performer, the doors.

use std::{error::Error, path::Path, sync::Arc, time::Duration};

use muster_state::{
    journal::{Journal, LogJournal, Options},
    lease::{Lease, Missing},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    task::JoinSet,
};
use tracing::{error, info, warn};

use crate::{
    BUILD_ID,
    api::{Api, serve::Doors},
    by_hand, canary,
    catalogue::Catalogue,
    cli::{Exit, Serve, Terminal},
    clock::Clock,
    config::{BadConfig, Config},
    freezes, heartbeat,
    intake::Intake,
    lease, letter,
    offline::chain,
    perform::{COMMANDS_MAX, Health, Performer, Samples},
    queue,
    schedule::Bell,
    ship, telemetry,
    world::{
        World,
        aws::Access,
        notify::{Receiver, Unreachable},
        real::{Real, Settings},
    },
};

/// How long requests that are being answered are waited for at the end.
const GRACE: Duration = Duration::from_millis(500);

/// A running process without its listeners.
pub struct Process {
    /// What the doors talk to.
    pub intake: Intake,
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Process {
    /// Takes up everything that is open and begins to plan, where no lease is configured.
    pub fn start(
        journal: Arc<dyn Journal>,
        world: Arc<World>,
        clock: Clock,
        catalogue: Arc<Catalogue>,
    ) -> Process {
        let (_, lease) = watch::channel(Lease::NotConfigured);
        Process::under(lease, journal, world, clock, catalogue)
    }

    /// The same under a lease that somebody keeps.
    pub fn under(
        lease: watch::Receiver<Lease>,
        journal: Arc<dyn Journal>,
        world: Arc<World>,
        clock: Clock,
        catalogue: Arc<Catalogue>,
    ) -> Process {
        // Before anybody writes: what is written from here on is a sign of this process's life.
        let alive_at = journal.last_beat().max(journal.progress().last_at);
        let samples = Samples::default();
        let (health, healthy) = watch::channel(Health::Starting);
        let (orders, ordered) = mpsc::channel(COMMANDS_MAX);
        let performer = Performer::new(
            Arc::clone(&journal),
            Arc::clone(&world),
            clock.clone(),
            Arc::clone(&samples),
            health,
            lease.clone(),
        );
        let mut tasks = JoinSet::new();
        tasks.spawn(performer.run(ordered));
        let (seen, looked) = watch::channel(false);
        let located = looked.clone();
        let canaries = world.canaries();
        let intake = Intake::new(
            journal, orders, samples, canaries, healthy, looked, lease, clock, catalogue,
        );
        tasks.spawn(crate::watch::watch(intake.clone(), Arc::clone(&world), seen));
        tasks.spawn(crate::detect::watch(intake.clone(), Arc::clone(&world)));
        tasks.spawn(crate::abort::watch(intake.clone(), Arc::clone(&world)));
        tasks.spawn(crate::inventory::watch(intake.clone(), world, located));
        tasks.spawn(crate::overdue::watch(intake.clone()));
        tasks.spawn(crate::children::watch(intake.clone()));
        let planner = intake.clone();
        tasks.spawn(async move {
            match Bell::hang().await {
                Ok(bell) => bell.plan(&planner, alive_at).await,
                Err(error) => error!(%error, "the ticker cannot be started; nothing is scheduled"),
            }
        });
        let (stop, _) = watch::channel(false);
        Process { intake, tasks, stop }
    }

    /// Reads the queues that events come through.
    pub fn read_queues(&mut self, config: &Config) {
        for door in queue::doors(&config.queues, &self.intake, &self.stop.subscribe()) {
            self.keep(door);
        }
    }

    /// Adds something that runs as long as the process.
    pub fn keep(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Ends every task. Open calls are dropped; whoever comes next observes before it begins.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        self.tasks.shutdown().await;
    }
}

/// Why the daemon does not start.
#[derive(Debug, thiserror::Error)]
enum CannotServe {
    #[error(transparent)]
    Config(#[from] BadConfig),
    #[error(
        "--clock-file needs AWS_ENDPOINT_URL on loopback: a made-up time must never reach a real account"
    )]
    ClockBeyondLoopback,
    #[error(transparent)]
    Receivers(#[from] Unreachable),
    #[error("the journal cannot be opened")]
    Journal(#[source] Box<dyn Error + Send + Sync>),
    #[error("the world cannot be reached")]
    World(#[source] Box<dyn Error + Send + Sync>),
    #[error("the doors cannot be opened")]
    Doors(#[source] Box<dyn Error + Send + Sync>),
}

/// Runs the daemon until it is told to stop.
pub async fn serve(args: &Serve, terminal: &mut Terminal) -> Exit {
    telemetry::start();
    match run(args).await {
        Ok(()) => Exit::Done,
        Err(error) => {
            terminal.aside(format!("error: {}", chain(&error)));
            match error {
                CannotServe::Config(_)
                | CannotServe::ClockBeyondLoopback
                | CannotServe::Receivers(_) => Exit::BadUse,
                CannotServe::Journal(_) | CannotServe::World(_) | CannotServe::Doors(_) => Exit::No,
            }
        }
    }
}

async fn run(args: &Serve) -> Result<(), CannotServe> {
    let config = Config::load(&args.config)?;
    let (catalogue, warnings) = Catalogue::load(&config)?;
    for warning in warnings {
        warn!("{warning}");
    }
    let receivers = Receiver::load(&config.receivers, config.public_url.as_deref())?;
    let report_key = config.report_key()?;
    let clock = clock(args.clock_file.as_deref())?;
    let options = Options::new(clock.now(), &format!("{} {BUILD_ID}", env!("CARGO_PKG_VERSION")));
    let journal =
        LogJournal::open(&config.state, options).map_err(|why| CannotServe::Journal(why.into()))?;
    letter::open(&config.state, &journal, &clock)
        .await
        .map_err(|why| CannotServe::Journal(why.into()))?;
    let epoch = journal.progress().epoch;
    let settings = Settings {
        access: Access::Environment,
        kubeconfig: config.kubeconfig.clone(),
        receivers,
        rates: config.rates.clone(),
        clock: clock.clone(),
        epoch,
        comparisons: Some(config.state.join("comparisons")),
    };
    let real = Real::new(settings).await.map_err(|why| CannotServe::World(why.into()))?;
    let world = Arc::new(World::Real(real));
    let doors = Doors::open(&config.listen).await.map_err(|why| CannotServe::Doors(why.into()))?;
    let (says, said) = watch::channel(match &config.lease {
        Some(_) => Lease::Missing(Missing::Unasked),
        None => Lease::NotConfigured,
    });
    let (journal, catalogue) = (Arc::new(journal), Arc::new(catalogue));
    let mut process = Process::under(said, journal, Arc::clone(&world), clock, catalogue);
    process.keep(lease::keep(process.intake.clone(), Arc::clone(&world), config.clone(), says));
    process.keep(heartbeat::keep(process.intake.clone(), Arc::clone(&world), config.clone()));
    process.keep(ship::keep(process.intake.clone(), Arc::clone(&world), config.clone()));
    process.keep(letter::keep(process.intake.clone(), config.state.clone()));
    process.keep(by_hand::keep(process.intake.clone(), Arc::clone(&world), config.clone()));
    process.keep(freezes::keep(process.intake.clone(), Arc::clone(&world), config.clone()));
    process.keep(canary::keep(process.intake.clone(), world));
    process.read_queues(&config);
    let api = Api::new(process.intake.clone(), &config.tokens)
        .map_err(|why| CannotServe::Doors(why.into()))?
        .signing_reports(report_key)
        .behind_glass(config.glass());
    info!(http = %config.listen.http, metrics = %config.listen.metrics, epoch, "serving");
    let stop = doors.stop();
    let served = tokio::select! {
        served = doors.serve(api) => served,
        () = told_to_stop() => {
            info!("stopping");
            stop.gently(GRACE);
            Ok(())
        }
    };
    process.stop().await;
    served.map_err(|why| CannotServe::Doors(why.into()))
}

/// Returns when the process is asked to end.
pub async fn told_to_stop() {
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(error) => {
                warn!(%error, "SIGTERM cannot be listened for");
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        () = terminate => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

fn clock(file: Option<&Path>) -> Result<Clock, CannotServe> {
    let Some(file) = file else { return Ok(Clock::Real) };
    let is_near = |url: &str| {
        ["http://127.0.0.1", "http://localhost", "http://[::1]"].iter().any(|near| {
            url.strip_prefix(near)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
        })
    };
    let endpoints = std::env::vars().filter(|(name, _)| name.starts_with("AWS_ENDPOINT_URL"));
    let endpoints: Vec<(String, String)> = endpoints.collect();
    let has_default = endpoints.iter().any(|(name, _)| name == "AWS_ENDPOINT_URL");
    if has_default && endpoints.iter().all(|(_, url)| is_near(url)) {
        Ok(Clock::File(file.to_owned()))
    } else {
        Err(CannotServe::ClockBeyondLoopback)
    }
}
