//! The process: three doors, one intake, the engine's performer, and the world.

pub mod abort;
pub mod api;
pub mod by_hand;
pub mod canary;
pub mod catalogue;
pub mod children;
pub mod cli;
pub mod clock;
pub mod compare;
pub mod config;
pub mod demo;
pub mod detect;
pub mod envelope;
pub mod freezes;
pub mod glass;
pub mod heartbeat;
pub mod intake;
pub mod inventory;
pub mod lease;
pub mod letter;
pub mod metrics;
pub mod observe;
pub mod offline;
pub mod overdue;
pub mod page;
pub mod pager;
pub mod perform;
pub mod queue;
pub mod report;
pub mod schedule;
pub mod serve;
pub mod ship;
pub mod signing;
pub mod telemetry;
pub mod watch;
pub mod world;

/// Identifies the sources that this program was built from.
pub const BUILD_ID: &str = env!("MUSTER_BUILD_ID");

/// This program as it signs and as it is asked for: its version, with the id of its sources.
pub fn program() -> String {
    format!("{} (build {BUILD_ID})", env!("CARGO_PKG_VERSION"))
}
