//! The outside, real or simulated: two verbs.
