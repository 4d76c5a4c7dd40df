//! Simulated failovers per second of one core: the real engine over the simulated world, with every
//! invariant checked after every event. Beside it, in the same run, the bare queue of events that
//! carries them: what would be left if deciding, calling and checking cost nothing.
//!
//! Prints one JSON line per scenario. `cargo bench -p muster-tests --bench failovers`

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use muster_tests::simulation::{Simulation, chance::Chance, core_time, scenario::Scenario};
use serde_json::json;

/// The product's own.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// So long is each scenario played, in the time of the core.
const PLAYED: Duration = Duration::from_secs(3);

/// How many histories go by between two looks at that time, which is not free.
const PER_LOOK: u64 = 50;

fn main() {
    let mut out = io::stdout();
    let scenarios = [
        Scenario::lean(),
        Scenario::graceful(),
        Scenario::forced(),
        Scenario::failback(),
        Scenario::daily_backup(),
    ];
    for scenario in scenarios {
        writeln!(out, "{}", measure(&scenario)).expect("printed");
    }
}

fn measure(scenario: &Scenario) -> serde_json::Value {
    let begun = core_time();
    let (mut histories, mut events, mut checks, mut steps) = (0_u64, 0, 0, 0);
    while core_time() - begun < PLAYED {
        for _ in 0..PER_LOOK {
            let mut simulation = Simulation::new(histories, scenario.clone());
            simulation.run();
            assert!(!simulation.watch.has_failed(), "{:?}", simulation.watch.failures);
            histories += 1;
            events += simulation.figures.events;
            checks += simulation.figures.checks;
            steps += simulation.watch.attempts;
        }
    }
    let secs = (core_time() - begun).as_secs_f64();
    json!({
        "scenario": scenario.name,
        "per_second_and_core": (histories as f64 / secs).round(),
        "steps_per_history": steps / histories,
        "events_per_history": events / histories,
        "checks_per_history": checks / histories,
        "events_per_second_and_core": (events as f64 / secs).round(),
        "bare_queue_events_per_second_and_core": bare_queue().round(),
    })
}

/// Events that do nothing, through a queue ordered by instant and chance.
fn bare_queue() -> f64 {
    const EVENTS: u64 = 1_000_000;
    let mut chance = Chance::new(7);
    let mut queue = BTreeMap::new();
    for place in 0..20 {
        queue.insert((Timestamp::UNIX_EPOCH, chance.draw()), place);
    }
    let begun = core_time();
    for _ in 0..EVENTS {
        let ((at, _), place) = queue.pop_first().expect("it is never empty");
        let later = at + SignedDuration::from_millis(chance.below(5_000) as i64);
        queue.insert((later, chance.draw()), place);
    }
    EVENTS as f64 / (core_time() - begun).as_secs_f64()
}
