//! Something that was asked for and refused, as the API shows it.

use jiff::Timestamp;
use muster_state::event::{AccessEvent, Event, Record};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Something that was refused.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct RefusalView {
    /// Its place in the journal.
    pub seq: u64,
    /// When it was refused.
    pub recorded_at: Timestamp,
    /// Who asked, as far as that is known: a person, or `event:` and the principal of a queue.
    pub who: String,
    /// What was asked for.
    pub what: String,
    /// Why it was not done.
    pub because: String,
}

/// The view of a record, if it is of a refusal.
pub fn view(record: &Record) -> Option<RefusalView> {
    match &record.event {
        Event::Access(AccessEvent::Refused { who, what, because }) => Some(RefusalView {
            seq: record.seq,
            recorded_at: record.at,
            who: who.clone(),
            what: what.clone(),
            because: because.clone(),
        }),
        Event::Access(_)
        | Event::Run(_)
        | Event::Application(_)
        | Event::Schedule(_)
        | Event::Notice(_) => None,
    }
}
