//! What the tests of the whole have in common: real processes, emulators, the simulator.

pub mod daemon;
pub mod simulation;
