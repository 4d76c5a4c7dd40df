//! The process: three doors, one intake, the engine's performer, and the world.

pub mod api;
pub mod cli;
pub mod clock;
pub mod config;
pub mod intake;
pub mod metrics;
pub mod page;
pub mod perform;
pub mod schedule;
pub mod world;
