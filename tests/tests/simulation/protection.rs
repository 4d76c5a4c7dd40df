//! Weeks of backups, copies and expiries.

use muster_tests::simulation::{Simulation, protection, scenario::Scenario};

use super::tell;

/// So many disturbed seeds are run when none is asked for.
const SEEDS: u64 = 40;

fn weeks(seed: u64, scenario: &Scenario) -> Simulation {
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
        let simulation = weeks(seed, &protection::quiet());
        // From the first night to the last, and a noon less.
        assert_eq!(simulation.watch.outcomes.len(), 41 + 40, "{:?}", simulation.watch.outcomes);
        println!("protection: {:?}", simulation.figures);
    }
}

/// Goal: while the application is being moved nothing is marked or deleted, even where somebody lets
/// the expiry go on, and it is said; afterwards all is as the policy says.
/// Method: a failover that begins a minute before the expiry, which is resumed beside it.
#[test]
fn nothing_goes_while_the_application_moves() {
    let mut beside = 0;
    for seed in 1..=5 {
        let simulation = weeks(seed, &protection::moving());
        let expiry = protection::moved_expiry();
        assert!(simulation.watch.outcomes.contains_key(&expiry));
        let truth = simulation.sim.truth();
        let by_it = |token: &str| token.contains(expiry.as_str());
        let deleted = truth.effects().iter().filter(|effect| by_it(&effect.token)).count();
        let said = simulation.watch.notes.get(&expiry).cloned().unwrap_or_default();
        let held = said.iter().any(|text| text.contains("is moving the application"));
        beside += usize::from(held && deleted == 0);
    }
    assert!(beside >= 3, "it went on beside the failover {beside} times of 5");
}

/// Goal: whatever is throttled, lost, stale, stuck, switched off, held or put forward for days or weeks,
/// no point goes that must stay, every occurrence is run or missed, what is missing is found, and when
/// it has been quiet for a while all is as the policy says.
/// Method: random troubles out of seeds, eighteen days and every eighth time forty. `MUSTER_SEED` replays
/// one; `MUSTER_SEEDS` says how many, `MUSTER_SEEDS_FROM` from where.
#[test]
fn disturbed_weeks() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let from = number("MUSTER_SEEDS_FROM").unwrap_or(0);
    let many = from..from + number("MUSTER_SEEDS").unwrap_or(SEEDS);
    let seeds = number("MUSTER_SEED").map_or(many, |seed| seed..seed + 1);
    let (mut calls, mut checks, mut runs, mut missed) = (0, 0, 0, 0);
    for seed in seeds.clone() {
        let simulation = weeks(seed, &protection::disturbed(seed));
        calls += simulation.figures.calls;
        checks += simulation.figures.checks;
        runs += simulation.watch.outcomes.len();
        missed += simulation.watch.occurrences_missed();
    }
    println!("protection {seeds:?}: {runs} runs, {missed} missed, {calls} calls, {checks} checks");
}
