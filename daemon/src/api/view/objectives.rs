//! What could be kept today of what was promised, threat by threat, each figure with its reason.

use jiff::Timestamp;
use muster_runbooks::{application::Application, name::ComponentName, value::Span};
use muster_state::progress::ApplicationState;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Length;
use crate::{
    inventory::Look,
    world::inventory::objectives::{
        self as judged, Achievable, Cost, Evidence, Figure, Kind, Measured, THREATS, Threat,
        Verdict, worst,
    },
};

/// The objectives of an application against what could be kept.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct ObjectivesView {
    /// The application.
    pub application: String,
    /// When what the figures rest on was asked for; nothing while nobody has looked.
    pub read_at: Option<Timestamp>,
    /// The recovery point objective.
    pub rpo: Length,
    /// The recovery time objective.
    pub rto: Length,
    /// What each threat would cost the application: the worst of its components.
    pub threats: Vec<ThreatView>,
    /// The same for each component.
    pub components: Vec<ComponentView>,
}

/// A component and what each threat would cost it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct ComponentView {
    /// Its name.
    pub component: String,
    /// `database`, `bucket`, `cache`, `secret`, `objects` or `declared`.
    pub kind: String,
    /// What each threat would cost.
    pub threats: Vec<ThreatView>,
}

/// What one threat would cost.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct ThreatView {
    /// `region-loss`, `corruption` or `account-loss`.
    pub threat: String,
    /// How much data would be lost, against the recovery point objective.
    pub rpo: AchievableView,
    /// How long recovery would take, against the recovery time objective.
    pub rto: AchievableView,
}

/// What could be kept of one promise.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct AchievableView {
    /// What was promised.
    pub objective: Length,
    /// What could be kept; nothing when it is unknown, or when there is no way back at all.
    pub achievable: Option<Length>,
    /// The same in words: such as `4m`, `unknown` or `everything`.
    pub text: String,
    /// Whether the promise would be kept.
    pub verdict: Kept,
    /// Why, in a sentence.
    pub because: String,
}

/// Whether a promise would be kept.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// It was measured that it would.
    Met,
    /// It was measured that it would not.
    Missed,
    /// Nobody can say.
    Unknown,
}

impl Kept {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Kept::Met => "met",
            Kept::Missed => "missed",
            Kept::Unknown => "unknown",
        }
    }
}

/// The view of an application's objectives.
pub fn view(
    application: &Application,
    state: &ApplicationState,
    look: Option<&Look>,
    now: Timestamp,
) -> ObjectivesView {
    let nothing = Measured::default();
    let evidence = Evidence {
        application,
        active: state.active.as_ref().map(|active| &active.region),
        seen: look.map(|look| &look.seen),
        points: &state.points,
        measured: look.map_or(&nothing, |look| &look.measured),
        now,
    };
    let components = judged::components(&evidence);
    let promised = application.objectives;
    let of = |threat, pick: fn(&Cost) -> &Figure, promised: Span| {
        whole(&components, threat, pick, promised)
    };
    ObjectivesView {
        application: application.name.to_string(),
        read_at: look.map(|look| look.seen.read_at),
        rpo: promised.rpo.into(),
        rto: promised.rto.into(),
        threats: THREATS
            .into_iter()
            .map(|threat| ThreatView {
                threat: threat.to_string(),
                rpo: loss(&of(threat, |cost| &cost.loss, promised.rpo), promised.rpo),
                rto: time(&of(threat, |cost| &cost.time, promised.rto), promised.rto),
            })
            .collect(),
        components: components
            .iter()
            .map(|(name, kind, costs)| ComponentView {
                component: name.to_string(),
                kind: kind.to_string(),
                threats: costs
                    .iter()
                    .map(|cost| ThreatView {
                        threat: cost.threat.to_string(),
                        rpo: loss(&cost.loss, promised.rpo),
                        rto: time(&cost.time, promised.rto),
                    })
                    .collect(),
            })
            .collect(),
    }
}

type Components = [(ComponentName, Kind, Vec<Cost>)];

/// What a threat would cost all of it.
fn whole(
    components: &Components,
    threat: Threat,
    pick: fn(&Cost) -> &Figure,
    promised: Span,
) -> Figure {
    let costs = components.iter().flat_map(|(name, _, costs)| {
        costs.iter().filter(move |cost| cost.threat == threat).map(move |cost| (name, cost))
    });
    worst(costs.map(|(name, cost)| (name, pick(cost))), promised)
}

/// What a lost region would lose of an application now.
pub(super) fn region_loss(evidence: &Evidence<'_>) -> AchievableView {
    let promised = evidence.application.objectives.rpo;
    let components = judged::components(evidence);
    loss(&whole(&components, Threat::RegionLoss, |cost| &cost.loss, promised), promised)
}

fn loss(figure: &Figure, promised: Span) -> AchievableView {
    achievable(figure, promised, "everything")
}

fn time(figure: &Figure, promised: Span) -> AchievableView {
    achievable(figure, promised, "never")
}

/// `nothing` is the word for no way back.
fn achievable(figure: &Figure, promised: Span, nothing: &str) -> AchievableView {
    let length = match figure.achievable {
        // An upper bound that is rounded down is no upper bound (I15).
        Achievable::AtMost(span) => Some(rounded_up(span)),
        Achievable::Nothing | Achievable::Unknown => None,
    };
    let text = match figure.achievable {
        Achievable::AtMost(_) => {
            length.as_ref().map_or(String::new(), |length| length.text.clone())
        }
        Achievable::Nothing => nothing.to_owned(),
        Achievable::Unknown => "unknown".to_owned(),
    };
    AchievableView {
        objective: promised.into(),
        achievable: length,
        text,
        verdict: match figure.verdict(promised) {
            Verdict::Met => Kept::Met,
            Verdict::Missed => Kept::Missed,
            Verdict::Unknown => Kept::Unknown,
        },
        because: figure.because.clone(),
    }
}

fn rounded_up(span: Span) -> Length {
    let secs = span.duration().as_millis().unsigned_abs().div_ceil(1_000);
    Span::from_secs(u32::try_from(secs).unwrap_or(u32::MAX)).into()
}
