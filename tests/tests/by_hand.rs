//! What the engine makes of things that only a person can know, and of half of a thing.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    action::control::PersonRole,
    name::RunId,
    plan::{Arg, Binding, OnFailure, Part, Plan, Step, Task},
    request::Mode,
    value::Span,
};
use muster_state::{
    call::{Answer, Done, Progress as Seen, Reading},
    command::{Admission, Command, Person, Refusal, Steer},
    engine::{Engine, Input, Output, Reply, Sight},
    progress::Progress,
    run::Status,
};
use muster_tests::simulation::cast::{SHOP, asked, dawn, home, standby};
use serde_json::{Value, json};

/// An engine whose appends are durable at once and whose calls are answered by the test.
pub(super) struct Table {
    pub(super) engine: Engine,
    pub(super) now: Timestamp,
    /// A look waits for its answer.
    pub(super) asked: bool,
    begins: Vec<String>,
    replies: Vec<Result<(), Refusal>>,
}

impl Table {
    pub(super) fn lay(known: Progress, now: Timestamp) -> Table {
        let mut engine = Engine::new(known);
        let outputs = engine.start(now, Some(now));
        let mut table =
            Table { engine, now, asked: false, begins: Vec::new(), replies: Vec::new() };
        table.settle(outputs);
        table
    }

    pub(super) fn hear(&mut self, input: Input) {
        let outputs = self.engine.on(self.now, input);
        self.settle(outputs);
    }

    /// What became of a command.
    pub(super) fn ask(&mut self, command: Command) -> Result<(), Refusal> {
        self.replies.clear();
        self.hear(Input::Command(0, command));
        self.replies.pop().expect("an answer")
    }

    fn settle(&mut self, mut outputs: Vec<Output>) {
        while !outputs.is_empty() {
            let output = outputs.remove(0);
            match output {
                Output::Append { number, .. } => {
                    outputs.extend(self.engine.on(self.now, Input::Appended(number)));
                }
                Output::Begin(call) => self.begins.push(call.token.to_string()),
                Output::Observe(_) => self.asked = true,
                Output::Reply { result, .. } => self.replies.push(result.map(drop)),
                Output::WakeAt(_) => {}
                Output::Bug(bug) => panic!("{bug}"),
            }
        }
    }

    pub(super) fn see(&mut self, step: &str, attempt: u32, progress: Seen) {
        let reading = Ok(Reading { progress, read_at: self.now });
        let step = step.parse().unwrap();
        self.hear(Input::Seen(Sight { run: id(), step, attempt, reading }));
    }

    pub(super) fn pass(&mut self, secs: i64) {
        self.now += SignedDuration::from_secs(secs);
        self.hear(Input::Tick);
    }

    fn say(&mut self, steer: Steer) {
        let by = Person { name: "olga".to_owned(), role: PersonRole::Operator };
        let said = Command::Steer { run: id(), by, reason: "I looked".to_owned(), steer };
        self.ask(said).expect("it is taken");
    }

    fn status(&self) -> Status {
        self.engine.known().runs[&id()].status()
    }
}

pub(super) fn id() -> RunId {
    "r00000000001".parse().unwrap()
}

pub(super) fn step(
    id: &str,
    action: &str,
    with: &[(&str, Value)],
    component: &str,
    needs: &[&str],
) -> Step {
    Step {
        id: id.parse().unwrap(),
        title: "A step".to_owned(),
        part: Part::Steps,
        needs: needs.iter().map(|id| id.parse().unwrap()).collect(),
        component: Some(component.parse().unwrap()),
        task: Task {
            action: action.to_owned(),
            with: with.iter().map(|(k, v)| ((*k).to_owned(), Arg::Literal(v.clone()))).collect(),
        },
        forced: None,
        limit: Span::from_mins(60),
        budget: None,
        attempts: 3,
        on_failure: OnFailure::Pause,
        always: false,
        best_effort: false,
        expect: None,
        danger: None,
    }
}

pub(super) fn admit(table: &mut Table, steps: Vec<Step>) {
    let binding = Binding { application: SHOP.clone(), active: home(), standby: standby() };
    let plan = Plan {
        runbook: "by-hand".parse().unwrap(),
        title: "By hand".to_owned(),
        mode: Mode::Live,
        exclusive: true,
        way_back: None,
        rto: None,
        inputs: BTreeMap::new(),
        binding: Some(binding),
        steps,
    };
    let request = asked("by-hand");
    let admission =
        Admission { id: id(), request, plan: plan.freeze().unwrap(), proposal: None, asked: None };
    table.ask(Command::Admit(Box::new(admission))).expect("it is taken");
}

pub(super) fn unseen() -> Seen {
    Seen::NotStarted { before: json!({ "writer": "orders-east-1" }), targets: Vec::new() }
}

/// Goal: what may have been sent is never sent again by Muster itself; a person who has looked may
/// say that it was not, and only then is there another attempt, with a look and an aim of its own.
/// Method: die between the aim and the answer of a failover that must not happen twice.
#[test]
fn a_person_may_say_that_it_was_never_sent() {
    let mut table = Table::lay(Progress::default(), dawn());
    let failover =
        step("failover", "failover-in-region", &[("at", json!("active"))], "orders", &[]);
    admit(&mut table, vec![failover]);
    table.see("failover", 1, unseen());
    assert_eq!(table.begins.len(), 1);

    // The next process does not know whether that call ever left.
    let mut table = Table::lay(table.engine.known().clone(), table.now);
    for _ in 0..60 {
        table.pass(5);
        if std::mem::take(&mut table.asked) {
            table.see("failover", 1, unseen());
        }
    }
    assert_eq!(table.status(), Status::PausedByGate);
    assert_eq!(table.begins.len(), 0);

    let failover = "failover".parse().unwrap();
    table.say(Steer::Retry { step: failover });
    table.pass(30);
    assert_eq!(table.begins.len(), 0, "the gate still stands");
    table.say(Steer::Resume);
    table.see("failover", 2, unseen());
    assert_eq!(table.begins, ["muster-r00000000001-failover-2"]);
}

/// Goal: an application has moved when all its databases have, and not before: what is planned in
/// between would bind to a side that half of the data is not on.
#[test]
fn half_a_promotion_moves_nothing() {
    let mut table = Table::lay(Progress::default(), dawn());
    let to = [("to", json!("standby"))];
    let orders = step("promote-orders", "switchover-database", &to, "orders", &[]);
    let users = step("promote-users", "switchover-database", &to, "users", &[]);
    admit(
        &mut table,
        vec![
            orders,
            users,
            step("wait", "gate", &[("asks", json!("well?"))], "users", &["promote-users"]),
        ],
    );
    let mut moved = Vec::new();
    for id in ["promote-orders", "promote-users"] {
        table.see(id, 1, unseen());
        let reply = Reply {
            run: self::id(),
            step: id.parse().unwrap(),
            attempt: 1,
            answer: Ok(Answer::Accepted),
        };
        table.hear(Input::Answered(reply));
        table.pass(60);
        let outputs =
            [("writer", json!("west")), ("took", json!("1m")), ("data_loss", json!("0s"))];
        table.see(id, 1, Seen::Done(Done::with(outputs)));
        let state = table.engine.known().applications.get(&SHOP.name);
        moved.push(
            state.and_then(|state| state.active.as_ref()).map(|active| active.region.clone()),
        );
    }
    assert_eq!(moved, [None, Some(standby())]);
}
