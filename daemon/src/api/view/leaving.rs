//! The applications that one run moves, as whoever approves that must see them: each with its way, its time and
//! its loss.

use muster_runbooks::{
    action::child::MoveApplication,
    name::ApplicationName,
    plan::{Arg, Step},
    request::Manner,
};
use muster_state::run::Run;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Length,
    objectives::AchievableView,
    readiness::{PathView, ReadinessView, Stands},
};

/// One of the applications that a run moves.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct LeavingView {
    /// The application.
    pub application: String,
    /// The step that moves it.
    pub step: String,
    /// The state of that step.
    pub state: String,
    /// Its own run, once there is one.
    pub run: Option<String>,
    /// The worst point of its readiness; `unknown` when nobody has looked.
    pub verdict: Stands,
    /// The best way that is open for each of its databases.
    pub paths: Vec<PathView>,
    /// How long it is expected to take by itself, in this manner; nothing when nobody can say.
    pub expected: Option<Length>,
    /// What would be lost if its region were lost now; nothing when nobody can say.
    pub loss: Option<AchievableView>,
    /// What leaves it out, as long as that is possible.
    pub leave_out: Option<String>,
}

/// Every application that an open run moves, in its order.
pub(crate) fn all(
    run: &Run,
    readiness: impl Fn(&ApplicationName) -> Option<ReadinessView>,
) -> Vec<LeavingView> {
    if run.ended.is_some() {
        return Vec::new();
    }
    let steps = run.steps().filter_map(|(step, state)| {
        let name = moved(step, run.manner)?;
        let seen = readiness(&name);
        let manner = run.manner.word();
        let child = run.children.iter().rev().find(|child| child.step == step.id);
        let may_stay = child.is_none() && !state.is_over();
        Some(LeavingView {
            application: name.to_string(),
            step: step.id.to_string(),
            state: state.word().to_owned(),
            run: child.map(|child| child.run.to_string()),
            verdict: seen.as_ref().map_or(Stands::Unknown, |seen| seen.verdict),
            paths: seen.as_ref().map_or_else(Vec::new, |seen| seen.paths.clone()),
            expected: seen.as_ref().and_then(|seen| {
                let one = seen.recovery.iter().find(|one| one.manner == manner)?;
                Some(one.expected.clone())
            }),
            loss: seen.map(|seen| seen.loss),
            leave_out: may_stay
                .then(|| format!("muster skip {} {} --reason TEXT", run.id, step.id)),
        })
    });
    steps.collect()
}

/// The application that a step moves, if it moves one.
fn moved(step: &Step, manner: Manner) -> Option<ApplicationName> {
    let task = step.task(manner);
    let is_move = task.action == MoveApplication::SPEC.name;
    let Some(Arg::Literal(name)) = task.with.get("application").filter(|_| is_move) else {
        return None;
    };
    name.as_str()?.parse().ok()
}
