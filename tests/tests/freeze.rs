//! Freezes: what waits while an application is moved or a person said so, and what does not.

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    name::RunId,
    plan::{Binding, Plan},
    request::{Mode, Request},
};
use muster_state::{
    call::{Answer, Done, Progress as Seen},
    command::{Admission, Command, Person, Refusal, Steer},
    engine::{Input, Reply},
    freeze::{Frozen, is_change},
    progress::Progress,
};
use muster_tests::simulation::cast::{
    LIBRARY, SHOP, asked, ben, dawn, home, id as numbered, olga, standby,
};
use serde_json::json;

use super::by_hand::{Table, admit, id, step, unseen};

fn bound() -> Binding {
    Binding { application: SHOP.clone(), active: home(), standby: standby() }
}

fn request(runbook: &str) -> Request {
    let mut request = asked(runbook);
    let given = match runbook {
        "pre-deployment-snapshot" => Some(("schema_version", "14")),
        "maintenance-window" => Some(("starts_at", "2026-03-02T09:00:00Z")),
        "restore-objects" => Some(("export", "arn:aws:s3:::exports-east/objects/a.json")),
        _ => None,
    };
    request.inputs.extend(given.map(|(name, value)| (name.to_owned(), json!(value))));
    request
}

fn admission(number: u64, request: Request) -> Command {
    let runbook = LIBRARY.get(&request.runbook).expect("it is shipped");
    let plan = Plan::make(runbook, &request, Some(bound())).expect("it binds");
    let plan = plan.freeze().expect("JSON");
    let id: RunId = numbered('f', number);
    Command::Admit(Box::new(Admission { id, request, plan, proposal: None, asked: None }))
}

fn frozen(table: &Table) -> Option<Frozen> {
    table.engine.known().frozen(&SHOP.name, table.now)
}

fn freeze(by: Person, reason: &str, until: Timestamp) -> Command {
    let application = SHOP.name.clone();
    Command::Freeze { application, by, reason: reason.to_owned(), until }
}

fn thaw() -> Command {
    Command::Thaw { application: SHOP.name.clone(), by: olga(), reason: "it is over".to_owned() }
}

/// Goal: who reads this knows which shipped runbooks wait until a freeze is over: those that announce or
/// make a change. Backups, checks and restore tests go on, and so does what moves the application.
#[test]
fn what_waits() {
    let waits =
        LIBRARY.runbooks().filter(|runbook| runbook.needs_application()).filter(|runbook| {
            let request = request(runbook.name.as_str());
            is_change(&Plan::make(runbook, &request, Some(bound())).expect("it binds"))
        });
    let names: Vec<&str> = waits.map(|runbook| runbook.name.as_str()).collect();
    assert_eq!(names, ["maintenance-window", "pre-deployment-snapshot", "restore-objects"]);
}

/// Goal: a person's word stops changes until its time is over or somebody takes it back, and stops neither
/// a backup nor a failover nor a look.
/// Method: the same requests before, during and after; and the words that are no freeze.
#[test]
fn a_word_holds_until_it_ends() {
    let mut table = Table::lay(Progress::default(), dawn());
    let hours = |count| dawn() + SignedDuration::from_hours(count);
    table.ask(freeze(olga(), "the sale", hours(4))).expect("it is taken");
    let Some(Frozen::Said(said)) = frozen(&table) else { panic!("it is frozen") };
    assert_eq!((said.by.as_str(), said.at, said.until), ("olga", dawn(), hours(4)));

    let refused = table.ask(admission(1, request("pre-deployment-snapshot")));
    let Err(why @ Refusal::Frozen { .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(why.to_string(), "`shop` is frozen: olga: the sale, until 2026-03-02T05:00:00Z");
    let mut looks = request("pre-deployment-snapshot");
    looks.mode = Mode::Preview;
    table.ask(admission(2, looks)).expect("a preview changes nothing");
    table.ask(admission(3, request("daily-backup"))).expect("a backup is no change");
    table.ask(admission(4, request("region-failover"))).expect("a failover goes first");

    let viewer = Person {
        name: "vic".to_owned(),
        role: muster_runbooks::action::control::PersonRole::Viewer,
    };
    for (command, what) in [
        (freeze(viewer, "no", hours(5)), "role"),
        (freeze(olga(), " ", hours(5)), "say why"),
        (freeze(olga(), "no", hours(-1)), "ended before it begins"),
        (freeze(olga(), "no", hours(24 * 91)), "longer than 90 days"),
    ] {
        let why = table.ask(command).expect_err(what).to_string();
        assert!(why.contains(what), "{what}: {why}");
    }
    assert_eq!(frozen(&table), Some(Frozen::Said(said)), "what was refused changes nothing");

    table.ask(thaw()).expect("it is taken");
    assert_eq!(frozen(&table), None);
    table.ask(thaw()).expect("and again");
    table.ask(freeze(olga(), "the sale", hours(2))).expect("it is taken");
    table.pass(2 * 3_600 - 1);
    assert!(frozen(&table).is_some());
    table.pass(1);
    assert_eq!(frozen(&table), None, "it ends by itself");
}

/// Goal: a failover freezes its application from the approval to the end and not before; a person's word
/// cannot lift that.
/// Method: an approval and a promotion, one answer after the other.
#[test]
fn a_failover_freezes_from_its_approval_to_its_end() {
    let mut table = Table::lay(Progress::default(), dawn());
    let approval = [("role", json!("approver")), ("approvals", json!(1))];
    let to = [("to", json!("standby"))];
    admit(
        &mut table,
        vec![
            step("approve", "approval", &approval, "orders", &[]),
            step("promote", "switchover-database", &to, "orders", &["approve"]),
        ],
    );
    assert_eq!(frozen(&table), None, "it may still be declined");
    let plan_hash = table.engine.known().runs[&id()].hash.clone();
    let approve =
        Steer::Approve { step: "approve".parse().unwrap(), accepts: Vec::new(), plan_hash };
    let (by, reason) = (ben(), "seen".to_owned());
    table.ask(Command::Steer { run: id(), by, reason, steer: approve }).expect("it is taken");
    assert!(matches!(frozen(&table), Some(Frozen::Moving { run, .. }) if run == id()));
    table.ask(thaw()).expect("there is no word to take back");
    let refused = table.ask(admission(1, request("maintenance-window")));
    let Err(why @ Refusal::Frozen { until: None, .. }) = refused else { panic!("{refused:?}") };
    let said = "`shop` is frozen: run `r00000000001` is moving it: By hand";
    assert_eq!(why.to_string(), said);

    table.see("promote", 1, unseen());
    let reply = Reply {
        run: id(),
        step: "promote".parse().unwrap(),
        attempt: 1,
        answer: Ok(Answer::Accepted),
    };
    table.hear(Input::Answered(reply));
    table.pass(60);
    let outputs = [("writer", json!("west")), ("took", json!("1m")), ("data_loss", json!("0s"))];
    table.see("promote", 1, Seen::Done(Done::with(outputs)));
    assert_eq!(table.engine.known().runs.len(), 0, "it has ended");
    assert_eq!(frozen(&table), None);
}
