//! A cache whose primary moves to another node of its region: in earnest, for practice, and not at all.

use jiff::SignedDuration;
use muster::world::sim::{Fault, Sim};
use muster_state::{
    call::{Answer, Progress},
    run::Outcome,
};
use muster_tests::{
    emulator::calls,
    simulation::{
        Simulation,
        cast::{SHOP, dawn, home, id},
        scenario::{Act, Scenario},
    },
};
use serde_json::json;

use super::play;

const ACTION: &str = "failover-cache-in-region";

/// Before the run is asked for.
const BEFORE: SignedDuration = SignedDuration::from_secs(60);

fn off() -> Fault {
    Fault::AutomaticFailoverOff {
        application: SHOP.name.clone(),
        cache: SHOP.caches[0].name.clone(),
    }
}

fn lost(operation: &'static str, applied: bool) -> Act {
    Act::Inject(Fault::ReplyLost { operation: Some(operation), calls: 1, applied })
}

fn moves(simulation: &Simulation, operation: &str) -> usize {
    let effects = simulation.sim.truth().effects().iter();
    effects.filter(|effect| effect.operation == operation).count()
}

fn primary(simulation: &Simulation) -> Option<String> {
    let truth = simulation.sim.truth();
    truth.cache_node(&SHOP.name, &SHOP.caches[0].name, &home(), simulation.now)
}

/// Goal: the primary moves once and the run ends well: by `TestFailover` for practice, and by a promotion where
/// automatic failover is off; also when the answer to that one call is lost.
/// Method: both ways, with and without the fault, and what the world really did.
#[test]
fn the_primary_moves_once() {
    let practice = (Scenario::cache_practice(), "TestFailover", "ModifyReplicationGroup");
    let told = Scenario::cache_failover().and(BEFORE, Act::Inject(off()));
    let told = (told, "ModifyReplicationGroup", "TestFailover");
    for (scenario, called, other) in [practice, told] {
        for seed in 1..=3 {
            for scenario in [scenario.clone(), scenario.clone().and(BEFORE, lost(called, true))] {
                let played = play(seed, &scenario);
                let outcome = played.watch.outcomes[&id('n', 1)];
                assert_eq!(outcome, Outcome::Succeeded, "{:?}", played.watch.last_words);
                assert_eq!((moves(&played, called), moves(&played, other)), (1, 0));
                assert_eq!(primary(&played).as_deref(), Some("shop-sessions-002"));
            }
        }
    }
}

/// Goal: what may have been sent is not sent again: a person is asked.
/// Method: the one call never arrives, and its sender cannot know.
#[test]
fn what_may_have_been_sent_is_not_sent_again() {
    let scenario = Scenario::cache_practice().and(BEFORE, lost("TestFailover", false));
    let played = play(3, &scenario);
    assert_eq!(moves(&played, "TestFailover"), 0);
    assert!(played.watch.statuses.contains("paused_by_gate"), "{:?}", played.watch.statuses);
    assert_eq!(primary(&played).as_deref(), Some("shop-sessions-001"));
}

/// Goal: where ElastiCache promotes by itself nothing is done in earnest, and where it does not there is nothing
/// to practise.
/// Method: both as runs, which people retry until they are tired of it.
#[test]
fn nothing_moves_in_the_wrong_way() {
    let practised = Scenario::cache_practice().and(BEFORE, Act::Inject(off()));
    for scenario in [Scenario::cache_failover(), practised] {
        let played = play(3, &scenario);
        let statuses = &played.watch.statuses;
        assert!(statuses.contains("paused_by_failed_step"), "{}: {statuses:?}", scenario.name);
        assert_eq!(played.watch.outcomes[&id('n', 1)], Outcome::Abandoned, "{}", scenario.name);
        assert_eq!(moves(&played, "TestFailover") + moves(&played, "ModifyReplicationGroup"), 0);
    }
}

/// Goal: whoever is refused reads why; and what is refused when it is looked at is not done when it is asked for.
/// Method: one look and one begin each.
#[test]
fn a_refusal_says_why() {
    let now = dawn();
    for (practice, fault, why) in [
        (false, None, "ElastiCache promotes by itself in `shop-sessions`"),
        (true, Some(off()), "automatic failover of `shop-sessions` is off"),
    ] {
        let mut sim = Sim::new(3, std::slice::from_ref(&*SHOP), now);
        if let Some(fault) = fault {
            sim.inject(now, fault);
        }
        let with = json!({ "at": "active", "practice": practice });
        let call = calls::call_at(now, &SHOP, ACTION, with);
        let seen = sim.observe(now, &call).expect("an answer").progress;
        let Progress::Refused { reason } = seen else { panic!("{seen}") };
        assert!(reason.starts_with(why), "{reason}");
        assert!(!matches!(sim.begin(now, &call), Ok(Answer::Accepted)));
        assert!(sim.truth().effects().is_empty());
    }
}
