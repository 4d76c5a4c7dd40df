//! One place from which applications are watched: it looks every few seconds, and signs what it saw for
//! whoever asks.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use jiff::SignedDuration;
use muster_runbooks::name::{ApplicationName, Region};
use muster_state::detect::Sees;
use reqwest::Client;
use tracing::info;

use super::{CannotObserve, Config, Watched};
use crate::world::http::client;
use crate::{
    clock::Clock,
    signing::SigningKey,
    world::{
        observers::{self, Seen},
        report::{self, Line, Signed},
    },
};

/// How often everything is looked at.
const LOOKS_EVERY: SignedDuration = SignedDuration::from_secs(5);

/// One place from which applications are watched.
pub struct Post {
    config: Config,
    key: SigningKey,
    clock: Clock,
    client: Client,
    seen: Mutex<BTreeMap<(ApplicationName, Region), Look>>,
}

/// What the last look at a region showed.
#[derive(Clone, Debug)]
struct Look {
    sees: Sees,
    why: String,
    /// When it was asked for, by the clock that nobody sets.
    at: SignedDuration,
    /// Since when it has looked so.
    since: SignedDuration,
}

impl Post {
    /// A post that has not looked yet.
    ///
    /// # Errors
    ///
    /// When its key cannot be read, or it cannot ask anybody.
    pub fn new(config: Config, clock: Clock) -> Result<Post, CannotObserve> {
        let key = SigningKey::load(&config.key)?;
        let client = client().map_err(CannotObserve::Client)?;
        info!(name = config.name, key = %key.public(), "observes");
        Ok(Post { config, key, clock, client, seen: Mutex::default() })
    }

    /// Where it answers.
    pub fn listen(&self) -> SocketAddr {
        self.config.listen
    }

    /// Looks at everything every few seconds, until the future is dropped.
    pub async fn watch(&self) {
        loop {
            let next = self.clock.now() + LOOKS_EVERY;
            let looks = self.config.applications.iter().flat_map(|one| {
                one.sees.iter().map(move |(region, url)| self.look(one, region, url))
            });
            futures::future::join_all(looks).await;
            self.clock.sleep_until(next).await;
        }
    }

    async fn look(&self, application: &Watched, region: &Region, url: &str) {
        // Before it is asked: what is seen is older rather than younger than is said.
        let at = self.clock.steady();
        let (sees, _, why): Seen = observers::by_url(&self.client, &application.control, url).await;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (application.name.clone(), region.clone());
        let same = seen.get(&key).filter(|before| before.sees == sees);
        let since = same.map_or(at, |before| before.since);
        seen.insert(key, Look { sees, why, at, since });
    }

    /// What it sees of an application, for whoever asked with this number. Nothing, if it does not watch
    /// the application.
    pub fn report(&self, application: &ApplicationName, nonce: &str) -> Option<Signed> {
        self.config.applications.iter().find(|one| one.name == *application)?;
        let mut report = report::fresh(&self.config.name, nonce, application);
        let now = self.clock.steady();
        let secs = |since: SignedDuration| u64::try_from((now - since).as_secs()).unwrap_or(0);
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for ((_, region), look) in seen.iter().filter(|((name, _), _)| name == application) {
            let (age_secs, for_secs) = (secs(look.at), secs(look.since));
            let line = Line { sees: look.sees, age_secs, for_secs, why: look.why.clone() };
            report.regions.insert(region.clone(), line);
        }
        drop(seen);
        Some(report::sign(&self.key, &report))
    }
}
