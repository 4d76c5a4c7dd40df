//! The simulated world answers `check-sql` as the real one does: by what is really in the data.

use jiff::{SignedDuration, Timestamp};
use muster::world::sim::{Fault, Lost, Sim};
use muster_state::call::{CallError, Progress};
use muster_tests::{
    emulator::calls,
    simulation::cast::{SHOP, dawn, home},
};
use serde_json::json;

/// Goal: good data passes, spoilt data fails until it is healed, and a lost region is no answer.
#[test]
fn spoilt_data_fails_in_the_simulation_too() {
    let now = dawn();
    let mut sim = Sim::new(3, std::slice::from_ref(&*SHOP), now);
    let call = calls::call_at(now, &SHOP, "check-sql", json!({}));
    let look = |sim: &mut Sim| sim.observe(now, &call).map(|reading| reading.progress);
    let Ok(Progress::Done(done)) = look(&mut sim) else { panic!("it passes") };
    assert_eq!(done.outputs["proves_data"], json!(true));
    assert!(!done.rows.is_empty(), "the source is counted");

    let (application, database) = (SHOP.name.clone(), SHOP.databases[0].name.clone());
    let spoilt = Fault::DataSpoilt { application, database };
    sim.inject(now, spoilt.clone());
    assert!(matches!(look(&mut sim), Ok(Progress::Failed { .. })));
    let other = calls::call_at(now, &SHOP, "check-sql", json!({ "at": "standby" }));
    assert!(matches!(
        sim.observe(now, &other).map(|reading| reading.progress),
        Ok(Progress::Failed { .. })
    ));
    sim.heal(now, &spoilt);
    assert!(matches!(look(&mut sim), Ok(Progress::Done(_))));

    sim.inject(now, Fault::Outage { region: home(), lost: Lost::Everything });
    assert!(matches!(look(&mut sim), Err(CallError::NoAnswer { .. })));
    assert!(sim.observe(now, &other).is_ok(), "the other side has an answer");
}

/// Goal: the inventory finds what a failover really lost, nothing after a switchover, and does not know what
/// a lost region holds.
#[test]
fn what_was_lost_is_found_in_the_simulation_too() {
    let start = dawn();
    let (application, database) = (SHOP.name.clone(), SHOP.databases[0].name.clone());
    let mut sim = Sim::new(3, std::slice::from_ref(&*SHOP), start);
    let look = |sim: &mut Sim, now: Timestamp| {
        let mut call =
            calls::call_at(now, &SHOP, "inventory-divergence", json!({ "at": "active" }));
        call.started_at = now - SignedDuration::from_mins(1);
        let progress = sim.observe(now, &call).expect("an answer").progress;
        let Progress::Done(done) = progress else { panic!("{progress}") };
        done.outputs["verdict"].as_str().map(str::to_owned)
    };
    assert_eq!(look(&mut sim, start).as_deref(), Some("none"));
    // The old side writes on until the fence holds.
    let to = SHOP.standby.clone();
    sim.inject(start, Fault::ForeignFailover { application, database, to, data_loss: true });
    let later = start + SignedDuration::from_mins(5);
    assert_eq!(look(&mut sim, later).as_deref(), Some("found"));
    sim.inject(later, Fault::Outage { region: home(), lost: Lost::Everything });
    assert_eq!(look(&mut sim, later).as_deref(), Some("unknown"));
}
