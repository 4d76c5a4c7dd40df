//! A region is built anew: beside a side that lives, and when nothing is left but recovery points.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use muster::world::sim::{BuildFact, Fault};
use muster_runbooks::{
    name::Region,
    plan::{Binding, Plan, Step},
    request::{Manner, Request},
    value::Span,
};
use muster_state::run::Outcome;
use muster_tests::simulation::{
    Simulation,
    cast::{LIBRARY, SHOP, asked, dawn, home, id, standby},
    scenario::{Act, Scenario},
};

use super::{is_well, play, tell};

/// What the runbook promises.
const RTO: Span = Span::from_hours(2);

/// When both scenarios ask for the run, after dawn.
const ASKED: SignedDuration = SignedDuration::from_secs(3 * 3_600 + 180);

fn plan(manner: Manner) -> Plan {
    let request = Request { manner, ..asked("environment-rebuild") };
    let runbook = LIBRARY.get(&request.runbook).expect("it is shipped");
    let binding = Binding { application: SHOP.clone(), active: home(), standby: standby() };
    Plan::make(runbook, &request, Some(binding)).expect("it binds")
}

/// How often each kind of call really changed something.
fn counts(simulation: &Simulation) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for effect in simulation.sim.truth().effects() {
        *counts.entry(effect.operation).or_default() += 1;
    }
    counts
}

/// The builds by their projects.
fn builds(simulation: &Simulation) -> BTreeMap<String, Vec<BuildFact>> {
    let mut by_project = BTreeMap::<String, Vec<BuildFact>>::new();
    for one in simulation.sim.truth().builds() {
        by_project.entry(one.project.clone()).or_default().push(one);
    }
    by_project
}

/// Goal: what the runbook promises is what its steps add up to, in either manner.
/// Method: the longest chain of steps by their budgets, through the infrastructure and the databases.
#[test]
fn the_critical_path_is_under_two_hours() {
    for manner in [Manner::Graceful, Manner::Forced] {
        let plan = plan(manner);
        let (whole, path) = plan.critical_path(|step: &Step| step.budget.unwrap_or(step.limit));
        assert!(whole < RTO, "{whole}");
        let names: Vec<&str> = path.iter().map(|step| step.id.as_str()).collect();
        for through in ["approve", "build-infrastructure", "restore-", "shift-traffic"] {
            let is_part = names.iter().any(|name| name.starts_with(through));
            assert!(is_part, "{through} is no part of {names:?}");
        }
        println!("{manner}: {whole} by budgets: {}", names.join(", "));
    }
}

/// Goal: a standby that was lost is there again within two hours, by one build of each kind; nothing is restored where
/// replication brings the data, and users stay where they are.
/// Method: what really happened, under several seeds.
#[test]
fn a_lost_standby_is_built_anew_beside_the_other_side() {
    let mut longest = Span::default();
    for seed in 1..=20 {
        let simulation = play(seed, &Scenario::rebuild());
        assert!(
            is_well(&simulation, &id('u', 1)),
            "seed {seed}: {:?}",
            simulation.watch.last_words
        );
        let truth = simulation.sim.truth();
        let counts = counts(&simulation);
        assert_eq!(counts.get("StartBuild"), Some(&2), "seed {seed}");
        assert_eq!(counts.get("RestoreDBClusterFromSnapshot"), None, "seed {seed}");
        assert_eq!(counts.get("CreateGlobalCluster"), None, "seed {seed}");
        assert_eq!(truth.shifts(&SHOP.name, simulation.now), [], "nobody is moved");
        for database in &SHOP.databases {
            assert!(truth.has_cluster(&SHOP.name, &database.name, &standby(), simulation.now));
            let writer = truth.writer(&SHOP.name, &database.name, simulation.now);
            assert_eq!(writer, Some(home()));
        }
        longest = longest.max(took(&simulation));
    }
    assert!(longest < RTO, "{longest}");
    println!("a lost standby is back after {longest} at most");
}

/// Goal: when everything is gone, users are served at the standby within two hours, from the newest recovery point of
/// each database, restored once; and nobody is sent there before it serves.
/// Method: what really happened, under several seeds; the invariants look on.
#[test]
fn everything_is_built_anew_from_recovery_points() {
    let mut longest = Span::default();
    for seed in 1..=20 {
        let simulation = play(seed, &Scenario::rebuild_of_all());
        assert!(
            is_well(&simulation, &id('u', 1)),
            "seed {seed}: {:?}",
            simulation.watch.last_words
        );
        let truth = simulation.sim.truth();
        let counts = counts(&simulation);
        let databases = SHOP.databases.len();
        assert_eq!(counts.get("StartBuild"), Some(&2), "seed {seed}");
        assert_eq!(counts.get("RestoreDBClusterFromSnapshot"), Some(&databases), "seed {seed}");
        assert_eq!(counts.get("CreateDBInstance"), Some(&databases), "seed {seed}");
        assert_eq!(counts.get("CreateGlobalCluster"), Some(&databases), "seed {seed}");
        assert!(truth.serves(&SHOP.name, &standby(), simulation.now), "seed {seed}");
        assert_eq!(truth.answers(&SHOP.name, simulation.now), Some(standby()), "seed {seed}");
        longest = longest.max(took(&simulation));
    }
    assert!(longest < RTO, "{longest}");
    println!("everything is back after {longest} at most");
}

/// From the request to the end of the run.
fn took(simulation: &Simulation) -> Span {
    let ended = simulation.disk.ended(&id('u', 1)).expect("it has ended").ended_at;
    Span::between(dawn() + ASKED, ended)
}

/// Goal: a process that is killed at any of its operations begins each build once, restores each database once, and
/// comes to the same end.
/// Method: cut it off at every operation of the rebuild; the backup before it is cut elsewhere.
#[test]
fn a_rebuild_cut_anywhere_builds_once() {
    for (seed, scenario) in [(11, Scenario::rebuild()), (12, Scenario::rebuild_of_all())] {
        let whole = play(seed, &scenario);
        let wanted = counts(&whole);
        let before = play(seed, &Scenario::daily_backup());
        let mut crashes = 0;
        for fuse in before.figures.operations.. {
            let mut cut = Simulation::new(seed, scenario.clone()).with_fuse(fuse);
            cut.run();
            if cut.is_uncut() {
                break;
            }
            crashes += 1;
            let same = counts(&cut) == wanted;
            let once = builds(&cut).values().all(|all| all.len() == 1);
            if cut.watch.has_failed() || !is_well(&cut, &id('u', 1)) || !once || !same {
                let found = format!("{:?}, {:?}", counts(&cut), cut.watch.last_words);
                tell(seed, &scenario, Some(fuse), &found);
            }
        }
        println!("{}: {crashes} crashes, each build begun once", scenario.name);
        assert!(crashes > 20, "there was something to cut");
    }
}

/// Goal: answers of CodeBuild that are lost on their way start no second build.
/// Method: the answer to the next StartBuild is lost, carried out or not, in either manner.
#[test]
fn a_lost_answer_starts_no_second_build() {
    for scenario in [Scenario::rebuild(), Scenario::rebuild_of_all()] {
        for applied in [true, false] {
            let operation = Some("StartBuild");
            let lost = Fault::ReplyLost { operation, calls: 2, applied };
            let simulation = play(5, &scenario.clone().and(ASKED, Act::Inject(lost)));
            assert!(is_well(&simulation, &id('u', 1)), "{:?}", simulation.watch.last_words);
            let builds = builds(&simulation);
            assert!(builds.values().all(|all| all.len() == 1), "{builds:?}");
        }
    }
}

/// Goal: a build that failed is followed by another one and not joined by it, and the run goes on.
#[test]
fn a_build_that_failed_is_followed_by_another() {
    let fails = Act::Inject(Fault::BuildFails { times: 1 });
    let simulation = play(7, &Scenario::rebuild().and(ASKED, fails));
    assert!(is_well(&simulation, &id('u', 1)), "{:?}", simulation.watch.last_words);
    let infrastructure = &builds(&simulation)["shop-infrastructure"];
    let [first, second] = infrastructure.as_slice() else { panic!("{infrastructure:?}") };
    assert!(first.until <= second.from, "{infrastructure:?}");
    assert_ne!(first.token, second.token);
}

/// Goal: nothing is taken from a writer that may come back: where only the standby is gone and the other side does not
/// answer, a forced run restores and then stops, and moves nobody.
/// Method: a forced run beside a global cluster that still exists; it is given up by the people in the end.
#[test]
fn a_writer_that_may_come_back_keeps_its_users() {
    let mut scenario = Scenario::rebuild_of_all();
    // Its clusters stand, behind a region that nobody reaches.
    scenario.script.retain(|(_, act)| {
        let is_home = |region: &Region| *region == home();
        !matches!(act, Act::Inject(Fault::EnvironmentLost { region, .. }) if is_home(region))
            && !matches!(act, Act::Heal(_))
    });
    let simulation = play(9, &scenario);
    assert_eq!(simulation.watch.outcomes[&id('u', 1)], Outcome::Abandoned);
    let counts = counts(&simulation);
    assert_eq!(counts.get("CreateGlobalCluster"), None);
    assert_eq!(simulation.sim.truth().answers(&SHOP.name, simulation.now), Some(home()));
}
