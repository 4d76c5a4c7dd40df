//! What can be asked for: runbooks, the actions they are made of, applications, schedules, and the
//! plans that a run carries out.
//!
//! Pure: no runtime, no clock, no AWS, no I/O.

pub mod action;
pub mod application;
pub mod check;
pub mod heartbeat;
pub mod message;
pub mod name;
pub mod plan;
pub mod request;
pub mod runbook;
pub mod schedule;
pub mod shell;
pub mod tag;
pub mod tree;
pub mod value;
