//! Whether S3 replicates a bucket: its versioning, its rules, and what their metrics say (facts §4).

use aws_sdk_cloudwatch::{
    primitives::DateTime,
    types::{Dimension, Metric, MetricDataQuery, MetricDataResult, MetricStat},
};
use aws_sdk_s3::types::{
    BucketVersioningStatus, MetricsStatus, ReplicationRule, ReplicationRuleStatus,
};
use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    action::bucket::{CheckBucketReplication, Depth},
    value::{Loss, Span},
};
use muster_state::call::{Call, CallError, Done, Progress};
use serde_json::json;

use super::{Side, bucket, comparison, error};
use crate::world::real::{Real, on};

/// For how long a failed operation is told of: every check of a quarter of an hour sees it, even when
/// one is missed.
const FAILURES_WITHIN: SignedDuration = SignedDuration::from_hours(1);

/// An older sample says nothing about now. They come once a minute, a few minutes late.
const FRESH: SignedDuration = SignedDuration::from_mins(15);

/// The metrics of a rule: name, statistic, and how far back it is read.
const METRICS: [(&str, &str, SignedDuration); 4] = [
    ("ReplicationLatency", "Maximum", FRESH),
    ("OperationsPendingReplication", "Maximum", FRESH),
    ("OperationsFailedReplication", "Sum", FAILURES_WITHIN),
    ("BytesPendingReplication", "Maximum", FRESH),
];

/// What the metrics of a rule say; `None` where there is no sample, which is never zero.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Said {
    latency_secs: Option<f64>,
    pending: Option<f64>,
    failed: Option<f64>,
    bytes: Option<f64>,
}

/// Reads the rules and their metrics.
pub async fn observe(
    real: &Real,
    call: &Call,
    action: &CheckBucketReplication,
) -> Result<Progress, CallError> {
    let on = on(call)?;
    let declared = bucket::bucket(call)?;
    let from = on.region(action.from);
    let to = on.across(action.from);
    let (source, target) = (bucket::name(call, declared, from)?, bucket::name(call, declared, to)?);
    let side = real.aws.side(from);
    if !is_versioned(&side, call, source).await? {
        let reason = format!("versioning of `{source}` is off, so nothing is replicated");
        return Ok(Progress::Failed { reason });
    }
    let rules: Vec<ReplicationRule> = rules(&side, call, source)
        .await?
        .into_iter()
        .filter(|rule| rule.destination().is_some_and(|to| leads_to(to.bucket(), target)))
        .collect();
    if let Some(reason) = fault(&rules, source, target, &declared.canaries()) {
        return Ok(Progress::Failed { reason });
    }
    let mut said = Vec::new();
    for rule in &rules {
        let id = rule.id().unwrap_or_default();
        said.push((rule, metrics(&side, call, [source, target, id]).await?));
    }
    let names = || {
        let name = comparison::file_name(
            on.application.name.as_str(),
            declared.name.as_str(),
            Depth::Head,
        );
        real.comparisons.last(&name).map(|tally| comparison::failed(&tally)).unwrap_or_default()
    };
    Ok(judge(&said, names))
}

async fn is_versioned(side: &Side, call: &Call, bucket: &str) -> Result<bool, CallError> {
    let sent = side.looks_for(call).s3.get_bucket_versioning().bucket(bucket).send().await;
    let answer =
        sent.map_err(|why| error::trouble(why).at(side.name("s3"), "GetBucketVersioning"))?;
    Ok(answer.status() == Some(&BucketVersioningStatus::Enabled))
}

async fn rules(side: &Side, call: &Call, bucket: &str) -> Result<Vec<ReplicationRule>, CallError> {
    match side.looks_for(call).s3.get_bucket_replication().bucket(bucket).send().await {
        Ok(answer) => Ok(answer.replication_configuration.map(|all| all.rules).unwrap_or_default()),
        Err(why) => match error::trouble(why) {
            why if why.code == "ReplicationConfigurationNotFoundError" => Ok(Vec::new()),
            why => Err(why.at(side.name("s3"), "GetBucketReplication")),
        },
    }
}

/// Whether the ARN of a rule's destination is of a bucket.
fn leads_to(arn: &str, bucket: &str) -> bool {
    arn.strip_prefix("arn:").and_then(|rest| rest.split_once(":s3:::")).map(|(_, name)| name)
        == Some(bucket)
}

/// What is wrong with the rules themselves.
fn fault(
    rules: &[ReplicationRule],
    source: &str,
    target: &str,
    canaries: &[&str],
) -> Option<String> {
    if rules.is_empty() {
        return Some(format!("no rule replicates `{source}` to `{target}`"));
    }
    let is_on = |rule: &&ReplicationRule| *rule.status() == ReplicationRuleStatus::Enabled;
    if let Some(rule) = rules.iter().find(|rule| !is_on(rule)) {
        return Some(format!("rule `{}` of `{source}` is disabled", rule.id().unwrap_or_default()));
    }
    let open = canaries.iter().find(|prefix| !rules.iter().any(|rule| covers(rule, prefix)))?;
    Some(format!("no rule of `{source}` covers the canary prefix `{open}`"))
}

/// Whether what is written below a prefix, without tags, is replicated by a rule.
#[expect(deprecated, reason = "rules of the first version hold their prefix themselves")]
fn covers(rule: &ReplicationRule, prefix: &str) -> bool {
    let below = format!("{prefix}/");
    let holds = |own: Option<&str>| below.starts_with(own.unwrap_or_default());
    let Some(filter) = rule.filter() else { return holds(rule.prefix()) };
    match (filter.and(), filter.tag()) {
        (Some(both), _) => both.tags().is_empty() && holds(both.prefix()),
        (None, Some(_)) => false,
        (None, None) => holds(filter.prefix()),
    }
}

async fn metrics(side: &Side, call: &Call, of: [&str; 3]) -> Result<Said, CallError> {
    let until = call.asked_at;
    let dimension =
        |(name, value): (&str, &str)| Dimension::builder().name(name).value(value).build();
    let dimensions = ["SourceBucket", "DestinationBucket", "RuleId"].into_iter().zip(of);
    let dimensions: Vec<Dimension> = dimensions.map(dimension).collect();
    let queries = METRICS.iter().enumerate().map(|(place, (name, stat, _))| {
        let metric = Metric::builder()
            .namespace("AWS/S3")
            .metric_name(*name)
            .set_dimensions(Some(dimensions.clone()))
            .build();
        let stat = MetricStat::builder().metric(metric).period(60).stat(*stat).build();
        MetricDataQuery::builder().id(format!("m{place}")).metric_stat(stat).build()
    });
    let answer = side
        .looks_for(call)
        .cloudwatch
        .get_metric_data()
        .set_metric_data_queries(Some(queries.collect()))
        .start_time(DateTime::from_secs((until - FAILURES_WITHIN).as_second()))
        .end_time(DateTime::from_secs(until.as_second() + 1))
        .send()
        .await
        .map_err(|why| error::trouble(why).at(side.name("cloudwatch"), "GetMetricData"))?;
    Ok(said(answer.metric_data_results(), until))
}

fn said(results: &[MetricDataResult], until: Timestamp) -> Said {
    let values = |place: usize| -> Vec<(i64, f64)> {
        let since = (until - METRICS[place].2).as_second();
        let id = format!("m{place}");
        let of = results.iter().filter(|result| result.id() == Some(id.as_str()));
        let samples = of.flat_map(|of| of.timestamps().iter().zip(of.values()));
        let samples = samples.map(|(at, value)| (at.secs(), *value));
        samples.filter(|(at, value)| *at >= since && value.is_finite()).collect()
    };
    let newest =
        |place| values(place).into_iter().max_by_key(|(at, _)| *at).map(|(_, value)| value);
    let failures = values(2);
    Said {
        latency_secs: newest(0),
        pending: newest(1),
        failed: (!failures.is_empty()).then(|| failures.iter().map(|(_, count)| count).sum()),
        bytes: newest(3),
    }
}

/// A failure is one whatever else is known. What is not known may come with the next minute's sample,
/// and is never well.
fn judge(rules: &[(&ReplicationRule, Said)], names: impl FnOnce() -> Vec<String>) -> Progress {
    let total = |of: fn(&Said) -> Option<f64>| -> f64 {
        rules.iter().filter_map(|(_, said)| of(said)).sum()
    };
    let failed = total(|said| said.failed);
    if failed > 0.0 {
        let names = names();
        let named = if names.is_empty() {
            "`muster compare-buckets --depth head` names them".to_owned()
        } else {
            format!("the last comparison by heads saw {}", names.join(", "))
        };
        return Progress::Failed {
            reason: format!("{failed} operations failed to replicate in the last hour; {named}"),
        };
    }
    let silent = rules.iter().find(|(_, said)| {
        [said.latency_secs, said.pending, said.failed, said.bytes].contains(&None)
    });
    if let Some((rule, _)) = silent {
        let id = rule.id().unwrap_or_default();
        let metrics = rule.destination().and_then(|to| to.metrics());
        let is_on = metrics.is_some_and(|metrics| *metrics.status() == MetricsStatus::Enabled);
        let why = if is_on { "no sample yet" } else { "its metrics are not enabled" };
        return Progress::in_progress(format!("replication by rule `{id}` is unknown: {why}"));
    }
    let latency = rules.iter().filter_map(|(_, said)| said.latency_secs).fold(0.0, f64::max);
    // A latency of more than a century is no latency.
    let latency = Span::from_secs(latency.ceil().clamp(0.0, f64::from(u32::MAX)) as u32);
    Progress::Done(Done::with([
        ("rules", json!(rules.len())),
        ("latency", json!(Loss::AtMost(latency))),
        ("pending", json!(total(|said| said.pending).max(0.0) as u32)),
        ("failed", json!(0)),
    ]))
}

#[cfg(test)]
mod tests;
