//! `limit-admission` and `raise-admission`: few users at first, and more of them stage by stage.
//!
//! How far it is stands on the ingress itself, with what was there before, so that any process goes on from
//! there, and so that nothing is left limited when a run was given up.

use jiff::Timestamp;
use muster_runbooks::{
    action::{
        Role,
        admission::{ADMITTED_BY, LimitAdmission, RaiseAdmission},
    },
    application::admission::Admission,
};
use muster_state::call::{Answer, Call, CallError, Done, Progress};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    aws::error,
    kube::{Cluster, ingress::Door},
    real::{Real, Verbs, on, verbs, workload},
};

/// How far an ingress is, as it says itself.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Stage {
    /// The run that limited it.
    pub(super) run: String,
    /// The place of the stage that it is at.
    pub(super) at: usize,
    /// Since when.
    pub(super) since: Timestamp,
    /// What it admitted before it was limited; nothing where nothing limited it.
    pub(super) before: Option<String>,
}

impl Stage {
    /// The first stage for a run; nothing where the run has limited it already. What was limited before keeps
    /// what stood there first.
    pub(super) fn first(
        call: &Call,
        now: Timestamp,
        known: Option<&Stage>,
        value: Option<&str>,
    ) -> Option<Stage> {
        let before = match known {
            Some(known) if known.run == call.run.as_str() => return None,
            Some(known) => known.before.clone(),
            None => value.map(str::to_owned),
        };
        Some(Stage { run: call.run.to_string(), at: 0, since: now, before })
    }

    /// The stage that follows; nothing before its time, whatever was seen when it was asked for.
    pub(super) fn next(&self, admission: &Admission, now: Timestamp) -> Option<Stage> {
        let is_due = self.since + admission.every.duration() <= now;
        is_due.then(|| Stage { at: self.at + 1, since: now, ..self.clone() })
    }
}

/// What a look at an ingress means for the action that limits it.
pub(super) fn is_limited(call: &Call, admission: &Admission, stage: Option<&Stage>) -> Progress {
    match stage {
        Some(stage) if call.aim.is_some() && stage.run == call.run.as_str() => {
            Progress::Done(Done::with([("admits", json!(admits(admission, stage)))]))
        }
        Some(_) | None => not_started(admission, stage),
    }
}

/// What it means for the action that opens it.
pub(super) fn is_open(call: &Call, admission: &Admission, stage: Option<&Stage>) -> Progress {
    if call.aim.is_none() {
        return not_started(admission, stage);
    }
    let Some(stage) = stage else {
        return Progress::Done(Done::with([("admits", json!("as it did before"))]));
    };
    let until = stage.since + admission.every.duration();
    if stage.at < admission.stages.len() && call.asked_at < until {
        return Progress::in_progress(format!("{} until {until:.0}", admits(admission, stage)));
    }
    not_started(admission, Some(stage))
}

/// That an ingress is so already is no stranger's doing, and nobody has to look at it: before it was aimed, it
/// has not started.
fn not_started(admission: &Admission, stage: Option<&Stage>) -> Progress {
    Progress::NotStarted { before: json!(stage), targets: vec![admission.ingress.clone()] }
}

fn admits(admission: &Admission, stage: &Stage) -> String {
    match admission.stages.get(stage.at) {
        Some(value) => format!("{} {value}", admission.annotation),
        None => "as it did before".to_owned(),
    }
}

/// The annotations of a stage; behind the last one, those of an ingress that nobody limits.
pub(super) fn annotations(admission: &Admission, stage: &Stage) -> Value {
    let key = admission.annotation.as_str();
    match admission.stages.get(stage.at) {
        Some(value) => json!({ key: value.to_string(), ADMITTED_BY: json!(stage).to_string() }),
        None => json!({ key: stage.before, ADMITTED_BY: null }),
    }
}

pub(super) fn limit<'a>(real: &'a Real, call: &'a Call, action: &'a LimitAdmission) -> Verbs<'a> {
    let observe = async {
        Ok(match read(real, call, action.at).await? {
            Ok(there) => is_limited(call, there.admission, there.stage.as_ref()),
            Err(reason) => Progress::Refused { reason },
        })
    };
    let begin = async {
        let there = read(real, call, action.at).await?.map_err(|why| error::unfit(call, &why))?;
        let value = there.door.annotation(&there.admission.annotation);
        there.go_to(Stage::first(call, real.clock.now(), there.stage.as_ref(), value)).await
    };
    verbs(call, observe, begin)
}

pub(super) fn raise<'a>(real: &'a Real, call: &'a Call, action: &'a RaiseAdmission) -> Verbs<'a> {
    let observe = async {
        Ok(match read(real, call, action.at).await? {
            Ok(there) => is_open(call, there.admission, there.stage.as_ref()),
            Err(reason) => Progress::Refused { reason },
        })
    };
    let begin = async {
        let there = read(real, call, action.at).await?.map_err(|why| error::unfit(call, &why))?;
        let now = real.clock.now();
        let next = there.stage.as_ref().and_then(|stage| stage.next(there.admission, now));
        there.go_to(next).await
    };
    verbs(call, observe, begin)
}

/// An ingress that may be limited.
struct There<'a> {
    cluster: Cluster<'a>,
    admission: &'a Admission,
    door: Door,
    stage: Option<Stage>,
}

impl There<'_> {
    async fn go_to(&self, next: Option<Stage>) -> Result<Answer, CallError> {
        if let Some(next) = next {
            self.cluster.annotate(&self.door, annotations(self.admission, &next)).await?;
        }
        Ok(Answer::Accepted)
    }
}

/// Reads the ingress of a workload; the inner error says why there is nothing to be limited.
async fn read<'a>(
    real: &'a Real,
    call: &'a Call,
    at: Role,
) -> Result<Result<There<'a>, String>, CallError> {
    let workload = workload(call)?;
    // A plan holds no such step for a workload that declares nothing.
    let Some(admission) = &workload.admission else {
        return Ok(Err(format!("`{}` declares no `admission`", workload.name)));
    };
    let cluster = real.kube.cluster_for(call, workload, on(call)?.region(at)).await?;
    let Some(door) = cluster.door(&admission.ingress).await? else {
        return Ok(Err(format!("there is no ingress `{}`", admission.ingress)));
    };
    let said = door.annotation(ADMITTED_BY);
    // What nobody can read was not written by us: a person looks what it was.
    let Ok(stage) = said.map(serde_json::from_str).transpose() else {
        return Ok(Err(format!("`{ADMITTED_BY}` of `{}` cannot be read", admission.ingress)));
    };
    Ok(Ok(There { cluster, admission, door, stage }))
}
