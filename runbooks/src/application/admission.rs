//! How many users a side lets in at first: one that has just taken over is cold, and all of them at once are more
//! than its caches and connections bear (facts §3, design §9).

use serde::{Deserialize, Serialize};

use crate::value::Span;

/// The annotation by which nginx's controller limits requests, for each client and second.
pub const LIMIT: &str = "nginx.ingress.kubernetes.io/limit-rps";

/// How long a stage lasts when nothing is said.
pub const EVERY: Span = Span::from_secs(30);

/// The stages in which a side lets users in.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Admission {
    /// The ingress of the namespace that users come through.
    pub ingress: String,
    /// Its annotation that says how much is let through.
    #[serde(default = "limit")]
    pub annotation: String,
    /// The value of it in each stage, rising. Behind the last one stands what was there before.
    pub stages: Vec<u32>,
    /// How long each lasts.
    #[serde(default = "every")]
    pub every: Span,
}

fn limit() -> String {
    LIMIT.to_owned()
}

fn every() -> Span {
    EVERY
}
