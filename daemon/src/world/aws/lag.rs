//! How far replication is behind, from the last sample that CloudWatch holds at the standby
//! (facts §1.3).

use aws_sdk_cloudwatch::{
    primitives::DateTime,
    types::{Dimension, Metric, MetricDataQuery, MetricStat, ScanBy},
};
use jiff::{SignedDuration, Timestamp};
use muster_runbooks::value::{Loss, Span};
use muster_state::call::{Call, CallError};

use super::{Clients, Side, error, snapshot::cluster_name};

/// A sample that is older says nothing any more: the loss is then unknown, and a person decides.
pub const SAMPLE_AGE_MAX: SignedDuration = SignedDuration::from_mins(10);

/// A sample describes a minute and comes once that is over, so the newest is one to two minutes old when
/// all is well. From an older one nobody can tell whether the standby has caught up.
const FRESH: SignedDuration = SignedDuration::from_mins(3);

/// For how long CloudWatch may stay silent before that itself is the answer `unknown`: in a failover
/// nothing may wait for a metric (facts §8: never a sole input).
pub const SILENCE_MAX: SignedDuration = SignedDuration::from_secs(20);

/// One sample of `AuroraGlobalDBRPOLag`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sample {
    /// The start of the minute that it describes.
    pub at: Timestamp,
    /// The largest lag in that minute.
    pub lag: Span,
}

impl Sample {
    /// The most that can be lost at `now`: everything since the sample, and what it lagged behind.
    pub fn bound(self, now: Timestamp) -> Span {
        Span::between(self.at - self.lag.duration(), now)
    }
}

/// What is known of the lag, and in which words.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Known {
    /// The upper bound.
    pub loss: Loss,
    /// The lag itself, by a sample that is fresh.
    pub lag: Option<Span>,
    /// How it is known.
    pub by: String,
}

impl Known {
    /// Whether the standby follows closely enough for a planned switch. The age of the sample counts
    /// for what would be lost, and not here: no metric that is a minute old at best would ever show
    /// less than a minute.
    pub fn follows(&self, lag_max: Span) -> bool {
        self.lag.is_some_and(|lag| lag <= lag_max)
    }
}

/// The bound at `until`, from samples at the standby's `cluster` up to then. Silence of CloudWatch is
/// no answer at first, and `unknown` after [`SILENCE_MAX`].
pub async fn known(
    side: &Side,
    call: &Call,
    cluster: &str,
    until: Timestamp,
    now: Timestamp,
) -> Result<Known, CallError> {
    match newest(side, call, cluster, until).await {
        Ok(sample) => Ok(say(sample, now)),
        Err(CallError::NoAnswer { service, .. })
            if call.asked_at.duration_since(call.started_at) >= SILENCE_MAX =>
        {
            let by = format!("{service} does not answer");
            Ok(Known { loss: Loss::Unknown, lag: None, by })
        }
        Err(error) => Err(error),
    }
}

async fn newest(
    side: &Side,
    call: &Call,
    cluster: &str,
    until: Timestamp,
) -> Result<Option<Sample>, CallError> {
    sample_of(side, side.looks_for(call), cluster, until).await
}

/// The newest sample of a cluster up to `until`, if there is one that says anything.
pub(super) async fn sample_of(
    side: &Side,
    clients: &Clients,
    cluster: &str,
    until: Timestamp,
) -> Result<Option<Sample>, CallError> {
    let name = cluster_name(cluster);
    let metric = Metric::builder()
        .namespace("AWS/RDS")
        .metric_name("AuroraGlobalDBRPOLag")
        .dimensions(Dimension::builder().name("DBClusterIdentifier").value(name).build())
        .build();
    let stat = MetricStat::builder().metric(metric).period(60).stat("Maximum").build();
    let answer = clients
        .cloudwatch
        .get_metric_data()
        .metric_data_queries(MetricDataQuery::builder().id("lag").metric_stat(stat).build())
        .start_time(DateTime::from_secs((until - SAMPLE_AGE_MAX).as_second()))
        .end_time(DateTime::from_secs(until.as_second() + 1))
        .scan_by(ScanBy::TimestampDescending)
        .send()
        .await
        .map_err(|why| error::trouble(why).at(side.name("cloudwatch"), "GetMetricData"))?;
    let results = answer.metric_data_results();
    let samples = results.iter().flat_map(|of| of.timestamps().iter().zip(of.values()));
    Ok(samples.filter_map(|(at, lag)| sample(at.secs(), *lag)).max_by_key(|sample| sample.at))
}

/// A lag below zero is the primary's own row and says nothing about a standby (facts §1.3).
fn sample(at_secs: i64, lag_ms: f64) -> Option<Sample> {
    if !lag_ms.is_finite() || !(0.0..=1e12).contains(&lag_ms) {
        return None;
    }
    let at = Timestamp::from_second(at_secs).ok()?;
    let lag = SignedDuration::from_millis(lag_ms.ceil() as i64);
    Some(Sample { at, lag: Span::between(at - lag, at) })
}

fn say(sample: Option<Sample>, now: Timestamp) -> Known {
    let Some(sample) = sample else {
        let by = format!("no lag sample in {SAMPLE_AGE_MAX:#} at the standby");
        return Known { loss: Loss::Unknown, lag: None, by };
    };
    let age = Span::between(sample.at, now);
    Known {
        loss: Loss::AtMost(sample.bound(now)),
        lag: (age.duration() <= FRESH).then_some(sample.lag),
        by: format!(
            "lag of {} in the minute from {}, {age} ago; assumes that nothing was replicated since",
            sample.lag, sample.at
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the loss is never less than it can be (I15), and unknown is never zero; the lag is what the
    /// sample says, as long as it is fresh.
    /// Method: samples of several ages, and the ones that say nothing.
    #[test]
    fn what_a_sample_bounds() {
        let now: Timestamp = "2026-03-01T02:05:00Z".parse().unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_second();
        let table = [
            (Some((at("2026-03-01T02:04:00Z"), 1_500.0)), "1m 1s 500ms", Some("1s 500ms")),
            (Some((at("2026-03-01T02:02:00Z"), 1_500.0)), "3m 1s 500ms", Some("1s 500ms")),
            (Some((at("2026-03-01T02:00:00Z"), 0.0)), "5m", None),
            (Some((at("2026-03-01T02:05:00Z"), 30_000.0)), "30s", Some("30s")),
            (Some((at("2026-03-01T02:04:00Z"), -1.0)), "unknown", None),
            (Some((at("2026-03-01T02:04:00Z"), f64::NAN)), "unknown", None),
            (None, "unknown", None),
        ];
        for (seen, bound, lag) in table {
            let sample = seen.and_then(|(at, lag)| sample(at, lag));
            let known = say(sample, now);
            assert_eq!(known.loss.to_string(), bound, "{seen:?}");
            assert_eq!(known.lag.map(|lag| lag.to_string()).as_deref(), lag, "{seen:?}");
        }
    }
}
