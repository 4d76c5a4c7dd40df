//! The whole life of a step on one page.

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;
use muster_runbooks::{
    action::{
        Action,
        control::{Gate, Risk},
    },
    request::Manner,
};
use muster_state::step::{Change, Fault, StepState};
use serde_json::Value;

const T: Timestamp = Timestamp::UNIX_EPOCH;

fn action() -> Action {
    Action::Gate(Gate { asks: "go on?".to_owned(), opens_after: None })
}

fn started(attempt: u32) -> Change {
    Change::Started { attempt, manner: Manner::Graceful, deadline: T, action: Arc::new(action()) }
}

fn changes() -> Vec<(&'static str, Change)> {
    let (by, reason) = ("ana".to_owned(), "because".to_owned());
    let fault = Fault::TimedOut { seen: "nothing".to_owned() };
    vec![
        ("started-1", started(1)),
        ("started-2", started(2)),
        ("aimed", Change::Aimed { attempt: 1, before: Value::Null, targets: Vec::new() }),
        ("begun", Change::Begun { attempt: 1 }),
        ("held", Change::Held { attempt: 1, risk: Risk::UnprovenFence, outputs: Arc::default() }),
        ("delayed", Change::Delayed { attempt: 1, reason: reason.clone(), retry_at: T }),
        ("succeeded", Change::Succeeded { attempt: 1, outputs: Arc::default() }),
        ("seen-again", Change::SeenAgain { attempt: 1, outputs: Arc::default() }),
        ("failed-0", Change::Failed { attempt: 0, fault: fault.clone() }),
        ("failed-1", Change::Failed { attempt: 1, fault }),
        ("superseded", Change::Superseded { attempt: 1, seen: reason.clone() }),
        ("retried", Change::Retried { by: by.clone(), reason: reason.clone() }),
        ("skipped", Change::Skipped { by: by.clone(), reason: reason.clone() }),
        ("done-by-hand", Change::DoneByHand { by, reason, outputs: Arc::default() }),
        ("previewed", Change::Previewed { effect: Vec::new() }),
        ("reset", Change::Reset),
    ]
}

/// Every state that can be reached from a step nobody has touched, by its word and attempts.
fn reachable() -> Vec<(String, StepState)> {
    let name = |state: &StepState| format!("{}/{}", state.word(), state.attempts());
    let first = StepState::Pending { attempts: 0 };
    let mut known = vec![(name(&first), first)];
    let mut next = 0;
    while let Some((_, state)) = known.get(next).cloned() {
        for (_, change) in changes() {
            if let Ok(after) = state.after(&change, T)
                && after.attempts() <= 1
                && known.iter().all(|(other, _)| *other != name(&after))
            {
                known.push((name(&after), after));
            }
        }
        next += 1;
    }
    known
}

/// Goal: nobody changes what a step may do without seeing this table change.
/// Method: try every change in every state that can be reached with one attempt, and print what came
/// of it.
#[test]
fn every_pair_of_state_and_change() {
    let mut table = BTreeSet::new();
    for (from, state) in reachable() {
        for (change_name, change) in changes() {
            if let Ok(after) = state.after(&change, T) {
                table.insert(format!("{from} --{change_name}--> {}", after.word()));
            }
        }
    }
    let table: Vec<String> = table.into_iter().collect();
    insta::assert_snapshot!(table.join("\n"));
}

/// Goal: a second report about an attempt, or one about an older attempt, changes nothing.
/// Method: apply each change about attempt 1 to a step that is at attempt 2.
#[test]
fn late_reports_are_refused() {
    let mut state = StepState::Pending { attempts: 0 };
    for change in [
        started(1),
        Change::Delayed { attempt: 1, reason: "no".to_owned(), retry_at: T },
        started(2),
    ] {
        state = state.after(&change, T).expect("a legal change");
    }
    for name in ["aimed", "begun", "held", "delayed", "succeeded", "failed-1", "superseded"] {
        let change = changes().into_iter().find(|(other, _)| *other == name).expect("a change").1;
        assert!(state.after(&change, T).is_err(), "{name}");
    }
}
