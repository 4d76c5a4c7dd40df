//! A call to hand to the mapping tests.

use std::sync::Arc;

use jiff::Timestamp;
use muster_runbooks::{
    action::Action,
    application::Component,
    name::{StepId, Token},
    plan::Binding,
    request::{Manner, Mode},
};
use muster_state::call::Call;
use serde_json::json;

pub(crate) const EAST: &str = "arn:aws:rds:us-east-1:123456789012:cluster:orders-east";
pub(crate) const WEST: &str = "arn:aws:rds:us-west-2:123456789012:cluster:orders-west";

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Attempt 1 of step `work` of run `r00000000001`, on the database of the application `shop`.
pub(crate) fn call(name: &str, with: serde_json::Value) -> Call {
    let binding: Binding = serde_json::from_value(json!({
        "application": {
            "name": "shop",
            "title": "Shop",
            "home": "us-east-1",
            "standby": "us-west-2",
            "objectives": { "rto": "15m", "rpo": "5m" },
            "databases": [{
                "name": "orders",
                "global_cluster": "orders",
                "clusters": { "us-east-1": EAST, "us-west-2": WEST },
                "retention": { "keep_for": "336h" },
            }],
            "buckets": [{
                "name": "files",
                "buckets": { "us-east-1": "files-east", "us-west-2": "files-west" },
                "canary_prefix": "canaries",
            }],
        },
        "active": "us-east-1",
        "standby": "us-west-2",
    }))
    .unwrap();
    let run = "r00000000001".parse().unwrap();
    let step: StepId = "work".parse().unwrap();
    let component = Component::Database(binding.application.databases[0].clone());
    Call {
        token: Token::new(&run, &step, 1, false),
        run,
        step,
        attempt: 1,
        action: Arc::new(Action::build(name, with).unwrap()),
        component: Some(Arc::new(component)),
        binding: Some(Arc::new(binding)),
        mode: Mode::Live,
        manner: Manner::Graceful,
        started_at: at("2026-03-01T02:00:00Z"),
        asked_at: at("2026-03-01T02:01:00Z"),
        not_after: at("2026-03-01T03:00:00Z"),
        aim: None,
        best_effort: false,
        points: Arc::new([]),
        open_runs: Arc::new([]),
        counted: None,
        peak: None,
        moving: None,
        summary: String::new(),
    }
}
