//! The whole engine over the simulated world: every scenario undisturbed, cut off everywhere, with
//! every fault, and in storms.

#![expect(clippy::print_stdout, reason = "figures are what these tests give")]

mod cache_nodes;
mod cuts;
mod detection;
mod evacuation;
mod faults;
mod figures;
mod lease;
mod nodes;
mod protection;
mod quiet;
mod rebuild;
mod storms;
mod vault;
mod workers;

use muster_runbooks::name::RunId;
use muster_state::run::Outcome;
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

/// Whether a run has done what it was to do. That the workers of a lost region could not be stopped is an
/// exception, and no more.
fn is_well(simulation: &Simulation, run: &RunId) -> bool {
    match simulation.watch.outcomes.get(run) {
        Some(Outcome::Succeeded) => true,
        Some(Outcome::SucceededWithExceptions) => {
            let words = simulation.watch.last_words.get(run);
            words.is_some_and(|words| words.starts_with("`suspend-old-workers-production` failed"))
        }
        Some(Outcome::Failed | Outcome::Abandoned) | None => false,
    }
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
