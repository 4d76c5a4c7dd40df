//! Whether the other side of an application could take over now: the checklist, the way that is open, how
//! long it would take and what it would lose.

use jiff::Timestamp;
use muster_runbooks::{
    application::{Application, Beside},
    plan::Plan,
    request::Manner,
};
use muster_state::progress::ApplicationState;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Length,
    objectives::{self, AchievableView},
};
use crate::{
    inventory::Look,
    world::inventory::{
        objectives::{Evidence, Measured},
        readiness::{
            Open, Point, Standing, path,
            recovery::{Link, Proof, Recovery, predict},
            verdict,
        },
    },
};

/// Whether an application could be moved now.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct ReadinessView {
    /// The application.
    pub application: String,
    /// Where it is served, if anybody has seen it.
    pub active: Option<String>,
    /// The side that would take over.
    pub standby: Option<String>,
    /// When what this rests on was asked for; nothing while nobody has looked.
    pub read_at: Option<Timestamp>,
    /// The worst point of the checklist.
    pub verdict: Stands,
    /// The best way that is open for each database.
    pub paths: Vec<PathView>,
    /// The checklist.
    pub points: Vec<CheckView>,
    /// How long it would take, in each manner that a plan can be made for.
    pub recovery: Vec<ExpectedView>,
    /// Why no plan can be made, if none can.
    pub no_plan: Option<String>,
    /// What a lost region would lose now.
    pub loss: AchievableView,
    /// What nobody measures and nobody has declared the loss of.
    pub undeclared: Vec<String>,
    /// The last failover that was carried out for real and succeeded.
    pub rehearsed: Option<RehearsedView>,
}

/// How something stands.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stands {
    /// It was seen to be so.
    Pass,
    /// Nobody can say.
    Unknown,
    /// It was seen not to be so.
    Fail,
}

impl From<Standing> for Stands {
    fn from(standing: Standing) -> Stands {
        match standing {
            Standing::Pass => Stands::Pass,
            Standing::Unknown => Stands::Unknown,
            Standing::Fail => Stands::Fail,
        }
    }
}

impl Stands {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Stands::Pass => "pass",
            Stands::Unknown => "unknown",
            Stands::Fail => "fail",
        }
    }
}

/// A point of the checklist.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct CheckView {
    /// The kind, and the component where it is about one.
    pub id: String,
    /// How it stands.
    pub stands: Stands,
    /// Since when, counted from this process's first look on.
    pub since_at: Timestamp,
    /// What was seen.
    pub saw: String,
    /// What to do about it; empty where it passes.
    pub hint: String,
}

/// The best way of promoting the standby of a database.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct PathView {
    /// The database.
    pub database: String,
    /// `switchover`, `failover`, `detach`, `none` or `unknown`.
    pub path: String,
    /// What was declared about promoting that side: `prefer`, `neutral` or `must-not`.
    pub promotion: String,
    /// Why.
    pub because: String,
}

/// How long a failover would take.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct ExpectedView {
    /// `graceful` or `forced`.
    pub manner: String,
    /// By what its steps took before, and by budgets where nobody has measured them.
    pub expected: Length,
    /// When every step takes as long as it may, once.
    pub at_most: Length,
    /// Whether what is expected keeps the recovery time objective.
    pub within: bool,
    /// How many steps of the chain were ever measured.
    pub measured: usize,
    /// The chain of steps that decides it.
    pub path: Vec<LinkView>,
}

/// One step of the chain.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct LinkView {
    /// The step.
    pub step: String,
    /// What it is for.
    pub title: String,
    /// How long it is expected to take.
    pub expected: Length,
    /// How long it may take.
    pub limit: Length,
    /// The run that it was last measured in.
    pub measured_by: Option<String>,
}

/// A failover that proved itself, and what is not as it was then.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct RehearsedView {
    /// The runbook and the run.
    pub run: String,
    /// When it ended.
    pub ended_at: Timestamp,
    /// What has changed since in the application's file and in the steps; nothing of it is proven.
    pub changed: Vec<String>,
}

/// The view of an application. `plan` is the failover as it would be started now.
pub fn view(
    application: &Application,
    state: &ApplicationState,
    look: Option<&Look>,
    plan: Result<&Plan, String>,
    now: Timestamp,
) -> ReadinessView {
    let nothing = Measured::default();
    let measured = look.map_or(&nothing, |look| &look.measured);
    let active = state.active.as_ref().map(|active| &active.region);
    let evidence = Evidence {
        application,
        active,
        seen: look.map(|look| &look.seen),
        points: &state.points,
        measured,
        now,
    };
    let points: Vec<CheckView> = look.map_or_else(Vec::new, |look| {
        look.checklist.iter().map(|(point, since)| shown(point, *since)).collect()
    });
    let judged: Vec<Point> =
        look.map_or_else(Vec::new, |look| look.checklist.iter().map(|one| one.0.clone()).collect());
    let declared = |beside: &Beside| application.losses.iter().any(|loss| loss.of == *beside);
    ReadinessView {
        application: application.name.to_string(),
        active: active.map(ToString::to_string),
        standby: active.and_then(|at| application.other(at)).map(ToString::to_string),
        read_at: look.map(|look| look.seen.read_at),
        verdict: verdict(&judged).into(),
        paths: look.map_or_else(Vec::new, |_| paths(&evidence)),
        points,
        recovery: plan
            .as_ref()
            .map_or_else(|_| Vec::new(), |plan| recoveries(plan, measured, application)),
        no_plan: plan.as_ref().err().cloned(),
        loss: objectives::region_loss(&evidence),
        undeclared: Beside::ALL
            .iter()
            .filter(|beside| !declared(beside))
            .map(ToString::to_string)
            .collect(),
        rehearsed: measured.rehearsed.as_ref().map(|before| RehearsedView {
            run: before.run.clone(),
            ended_at: before.at,
            changed: match &plan {
                Ok(plan) => before.then.changes(&Proof::of(plan)),
                Err(_) => vec!["no plan can be made now".to_owned()],
            },
        }),
    }
}

fn shown(point: &Point, since_at: Timestamp) -> CheckView {
    CheckView {
        id: point.id.clone(),
        stands: point.standing.into(),
        since_at,
        saw: point.saw.clone(),
        hint: point.hint.clone(),
    }
}

fn paths(known: &Evidence<'_>) -> Vec<PathView> {
    let application = known.application;
    let standby = known.active.and_then(|active| application.other(active));
    let each = application.databases.iter().map(|database| {
        let (open, because) = path(known, database);
        PathView {
            database: database.name.to_string(),
            path: match open {
                Open::Way(path) => path.to_string(),
                Open::Closed => "none".to_owned(),
                Open::Unknown => "unknown".to_owned(),
            },
            promotion: standby.map_or_else(
                || "unknown".to_owned(),
                |standby| database.promotion(standby).to_string(),
            ),
            because,
        }
    });
    each.collect()
}

fn recoveries(plan: &Plan, measured: &Measured, application: &Application) -> Vec<ExpectedView> {
    let rto = application.objectives.rto;
    let manners = [Manner::Graceful, Manner::Forced];
    manners.map(|manner| recovery(&predict(plan, manner, measured), rto)).into()
}

fn recovery(one: &Recovery, rto: muster_runbooks::value::Span) -> ExpectedView {
    ExpectedView {
        manner: one.manner.to_string(),
        expected: one.expected.into(),
        at_most: one.at_most.into(),
        within: one.expected <= rto,
        measured: one.measured(),
        path: one.path.iter().map(link).collect(),
    }
}

fn link(link: &Link) -> LinkView {
    LinkView {
        step: link.step.to_string(),
        title: link.title.clone(),
        expected: link.expected.into(),
        limit: link.limit.into(),
        measured_by: link.measured.as_ref().map(|took| took.run.clone()),
    }
}
