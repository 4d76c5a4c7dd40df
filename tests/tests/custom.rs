//! Steps of the user's own, carried out for real: over HTTP, and by a cluster.

mod http;
mod job;
mod simulated;

use std::path::PathBuf;

use muster::{
    clock::Clock,
    world::{
        aws::Access,
        real::{Real, Settings},
    },
};

/// A variable that every process has, for a test cannot set its own environment.
const SECRET_ENV: &str = "PATH";

fn secret() -> String {
    std::env::var(SECRET_ENV).expect("a path")
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
