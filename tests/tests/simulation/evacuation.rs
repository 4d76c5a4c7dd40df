//! A region that many applications leave together.

use std::collections::BTreeMap;

use muster_runbooks::name::{ApplicationName, Region};
use muster_state::run::Outcome;
use muster_tests::simulation::{
    Simulation,
    cast::{id, standby},
    scenario::Scenario,
};

use super::{play, tell};

/// Where every application is served at the end.
fn served(simulation: &Simulation) -> BTreeMap<ApplicationName, Region> {
    let known = simulation.disk.progress();
    let served = known
        .applications
        .iter()
        .filter_map(|(name, state)| Some((name.clone(), state.active.as_ref()?.region.clone())));
    served.collect()
}

/// Fails unless all have moved, each by one run.
fn has_moved(seed: u64, scenario: &Scenario, fuse: Option<u64>, simulation: &Simulation) {
    let served = served(simulation);
    let moved = scenario.applications.iter().all(|one| served.get(&one.name) == Some(&standby()));
    let ends = &simulation.watch.outcomes;
    let is_well = ends.values().all(|end| match end {
        Outcome::Succeeded | Outcome::SucceededWithExceptions => true,
        Outcome::Failed | Outcome::Abandoned => false,
    });
    // The one that moves them, and one for each.
    let runs = ends.len() == scenario.applications.len() + 1;
    if simulation.watch.has_failed() || !(moved && is_well && runs) {
        let words = &simulation.watch.last_words;
        tell(seed, scenario, fuse, &format!("{} runs, {served:?}, {words:?}", ends.len()));
    }
}

/// Goal: a hundred applications leave a lost region on one approval, in their order, and a process that is
/// killed in the middle changes nothing of that.
/// Method: play it whole; then kill it in each tenth part of its operations; every invariant is checked for
/// every application. The figure is how close it comes to the least that ten at a time can take.
#[test]
fn a_hundred_leave_killed_in_the_middle() {
    let scenario = Scenario::evacuation(100);
    let whole = play(21, &scenario);
    has_moved(21, &scenario, None, &whole);
    for part in 1..10 {
        let fuse = whole.figures.operations * part / 10;
        let mut cut = Simulation::new(21, scenario.clone()).with_fuse(fuse);
        cut.run();
        assert!(!cut.is_uncut());
        has_moved(21, &scenario, Some(fuse), &cut);
    }
    let one = play(21, &Scenario::evacuation(1));
    let took = |simulation: &Simulation| {
        simulation.now.duration_since(muster_tests::simulation::cast::dawn()).as_secs_f64() - 300.0
    };
    println!(
        "one application took {:.0} s, a hundred, ten at a time, {:.0} s: {:.2} times ten of them; {:?}",
        took(&one),
        took(&whole),
        took(&whole) / (10.0 * took(&one)),
        whole.figures,
    );
}

/// Goal: cut off anywhere, the few that leave do so once each.
#[test]
fn a_few_leave_cut_off_anywhere() {
    let scenario = Scenario::evacuation(3);
    let whole = play(22, &scenario);
    has_moved(22, &scenario, None, &whole);
    let mut crashes = 0;
    for fuse in 0.. {
        let mut cut = Simulation::new(22, scenario.clone()).with_fuse(fuse);
        cut.run();
        if cut.is_uncut() {
            break;
        }
        crashes += 1;
        has_moved(22, &scenario, Some(fuse), &cut);
    }
    println!("{crashes} crashes, each survived");
    assert!(crashes > 100, "there was something to cut");
}

/// Goal: nobody comes before those that it comes after, and no more are on their way than was said.
#[test]
fn in_their_order() {
    let scenario = Scenario::evacuation(30);
    let simulation = play(23, &scenario);
    let known = simulation.disk.progress();
    let moved: BTreeMap<&ApplicationName, _> = known
        .applications
        .iter()
        .filter_map(|(name, state)| Some((name, state.moved.as_ref()?.at)))
        .collect();
    for one in &scenario.applications {
        for before in &one.recovery.after {
            assert!(moved[before] < moved[&one.name], "{} before {before}", one.name);
        }
    }
    assert_eq!(simulation.watch.outcomes[&id('v', 1)], Outcome::Succeeded);
}
