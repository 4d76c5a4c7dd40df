//! The applications that one run moves, as whoever approves that must see them: each with its way, its time and
//! its loss.

use muster_runbooks::{name::ApplicationName, request::Manner};
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
    /// What moving it would take; nothing once it has begun or was left out, when its own run tells.
    pub ahead: Option<AheadView>,
    /// What leaves it out, as long as that is possible.
    pub leave_out: Option<String>,
}

/// What moving an application would take, if it began now.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct AheadView {
    /// The worst point of its readiness; `unknown` when nobody has looked.
    pub verdict: Stands,
    /// The best way that is open for each of its databases.
    pub paths: Vec<PathView>,
    /// How long it is expected to take by itself, in this manner; nothing when nobody can say.
    pub expected: Option<Length>,
    /// What would be lost if its region were lost now; nothing when nobody can say.
    pub loss: Option<AchievableView>,
}

impl AheadView {
    /// The ways that are open, in words.
    pub fn ways(&self) -> String {
        let ways: Vec<&str> = self.paths.iter().map(|path| path.path.as_str()).collect();
        if ways.is_empty() { "unknown".to_owned() } else { ways.join(", ") }
    }

    fn of(seen: Option<ReadinessView>, manner: Manner) -> AheadView {
        let Some(seen) = seen else {
            let paths = Vec::new();
            return AheadView { verdict: Stands::Unknown, paths, expected: None, loss: None };
        };
        let one = seen.recovery.into_iter().find(|one| one.manner == manner.word());
        let expected = one.map(|one| one.expected);
        AheadView { verdict: seen.verdict, paths: seen.paths, expected, loss: Some(seen.loss) }
    }
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
        let name = step.moves(run.manner)?;
        let child = run.children.iter().rev().find(|child| child.step == step.id);
        let may_stay = child.is_none() && !state.is_over();
        Some(LeavingView {
            // Only for what has not begun: a readiness is dear, it plans a failover.
            ahead: may_stay.then(|| AheadView::of(readiness(&name), run.manner)),
            application: name.to_string(),
            step: step.id.to_string(),
            state: state.word().to_owned(),
            run: child.map(|child| child.run.to_string()),
            leave_out: may_stay
                .then(|| format!("muster skip {} {} --reason TEXT", run.id, step.id)),
        })
    });
    steps.collect()
}
