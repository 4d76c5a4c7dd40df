//! What a person should type next. The reader is on call at night: the exact command, and why.

use jiff::Timestamp;
use muster_runbooks::{
    action::{Action, Outputs, control::PersonRole},
    plan::{Part, Plan, Step},
    request::{Manner, Mode, Request},
    shell::word,
};
use muster_state::{
    approval,
    command::{Person, Steer},
    lease::Missing,
    run::{Outcome, PauseCause, Run},
    steer,
    step::{Attempt, StepState},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::wait::Stops;

/// A command and the reason to type it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct NextView {
    /// The command; words in capitals are for the person to fill in.
    pub command: String,
    /// Why.
    pub why: String,
}

fn next(command: String, why: impl Into<String>) -> NextView {
    NextView { command, why: why.into() }
}

/// The runs that steps wait for: what those wait for holds this one up.
fn children(run: &Run) -> impl Iterator<Item = NextView> + '_ {
    run.children.iter().filter(|child| child.ended.is_none()).map(|child| {
        let why = format!("`{}` waits until that run has ended", child.step);
        next(format!("muster status {}", child.run), why)
    })
}

/// What to do about a run, the most urgent first.
pub fn steps(run: &Run, stops: &Stops, now: Timestamp) -> Vec<NextView> {
    if let Some(ended) = run.ended {
        return after(run, ended.outcome);
    }
    let id = &run.id;
    let mut list = Vec::new();
    if stops.lease_of(run).is_some_and(Missing::may_be_overridden) {
        list.push(next(
            format!("muster override-lease {id} --reason TEXT"),
            "only if you know that no other Muster acts: this run then goes on without the lease",
        ));
    }
    if stops.off.is_some() {
        list.push(next("muster on --reason TEXT".to_owned(), "muster is switched off"));
    }
    for cause in &run.pauses {
        if let PauseCause::Failover { run } = cause {
            list.push(next(format!("muster watch {run}"), "that failover goes first"));
        }
    }
    list.extend(children(run));
    if !run.pauses.is_empty() {
        list.push(next(
            format!("muster resume {id} --reason TEXT"),
            "go on, once you have seen that the world is as the run believes",
        ));
    }
    for (step, state) in run.steps() {
        match state {
            StepState::Running(attempt) => {
                if is_possible(now, run, &Steer::Retry { step: step.id.clone() }) {
                    list.push(next(
                        format!("muster retry {id} {} --reason TEXT", step.id),
                        "you looked, and it was never sent",
                    ));
                }
                list.extend(asked(now, run, step, attempt));
            }
            StepState::Held { risk, .. } => list.push(next(
                format!("muster approve {id} --step {} --accept {risk} --reason TEXT", step.id),
                "accept the risk, or let its time run out",
            )),
            StepState::Failed { .. } if run.failed_step().is_some_and(|failed| failed == step) => {
                list.push(next(
                    format!("muster retry {id} {} --reason TEXT", step.id),
                    "try again, once the cause is gone",
                ));
                let done = Steer::Done { step: step.id.clone(), outputs: Outputs::new() };
                if is_possible(now, run, &done) {
                    list.push(next(
                        format!("muster done {id} {} --reason TEXT", step.id),
                        "you did its work by hand",
                    ));
                }
                if is_possible(now, run, &Steer::Skip { step: step.id.clone() }) {
                    list.push(next(
                        format!("muster skip {id} {} --reason TEXT", step.id),
                        "go on without it",
                    ));
                }
            }
            StepState::Pending { .. }
            | StepState::BackingOff { .. }
            | StepState::Succeeded { .. }
            | StepState::Failed { .. }
            | StepState::Skipped { .. }
            | StepState::DoneByHand { .. }
            | StepState::Previewed { .. }
            | StepState::Superseded { .. } => {}
        }
    }
    if run.awaits_undo() && run.part() == Part::Undo {
        list.push(next(format!("muster resume {id} --reason TEXT"), "run the undo steps"));
        list.push(next(format!("muster abandon {id} --reason TEXT"), "leave things as they are"));
    }
    if run.failed_step().is_some() && is_possible(now, run, &Steer::Force) {
        list.push(next(
            format!("muster force {id} --reason TEXT"),
            "give the active side up; the forced loss must be approved first",
        ));
    }
    if run.failed_step().is_some() {
        list.push(next(format!("muster abandon {id} --reason TEXT"), "give the run up"));
    }
    if list.is_empty() {
        list.push(next(format!("muster watch {id}"), "it goes on by itself"));
    }
    list
}

/// What an open step asks a person for.
fn asked(now: Timestamp, run: &Run, step: &Step, attempt: &Attempt) -> Vec<NextView> {
    let (id, open) = (&run.id, &step.id);
    if let Action::Gate(gate) = &*attempt.action {
        return vec![next(format!("muster done {id} {open} --reason TEXT"), gate.asks.clone())];
    }
    let Some(asked) = approval::asked(run, step, attempt, now) else { return Vec::new() };
    let risks = approval::risks(&asked);
    let accepts: String = risks.iter().map(|risk| format!(" --accept {risk}")).collect();
    vec![
        next(
            format!("muster approve {id} --step {open}{accepts} --reason TEXT"),
            "shows what would be done and lost, and asks before it approves",
        ),
        next(
            format!("muster decline {id} --step {open} --reason TEXT"),
            "the run fails and nothing is changed",
        ),
    ]
}

/// Whether the word would be taken from somebody who may say everything: guards, for one, cannot be
/// marked done by anybody.
fn is_possible(now: Timestamp, run: &Run, word: &Steer) -> bool {
    let anybody = Person { name: String::new(), role: PersonRole::Admin };
    steer::steer(now, run, &anybody, "possible?", word).is_ok()
}

/// What to do once a run has ended.
fn after(run: &Run, outcome: Outcome) -> Vec<NextView> {
    let plan = &run.plan;
    let went_well = matches!(outcome, Outcome::Succeeded | Outcome::SucceededWithExceptions);
    match (plan.mode, went_well) {
        (Mode::Preview, true) if outcome == Outcome::Succeeded => {
            vec![next(again(run), "do it for real")]
        }
        (Mode::Preview, true) => {
            vec![next(again(run), "do it for real, once what failed here is mended")]
        }
        (Mode::Live, true) => match &plan.way_back {
            Some(way_back) => {
                let why = "the way back, in calm, once the other side is well";
                vec![next(start(plan, way_back.as_str()), why)]
            }
            None => Vec::new(),
        },
        (Mode::Live | Mode::Preview | Mode::Drill, _) => {
            vec![next(format!("muster status {}", run.id), "see what was done and what was not")]
        }
    }
}

fn start(plan: &Plan, runbook: &str) -> String {
    let application = plan
        .binding
        .as_ref()
        .map_or(String::new(), |binding| format!(" --application {}", binding.application.name));
    format!("muster run {runbook}{application} --reason TEXT")
}

/// The same request in earnest: a preview of a forced failover must not lead to a graceful one.
fn again(run: &Run) -> String {
    let Request { inputs, .. } = &*run.request;
    let mut command = format!("muster run {}", run.plan.runbook);
    if let Some(application) = run.application() {
        command += &format!(" --application {application}");
    }
    for (name, value) in inputs {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        command += &format!(" --input {}", word(&format!("{name}={text}")));
    }
    if run.manner == Manner::Forced {
        command += " --forced";
    }
    command + " --reason TEXT"
}
