//! What happens inside Muster and waits for time or for a word: a gate that opens by itself, and the calendar of
//! drills.

use jiff::civil::Date;
use muster::api::view::{run as run_view, wait::Stops};
use muster_runbooks::{
    application::drills::{Blocked, Drills},
    name::StepId,
    plan::{Arg, Binding, Plan},
};
use muster_state::{
    call::{Done, Progress as Seen},
    command::{Admission, Command, Person, Refusal, Steer},
    progress::Progress,
    step::StepState,
};
use muster_tests::simulation::cast::{LIBRARY, SHOP, asked, ben, cara, dawn, home, olga, standby};
use serde_json::{Value, json};

use super::by_hand::{Table, admit, id, step};

fn state<'a>(table: &'a Table, step: &str) -> Option<&'a StepState> {
    let step: StepId = step.parse().expect("a name");
    table.engine.known().runs.get(&id()).and_then(|run| run.state(&step))
}

fn opened_by(table: &Table, step: &str) -> Option<Value> {
    state(table, step)?.outputs()?.get("opened_by").cloned()
}

/// A gate of ten minutes, and an approval that keeps the run open behind it.
fn gated() -> Table {
    let mut table = Table::lay(Progress::default(), dawn());
    let gate = [("asks", json!("Look.")), ("opens_after", json!("10m"))];
    let approval = [("role", json!("approver")), ("approvals", json!(1))];
    admit(
        &mut table,
        vec![
            step("hold", "gate", &gate, "orders", &[]),
            step("approve", "approval", &approval, "orders", &["hold"]),
        ],
    );
    table
}

fn says(table: &mut Table, steer: Steer) -> Result<(), Refusal> {
    let reason = "a test".to_owned();
    table.ask(Command::Steer { run: id(), by: olga(), reason, steer })
}

/// Goal: a hold point opens when its time is over and not before, or when somebody says so; in a run that is
/// given up it does not.
/// Method: one engine for each, and the second before and after.
#[test]
fn a_gate_opens_by_itself() {
    let mut table = gated();
    table.pass(599);
    assert!(matches!(state(&table, "hold"), Some(StepState::Running(_))));
    table.pass(1);
    assert_eq!(opened_by(&table, "hold"), Some(json!("its time")));

    let mut table = gated();
    table.pass(30);
    let done = Steer::Done { step: "hold".parse().expect("a name"), outputs: [].into() };
    says(&mut table, done).expect("it is taken");
    assert_eq!(opened_by(&table, "hold"), Some(json!("olga")));

    let mut table = gated();
    table.pass(30);
    says(&mut table, Steer::Abandon { undo: false }).expect("it is taken");
    assert_eq!(table.engine.known().runs.len(), 0, "nothing waits for its time");
}

/// Goal: what an approver must tick by name is ticked by each of them, and nobody approves without.
/// Method: an approval that insists on the point of no return.
#[test]
fn the_point_of_no_return_is_ticked() {
    let mut table = Table::lay(Progress::default(), dawn());
    let with = [
        ("role", json!("approver")),
        ("approvals", json!(1)),
        ("must_accept", json!(["no-way-back"])),
    ];
    admit(&mut table, vec![step("approve", "approval", &with, "orders", &[])]);
    let plan_hash = table.engine.known().runs[&id()].hash.clone();
    let approve = |accepts: &[&str]| {
        let accepts = accepts.iter().map(|risk| risk.parse().expect("a risk")).collect();
        let step = "approve".parse().expect("a name");
        let steer = Steer::Approve { step, accepts, plan_hash: plan_hash.clone() };
        Command::Steer { run: id(), by: ben(), reason: "seen".to_owned(), steer }
    };
    assert!(matches!(table.ask(approve(&[])), Err(Refusal::RiskNotAccepted { .. })));
    let other = table.ask(approve(&["no-way-back", "unproven-fence"]));
    assert!(matches!(other, Err(Refusal::RiskNotOffered { .. })), "{other:?}");
    table.ask(approve(&["no-way-back"])).expect("it is taken");
    assert_eq!(table.engine.known().runs.len(), 0, "it has ended");
}

/// A predicting step that has just said 21 seconds, and an approval that shows it.
fn predicted(approvals: u32) -> Table {
    let mut table = Table::lay(Progress::default(), dawn());
    let with = [
        ("role", json!("approver")),
        ("approvals", json!(approvals)),
        ("data_loss_max", json!("5m")),
        ("may_accept", json!(["data-loss-over-max"])),
    ];
    let mut approval = step("approve", "approval", &with, "orders", &["predict"]);
    let shown = Arg::Output { step: "predict".parse().expect("a name"), name: "data_loss".into() };
    approval.task.with.insert("data_loss".to_owned(), shown);
    admit(&mut table, vec![step("predict", "predict-loss", &[], "orders", &[]), approval]);
    assert!(std::mem::take(&mut table.asked));
    table.see("predict", 1, loss("21s"));
    table
}

fn loss(text: &str) -> Seen {
    let outputs =
        [("data_loss", json!(text)), ("predicted_by", json!("x")), ("path", json!("failover"))];
    Seen::Done(Done::with(outputs))
}

/// What the view shows approvers now, and how many of them are missing.
fn shown(table: &Table) -> (String, u32) {
    let run = &table.engine.known().runs[&id()];
    let view = run_view::view(run, &Stops::default(), |_| None, table.now);
    let asks = &view.approvals[0];
    (asks.data_loss.as_ref().expect("a prediction").text.clone(), asks.missing)
}

/// An approval of that run as it stands now.
fn approve(table: &mut Table, by: Person, accepts: &[&str]) -> Result<(), Refusal> {
    let plan_hash = table.engine.known().runs[&id()].hash.clone();
    let accepts = accepts.iter().map(|risk| risk.parse().expect("a risk")).collect();
    let steer = Steer::Approve { step: "approve".parse().expect("a name"), accepts, plan_hash };
    table.ask(Command::Steer { run: id(), by, reason: "seen".to_owned(), steer })
}

/// Goal: what approvers are shown is what could be lost now, and not what could have been lost when they
/// were asked; over the limit it takes one more of them, and a tick that nobody gave before.
/// Method: a prediction of 21 seconds, and people who think for a while. It is made anew when half a minute
/// has gone by; where nothing answers any more, everything since then may be lost.
#[test]
fn a_prediction_grows_while_people_decide() {
    let mut table = predicted(1);
    assert_eq!(shown(&table), ("21s".to_owned(), 1));
    table.pass(29);
    assert_eq!(shown(&table), ("50s".to_owned(), 1));
    assert!(!table.asked, "nobody asks that soon");
    table.pass(1);
    assert!(std::mem::take(&mut table.asked), "it is predicted anew");
    table.see("predict", 1, loss("4s"));
    assert_eq!(shown(&table), ("4s".to_owned(), 1));

    // From here on nothing answers.
    table.pass(30);
    assert!(std::mem::take(&mut table.asked));
    table.see("predict", 1, Seen::Failed { reason: "it is gone".to_owned() });
    table.pass(267);
    assert_eq!(shown(&table), ("5m 1s".to_owned(), 2));
    let bare = approve(&mut table, ben(), &[]);
    assert!(matches!(bare, Err(Refusal::RiskNotAccepted { .. })), "{bare:?}");
    approve(&mut table, ben(), &["data-loss-over-max"]).expect("it is taken");
    let twice = approve(&mut table, ben(), &["data-loss-over-max"]);
    assert!(matches!(twice, Err(Refusal::Twice { .. })), "{twice:?}");
    approve(&mut table, cara(), &["data-loss-over-max"]).expect("it is taken");
    assert_eq!(table.engine.known().runs.len(), 0, "it has ended");
}

/// Goal: an approval that was given for a smaller loss does not count for a larger one, and whoever gave it
/// may give it again.
/// Method: two must approve; between them the loss can no longer be known, and then it can.
#[test]
fn an_approval_of_less_does_not_count_for_more() {
    let mut table = predicted(2);
    approve(&mut table, ben(), &[]).expect("it is taken");
    assert_eq!(shown(&table).1, 1);
    table.pass(30);
    table.see("predict", 1, loss("unknown"));
    assert_eq!(shown(&table), ("unknown".to_owned(), 3));
    approve(&mut table, ben(), &["data-loss-over-max"]).expect("it is taken");
    approve(&mut table, cara(), &["data-loss-over-max"]).expect("it is taken");
    assert_eq!(shown(&table).1, 1);
    table.pass(30);
    table.see("predict", 1, loss("3s"));
    assert_eq!(table.engine.known().runs.len(), 0, "the two that were given are enough");
}

/// Goal: on a day that is blocked for drills nobody is moved, and a drill that moves nobody does not ask.
/// Method: the shipped runbook's own step, by itself, with and without a blocked day.
#[test]
fn a_blocked_day_moves_nobody() {
    let blocked = Blocked {
        from: Date::constant(2026, 3, 2),
        to: Date::constant(2026, 3, 2),
        because: "the sale".to_owned(),
    };
    let shipped = LIBRARY.get(&"quarterly-drill".parse().expect("a name")).expect("it is shipped");
    for (blocked, wanted, said) in [
        (vec![blocked.clone()], true, None),
        (vec![blocked], false, Some("not_wanted")),
        (Vec::new(), true, Some("open")),
    ] {
        let mut shop = SHOP.clone();
        shop.drills = Drills { blocked, ..Drills::default() };
        let binding = Binding { application: shop, active: home(), standby: standby() };
        let mut request = asked("quarterly-drill");
        request.inputs.insert("switchover".to_owned(), json!(wanted));
        let mut plan = Plan::make(shipped, &request, Some(binding)).expect("it binds");
        plan.steps.retain(|step| step.id.as_str() == "check-calendar");
        plan.steps[0].needs.clear();
        // What would move users: the run is open as long as nobody approves.
        let approval = [("role", json!("approver")), ("approvals", json!(1))];
        let behind = step("approve", "approval", &approval, "orders", &["check-calendar"]);
        plan.steps.push(behind);
        let plan = plan.freeze().expect("JSON");
        let mut table = Table::lay(Progress::default(), dawn());
        let admission = Admission { id: id(), request, plan, proposal: None, asked: None };
        table.ask(Command::Admit(Box::new(admission))).expect("it is taken");
        let calendar = state(&table, "check-calendar").and_then(StepState::outputs);
        let calendar = calendar.and_then(|outputs| outputs["calendar"].as_str());
        assert_eq!(calendar, said, "wanted {wanted}");
        assert_eq!(table.engine.known().runs.is_empty(), said.is_none(), "it ends where it is");
    }
}
