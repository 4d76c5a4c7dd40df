//! What those who watch may start: a proposal when a region is really lost, and otherwise nothing (I8).

use jiff::SignedDuration;
use muster::world::sim::{Fault, Lost};
use muster_runbooks::value::Span;
use muster_state::run::Outcome;
use muster_tests::simulation::{
    cast::{SHOP, home, id},
    chance::Chance,
    scenario::{Act, Scenario},
};

use super::play;

/// So many seeds in the storm.
const SEEDS: u64 = 300;

fn secs(secs: u64) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(secs).expect("a few"))
}

fn observer(number: usize) -> muster_runbooks::name::ComponentName {
    SHOP.observers[number].name.clone()
}

/// An hour in which somebody watches.
fn watched() -> Scenario {
    Scenario::watched()
}

/// Goal: a 43-second partition, one liar of three, the loss of all observers, and a clock that jumps while a
/// liar lies start nothing.
/// Method: an hour of each, and of each with a kill in the middle.
#[test]
fn what_starts_nothing() {
    let outage = |lost| Act::Inject(Fault::Outage { region: home(), lost });
    let lies = |number| Act::Inject(Fault::ObserverLies { observer: observer(number) });
    let falls_silent = |number| Act::Inject(Fault::ObserverSilent { observer: observer(number) });
    let stories: Vec<(&str, Vec<(u64, Act)>)> = vec![
        ("a partition", vec![(300, outage(Lost::Everything)), (343, Act::Heal(home()))]),
        ("a control plane", vec![(300, outage(Lost::ControlPlane))]),
        ("one liar", vec![(300, lies(0))]),
        ("a liar, and one is silent", vec![(300, lies(0)), (400, falls_silent(1))]),
        ("all are silent", (0..3).map(|number| (300, falls_silent(number))).collect()),
        (
            "a liar, and the clock jumps",
            vec![(300, lies(2)), (320, Act::Skew(secs(3_600))), (900, Act::Skew(-secs(3_600)))],
        ),
        (
            "a partition, and the clock jumps",
            vec![
                (300, outage(Lost::Connections)),
                (310, Act::Skew(secs(1_800))),
                (343, Act::Heal(home())),
            ],
        ),
    ];
    for (name, story) in stories {
        for crashes_at in [None, Some(330)] {
            let acts = story.iter().map(|(at, act)| (secs(*at), act.clone()));
            let crash = crashes_at.map(|at| (secs(at), Act::Crash));
            let scenario =
                acts.chain(crash).fold(watched(), |scenario, (at, act)| scenario.and(at, act));
            assert_eq!(play(1, &scenario).proposals(), 0, "{name}, killed: {crashes_at:?}");
        }
    }
}

/// Goal: a region that is lost is proposed to be left within the window and two questions, once; what a person
/// starts of it finishes; its recovery time counts from the loss.
/// Method: the region is lost, and one of three observers with it, lying or silent; the process dies in between.
#[test]
fn a_loss_is_proposed_once() {
    for crashes_at in [None, Some(400), Some(460)] {
        let mut scenario = watched()
            .and(secs(300), Act::Inject(Fault::Outage { region: home(), lost: Lost::Everything }))
            .and(secs(300), Act::Inject(Fault::ObserverLies { observer: observer(0) }))
            .and(secs(310), Act::Inject(Fault::ObserverSilent { observer: observer(0) }));
        if let Some(at) = crashes_at {
            scenario = scenario.and(secs(at), Act::Crash);
        }
        let simulation = play(1, &scenario);
        assert_eq!(simulation.proposals(), 1, "killed: {crashes_at:?}");
        let run = id('p', 1);
        // Its workers could not be stopped where nobody answered, which is all that was not as it should be.
        let outcome = simulation.watch.outcomes.get(&run);
        assert_eq!(outcome, Some(&Outcome::SucceededWithExceptions));
    }
}

/// Goal: whatever goes wrong together, nothing is proposed that is not lost (I8).
/// Method: outages of all lengths and kinds, one liar, silences, throttling, jumping clocks and kills out of
/// seeds; the check sits beside every proposal.
#[test]
fn storms_before_those_who_watch() {
    let (mut checks, mut proposed) = (0, 0);
    for seed in 0..SEEDS {
        let mut chance = Chance::new(seed.wrapping_mul(77));
        let mut scenario = watched();
        for _ in 0..1 + chance.below(3) {
            let lost = *chance.pick(&[Lost::Everything, Lost::ControlPlane, Lost::Connections]);
            let (at, length) = (chance.below(3_000), 1 + chance.below(600));
            scenario = scenario
                .and(secs(at), Act::Inject(Fault::Outage { region: home(), lost }))
                .and(secs(at + length), Act::Heal(home()));
        }
        let liar = chance.below(3) as usize;
        if chance.happens(60) {
            let fault = Fault::ObserverLies { observer: observer(liar) };
            scenario = scenario.and(secs(chance.below(3_000)), Act::Inject(fault));
        }
        if chance.happens(40) {
            let fault = Fault::ObserverSilent { observer: observer((liar + 1) % 3) };
            scenario = scenario.and(secs(chance.below(3_000)), Act::Inject(fault));
        }
        if chance.happens(30) {
            let fault =
                Fault::Throttled { service: None, region: None, length: Span::from_mins(3) };
            scenario = scenario.and(secs(chance.below(3_000)), Act::Inject(fault));
        }
        if chance.happens(50) {
            scenario = scenario.and(secs(chance.below(3_000)), Act::Crash);
        }
        if chance.happens(30) {
            let skew = SignedDuration::from_secs(chance.below(7_200) as i64 - 3_600);
            scenario = scenario.and(secs(chance.below(3_000)), Act::Skew(skew));
        }
        let simulation = play(seed, &scenario);
        checks += simulation.figures.checks;
        proposed += simulation.proposals();
    }
    assert!(proposed > 20, "storms in which nothing is ever lost prove nothing: {proposed}");
    println!("{SEEDS} storms before those who watch, {proposed} proposals, {checks} checks");
}
