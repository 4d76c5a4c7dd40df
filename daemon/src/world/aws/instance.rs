//! Clusters and their instances inside one region: who writes, and failover between them (facts §1.6).

use aws_sdk_rds::types::{DbCluster, DbInstance};
use muster_runbooks::{action::database::FailoverInRegion, value::Span};
use muster_state::call::{Answer, Call, CallError, Done, Progress};
use serde_json::{Value, json};

use super::{cluster_in, database, error, poller::Desk, snapshot::cluster_name};
use crate::world::real::{Real, Verbs, on, verbs};

/// Makes another instance of a cluster the writer.
pub(in crate::world) fn failover<'a>(
    real: &'a Real,
    call: &'a Call,
    action: &'a FailoverInRegion,
) -> Verbs<'a> {
    verbs(call, observe(real, call, action), begin(real, call, action))
}

/// Where a failover inside the region stands: done when another instance than before writes.
async fn observe(
    real: &Real,
    call: &Call,
    action: &FailoverInRegion,
) -> Result<Progress, CallError> {
    let region = on(call)?.region(action.at);
    let side = real.aws.side(region);
    let desk = real.desk(&side, call);
    let arn = cluster_in(call, database(call)?, region)?;
    let Some(found) = cluster(desk, arn).await? else {
        return Ok(Progress::Refused { reason: format!("`{arn}` does not exist") });
    };
    let before = call.aim.as_ref().map(|aim| &aim.before);
    if let Some(progress) = stands(&found, arn, before) {
        return Ok(progress);
    }
    if let Some(progress) = not_writing(desk, arn).await? {
        return Ok(progress);
    }
    let from = call.aim.as_ref().map_or(call.started_at, |aim| aim.at);
    Ok(Progress::Done(Done::with([
        ("writer", json!(writer(&found))),
        ("took", json!(Span::between(from, call.asked_at))),
    ])))
}

/// Fails over once. A second call would fail over again (facts §8): one try, and never a repeat.
async fn begin(real: &Real, call: &Call, action: &FailoverInRegion) -> Result<Answer, CallError> {
    let region = on(call)?.region(action.at);
    let arn = cluster_in(call, database(call)?, region)?;
    if call.aim.is_none() {
        return Err(error::unfit(call, "the writer before was not recorded"));
    }
    let side = real.aws.side(region);
    let sent =
        side.act.rds.failover_db_cluster().db_cluster_identifier(cluster_name(arn)).send().await;
    real.poller.forget_writers(&side).await;
    match sent {
        Ok(_) => Ok(Answer::Accepted),
        Err(why) => error::trouble(why).begun(side.name("rds"), "FailoverDBCluster"),
    }
}

/// A cluster as its region sees it; `None` if there is none.
pub(super) async fn cluster(desk: Desk<'_>, arn: &str) -> Result<Option<DbCluster>, CallError> {
    let list = desk.clusters().await?;
    Ok(list.iter().find(|cluster| cluster.db_cluster_arn() == Some(arn)).cloned())
}

/// Why a cluster does not take writes yet; `None` when it is available and so is the instance that
/// writes.
pub(super) async fn not_writing(desk: Desk<'_>, arn: &str) -> Result<Option<Progress>, CallError> {
    let waits = |note: String| Ok(Some(Progress::in_progress(note)));
    let Some(found) = cluster(desk, arn).await? else {
        return waits(format!("`{arn}` cannot be seen"));
    };
    let status = found.status().unwrap_or("without a status");
    if status != "available" {
        return waits(format!("`{arn}` is {status}"));
    }
    let Some(writer) = writer(&found) else {
        // RDS-EVENT-0519: completed, and no instance (facts §1.2).
        return waits(format!("`{arn}` has no instance that writes"));
    };
    let list = desk.instances().await?;
    let seen = list.iter().find(|one| one.db_instance_identifier() == Some(writer));
    match seen.and_then(|instance| instance.db_instance_status()) {
        Some("available") => Ok(None),
        status => waits(format!("`{writer}` is {}", status.unwrap_or("not to be seen"))),
    }
}

/// Whether a cluster has an instance that is available, such as the reader that a standby promotes.
pub(super) async fn any_available(desk: Desk<'_>, arn: &str) -> Result<bool, CallError> {
    let name = cluster_name(arn);
    let available = |one: &DbInstance| {
        one.db_cluster_identifier() == Some(name) && one.db_instance_status() == Some("available")
    };
    Ok(desk.instances().await?.iter().any(available))
}

/// The instance that writes.
pub(super) fn writer(cluster: &DbCluster) -> Option<&str> {
    let members = cluster.db_cluster_members();
    let found = members.iter().find(|member| member.is_cluster_writer() == Some(true));
    found.and_then(|member| member.db_instance_identifier())
}

/// Where the cluster stands against what was recorded; `None` when another instance writes.
fn stands(found: &DbCluster, arn: &str, before: Option<&Value>) -> Option<Progress> {
    let status = found.status().unwrap_or("without a status");
    let writes = writer(found);
    let Some(before) = before else {
        // Aiming in the middle of somebody else's failover would take theirs for ours.
        if status != "available" {
            return Some(Progress::in_progress(format!("`{arn}` is {status}")));
        }
        if found.db_cluster_members().len() < 2 {
            // Without a replica a new instance is made in the same zone: minutes, not seconds, and
            // not what was asked for (facts §1.6).
            return Some(Progress::Refused { reason: format!("`{arn}` has no second instance") });
        }
        return Some(Progress::NotStarted {
            before: json!({ "writer": writes }),
            targets: vec![arn.to_owned()],
        });
    };
    let was = before.get("writer").and_then(Value::as_str);
    if writes.is_some() && writes != was {
        return None;
    }
    if status != "available" || writes.is_none() {
        return Some(Progress::in_progress(format!("`{arn}` is {status}")));
    }
    Some(Progress::NotStarted { before: before.clone(), targets: vec![arn.to_owned()] })
}

#[cfg(test)]
mod tests {
    use aws_sdk_rds::types::DbClusterMember;

    use super::*;

    const ARN: &str = "arn:aws:rds:us-east-1:123456789012:cluster:orders";

    fn orders(status: &str, members: &[(&str, bool)]) -> DbCluster {
        let member = |(name, writes): &(&str, bool)| {
            DbClusterMember::builder()
                .db_instance_identifier(*name)
                .is_cluster_writer(*writes)
                .build()
        };
        let members = members.iter().map(member).collect();
        DbCluster::builder().status(status).set_db_cluster_members(Some(members)).build()
    }

    /// Goal: a failover inside a region is taken for done only when another instance writes.
    /// Method: every shape of the cluster, before and after the aim.
    #[test]
    fn where_a_failover_stands() {
        let before = json!({ "writer": "a" });
        let table = [
            (orders("available", &[("a", true), ("b", false)]), None, "not started"),
            (orders("failing-over", &[("a", true), ("b", false)]), None, "is failing-over"),
            (orders("available", &[("a", true)]), None, "refused"),
            (orders("available", &[("a", true), ("b", false)]), Some(&before), "not started"),
            (
                orders("failing-over", &[("a", true), ("b", false)]),
                Some(&before),
                "is failing-over",
            ),
            (orders("available", &[("a", false), ("b", false)]), Some(&before), "is available"),
            (orders("failing-over", &[("a", false), ("b", true)]), Some(&before), "moved"),
            (orders("available", &[("a", false), ("b", true)]), Some(&before), "moved"),
        ];
        for (found, before, meant) in table {
            let seen = stands(&found, ARN, before);
            let said = seen.map_or("moved".to_owned(), |progress| progress.to_string());
            assert!(said.contains(meant), "{said}, not {meant}: {found:?}");
        }
    }
}
