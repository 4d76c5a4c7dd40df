//! What may run on one side only, in every way in which an application moves.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use muster::world::sim::Effect;
use muster_runbooks::{
    name::Region,
    request::{Manner, Mode},
};
use muster_state::{
    command::{Command, Steer},
    run::Outcome,
};
use muster_tests::simulation::{
    Simulation,
    cast::{SHOP, home, id, olga, standby},
    scenario::{Act, Scenario, Start},
};

use super::play;

const BOTH: [&str; 2] = ["cronjob/nightly", "deployment/consumer"];

fn at_work(simulation: &Simulation, region: &Region) -> Vec<String> {
    simulation.sim.truth().at_work(region, simulation.now)
}

/// When calls first changed something that an effect is picked by.
fn first(simulation: &Simulation, is: impl Fn(&Effect) -> bool) -> Timestamp {
    let effects = simulation.sim.truth().effects();
    effects.iter().find(|effect| is(effect)).expect("it happened").at
}

fn of_worker(region: Region) -> impl Fn(&Effect) -> bool {
    move |effect| BOTH.iter().any(|worker| effect.object == format!("{region}/{worker}"))
}

/// Goal: a graceful move takes the workers along: they stop before the other side writes, and start once
/// users are there. On the way back the same.
/// Method: play it, and read from the world in which order things changed.
#[test]
fn workers_go_where_the_application_goes() {
    for seed in 1..=3 {
        let there = play(seed, &Scenario::graceful());
        assert_eq!(at_work(&there, &home()), [""; 0]);
        assert_eq!(at_work(&there, &standby()), BOTH);
        let stopped = first(&there, of_worker(home()));
        let promoted = first(&there, |effect| effect.operation == "SwitchoverGlobalCluster");
        let shifted = first(&there, |effect| effect.operation == "PutObject");
        let started = first(&there, of_worker(standby()));
        assert!(stopped < promoted && promoted < shifted && shifted < started);

        let back = play(seed, &Scenario::failback());
        assert_eq!(at_work(&back, &home()), BOTH);
        assert_eq!(at_work(&back, &standby()), [""; 0]);
    }
}

/// Goal: the cache goes along, away and back, and is promoted once each time; what holds dead connections is
/// restarted after the promotion and before users come.
/// Method: play it, and read from the world in which order things changed.
#[test]
fn caches_and_clients_go_along() {
    let cache = &SHOP.caches[0].name;
    for (scenario, moves, at) in [
        (Scenario::graceful(), 1, standby()),
        (Scenario::forced(), 1, standby()),
        (Scenario::failback(), 2, home()),
    ] {
        let played = play(3, &scenario);
        let truth = played.sim.truth();
        assert_eq!(truth.cache_primary(&SHOP.name, cache, played.now), Some(&at));
        let of = |operation: &'static str| {
            truth.effects().iter().filter(move |effect| effect.operation == operation)
        };
        assert_eq!(of("FailoverGlobalReplicationGroup").count(), moves);
        let restarted = first(&played, |it| it.token.contains("-restart-clients-production-"));
        let promoted = first(&played, |it| it.token.contains("-promote-database-orders-"));
        let shifted = first(&played, |it| it.token.contains("-shift-traffic-"));
        assert!(promoted < restarted && restarted < shifted, "{}", scenario.name);
    }
}

/// Goal: a forced run waits for nothing of the workers on the side that it gives up: that they could not be
/// stopped is an exception of the run, and they are stopped when somebody asks once the region is back.
/// Method: the region is lost; later it is well again, and `settle-workers` is asked for.
#[test]
fn a_lost_side_is_not_waited_for() {
    let forced = play(3, &Scenario::forced());
    assert_eq!(forced.watch.outcomes[&id('f', 1)], Outcome::SucceededWithExceptions);
    let words = &forced.watch.last_words[&id('f', 1)];
    assert_eq!(at_work(&forced, &standby()), BOTH, "{words}");
    assert_eq!(at_work(&forced, &home()), BOTH, "it runs on both sides, as far as anybody can say");

    let settle = Act::Start(Start {
        runbook: "settle-workers",
        id: id('s', 1),
        manner: Manner::Graceful,
        mode: Mode::Live,
        due_at: None,
        inputs: BTreeMap::new(),
    });
    let hours = SignedDuration::from_hours;
    let scenario = Scenario::forced().and(hours(2), Act::HealAll).and(hours(3), settle);
    let settled = play(3, &scenario);
    assert_eq!(settled.watch.outcomes[&id('s', 1)], Outcome::Succeeded);
    assert_eq!(at_work(&settled, &home()), [""; 0]);
    assert_eq!(at_work(&settled, &standby()), BOTH);
}

/// Goal: who gives a graceful move up after the workers have stopped can start them again where the
/// application still is, as strong as they were.
/// Method: abandon it at every second around the stop, then ask for `settle-workers`.
#[test]
fn what_a_move_that_was_given_up_has_stopped_is_started_again() {
    let steer = Steer::Abandon { undo: false };
    let said = Command::Steer { run: id('f', 1), by: olga(), reason: "no".to_owned(), steer };
    let whole = play(3, &Scenario::graceful());
    let stopped = first(&whole, of_worker(home()));
    let begun = stopped.duration_since(muster_tests::simulation::cast::dawn());
    for after in 0..5 {
        let settle = Act::Start(Start {
            runbook: "settle-workers",
            id: id('s', 1),
            manner: Manner::Graceful,
            mode: Mode::Live,
            due_at: None,
            inputs: BTreeMap::new(),
        });
        let at = begun + SignedDuration::from_secs(after);
        let scenario = Scenario::graceful()
            .and(at, Act::Say(Box::new(said.clone())))
            .and(SignedDuration::from_hours(1), settle);
        let simulation = play(3, &scenario);
        assert_eq!(simulation.watch.outcomes[&id('f', 1)], Outcome::Abandoned, "{after}");
        assert_eq!(simulation.watch.outcomes[&id('s', 1)], Outcome::Succeeded, "{after}");
        assert_eq!(at_work(&simulation, &home()), BOTH, "{after}");
        assert_eq!(at_work(&simulation, &standby()), [""; 0], "{after}");
    }
}
