//! A node is lost, and what stood on it starts anew.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use muster::world::sim::{Effect, Fault};
use muster_runbooks::value::Span;
use muster_state::run::Outcome;
use muster_tests::simulation::{
    Simulation,
    cast::{dawn, home, id, standby},
    scenario::{Act, Scenario},
};

use super::play;

fn secs(secs: i64) -> SignedDuration {
    SignedDuration::from_secs(secs)
}

/// The pods that calls really deleted, and when the first of them went.
fn deleted(simulation: &Simulation) -> (BTreeSet<String>, Option<Timestamp>) {
    let truth = simulation.sim.truth();
    let all = truth.effects().iter().filter(|effect| effect.operation == "DELETE pods");
    (all.clone().map(|effect| effect.object.clone()).collect(), all.map(|effect| effect.at).min())
}

fn ended(simulation: &Simulation) -> Outcome {
    simulation.watch.outcomes[&id('n', 1)]
}

/// Goal: every pod on a lost node is replaced, none that stands elsewhere is deleted, and nothing before the node has
/// not been ready for forty seconds; it takes less than the two minutes that the runbook promises.
/// Method: what was deleted, next to what really stood on the lost node.
#[test]
fn what_stood_on_a_lost_node_starts_anew() {
    for seed in 1..=20 {
        let simulation = play(seed, &Scenario::node_loss());
        assert_eq!(ended(&simulation), Outcome::Succeeded, "seed {seed}");
        let truth = simulation.sim.truth();
        let (gone, first) = deleted(&simulation);
        let stood: BTreeSet<String> =
            truth.on_lost_nodes(&home(), dawn() + secs(121)).into_iter().collect();
        assert!(!stood.is_empty());
        assert_eq!(gone, stood, "seed {seed}");
        assert!(first >= Some(dawn() + secs(160)), "seed {seed}: {first:?}");
        assert_eq!(truth.on_lost_nodes(&home(), simulation.now), [""; 0], "seed {seed}");
        let end = simulation.disk.ended(&id('n', 1)).expect("it has ended").ended_at;
        assert!(end < dawn() + secs(140 + 120), "seed {seed}: {end}");
    }
}

/// Goal: without a lost node nothing is deleted, and the run says so and succeeds.
/// Method: the other side's node is lost; the node is well again before it counts as lost.
#[test]
fn without_a_lost_node_nothing_is_deleted() {
    let mut elsewhere = Scenario::node_loss();
    elsewhere.script[0].1 = Act::Inject(Fault::NodeLost { region: standby() });
    let back = Scenario::node_loss().and(secs(150), Act::Heal(home()));
    for scenario in [elsewhere, back] {
        for seed in 1..=5 {
            let simulation = play(seed, &scenario);
            assert_eq!(ended(&simulation), Outcome::Succeeded);
            assert_eq!(deleted(&simulation), (BTreeSet::new(), None));
            let notes = simulation.watch.notes[&id('n', 1)].join("\n");
            assert!(notes.contains("no node under these pods was lost"), "{notes}");
        }
    }
}

/// Goal: a node that is lost while others are replaced is the next attempt's, and no pod is forgotten.
/// Method: a second node is lost at every few seconds of the run; its pods are replaced before the run is over, unless
/// all was there before, and the run was about to end.
#[test]
fn another_node_is_lost_meanwhile() {
    let mut both = 0;
    for at in (122..210).step_by(4) {
        let lost_at = secs(at);
        let lost = Act::Inject(Fault::NodeLost { region: home() });
        let simulation = play(at.unsigned_abs(), &Scenario::node_loss().and(lost_at, lost));
        let truth = simulation.sim.truth();
        let left = truth.on_lost_nodes(&home(), simulation.now);
        let end = simulation.disk.ended(&id('n', 1)).expect("it has ended").ended_at;
        let was_ending = end <= dawn() + lost_at + secs(10);
        assert!(left.is_empty() || was_ending, "lost at {at}, over at {end}: {left:?}");
        let again =
            |effect: &Effect| effect.operation == "DELETE pods" && effect.token.ends_with("-2");
        both += u32::from(truth.effects().iter().any(again));
    }
    assert!(both > 2, "{both} times a second attempt replaced more");
}

/// Goal: where no node has room the run says capacity and asks, and goes on when there is.
#[test]
fn without_room_it_is_capacity() {
    let full = Act::Inject(Fault::NoCapacity { length: Span::from_mins(20) });
    let simulation = play(3, &Scenario::node_loss().and(secs(100), full));
    assert_eq!(ended(&simulation), Outcome::Succeeded);
    assert!(simulation.watch.statuses.contains("paused_by_failed_step"));
}
