//! What the tests of the whole have in common: real processes, emulators, the simulator.

pub mod account;
pub mod aws;
pub mod daemon;
pub mod door;
pub mod emulator;
pub mod kubernetes;
pub mod lambda;
pub mod listing;
pub mod manifests;
pub mod policy;
pub mod postgres;
pub mod redis;
pub mod rows;
pub mod simulation;
pub mod stage;
pub mod terraform;
pub mod watcher;
