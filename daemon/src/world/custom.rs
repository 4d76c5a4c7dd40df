//! Steps of the user's own: a call over HTTP, and a job in a cluster.

mod job;
mod web;

use muster_runbooks::{
    action::custom::{CallHttp, RunJob},
    request::Mode,
};
use muster_state::call::{Call, CallError};

use super::{
    aws::error,
    real::{Real, Verbs, verbs},
};

/// The verbs of a call over HTTP.
pub(super) fn call<'a>(real: &'a Real, call: &'a Call, with: &'a CallHttp) -> Verbs<'a> {
    verbs(call, web::observe(real, call, with), web::begin(real, call, with))
}

/// The verbs of a job.
pub(super) fn job<'a>(real: &'a Real, call: &'a Call, with: &'a RunJob) -> Verbs<'a> {
    verbs(call, job::observe(real, call, with), job::begin(real, call, with))
}

/// Nobody outside is asked in a drill or a preview: nothing that they make bears our drill mark.
fn for_real(call: &Call) -> Result<(), CallError> {
    match call.mode {
        Mode::Live => Ok(()),
        Mode::Drill | Mode::Preview => {
            Err(error::unfit(call, "steps of the user's own are carried out in live runs only"))
        }
    }
}
