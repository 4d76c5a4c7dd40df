//! The Lambda function: one EventBridge event in, at most one message out.

use std::{error::Error, process::ExitCode};

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use muster_lambdas::{deliver::Queues, settings::Settings, translate::translate};
use serde_json::Value;
use tracing_subscriber::filter::LevelFilter;

/// One invocation at a time is all that Lambda gives a process, so one thread does.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let level = std::env::var("RUST_LOG").ok().and_then(|text| text.parse().ok());
    tracing_subscriber::fmt()
        .json()
        .without_time()
        .with_max_level(level.unwrap_or(LevelFilter::INFO))
        .init();
    let settings = match Settings::read(|name| std::env::var(name).ok()) {
        Ok(settings) => settings,
        Err(why) => {
            tracing::error!(why = chain(&why), "the function cannot start");
            return ExitCode::FAILURE;
        }
    };
    let queues = Queues::connect(&settings.queues).await;
    let (settings, queues) = (&settings, &queues);
    let serve = service_fn(move |event: LambdaEvent<Value>| on_event(event, settings, queues));
    match lambda_runtime::run(serve).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            tracing::error!(why = chain(&*why), "the function ends");
            ExitCode::FAILURE
        }
    }
}

/// An error makes Lambda deliver the event again, so only what may pass by itself is one.
async fn on_event(
    event: LambdaEvent<Value>,
    settings: &Settings,
    queues: &Queues,
) -> Result<(), Diagnostic> {
    let message = match translate(&event.payload, &settings.rules) {
        Ok(message) => message,
        Err(not_ours) => {
            let id = event.payload["id"].as_str().unwrap_or_default();
            tracing::warn!(event = id, why = %not_ours, "not ours");
            return Ok(());
        }
    };
    let key = &message.dedupe_key;
    let text = message.write().map_err(|why| failure("Unwritable", &why))?;
    let missed = match queues.deliver(&text).await {
        Ok(missed) => missed,
        Err(undelivered) => {
            for missed in &undelivered.missed {
                tracing::error!(key, why = chain(missed), "not delivered");
            }
            return Err(failure("Undelivered", &undelivered));
        }
    };
    for missed in &missed {
        tracing::warn!(key, why = chain(missed), "delivered, but not everywhere");
    }
    tracing::info!(key, event = message.source.event_id, "delivered");
    Ok(())
}

/// What AWS shows of a failed invocation, under a name that a person can look for.
fn failure(name: &str, why: &dyn Error) -> Diagnostic {
    Diagnostic { error_type: name.to_owned(), error_message: chain(why) }
}

/// An error with its causes, on one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
