//! Steps that are `always` due: what was made to stand still is let go, whatever happens in between.

use std::{collections::BTreeSet, sync::Arc};

use muster_runbooks::{
    application::Application,
    name::StepId,
    plan::{Binding, Plan},
    request::Mode,
};
use muster_state::{
    command::{Refusal, Steer},
    decide::{Next, decide},
    event::{Event, RunEvent},
    run::Run,
    steer::steer,
    step::{Change, Fault, StepState},
};
use muster_tests::simulation::cast::{LIBRARY, SHOP, asked, dawn, id, olga};

/// A run of the daily backup, and everything that was written about it.
#[derive(Clone)]
struct Play {
    run: Run,
    events: Vec<RunEvent>,
}

/// The databases of the shop, of which those in `of` have hooks.
fn shop(of: &[&str]) -> Application {
    let mut shop = Application { caches: Vec::new(), workloads: Vec::new(), ..SHOP.clone() };
    let hooks = shop.databases[0].hooks.clone();
    for database in &mut shop.databases {
        database.hooks.clear();
        if of.contains(&database.name.as_str()) {
            database.hooks.clone_from(&hooks);
        }
    }
    shop
}

impl Play {
    fn new(shop: Application) -> Play {
        let request =
            muster_runbooks::request::Request { mode: Mode::Live, ..asked("daily-backup") };
        let runbook = LIBRARY.get(&request.runbook).expect("a shipped runbook");
        let (active, standby) = (shop.home.clone(), shop.standby.clone());
        let binding = Binding { application: shop, active, standby };
        let plan = Plan::make(runbook, &request, Some(binding)).expect("it binds");
        let plan = plan.freeze().expect("it is JSON");
        let admitted = RunEvent::Admitted { request: Arc::new(request), plan };
        let mut play = Play::replay(&[admitted]);
        play.settle();
        play
    }

    /// The run as the next process reads it.
    fn replay(events: &[RunEvent]) -> Play {
        let mut run = Run::admitted(&id('b', 1), &events[0], dawn()).expect("a run");
        for event in &events[1..] {
            run.apply(event, dawn()).expect("what was written is legal");
        }
        Play { run, events: events.to_vec() }
    }

    fn write(&mut self, event: RunEvent) {
        self.run.apply(&event, dawn()).expect("what is written is legal");
        self.events.push(event);
    }

    /// Writes down everything that is due.
    fn settle(&mut self) {
        for _ in 0..100 {
            let due = decide(&self.run, dawn(), false);
            let records = due.into_iter().filter_map(|next| match next {
                Next::Record(entry) => Some(entry.event),
                Next::Observe { .. } | Next::WakeAt(_) => None,
            });
            let records: Vec<Event> = records.collect();
            if records.is_empty() {
                return;
            }
            for event in records {
                if let Event::Run(event) = event {
                    self.write(event);
                }
            }
        }
        panic!("it does not settle");
    }

    fn open(&self) -> Vec<String> {
        let open = self.run.steps().filter(|(_, state)| state.attempt().is_some());
        open.map(|(step, _)| step.id.to_string()).collect()
    }

    /// Ends the open attempt of a step.
    fn end(&mut self, id: &str, well: bool) {
        let step: StepId = id.parse().expect("a step");
        let attempt = self.run.state(&step).expect("a step").attempts();
        let change = if well {
            // What the copy needs.
            let outputs = [
                ("snapshot".to_owned(), serde_json::json!("arn")),
                ("data_time".to_owned(), serde_json::json!(dawn())),
            ];
            let is_snapshot = id.starts_with("snapshot-");
            let outputs = if is_snapshot { outputs.into() } else { Default::default() };
            Change::Succeeded { attempt, outputs: Arc::new(outputs) }
        } else {
            let fault = Fault::Failed { reason: "so it was played".to_owned() };
            Change::Failed { attempt, fault }
        };
        self.write(RunEvent::Step { step, change });
        self.settle();
    }

    fn say(&mut self, word: Steer) -> Result<(), Refusal> {
        for event in steer(dawn(), &self.run, &olga(), "so it was played", &word)? {
            self.write(event);
        }
        self.settle();
        Ok(())
    }

    /// One line of a story.
    fn line(&mut self, line: &str) {
        let (word, what) = line.split_once(' ').unwrap_or((line, ""));
        let step = || what.parse::<StepId>().expect("a step");
        let said = match word {
            "ends" => return self.end(what, true),
            "fails" => return self.end(what, false),
            "pause" => self.say(Steer::Pause),
            "resume" => self.say(Steer::Resume),
            "retry" => self.say(Steer::Retry { step: step() }),
            "skip" => self.say(Steer::Skip { step: step() }),
            "done" => self.say(Steer::Done { step: step(), outputs: Default::default() }),
            "abandon" => self.say(Steer::Abandon { undo: false }),
            _ => panic!("{line}"),
        };
        said.unwrap_or_else(|why| panic!("{line}: {why}"));
    }

    /// How often each step was started.
    fn starts(&self, id: &str) -> Vec<usize> {
        let is_start = |(_, event): &(usize, &RunEvent)| {
            matches!(event, RunEvent::Step { step, change: Change::Started { .. } }
                if step.as_str() == id)
        };
        self.events.iter().enumerate().filter(is_start).map(|(at, _)| at).collect()
    }

    /// Lets everything that is open come to a good end, and a person give up what does not.
    fn end_all(&mut self) {
        for _ in 0..200 {
            let Some(open) = self.open().first().cloned() else { break };
            // What a run on its way out does not want any more is judged by a last look.
            let closes =
                self.run.plan.step(&open.parse().expect("a step")).is_some_and(|s| s.always);
            self.end(&open, self.run.abandoned.is_none() || closes);
        }
    }
}

/// A story to every line of which is told what is open then, and where the run stands.
fn told(shop: Application, story: &[&str]) -> String {
    let mut play = Play::new(shop);
    let mut told = String::new();
    for line in story {
        play.line(line);
        let open: Vec<String> = play.open();
        told += &format!("{line}: {} | {}\n", play.run.status(), open.join(" "));
    }
    told
}

const BEFORE: &str = "before-snapshot-orders";
const SNAPSHOT: &str = "snapshot-orders";
const AFTER: &str = "after-snapshot-orders";

/// Stories about one database with hooks beside one without.
const STORIES: &[(&str, &[&str])] = &[
    (
        "a quiet night",
        &[
            "ends snapshot-users",
            "ends before-snapshot-orders",
            "ends snapshot-orders",
            "ends copy-orders",
            "ends after-snapshot-orders",
            "ends copy-users",
        ],
    ),
    (
        "the snapshot fails, and is tried again",
        &[
            "ends before-snapshot-orders",
            "fails snapshot-orders",
            "ends after-snapshot-orders",
            "retry snapshot-orders",
            "ends before-snapshot-orders",
            "ends snapshot-orders",
            "ends after-snapshot-orders",
        ],
    ),
    (
        "a hook before fails, and is tried again",
        &[
            "fails before-snapshot-orders",
            "ends after-snapshot-orders",
            "retry before-snapshot-orders",
            "ends before-snapshot-orders",
            "ends snapshot-orders",
            "ends after-snapshot-orders",
        ],
    ),
    (
        "a hook before fails, and somebody does it by hand",
        &[
            "fails before-snapshot-orders",
            "fails after-snapshot-orders",
            "done before-snapshot-orders",
            "ends snapshot-orders",
            "ends after-snapshot-orders",
        ],
    ),
    (
        "a hook before fails, and the night goes on without",
        &[
            "fails before-snapshot-orders",
            "ends after-snapshot-orders",
            "skip before-snapshot-orders",
            "ends snapshot-orders",
            "ends after-snapshot-orders",
            "ends snapshot-users",
            "ends copy-orders",
            "ends copy-users",
        ],
    ),
    (
        "somebody pauses in the middle",
        &[
            "ends before-snapshot-orders",
            "pause",
            "fails snapshot-orders",
            "resume",
            "ends after-snapshot-orders",
        ],
    ),
    (
        "given up while the snapshot is taken",
        &[
            "ends before-snapshot-orders",
            "abandon",
            "fails snapshot-orders",
            "fails snapshot-users",
            "ends after-snapshot-orders",
        ],
    ),
    (
        "given up while the hooks before are asked",
        &[
            "abandon",
            "fails snapshot-users",
            "fails before-snapshot-orders",
            "ends after-snapshot-orders",
        ],
    ),
    (
        "given up once the application goes on",
        &[
            "ends before-snapshot-orders",
            "ends snapshot-orders",
            "ends after-snapshot-orders",
            "abandon",
        ],
    ),
];

/// Goal: what closes is due as soon as nothing goes on between, at once and not at the end of the run,
/// and after every new beginning again; a person's pause holds it back like everything else.
/// Method: stories, each line with what is open after it.
#[test]
fn what_closes_is_due_however_it_ends() {
    let mut all = String::new();
    for (name, story) in STORIES {
        all += &format!("# {name}\n{}\n", told(shop(&["orders"]), story));
    }
    insta::assert_snapshot!(all);
}

/// Goal: a crash at any point, and whatever a person does then, leaves nothing standing still: after each
/// asking before there is an asking after, and none where nobody was asked before.
/// Method: every prefix of every story, read as the next process would; given up there, or carried on
/// with everything that failed tried again.
#[test]
fn a_crash_at_any_point_leaves_nothing_standing_still() {
    let mut prefixes = 0;
    for (name, story) in STORIES {
        let mut whole = Play::new(shop(&["orders"]));
        for line in *story {
            whole.line(line);
        }
        for length in 1..=whole.events.len() {
            let cut = &whole.events[..length];
            for given_up in [true, false] {
                let mut play = Play::replay(cut);
                assert_eq!(play.run, Play::replay(cut).run);
                play.settle();
                if given_up && play.run.abandoned.is_none() && play.run.ended.is_none() {
                    play.say(Steer::Abandon { undo: false }).expect("it can be given up");
                }
                carry_on(&mut play);
                let why =
                    format!("{name}, cut after {length}, {given_up}: {:?}", &play.events[1..]);
                assert!(play.run.ended.is_some(), "{why}");
                let (before, after) = (play.starts(BEFORE), play.starts(AFTER));
                match before.last() {
                    Some(last) => assert!(after.last() > Some(last), "{why}"),
                    None => assert!(after.is_empty(), "{why}"),
                }
                // Closed once for each opening, and once more for a snapshot behind a skipped one.
                assert!(after.len() <= before.len() + 1, "{why}");
                if !play.run.outcome().is_well() {
                    continue;
                }
                let taken = play.starts(SNAPSHOT);
                assert!(taken.last() > before.last() && after.last() > taken.last(), "{why}");
            }
            prefixes += 1;
        }
    }
    assert!(prefixes > 100, "{prefixes}");
}

/// Ends what is open, and has a person resume and try again what failed.
fn carry_on(play: &mut Play) {
    for _ in 0..50 {
        play.end_all();
        if play.run.ended.is_some() {
            return;
        }
        if !play.run.pauses.is_empty() {
            play.say(Steer::Resume).expect("it can be resumed");
        } else if let Some(step) = play.run.failed_step().map(|step| step.id.clone()) {
            play.say(Steer::Retry { step }).expect("it can be tried again");
        }
    }
}

/// Goal: what happens to one database keeps no other standing still, and lets nothing else start.
/// Method: two databases with hooks; the snapshot of one fails while the other is still being asked.
#[test]
fn no_database_stands_still_because_of_another() {
    let mut play = Play::new(shop(&["orders", "users"]));
    play.line("ends before-snapshot-orders");
    play.line("fails snapshot-orders");
    assert_eq!(play.open(), ["before-snapshot-users", AFTER]);
    play.line("ends before-snapshot-users");
    assert!(play.run.is_paused());
    assert_eq!(play.open(), ["snapshot-users", AFTER]);
    play.line("ends snapshot-users");
    // Its copy waits for the person like everything else.
    assert_eq!(play.open(), [AFTER, "after-snapshot-users"]);
    play.line("ends after-snapshot-users");
    play.line("ends after-snapshot-orders");
    assert_eq!(play.open(), Vec::<String>::new());
}

/// Goal: nobody goes back to a snapshot while its application is being let go, or once a person has said
/// that it will not be.
/// Method: a retry at the wrong moments.
#[test]
fn nothing_is_opened_again_that_nobody_would_close() {
    let retry = || Steer::Retry { step: SNAPSHOT.parse().expect("a step") };
    let mut play = Play::new(shop(&["orders"]));
    play.line("ends before-snapshot-orders");
    play.line("fails snapshot-orders");
    let why = play.say(retry()).expect_err("it is being let go").to_string();
    assert!(why.contains("`after-snapshot-orders` is at work"), "{why}");
    play.line("fails after-snapshot-orders");
    play.line("skip after-snapshot-orders");
    let why = play.say(retry()).expect_err("nothing would let it go").to_string();
    assert!(why.contains("start a new run"), "{why}");
    // Past the failed one it goes on, without anything having been opened again.
    play.line("skip snapshot-orders");
    assert_eq!(play.starts(BEFORE).len(), 1);
    let states: BTreeSet<&str> = play.run.steps().map(|(_, state)| state.word()).collect();
    assert!(
        states.contains("skipped")
            && !matches!(
                play.run.state(&AFTER.parse().expect("a step")),
                Some(StepState::Pending { .. })
            )
    );
}

/// Goal: a hook that failed and was gone past is an exception of the run.
/// Method: a quiet night whose hooks before say so.
#[test]
fn a_failed_hook_is_an_exception() {
    let mut play = Play::new(shop(&["orders"]));
    let step: StepId = BEFORE.parse().expect("a step");
    let outputs = [
        ("ran".to_owned(), serde_json::json!(1)),
        ("failed".to_owned(), serde_json::json!(["hook `checkpoint`: no"])),
    ];
    let change = Change::Succeeded { attempt: 1, outputs: Arc::new(outputs.into()) };
    play.write(RunEvent::Step { step, change });
    play.settle();
    play.end_all();
    assert_eq!(play.run.status().word(), "succeeded_with_exceptions");
}
