//! Part 3: what a run was to reach.

use jiff::Timestamp;
use muster_state::run::Run;
use serde::{Deserialize, Serialize};

use super::{Length, List};
use crate::api::view::figures;

/// The most steps whose success is described.
const CRITERIA_MAX: usize = 256;

/// What a run was to reach, fixed before it began: the plan that says so is bound by its hash.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Objectives {
    /// The recovery time that was promised of the application.
    pub rto: Option<Length>,
    /// The loss that was promised not to be exceeded.
    pub rpo: Option<Length>,
    /// The recovery time that the runbook is to keep.
    pub runbook_rto: Option<Length>,
    /// The loss over which one more person had to approve.
    pub data_loss_max: Option<Length>,
    /// What each step was to show, where its runbook says so.
    pub criteria: List<Criterion>,
}

/// What can be seen when a step is done.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Criterion {
    /// The step.
    pub step: String,
    /// What can be seen.
    pub expect: String,
}

impl Objectives {
    /// The objectives of a run, as they stand at an instant.
    pub fn make(run: &Run, now: Timestamp) -> Objectives {
        let promised = run.plan.binding.as_ref().map(|binding| binding.application.objectives);
        let limit = figures::losses(run, now).and_then(|losses| losses.limit);
        let criteria = run.plan.steps.iter().filter_map(|step| {
            Some(Criterion { step: step.id.to_string(), expect: step.expect.clone()? })
        });
        Objectives {
            rto: promised.map(|promised| promised.rto.into()),
            rpo: promised.map(|promised| promised.rpo.into()),
            runbook_rto: run.plan.rto.map(Length::from),
            data_loss_max: limit.map(|limit| Length { text: limit.text, secs: limit.secs }),
            criteria: List::first(CRITERIA_MAX, criteria),
        }
    }
}
