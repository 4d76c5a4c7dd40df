//! What people say about findings: who found one, who looks after it, and that it is settled.

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{action::control::PersonRole, name::ApplicationName};

use super::{Engine, Output};
use crate::{
    catalog::Finding,
    command::{Accepted, Care, Person, Refusal},
    event::{ApplicationEvent, Entry},
    progress::ApplicationState,
    steer::{GLASS, may_say},
};

/// What the ids of findings begin with that a person raised.
pub const RAISED: &str = "raised/";

/// The most findings of one application that people have raised and not settled.
const RAISED_MAX: usize = 200;

/// What is due later than this was mistyped.
const DUE_MAX: SignedDuration = SignedDuration::from_hours(2 * 366 * 24);

/// The longest name of an owner, and the longest ticket, in bytes.
const NAME_BYTES_MAX: usize = 200;

/// The longest sentence, in bytes.
const TEXT_BYTES_MAX: usize = 2_000;

impl Engine {
    /// Records a word about a finding.
    pub(super) fn care(
        &mut self,
        now: Timestamp,
        application: &ApplicationName,
        by: Person,
        reason: String,
        care: Care,
        out: &mut Vec<Output>,
    ) -> Result<Accepted, Refusal> {
        may_say(&by, PersonRole::Operator, &reason)?;
        let nothing = ApplicationState::default();
        let state = self.known.applications.get(application).unwrap_or(&nothing);
        let event = match care {
            Care::Raise(finding) => {
                raisable(state, &finding)?;
                ApplicationEvent::FindingRaised { finding, by: by.name, reason }
            }
            Care::Assign { id, owner, due_at, ticket } => {
                stands(state, &id)?;
                assignable(&owner, due_at, ticket.as_deref(), now)?;
                let by = by.name;
                ApplicationEvent::FindingAssigned { id, owner, due_at, ticket, by, reason }
            }
            Care::Settle { id } => {
                settleable(state, &id, &by)?;
                ApplicationEvent::FindingSettled { id, by: by.name, reason }
            }
        };
        self.record(now, Entry::application(application, event), out);
        Ok(Accepted { run: None, repeated: false })
    }
}

fn stands(state: &ApplicationState, id: &str) -> Result<(), Refusal> {
    if state.findings.contains_key(id) {
        return Ok(());
    }
    Err(Refusal::UnknownFinding { id: id.to_owned() })
}

fn raisable(state: &ApplicationState, finding: &Finding) -> Result<(), Refusal> {
    fits("the message", &finding.message, TEXT_BYTES_MAX)?;
    fits("what to do", &finding.hint, TEXT_BYTES_MAX)?;
    if state.raised.len() >= RAISED_MAX && !state.raised.contains_key(&finding.id) {
        let because = format!("{RAISED_MAX} are open, which nobody can look after: settle some");
        return Err(Refusal::NotNow { what: "raising a finding", because });
    }
    Ok(())
}

fn assignable(
    owner: &str,
    due_at: Timestamp,
    ticket: Option<&str>,
    now: Timestamp,
) -> Result<(), Refusal> {
    fits("the owner", owner, NAME_BYTES_MAX)?;
    if let Some(ticket) = ticket {
        fits("the ticket", ticket, NAME_BYTES_MAX)?;
    }
    if due_at <= now || due_at.duration_since(now) > DUE_MAX {
        let because = format!("{due_at} is not within the next two years");
        return Err(Refusal::Unfit { what: "the due date", because });
    }
    Ok(())
}

/// What a check opened, the check closes. A glass that was broken is reviewed by somebody else.
fn settleable(state: &ApplicationState, id: &str, by: &Person) -> Result<(), Refusal> {
    stands(state, id)?;
    let Some(raised_by) = state.raised.get(id) else {
        let because = format!("`{id}` was found by a check, and closes when the check passes");
        return Err(Refusal::NotNow { what: "settling it", because });
    };
    if id.starts_with(GLASS) {
        may_say(by, PersonRole::Approver, "a review")?;
        if *raised_by == by.name {
            return Err(Refusal::OwnGlass { who: by.name.clone() });
        }
    }
    Ok(())
}

fn fits(what: &'static str, text: &str, bytes_max: usize) -> Result<(), Refusal> {
    let because = if text.trim().is_empty() {
        "it is empty".to_owned()
    } else if text.len() > bytes_max {
        format!("it is longer than {bytes_max} bytes")
    } else if text.chars().any(char::is_control) {
        "it has control characters".to_owned()
    } else {
        return Ok(());
    };
    Err(Refusal::Unfit { what, because })
}
