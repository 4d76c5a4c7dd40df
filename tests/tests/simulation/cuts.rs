//! Cut off everywhere: before and after every append, sync, look and begin.

use std::collections::BTreeMap;

use muster_state::run::Outcome;
use muster_tests::simulation::{Simulation, scenario::Scenario};

use super::{is_well, tell};

/// Goal: a crash at any point changes nothing: the end is the same, every effect happened once.
/// Method: cut the process off at its n-th I/O operation, for every n until none is left to cut,
/// let the next process go on, and compare what the world really did with the uncut history. Where
/// a fault strikes at a fixed instant, another attempt may be the one it hits (`is_exact`).
fn cut_everywhere(scenario: &Scenario, is_exact: bool) {
    SEEDS.for_each(|seed| cut_from(seed, scenario, is_exact, 0));
}

/// Under each of these seeds the same things happen in another order and take another time.
const SEEDS: std::ops::RangeInclusive<u64> = 11..=16;

fn cut_from(seed: u64, scenario: &Scenario, is_exact: bool, part: u64) {
    let mut uncut = Simulation::new(seed, scenario.clone());
    uncut.run();
    let wanted = effects(&uncut);
    let mut crashes = 0;
    // `part` percent of the operations are left alone: other tests cut there.
    for fuse in uncut.figures.operations * part / 100.. {
        let mut cut = Simulation::new(seed, scenario.clone()).with_fuse(fuse);
        cut.run();
        if cut.is_uncut() {
            break;
        }
        crashes += 1;
        let mut ends = cut.watch.outcomes.iter();
        let all_well = ends.all(|(run, end)| {
            let fine = !is_exact && *end == Outcome::SucceededWithExceptions;
            is_well(&cut, run) || fine || run.as_str().starts_with('d')
        });
        if cut.watch.has_failed() || !all_well {
            tell(seed, scenario, Some(fuse), &format!("{:?}", cut.watch.last_words));
        }
        let found = effects(&cut);
        if is_exact && found != wanted {
            tell(seed, scenario, Some(fuse), &format!("did {found:#?}\ninstead of {wanted:#?}"));
        }
    }
    println!("{} under seed {seed}: {crashes} crashes, each survived", scenario.name);
    assert!(crashes > 20, "there was something to cut");
}

/// What really happened, apart from when.
fn effects(simulation: &Simulation) -> BTreeMap<(String, String), u32> {
    let truth = simulation.sim.truth();
    let counts = truth.counts().into_iter();
    counts.map(|((token, object), times)| ((token.to_owned(), object.to_owned()), times)).collect()
}

#[test]
fn a_rehearsal_cut_anywhere() {
    cut_everywhere(&Scenario::rehearsal(), true);
}

#[test]
fn a_replication_check_cut_anywhere() {
    cut_everywhere(&Scenario::replication_check(), true);
}

#[test]
fn a_bucket_comparison_cut_anywhere() {
    cut_everywhere(&Scenario::bucket_comparison(), true);
}

#[test]
fn a_backup_cut_anywhere() {
    cut_everywhere(&Scenario::daily_backup(), true);
}

#[test]
fn a_restore_test_cut_anywhere() {
    // The backup before it is cut elsewhere.
    cut_from(11, &Scenario::restore_test(), true, 55);
}

#[test]
fn a_graceful_failover_cut_anywhere() {
    cut_everywhere(&Scenario::graceful(), true);
}

#[test]
fn a_forced_failover_cut_anywhere() {
    cut_everywhere(&Scenario::forced(), true);
}

#[test]
fn a_failover_whose_region_dies_cut_anywhere() {
    cut_everywhere(&Scenario::dies_in_the_middle(95), false);
}

#[test]
fn a_failback_cut_anywhere() {
    cut_everywhere(&Scenario::failback(), true);
}

#[test]
fn a_lost_node_cut_anywhere() {
    cut_everywhere(&Scenario::node_loss(), true);
}

#[test]
fn a_drill_cut_anywhere() {
    cut_everywhere(&Scenario::drill(), true);
}

#[test]
fn a_drill_of_the_quarter_cut_anywhere() {
    // The backup before it is cut elsewhere. Its runs are started once each, whenever it dies.
    cut_from(11, &Scenario::quarterly(), true, 40);
}

#[test]
fn a_practice_with_a_cache_cut_anywhere() {
    // Aimed and not known to be begun: a person says what is so, and no primary moves twice.
    cut_everywhere(&Scenario::cache_practice(), false);
}

#[test]
fn an_expiry_cut_anywhere() {
    // Aimed and not known to be begun: a person says what is so, and nothing is deleted twice.
    cut_from(11, &Scenario::short_expiry(), false, 96);
}
