//! How fast histories go by.

use std::time::Instant;

use muster_tests::simulation::{Simulation, scenario::Scenario};

/// Goal: enough histories fit into a night.
/// Method: play failovers for a second and print how many there were. Only the slowest machine
/// would fail: a floor is for benches, on a machine of its own.
#[test]
#[expect(clippy::disallowed_methods, reason = "the machine's time is what is measured")]
fn simulated_failovers_per_second() {
    let scenario = Scenario::graceful();
    let (begun, mut histories, mut events) = (Instant::now(), 0_u32, 0);
    while begun.elapsed().as_millis() < 1_000 {
        let mut simulation = Simulation::new(u64::from(histories), scenario.clone());
        simulation.run();
        assert!(!simulation.watch.has_failed());
        histories += 1;
        events += simulation.figures.events;
    }
    let secs = begun.elapsed().as_secs_f64();
    let per_second = f64::from(histories) / secs;
    println!("{per_second:.0} simulated failovers per second and core, {events} events");
    assert!(histories > 5);
}
