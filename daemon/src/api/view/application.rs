//! What is protected, from where it is served, and whether it could be brought back.

use jiff::Timestamp;
use muster_runbooks::{
    application::{Application, Database, Vault},
    name::{ApplicationName, ComponentName, Region},
};
use muster_state::{
    catalog::RecoveryPoint,
    event::Claim,
    progress::{ApplicationState, Progress},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Length, Verdict,
    canary::{self, CanaryView},
    finding::{FindingView, findings},
    freeze::{self, FreezeView},
    point::{PointHoldView, holds},
};
use crate::world::canary::Canaries;

/// An application.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct ApplicationView {
    /// Its name.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Where it lives in quiet times.
    pub home: String,
    /// Where it can live otherwise.
    pub standby: String,
    /// The recovery time objective.
    pub rto: Length,
    /// The recovery point objective.
    pub rpo: Length,
    /// From where it was last seen to be served; nothing while nobody has looked.
    pub active: Option<ActiveView>,
    /// What is wrong or unknown.
    pub findings: Vec<FindingView>,
    /// The open maintenance window.
    pub window: Option<WindowView>,
    /// Why nothing may change it now; nothing where something may.
    #[serde(default)]
    pub freeze: Option<FreezeView>,
    /// The newest recovery point of every database and cache in every region.
    pub newest: Vec<NewestView>,
    /// What the canaries of its databases show.
    #[serde(default)]
    pub canaries: Vec<CanaryView>,
    /// How many recovery points there are.
    pub recovery_points: usize,
    /// The run that has the application's one lock.
    pub locked_by: Option<String>,
    /// Its open runs.
    pub open_runs: Vec<String>,
}

/// From where an application is served.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct ActiveView {
    /// The region.
    pub region: String,
    /// By what it was seen.
    pub evidence: String,
    /// When it was first seen there.
    pub seen_at: Timestamp,
    /// Whether that is its home; if not, the way back is open.
    pub at_home: bool,
}

/// An open maintenance window.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct WindowView {
    /// The run that opened it.
    pub run: String,
    /// When it closes by itself.
    pub closes_at: Timestamp,
    /// Whether that is over.
    pub overdue: bool,
}

/// The newest recovery point of a database or cache in a region.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct NewestView {
    /// The database.
    pub component: String,
    /// The region.
    pub region: String,
    /// The account, where another one keeps copies.
    pub account: Option<String>,
    /// Its identifier; nothing when there is no point.
    pub id: Option<String>,
    /// The instant that its data is from.
    pub data_at: Option<Timestamp>,
    /// How old the data is.
    pub age: Option<Length>,
    /// Whether a restore from it would keep the recovery point objective by itself.
    pub within_rpo: Verdict,
    /// When one of its database and region was last restored and its data proven.
    pub verified_at: Option<Timestamp>,
    /// Who keeps the newest point from being deleted, and why.
    pub holds: Vec<PointHoldView>,
    /// How many points of the database and region are held.
    pub held: usize,
}

/// The view of an application.
pub fn view(
    known: &Progress,
    canaries: &Canaries,
    application: &Application,
    now: Timestamp,
) -> ApplicationView {
    let name = &application.name;
    let empty = ApplicationState::default();
    let state = known.applications.get(name).unwrap_or(&empty);
    ApplicationView {
        name: name.to_string(),
        title: application.title.clone(),
        home: application.home.to_string(),
        standby: application.standby.to_string(),
        rto: application.objectives.rto.into(),
        rpo: application.objectives.rpo.into(),
        active: state.active.as_ref().map(|active| ActiveView {
            region: active.region.to_string(),
            evidence: active.evidence.clone(),
            seen_at: active.at,
            at_home: active.region == application.home,
        }),
        findings: findings(state, now),
        window: state.window.as_ref().map(|(run, closes_at)| WindowView {
            run: run.to_string(),
            closes_at: *closes_at,
            overdue: *closes_at < now,
        }),
        newest: newest(application, state, now),
        canaries: canary::canaries(application, canaries, now),
        recovery_points: state.points.len(),
        freeze: Some(freeze::view(known, name, now)).filter(|freeze| freeze.frozen),
        locked_by: known.claims.get(&Claim::lock_key(name)).map(|held| held.holder.to_string()),
        open_runs: open_runs(known, name),
    }
}

fn open_runs(known: &Progress, name: &ApplicationName) -> Vec<String> {
    let runs = known.runs.values().filter(|run| run.application() == Some(name));
    runs.map(|run| run.id.to_string()).collect()
}

/// Whose points of a region are meant.
#[derive(Clone, Copy)]
enum Spot<'a> {
    /// Those of the application's own account; of a database, which knows it.
    Own(Option<&'a Database>),
    /// Those of another account.
    Vault(&'a Vault),
}

impl Spot<'_> {
    fn holds(&self, point: &RecoveryPoint) -> bool {
        match self {
            Spot::Own(database) => {
                database.is_none_or(|database| database.is_own(&point.region, &point.account))
            }
            Spot::Vault(vault) => point.account == vault.account,
        }
    }

    fn account(&self) -> Option<&str> {
        match self {
            Spot::Own(_) => None,
            Spot::Vault(vault) => Some(&vault.account),
        }
    }
}

/// Every database is listed for both regions and its vault, and every cache that is saved where it is: a place without
/// a point is the news.
fn newest(application: &Application, state: &ApplicationState, now: Timestamp) -> Vec<NewestView> {
    let regions = [&application.home, &application.standby];
    let databases = application.databases.iter().flat_map(|database| {
        let own = regions.map(|region| (&database.name, region, Spot::Own(Some(database))));
        let vault = database.vault.as_ref();
        let vault = vault.map(|vault| (&database.name, &vault.region, Spot::Vault(vault)));
        own.into_iter().chain(vault)
    });
    let caches = application.caches.iter().filter(|cache| !cache.rebuildable);
    let caches = caches.flat_map(|cache| {
        let is_there = |region: &&Region| cache.replication_groups.contains_key(region.as_str());
        let there = regions.into_iter().filter(is_there);
        there.map(|region| (&cache.name, region, Spot::Own(None)))
    });
    let spots = databases.chain(caches);
    spots
        .map(|(component, region, spot)| {
            let here = || {
                let points = points_of(state, component);
                points.filter(|point| point.region == *region && spot.holds(point))
            };
            let newest = here().max_by_key(|point| point.data_time);
            let data_at = newest.map(|point| point.data_time);
            let age = data_at.and_then(|at| age(at, now));
            let within_rpo = match &age {
                Some(age) if age.secs <= application.objectives.rpo.secs() => Verdict::Yes,
                Some(_) => Verdict::No,
                None => Verdict::Unknown,
            };
            NewestView {
                component: component.to_string(),
                region: region.to_string(),
                account: spot.account().map(str::to_owned),
                id: newest.map(|point| point.id.clone()),
                data_at,
                age,
                within_rpo,
                verified_at: here().filter_map(|point| point.verified_at).max(),
                holds: newest.map(holds).unwrap_or_default(),
                held: here().filter(|point| !point.holds.is_empty()).count(),
            }
        })
        .collect()
}

fn points_of<'a>(
    state: &'a ApplicationState,
    component: &'a ComponentName,
) -> impl Iterator<Item = &'a RecoveryPoint> {
    state.points.values().filter(move |point| point.component == *component)
}

/// Data from the future has no age: one of the two clocks is wrong, and nobody knows which.
pub(super) fn age(data_at: Timestamp, now: Timestamp) -> Option<Length> {
    (data_at <= now).then(|| Length::between(data_at, now))
}
