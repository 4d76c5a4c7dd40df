//! What the intake's answer means for a message: pure.

use muster_state::command::{Accepted, Refusal};

use super::audit::Cause;
use crate::intake::Rejected;

/// What the intake's answer means for a message.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Settled {
    /// It is durable, now or since before.
    Done,
    /// It will never be done.
    Refused {
        /// Why not.
        because: String,
        /// Which sort of reason that is.
        cause: Cause,
    },
    /// It may be done later, and nothing is broken.
    NotNow(String),
    /// The journal or the engine cannot take anything.
    Stalled(String),
}

impl Settled {
    /// It should not have been asked for.
    fn wrong(because: String) -> Settled {
        Settled::Refused { because, cause: Cause::Wrong }
    }
}

/// Reads the intake's answer; `None` is no answer in time.
pub(super) fn settle(answer: Option<Result<Accepted, Rejected>>) -> Settled {
    let Some(answer) = answer else {
        return Settled::Stalled("the journal does not answer".to_owned());
    };
    match answer {
        Ok(_) => Settled::Done,
        Err(Rejected::Refused(refusal)) => refused(&refusal),
        // A conflict too: somebody was faster, and the next look will see what they did.
        Err(why @ (Rejected::Journal(_) | Rejected::Unavailable)) => {
            Settled::Stalled(why.to_string())
        }
        Err(
            why @ (Rejected::UnknownRunbook { .. }
            | Rejected::UnknownApplication { .. }
            | Rejected::Invalid { .. }),
        ) => Settled::wrong(why.to_string()),
    }
}

fn refused(refusal: &Refusal) -> Settled {
    match refusal {
        // Until its not-after, which makes it late and so refused.
        Refusal::SwitchedOff
        | Refusal::NotTheActor { .. }
        | Refusal::TooManyRuns { .. }
        | Refusal::Frozen { .. }
        | Refusal::Locked { .. } => Settled::NotNow(refusal.to_string()),
        // Judged in time, and then something else was faster.
        Refusal::TooLate { .. } => {
            Settled::Refused { because: refusal.to_string(), cause: Cause::Late }
        }
        Refusal::KeyReused { .. }
        | Refusal::BadPlan { .. }
        | Refusal::NotNow { .. }
        | Refusal::NoReason
        | Refusal::NoHoldName
        | Refusal::BadDowntime { .. }
        | Refusal::UnknownPoint { .. }
        | Refusal::UnknownFinding { .. }
        | Refusal::Unfit { .. }
        | Refusal::OwnGlass { .. }
        | Refusal::FewSeals { .. }
        | Refusal::SealOpened { .. }
        | Refusal::UnknownHold { .. }
        | Refusal::OccurrenceTaken { .. }
        | Refusal::UnknownRun { .. }
        | Refusal::UnknownStep { .. }
        | Refusal::UnknownProposal { .. }
        | Refusal::Role { .. }
        | Refusal::OwnRequest { .. }
        | Refusal::Twice { .. }
        | Refusal::OtherPlan
        | Refusal::RiskNotAccepted { .. }
        | Refusal::RiskNotOffered { .. }
        | Refusal::Guard { .. } => Settled::wrong(refusal.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use muster_state::journal::AppendError;

    use super::*;

    /// Goal: nothing is deleted that is not durable, and nothing loops that never will be.
    /// Method: every sort of answer and what it means.
    #[test]
    fn every_answer_and_its_meaning() {
        let word = |answer| match settle(answer) {
            Settled::Done => "done",
            Settled::Refused { cause: Cause::Wrong, .. } => "refused",
            Settled::Refused { cause: Cause::Late, .. } => "late",
            Settled::NotNow(_) => "not now",
            Settled::Stalled(_) => "stalled",
        };
        let not_after = jiff::Timestamp::UNIX_EPOCH;
        for (answer, wanted) in [
            (Ok(Accepted { run: None, repeated: false }), "done"),
            (Ok(Accepted { run: None, repeated: true }), "done"),
            (Err(Rejected::Unavailable), "stalled"),
            (Err(AppendError::Full.into()), "stalled"),
            (Err(AppendError::Conflict { on: "dedupe/a".into() }.into()), "stalled"),
            (Err(AppendError::Broken { because: "full".into() }.into()), "stalled"),
            (Err(Refusal::SwitchedOff.into()), "not now"),
            (Err(Refusal::TooManyRuns { open: 1_000 }.into()), "not now"),
            (Err(Refusal::TooLate { not_after }.into()), "late"),
            (Err(Rejected::UnknownRunbook { name: "a".into() }), "refused"),
            (Err(Rejected::Invalid { problems: vec![] }), "refused"),
        ] {
            let text = format!("{answer:?}");
            assert_eq!(word(Some(answer)), wanted, "{text}");
        }
        assert_eq!(word(None), "stalled");
    }
}
