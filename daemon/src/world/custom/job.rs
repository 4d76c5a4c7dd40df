//! `run-job`: a Job of Kubernetes that bears the outside name, watched until it has ended.

use muster_runbooks::{
    action::custom::RunJob,
    application::{Job, Workload},
};
use muster_state::call::{Answer, Call, CallError, Done, Progress};
use serde_json::json;

use super::for_real;
use crate::world::{
    aws::error,
    kube::job::{Ended, Stand},
    real::{Real, on},
};

/// How far the job of this name is.
pub(super) async fn observe(
    real: &Real,
    call: &Call,
    action: &RunJob,
) -> Result<Progress, CallError> {
    for_real(call)?;
    let on = on(call)?;
    let Some((workload, _)) = action.find(&on) else { return Ok(undeclared(action)) };
    let cluster = real.kube.cluster(workload, on.region(action.at)).await?;
    Ok(match cluster.job(call.token.as_str()).await? {
        Stand::Absent => Progress::not_started(),
        Stand::Strange => Progress::Foreign {
            saw: format!("a job called `{}` that Muster did not create", call.token),
        },
        Stand::Open { note } => Progress::in_progress(note),
        Stand::Succeeded(Ended { pods, pod, log, .. }) => Progress::Done(Done {
            notes: log.into_iter().collect(),
            ..Done::with([("succeeded", json!(pods)), ("pod", json!(pod))])
        }),
        Stand::Failed(Ended { why, log, .. }) => {
            let log = log.map_or_else(String::new, |log| format!("; {log}"));
            Progress::Failed { reason: format!("{why}{log}") }
        }
    })
}

/// Creates the job.
pub(super) async fn begin(real: &Real, call: &Call, action: &RunJob) -> Result<Answer, CallError> {
    for_real(call)?;
    let on = on(call)?;
    let (workload, job): (&Workload, &Job) = action
        .find(&on)
        .ok_or_else(|| error::unfit(call, &format!("no job is called `{}`", action.job)))?;
    let region = on.region(action.at);
    let cluster = real.kube.cluster(workload, region).await?;
    let manifest = job.manifest(&workload.namespace, region, call.token.as_str());
    cluster.create_job(manifest).await?;
    Ok(Answer::Accepted)
}

fn undeclared(action: &RunJob) -> Progress {
    Progress::Refused { reason: format!("no workload declares a job called `{}`", action.job) }
}
