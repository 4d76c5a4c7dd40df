//! The outside, real or simulated: two verbs.

pub mod aws;
pub mod dns;
pub mod http;
pub mod notify;
pub mod real;
