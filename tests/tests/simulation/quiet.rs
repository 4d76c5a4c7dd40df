//! Every scenario as it should go.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use muster::world::sim::Fault;
use muster_runbooks::{
    request::{Manner, Mode},
    value::Span,
};
use muster_state::{
    catalog::RecoveryPoint,
    command::{Command, Steer},
    run::Outcome,
};
use muster_tests::simulation::{
    Simulation,
    cast::{SHOP, id, olga},
    scenario::{Act, Scenario, Start},
};

use super::{is_well, play, tell};

/// Goal: without any fault every run of every scenario succeeds, and the histories are the same
/// under the same seed.
/// Method: play each under several seeds, twice under the first.
#[test]
fn every_scenario_succeeds() {
    let mut scenarios = Scenario::all();
    scenarios.extend([Scenario::expire(), Scenario::quarterly()]);
    for scenario in scenarios {
        for seed in 1..=5 {
            let simulation = play(seed, &scenario);
            for (run, outcome) in &simulation.watch.outcomes {
                // Nothing was changed in a drill, so what looks for the change cannot find it.
                let is_drill = run.as_str().starts_with('d');
                if !is_well(&simulation, run) && !is_drill {
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

/// Goal: users are let in by and by where they are sent, from before they are, and nothing stays limited, also
/// where nobody was moved in the end.
/// Method: the order of what happened in a failover; and one that is given up just before users are sent.
#[test]
fn users_are_let_in_by_and_by() {
    let simulation = play(3, &Scenario::graceful());
    let truth = simulation.sim.truth();
    let what: Vec<&str> = truth
        .effects()
        .iter()
        .filter(|one| ["PATCH ingresses", "PutObject"].contains(&one.operation))
        .map(|one| one.object.as_str())
        .collect();
    assert_eq!(
        what,
        ["us-west-2 0", "shop-traffic-west/standby-serves", "us-west-2 1", "us-west-2 2"]
    );
    assert!(truth.limited().is_empty());

    let mut given_up = 0;
    for secs in (130..300).step_by(5) {
        let steer = Steer::Abandon { undo: false };
        let said = Command::Steer { run: id('f', 1), by: olga(), reason: "no".to_owned(), steer };
        let at = SignedDuration::from_secs(secs);
        let cut = play(3, &Scenario::graceful().and(at, Act::Say(Box::new(said))));
        let truth = cut.sim.truth();
        given_up +=
            usize::from(truth.effects().iter().any(|one| one.operation == "PATCH ingresses"));
        assert!(truth.limited().is_empty(), "given up after {secs} s");
    }
    assert!(given_up > 3, "{given_up} were given up when something was limited");
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
    for point in simulation.sim.truth().points(simulation.now) {
        let key = format!("{:?} {}", point.of, point.region);
        *left.entry(key).or_default() += u32::from(point.is_available);
        gone += u32::from(point.deleted.is_some());
    }
    // Two databases and a namespace's exports on both sides, and a cache where it is written.
    assert_eq!(left.len(), 7);
    // The first of the month stays too, where the policy keeps it.
    let stay = |key: &str| if key.contains("users") { 4 } else { 3 };
    assert!(left.iter().all(|(key, left)| *left == stay(key)), "{left:?}");
    assert_eq!(gone, 12, "and what is past its retention goes");
}

/// What the point of a restore test says at the end of a history, in a line for each database.
fn stamped(simulation: &Simulation) -> Vec<String> {
    let known = simulation.disk.progress();
    let points = known.applications[&SHOP.name].points.values();
    let tested = points.filter_map(|point| Some((point, point.tested.as_ref()?)));
    tested
        .map(|(point, tested)| {
            let took = tested.took.is_some();
            let [restore, validation, clean_up] =
                [tested.restore, tested.validation, tested.clean_up].map(|stamp| stamp.status);
            format!(
                "{} {}: {restore} {validation} {clean_up} {took}",
                point.component, point.region
            )
        })
        .collect()
}

/// The names of what restore tests left behind.
fn left(simulation: &Simulation) -> Vec<String> {
    let all = simulation.sim.truth().restored(simulation.now);
    all.into_iter().filter(|one| one.is_owned && one.is_there).map(|one| one.name).collect()
}

/// Goal: a restore test brings the copy of each database back at the standby, measures, stamps the point,
/// takes everything away, and touches nothing of strangers; the tested points are verified and no others.
/// Method: play it, and read the world.
#[test]
fn a_restore_test_proves_the_copies_and_leaves_nothing() {
    let simulation = play(3, &Scenario::restore_test());
    assert_eq!(
        stamped(&simulation),
        [
            "orders us-west-2: succeeded succeeded succeeded true",
            "users us-west-2: succeeded succeeded succeeded true",
        ]
    );
    assert_eq!(left(&simulation), [""; 0]);
    let all = simulation.sim.truth().restored(simulation.now);
    let strangers = all.iter().filter(|one| !one.is_owned && one.is_there).count();
    assert_eq!((all.len(), strangers), (8, 4), "a cluster and an instance for each database");
    let known = simulation.disk.progress();
    let shop = &known.applications[&SHOP.name];
    let verified = |point: &&RecoveryPoint| point.verified_at.is_some();
    assert_eq!(shop.points.values().filter(verified).count(), 2);
    assert!(shop.findings.is_empty(), "{:?}", shop.findings);
}

/// Goal: a restore that fails is taken away too, stamped as failed, and a finding until one succeeds.
/// Method: let every restore fail, or the key be gone; then a second test that goes well.
#[test]
fn a_restore_that_fails_is_stamped_and_taken_away() {
    let at = SignedDuration::from_hours(3);
    let length = Span::from_mins(50);
    for fault in [Fault::RestoreFails { times: 4 }, Fault::KeyGone { length }] {
        let name = fault.name();
        let scenario = Scenario::restore_test().and(at, Act::Inject(fault));
        let simulation = play(3, &scenario);
        let failed = |line: &String| line.contains("failed not_done succeeded false");
        let said = stamped(&simulation);
        assert!(said.len() == 2 && said.iter().all(failed), "{name}: {said:?}");
        assert_eq!(left(&simulation), [""; 0], "{name}");
        let known = simulation.disk.progress();
        let findings: Vec<&String> = known.applications[&SHOP.name].findings.keys().collect();
        assert_eq!(findings, ["restore-test-orders", "restore-test-users"], "{name}");
        let outcome = simulation.watch.outcomes[&id('t', 1)];
        assert_eq!(outcome, Outcome::SucceededWithExceptions, "{name}");

        let again = Act::Start(Start {
            runbook: "restore-test",
            id: id('t', 2),
            manner: Manner::Graceful,
            mode: Mode::Live,
            due_at: None,
            inputs: BTreeMap::new(),
        });
        let simulation = play(3, &scenario.and(SignedDuration::from_hours(9), again));
        let shop = &simulation.disk.progress().applications[&SHOP.name];
        assert!(shop.findings.is_empty(), "{name}: {:?}", shop.findings);
    }
}

/// Goal: who gives a test up leaves nothing behind, and the point says that its test was not finished.
/// Method: abandon it while the clusters are being restored.
#[test]
fn a_restore_test_that_was_given_up_leaves_nothing() {
    let steer = Steer::Abandon { undo: false };
    let said = Command::Steer { run: id('t', 1), by: olga(), reason: "no".to_owned(), steer };
    let at = SignedDuration::from_hours(3) + SignedDuration::from_mins(5);
    let simulation = play(3, &Scenario::restore_test().and(at, Act::Say(Box::new(said))));
    assert_eq!(left(&simulation), [""; 0]);
    let said = stamped(&simulation);
    let failed = |line: &String| line.contains("failed not_done succeeded false");
    assert!(said.len() == 2 && said.iter().all(failed), "{said:?}");
}

/// Goal: what no run answers for is a finding with the command that ends it, and gone when it is gone.
/// Method: skip the removal of one database's cluster; the expiry of the next day looks.
#[test]
fn what_is_left_behind_is_found() {
    let steer = Steer::Skip { step: "remove-cluster-orders".parse().unwrap() };
    let said = Command::Steer { run: id('t', 1), by: olga(), reason: "no".to_owned(), steer };
    let mut scenario = Scenario::restore_test();
    // Wherever the teardown stands under this seed, one of these meets it.
    for minute in 0..90 {
        let at = SignedDuration::from_hours(3) + SignedDuration::from_mins(minute);
        scenario = scenario.and(at, Act::Say(Box::new(said.clone())));
    }
    let expiry = Act::Start(Start {
        runbook: "expire-recovery-points",
        id: id('e', 1),
        manner: Manner::Graceful,
        mode: Mode::Live,
        due_at: None,
        inputs: BTreeMap::new(),
    });
    let simulation = play(3, &scenario.and(SignedDuration::from_hours(26), expiry));
    let name = format!("muster-drill-{}-restore-orders-1", id('t', 1));
    assert_eq!(left(&simulation), std::slice::from_ref(&name));
    let shop = &simulation.disk.progress().applications[&SHOP.name];
    let (_, leak) = &shop.findings[&format!("leak-{name}")];
    assert!(leak.message.contains("is left in us-west-2, 2"), "{}", leak.message);
    assert!(leak.message.contains("is over"), "{}", leak.message);
    assert!(leak.hint.contains(&format!("--db-cluster-identifier {name}")), "{}", leak.hint);
    let said = stamped(&simulation);
    assert!(said[0].contains("succeeded succeeded pending"), "{said:?}");
    assert!(shop.findings.contains_key("restore-test-orders"), "{:?}", shop.findings);
}
