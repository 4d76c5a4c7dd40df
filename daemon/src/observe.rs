//! `muster observe`: watches applications from one place, and says what it sees to whoever asks, signed.
//!
//! It knows no daemon and acts on nothing. What it says is worth as much as its failure domain is its own.

pub mod post;

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use muster_runbooks::name::{ApplicationName, Region};
use serde::Deserialize;
use serde_json::json;

use self::post::Post;
use crate::world::http::allowed;
use crate::{
    api::observe::Window,
    cli::{Exit, Observe, Terminal},
    clock::Clock,
    config,
    offline::chain,
    serve::told_to_stop,
    signing::{KeyFile, SigningKey},
    telemetry,
};

/// The configuration of an observer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What it is called in its reports.
    pub name: String,
    /// Where it answers.
    pub listen: SocketAddr,
    /// The file with the key that it signs with.
    pub key: PathBuf,
    /// What it watches.
    pub applications: Vec<Watched>,
}

/// What is watched of one application.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watched {
    /// The application.
    pub name: ApplicationName,
    /// A URL that surely answers while this observer is well: not the application's, and in nobody's
    /// region.
    pub control: String,
    /// Per region the URL that tells whether the application serves there.
    pub sees: BTreeMap<Region, String>,
}

/// Why there is no observer.
#[derive(Debug, thiserror::Error)]
pub enum CannotObserve {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] config::BadConfig),
    /// It cannot be understood.
    #[error("`{path}`: {why}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// There is no key to sign with.
    #[error(transparent)]
    Key(#[from] KeyFile),
    /// It cannot ask anybody.
    #[error("the observer cannot ask anybody")]
    Client(#[source] reqwest::Error),
    /// It cannot answer.
    #[error("the observer cannot answer on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Config {
    /// Reads the configuration of an observer. A relative path of the key is relative to its directory.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or says what no observer does.
    pub fn load(path: &Path) -> Result<Config, CannotObserve> {
        let text = config::read(path)?;
        let unreadable = |why: String| CannotObserve::Unreadable { path: path.to_owned(), why };
        let mut config: Config = serde_saphyr::from_str(&text)
            .map_err(|why| unreadable(why.without_snippet().to_string()))?;
        config.key = path.parent().unwrap_or(Path::new(".")).join(&config.key);
        if config.applications.is_empty() {
            return Err(unreadable("it watches no application".to_owned()));
        }
        for one in &config.applications {
            for url in one.sees.values().chain([&one.control]) {
                allowed(url).map_err(|why| unreadable(format!("`{}`: {why}", one.name)))?;
            }
            if one.sees.is_empty() {
                return Err(unreadable(format!("`sees` of `{}` names no region", one.name)));
            }
        }
        Ok(config)
    }
}

/// Carries `muster observe` out.
pub async fn carry_out(args: &Observe, terminal: &mut Terminal) -> Exit {
    let done = match args {
        Observe { make_key: Some(path), .. } => SigningKey::make_file(path)
            .map(|key| {
                print(&key.public().to_string(), terminal);
                terminal.then(
                    "write `key:` and the URL as `report:` under `observers` of the application",
                );
            })
            .map_err(CannotObserve::from),
        Observe { print_key: Some(path), .. } => {
            let key = SigningKey::load(path).map_err(CannotObserve::from);
            key.map(|key| print(&key.public().to_string(), terminal))
        }
        Observe { config: Some(path), .. } => {
            telemetry::start();
            match Config::load(path).and_then(|config| Post::new(config, Clock::Real)) {
                Ok(post) => watch(post, terminal).await,
                Err(why) => Err(why),
            }
        }
        Observe { config: None, make_key: None, print_key: None } => return Exit::BadUse,
    };
    match done {
        Ok(()) => Exit::Done,
        Err(why) => {
            terminal.aside(format!("error: {}", chain(&why)));
            Exit::BadUse
        }
    }
}

fn print(key: &str, terminal: &mut Terminal) {
    terminal.json(&json!({ "key": key }));
    terminal.line(format!("key: {key}"));
}

async fn watch(post: Post, terminal: &mut Terminal) -> Result<(), CannotObserve> {
    let address = post.listen();
    let broken = |source| CannotObserve::Listen { address, source };
    let window = Window::open(&post).map_err(broken)?;
    let at = window.address().map_err(broken)?;
    terminal.aside(format!("answers at http://{at}/report"));
    let post = Arc::new(post);
    tokio::select! {
        () = post.watch() => Ok(()),
        served = window.serve(Arc::clone(&post)) => served.map_err(broken),
        () = told_to_stop() => Ok(()),
    }
}
