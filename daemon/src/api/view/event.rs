//! One fact of a run, as people see it: flat, so that a client needs no knowledge of the fold.

use jiff::Timestamp;
use muster_state::{
    event::{Event, Record, RunEvent},
    run::PauseCause,
    step::Change,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One fact of a run.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct EventView {
    /// Its place in the journal. A client that stopped goes on behind the last one it saw.
    pub seq: u64,
    /// When it was written.
    pub recorded_at: Timestamp,
    /// What sort of fact, such as `step_started`.
    pub kind: String,
    /// The step it is about.
    pub step: Option<String>,
    /// The attempt it is about.
    pub attempt: Option<u32>,
    /// The person who said it.
    pub by: Option<String>,
    /// What happened, in a sentence.
    pub text: String,
}

/// The view of a record; nothing for a record that is not about a run.
pub fn view(record: &Record) -> Option<EventView> {
    let Event::Run(event) = &record.event else { return None };
    let (kind, step, attempt, by, text) = match event {
        RunEvent::Step { step, change } => {
            let (kind, attempt, by, text) = change_parts(change);
            (kind, Some(step.to_string()), attempt, by, text)
        }
        RunEvent::Admitted { request, plan } => {
            let hash = plan.hash().get(..12).unwrap_or_default();
            let text = format!("{}: {} (plan {hash})", request.runbook, request.reason);
            ("admitted", None, None, Some(request.trigger.who()), text)
        }
        RunEvent::Approved { step, by, accepts, reason } => {
            let risks: Vec<&str> = accepts.iter().map(|risk| risk.word()).collect();
            let text = if risks.is_empty() {
                reason.clone()
            } else {
                format!("{reason} (accepts {})", risks.join(", "))
            };
            ("approved", Some(step.to_string()), None, Some(by.clone()), text)
        }
        RunEvent::GlassBroken { step, by, seals, reason, .. } => {
            let of: Vec<&str> = seals.iter().map(|seal| seal.by.as_str()).collect();
            let text = format!("{reason} (the sealed approvals of {})", of.join(", "));
            ("glass_broken", Some(step.to_string()), None, Some(by.clone()), text)
        }
        RunEvent::Declined { step, by, reason } => {
            ("declined", Some(step.to_string()), None, Some(by.clone()), reason.clone())
        }
        RunEvent::Paused { cause } => {
            let (by, text) = match cause {
                PauseCause::Operator { who, reason } => (Some(who.clone()), reason.clone()),
                PauseCause::Gate { saw } => (None, saw.clone()),
                PauseCause::Failover { run } => (None, format!("failover `{run}` goes first")),
            };
            ("paused", None, None, by, text)
        }
        RunEvent::Resumed { by, reason } => {
            ("resumed", None, None, Some(by.clone()), reason.clone())
        }
        RunEvent::Forced { by, reason } => ("forced", None, None, Some(by.clone()), reason.clone()),
        RunEvent::LeaseOverridden { by, reason } => {
            ("lease_overridden", None, None, Some(by.clone()), reason.clone())
        }
        RunEvent::Noted { by, text } => ("noted", None, None, Some(by.clone()), text.clone()),
        RunEvent::Abandoned { by, reason, undo } => {
            let tail = if *undo { "; the undo steps run" } else { "" };
            ("abandoned", None, None, Some(by.clone()), format!("{reason}{tail}"))
        }
        RunEvent::UndoDecided { by, undo } => {
            let text = if *undo { "the undo steps run" } else { "no undo" };
            ("undo_decided", None, None, Some(by.clone()), text.to_owned())
        }
        RunEvent::ChildAdmitted { step, run } => (
            "child_admitted",
            Some(step.to_string()),
            None,
            None,
            format!("run `{run}` is its run"),
        ),
        RunEvent::ChildEnded { run, outcome } => {
            ("child_ended", None, None, None, format!("run `{run}` ended {outcome}"))
        }
        RunEvent::Ended { outcome } => ("ended", None, None, None, outcome.to_string()),
    };
    let kind = kind.to_owned();
    Some(EventView { seq: record.seq, recorded_at: record.at, kind, step, attempt, by, text })
}

type Parts = (&'static str, Option<u32>, Option<String>, String);

fn change_parts(change: &Change) -> Parts {
    match change {
        Change::Started { attempt, manner, deadline, action } => {
            let text = format!("{} ({manner}), judged at {deadline:.0}", action.spec().name);
            ("step_started", Some(*attempt), None, text)
        }
        Change::Aimed { attempt, targets, .. } => {
            let text = format!("what stands before is recorded ({} targets)", targets.len());
            ("step_aimed", Some(*attempt), None, text)
        }
        Change::Begun { attempt } => {
            ("step_begun", Some(*attempt), None, "the call was taken".to_owned())
        }
        Change::Held { attempt, risk, .. } => {
            let text = format!("met the risk `{risk}`, which a person must accept");
            ("step_held", Some(*attempt), None, text)
        }
        Change::Delayed { attempt, reason, retry_at } => {
            let text = format!("{reason}; next attempt at {retry_at:.0}");
            ("step_delayed", Some(*attempt), None, text)
        }
        Change::Succeeded { attempt, outputs } => {
            let said: Vec<String> = outputs.iter().map(|(name, value)| said(name, value)).collect();
            ("step_succeeded", Some(*attempt), None, said.join(", "))
        }
        Change::SeenAgain { attempt, outputs } => {
            let said: Vec<String> = outputs.iter().map(|(name, value)| said(name, value)).collect();
            ("step_seen_again", Some(*attempt), None, said.join(", "))
        }
        Change::Failed { attempt, fault } => {
            ("step_failed", Some(*attempt), None, fault.to_string())
        }
        Change::Superseded { attempt, seen } => {
            ("step_superseded", Some(*attempt), None, format!("forced; last seen: {seen}"))
        }
        Change::Retried { by, reason } => ("step_retried", None, Some(by.clone()), reason.clone()),
        Change::Skipped { by, reason } => ("step_skipped", None, Some(by.clone()), reason.clone()),
        Change::DoneByHand { by, reason, .. } => {
            ("step_done_by_hand", None, Some(by.clone()), reason.clone())
        }
        Change::Previewed { effect } => ("step_previewed", None, None, effect.join("; ")),
        Change::Reset => ("step_reset", None, None, "asked again".to_owned()),
    }
}

fn said(name: &str, value: &serde_json::Value) -> String {
    match value.as_str() {
        Some(text) => format!("{name} {text}"),
        None => format!("{name} {value}"),
    }
}
