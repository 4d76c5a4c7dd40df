//! What is protected, from where it is served, and whether it could be brought back.

use jiff::Timestamp;
use muster_runbooks::{
    application::Application,
    name::{ApplicationName, ComponentName},
};
use muster_state::{
    catalog::{Hold, RecoveryPoint},
    event::Claim,
    progress::{ApplicationState, Progress},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Length, Verdict};

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
    /// The newest recovery point of every database in every region.
    pub newest: Vec<NewestView>,
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

/// Something wrong or unknown.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct FindingView {
    /// Its id.
    pub id: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
    /// Since when.
    pub since_at: Timestamp,
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

/// The newest recovery point of a database in a region.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct NewestView {
    /// The database.
    pub component: String,
    /// The region.
    pub region: String,
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

/// A recovery point.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct PointView {
    /// Its identifier.
    pub id: String,
    /// The database.
    pub component: String,
    /// Where it is.
    pub region: String,
    /// The instant that its data is from.
    pub data_at: Timestamp,
    /// How old the data is; nothing when the provider's clock is ahead of ours.
    pub age: Option<Length>,
    /// The point it was copied from.
    pub copied_from: Option<String>,
    /// The key it is encrypted with.
    pub key: Option<String>,
    /// Its size, if the provider says.
    pub size_gib: Option<u32>,
    /// The run that made it.
    pub made_by: String,
    /// When it was last restored and its data proven.
    pub verified_at: Option<Timestamp>,
    /// When it was marked for deletion.
    pub marked_at: Option<Timestamp>,
    /// The account it is in.
    pub account: String,
    /// What it was made for.
    pub purpose: String,
    /// Who keeps it from being deleted, and why.
    pub holds: Vec<PointHoldView>,
}

/// A hold on a recovery point.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct PointHoldView {
    /// What it is called.
    pub name: String,
    /// Who placed it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since_at: Timestamp,
}

/// The view of an application.
pub fn view(known: &Progress, application: &Application, now: Timestamp) -> ApplicationView {
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
        findings: findings(state),
        window: state.window.as_ref().map(|(run, closes_at)| WindowView {
            run: run.to_string(),
            closes_at: *closes_at,
            overdue: *closes_at < now,
        }),
        newest: newest(application, state, now),
        recovery_points: state.points.len(),
        locked_by: known.claims.get(&Claim::lock_key(name)).map(|held| held.holder.to_string()),
        open_runs: open_runs(known, name),
    }
}

fn findings(state: &ApplicationState) -> Vec<FindingView> {
    let views = state.findings.values().map(|(since_at, finding)| FindingView {
        id: finding.id.clone(),
        message: finding.message.clone(),
        hint: finding.hint.clone(),
        since_at: *since_at,
    });
    views.collect()
}

fn open_runs(known: &Progress, name: &ApplicationName) -> Vec<String> {
    let runs = known.runs.values().filter(|run| run.application() == Some(name));
    runs.map(|run| run.id.to_string()).collect()
}

/// Every database is listed for both regions: a place without a point is the news.
fn newest(application: &Application, state: &ApplicationState, now: Timestamp) -> Vec<NewestView> {
    let regions = [&application.home, &application.standby];
    let pairs = application
        .databases
        .iter()
        .flat_map(|database| regions.map(|region| (&database.name, region)));
    pairs
        .map(|(component, region)| {
            let here = || points_of(state, component).filter(|point| point.region == *region);
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
fn age(data_at: Timestamp, now: Timestamp) -> Option<Length> {
    (data_at <= now).then(|| Length::between(data_at, now))
}

/// The recovery points of an application, newest data first.
pub fn points(state: &ApplicationState, now: Timestamp) -> Vec<PointView> {
    let mut points: Vec<&RecoveryPoint> = state.points.values().collect();
    points.sort_by(|one, other| {
        other.data_time.cmp(&one.data_time).then_with(|| one.id.cmp(&other.id))
    });
    points.into_iter().map(|one| point(one, now)).collect()
}

/// The view of a recovery point.
pub fn point(point: &RecoveryPoint, now: Timestamp) -> PointView {
    PointView {
        id: point.id.clone(),
        component: point.component.to_string(),
        region: point.region.to_string(),
        data_at: point.data_time,
        age: age(point.data_time, now),
        copied_from: point.copied_from.clone(),
        key: point.key.clone(),
        size_gib: point.size_gib,
        made_by: point.made_by.to_string(),
        verified_at: point.verified_at,
        marked_at: point.marked_at,
        account: point.account.clone(),
        purpose: point.purpose.to_string(),
        holds: holds(point),
    }
}

fn holds(point: &RecoveryPoint) -> Vec<PointHoldView> {
    let view = |hold: &Hold| PointHoldView {
        name: hold.name.clone(),
        by: hold.by.clone(),
        reason: hold.reason.clone(),
        since_at: hold.at,
    };
    point.holds.iter().map(view).collect()
}
