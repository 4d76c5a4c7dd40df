//! The two figures that every failover is judged by: how long it took, and what it lost.

use jiff::Timestamp;
use muster_runbooks::{
    action::Action,
    plan::{Part, Step},
    value::{Loss, Span},
};
use muster_state::{approval, progress::ApplicationState, run::Run, step::StepState};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Length, LossFigure};

/// How long the recovery took, from the first symptom to the proof that users are served.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct RecoveryView {
    /// `symptom` when the requester said when the trouble began, else `admission`: then the true
    /// time is longer by what nobody told.
    pub counted_from: String,
    /// The instant that it is counted from.
    pub counted_from_at: Timestamp,
    /// When the last look that proves it succeeded.
    pub verified_at: Option<Timestamp>,
    /// The recovery time. Nothing until every verifying step has succeeded.
    pub total: Option<Length>,
    /// The time that has passed, while there is no total and the run is open.
    pub so_far: Option<Length>,
    /// Why there is no total.
    pub because: Option<String>,
    /// The promise.
    pub objective: Option<Length>,
    /// Whether the promise was kept; nothing until there is a total.
    pub within_objective: Option<bool>,
    /// The total in its parts.
    pub parts: PartsView,
}

/// The parts of a recovery time, each nothing until it has ended.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct PartsView {
    /// From the first symptom to the request. Unknown unless the requester said when it began.
    pub detect: Option<Length>,
    /// Until the last approval.
    pub decide: Option<Length>,
    /// Until the last database was promoted.
    pub promote: Option<Length>,
    /// Until the users were moved.
    pub traffic: Option<Length>,
    /// Until the last verifying step succeeded.
    pub verify: Option<Length>,
}

/// What a run was predicted to lose, and what it lost.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct LossesView {
    /// The upper bound that approvers are shown.
    pub predicted: Option<LossFigure>,
    /// Over this, one more person must approve.
    pub limit: Option<Length>,
    /// What was measured after promotion, the worst of all databases.
    pub measured: LossFigure,
    /// What was counted once the side that was left could be read, the worst of all databases that were
    /// looked at; nothing before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted: Option<LossFigure>,
}

const PROMOTES: &[&str] = &["switchover-database", "failover-database", "make-global-cluster"];
const MOVES: &[&str] = &["shift-traffic", "weigh-traffic"];
const VERIFIES: &[&str] = &["probe", "check-active"];
const ASKS: &[&str] = &["approval"];

/// The steps of the main part that do one of `actions`, with their place.
fn doing<'a>(
    run: &'a Run,
    actions: &'a [&'a str],
) -> impl Iterator<Item = (usize, &'a Step, &'a StepState)> {
    run.steps().enumerate().map(|(place, (step, state))| (place, step, state)).filter(
        move |(_, step, _)| {
            step.part == Part::Steps && actions.contains(&step.task(run.manner).action.as_str())
        },
    )
}

fn succeeded_at(state: &StepState) -> Option<Timestamp> {
    if let StepState::Succeeded { at, .. } = state { Some(*at) } else { None }
}

/// When the last of the steps succeeded; nothing when there is none or one of them did not.
fn all_succeeded<'a>(states: impl Iterator<Item = &'a StepState>) -> Option<Timestamp> {
    let ends: Option<Vec<Timestamp>> = states.map(succeeded_at).collect();
    ends?.into_iter().max()
}

/// The recovery time of a run that moves an application; nothing for other runs.
pub fn recovery(run: &Run, now: Timestamp) -> Option<RecoveryView> {
    let last_move = doing(run, PROMOTES).chain(doing(run, MOVES)).map(|(place, ..)| place).max()?;
    let proofs = || doing(run, VERIFIES).filter(|(place, ..)| *place > last_move);
    let symptom_at = run.request.symptom_at;
    let from = symptom_at.map_or(run.admitted_at, |symptom| symptom.min(run.admitted_at));
    let verified_at = all_succeeded(proofs().map(|(.., state)| state));
    let total = verified_at.map(|at| Length::between(from, at));
    let objective = run.plan.rto.map(Length::from);
    let within_objective = match (&total, &objective) {
        (Some(total), Some(objective)) => Some(total.secs <= objective.secs),
        (None, _) | (_, None) => None,
    };
    let because = total.is_none().then(|| {
        let open = proofs().find(|(.., state)| succeeded_at(state).is_none());
        match open {
            Some((_, step, state)) => {
                format!(
                    "`{}` is {}: nothing proves yet that users are served",
                    step.id,
                    state.word()
                )
            }
            None => "no step proves that users are served".to_owned(),
        }
    });
    Some(RecoveryView {
        counted_from: if symptom_at.is_some() { "symptom" } else { "admission" }.to_owned(),
        counted_from_at: from,
        so_far: (total.is_none() && run.ended.is_none()).then(|| Length::between(from, now)),
        verified_at,
        total,
        because,
        objective,
        within_objective,
        parts: parts(run, verified_at),
    })
}

fn parts(run: &Run, verified_at: Option<Timestamp>) -> PartsView {
    let mut edge = run.admitted_at;
    let mut part = |end: Option<Timestamp>| {
        let end = end?;
        let length = Length::between(edge, end);
        edge = edge.max(end);
        Some(length)
    };
    let end = |actions| all_succeeded(doing(run, actions).map(|(.., state)| state));
    PartsView {
        detect: run.request.symptom_at.map(|symptom| Length::between(symptom, run.admitted_at)),
        decide: part(end(ASKS)),
        promote: part(end(PROMOTES)),
        traffic: part(end(MOVES)),
        verify: part(verified_at),
    }
}

/// The losses of a run that promotes a database; nothing for other runs. What is predicted grows while
/// people decide, and is afterwards what it was when they had.
pub fn losses(run: &Run, now: Timestamp) -> Option<LossesView> {
    doing(run, PROMOTES).next()?;
    let approval = doing(run, ASKS).find_map(|(_, step, state)| {
        if let Some(attempt) = state.attempt() {
            return approval::asked(run, step, attempt, now);
        }
        let task = step.task(run.manner);
        let resolved = task.resolve(&run.plan.inputs, |id| run.outputs(id)).ok()?;
        let Action::Approval(mut asked) = resolved else { return None };
        let then = state.outputs().and_then(|outputs| outputs.get("data_loss")?.as_str());
        if let Some(Ok(loss)) = then.map(str::parse) {
            asked.data_loss = Some(loss);
        }
        Some(asked)
    });
    let predicted = approval.as_ref().map(|approval| predicted(run, approval.data_loss));
    let limit = approval.and_then(|approval| approval.data_loss_max).map(Length::from);
    Some(LossesView { predicted, limit, measured: measured(run), counted: None })
}

/// What inventories counted of the rows that a run left behind.
pub fn counted(run: &Run, known: &ApplicationState) -> Option<LossFigure> {
    let of_it = known.lost.iter().filter(|(_, lost)| lost.moved == run.id);
    let worst = of_it.max_by_key(|(_, lost)| match lost.loss {
        Loss::AtMost(span) => (false, span),
        Loss::Unknown => (true, Span::default()),
    });
    let (database, lost) = worst?;
    let by = format!(
        "{database}: between the newest row that arrived and the newest that never did, in the tables that \
         run {} looked at",
        lost.counted
    );
    Some(LossFigure::new(lost.loss, by))
}

/// The prediction with what the predicting steps said about it.
pub fn predicted(run: &Run, loss: Option<Loss>) -> LossFigure {
    let Some(loss) = loss else {
        return LossFigure::new(Loss::Unknown, "nothing has predicted it yet");
    };
    let said: Vec<String> = run
        .steps()
        .filter_map(|(step, state)| {
            let by = state.outputs()?.get("predicted_by")?.as_str()?;
            Some(format!("{}: {by}", step.id))
        })
        .collect();
    let by = if said.is_empty() {
        "the replication lag that the last check saw".to_owned()
    } else {
        said.join("; ")
    };
    LossFigure::new(loss, by)
}

fn measured(run: &Run) -> LossFigure {
    let mut worst: Option<(Loss, String)> = None;
    for (_, step, state) in doing(run, PROMOTES) {
        let Some(outputs) = state.outputs() else {
            let by = format!("`{}` is {}", step.id, state.word());
            return LossFigure::new(Loss::Unknown, by);
        };
        let text = |name: &str| outputs.get(name).and_then(|value| value.as_str());
        let loss = text("data_loss").and_then(|text| text.parse().ok()).unwrap_or(Loss::Unknown);
        let unsaid = match loss {
            Loss::Unknown => "nothing measures it",
            Loss::AtMost(_) => "a switchover waits",
        };
        let by = format!("{}: {}", step.id, text("measured_by").unwrap_or(unsaid));
        let is_worse = match (&worst, loss) {
            (None, _) | (Some(_), Loss::Unknown) => true,
            (Some((Loss::AtMost(known), _)), Loss::AtMost(this)) => this > *known,
            (Some((Loss::Unknown, _)), Loss::AtMost(_)) => false,
        };
        if is_worse {
            worst = Some((loss, by));
        }
    }
    let (loss, by) = worst.unwrap_or((Loss::Unknown, "nothing was promoted".to_owned()));
    LossFigure::new(loss, by)
}
