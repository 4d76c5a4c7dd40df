//! Every scenario as it should go.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use muster::world::sim::Fault;
use muster_state::{
    command::{Command, Steer},
    run::Outcome,
};
use muster_tests::simulation::{
    cast::{id, olga},
    scenario::{Act, Scenario},
};

use super::{play, tell};

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
                // Nothing was changed in a drill, so what looks for the change cannot find it.
                let is_drill = run.as_str().starts_with('d');
                if *outcome != Outcome::Succeeded && !is_drill {
                    let words = simulation.watch.last_words.get(run);
                    tell(seed, &scenario, None, &format!("{run} is {outcome}: {words:?}"));
                }
            }
            assert!(!simulation.watch.outcomes.is_empty());
            if seed == 1 {
                assert_eq!(play(1, &scenario).trace, simulation.trace);
                println!("{}: {:?} {}", scenario.name, simulation.figures, simulation.now);
            }
        }
    }
}

/// Goal: a step that fails pauses its run and asks, even if no other step is left.
/// Method: let the copies, which are last, fail more often than they have attempts.
#[test]
fn a_last_step_that_fails_is_asked_about() {
    let fails = Act::Inject(Fault::SnapshotFails { times: 9 });
    let scenario = Scenario::daily_backup().and(SignedDuration::from_secs(200), fails);
    let simulation = play(3, &scenario);
    assert!(simulation.watch.statuses.contains("paused_by_failed_step"));
    let outcomes: Vec<&Outcome> = simulation.watch.outcomes.values().collect();
    assert_eq!(outcomes, [&Outcome::Succeeded]);
}

/// Goal: who gives a run up is still told how it ended, and what can be undone is undone.
/// Method: abandon a failover before its approval, and count the notice.
#[test]
fn a_run_that_was_given_up_says_how_it_ended() {
    let steer = Steer::Abandon { undo: true };
    let said = Command::Steer { run: id('f', 1), by: olga(), reason: "no".to_owned(), steer };
    let at = SignedDuration::from_secs(125);
    let simulation = play(3, &Scenario::graceful().and(at, Act::Say(Box::new(said))));
    assert_eq!(simulation.sim.truth().notices().values().sum::<u32>(), 1);
    assert_eq!(simulation.sim.truth().effects().len(), 1, "and nothing else happened");
}

/// Goal: the newest three points of each component and region stay, whatever the clock says.
/// Method: stop the backups, let the expiries go on for longer than the retention, count.
#[test]
fn the_last_three_points_stay() {
    let simulation = play(3, &Scenario::drought());
    let mut left: BTreeMap<String, u32> = BTreeMap::new();
    let mut gone = 0;
    for point in simulation.sim.truth().snapshots(simulation.now) {
        let key = format!("{:?} {}", point.of, point.region);
        *left.entry(key).or_default() += u32::from(point.is_available);
        gone += u32::from(point.deleted.is_some());
    }
    assert_eq!(left.len(), 4);
    // The first of the month stays too, where the policy keeps it.
    let stay = |key: &str| if key.contains("users") { 4 } else { 3 };
    assert!(left.iter().all(|(key, left)| *left == stay(key)), "{left:?}");
    assert_eq!(gone, 6, "and what is past its retention goes");
}
