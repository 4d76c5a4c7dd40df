//! Where a global cluster stands between two writers.

use aws_sdk_rds::types::{FailoverStatus, GlobalClusterMember};

use super::*;
use crate::world::aws::fixture::{EAST, WEST, call};

const OTHER: &str = "arn:aws:rds:eu-west-1:123456789012:cluster:orders-eu";

fn orders(writer: Option<&str>, state: Option<FailoverState>) -> GlobalCluster {
    let members = [EAST, WEST, OTHER].map(|arn| {
        GlobalClusterMember::builder().db_cluster_arn(arn).is_writer(Some(arn) == writer).build()
    });
    GlobalCluster::builder()
        .set_global_cluster_members(Some(members.to_vec()))
        .set_failover_state(state)
        .build()
}

fn state(status: &str, from: &str, to: &str, data_loss: bool) -> Option<FailoverState> {
    let state = FailoverState::builder()
        .status(FailoverStatus::from(status))
        .from_db_cluster_arn(from)
        .to_db_cluster_arn(to)
        .is_data_loss_allowed(data_loss);
    Some(state.build())
}

/// Goal: a move to the west is taken for what it is, and a stranger's is not taken for ours.
/// Method: every state that facts §0.3, §0.4 and §1.4 name, for a switchover and for a failover.
#[test]
fn where_a_move_stands() {
    let aim = json!({ "writer": EAST });
    let empty = Some(FailoverState::builder().build());
    let table = [
        (orders(Some(EAST), None), false, "not started"),
        (orders(Some(EAST), empty), false, "not started"),
        (orders(Some(EAST), state("pending", EAST, WEST, false)), false, "pending to"),
        (
            orders(Some(EAST), state("switching-over", EAST, WEST, false)),
            false,
            "switching-over to",
        ),
        (orders(Some(EAST), state("failing-over", EAST, WEST, true)), true, "failing-over to"),
        (orders(None, state("failing-over", EAST, WEST, true)), true, "failing-over to"),
        (orders(Some(EAST), state("something-new", EAST, WEST, true)), true, "something-new to"),
        (orders(Some(WEST), state("failing-over", EAST, WEST, true)), true, "failing-over to"),
        (orders(Some(EAST), state("failing-over", EAST, WEST, true)), false, "not ours"),
        (orders(Some(EAST), state("switching-over", EAST, WEST, false)), true, "not ours"),
        (orders(Some(EAST), state("switching-over", EAST, OTHER, false)), false, "not ours"),
        (orders(Some(OTHER), state("switching-over", OTHER, WEST, false)), false, "not ours"),
        (orders(Some(EAST), state("cancelling", EAST, WEST, false)), false, "not ours"),
        (orders(Some(OTHER), None), false, "not ours"),
        (orders(None, None), false, "no member writes"),
        (orders(Some(WEST), None), false, "moved"),
    ];
    let call = call("switchover-database", json!({ "to": "standby" }));
    let database = database(&call).unwrap();
    for aim in [None, Some(&aim)] {
        for (global, data_loss, meant) in &table {
            let seen = stands(global, database, WEST, *data_loss, aim);
            let said = seen.map_or("moved".to_owned(), |progress| progress.to_string());
            assert!(said.contains(meant), "{said}, not {meant}: {global:?} {aim:?}");
        }
    }
}

/// Goal: what is recorded before the first begin names the writer, for the begin asks its region.
#[test]
fn what_is_aimed_at() {
    let call = call("switchover-database", json!({ "to": "standby" }));
    let database = database(&call).unwrap();
    let seen = stands(&orders(Some(EAST), None), database, WEST, false, None);
    let Some(Progress::NotStarted { before, targets }) = seen else { panic!("{seen:?}") };
    assert_eq!((&before["writer"], targets.as_slice()), (&json!(EAST), &[WEST.to_owned()][..]));
    let gone = GlobalCluster::builder().build();
    let seen = stands(&gone, database, WEST, false, None);
    assert!(matches!(seen, Some(Progress::Refused { .. })), "{seen:?}");
}
