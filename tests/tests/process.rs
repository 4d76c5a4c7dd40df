//! The real `muster serve` over the emulated AWS: real HTTP, real disk, one clock for both, and kills
//! from outside.

mod backup;
mod by_hand;
mod detection;
mod disk;
mod drill;
mod evacuation;
mod failover;
mod faults;
mod freezes;
mod hooks;
mod kills;
mod lease;
mod people;
mod pipeline;
mod protection;
mod rebuild;
mod report;
mod restore;
mod rights;
mod rows;
mod sql;
mod start;
mod vault;

/// Builds the stage of a test, or ends the test with a skip that is written down.
macro_rules! stage {
    ($schedules:expr) => {
        match muster_tests::stage::Stage::set($schedules).await {
            Some(stage) => stage,
            None => return,
        }
    };
}
use stage;

/// A step of a run's view.
fn step<'a>(view: &'a serde_json::Value, id: &str) -> &'a serde_json::Value {
    let steps = view["steps"].as_array().expect("a list of steps");
    steps.iter().find(|step| step["id"] == id).unwrap_or_else(|| panic!("no step `{id}`: {view:#}"))
}

/// A request for a failover in a manner.
fn failover(manner: &str) -> serde_json::Value {
    serde_json::json!({
        "runbook": "region-failover", "application": "shop", "manner": manner,
        "reason": "users report errors",
    })
}
