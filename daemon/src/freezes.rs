//! Says outside whether an application is frozen: a small object for each in buckets, for a pipeline that
//! reaches no daemon.
//!
//! An object is good for a few minutes and says so itself: one that nobody renews any more is no answer, and
//! whoever asks must take that for frozen. It is put within seconds of a change; nothing waits for it.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::name::ApplicationName;
use muster_state::{call::in_one_line, catalog::Finding, command::Command, lease::Lease};
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::{
    api::view::freeze::{FreezeView, view},
    config::Config,
    intake::Intake,
    world::{World, aws::copies::Place},
};

/// How often it is looked whether what was said still holds.
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(2);

/// It is said again so often, although nothing has changed.
const AGAIN_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// For how long one is good.
const GOOD_FOR: SignedDuration = SignedDuration::from_mins(3);

/// The finding of an application whose freezes are not said outside.
pub const NOT_SAID: &str = "freeze-object";

/// What an object says.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Posted {
    /// Whether the application is frozen.
    #[serde(flatten)]
    pub view: FreezeView,
    /// It says nothing from then on.
    pub good_until: Timestamp,
}

/// Why an object is no answer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoAnswer {
    /// It is something else.
    #[error("it says nothing of a freeze: {0}")]
    Unreadable(String),
    /// It is about another application.
    #[error("it is about `{0}`")]
    Other(String),
    /// Nobody renews it any more.
    #[error("it was good until {0}, and nobody has renewed it")]
    Old(Timestamp),
}

/// The name of an application's object below the prefix.
pub fn object(application: &str) -> String {
    format!("{application}.json")
}

/// What an object says about an application now.
///
/// # Errors
///
/// When it is no answer. Take that for frozen.
pub fn read(bytes: &[u8], application: &str, now: Timestamp) -> Result<FreezeView, NoAnswer> {
    let posted: Posted =
        serde_json::from_slice(bytes).map_err(|why| NoAnswer::Unreadable(why.to_string()))?;
    if posted.view.application != application {
        return Err(NoAnswer::Other(posted.view.application));
    }
    if posted.good_until <= now {
        return Err(NoAnswer::Old(posted.good_until));
    }
    Ok(posted.view)
}

/// Works until the future is dropped. Where no copies are configured there is nothing to say.
pub async fn keep(intake: Intake, world: Arc<World>, config: Config) {
    let World::Real(real) = &*world else { return };
    let places: Vec<Place> = config.freeze.copies.iter().map(|copy| real.copies(copy)).collect();
    if places.is_empty() {
        return;
    }
    let mut poster = Poster { intake: &intake, places, said: BTreeMap::new() };
    loop {
        // What another process acts on is that one's to say: it may know more than this one.
        if matches!(intake.lease(), Lease::NotConfigured | Lease::Held { .. }) {
            poster.round().await;
        }
        intake.clock().sleep(LOOK_EVERY).await;
    }
}

struct Poster<'a> {
    intake: &'a Intake,
    places: Vec<Place>,
    /// What each place took last of each application.
    said: BTreeMap<(usize, ApplicationName), FreezeView>,
}

impl Poster<'_> {
    async fn round(&mut self) {
        for name in self.intake.applications().keys() {
            let now = self.intake.clock().now();
            let holds = self.intake.known(|known| view(known, name, now));
            let mut trouble = None;
            for (at, place) in self.places.iter().enumerate() {
                let key = (at, name.clone());
                if self.said.get(&key).is_some_and(|said| still(said, &holds)) {
                    continue;
                }
                match put(place, name, &holds).await {
                    Ok(()) => {
                        self.said.insert(key, holds.clone());
                    }
                    Err(why) => {
                        warn!(%place, why, application = %name, "a freeze is not said there");
                        trouble = Some(format!("{place}: {why}"));
                    }
                }
            }
            self.judge(name, trouble).await;
        }
    }

    /// Without it a pipeline takes the application for frozen: a nuisance, and somebody should know why.
    async fn judge(&self, name: &ApplicationName, trouble: Option<String>) {
        let stands = self.intake.known(|known| known.has_finding(name, NOT_SAID));
        let finding = match (trouble, stands) {
            (None, false) | (Some(_), true) => return,
            (None, true) => Err(NOT_SAID.to_owned()),
            (Some(trouble), false) => Ok(Finding {
                id: NOT_SAID.to_owned(),
                message: format!("whether it is frozen cannot be said: {trouble}"),
                hint: "pipelines that ask there wait; see `freeze.copies` and its role".to_owned(),
            }),
        };
        let command = Command::Finding { application: name.clone(), finding };
        if let Err(why) = self.intake.command(command).await {
            warn!(%why, "a finding about freezes was not taken in");
        }
    }
}

/// Whether what was said still holds, and was said lately.
fn still(said: &FreezeView, holds: &FreezeView) -> bool {
    let same = FreezeView { read_at: holds.read_at, ..said.clone() } == *holds;
    same && holds.read_at.duration_since(said.read_at) < AGAIN_EVERY
}

async fn put(place: &Place, name: &ApplicationName, holds: &FreezeView) -> Result<(), String> {
    let posted = Posted { view: holds.clone(), good_until: holds.read_at + GOOD_FOR };
    let text = serde_json::to_string(&posted).unwrap_or_default();
    let put = place.put(&object(name.as_str()), "application/json", &text).await;
    put.map_err(|why| in_one_line(&why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_second(1_772_330_400 + secs).unwrap()
    }

    fn free(secs: i64) -> FreezeView {
        FreezeView {
            application: "shop".to_owned(),
            frozen: false,
            because: None,
            run: None,
            since_at: None,
            until_at: None,
            read_at: at(secs),
        }
    }

    /// Goal: only an object that is about the application, and that somebody still renews, is an answer.
    #[test]
    fn what_is_an_answer() {
        let posted = Posted { view: free(0), good_until: at(180) };
        let bytes = serde_json::to_vec(&posted).unwrap();
        assert_eq!(read(&bytes, "shop", at(179)), Ok(free(0)));
        assert_eq!(read(&bytes, "shop", at(180)), Err(NoAnswer::Old(at(180))));
        assert_eq!(read(&bytes, "till", at(1)), Err(NoAnswer::Other("shop".to_owned())));
        for other in [&b""[..], b"{}", b"{\"frozen\": false}", b"<html>"] {
            assert!(matches!(read(other, "shop", at(1)), Err(NoAnswer::Unreadable(_))));
        }
    }

    /// Goal: a change is said at once, and the same again in time.
    #[test]
    fn when_it_is_said_again() {
        assert!(still(&free(0), &free(59)));
        assert!(!still(&free(0), &free(60)));
        let frozen = FreezeView { frozen: true, ..free(1) };
        assert!(!still(&free(0), &frozen));
    }
}
