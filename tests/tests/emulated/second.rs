//! What only the second emulated AWS has: a bucket that replicates, and a global database as somebody
//! else understood AWS's documentation.

use muster_runbooks::{application::Application, value::Span};
use muster_state::call::Progress;
use muster_tests::emulator::{
    EAST, WEST,
    calls::{application, call_at},
    ministack::Ministack,
};
use serde_json::{Value, json};

/// The application with the clusters of the second AWS.
fn shop([east, west]: [String; 2]) -> Application {
    let mut shop = application(Value::Null);
    shop.databases[0].clusters = [(EAST.to_owned(), east), (WEST.to_owned(), west)].into();
    shop
}

/// Goal: a canary measures the real way of an object: written in one bucket, carried over by S3 itself,
/// seen in the other with what we wrote on it.
/// Method: a bucket with a rule for our prefix; and one whose rule covers another prefix.
#[tokio::test]
async fn a_canary_is_carried_over_by_s3() {
    let Some(stack) = Ministack::start().await else { return };
    stack.replicated("files-east", "files-west", "canaries/").await;
    let (real, mut shop) = (stack.real().await, application(Value::Null));
    shop.buckets[0].canary_prefixes = vec!["canaries/second/".to_owned()];
    let mut writing = call_at(stack.now(), &shop, "write-canary", json!({ "at": "active" }));
    let (done, seen) = stack.carry_out(&real, &mut writing).await;
    assert_eq!(seen[0], "not started", "{seen:?}");
    let after: Span = done.outputs["arrived_after"].as_str().unwrap().parse().unwrap();
    assert!(after.secs() < 60, "{after}");
    let each = done.outputs["arrived"].as_array().unwrap();
    let prefixes = each.iter().map(|one| one.as_str().unwrap().split(' ').next().unwrap());
    assert_eq!(prefixes.collect::<Vec<_>>(), ["canaries", "canaries/second"]);

    // The buckets are the same then, but for what no rule covers.
    let with = json!({ "from": "active", "depth": "head" });
    let mut comparing = call_at(stack.now(), &shop, "compare-buckets", with);
    let (done, seen) = stack.carry_out(&real, &mut comparing).await;
    assert_eq!(
        [&done.outputs["missing"], &done.outputs["extra"]],
        [&json!(0), &json!(0)],
        "{seen:?}"
    );

    let mut uncovered = shop.clone();
    uncovered.buckets[0].canary_prefix = Some("elsewhere".to_owned());
    uncovered.buckets[0].canary_prefixes = Vec::new();
    let mut writing = call_at(stack.now(), &uncovered, "write-canary", json!({ "at": "active" }));
    assert_eq!(real.observe(&writing).await.unwrap().progress, Progress::not_started());
    real.begin(&writing).await.unwrap();
    writing.asked_at = stack.now();
    let seen = real.observe(&writing).await.unwrap().progress;
    assert!(matches!(seen, Progress::InProgress { .. }), "{seen}");
    writing.asked_at += jiff::SignedDuration::from_mins(2);
    let seen = real.observe(&writing).await.unwrap().progress;
    assert!(matches!(seen, Progress::Refused { .. }), "no rule covers it: {seen}");
}

/// Goal: a switchover and the way back are understood as somebody else's AWS shows them.
/// Method: the writer moves west, and the same action from the other side moves it home. Of the fence
/// nothing is learned here: this AWS shows an instance that writes in every cluster.
#[tokio::test]
async fn a_switchover_as_another_aws_shows_it() {
    let Some(stack) = Ministack::start().await else { return };
    let arns = stack.global_pair().await;
    let (real, shop) = (stack.real().await, shop(arns.clone()));
    let mut away = call_at(stack.now(), &shop, "switchover-database", json!({ "to": "standby" }));
    let (done, seen) = stack.carry_out(&real, &mut away).await;
    assert_eq!(done.outputs["writer"], json!(arns[1]), "{seen:?}");
    assert_eq!(done.outputs["data_loss"], json!("0s"));

    let mut home = call_at(stack.now(), &shop, "switchover-database", json!({ "to": "active" }));
    let (done, seen) = stack.carry_out(&real, &mut home).await;
    assert_eq!(done.outputs["writer"], json!(arns[0]), "{seen:?}");
}

/// Goal: a failover with data loss flips who writes; a loss that nobody can measure is unknown and does
/// not hold the promotion up.
/// Method: this AWS answers questions for metrics with something that no SDK can read.
#[tokio::test]
async fn a_failover_as_another_aws_shows_it() {
    let Some(stack) = Ministack::start().await else { return };
    let arns = stack.global_pair().await;
    let (real, shop) = (stack.real().await, shop(arns.clone()));
    let with = json!({ "to": "standby", "data_loss_max": "5m" });
    let mut failing = call_at(stack.now(), &shop, "failover-database", with);
    // So long ago that the metrics have had their time to answer.
    failing.started_at -= jiff::SignedDuration::from_mins(1);
    let (done, seen) = stack.carry_out(&real, &mut failing).await;
    assert_eq!(done.outputs["writer"], json!(arns[1]), "{seen:?}");
    assert_eq!(done.outputs["data_loss"], json!("unknown"));
    let by = done.outputs["measured_by"].as_str().unwrap();
    assert!(by.contains("cloudwatch us-west-2 does not answer"), "{by}");
    let described = stack.rds(WEST, "DescribeGlobalClusters", &[]).await;
    let writers = described.matches("<IsWriter>true</IsWriter>").count();
    assert_eq!(writers, 1, "{described}");
}
