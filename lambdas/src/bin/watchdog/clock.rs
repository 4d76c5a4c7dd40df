//! The one place here that knows what time it is.

use std::{path::PathBuf, time::Duration};

use jiff::{SignedDuration, Timestamp};

/// A file that holds the time, for tests against an emulated AWS on this machine.
const FILE: &str = "MUSTER_CLOCK_FILE";

/// How often that file is read while somebody waits for an instant.
const FILE_POLL: Duration = Duration::from_millis(20);

/// Where time comes from.
pub(crate) enum Clock {
    /// The machine's clock.
    Machine,
    /// Stands in a file that somebody else moves.
    File(PathBuf),
}

/// Somebody would have a watchdog of the real world believe a file.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{FILE}` is for tests: it needs `AWS_ENDPOINT_URL` on this machine, and no other endpoint"
)]
pub(crate) struct BeyondLoopback;

impl Clock {
    /// The machine's clock, unless everything that is asked is on this machine too.
    pub(crate) fn of_environment() -> Result<Clock, BeyondLoopback> {
        let Some(file) = std::env::var_os(FILE) else { return Ok(Clock::Machine) };
        let endpoints = std::env::vars().filter(|(name, _)| name.starts_with("AWS_ENDPOINT_URL"));
        let endpoints: Vec<(String, String)> = endpoints.collect();
        let has_default = endpoints.iter().any(|(name, _)| name == "AWS_ENDPOINT_URL");
        let is_near = |url: &str| url.starts_with("http://127.0.0.1:");
        if has_default && endpoints.iter().all(|(_, url)| is_near(url)) {
            Ok(Clock::File(file.into()))
        } else {
            Err(BeyondLoopback)
        }
    }

    /// The present instant.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub(crate) fn now(&self) -> Timestamp {
        match self {
            Clock::Machine => Timestamp::now(),
            // One that cannot be read keeps time standing still rather than jumping to the real one.
            Clock::File(path) => std::fs::read_to_string(path)
                .ok()
                .and_then(|text| text.trim().parse().ok())
                .unwrap_or(Timestamp::UNIX_EPOCH),
        }
    }

    /// Returns after so much time of this clock.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub(crate) async fn sleep(&self, span: SignedDuration) {
        match self {
            Clock::Machine => tokio::time::sleep(span.unsigned_abs()).await,
            Clock::File(_) => {
                let until = self.now() + span;
                while self.now() < until {
                    tokio::time::sleep(FILE_POLL).await;
                }
            }
        }
    }
}
