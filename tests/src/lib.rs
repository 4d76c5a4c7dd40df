//! What the tests of the whole share: the simulation, and later the processes.

pub mod simulation;
