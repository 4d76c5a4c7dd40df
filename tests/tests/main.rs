//! Every test of the whole in one binary: each binary links a hundred megabytes.

mod always;
mod apart;
mod buckets;
mod by_hand;
mod children;
mod configuration;
mod contract;
mod custom;
mod emulated;
mod flush;
mod freeze;
mod holding;
mod hooks;
mod manifests;
mod observability;
mod packaging;
mod process;
mod queue;
mod report;
mod simulation;
mod sql;
mod stamping;
mod tidy;
mod transitions;
mod watchdog;
mod watching;
