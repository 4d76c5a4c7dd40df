//! From what is known to what is next. Pure: same run, same time, same answer.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    action::{
        Action, Inside, Outputs, Reach,
        child::NOT_WANTED,
        control::{Approval, Risk, Wait},
        drill::CheckCalendar,
    },
    name::StepId,
    plan::{Part, Step, Unresolved},
    request::Mode,
};
use serde_json::json;

use crate::{
    approval,
    child::{self, Standing},
    event::{ApplicationEvent, Entry, RunEvent},
    run::Run,
    stamp,
    step::{Attempt, Change, Fault, StepState},
};

/// How long a risk that an attempt met may wait for somebody to accept it, beyond the deadline.
pub const HELD_FOR: SignedDuration = SignedDuration::from_mins(10);

/// What is due for a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Write this down. Nothing outside changes.
    Record(Entry),
    /// Look how far the attempt of the step at this place has come. A begin follows only from what
    /// was seen.
    Observe {
        /// The step's place in the plan.
        place: usize,
        /// Whether the attempt is judged by this look.
        last: bool,
    },
    /// Nothing changes before then unless somebody speaks.
    WakeAt(Timestamp),
}

/// Lists everything that is due. A fresh run and a run reopened after a crash take the same path
/// through here; there is no separate recovery code. `stopped`: nothing new is promised, because of the
/// off switch or for want of the lease.
pub fn decide(run: &Run, now: Timestamp, stopped: bool) -> Vec<Next> {
    if run.ended.is_some() {
        return Vec::new();
    }
    let part = run.part();
    let held_back = stopped || (run.awaits_undo() && part == Part::Undo);
    let is_paused = run.is_paused() && part == Part::Steps;
    let mut due = Vec::with_capacity(4);
    for (place, (step, state)) in run.steps().enumerate() {
        let is_held_back = || held_back || is_paused && run.is_held_back(place);
        let may_start =
            || step.part == part && !gives_up(run, step) && !is_held_back() && run.is_ready(place);
        match state {
            StepState::Pending { .. } | StepState::Superseded { .. } if may_start() => {
                due.push(start(run, place, now));
            }
            StepState::BackingOff { retry_at, .. } if *retry_at <= now && may_start() => {
                due.push(start(run, place, now));
            }
            // Its time has come, and something else holds it up: only a word changes that. A wake in the
            // past would come at once, and again, for as long as it is held up.
            StepState::BackingOff { retry_at, .. } if step.part == part && *retry_at > now => {
                due.push(Next::WakeAt(*retry_at));
            }
            StepState::Running(attempt) => open(run, place, step, attempt, now, &mut due),
            StepState::Held { attempt, risk, outputs } => {
                if run.accepted(*risk).is_some() {
                    let change =
                        Change::Succeeded { attempt: attempt.number, outputs: outputs.clone() };
                    due.push(record(run, &step.id, change));
                } else if gives_up(run, step) || attempt.deadline + HELD_FOR <= now {
                    let seen = format!("nobody accepted the risk `{risk}`");
                    due.push(fail(run, step, attempt.number, Fault::TimedOut { seen }));
                } else {
                    due.push(Next::WakeAt(attempt.deadline + HELD_FOR));
                }
            }
            StepState::Pending { .. }
            | StepState::Superseded { .. }
            | StepState::BackingOff { .. }
            | StepState::Succeeded { .. }
            | StepState::Failed { .. }
            | StepState::Skipped { .. }
            | StepState::DoneByHand { .. }
            | StepState::Previewed { .. } => {}
        }
    }
    if due.is_empty() && part == Part::Finally && finally_is_over(run) {
        due.push(Next::Record(Entry::run(&run.id, RunEvent::Ended { outcome: run.outcome() })));
    }
    due
}

/// Whether a step of the main part is left alone because the run is on its way out. What closes
/// something is carried out as `finally` is.
fn gives_up(run: &Run, step: &Step) -> bool {
    step.part == Part::Steps && !step.always && (run.failing || run.abandoned.is_some())
}

fn finally_is_over(run: &Run) -> bool {
    run.steps().all(|(step, state)| step.part != Part::Finally || state.is_over())
}

fn record(run: &Run, step: &StepId, change: Change) -> Next {
    Next::Record(Entry::run(&run.id, RunEvent::Step { step: step.clone(), change }))
}

fn fail(run: &Run, step: &Step, attempt: u32, fault: Fault) -> Next {
    record(run, &step.id, Change::Failed { attempt, fault })
}

/// Promises the next attempt, or says why there is none.
fn start(run: &Run, place: usize, now: Timestamp) -> Next {
    let (step, state) = run.at(place);
    let resolved = run.action_at(place, run.manner);
    // A look at what a previewed step would have changed would wait for ever.
    let follows =
        step.needs.iter().any(|id| matches!(run.state(id), Some(StepState::Previewed { .. })));
    let acts = run.plan.spec_at(place, run.manner).is_none_or(|spec| spec.reach != Reach::Reads);
    if run.plan.mode != Mode::Live && (acts || follows) {
        return record(run, &step.id, Change::Previewed { effect: effect(run, step, resolved) });
    }
    match resolved {
        Ok(action) => record(
            run,
            &step.id,
            Change::Started {
                attempt: state.attempts() + 1,
                manner: run.manner,
                deadline: now + step.limit.duration(),
                action,
            },
        ),
        // What never happened needs no undoing and leaves nothing to clean up (I13).
        Err(Unresolved::Output { step: missing, .. }) if step.part != Part::Steps => {
            let reason = format!("`{missing}` gave nothing to work on");
            record(run, &step.id, Change::Skipped { by: "muster".to_owned(), reason })
        }
        Err(why) => {
            fail(run, step, state.attempts(), Fault::NoArguments { reason: why.to_string() })
        }
    }
}

/// What preview says about a step.
fn effect(run: &Run, step: &Step, resolved: Result<Arc<Action>, Unresolved>) -> Vec<String> {
    let owns = resolved.as_ref().is_ok_and(|action| action.spec().is_drill_owned());
    let is_drill = run.plan.mode == Mode::Drill || owns;
    let token = muster_runbooks::name::Token::new(&run.id, &step.id, 1, is_drill);
    match (resolved, &run.plan.binding) {
        (Ok(action), Some(binding)) => {
            let component = step.component.as_ref().and_then(|name| run.plan.component(name));
            let on = muster_runbooks::action::On {
                application: &binding.application,
                active: &binding.active,
                standby: &binding.standby,
                component: component.as_ref(),
                token: token.as_str(),
            };
            action.describe(&on).effect
        }
        (Ok(action), None) => vec![action.spec().about.trim().to_owned()],
        (Err(why), _) => vec![format!("depends on what is not known before the run: {why}")],
    }
}

/// What is due for an open attempt.
fn open(
    run: &Run,
    place: usize,
    step: &Step,
    attempt: &Attempt,
    now: Timestamp,
    due: &mut Vec<Next>,
) {
    let succeed = |outputs: Outputs| {
        let outputs = Arc::new(outputs);
        record(run, &step.id, Change::Succeeded { attempt: attempt.number, outputs })
    };
    let given_up = gives_up(run, step);
    let timed_out = given_up || attempt.deadline <= now;
    let Some(inside) = attempt.action.inside() else {
        return due.push(Next::Observe { place, last: timed_out });
    };
    let seen = match inside {
        Inside::Approval(promised) => match approve(run, step, attempt, now) {
            Ok(outputs) => return due.push(succeed(outputs)),
            Err(missing) => {
                if !timed_out {
                    due.extend(predict_anew(run, step, promised, now));
                }
                missing
            }
        },
        Inside::Wait(wait) => {
            let until = ends_at(wait, attempt.started_at);
            if until <= now && !given_up {
                return due.push(succeed([("ended_at".to_owned(), json!(now))].into()));
            }
            if !timed_out {
                due.push(Next::WakeAt(until));
            }
            format!("waits until {until}")
        }
        Inside::Gate(gate) => {
            match gate.opens_at(attempt.started_at).filter(|_| !given_up) {
                Some(at) if at <= now => {
                    return due.push(succeed([("opened_by".to_owned(), json!("its time"))].into()));
                }
                Some(at) if !timed_out => due.push(Next::WakeAt(at)),
                Some(_) | None => {}
            }
            format!("nobody said go on: {}", gate.asks)
        }
        Inside::CheckCalendar(check) => {
            return due.push(match calendar(run, check, now) {
                Err(reason) => fail(run, step, attempt.number, Fault::Guard { reason }),
                Ok(said) => succeed([("calendar".to_owned(), json!(said))].into()),
            });
        }
        Inside::StartRun(_) | Inside::MoveApplication(_) => {
            match child::standing(run, step, attempt) {
                Standing::Over(outputs) => return due.push(succeed(outputs)),
                Standing::Fell(fault) => return due.push(fail(run, step, attempt.number, fault)),
                // One that is given up is given up in its run, and that says when it has ended.
                Standing::Open(_) if now < attempt.deadline => {
                    return due.push(Next::WakeAt(attempt.deadline));
                }
                Standing::Open(child) => {
                    format!("run `{child}` goes on; a retry waits for it again")
                }
                Standing::Unborn => "nothing was started".to_owned(),
            }
        }
        Inside::OpenWindow(window) if !given_up => {
            return open_window(run, step, attempt, window, now, due);
        }
        Inside::OpenWindow(_) => "the window was not opened".to_owned(),
        Inside::CloseWindow(_) => {
            if let Some(name) = run.application() {
                let closed = ApplicationEvent::WindowClosed { run: run.id.clone() };
                due.push(Next::Record(Entry::application(name, closed)));
            }
            return due.push(succeed([("closed_at".to_owned(), json!(now))].into()));
        }
        Inside::StampPoint(stamp) => {
            due.extend(stamp::entries(run, place, stamp, now).into_iter().map(Next::Record));
            return due.push(succeed(stamp::outputs(run, place, stamp, now)));
        }
    };
    if timed_out {
        due.push(fail(run, step, attempt.number, Fault::TimedOut { seen }));
    } else {
        due.push(Next::WakeAt(attempt.deadline));
    }
}

/// The looks that keep what people decide on up to date.
fn predict_anew<'a>(
    run: &'a Run,
    step: &'a Step,
    promised: &Approval,
    now: Timestamp,
) -> impl Iterator<Item = Next> + use<'a> {
    approval::predictions(run, step, promised).map(move |(place, seen_at)| {
        let again_at = seen_at + approval::PREDICTED_EVERY;
        let is_due = again_at <= now;
        if is_due { Next::Observe { place, last: false } } else { Next::WakeAt(again_at) }
    })
}

/// What an approval gives once enough people have approved; `Err` says how many are missing.
fn approve(run: &Run, step: &Step, attempt: &Attempt, now: Timestamp) -> Result<Outputs, String> {
    let asked = approval::asked(run, step, attempt, now).ok_or("it asks nobody")?;
    match approval::tally(run, step, &asked) {
        approval::Tally::Missing { said } => Err(said),
        approval::Tally::Enough { approved_by } => {
            let loss = asked.data_loss.map(|loss| ("data_loss".to_owned(), json!(loss)));
            let by = ("approved_by".to_owned(), json!(approved_by));
            Ok(std::iter::once(by).chain(loss).collect())
        }
    }
}

/// Whether a drill may move users now; `Err` says why not.
fn calendar(run: &Run, check: &CheckCalendar, now: Timestamp) -> Result<&'static str, String> {
    if !check.is_wanted() {
        return Ok(NOT_WANTED);
    }
    let drills = run.plan.binding.as_ref().map(|binding| &binding.application.drills);
    drills.and_then(|drills| drills.forbids(now)).map_or(Ok("open"), Err)
}

/// When a wait that began at an instant ends.
fn ends_at(wait: &Wait, started_at: Timestamp) -> Timestamp {
    match (wait.until, wait.duration) {
        (Some(until), _) => {
            until - wait.before.map_or(SignedDuration::ZERO, |before| before.duration())
        }
        (None, Some(duration)) => started_at + duration.duration(),
        (None, None) => started_at,
    }
}

/// Opens the window, or says which guard forbids it.
fn open_window(
    run: &Run,
    step: &Step,
    attempt: &Attempt,
    window: &muster_runbooks::action::control::OpenWindow,
    now: Timestamp,
    due: &mut Vec<Next>,
) {
    let closes_at = window.starts_at + window.open_for.duration();
    let ahead = window.starts_at.duration_since(window.notice_sent_at);
    let refusal = if ahead < window.notice.duration() {
        Some(format!(
            "the notice went out at {}, less than {} before {}",
            window.notice_sent_at, window.notice, window.starts_at
        ))
    } else if now >= closes_at {
        Some(format!("the window ended at {closes_at}"))
    } else {
        None
    };
    if let Some(reason) = refusal {
        return due.push(fail(run, step, attempt.number, Fault::Guard { reason }));
    }
    if now < window.starts_at {
        return due.push(Next::WakeAt(window.starts_at));
    }
    if let Some(name) = run.application() {
        let opened = ApplicationEvent::WindowOpened { run: run.id.clone(), closes_at };
        due.push(Next::Record(Entry::application(name, opened)));
    }
    let outputs: Outputs =
        [("opened_at".to_owned(), json!(now)), ("closes_at".to_owned(), json!(closes_at))].into();
    let outputs = Arc::new(outputs);
    due.push(record(run, &step.id, Change::Succeeded { attempt: attempt.number, outputs }));
}

/// The risk that an attempt's result carries and that somebody must accept, if any.
pub fn risk_of(action: &Action, outputs: &Outputs) -> Option<Risk> {
    let is_fence = matches!(action, Action::Fence(_));
    let is_proven = outputs.get("verdict").and_then(|verdict| verdict.as_str()) == Some("proven");
    (is_fence && !is_proven).then_some(Risk::UnprovenFence)
}
