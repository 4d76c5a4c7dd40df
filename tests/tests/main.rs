//! Every test of the whole in one binary: each binary links a hundred megabytes.

mod configuration;
mod contract;
mod emulated;
mod queue;
mod simulation;
mod tidy;
mod transitions;
