//! Chance out of a seed. A roll depends on what it is for and on nothing else, so that one fault more
//! or one look less does not shift every later roll of the same history.

use std::ops::RangeInclusive;

use jiff::SignedDuration;
use rand::{Rng, SeedableRng, rngs::SmallRng};

/// The seed of one world.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dice {
    seed: u64,
    /// Everything takes as long as it takes on average.
    is_steady: bool,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice { seed, is_steady: false }
    }

    /// The same, without chance in how long things take.
    pub(super) fn steady(self) -> Dice {
        Dice { is_steady: true, ..self }
    }

    /// A length of time in milliseconds. `what`, `about` and `nth` name the roll.
    pub(super) fn millis(
        self,
        what: &str,
        about: &str,
        nth: i64,
        range: RangeInclusive<i64>,
    ) -> SignedDuration {
        SignedDuration::from_millis(self.roll(what, about, nth, range))
    }

    /// A length of time in seconds.
    pub(super) fn secs(
        self,
        what: &str,
        about: &str,
        range: RangeInclusive<i64>,
    ) -> SignedDuration {
        SignedDuration::from_secs(self.roll(what, about, 0, range))
    }

    /// Whether something happens that happens in so many of a hundred cases.
    pub(super) fn happens(self, what: &str, about: &str, percent: u32) -> bool {
        self.rng(what, about, 0).random_range(0..100) < percent
    }

    fn roll(self, what: &str, about: &str, nth: i64, range: RangeInclusive<i64>) -> i64 {
        if self.is_steady {
            return i64::midpoint(*range.start(), *range.end());
        }
        self.rng(what, about, nth).random_range(range)
    }

    fn rng(self, what: &str, about: &str, nth: i64) -> SmallRng {
        // FNV-1a: stable on every machine, which the standard library's hasher does not promise.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ self.seed;
        for bytes in [what.as_bytes(), &[0], about.as_bytes(), &[0], &nth.to_le_bytes()] {
            for byte in bytes {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        SmallRng::seed_from_u64(hash)
    }
}
