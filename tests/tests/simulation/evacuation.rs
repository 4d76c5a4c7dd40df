//! A region that many applications leave together.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use muster::world::rates::{BURST, Kind, Rates};
use muster_runbooks::name::{ApplicationName, Region};
use muster_state::run::Outcome;
use muster_tests::simulation::{
    Simulation,
    cast::{dawn, id, standby},
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
    let took =
        |simulation: &Simulation| simulation.now.duration_since(dawn()).as_secs_f64() - 300.0;
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
    for one in &*scenario.applications {
        for before in &one.recovery.after {
            assert!(moved[before] < moved[&one.name], "{} before {before}", one.name);
        }
    }
    assert_eq!(simulation.watch.outcomes[&id('v', 1)], Outcome::Succeeded);
}

/// How long a stampede took, from the request on, and how close that is to the least it could take.
struct Stampede {
    took: f64,
    least: f64,
}

/// The least: the longest way through one failover alone, or what must go through the narrowest lane, with
/// what comes before and behind it in any one of them.
fn stampede(count: usize, alone: &Simulation) -> Stampede {
    let scenario = Scenario { rates: Some(Rates::default()), ..Scenario::stampede(count) };
    let crowd = play(24, &scenario);
    has_moved(24, &scenario, None, &crowd);
    let secs = |from: Timestamp, to: Timestamp| to.duration_since(from).as_secs_f64();
    let asked = dawn() + SignedDuration::from_secs(300);
    let mut least = secs(asked, alone.now);
    for (lane, sent) in alone.sim.sent() {
        let (service, _, kind) = &lane;
        // One look serves all.
        if *kind == Kind::Act {
            let rate = f64::from(Rates::default().of(*service).acts.get());
            let calls = f64::from(sent.count) * count as f64;
            let through = (calls / rate - BURST.as_secs_f64()).max(0.0);
            let around = secs(asked, sent.first) + secs(sent.last, alone.now);
            least = least.max(around + through);
        }
    }
    for (lane, sent) in crowd.sim.sent() {
        println!("{count}: {lane:?} {}", sent.count);
    }
    Stampede { took: secs(asked, crowd.now), least }
}

/// Goal: applications that leave all at once under the declared rates take hardly longer than they must.
/// Method: one alone, then a hundred and a thousand, in a world without chance; what a lane must carry and
/// what one failover takes alone bound it from below.
#[test]
fn a_stampede_takes_hardly_longer_than_it_must() {
    let scenario = Scenario { rates: Some(Rates::default()), ..Scenario::stampede(1) };
    let alone = play(24, &scenario);
    has_moved(24, &scenario, None, &alone);
    for (count, at_most) in [(100, 1.02), (1_000, 1.05)] {
        let Stampede { took, least } = stampede(count, &alone);
        println!("{count}: {took:.1} s, at least {least:.1} s: {:.3}", took / least);
        assert!(took / least <= at_most, "{took} s, at least {least} s");
    }
}
