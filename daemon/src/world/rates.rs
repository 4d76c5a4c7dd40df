//! How often AWS is asked: one table for the whole process, and turns that keep to it.
//!
//! AWS throttles per account, region and service (facts §8, rates). A hundred applications that leave a
//! region together would meet that in the middle of their moves; here they wait for their turn instead, and
//! what changes something never waits behind what only looks.

use std::{collections::BTreeMap, num::NonZeroU16};

use jiff::SignedDuration;
use muster_runbooks::value::words;
use serde::Deserialize;

words! {
    /// What is asked at a rate of its own.
    Service {
        /// Aurora.
        Rds = "rds",
        /// Caches.
        ElastiCache = "elasticache",
        /// Builds.
        CodeBuild = "codebuild",
        /// Samples of CloudWatch.
        Metrics = "cloudwatch",
        /// Alarms of CloudWatch, which are slower.
        Alarms = "cloudwatch-alarms",
        /// Buckets.
        S3 = "s3",
        /// Secrets.
        SecretsManager = "secretsmanager",
        /// The control plane of Route 53.
        Route53 = "route53",
    }
}

words! {
    /// What a request does.
    Kind {
        /// It reads.
        Look = "look",
        /// It changes something.
        Act = "act",
    }
}

/// How many requests a second one account sends to one region. The two kinds do not wait for each other.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// That read.
    pub looks: NonZeroU16,
    /// That change something.
    pub acts: NonZeroU16,
}

const fn rate(looks: u16, acts: u16) -> Rate {
    let (Some(looks), Some(acts)) = (NonZeroU16::new(looks), NonZeroU16::new(acts)) else {
        panic!("a rate is not 0")
    };
    Rate { looks, acts }
}

/// The rate of a service where the configuration says nothing else. Where AWS publishes a limit, it is that
/// or less, since others use the account, too (facts §8, rates).
const fn usual(service: Service) -> Rate {
    match service {
        // Unpublished; a 5 s poll by several tools was enough to trip it. Lists keep the looks few.
        Service::Rds | Service::ElastiCache => rate(20, 10),
        // GetMetricData 500/s.
        Service::Metrics => rate(100, 10),
        // DescribeAlarms 9/s, the rest 3/s.
        Service::Alarms => rate(8, 2),
        // 5,500 and 3,500 a second for each prefix: this only keeps the process from a flood of its own.
        Service::S3 => rate(3_000, 1_000),
        Service::SecretsManager => rate(50, 10),
        // Unpublished for each call, and a rebuild has few builds.
        Service::CodeBuild => rate(10, 2),
        // 5/s for the account, of both kinds.
        Service::Route53 => rate(3, 1),
    }
}

/// The table.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Rates(BTreeMap<Service, Rate>);

impl Rates {
    /// The rate of a service.
    pub fn of(&self, service: Service) -> Rate {
        self.0.get(&service).copied().unwrap_or(usual(service))
    }

    fn spacing(&self, service: Service, kind: Kind) -> SignedDuration {
        let rate = self.of(service);
        let per_second = match kind {
            Kind::Look => rate.looks,
            Kind::Act => rate.acts,
        };
        SignedDuration::from_secs(1) / i32::from(per_second.get())
    }
}

/// So much of its rate a lane that was idle may send at once.
pub const BURST: SignedDuration = SignedDuration::from_secs(1);

/// Who waits for the same turns: a service, a place (region and account) and a kind.
pub type Lane = (Service, String, Kind);

/// The turns. Pure: the present is how far a steady clock is.
#[derive(Debug, Default)]
pub struct Pace {
    rates: Rates,
    /// When a lane would be free if every request had taken its whole length.
    free_at: BTreeMap<Lane, SignedDuration>,
}

impl Pace {
    /// Turns under a table.
    pub fn new(rates: Rates) -> Pace {
        Pace { rates, free_at: BTreeMap::new() }
    }

    /// Takes the next turn of a lane, in the order of asking, and says how long it is until then.
    ///
    /// # Errors
    ///
    /// How long it would be, when that is longer than `at_most`; no turn is taken then.
    pub fn turn(
        &mut self,
        now: SignedDuration,
        lane: &Lane,
        at_most: SignedDuration,
    ) -> Result<SignedDuration, SignedDuration> {
        let free_at = self.free_at.get(lane).copied().unwrap_or(now).max(now);
        let wait = (free_at - now - BURST).max(SignedDuration::ZERO);
        if wait > at_most {
            return Err(wait);
        }
        let spacing = self.rates.spacing(lane.0, lane.2);
        self.free_at.insert(lane.clone(), free_at + spacing);
        Ok(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(kind: Kind) -> Lane {
        (Service::Rds, "us-west-2".to_owned(), kind)
    }

    /// Goal: nobody sends faster than the table says, nobody waits without need, and what changes something
    /// does not wait behind what looks.
    /// Method: a hundred who ask at once; somebody who asks much later; somebody who will not wait.
    #[test]
    fn turns_keep_to_the_rate() {
        let mut pace = Pace::default();
        let now = SignedDuration::from_secs(1_000);
        let (long, none) = (SignedDuration::from_mins(1), SignedDuration::ZERO);
        let waits: Vec<SignedDuration> =
            (0..100).map(|_| pace.turn(now, &lane(Kind::Look), long).unwrap()).collect();
        assert_eq!(waits.iter().filter(|wait| wait.is_zero()).count(), 21, "a second's worth");
        for pair in waits[20..].windows(2) {
            assert_eq!(pair[1] - pair[0], SignedDuration::from_millis(50));
        }
        assert_eq!(pace.turn(now, &lane(Kind::Act), none), Ok(none));

        let wait = pace.turn(now, &lane(Kind::Look), SignedDuration::from_secs(1)).unwrap_err();
        assert_eq!(wait, waits[99] + SignedDuration::from_millis(50));
        assert_eq!(pace.turn(now, &lane(Kind::Look), long), Ok(wait), "and took no turn");

        let later = now + SignedDuration::from_hours(1);
        assert_eq!(pace.turn(later, &lane(Kind::Look), none), Ok(none));
    }

    /// Goal: a table of one's own counts, and a wrong one is refused.
    #[test]
    fn a_table_of_ones_own() {
        let rates: Rates = serde_json::from_str(r#"{ "rds": { "looks": 5, "acts": 2 } }"#).unwrap();
        assert_eq!(rates.of(Service::Rds), rate(5, 2));
        assert_eq!(rates.of(Service::Route53), usual(Service::Route53));
        for wrong in [
            r#"{ "rds": { "looks": 0, "acts": 2 } }"#,
            r#"{ "rds": { "looks": 5 } }"#,
            r#"{ "dns": { "looks": 5, "acts": 2 } }"#,
            r#"{ "rds": { "looks": 5, "acts": 2, "burst": 9 } }"#,
        ] {
            serde_json::from_str::<Rates>(wrong).unwrap_err();
        }
    }
}
