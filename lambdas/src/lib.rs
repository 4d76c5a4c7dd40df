//! AWS's door: translates an AWS event into a [`Message`](muster_runbooks::message::Message) and puts
//! it on the queue that the daemon reads. It decides nothing and changes nothing else.
//!
//! # Deploying
//!
//! One function per region, from `cargo build --profile lambda -p muster-lambdas` (binary `on-event`,
//! runtime `provided.al2023`, x86-64, 7 MB), as the target of EventBridge rules. It needs
//! `sqs:SendMessage` on its queues and nothing else.
//!
//! | variable | meaning |
//! |---|---|
//! | `MUSTER_RULES` | which event starts what, as JSON: [`settings::Rules`] |
//! | `MUSTER_QUEUES` | where messages go, as JSON: [`settings::QueueAddress`] |
//! | `RUST_LOG` | how much is logged; `info` unless it says otherwise |
//!
//! The function's time-out must be at least 15 s: a dead region costs 6 s before it is given up. Set
//! an on-failure destination on the function and a dead-letter queue on every rule, or events that
//! could not be delivered vanish (facts §9).
//!
//! # What a message can do
//!
//! Ask. Whether a request starts, waits for a person or is refused is decided by the daemon, which
//! believes neither the Lambda nor the event. Events that are not ours are logged and acknowledged:
//! asking again would not make them ours.
//!
//! A new type of event is a function in `translate/`, a line in [`translate::translate`] and a
//! fixture.

pub mod deliver;
pub mod settings;
pub mod translate;
