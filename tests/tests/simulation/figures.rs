//! How fast histories go by.

use std::time::Duration;

use muster_tests::simulation::{Simulation, core_time, scenario::Scenario};

/// Goal: enough histories fit into a night.
/// Method: play failovers for a second of this core and print how many there were. The floor is so
/// low that only a fault of order is caught here: what is fast is for the bench to say.
#[test]
fn simulated_failovers_per_second() {
    let scenario = Scenario::graceful();
    let (begun, mut histories, mut events) = (core_time(), 0_u32, 0);
    while core_time() - begun < Duration::from_secs(1) {
        // Looking at the time is not free.
        for _ in 0..50 {
            let mut simulation = Simulation::new(u64::from(histories), scenario.clone());
            simulation.run();
            assert!(!simulation.watch.has_failed());
            histories += 1;
            events += simulation.figures.events;
        }
    }
    let per_second = f64::from(histories) / (core_time() - begun).as_secs_f64();
    println!("{per_second:.0} simulated failovers per second and core, {events} events");
    assert!(histories > 500, "{histories} in a second");
}
