//! The process: three doors, one intake, the engine's performer, and the world.

pub mod catalogue;
pub mod clock;
pub mod config;
pub mod intake;
pub mod perform;
pub mod schedule;
pub mod serve;
pub mod telemetry;
pub mod world;
