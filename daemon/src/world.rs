//! The outside world, real or simulated, behind two verbs: `observe`, which only reads, and `begin`.

pub mod sim;
