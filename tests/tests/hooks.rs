//! Hooks asked for real: over HTTP, by SQL, in a container.

mod exec;
mod http;
mod sql;

use std::path::PathBuf;

use muster::{
    clock::Clock,
    world::{
        aws::Access,
        real::{Real, Settings},
    },
};
use muster_runbooks::application::Application;
use muster_state::call::{Answer, Call};
use muster_tests::emulator::calls;
use serde_json::{Value, json};

/// A variable that every process has, for a test cannot set its own environment.
const SECRET_ENV: &str = "PATH";

fn secret() -> String {
    std::env::var(SECRET_ENV).expect("a path")
}

/// A hook before a snapshot with these keys.
fn hook(name: &str, limit: &str, on_error: &str, kind: Value) -> Value {
    let mut hook = json!({
        "name": name, "when": "before-snapshot", "limit": limit, "on_error": on_error,
    });
    for (key, value) in kind.as_object().expect("a map") {
        hook[key] = value.clone();
    }
    hook
}

fn shop(hooks: &[Value]) -> Application {
    let mut shop = serde_json::to_value(calls::application(json!({}))).expect("JSON");
    shop["databases"][0]["hooks"] = json!(hooks);
    serde_json::from_value(shop).expect("an application")
}

fn call(shop: &Application) -> Call {
    let with = json!({ "at": "active", "when": "before-snapshot" });
    calls::call_at(Clock::Real.now(), shop, "run-hooks", with)
}

/// The real world; its AWS is nowhere.
async fn real(kubeconfig: Option<PathBuf>) -> Real {
    let settings = Settings {
        access: Access::Emulator { endpoint: "http://127.0.0.1:1".to_owned() },
        kubeconfig,
        receivers: Vec::new(),
        rates: Default::default(),
        clock: Clock::Real,
        epoch: 7,
        comparisons: None,
    };
    Real::new(settings).await.expect("the clients are made")
}

/// What came of hooks, in words: `ran N`, with what failed and went on, or `failed:` and why.
async fn said(real: &Real, shop: &Application) -> String {
    match real.begin(&call(shop)).await.expect("hooks always come to something") {
        Answer::Done(done) => {
            let failed = done.outputs["failed"].as_array().expect("a list");
            let failed: Vec<&str> = failed.iter().filter_map(Value::as_str).collect();
            assert_eq!(done.notes.len(), failed.len(), "{:?}", done.notes);
            format!("ran {}; {}", done.outputs["ran"], failed.join("; "))
        }
        Answer::Failed { reason } => format!("failed: {reason}"),
        other @ (Answer::Accepted | Answer::Busy { .. }) => panic!("{other:?}"),
    }
}
