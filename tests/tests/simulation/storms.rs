//! Storms: random faults, commands and crashes. A failing seed prints the command that replays it.

use jiff::{SignedDuration, Timestamp};
use muster::world::sim::{Fault, Lost};
use muster_state::command::{Command, Steer};
use muster_tests::simulation::{
    Simulation,
    cast::{dora, home, id, olga, standby},
    chance::Chance,
    people::Manners,
    scenario::{Act, Scenario},
};

use super::{faults, tell};

/// So many seeds are run when none is asked for.
const SEEDS: u64 = 3_000;

/// A scenario out of a seed.
fn storm(seed: u64) -> Scenario {
    let mut chance = Chance::new(seed.wrapping_mul(31));
    let mut scenario = chance.pick(&Scenario::all()).clone();
    scenario.name = "storm";
    let secs = |chance: &mut Chance, end| SignedDuration::from_secs(chance.below(end) as i64);
    // A restore test and a rebuild begin when the copies are there, and so do their storms.
    let (from, until) = if chance.happens(50) { (0, 900) } else { late(&scenario) };
    let from = SignedDuration::from_secs(from);
    for _ in 0..chance.below(6) {
        let fault = chance.pick(&faults::all()).clone();
        scenario = scenario.and(from + secs(&mut chance, until), Act::Inject(fault));
    }
    for _ in 0..chance.below(4) {
        let run = chance
            .pick(&[id('f', 1), id('b', 1), id('k', 1), id('r', 1), id('t', 1), id('u', 1)])
            .clone();
        let words = [
            (olga(), Steer::Pause),
            (olga(), Steer::Resume),
            (olga(), Steer::Force),
            (olga(), Steer::Note),
            (olga(), Steer::Abandon { undo: true }),
        ];
        let (by, steer) = chance.pick(&words).clone();
        let said = Command::Steer { run, by, reason: "a storm".to_owned(), steer };
        scenario = scenario.and(from + secs(&mut chance, until), Act::Say(Box::new(said)));
    }
    if chance.happens(20) {
        let off = Command::Off { by: dora(), reason: "a storm".to_owned() };
        let on = Command::On { by: dora(), reason: "it is over".to_owned() };
        let at = secs(&mut chance, 600);
        scenario = scenario.and(at, Act::Say(Box::new(off)));
        let later = at + SignedDuration::from_mins(4);
        scenario = scenario.and(later, Act::Say(Box::new(on)));
    }
    if chance.happens(30) {
        let region = if chance.happens(50) { home() } else { standby() };
        let lost = Lost::Connections;
        scenario =
            scenario.and(secs(&mut chance, 600), Act::Inject(Fault::Outage { region, lost }));
    }
    scenario.cuts = chance.below(3) * 60;
    scenario.manners = Manners {
        thinks: SignedDuration::from_secs(5 + chance.below(60) as i64),
        forces: chance.happens(70),
        accepts_early: chance.happens(50),
        is_alone: chance.happens(15),
    };
    // The Off switch may have been said while no process ran; in the end somebody turns it on.
    let on = Command::On { by: dora(), reason: "all is well".to_owned() };
    let end = from + SignedDuration::from_secs(until as i64).max(SignedDuration::from_mins(90));
    scenario.and(end, Act::HealAll).and(end, Act::Say(Box::new(on)))
}

/// When a storm may begin that is to meet the last thing of a script, and for how long.
fn late(scenario: &Scenario) -> (i64, u64) {
    const LATE: [&str; 2] = ["restore-test", "environment-rebuild"];
    let is_test = |(_, act): &&(SignedDuration, Act)| matches!(act, Act::Start(start) if LATE.contains(&start.runbook));
    let test = scenario.script.iter().find(is_test);
    test.map_or((0, 900), |(at, _)| (at.as_secs(), 7_200))
}

/// Goal: whatever happens together, no invariant breaks and everything settles.
/// Method: random scenarios, faults, words and crashes out of seeds; `MUSTER_SEED` replays one.
#[test]
fn storms() {
    let asked: Option<u64> = std::env::var("MUSTER_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = asked.map_or(0..SEEDS, |seed| seed..seed + 1);
    let many: Option<u64> = std::env::var("MUSTER_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    let seeds = many.filter(|_| asked.is_none()).map_or(seeds, |many| fresh()..fresh() + many);
    println!("seeds {}..{}", seeds.start, seeds.end);
    let (mut crashes, mut checks, mut calls, mut runs) = (0, 0, 0, 0);
    for seed in seeds {
        let scenario = storm(seed);
        let mut simulation = Simulation::new(seed, scenario.clone());
        simulation.run();
        if simulation.watch.has_failed() {
            tell(seed, &scenario, None, "");
        }
        crashes += simulation.figures.crashes;
        checks += simulation.figures.checks;
        calls += simulation.figures.calls;
        runs += simulation.watch.outcomes.len();
    }
    println!("{runs} runs, {crashes} crashes, {calls} calls, {checks} checks");
}

/// A first seed that no test has had, from the clock of the machine; it is printed.
#[expect(clippy::disallowed_methods, reason = "fresh seeds are the point, and they are printed")]
fn fresh() -> u64 {
    Timestamp::now().as_second().unsigned_abs()
}

/// Goal: a history is a function of its seed.
/// Method: play storms twice and compare a hash over everything that happened.
#[test]
fn the_same_seed_is_the_same_history() {
    for seed in 0..20 {
        let trace = |seed| {
            let mut simulation = Simulation::new(seed, storm(seed));
            simulation.run();
            simulation.trace
        };
        assert_eq!(trace(seed), trace(seed), "seed {seed}");
    }
}
