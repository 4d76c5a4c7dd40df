//! Every scenario as it should go.

use muster_state::run::Outcome;
use muster_tests::simulation::scenario::Scenario;

use super::play;

/// Goal: without any fault every run of every scenario succeeds, and the histories are the same
/// under the same seed.
/// Method: play each under several seeds, twice under the first.
#[test]
fn every_scenario_succeeds() {
    let mut scenarios = Scenario::all();
    scenarios.push(Scenario::expire());
    for scenario in scenarios {
        for seed in 1..=5 {
            let simulation = play(seed, &scenario);
            for (run, outcome) in &simulation.watch.outcomes {
                let words = simulation.watch.last_words.get(run);
                assert_eq!(
                    *outcome,
                    Outcome::Succeeded,
                    "{} seed {seed} {run} {words:?}",
                    scenario.name
                );
            }
            assert!(!simulation.watch.outcomes.is_empty());
            if seed == 1 {
                assert_eq!(play(1, &scenario).trace, simulation.trace);
                println!("{}: {:?} {}", scenario.name, simulation.figures, simulation.now);
            }
        }
    }
}
