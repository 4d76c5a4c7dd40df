//! What is remembered, and what follows from it.
//!
//! Nothing here does I/O except `journal`, and nothing here reads a clock.

pub mod admit;
pub mod approval;
pub mod call;
pub mod catalog;
pub mod child;
pub mod command;
pub mod decide;
pub mod detect;
pub mod engine;
pub mod event;
pub mod expiry;
pub mod freeze;
pub mod journal;
pub mod lease;
pub mod overdue;
pub mod progress;
pub mod run;
mod stamp;
pub mod steer;
pub mod step;
