//! The Lambda function: whatever AWS tells in, at most one message out for each event in it.

use std::process::ExitCode;

use futures::{StreamExt as _, stream};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use muster_lambdas::{
    deliver::{Queues, Undelivered},
    function::{cannot_start, chain, ended, failure, log},
    settings::{Rules, Settings},
    translate::{NotOurs, translate},
    unpack::{Parcel, Unpacked, give_back, unpack},
};
use serde_json::Value;

/// How many events of one invocation are on their way to the queues at a time.
const UNDER_WAY_MAX: usize = 16;

/// One invocation at a time is all that Lambda gives a process, so one thread does.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    log();
    let settings = match Settings::read(|name| std::env::var(name).ok()) {
        Ok(settings) => settings,
        Err(why) => return cannot_start(&why),
    };
    let queues = Queues::connect(&settings.queues).await;
    let (settings, queues) = (&settings, &queues);
    let serve = service_fn(move |event: LambdaEvent<Value>| on_event(event, settings, queues));
    ended(lambda_runtime::run(serve).await)
}

/// An error makes Lambda deliver everything again, so only what may pass by itself is one. Of a queue's
/// batch only those items come again that were not delivered.
async fn on_event(
    event: LambdaEvent<Value>,
    settings: &Settings,
    queues: &Queues,
) -> Result<Value, Diagnostic> {
    let Unpacked { parcels, is_batch } = unpack(&event.payload, &settings.rules);
    let sent = parcels.into_iter().map(|Parcel { item, event }| async move {
        pass_on(event, &settings.rules, queues).await.map_err(|undelivered| (item, undelivered))
    });
    let ends: Vec<_> = stream::iter(sent).buffer_unordered(UNDER_WAY_MAX).collect().await;
    let mut items = Vec::new();
    let mut failed = None;
    for (item, undelivered) in ends.into_iter().filter_map(Result::err) {
        items.push(item);
        failed = Some(undelivered);
    }
    match (is_batch.then(|| give_back(&items)).flatten(), failed) {
        (Some(answer), _) => Ok(answer),
        (None, Some(undelivered)) => Err(failure("Undelivered", &undelivered)),
        (None, None) => Ok(Value::Null),
    }
}

/// What is not ours is logged and done with.
async fn pass_on(
    event: Result<Value, NotOurs>,
    rules: &Rules,
    queues: &Queues,
) -> Result<(), Undelivered> {
    let id = event.as_ref().ok().and_then(|event| event["id"].as_str()).unwrap_or_default();
    let (message, text) =
        match event.as_ref().map_err(NotOurs::clone).and_then(|event| translate(event, rules)) {
            Ok(translated) => translated,
            Err(not_ours) => {
                tracing::warn!(event = id, why = %not_ours, "not ours");
                return Ok(());
            }
        };
    let key = &message.dedupe_key;
    let missed = match queues.deliver(&text).await {
        Ok(missed) => missed,
        Err(undelivered) => {
            for missed in &undelivered.missed {
                tracing::error!(key, why = chain(missed), "not delivered");
            }
            return Err(undelivered);
        }
    };
    for missed in &missed {
        tracing::warn!(key, why = chain(missed), "delivered, but not everywhere");
    }
    tracing::info!(key, event = message.source.event_id, "delivered");
    Ok(())
}
