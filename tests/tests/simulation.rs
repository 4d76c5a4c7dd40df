//! The whole engine over the simulated world: every scenario undisturbed, cut off everywhere, with
//! every fault, and in storms.

#![expect(clippy::print_stdout, reason = "figures are what these tests give")]

mod cuts;
mod faults;
mod figures;
mod lease;
mod protection;
mod quiet;
mod storms;
mod vault;
mod workers;

use muster_tests::simulation::{Simulation, scenario::Scenario};

/// Plays a scenario to its end and fails with its seed if anything was wrong.
fn play(seed: u64, scenario: &Scenario) -> Simulation {
    let mut simulation = Simulation::new(seed, scenario.clone());
    simulation.run();
    if simulation.watch.has_failed() {
        tell(seed, scenario, None, "");
    }
    simulation
}

/// Plays it again with every event in words, and fails.
fn tell(seed: u64, scenario: &Scenario, fuse: Option<u64>, what: &str) -> ! {
    let mut again = Simulation::new(seed, scenario.clone());
    again.is_verbose = true;
    if let Some(fuse) = fuse {
        again = again.with_fuse(fuse);
    }
    again.run();
    let cut = fuse.map_or_else(String::new, |fuse| format!(", cut at {fuse}"));
    panic!(
        "{} under seed {seed}{cut}: {what}\n{}\n{}\nreplay: MUSTER_SEED={seed} cargo nextest run -p muster-tests -E 'test(simulation)'",
        scenario.name,
        again.story(),
        again.watch.failures.join("\n"),
    )
}
