//! Part 5: what was measured: how long it took in its parts, what was lost, what the data checks said.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_runbooks::action::{Reach, spec};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Answer, Length, List,
    facts::{Facts, RunFacts},
    steps::StepRow,
    timeline::Timeline,
};
use crate::api::view::{
    self, LossFigure,
    figures::{self, LossesView, RecoveryView},
};

/// The most checks and measurements that are listed.
const LINES_MAX: usize = 100;

/// What those who read the data are called. Other looks say something about the sides, not the data.
const DATA: &[&str] = &["check-sql", "check-restored", "compare-buckets"];

/// What was measured.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Results {
    /// How long the recovery took; nothing for a run that moves no application.
    pub recovery: Option<Recovery>,
    /// What was lost; nothing for a run that promotes no database.
    pub losses: Option<Losses>,
    /// What looked at the data, the sides and the users' way, and what it saw.
    pub checks: List<Check>,
    /// Lengths that steps measured themselves, such as that of a restore.
    pub measured: List<Measured>,
    /// What users noticed. Muster sees none of their requests, so it does not know.
    pub impact: String,
}

/// How long the recovery took.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Recovery {
    /// `symptom` when the requester said when the trouble began, else `admission`: then the true time is
    /// longer by what nobody told.
    pub counted_from: String,
    /// The instant that it is counted from.
    pub counted_from_at: Timestamp,
    /// When the last look that proves it succeeded.
    pub verified_at: Option<Timestamp>,
    /// The recovery time; nothing until every verifying step has succeeded.
    pub total: Option<Length>,
    /// Why there is none.
    pub because: Option<String>,
    /// From the first symptom to the request; unknown unless the requester said when it began.
    pub detect: Option<Length>,
    /// Until the last approval.
    pub decide: Option<Length>,
    /// Until the last database was promoted.
    pub promote: Option<Length>,
    /// Until the users were moved.
    pub traffic: Option<Length>,
    /// Until the last verifying step succeeded.
    pub verify: Option<Length>,
    /// What the runbook is to keep.
    pub objective: Option<Length>,
    /// Whether it did.
    pub within_objective: Answer,
    /// Whether it kept what was promised of the application.
    pub within_rto: Answer,
}

/// What was lost.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Losses {
    /// The upper bound that approvers were shown, before anything was changed.
    pub predicted: Option<Loss>,
    /// What was measured afterwards, the worst of all databases.
    pub measured: Loss,
    /// What was counted once the side that was left could be read; nothing before the report was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted: Option<Loss>,
    /// Whether it was within what was promised of the application.
    pub within_rpo: Answer,
}

/// A loss, and how it was found.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Loss {
    /// Such as `30s`, or `unknown`.
    pub text: String,
    /// Whole seconds, rounded up; nothing when it is unknown.
    pub secs: Option<u64>,
    /// How it was measured, or why it is not known.
    pub by: String,
}

/// One look, and what it saw.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Check {
    /// The step.
    pub step: String,
    /// What it is for.
    pub title: String,
    /// What it does.
    pub action: String,
    /// The component.
    pub component: Option<String>,
    /// Whether it reads data, and not only how the sides are.
    pub of_data: bool,
    /// Where it stands.
    pub state: String,
    /// Whether it passed; unknown where it was never made.
    pub passed: Answer,
    /// When it ended.
    pub at: Option<Timestamp>,
    /// What went wrong.
    pub fault: Option<String>,
    /// What it saw: queries, counts, lags, as the action gives them.
    pub saw: BTreeMap<String, Value>,
}

/// A length that a step measured.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Measured {
    /// The step.
    pub step: String,
    /// What it is called among the step's outputs.
    pub what: String,
    /// How long.
    pub value: String,
}

impl Results {
    /// The results of a run, by what is known when the report is made.
    pub fn make(one: &RunFacts, timeline: &Timeline, facts: &Facts<'_>) -> Results {
        let now = facts.made_at;
        let counted = facts.around.application.as_ref();
        let counted = counted.and_then(|known| figures::counted(&one.run, known));
        let rows = &timeline.steps;
        let promised = one.run.plan.binding.as_ref().map(|binding| binding.application.objectives);
        let rto = promised.map(|promised| promised.rto.secs());
        let rpo = promised.map(|promised| promised.rpo.secs());
        let impact = "unknown: Muster sees no request of a user; whoever watches them may add it";
        Results {
            recovery: figures::recovery(&one.run, now).map(|seen| recovery(seen, rto)),
            losses: figures::losses(&one.run, now)
                .map(|seen| losses(LossesView { counted, ..seen }, rpo)),
            checks: List::first(LINES_MAX, rows.iter().filter(|row| looks(row)).map(check)),
            measured: List::first(LINES_MAX, rows.iter().flat_map(measured)),
            impact: impact.to_owned(),
        }
    }

    /// Whether a check of data passed, and none failed.
    pub fn data_proven(&self) -> Answer {
        let of_data = || self.checks.items.iter().filter(|check| check.of_data);
        if of_data().any(|check| check.passed == Answer::No) {
            Answer::No
        } else if of_data().any(Check::proves) {
            Answer::Yes
        } else {
            Answer::Unknown
        }
    }
}

impl Check {
    /// Whether it passed and says something about data: a check by SQL says itself whether it does.
    pub fn proves(&self) -> bool {
        let says_not = self.saw.get("proves_data") == Some(&Value::Bool(false));
        self.of_data && self.passed == Answer::Yes && !says_not
    }
}

fn recovery(seen: RecoveryView, rto_secs: Option<u64>) -> Recovery {
    let length = |length: Option<view::Length>| {
        length.map(|length| Length { text: length.text, secs: length.secs })
    };
    let total = length(seen.total);
    let within_rto = total.as_ref().zip(rto_secs).map(|(total, rto)| total.secs <= rto);
    Recovery {
        counted_from: seen.counted_from,
        counted_from_at: seen.counted_from_at,
        verified_at: seen.verified_at,
        total,
        because: seen.because,
        detect: length(seen.parts.detect),
        decide: length(seen.parts.decide),
        promote: length(seen.parts.promote),
        traffic: length(seen.parts.traffic),
        verify: length(seen.parts.verify),
        objective: length(seen.objective),
        within_objective: seen.within_objective.into(),
        within_rto: within_rto.into(),
    }
}

fn losses(seen: LossesView, rpo_secs: Option<u64>) -> Losses {
    let loss = |figure: LossFigure| Loss { text: figure.text, secs: figure.secs, by: figure.by };
    let measured = loss(seen.measured);
    let within_rpo = measured.secs.zip(rpo_secs).map(|(secs, rpo)| secs <= rpo);
    let (predicted, counted) = (seen.predicted.map(loss), seen.counted.map(loss));
    Losses { predicted, measured, counted, within_rpo: within_rpo.into() }
}

/// Whether a step only looks, and says what it saw.
fn looks(row: &StepRow) -> bool {
    let reads = spec(&row.action).is_some_and(|spec| spec.reach == Reach::Reads);
    let tells = ["check-", "compare-", "predict-", "probe"];
    reads && tells.iter().any(|start| row.action.starts_with(start))
}

fn check(row: &StepRow) -> Check {
    let passed = match row.state.as_str() {
        "succeeded" => Answer::Yes,
        "failed" => Answer::No,
        _ => Answer::Unknown,
    };
    Check {
        step: row.id.clone(),
        title: row.title.clone(),
        action: row.action.clone(),
        component: row.component.clone(),
        of_data: DATA.contains(&row.action.as_str()),
        state: row.state.clone(),
        passed,
        at: row.ended_at,
        fault: row.fault.clone(),
        saw: row.outputs.clone(),
    }
}

fn measured(row: &StepRow) -> impl Iterator<Item = Measured> {
    row.outputs.iter().filter(|(name, _)| *name == "took" || name.ends_with("_took")).filter_map(
        |(name, value)| {
            let value = value.as_str()?.to_owned();
            Some(Measured { step: row.id.clone(), what: name.clone(), value })
        },
    )
}
