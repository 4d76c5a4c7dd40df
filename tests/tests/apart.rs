//! The engine and the journal come apart, and together again.

use std::{collections::BTreeMap, sync::Arc};

use muster::{
    catalogue::Catalogue,
    clock::Clock,
    intake::Rejected,
    perform::Health,
    serve::Process,
    world::{Simulated, World, sim::Sim},
};
use muster_runbooks::{action::control::PersonRole, name::RunId, runbook::library::Library};
use muster_state::{
    command::{Person, Steer},
    event::{Batch, Entry, RunEvent},
    journal::{AppendError, Journal, MemoryJournal},
};
use muster_tests::{
    daemon::pause,
    simulation::cast::{SHOP, asked, dawn},
};

/// The most looks until something is true.
const LOOKS_MAX: u32 = 3_000;

async fn until(what: &str, is: impl Fn() -> bool) {
    for _ in 0..LOOKS_MAX {
        if is() {
            return;
        }
        pause().await;
    }
    panic!("waited in vain until {what}");
}

/// Something is written about a run that the engine does not know of.
async fn written_past_the_engine(journal: &MemoryJournal, run: &RunId) {
    let noted = RunEvent::Noted { by: "a stranger".to_owned(), text: "I was here".to_owned() };
    let batch = Batch { entries: vec![Entry::run(run, noted)], ..Batch::default() };
    journal.append(dawn(), batch).await.expect("an answer").expect("it fits");
}

/// Goal: a record that the engine did not expect costs one answer and not the night: the daemon goes on
/// from what is durable, and gives up only when that happens again and again.
/// Method: write past the engine, and speak to the run: once, and then until it gives up.
#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_in_the_journal_costs_one_answer() {
    let journal = Arc::new(MemoryJournal::new().auto());
    let sim = Sim::new(3, std::slice::from_ref(&*SHOP), Clock::Real.now());
    let world = Arc::new(World::Sim(Simulated::new(sim, Clock::Real)));
    let catalogue = Catalogue {
        library: Library::shipped(),
        applications: BTreeMap::from([(SHOP.name.clone(), SHOP.clone())]),
        schedules: Vec::new(),
        runs_in: None,
    };
    let kept = Arc::clone(&journal) as Arc<dyn Journal>;
    let process = Process::start(kept, world, Clock::Real, Arc::new(catalogue));
    let intake = &process.intake;
    let mut ask = asked("rehearsal");
    ask.application = None;
    let run = intake.request(ask, None, None).await.unwrap().run.unwrap();
    let olga = || Person { name: "olga".to_owned(), role: PersonRole::Operator };
    let note = async || intake.steer(run.clone(), olga(), "noted".to_owned(), Steer::Note).await;
    let waits = || {
        let step = "crash-now".parse().unwrap();
        intake.known(|known| known.runs[&run].state(&step).unwrap().word() == "running")
    };
    until("it waits at its gate", waits).await;

    for _ in 0..3 {
        written_past_the_engine(&journal, &run).await;
        let said = note().await;
        assert!(matches!(said, Err(Rejected::Journal(AppendError::Conflict { .. }))), "{said:?}");
        note().await.expect("it goes on");
        assert_eq!(intake.health(), Health::Ready);
    }
    written_past_the_engine(&journal, &run).await;
    note().await.expect_err("a conflict");
    until("it gives up", || matches!(intake.health(), Health::ReadOnly { .. })).await;
    note().await.expect_err("nothing is taken any more");
    process.stop().await;
}
