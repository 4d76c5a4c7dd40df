//! The outside, real or simulated: two verbs.

pub mod sim;

use muster_state::call::{Answer, Call, CallError, Reading};

/// What runs act on.
pub enum World {}

impl World {
    /// Looks how far a call has come. Changes nothing.
    pub async fn observe(&self, _call: &Call) -> Result<Reading, CallError> {
        match *self {}
    }

    /// Asks for a call to be begun.
    pub async fn begin(&self, _call: &Call) -> Result<Answer, CallError> {
        match *self {}
    }
}
