//! Forty days of backups, copies and expiries.

use muster_tests::simulation::{Simulation, protection, scenario::Scenario};

use super::tell;

/// So many disturbed seeds are run when none is asked for.
const SEEDS: u64 = 120;

fn forty_days(seed: u64, scenario: &Scenario) -> Simulation {
    let mut simulation = Simulation::new(seed, scenario.clone());
    simulation.run();
    let mut watch = std::mem::take(&mut simulation.watch);
    watch.protected_at_the_end(&simulation);
    simulation.watch = watch;
    if simulation.watch.has_failed() {
        let failures = simulation.watch.failures.join("\n");
        tell(seed, scenario, None, &failures);
    }
    simulation
}

/// Goal: over forty days each region keeps exactly what the policy says, every occurrence runs once,
/// and nothing is said to be missing.
/// Method: the schedules of the reference application over the simulated world, under three seeds.
#[test]
fn forty_quiet_days() {
    for seed in 1..=3 {
        let simulation = forty_days(seed, &protection::quiet());
        assert_eq!(simulation.watch.outcomes.len(), 2 * 40, "{:?}", simulation.watch.outcomes);
        println!("protection: {:?}", simulation.figures);
    }
}

/// Goal: whatever is throttled, lost, stale, stuck, switched off, held or put forward for thirty days,
/// no point goes that must stay, every occurrence is run or missed, what is missing is found, and ten
/// days later all is as the policy says.
/// Method: random troubles out of seeds; `MUSTER_SEED` replays one.
#[test]
fn forty_disturbed_days() {
    let asked: Option<u64> = std::env::var("MUSTER_SEED").ok().and_then(|seed| seed.parse().ok());
    let many: Option<u64> = std::env::var("MUSTER_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    let seeds = asked.map_or(0..many.unwrap_or(SEEDS), |seed| seed..seed + 1);
    let (mut calls, mut checks, mut runs, mut missed) = (0, 0, 0, 0);
    for seed in seeds.clone() {
        let simulation = forty_days(seed, &protection::disturbed(seed));
        calls += simulation.figures.calls;
        checks += simulation.figures.checks;
        runs += simulation.watch.outcomes.len();
        missed += simulation.watch.occurrences_missed();
    }
    println!("protection {seeds:?}: {runs} runs, {missed} missed, {calls} calls, {checks} checks");
}
