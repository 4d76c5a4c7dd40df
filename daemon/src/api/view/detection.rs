//! Whether the region of an application is lost, as those who watch say, and what follows.

use jiff::Timestamp;
use muster_runbooks::application::Application;
use muster_state::{
    detect::{Sees, Standing},
    progress::{ApplicationState, Progress},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Length;
use crate::detect::Detected;

/// What those who watch an application say.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct DetectionView {
    /// The application.
    pub application: String,
    /// The region that is asked about; nothing while nobody has been asked.
    pub region: Option<String>,
    /// When everybody was last asked.
    pub asked_at: Option<Timestamp>,
    /// `unasked`, `well`, `suspected`, `lost`, `disagree` or `unknown`.
    pub standing: String,
    /// Since when it stands so, counted from this process's first look on.
    pub since_at: Option<Timestamp>,
    /// When the trouble began, if there is any.
    pub symptom_at: Option<Timestamp>,
    /// What each of them says.
    pub observers: Vec<VoteView>,
    /// How many failure domains must agree.
    pub quorum: u32,
    /// For how long without a break.
    pub window: Length,
    /// What the policy lets follow: `nothing`, `propose` or `auto`.
    pub policy: String,
    /// What would follow now.
    pub then: String,
    /// Why that, and not more.
    pub because: String,
    /// Downtime that somebody declared.
    pub downtime: Option<DowntimeView>,
    /// When somebody last acknowledged a move.
    pub acknowledged_at: Option<Timestamp>,
}

/// What an observer says.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct VoteView {
    /// Who.
    pub observer: String,
    /// What fails together with it.
    pub domain: String,
    /// What it sees.
    pub sees: SeesView,
    /// Since when it sees the region lost, as far as it knows.
    pub since_at: Option<Timestamp>,
    /// Why, in a few words.
    pub why: String,
}

/// What an observer sees of a region.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SeesView {
    /// It serves.
    Healthy,
    /// It cannot tell, or does not answer.
    Unknown,
    /// Nothing of it is left.
    Lost,
}

impl SeesView {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            SeesView::Healthy => "healthy",
            SeesView::Unknown => "unknown",
            SeesView::Lost => "lost",
        }
    }
}

/// Downtime that somebody declared: nothing is proposed and nobody is paged meanwhile.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct DowntimeView {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it ends by itself.
    pub until: Timestamp,
}

/// The view of what was found last.
pub fn view(
    application: &Application,
    known: &Progress,
    found: Option<&Detected>,
    now: Timestamp,
) -> DetectionView {
    let policy = application.detection();
    let state = known.applications.get(&application.name);
    let (standing, since_at, symptom_at) =
        found.map_or(("unasked", None, None), |one| said(one.standing));
    let follow = found.map(|one| &one.follow);
    DetectionView {
        application: application.name.to_string(),
        region: found.map(|one| one.region.to_string()),
        asked_at: found.map(|one| one.asked_at),
        standing: standing.to_owned(),
        since_at,
        symptom_at,
        observers: found.map(votes).unwrap_or_default(),
        quorum: policy.quorum,
        window: policy.window.into(),
        policy: policy.then.to_string(),
        then: follow.map_or_else(|| "nothing".to_owned(), |follow| follow.then.to_string()),
        because: match follow {
            Some(follow) => follow.because.clone(),
            None if application.observers.is_empty() => "nobody watches it".to_owned(),
            None => "nobody has been asked yet".to_owned(),
        },
        downtime: state.and_then(|state| downtime(state, now)),
        acknowledged_at: state.and_then(|state| state.acknowledged_at),
    }
}

fn said(standing: Standing) -> (&'static str, Option<Timestamp>, Option<Timestamp>) {
    match standing {
        Standing::Unasked => ("unasked", None, None),
        Standing::Well => ("well", None, None),
        Standing::Suspected { since, symptom_at } => ("suspected", Some(since), Some(symptom_at)),
        Standing::Lost { since, symptom_at, .. } => ("lost", Some(since), Some(symptom_at)),
        Standing::Unclear { since, verdict } => (verdict.word(), Some(since), None),
    }
}

fn votes(found: &Detected) -> Vec<VoteView> {
    let votes = found.votes.iter().map(|vote| VoteView {
        observer: vote.observer.to_string(),
        domain: vote.domain.clone(),
        sees: match vote.sees {
            Sees::Healthy => SeesView::Healthy,
            Sees::Unknown => SeesView::Unknown,
            Sees::Lost => SeesView::Lost,
        },
        since_at: vote.since,
        why: vote.why.clone(),
    });
    votes.collect()
}

fn downtime(state: &ApplicationState, now: Timestamp) -> Option<DowntimeView> {
    let downtime = state.downtime.as_ref().filter(|downtime| downtime.until > now)?;
    Some(DowntimeView {
        by: downtime.by.clone(),
        reason: downtime.reason.clone(),
        until: downtime.until,
    })
}
