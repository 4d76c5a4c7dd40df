//! What the two looks at a canary mean.

use aws_sdk_s3::types::ReplicationStatus;

use super::*;
use crate::world::aws::fixture::call;

fn object(token: &str, status: Option<&str>, written_at: &str) -> HeadObjectOutput {
    HeadObjectOutput::builder()
        .metadata(TOKEN, token)
        .metadata(WRITTEN_AT, written_at)
        .set_replication_status(status.map(ReplicationStatus::from))
        .build()
}

#[test]
fn where_a_canary_is() {
    // Asked at 02:01:00.
    let call = call("write-canary", json!({ "at": "active" }));
    let (fresh, old) = ("2026-03-01T02:00:30Z", "2026-03-01T01:59:00Z");
    let table = [
        (Some("PENDING"), old, "replication PENDING"),
        (Some("COMPLETED"), old, "replication COMPLETED"),
        (Some("COMPLETE"), old, "replication COMPLETE"),
        (Some("FAILED"), fresh, "failed: "),
        (None, fresh, "without a status yet"),
        (None, old, "refused: no replication rule"),
    ];
    for (status, written_at, meant) in table {
        let said = travelling(&call, "canaries", &object(call.token.as_str(), status, written_at))
            .to_string();
        assert!(said.contains(meant), "{status:?} {written_at}: {said}");
    }
    let span = arrived(&call, &object(call.token.as_str(), None, fresh), call.asked_at).unwrap();
    assert_eq!(span.to_string(), "30s");
    let foreign = arrived(&call, &object("another", None, fresh), call.asked_at);
    assert!(matches!(foreign, Err(Progress::Foreign { .. })));
    let arrivals = Arrivals::default();
    assert_eq!(arrivals.first_seen("a", call.started_at), call.started_at);
    assert_eq!(arrivals.first_seen("a", call.asked_at), call.started_at, "the first look counts");
    let Progress::Done(done) = all_arrived(&[("one", span), ("two", Span::from_secs(90))]) else {
        panic!()
    };
    assert_eq!(done.outputs["arrived_after"], json!("1m 30s"));
    assert_eq!(done.outputs["arrived"], json!(["one 30s", "two 1m 30s"]));
}
