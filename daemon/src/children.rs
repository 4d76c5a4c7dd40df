//! Starts the runs that steps of open runs want, through the one door.

use jiff::SignedDuration;
use muster_runbooks::{
    name::{RunId, StepId},
    request::Request,
};
use muster_state::command::{Command, Refusal};
use tracing::{info, warn};

use crate::{
    intake::{Intake, Rejected},
    perform::Health,
};

/// How often it is looked for steps that want a run.
const LOOKS_EVERY: SignedDuration = SignedDuration::from_secs(1);

/// Looks until the future is dropped.
pub async fn watch(intake: Intake) {
    let clock = intake.clock();
    loop {
        if intake.health() == Health::Ready {
            for (run, step, request) in wanted(&intake) {
                start(&intake, &run, &step, request).await;
            }
        }
        clock.sleep(LOOKS_EVERY).await;
    }
}

fn wanted(intake: &Intake) -> Vec<(RunId, StepId, Request)> {
    intake.known(|known| {
        let runs = known.runs.values();
        let wants = runs.flat_map(|run| {
            run.wants_started().into_iter().map(move |(step, start)| {
                (run.id.clone(), step.id.clone(), run.request_of(step, start))
            })
        });
        wants.collect()
    })
}

/// Starts one, or says for good why it cannot be.
async fn start(intake: &Intake, run: &RunId, step: &StepId, request: Request) {
    let because = match intake.request(request, None, None).await {
        Ok(accepted) => {
            let child = accepted.run.map(|run| run.to_string()).unwrap_or_default();
            return info!(%run, %step, child, "the run of a step was started");
        }
        Err(why) if passes(&why) => {
            return warn!(%run, %step, %why, "the run of a step cannot be started yet");
        }
        Err(why) => why.to_string(),
    };
    let (run, step) = (run.clone(), step.clone());
    if let Err(why) = intake.command(Command::Unstarted { run, step, because }).await {
        warn!(%why, "that the run of a step cannot be started could not be written down yet");
    }
}

/// Whether it may be otherwise in a while, by itself or by what somebody does who was told already.
fn passes(why: &Rejected) -> bool {
    match why {
        Rejected::Unavailable | Rejected::Journal(_) => true,
        Rejected::UnknownRunbook { .. }
        | Rejected::UnknownApplication { .. }
        | Rejected::Invalid { .. } => false,
        Rejected::Refused(refusal) => matches!(
            refusal,
            Refusal::SwitchedOff
                | Refusal::NotTheActor { .. }
                | Refusal::TooManyRuns { .. }
                // It was started meanwhile, or its step no longer waits.
                | Refusal::NotNow { .. }
                | Refusal::UnknownRun { .. }
        ),
    }
}
