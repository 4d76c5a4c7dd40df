//! One actor (I6): hosts that stand still and wake late, storage that cannot be read, clocks that jump.

use jiff::SignedDuration;
use muster_runbooks::name::RunId;
use muster_state::command::{Command, Steer};
use muster_tests::simulation::{
    Simulation,
    cast::{ben, dawn, id},
    chance::Chance,
    scenario::{Act, Scenario},
};

use super::{is_well, play, tell};

/// So many seeds in each storm.
const SEEDS: u64 = 300;

fn secs(secs: u64) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(secs).expect("a few"))
}

/// When a run ended, after dawn.
fn ended_after(simulation: &Simulation, run: &RunId) -> SignedDuration {
    let ended = simulation.disk.ended(run).expect("it has ended");
    ended.ended_at.duration_since(dawn())
}

/// Goal: a lease changes nothing for a process that is alone, and a crash on the same host costs no wait.
/// Method: every scenario under a lease, undisturbed and with a kill in the middle.
#[test]
fn alone_under_a_lease() {
    for scenario in Scenario::all() {
        for seed in 0..4 {
            let quiet = play(seed, &scenario.clone().leased());
            assert_eq!(quiet.figures.crashes, 0);
            play(seed, &scenario.clone().leased().and(secs(150), Act::Crash));
        }
    }
}

/// Goal: a host that stands still past its lease sends nothing when it wakes; the next one waits out the
/// lease and the longest call, and finishes.
/// Method: the process is put to sleep at every few seconds of a failover, and wakes after the next has
/// begun; what it was about to hear comes first.
#[test]
fn whoever_wakes_late_sends_nothing() {
    for scenario in [Scenario::graceful(), Scenario::forced(), Scenario::daily_backup()] {
        for at in (1..900).step_by(7) {
            let sleeps = scenario.clone().leased().and(secs(at), Act::Sleep(secs(100)));
            let simulation = play(at, &sleeps);
            assert_eq!(simulation.figures.crashes, 1, "it slept");
            assert!(!simulation.watch.outcomes.is_empty());
        }
    }
}

/// Goal: while nobody can read the lease, nothing is begun once it has run out, and all goes on by itself
/// afterwards.
/// Method: the storage is dark for a while in the middle of a forced failover.
#[test]
fn nothing_is_begun_in_the_dark() {
    let run = id('f', 1);
    for at in (60..700).step_by(20) {
        let dark = Scenario::forced().leased().and(secs(at), Act::Dark(secs(400)));
        let simulation = play(at, &dark);
        assert!(is_well(&simulation, &run), "at {at}");
    }
    let dark = Scenario::forced().leased().and(secs(310), Act::Dark(secs(400)));
    assert!(ended_after(&play(1, &dark), &run) > secs(710), "it waited for the lease");
}

/// Goal: a person who knows that nobody else acts lets one run go on without the lease.
/// Method: the same dark, for hours; an approver overrides after a minute of it. The other run waits.
#[test]
fn a_person_overrides_for_one_run() {
    let run = id('f', 1);
    let reason = "the other host is switched off".to_owned();
    let say = Command::Steer { run: run.clone(), by: ben(), reason, steer: Steer::OverrideLease };
    let dark = Scenario::forced()
        .leased()
        .and(secs(310), Act::Dark(SignedDuration::from_hours(4)))
        .and(secs(380), Act::Say(Box::new(say)));
    let simulation = play(1, &dark);
    assert!(is_well(&simulation, &run));
    assert!(ended_after(&simulation, &run) < SignedDuration::from_hours(1), "it did not wait");
}

/// Goal: a clock that is set makes the lease no longer for whoever holds it.
/// Method: the process's clock jumps by up to an hour in either direction while the storage is dark.
#[test]
fn clocks_that_jump() {
    for (at, skew) in (0..40).zip([3_600, -3_600, 900, -900].into_iter().cycle()) {
        let skew = SignedDuration::from_secs(skew);
        let jumps = Scenario::forced()
            .leased()
            .and(secs(300 + at * 5), Act::Dark(secs(300)))
            .and(secs(303 + at * 5), Act::Skew(skew))
            .and(secs(900), Act::Skew(SignedDuration::ZERO));
        play(at, &jumps);
    }
}

/// Goal: whatever happens together, nobody sends anything without the lease.
/// Method: scenarios, sleeps, darkness, kills and cuts out of seeds.
#[test]
fn storms_over_the_lease() {
    let (mut checks, mut crashes) = (0, 0);
    let all = Scenario::all();
    for seed in 0..SEEDS {
        let mut chance = Chance::new(seed.wrapping_mul(77));
        let mut scenario = chance.pick(&all).clone().leased();
        scenario.cuts = chance.below(3) * 40;
        if chance.happens(70) {
            let (at, length) = (chance.below(900), 90 + chance.below(600));
            scenario = scenario.and(secs(at), Act::Sleep(secs(length)));
        }
        for _ in 0..chance.below(3) {
            let (at, length) = (chance.below(900), chance.below(300));
            scenario = scenario.and(secs(at), Act::Dark(secs(length)));
        }
        if chance.happens(40) {
            scenario = scenario.and(secs(chance.below(900)), Act::Crash);
        }
        let mut simulation = Simulation::new(seed, scenario.clone());
        simulation.run();
        if simulation.watch.has_failed() {
            tell(seed, &scenario, None, "");
        }
        checks += simulation.figures.checks;
        crashes += simulation.figures.crashes;
    }
    println!("{SEEDS} storms over the lease, {crashes} crashes, {checks} checks");
}
