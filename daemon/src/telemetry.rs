//! Logs: explanation for people, never the record of what happened.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

/// Starts logging to standard error: lines on a terminal, JSON elsewhere. `MUSTER_LOG` filters.
pub fn start() {
    // What AWS calls come to is said by the world; the SDK's own warnings are about places to look
    // for credentials.
    let filter = EnvFilter::try_from_env("MUSTER_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info,aws=error,hyper=warn,tokio_cron_scheduler=warn"));
    let to_people = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let layer = if to_people {
        lines.with_target(false).boxed()
    } else {
        lines.json().flatten_event(true).boxed()
    };
    // A second call, as in a test that starts two processes in one, keeps the first.
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
}
