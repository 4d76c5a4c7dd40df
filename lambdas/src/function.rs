//! What every function here does alike: how it logs, and how it tells that it failed.

use std::{error::Error, process::ExitCode};

use lambda_runtime::Diagnostic;
use tracing_subscriber::filter::LevelFilter;

/// Logs JSON to where Lambda reads it, as much of it as `RUST_LOG` says.
pub fn log() {
    let level = std::env::var("RUST_LOG").ok().and_then(|text| text.parse().ok());
    tracing_subscriber::fmt()
        .json()
        .without_time()
        .with_max_level(level.unwrap_or(LevelFilter::INFO))
        .init();
}

/// The end of a function that cannot begin.
pub fn cannot_start(why: &dyn Error) -> ExitCode {
    tracing::error!(why = chain(why), "the function cannot start");
    ExitCode::FAILURE
}

/// The end of a function that ran.
pub fn ended(served: Result<(), lambda_runtime::Error>) -> ExitCode {
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            tracing::error!(why = chain(&*why), "the function ends");
            ExitCode::FAILURE
        }
    }
}

/// What AWS shows of a failed invocation, under a name that a person can look for.
pub fn failure(name: &str, why: &dyn Error) -> Diagnostic {
    Diagnostic { error_type: name.to_owned(), error_message: chain(why) }
}

/// An error with its causes, on one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
