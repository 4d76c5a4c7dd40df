//! The simulated world answers steps of the user's own as the real one does.

use jiff::SignedDuration;
use muster::world::sim::{Fault, Lost, Sim};
use muster_runbooks::application::Application;
use muster_state::call::{Answer, CallError, Progress};
use muster_tests::{
    emulator::calls,
    simulation::cast::{SHOP, dawn, standby},
};
use serde_json::json;

fn shop() -> Application {
    let mut shop = serde_json::to_value(&*SHOP).expect("JSON");
    shop["workloads"][0]["jobs"] =
        json!([{ "name": "warm", "image": "warm:1", "command": ["warm"], "limit": "5m" }]);
    serde_json::from_value(shop).expect("an application")
}

/// Goal: a call whose answer is lost is made once under its key, and gives what it picks; with somebody to
/// ask, it is done when they say so.
#[test]
fn a_call_is_made_once() {
    let (now, shop) = (dawn(), shop());
    for check in [None, Some("https://shop.example/of/{token}")] {
        let mut sim = Sim::new(3, std::slice::from_ref(&shop), now);
        let with = json!({ "method": "POST", "url": "https://shop.example/do", "pick": ["ticket"],
            "check_url": check });
        let call = calls::call_at(now, &shop, "call-http", with);
        let look = |sim: &mut Sim| sim.observe(now, &call).map(|reading| reading.progress);
        assert_eq!(look(&mut sim).unwrap(), Progress::not_started());
        sim.inject(now, Fault::ReplyLost { operation: None, calls: 1, applied: true });
        assert!(matches!(sim.begin(now, &call), Err(CallError::NoAnswer { .. })));
        let done = match (check, sim.begin(now, &call).unwrap()) {
            (None, Answer::Done(done)) => done,
            (Some(_), Answer::Accepted) => {
                let seen = look(&mut sim).unwrap();
                let Progress::Done(done) = seen else { panic!("{seen}") };
                done
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(done.outputs["ticket"], json!("a ticket"));
        assert_eq!(sim.truth().effects().len(), 1);
    }
}

/// Goal: a job is created once and takes its time; a lost region is no answer, and what nobody declares is
/// refused.
#[test]
fn a_job_takes_its_time() {
    let (now, shop) = (dawn(), shop());
    let mut sim = Sim::new(3, std::slice::from_ref(&shop), now);
    let call = calls::call_at(now, &shop, "run-job", json!({ "at": "standby", "job": "warm" }));
    for _ in 0..2 {
        assert_eq!(sim.begin(now, &call).unwrap(), Answer::Accepted);
    }
    assert_eq!(sim.truth().effects().len(), 1);
    let look = |sim: &mut Sim, secs| {
        let at = now + SignedDuration::from_secs(secs);
        sim.observe(at, &call).map(|reading| reading.progress)
    };
    assert!(matches!(look(&mut sim, 10).unwrap(), Progress::InProgress { .. }));
    let Progress::Done(done) = look(&mut sim, 60).unwrap() else { panic!("it has ended") };
    assert_eq!(done.outputs["succeeded"], json!(1));
    let none = calls::call_at(now, &shop, "run-job", json!({ "at": "standby", "job": "cool" }));
    let seen = sim.observe(now, &none).unwrap().progress;
    assert!(matches!(seen, Progress::Refused { .. }), "{seen}");
    sim.inject(now, Fault::Outage { region: standby(), lost: Lost::Everything });
    assert!(matches!(look(&mut sim, 61), Err(CallError::NoAnswer { .. })));
}
