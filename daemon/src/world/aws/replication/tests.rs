//! What rules and metrics mean.

use aws_sdk_s3::types::{
    Destination, Metrics, ReplicationRuleAndOperator, ReplicationRuleFilter, Tag,
};

use super::*;

fn to(arn: &str, metrics: MetricsStatus) -> Destination {
    let metrics = Metrics::builder().status(metrics).build().unwrap();
    Destination::builder().bucket(arn).metrics(metrics).build().unwrap()
}

fn rule(id: &str, status: &str, prefix: &str) -> ReplicationRule {
    let filter = ReplicationRuleFilter::builder().prefix(prefix).build();
    rule_with(id, status, filter, MetricsStatus::Enabled)
}

fn rule_with(
    id: &str,
    status: &str,
    filter: ReplicationRuleFilter,
    metrics: MetricsStatus,
) -> ReplicationRule {
    ReplicationRule::builder()
        .id(id)
        .status(ReplicationRuleStatus::from(status))
        .filter(filter)
        .destination(to("arn:aws:s3:::west", metrics))
        .build()
        .unwrap()
}

/// Goal: a bucket of which a part is not replicated is never called well.
/// Method: rules that are missing, disabled, of another prefix, or only for tagged objects.
#[test]
fn what_is_wrong_with_rules() {
    let tag = Tag::builder().key("k").value("v").build().unwrap();
    let both = ReplicationRuleAndOperator::builder().prefix("").tags(tag).build();
    let tagged = ReplicationRuleFilter::builder().and(both).build();
    let tagged = rule_with("tags", "Enabled", tagged, MetricsStatus::Enabled);
    let table = [
        (vec![], "no rule replicates `east` to `west`"),
        (vec![rule("a", "Disabled", "")], "rule `a` of `east` is disabled"),
        (vec![rule("a", "Enabled", ""), rule("b", "Disabled", "x/")], "rule `b`"),
        (vec![rule("a", "Enabled", "else/")], "covers the canary prefix `canaries`"),
        (vec![tagged], "covers the canary prefix `canaries`"),
        (vec![rule("a", "Enabled", "canaries/")], ""),
        (vec![rule("a", "Enabled", "canaries/more/"), rule("b", "Enabled", "")], ""),
    ];
    for (rules, meant) in table {
        let said = fault(&rules, "east", "west", &["canaries"]).unwrap_or_default();
        assert!(said.contains(meant) && said.is_empty() == meant.is_empty(), "{meant}: {said}");
    }
    assert!(leads_to("arn:aws-cn:s3:::west", "west"));
    assert!(!leads_to("arn:aws:s3:::west-2", "west"));
}

/// Goal: missing data is unknown and never well; a failure is one whatever else is known.
#[test]
fn what_metrics_mean() {
    let rule = rule("all", "Enabled", "");
    let well =
        Said { latency_secs: Some(1.2), pending: Some(3.0), failed: Some(0.0), bytes: Some(9.0) };
    let judged = |said: Said| {
        judge(&[(&rule, well), (&rule, said)], || vec!["`k` version v".to_owned()]).to_string()
    };
    let Progress::Done(done) = judge(&[(&rule, well)], Vec::new) else { panic!() };
    assert_eq!(done.outputs["latency"], json!("2s"));
    assert_eq!([&done.outputs["pending"], &done.outputs["failed"]], [&json!(3), &json!(0)]);
    let unknown = "replication by rule `all` is unknown: no sample yet";
    assert_eq!(judged(Said { bytes: None, ..well }), unknown);
    assert_eq!(judged(Said { failed: None, ..well }), unknown);
    assert_eq!(judged(Said::default()), unknown);
    let failed = judged(Said { failed: Some(2.0), latency_secs: None, ..well });
    assert!(failed.contains("2 operations failed") && failed.contains("`k` version v"), "{failed}");
    let all = ReplicationRuleFilter::builder().build();
    let silent = rule_with("silent", "Enabled", all, MetricsStatus::Disabled);
    let said = judge(&[(&silent, Said::default())], Vec::new).to_string();
    assert!(said.contains("its metrics are not enabled"), "{said}");
}

/// Goal: an old sample is no sample, and failures of the whole hour count.
#[test]
fn which_samples_count() {
    let now: Timestamp = "2026-03-01T02:00:00Z".parse().unwrap();
    let result = |place: usize, samples: &[(i64, f64)]| {
        let times = samples.iter().map(|(ago, _)| DateTime::from_secs(now.as_second() - ago * 60));
        MetricDataResult::builder()
            .id(format!("m{place}"))
            .set_timestamps(Some(times.collect()))
            .set_values(Some(samples.iter().map(|(_, value)| *value).collect()))
            .build()
    };
    let results = [
        result(0, &[(3, 7.0), (2, 5.0), (9, 60.0)]),
        result(1, &[(20, 4.0)]),
        result(2, &[(50, 1.0), (2, 2.0), (70, 9.0)]),
        result(3, &[(1, f64::NAN)]),
    ];
    let expected = Said { latency_secs: Some(5.0), pending: None, failed: Some(3.0), bytes: None };
    assert_eq!(said(&results, now), expected);
}
