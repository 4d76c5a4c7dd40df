//! `muster demo`: a daemon over two simulated regions, a backup, the loss of a region, a failover.
//!
//! Everything goes through the public API; only the loss of the region is done behind the curtain.

mod stage;
mod story;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc};

use muster_runbooks::{application::Application, runbook::library::Library, schedule};
use muster_state::journal::{LogJournal, Options};

use crate::{
    api::{Api, serve::Doors},
    catalogue::Catalogue,
    cli::{Demo, Exit, Terminal},
    clock::Clock,
    config::Home,
    config::{Listen, Token},
    offline::chain,
    perform,
    serve::{self, Process},
    world::{Simulated, World, sim::Sim},
};
use stage::{People, hash};

/// The application of the demo is the one of the reference configuration.
const APPLICATION: (&str, &str) = (
    "deploy/covetpy/applications/covetpy.yaml",
    include_str!("../../deploy/covetpy/applications/covetpy.yaml"),
);

/// Its schedules.
const SCHEDULES: (&str, &str) =
    ("deploy/covetpy/schedules.yaml", include_str!("../../deploy/covetpy/schedules.yaml"));

/// Why there is no demo.
type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// Plays the demo, and leaves a daemon to play with unless `--exit` was given.
pub async fn demo(args: &Demo, terminal: &mut Terminal) -> Exit {
    match play(args, terminal).await {
        Ok(exit) => exit,
        Err(trouble) => {
            terminal.aside(format!("error: {}", chain(&*trouble)));
            Exit::No
        }
    }
}

async fn play(args: &Demo, terminal: &mut Terminal) -> Result<Exit, Trouble> {
    let folder = Folder::fresh()?;
    let clock = Clock::scaled(Clock::Real.now(), args.speed);
    let (catalogue, application) = catalogue()?;
    let sim = Sim::new(args.seed, std::slice::from_ref(&application), clock.now());
    let world = Arc::new(World::Sim(Simulated::new(sim, clock.clone())));
    let options = Options::new(clock.now(), env!("CARGO_PKG_VERSION"));
    let journal = Arc::new(LogJournal::open(&folder.0, options)?);
    let doors = doors(args.listen).await?;
    let process = Process::start(journal, Arc::clone(&world), clock.clone(), Arc::new(catalogue));
    let people = People::seed();
    let tokens: Vec<Token> = people
        .all()
        .map(|(name, role, token)| Token { name: name.to_owned(), role, sha256: hash(token) })
        .collect();
    let api = Api::new(process.intake.clone(), &tokens)?;
    let server = format!("http://{}", doors.http()?);
    let metrics = format!("http://{}/metrics", doors.metrics()?);
    let stop = doors.stop();
    let told = async {
        let story = story::Story {
            server: &server,
            people: &people,
            application: &application,
            clock: &clock,
            world: &world,
        };
        let well = story.tell(terminal).await?;
        if args.exit {
            return Ok::<Exit, Trouble>(if well { Exit::Done } else { Exit::No });
        }
        stage::say_what_is_left(terminal, &server, &metrics, &people, &application);
        serve::told_to_stop().await;
        Ok(if well { Exit::Done } else { Exit::No })
    };
    let exit = tokio::select! {
        served = doors.serve(api) => Err(served.err().map_or_else(|| "the doors closed".into(), Trouble::from)),
        exit = told => exit,
        () = serve::told_to_stop() => Ok(Exit::No),
    };
    stop.gently(std::time::Duration::ZERO);
    process.stop().await;
    exit
}

fn catalogue() -> Result<(Catalogue, Application), Trouble> {
    let listed = |findings: Vec<muster_runbooks::check::Finding>| {
        findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let application = Application::parse(APPLICATION.0, APPLICATION.1).map_err(listed)?;
    let schedules = schedule::parse(SCHEDULES.0, SCHEDULES.1).map_err(listed)?;
    let catalogue = Catalogue {
        library: Library::shipped(),
        applications: BTreeMap::from([(application.name.clone(), application.clone())]),
        schedules,
        // A demonstration is lost with nothing.
        runs_in: Some(Home::Elsewhere),
    };
    Ok((catalogue, application))
}

/// The usual ports, or free ones when somebody has them.
async fn doors(http: SocketAddr) -> Result<Doors, Trouble> {
    let usual = Listen { http, ..Listen::default() };
    if let Ok(doors) = Doors::open(&usual).await {
        return Ok(doors);
    }
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    Ok(Doors::open(&Listen { http: free, metrics: free, tls: None }).await?)
}

/// A state directory of its own for every demo, gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn fresh() -> Result<Folder, std::io::Error> {
        use std::os::unix::fs::DirBuilderExt;
        let path = std::env::temp_dir().join(format!("muster-demo-{}", perform::fresh_id()));
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays behind is a nuisance, and nothing else.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
