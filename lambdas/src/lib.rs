//! AWS's doors: `on-event` translates what AWS tells into [`Message`](muster_runbooks::message::Message)s
//! and puts them on the queue that the daemon reads; `watchdog` looks whether Muster lives, whether there are
//! backups and whether anybody is told, and pages if not. Neither decides anything or changes anything else.
//!
//! # `on-event`
//!
//! One function per region, from `cargo build --profile lambda -p muster-lambdas` (runtime
//! `provided.al2023`, x86-64), as the target of EventBridge rules, of alarms, of topics and of queues. It
//! needs `sqs:SendMessage` on the daemon's queues, and of a queue that invokes it what Lambda itself needs
//! to read one.
//!
//! | variable | meaning |
//! |---|---|
//! | `MUSTER_RULES` | which event starts what, as JSON: [`settings::Rules`] |
//! | `MUSTER_QUEUES` | where messages go, as JSON: [`settings::QueueAddress`] |
//! | `RUST_LOG` | how much is logged; `info` unless it says otherwise |
//!
//! The function's time-out must be at least 15 s: a dead region costs 6 s before it is given up. Set
//! an on-failure destination on the function and a dead-letter queue on every rule, or events that
//! could not be delivered vanish (facts §9). A queue that invokes it needs `ReportBatchItemFailures`, and
//! a visibility time-out of six times the function's.
//!
//! ## What a message can do
//!
//! Ask. Whether a request starts, waits for a person or is refused is decided by the daemon, which
//! believes neither the Lambda nor the event. An event about work in progress, or about anything that
//! people should know, is a nudge: whoever waits looks sooner, and what it said is kept beside it.
//! Events that are not ours are logged and acknowledged: asking again would not make them ours.
//!
//! A new type of event is a function in `translate/`, a line in [`translate::translate`] and a
//! fixture.
//!
//! # `watchdog`
//!
//! One function, in a region in which the daemon does not run, invoked every minute by a scheduled rule.
//! What it needs stands in `deploy/iam/watchdog.json`.
//!
//! | variable | meaning |
//! |---|---|
//! | `MUSTER_WATCH` | what is watched, as JSON: [`watchdog::settings`] |
//! | `MUSTER_PAGERDUTY_SECRET` | the ARN of the secret that holds the routing key of a service that Muster does not use |
//! | `MUSTER_PAGERDUTY_KEY` | that key itself, instead of the secret |
//! | `MUSTER_PAGERDUTY_URL` | where events go, for another region of PagerDuty |
//! | `RUST_LOG` | how much is logged; `info` unless it says otherwise |
//!
//! Its time-out is two minutes: where a heartbeat is about to become stale, it waits until then. No more
//! than one retry of an invocation makes sense (`MaximumRetryAttempts` 0, `MaximumEventAgeInSeconds` 60): the
//! next minute brings the next. Alarm on the function's `Errors` and on the absence of its `Invocations`,
//! through a topic that neither Muster nor this PagerDuty service is behind: who cannot page fails.

pub mod deliver;
pub mod function;
pub mod settings;
pub mod translate;
pub mod unpack;
pub mod watchdog;
