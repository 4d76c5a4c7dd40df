//! The one place that knows what time it is.

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};

/// Where time comes from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    Real,
    /// Runs `factor` times as fast as the machine's from `start` on, for the demo.
    Scaled(Arc<Scaled>),
    /// Stands in a file that somebody else moves, for tests against emulators.
    File(PathBuf),
}

/// A clock that runs faster.
#[derive(Debug)]
pub struct Scaled {
    start: Timestamp,
    began: std::time::Instant,
    factor: u32,
}

/// How often the file of a file-driven clock is read while somebody waits for an instant.
const FILE_POLL: Duration = Duration::from_millis(20);

/// The longest single sleep, so that a clock that was set is noticed.
const SLEEP_MAX: Duration = Duration::from_secs(1);

impl Clock {
    /// A clock that starts at `start` and runs `factor` times as fast.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn scaled(start: Timestamp, factor: u32) -> Clock {
        Clock::Scaled(Arc::new(Scaled {
            start,
            began: std::time::Instant::now(),
            factor: factor.max(1),
        }))
    }

    /// The present instant, to the millisecond: what is written down must read back the same.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn now(&self) -> Timestamp {
        let now = match self {
            Clock::Real => Timestamp::now(),
            Clock::Scaled(scaled) => {
                let passed = scaled.began.elapsed().saturating_mul(scaled.factor);
                scaled.start + SignedDuration::try_from(passed).unwrap_or(SignedDuration::MAX)
            }
            // A file that cannot be read keeps time standing still rather than jumping to the real one.
            Clock::File(path) => std::fs::read_to_string(path)
                .ok()
                .and_then(|text| text.trim().parse().ok())
                .unwrap_or(Timestamp::UNIX_EPOCH),
        };
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    /// How far a clock is that nobody sets: the machine's, where this one is. What lasts is measured by
    /// it, what is written down is not.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn steady(&self) -> SignedDuration {
        static BEGAN: OnceLock<Instant> = OnceLock::new();
        match self {
            Clock::Real => {
                let passed = BEGAN.get_or_init(Instant::now).elapsed();
                SignedDuration::try_from(passed).unwrap_or(SignedDuration::MAX)
            }
            Clock::Scaled(_) | Clock::File(_) => self.now().duration_since(Timestamp::UNIX_EPOCH),
        }
    }

    /// Returns at `until`, or a little later.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub async fn sleep_until(&self, until: Timestamp) {
        loop {
            let left = until.duration_since(self.now());
            if left <= SignedDuration::ZERO {
                return;
            }
            let left = left.unsigned_abs();
            let nap = match self {
                Clock::Real => left,
                Clock::Scaled(scaled) => left / scaled.factor + Duration::from_millis(1),
                Clock::File(_) => FILE_POLL,
            };
            tokio::time::sleep(nap.min(SLEEP_MAX)).await;
        }
    }

    /// Returns after so much time of this clock.
    pub async fn sleep(&self, time: SignedDuration) {
        self.sleep_until(self.now() + time).await;
    }
}
