//! The queue itself: receive, delete, hide, count. The only place here that knows SQS.

use std::time::Duration;

use aws_config::{BehaviorVersion, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_sqs::{
    Client,
    config::{Builder, Region as SdkRegion},
    error::SdkError,
    operation::{
        change_message_visibility::ChangeMessageVisibilityError,
        delete_message_batch::DeleteMessageBatchError,
        get_queue_attributes::GetQueueAttributesError, receive_message::ReceiveMessageError,
    },
    types::{DeleteMessageBatchRequestEntry, QueueAttributeName},
};
use muster_runbooks::name::Region;

/// How long a received message is hidden from other readers.
pub(super) const VISIBLE_SECS: i32 = 60;

/// How long the queue waits for a message before it answers that there is none: SQS's maximum.
const WAIT_SECS: i32 = 20;

/// How many messages one answer may bring: SQS's maximum.
const MESSAGES_MAX: i32 = 10;

/// A dead region hangs while connecting (facts §8).
const CONNECT: Duration = Duration::from_secs(3);
/// A receive may rightly take its whole wait.
const RECEIVE: Duration = Duration::from_secs(WAIT_SECS as u64 + 5);
/// One attempt at anything else.
const ATTEMPT: Duration = Duration::from_secs(5);
/// Both attempts at anything else, and the pause between them.
const OPERATION: Duration = Duration::from_secs(10);

/// One queue.
pub(super) struct Source {
    client: Client,
    url: String,
}

/// One message, as it was received.
pub(super) struct Received {
    /// SQS's id of it, the same each time it is received.
    pub(super) id: String,
    /// The right to delete it, of this receive.
    pub(super) receipt: String,
    /// Its text.
    pub(super) body: String,
}

impl Source {
    /// Makes the client. Credentials and endpoints are configured the AWS way.
    pub(super) async fn connect(region: &Region, url: &str) -> Source {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(OPERATION)
            .build();
        let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .region(SdkRegion::new(region.as_str().to_owned()))
            .timeout_config(timeouts)
            // Deleting or hiding twice is harmless.
            .retry_config(RetryConfig::standard().with_max_attempts(2))
            .load()
            .await;
        Source { client: Client::new(&config), url: url.to_owned() }
    }

    /// Waits for messages. Tried once: whoever calls has a pause of its own.
    pub(super) async fn receive(&self) -> Result<Vec<Received>, SdkError<ReceiveMessageError>> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(RECEIVE)
            .operation_timeout(RECEIVE)
            .build();
        let once = Builder::new().timeout_config(timeouts).retry_config(RetryConfig::disabled());
        let answer = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(MESSAGES_MAX)
            .wait_time_seconds(WAIT_SECS)
            .visibility_timeout(VISIBLE_SECS)
            .customize()
            .config_override(once)
            .send()
            .await?;
        let received = answer.messages.unwrap_or_default().into_iter().map(|message| Received {
            id: message.message_id.unwrap_or_default(),
            receipt: message.receipt_handle.unwrap_or_default(),
            body: message.body.unwrap_or_default(),
        });
        Ok(received.collect())
    }

    /// Deletes messages for good, no more than one answer brings. Answers those that are still there, by
    /// SQS's id, each with the reason.
    pub(super) async fn delete(
        &self,
        messages: &[&Received],
    ) -> Result<Vec<(String, String)>, SdkError<DeleteMessageBatchError>> {
        let entry = |(place, message): (usize, &&Received)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(place.to_string())
                .receipt_handle(&message.receipt)
                .build()
                .expect("an id and a receipt are all that an entry needs")
        };
        let entries = messages.iter().enumerate().map(entry).collect();
        let batch = self.client.delete_message_batch().queue_url(&self.url);
        let answer = batch.set_entries(Some(entries)).send().await?;
        let left = answer.failed().iter().filter_map(|one| {
            let message = messages.get(one.id().parse::<usize>().ok()?)?;
            let why = format!("{}: {}", one.code(), one.message().unwrap_or_default());
            Some((message.id.clone(), why))
        });
        Ok(left.collect())
    }

    /// How many messages lie on another queue of the region, as far as SQS says.
    pub(super) async fn count(
        &self,
        url: &str,
    ) -> Result<Option<u64>, SdkError<GetQueueAttributesError>> {
        let name = QueueAttributeName::ApproximateNumberOfMessages;
        let ask = self.client.get_queue_attributes().queue_url(url).attribute_names(name.clone());
        let answer = ask.send().await?;
        let count = answer.attributes.as_ref().and_then(|all| all.get(&name)?.parse().ok());
        Ok(count)
    }

    /// Hides a message for so many seconds from now.
    pub(super) async fn hide(
        &self,
        receipt: &str,
        secs: i32,
    ) -> Result<(), SdkError<ChangeMessageVisibilityError>> {
        self.client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(receipt)
            .visibility_timeout(secs)
            .send()
            .await?;
        Ok(())
    }
}
