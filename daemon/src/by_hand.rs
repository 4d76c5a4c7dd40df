//! Pages by which a person does without Muster what it would do: made anew on every change, kept beside
//! the journal, and put into buckets that answer when this host does not.
//!
//! What a page says follows from the files, which are read at the start, and from which region is active.
//! Nothing waits for a page; one that cannot be kept is a finding.

pub mod html;
mod kept;
pub mod sheet;
pub mod text;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::name::ApplicationName;
use muster_state::{
    call::in_one_line, catalog::Finding, command::Command, lease::Lease, progress::Active,
};
use tracing::{info, warn};

use crate::{
    config::Config,
    intake::Intake,
    world::{World, aws::copies::Place},
};
use sheet::Sheet;

/// How often it is looked whether a page says what holds now.
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(10);

/// So often copies are put again, so that what somebody took away or wrote over comes back.
const AGAIN_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// A copy that cannot be kept for longer is a finding.
const BEHIND_MAX: SignedDuration = SignedDuration::from_secs(60);

/// The finding of an application whose pages are not what holds now.
pub const NOT_KEPT: &str = "by-hand";

/// The folder of the pages in the state directory.
pub const FOLDER: &str = "by-hand";

/// What became of the pages of each application. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Pages(Arc<Mutex<BTreeMap<ApplicationName, Kept>>>);

/// What became of the pages of one application.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Kept {
    /// How many pages there are.
    pub pages: usize,
    /// In how many buckets they lie beside this host.
    pub copies: usize,
    /// What is not as it should be, place by place, with since when.
    pub troubles: Vec<(String, Timestamp)>,
}

impl Pages {
    /// What became of the pages of an application; nothing where nobody keeps any.
    pub fn of(&self, name: &ApplicationName) -> Option<Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn say(&self, name: &ApplicationName, kept: Kept) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), kept);
    }
}

/// Works until the future is dropped.
pub async fn keep(intake: Intake, world: Arc<World>, config: Config) {
    let places = match &*world {
        World::Real(real) => config.by_hand.copies.iter().map(|copy| real.copies(copy)).collect(),
        World::Sim(_) => Vec::new(),
    };
    let folder = config.state.join(FOLDER);
    let mut keeper =
        Keeper { intake: &intake, folder, places, pages: BTreeMap::new(), since: BTreeMap::new() };
    if let Err(why) = keeper.forget_strangers() {
        warn!(%why, "pages of what is no longer configured could not be removed");
    }
    loop {
        keeper.round().await;
        intake.clock().sleep(LOOK_EVERY).await;
    }
}

/// One page as it is written out.
struct Page {
    /// What it was made for.
    active: Option<Active>,
    text: String,
    html: String,
    /// When each place took it; nothing since it was made anew.
    put_at: Vec<Option<Timestamp>>,
}

impl Page {
    fn files(&self) -> [(&'static str, &str); 2] {
        [("txt", &self.text), ("html", &self.html)]
    }
}

/// An application and the name of one of its pages.
type Key = (ApplicationName, String);

/// What keeps the pages.
struct Keeper<'a> {
    intake: &'a Intake,
    folder: PathBuf,
    places: Vec<Place>,
    pages: BTreeMap<Key, Page>,
    /// Since when each trouble has stood.
    since: BTreeMap<(ApplicationName, String), Timestamp>,
}

impl Keeper<'_> {
    /// Brings every page up to date, and says what could not be.
    async fn round(&mut self) {
        let mut troubles: BTreeMap<ApplicationName, BTreeMap<String, String>> = BTreeMap::new();
        let mut note = |name: &ApplicationName, place: String, why: String| {
            troubles.entry(name.clone()).or_default().entry(place).or_insert(why);
        };
        self.render(&mut note);
        for ((name, page), kept) in &self.pages {
            for (ending, content) in kept.files() {
                let path = file(&self.folder, name, page, ending);
                if let Err(why) = kept::write_if_it_differs(&path, content) {
                    let place = self.folder.display().to_string();
                    note(name, place, format!("`{page}` cannot be written: {why}"));
                }
            }
        }
        // What another process acts on is that one's to put: it may know more than this one.
        let acts = matches!(self.intake.lease(), Lease::NotConfigured | Lease::Held { .. });
        if acts {
            for place in 0..self.places.len() {
                self.put(place, &mut note).await;
            }
        }
        self.judge(&troubles, acts).await;
    }

    /// Makes those pages anew that are about something else than what holds now.
    fn render(&mut self, note: &mut impl FnMut(&ApplicationName, String, String)) {
        for (name, runbook, manner) in sheet::all(self.intake) {
            let active = self.intake.known(|known| known.applications.get(&name)?.active.clone());
            let page = format!("{}-{manner}", runbook.name);
            let key = (name.clone(), page.clone());
            if self.pages.get(&key).is_some_and(|page| page.active == active) {
                continue;
            }
            match Sheet::make(self.intake, &name, runbook, manner) {
                Ok(sheet) => {
                    let (text, html) = (text::write(&sheet), html::write(&sheet));
                    let put_at = vec![None; self.places.len()];
                    self.pages.insert(key, Page { active, text, html, put_at });
                    info!(application = %name, page, "the page for doing it by hand was made");
                }
                Err(why) => {
                    // What no longer holds misleads.
                    self.pages.remove(&key);
                    kept::remove(&file(&self.folder, &name, &page, "txt"));
                    kept::remove(&file(&self.folder, &name, &page, "html"));
                    note(&name, page, format!("it cannot be made: {why}"));
                }
            }
        }
    }

    /// Puts what a place has not, or has had for long. One that does not answer is asked once a round.
    async fn put(&mut self, at: usize, note: &mut impl FnMut(&ApplicationName, String, String)) {
        let now = self.intake.clock().now();
        let is_due = |put_at: Option<Timestamp>| {
            put_at.is_none_or(|put_at| now.duration_since(put_at) >= AGAIN_EVERY)
        };
        let place = &self.places[at];
        let mut trouble: Option<String> = None;
        for ((name, page), kept) in &mut self.pages {
            if !is_due(kept.put_at[at]) {
                continue;
            }
            if trouble.is_none() {
                for (ending, content) in kept.files() {
                    let kind = if ending == "html" { "text/html" } else { "text/plain" };
                    let put = place.put(&format!("{name}/{page}.{ending}"), kind, content).await;
                    if let Err(why) = put {
                        warn!(%place, why = in_one_line(&why), "a page is not put there");
                        trouble = Some(why.to_string());
                        break;
                    }
                }
            }
            match &trouble {
                None => kept.put_at[at] = Some(now),
                Some(why) => note(name, place.to_string(), why.clone()),
            }
        }
    }

    /// Opens the finding of an application when something has been wrong for long enough, and closes it
    /// when nothing is.
    async fn judge(
        &mut self,
        troubles: &BTreeMap<ApplicationName, BTreeMap<String, String>>,
        acts: bool,
    ) {
        let now = self.intake.clock().now();
        let none = BTreeMap::new();
        self.since.retain(|(name, place), _| {
            troubles.get(name).is_some_and(|all| all.contains_key(place))
        });
        for name in self.intake.applications().keys() {
            let troubles = troubles.get(name).unwrap_or(&none);
            let dated: Vec<(String, Timestamp)> = troubles
                .iter()
                .map(|(place, why)| {
                    let key = (name.clone(), place.clone());
                    let since = *self.since.entry(key).or_insert(now);
                    (format!("{place}: {why}"), since)
                })
                .collect();
            let pages = self.pages.keys().filter(|(of, _)| of == name).count();
            let (copies, troubles) = (self.places.len(), dated.clone());
            self.intake.pages().say(name, Kept { pages, copies, troubles });
            let late: Vec<(String, Timestamp)> = dated
                .into_iter()
                .filter(|(_, since)| now.duration_since(*since) >= BEHIND_MAX)
                .collect();
            if acts {
                self.write_down(name, &late).await;
            }
        }
    }

    async fn write_down(&self, name: &ApplicationName, late: &[(String, Timestamp)]) {
        let standing = self.intake.known(|known| {
            let state = known.applications.get(name)?;
            state.findings.get(NOT_KEPT).map(|(_, finding)| finding.clone())
        });
        let finding = match (late.first(), standing) {
            (None, None) => return,
            (None, Some(_)) => Err(NOT_KEPT.to_owned()),
            (Some((_, since)), standing) => {
                let since = late.iter().map(|(_, since)| since).min().unwrap_or(since);
                let what: Vec<&str> = late.iter().map(|(what, _)| what.as_str()).collect();
                let message = format!(
                    "the pages for doing it by hand are not kept since {since}: {}",
                    what.join("; ")
                );
                let hint = "a page there may be old: mend the place, or print `muster by-hand` now";
                let finding = Finding { id: NOT_KEPT.to_owned(), message, hint: hint.to_owned() };
                if standing.as_ref() == Some(&finding) {
                    return;
                }
                Ok(finding)
            }
        };
        let command = Command::Finding { application: name.clone(), finding };
        if let Err(why) = self.intake.command(command).await {
            warn!(%why, "a finding about the pages is not written down");
        }
    }

    /// Removes the pages of what is no longer configured: they look as if they held.
    fn forget_strangers(&self) -> std::io::Result<()> {
        let known: BTreeSet<PathBuf> = sheet::all(self.intake)
            .into_iter()
            .flat_map(|(name, runbook, manner)| {
                let page = format!("{}-{manner}", runbook.name);
                ["txt", "html"].map(|ending| file(&self.folder, &name, &page, ending))
            })
            .collect();
        kept::retain(&self.folder, |path| known.contains(path))
    }
}

/// Where a page lies.
pub fn file(folder: &Path, name: &ApplicationName, page: &str, ending: &str) -> PathBuf {
    folder.join(name.as_str()).join(format!("{page}.{ending}"))
}
