//! Steps of the user's own: a call over HTTP, and a job in a cluster.

pub(super) mod http;
pub(super) mod job;

use muster_runbooks::request::Mode;
use muster_state::call::{Call, CallError};

use super::aws::error;

/// Nobody outside is asked in a drill or a preview: nothing that they make bears our drill mark.
fn for_real(call: &Call) -> Result<(), CallError> {
    match call.mode {
        Mode::Live => Ok(()),
        Mode::Drill | Mode::Preview => {
            Err(error::unfit(call, "steps of the user's own are carried out in live runs only"))
        }
    }
}
