//! Puts a message on every queue it can reach.
//!
//! Each region has a queue, and the daemon reads all of them: the event of a dying region arrives
//! through the other one. All queues are tried at once, and one that accepts is enough, because the
//! daemon acts once per dedupe key, however often a message comes. When none accepts, the invocation
//! fails, and Lambda tries again and then keeps the event at its on-failure destination.

use std::time::Duration;

use aws_config::{BehaviorVersion, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_sqs::{
    Client, config::Region as SdkRegion, error::SdkError, operation::send_message::SendMessageError,
};
use futures::future::join_all;
use muster_runbooks::name::Region;

use crate::settings::QueueAddress;

/// A dead region hangs while connecting (facts §8).
const CONNECT: Duration = Duration::from_secs(2);
/// One attempt.
const ATTEMPT: Duration = Duration::from_secs(3);
/// Both attempts and the pause between them.
const OPERATION: Duration = Duration::from_secs(6);
/// A second attempt may put a second copy on the queue. That does no harm.
const ATTEMPTS: u32 = 2;

/// The queues that the daemon reads.
#[derive(Clone, Debug)]
pub struct Queues(Vec<Outlet>);

#[derive(Clone, Debug)]
struct Outlet {
    region: Region,
    url: String,
    client: Client,
}

/// A queue that did not accept.
#[derive(Debug, thiserror::Error)]
#[error("the queue in {region} did not accept the message")]
pub struct Missed {
    /// Its region.
    pub region: Region,
    /// Why.
    #[source]
    pub source: Box<SdkError<SendMessageError>>,
}

/// No queue accepted: the event must come again.
#[derive(Debug, thiserror::Error)]
#[error("no queue accepted the message")]
pub struct Undelivered {
    /// Each queue's reason.
    pub missed: Vec<Missed>,
}

impl Queues {
    /// Makes a client per queue. Credentials come from the environment, as Lambda gives them.
    pub async fn connect(addresses: &[QueueAddress]) -> Queues {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(OPERATION)
            .build();
        let mut outlets = Vec::new();
        for QueueAddress { region, url } in addresses {
            let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
                .region(SdkRegion::new(region.as_str().to_owned()))
                .timeout_config(timeouts.clone())
                .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
                .load()
                .await;
            let client = Client::new(&config);
            outlets.push(Outlet { region: region.clone(), url: url.clone(), client });
        }
        Queues(outlets)
    }

    /// Sends one message to every queue at once. `Ok` names the queues that did not accept, while at
    /// least one did.
    pub async fn deliver(&self, text: &str) -> Result<Vec<Missed>, Undelivered> {
        let sends = self.0.iter().map(|outlet| outlet.send(text));
        let missed: Vec<Missed> =
            join_all(sends).await.into_iter().filter_map(Result::err).collect();
        if missed.len() == self.0.len() { Err(Undelivered { missed }) } else { Ok(missed) }
    }
}

impl Outlet {
    async fn send(&self, text: &str) -> Result<(), Missed> {
        let sent = self.client.send_message().queue_url(&self.url).message_body(text).send().await;
        sent.map(|_| ())
            .map_err(|source| Missed { region: self.region.clone(), source: Box::new(source) })
    }
}
