//! Runs that steps start: each once, with people of its own, and one word for all of them.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use muster_runbooks::{
    action::{
        Outputs,
        control::{PersonRole, Risk},
    },
    name::{RunId, StepId},
    plan::{Binding, Plan, Step},
    request::{Mode, Request, Trigger},
};
use muster_state::{
    command::{Admission, Command, Person, Refusal, Steer},
    progress::Progress,
    run::{Run, Status},
    step::StepState,
};
use muster_tests::simulation::cast::{
    SHOP, asked, ben, cara, dawn, home, id as numbered, olga, standby,
};
use serde_json::json;

use super::by_hand::{Table, step};

fn parent() -> RunId {
    numbered('p', 1)
}

fn child(number: u64) -> RunId {
    numbered('c', number)
}

fn go() -> StepId {
    "go".parse().expect("a step")
}

/// A step that starts a run.
fn starts() -> Step {
    step("go", "start-run", &[("runbook", json!("rehearsal"))], "orders", &[])
}

/// A step that waits for a word.
fn waits() -> Step {
    step("stand", "gate", &[("asks", json!("well?"))], "orders", &[])
}

/// A step that waits for an approval.
fn asks() -> Step {
    let with = [("role", json!("approver")), ("approvals", json!(1))];
    step("approve", "approval", &with, "orders", &[])
}

fn admission(id: RunId, request: Request, exclusive: bool, steps: Vec<Step>) -> Command {
    let plan = Plan {
        runbook: request.runbook.clone(),
        title: "A run".to_owned(),
        mode: request.mode,
        exclusive,
        way_back: None,
        rto: None,
        inputs: BTreeMap::new(),
        binding: Some(Binding { application: SHOP.clone(), active: home(), standby: standby() }),
        steps,
    };
    let plan = plan.freeze().expect("JSON");
    Command::Admit(Box::new(Admission { id, request, plan, proposal: None, asked: None }))
}

/// A table with an open run whose step wants another.
fn laid() -> Table {
    let mut table = Table::lay(Progress::default(), dawn());
    table.ask(admission(parent(), asked("parent"), false, vec![starts()])).expect("admitted");
    table
}

fn run<'a>(table: &'a Table, id: &RunId) -> &'a Run {
    &table.engine.known().runs[id]
}

/// What the step's run is asked for by, as the daemon asks; nothing when the step wants none.
fn wanted(table: &Table) -> Option<Request> {
    let run = table.engine.known().runs.get(&parent())?;
    let (step, wanted) = run.wants_started().into_iter().next()?;
    Some(run.request_of(step, wanted))
}

fn start(table: &mut Table, number: u64, steps: Vec<Step>) -> Result<(), Refusal> {
    let request = wanted(table).expect("a run is wanted");
    table.ask(admission(child(number), request, false, steps))
}

fn say(table: &mut Table, run: RunId, by: Person, steer: Steer) -> Result<(), Refusal> {
    table.ask(Command::Steer { run, by, reason: "I looked".to_owned(), steer })
}

fn open_gate(table: &mut Table, number: u64) {
    let step = "stand".parse().expect("a step");
    let done = Steer::Done { step, outputs: Outputs::new() };
    say(table, child(number), olga(), done).expect("it is taken");
}

fn is_open(table: &Table, id: &RunId) -> bool {
    table.engine.known().runs.contains_key(id)
}

/// Goal: a step's run is admitted once, while the step waits for it and not else, and the step's run learns
/// of its end in the commit that ends it.
#[test]
fn once_and_while_it_is_wanted() {
    let mut table = laid();
    let request = wanted(&table).expect("a run is wanted");
    assert_eq!((request.mode, request.reason.as_str()), (Mode::Live, "a test"));
    start(&mut table, 1, vec![waits()]).expect("admitted");
    assert!(wanted(&table).is_none(), "there is one");

    let again = table.ask(admission(child(2), request.clone(), false, vec![waits()]));
    assert!(matches!(again, Err(Refusal::NotNow { .. })), "{again:?}");
    let Trigger::Run { step, asked_by, .. } = request.trigger.clone() else { panic!("a step's") };
    let trigger = Trigger::Run { run: numbered('x', 1), step, asked_by };
    let other = Request { trigger, ..request };
    let lost = table.ask(admission(child(3), other, false, vec![waits()]));
    assert!(matches!(lost, Err(Refusal::UnknownRun { .. })), "{lost:?}");

    // The next process knows as much.
    let mut table = Table::lay(table.engine.known().clone(), table.now);
    assert!(wanted(&table).is_none());
    open_gate(&mut table, 1);
    assert!(!is_open(&table, &child(1)) && !is_open(&table, &parent()), "both have ended");
}

/// Goal: a run that does not end well fails its step, and a retry starts another.
#[test]
fn one_that_is_given_up() {
    let mut table = laid();
    start(&mut table, 1, vec![waits()]).expect("admitted");
    say(&mut table, child(1), olga(), Steer::Abandon { undo: false }).expect("it is taken");
    let StepState::Failed { fault, .. } = run(&table, &parent()).state(&go()).expect("a step")
    else {
        panic!("it fell");
    };
    let said = fault.to_string();
    assert!(said.contains("c00000000001") && said.contains("abandoned"), "{said}");
    assert!(wanted(&table).is_none(), "a person decides");
    say(&mut table, parent(), olga(), Steer::Retry { step: go() }).expect("it is taken");
    start(&mut table, 2, vec![waits()]).expect("admitted");
    open_gate(&mut table, 2);
    assert!(!is_open(&table, &parent()));
}

/// Goal: a step whose time is over fails, and its run goes on; a retry waits for that one again and starts
/// no other beside it.
#[test]
fn a_step_with_too_little_time() {
    let mut table = laid();
    let mut patient = waits();
    patient.limit = muster_runbooks::value::Span::from_hours(9);
    start(&mut table, 1, vec![patient]).expect("admitted");
    table.pass(3_600);
    assert_eq!(run(&table, &parent()).status(), Status::PausedByFailedStep);
    assert!(is_open(&table, &child(1)));
    say(&mut table, parent(), olga(), Steer::Retry { step: go() }).expect("it is taken");
    assert!(wanted(&table).is_none(), "it is there already");
    open_gate(&mut table, 1);
    assert!(!is_open(&table, &parent()));
}

/// Goal: one word pauses all, one lets all go on, and one gives all up; and nothing is started for a run that
/// is paused.
#[test]
fn one_word_for_all() {
    let mut table = laid();
    say(&mut table, parent(), olga(), Steer::Pause).expect("it is taken");
    assert!(wanted(&table).is_none());
    say(&mut table, parent(), olga(), Steer::Resume).expect("it is taken");
    start(&mut table, 1, vec![waits()]).expect("admitted");
    say(&mut table, parent(), olga(), Steer::Pause).expect("it is taken");
    for id in [parent(), child(1)] {
        assert_eq!(run(&table, &id).status(), Status::PausedByOperator);
    }
    say(&mut table, child(1), olga(), Steer::Resume).expect("one may go on by itself");
    say(&mut table, parent(), olga(), Steer::Resume).expect("it is taken");
    for id in [parent(), child(1)] {
        assert_eq!(run(&table, &id).status(), Status::Running);
    }
    say(&mut table, parent(), olga(), Steer::Abandon { undo: false }).expect("it is taken");
    assert!(!is_open(&table, &parent()) && !is_open(&table, &child(1)));
}

/// Goal: who asked for a run cannot approve what its step starts; anybody else can.
#[test]
fn who_asked_does_not_approve() {
    let mut table = Table::lay(Progress::default(), dawn());
    let trigger = Trigger::Person { name: "ben".to_owned() };
    let request = Request { trigger, ..asked("parent") };
    table.ask(admission(parent(), request, false, vec![starts()])).expect("admitted");
    start(&mut table, 1, vec![asks()]).expect("admitted");
    let plan_hash = run(&table, &child(1)).hash.clone();
    let step: StepId = "approve".parse().expect("a step");
    let approve = Steer::Approve { step, accepts: Vec::new(), plan_hash };
    let refused = say(&mut table, child(1), ben(), approve.clone());
    assert!(matches!(refused, Err(Refusal::OwnRequest { .. })), "{refused:?}");
    say(&mut table, child(1), cara(), approve).expect("it is taken");
    assert!(!is_open(&table, &parent()));
}

/// Goal: a move that a step starts pauses other runs of the application, and not the one that waits for it.
/// While somebody keeps the application frozen it is refused, and a person's own failover is not.
#[test]
fn a_move_for_a_step() {
    let mut table = laid();
    let check = step("look", "gate", &[("asks", json!("well?"))], "orders", &[]);
    table.ask(admission(numbered('o', 1), asked("other"), false, vec![check])).expect("admitted");
    let until = dawn() + SignedDuration::from_hours(1);
    let (application, reason) = (SHOP.name.clone(), "a sale".to_owned());
    table.ask(Command::Freeze { application, by: olga(), reason, until }).expect("it is taken");
    let request = wanted(&table).expect("a run is wanted");
    let refused = table.ask(admission(child(1), request.clone(), true, vec![waits()]));
    assert!(matches!(refused, Err(Refusal::Frozen { .. })), "{refused:?}");

    table.pass(3_599);
    table.now = until;
    table.ask(admission(child(2), request, true, vec![waits()])).expect("the sale is over");
    assert_eq!(run(&table, &numbered('o', 1)).status(), Status::PausedByGate);
    assert!(run(&table, &parent()).pauses.is_empty());
}

/// Goal: a run that cannot be started fails its step with the reason, and once there is one, nothing does.
#[test]
fn one_that_cannot_be_started() {
    let mut table = laid();
    let unstarted = || Command::Unstarted {
        run: parent(),
        step: go(),
        because: "no runbook is called `rehearsal`".to_owned(),
    };
    start(&mut table, 1, vec![waits()]).expect("admitted");
    let late = table.ask(unstarted());
    assert!(matches!(late, Err(Refusal::NotNow { .. })), "{late:?}");
    say(&mut table, child(1), olga(), Steer::Abandon { undo: false }).expect("it is taken");
    say(&mut table, parent(), olga(), Steer::Retry { step: go() }).expect("it is taken");
    table.ask(unstarted()).expect("it is taken");
    let StepState::Failed { fault, .. } = run(&table, &parent()).state(&go()).expect("a step")
    else {
        panic!("it fell");
    };
    assert_eq!(fault.to_string(), "refused: no runbook is called `rehearsal`");
}

/// Goal: a run goes on when the one whose step started it has ended, and its end surprises nobody.
#[test]
fn one_that_outlives_its_parent() {
    let mut table = laid();
    start(&mut table, 1, vec![waits()]).expect("admitted");
    say(&mut table, parent(), olga(), Steer::Skip { step: go() }).expect("it is taken");
    assert!(!is_open(&table, &parent()) && is_open(&table, &child(1)));
    open_gate(&mut table, 1);
    assert!(!is_open(&table, &child(1)));
}

/// Goal: what nobody wants is not started, and its step is over at once.
#[test]
fn one_that_nobody_wants() {
    let mut table = Table::lay(Progress::default(), dawn());
    let with = [("runbook", json!("rehearsal")), ("wanted", json!(false))];
    let steps = vec![step("go", "start-run", &with, "orders", &[]), waits()];
    table.ask(admission(parent(), asked("parent"), false, steps)).expect("admitted");
    assert!(wanted(&table).is_none());
    let outputs = run(&table, &parent()).outputs(&go()).expect("it is over");
    assert_eq!(json!(outputs), json!({ "outcome": "not_wanted" }));
}

#[test]
fn the_role_is_asked_for() {
    let mut table = laid();
    let viewer = Person { name: "vic".to_owned(), role: PersonRole::Viewer };
    let refused = say(&mut table, parent(), viewer, Steer::Pause);
    assert!(matches!(refused, Err(Refusal::Role { .. })), "{refused:?}");
}

/// An approval that a risk may be accepted with.
fn asks_with_risk(loss: Option<&str>) -> Step {
    let mut with = vec![
        ("role", json!("approver")),
        ("approvals", json!(1)),
        ("may_accept", json!(["data-loss-over-max"])),
    ];
    with.extend(loss.map(|loss| ("data_loss", json!(loss))));
    step("approve", "approval", &with, "orders", &[])
}

/// A step that moves an application, either way.
fn moves(name: &str, at_once: u32) -> Step {
    let with = |manner: &str| {
        [
            ("out_of", json!("us-east-1")),
            ("runbook", json!("region-failover")),
            ("approval", json!("approve")),
            ("at_once", json!(at_once)),
            ("application", json!(name)),
            ("manner", json!(manner)),
        ]
    };
    let id = format!("move-{name}");
    let forced = step(&id, "move-application", &with("forced"), "orders", &["approve"]).task;
    Step {
        forced: Some(forced),
        ..step(&id, "move-application", &with("graceful"), "orders", &["approve"])
    }
}

/// What waits for an approval and can be forced.
fn move_itself(loss: Option<&str>) -> Vec<Step> {
    let approve = asks_with_risk(loss);
    let forced = Some(approve.task.clone());
    vec![Step { forced, ..approve }, Step { needs: vec!["approve".parse().unwrap()], ..waits() }]
}

fn leaving(at_once: u32, names: &[&str]) -> Table {
    let mut table = Table::lay(Progress::default(), dawn());
    let steps = names.iter().map(|name| moves(name, at_once));
    let steps = std::iter::once(asks_with_risk(None)).chain(steps).collect();
    table.ask(admission(parent(), asked("parent"), false, steps)).expect("admitted");
    table
}

fn approve(table: &mut Table, id: RunId, by: Person, accepts: Vec<Risk>) {
    let plan_hash = run(table, &id).hash.clone();
    let step = "approve".parse().expect("a step");
    say(table, id, by, Steer::Approve { step, accepts, plan_hash }).expect("it is taken");
}

fn wanted_of(table: &Table) -> Vec<String> {
    let run = &table.engine.known().runs[&parent()];
    run.wants_started().into_iter().map(|(step, _)| step.id.to_string()).collect()
}

fn approvers(table: &Table, number: u64) -> Vec<&str> {
    run(table, &child(number)).approvals.iter().map(|one| one.by.as_str()).collect()
}

/// Goal: what was approved for all is approved for each, with the risks that were ticked and with whose word it
/// was; what that does not cover, the run of that application asks. No more are on their way than was said.
#[test]
fn one_approval_for_all() {
    let mut table = leaving(2, &["a", "b", "c"]);
    assert!(wanted_of(&table).is_empty(), "nobody approved");
    approve(&mut table, parent(), ben(), vec![Risk::DataLossOverMax]);
    assert_eq!(wanted_of(&table), ["move-a", "move-b"]);
    let request = wanted(&table).expect("a run is wanted");
    assert_eq!(request.application.as_ref().map(|name| name.as_str()), Some("a"));

    start(&mut table, 1, move_itself(None)).expect("admitted");
    let [given] = &run(&table, &child(1)).approvals[..] else { panic!("one word") };
    assert_eq!((given.by.as_str(), &given.accepts[..]), ("ben", &[Risk::DataLossOverMax][..]));
    assert!(given.reason.contains("p00000000001"), "{}", given.reason);
    // A loss that nobody knows needs one more, and that one is asked where it is.
    start(&mut table, 2, move_itself(Some("unknown"))).expect("admitted");
    assert_eq!(approvers(&table, 2), ["ben"]);
    assert_eq!(run(&table, &child(2)).status(), Status::AwaitingApproval);
    approve(&mut table, child(2), cara(), vec![Risk::DataLossOverMax]);
    assert_eq!(run(&table, &child(2)).status(), Status::Running);

    assert!(wanted_of(&table).is_empty(), "two are on their way");
    open_gate(&mut table, 1);
    assert_eq!(wanted_of(&table), ["move-c"]);
}

/// Goal: a risk that nobody ticked for all is ticked by nobody for one.
#[test]
fn a_risk_that_was_not_accepted() {
    let mut table = leaving(9, &["a"]);
    approve(&mut table, parent(), ben(), Vec::new());
    start(&mut table, 1, move_itself(Some("unknown"))).expect("admitted");
    assert!(approvers(&table, 1).is_empty());
    assert_eq!(run(&table, &child(1)).status(), Status::AwaitingApproval);
}

/// Goal: one that is forced by itself asks by itself; when all are forced, all are asked about again, once.
#[test]
fn forced_alone_and_together() {
    let mut table = leaving(9, &["a", "b"]);
    approve(&mut table, parent(), ben(), Vec::new());
    start(&mut table, 1, move_itself(None)).expect("admitted");
    start(&mut table, 2, move_itself(None)).expect("admitted");
    say(&mut table, child(1), olga(), Steer::Force).expect("it is taken");
    assert!(approvers(&table, 1).is_empty(), "what was approved was another loss");
    assert_eq!(approvers(&table, 2), ["ben"]);

    say(&mut table, parent(), olga(), Steer::Force).expect("it is taken");
    assert!(approvers(&table, 1).is_empty() && approvers(&table, 2).is_empty());
    approve(&mut table, parent(), cara(), Vec::new());
    for number in [1, 2] {
        assert_eq!(approvers(&table, number), ["cara"]);
        open_gate(&mut table, number);
    }
    assert!(!is_open(&table, &parent()), "each was waited for, and none was started twice");
}

/// Goal: one that is left out before the approval does not move.
#[test]
fn one_that_is_left_out() {
    let mut table = leaving(9, &["a", "b"]);
    let step = "move-a".parse().expect("a step");
    say(&mut table, parent(), olga(), Steer::Skip { step }).expect("it is taken");
    approve(&mut table, parent(), ben(), Vec::new());
    assert_eq!(wanted_of(&table), ["move-b"]);
}
