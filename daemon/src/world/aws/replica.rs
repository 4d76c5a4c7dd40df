//! Replication groups and their nodes inside one region: who is the primary, and failover between them
//! (facts §3).
//!
//! Where automatic failover is on ElastiCache promotes a replica by itself. `TestFailover` practises that, and
//! is no way to recover: it is limited, and AWS may block it just then. Where automatic failover is off a
//! replica becomes the primary when it is told to, and only there: AWS refuses it otherwise.

use aws_sdk_elasticache::types::{NodeGroup, NodeGroupMember, ReplicationGroup};
use muster_runbooks::{action::cache::FailoverCacheInRegion, name::Region, value::Span};
use muster_state::call::{Answer, Call, CallError, Done, Progress};
use serde_json::{Value, json};

use super::{beside::Beside, cache, error};
use crate::world::real::{Real, Verbs, on, verbs};

/// Makes another node the primary.
pub(in crate::world) fn failover<'a>(
    real: &'a Real,
    call: &'a Call,
    action: &'a FailoverCacheInRegion,
) -> Verbs<'a> {
    verbs(call, observe(real, call, action), begin(real, call, action))
}

/// Where a failover stands: done when another node than before is the primary of an available group.
async fn observe(
    real: &Real,
    call: &Call,
    action: &FailoverCacheInRegion,
) -> Result<Progress, CallError> {
    let region = on(call)?.region(action.at);
    let id = cache::group(call, region)?;
    let found = describe(real, region, id).await?;
    Ok(stands(call, found.as_ref(), id, action.is_practice()))
}

/// Fails over once. A second call would fail over again: one try, and never a repeat.
async fn begin(
    real: &Real,
    call: &Call,
    action: &FailoverCacheInRegion,
) -> Result<Answer, CallError> {
    let region = on(call)?.region(action.at);
    let id = cache::group(call, region)?;
    let aimed = |field: &str| {
        let aim = call.aim.as_ref().and_then(|aim| aim.before.get(field)).and_then(Value::as_str);
        aim.ok_or_else(|| error::unfit(call, "the primary before was not recorded"))
    };
    let clients = real.aws.beside(region);
    let service = real.aws.side(region).name("elasticache");
    let (operation, sent) = if action.is_practice() {
        let asked = clients.caches_act.test_failover().replication_group_id(id);
        let sent = asked.node_group_id(aimed("shard")?).send().await;
        ("TestFailover", sent.map(drop).map_err(error::trouble))
    } else {
        let asked = clients.caches_act.modify_replication_group().replication_group_id(id);
        let asked = asked.primary_cluster_id(aimed("to")?).apply_immediately(true);
        ("ModifyReplicationGroup", asked.send().await.map(drop).map_err(error::trouble))
    };
    match sent {
        Ok(()) => Ok(Answer::Accepted),
        Err(why) => why.begun(service, operation),
    }
}

async fn describe(
    real: &Real,
    region: &Region,
    id: &str,
) -> Result<Option<ReplicationGroup>, CallError> {
    let clients: std::sync::Arc<Beside> = real.aws.beside(region);
    let asked = clients.caches.describe_replication_groups().replication_group_id(id);
    match asked.send().await.map_err(error::trouble) {
        Ok(answer) => Ok(answer.replication_groups.unwrap_or_default().into_iter().next()),
        Err(why) if why.class == error::Class::Missing => Ok(None),
        Err(why) => {
            Err(why.at(real.aws.side(region).name("elasticache"), "DescribeReplicationGroups"))
        }
    }
}

/// What a group says about the failover of its one shard. That another node is the primary means nothing
/// before the move was aimed.
fn stands(call: &Call, found: Option<&ReplicationGroup>, id: &str, is_practice: bool) -> Progress {
    let Some(found) = found else {
        return Progress::Refused { reason: format!("there is no replication group `{id}`") };
    };
    let status = found.status().unwrap_or("without a status");
    if ["deleting", "create-failed"].contains(&status) {
        return Progress::Refused { reason: format!("`{id}` is {status}") };
    }
    let shard = shard(found);
    let primary = shard.and_then(primary).and_then(NodeGroupMember::cache_cluster_id);
    if status != "available" || (shard.is_some() && primary.is_none()) {
        let primary = primary.unwrap_or("unknown");
        // It may be busy with anything else while it is modifying; for us it comes to the same.
        let is_promoting = ["available", "modifying"].contains(&status)
            && automatic(found) == "enabled"
            && !is_practice;
        let by_itself = if is_promoting { "; ElastiCache is promoting by itself" } else { "" };
        return Progress::in_progress(format!(
            "`{id}` is {status}, its primary {primary}{by_itself}"
        ));
    }
    let before = call.aim.as_ref().and_then(|aim| aim.before.get("primary")?.as_str());
    if let (Some(before), Some(primary)) = (before, primary)
        && before != primary
    {
        return Progress::Done(Done::with([
            ("primary", json!(primary)),
            ("before", json!(before)),
            ("took", took(call)),
        ]));
    }
    if let Some(held) = held(found, id, primary, is_practice) {
        return held;
    }
    match (&call.aim, shard) {
        (Some(aim), Some(_)) => {
            Progress::NotStarted { before: aim.before.clone(), targets: aim.targets.clone() }
        }
        (None, Some(shard)) => aimed(shard, id, is_practice),
        // Nobody could see whether it happened, and doing it again does it again.
        (_, None) => Progress::Refused {
            reason: format!(
                "AWS says of no node of `{id}` whether it is the primary (cluster mode is enabled), so nobody \
                 could see that it moved; practise with `aws elasticache test-failover` and look at the events \
                 of the group"
            ),
        },
    }
}

/// The shard of a group whose nodes say their roles: those of cluster mode do not.
fn shard(found: &ReplicationGroup) -> Option<&NodeGroup> {
    match found.node_groups() {
        [one] if found.cluster_enabled() != Some(true) => Some(one),
        _ => None,
    }
}

fn primary(shard: &NodeGroup) -> Option<&NodeGroupMember> {
    shard.node_group_members().iter().find(|node| is_primary(node))
}

fn is_primary(node: &NodeGroupMember) -> bool {
    node.current_role().is_some_and(|role| role.eq_ignore_ascii_case("primary"))
}

/// Whether a replica is promoted by itself, in AWS's word.
fn automatic(found: &ReplicationGroup) -> &str {
    found.automatic_failover().map_or("unknown", |word| word.as_str())
}

/// Why a group is not failed over in this way; nothing when it may be.
fn held(
    found: &ReplicationGroup,
    id: &str,
    primary: Option<&str>,
    is_practice: bool,
) -> Option<Progress> {
    let reason = match (automatic(found), is_practice) {
        ("disabled", false) | ("enabled", true) => return None,
        ("enabled", false) => {
            let now =
                primary.map(|primary| format!(" (it is `{primary}` now)")).unwrap_or_default();
            format!(
                "automatic failover of `{id}` is on: ElastiCache promotes by itself when the primary{now} dies. \
                 `TestFailover` is for practice only, and must not be a way to recover; start the runbook with \
                 `practice: true` to practise"
            )
        }
        ("disabled", true) => format!(
            "automatic failover of `{id}` is off, so there is none to practise; start the runbook without \
             `practice` to promote a replica, or turn automatic failover on first"
        ),
        // `enabling`, `disabling`, and what AWS may add.
        (other, _) => {
            return Some(Progress::in_progress(format!("automatic failover of `{id}` is {other}")));
        }
    };
    Some(Progress::Refused { reason })
}

/// What stands before, and where it goes. `TestFailover` takes the shard, and AWS chooses the node.
fn aimed(shard: &NodeGroup, id: &str, is_practice: bool) -> Progress {
    let before = primary(shard);
    let Some(to) = replica(shard, before.and_then(NodeGroupMember::preferred_availability_zone))
    else {
        let reason = format!(
            "`{id}` has no replica that could become the primary; add one in another availability zone \
             (`aws elasticache increase-replica-count`)"
        );
        return Progress::Refused { reason };
    };
    let before = before.and_then(NodeGroupMember::cache_cluster_id);
    let name = shard.node_group_id().unwrap_or("0001");
    if is_practice {
        return Progress::NotStarted {
            before: json!({ "primary": before, "shard": name }),
            targets: vec![format!("{id}/{name}")],
        };
    }
    Progress::NotStarted {
        before: json!({ "primary": before, "shard": name, "to": to }),
        targets: vec![to.to_owned()],
    }
}

/// The replica to move to: one in another zone than the primary before one beside it, then by name.
fn replica<'a>(shard: &'a NodeGroup, zone: Option<&str>) -> Option<&'a str> {
    let replicas = shard.node_group_members().iter().filter(|node| !is_primary(node));
    let named = replicas.filter_map(|node| {
        let own = node.preferred_availability_zone();
        let is_elsewhere = own.is_some() && zone.is_some() && own != zone;
        Some((!is_elsewhere, node.cache_cluster_id()?))
    });
    named.min().map(|(_, name)| name)
}

fn took(call: &Call) -> Value {
    let from = call.aim.as_ref().map_or(call.started_at, |aim| aim.at);
    json!(Span::between(from, call.asked_at))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aws_sdk_elasticache::types::AutomaticFailoverStatus;
    use muster_state::step::Aim;

    use super::*;
    use crate::world::aws::fixture::{at, call};

    type Node<'a> = (&'a str, Option<&'a str>, &'a str);

    fn shard_of(nodes: &[Node<'_>]) -> NodeGroup {
        let node = |(name, role, zone): &Node<'_>| {
            NodeGroupMember::builder()
                .cache_cluster_id(*name)
                .set_current_role(role.map(str::to_owned))
                .preferred_availability_zone(*zone)
                .build()
        };
        NodeGroup::builder()
            .node_group_id("0001")
            .set_node_group_members(Some(nodes.iter().map(node).collect()))
            .build()
    }

    fn shown(status: &str, automatic: &str, nodes: &[Node<'_>]) -> ReplicationGroup {
        ReplicationGroup::builder()
            .replication_group_id("shop")
            .status(status)
            .automatic_failover(AutomaticFailoverStatus::from(automatic))
            .node_groups(shard_of(nodes))
            .build()
    }

    fn judged(found: Option<&ReplicationGroup>, is_practice: bool, is_aimed: bool) -> Progress {
        let with = json!({ "at": "active", "practice": is_practice });
        let mut call = call("failover-cache-in-region", with);
        let before = json!({ "primary": "a", "shard": "0001", "to": "b" });
        let aim = Aim { at: at("2026-03-01T02:00:00Z"), before, targets: vec!["b".to_owned()] };
        call.aim = is_aimed.then(|| Arc::new(aim));
        stands(&call, found, "shop", is_practice)
    }

    const BEFORE: &[Node<'_>] = &[("a", Some("primary"), "1a"), ("b", Some("replica"), "1b")];
    const AFTER: &[Node<'_>] = &[("a", Some("replica"), "1a"), ("b", Some("primary"), "1b")];
    const HEADLESS: &[Node<'_>] = &[("a", Some("replica"), "1a"), ("b", Some("replica"), "1b")];

    /// Goal: only another primary of an available group is a failover that is over; `TestFailover` is asked for
    /// in practice alone, and a promotion only where nothing promotes by itself.
    /// Method: every shape in which a group can answer, in earnest and for practice, before and after the aim.
    #[test]
    fn what_a_group_means() {
        let (off, on) = ("disabled", "enabled");
        let (earnest, practised) = (false, true);
        let table = [
            (Some(shown("available", off, BEFORE)), earnest, false, "not started"),
            (Some(shown("available", off, AFTER)), earnest, false, "not started"),
            (Some(shown("modifying", off, BEFORE)), earnest, false, "is modifying, its primary a"),
            (Some(shown("snapshotting", off, BEFORE)), earnest, false, "is snapshotting"),
            (Some(shown("available", off, HEADLESS)), earnest, false, "its primary unknown"),
            (Some(shown("available", off, &BEFORE[..1])), earnest, false, "has no replica"),
            (Some(shown("available", off, BEFORE)), earnest, true, "not started"),
            (Some(shown("modifying", off, BEFORE)), earnest, true, "is modifying"),
            (Some(shown("modifying", off, AFTER)), earnest, true, "is modifying, its primary b"),
            (Some(shown("available", off, AFTER)), earnest, true, "done"),
            (Some(shown("available", on, AFTER)), earnest, true, "done"),
            (Some(shown("available", on, BEFORE)), earnest, true, "must not be a way to recover"),
            (Some(shown("available", on, BEFORE)), earnest, false, "(it is `a` now)"),
            (Some(shown("modifying", on, BEFORE)), earnest, false, "is promoting by itself"),
            (Some(shown("available", on, HEADLESS)), earnest, false, "is promoting by itself"),
            (
                Some(shown("snapshotting", on, BEFORE)),
                earnest,
                false,
                "snapshotting, its primary a",
            ),
            (Some(shown("available", "enabling", BEFORE)), earnest, false, "is enabling"),
            (Some(shown("available", "something", BEFORE)), practised, false, "is something"),
            (Some(shown("available", on, BEFORE)), practised, false, "not started"),
            (Some(shown("modifying", on, BEFORE)), practised, true, "is modifying, its primary a"),
            (Some(shown("available", on, AFTER)), practised, true, "done"),
            (Some(shown("available", on, &BEFORE[..1])), practised, false, "has no replica"),
            (Some(shown("available", off, BEFORE)), practised, false, "there is none to practise"),
            (Some(shown("deleting", on, AFTER)), practised, true, "refused: `shop` is deleting"),
            (Some(shown("create-failed", off, &[])), earnest, false, "is create-failed"),
            (None, earnest, false, "there is no replication group `shop`"),
        ];
        for (found, is_practice, is_aimed, meant) in table {
            let said = judged(found.as_ref(), is_practice, is_aimed).to_string();
            assert!(said.contains(meant), "{said}, not {meant}: {found:?}");
        }
    }

    /// Goal: where no node says its role nothing is asked for, because nobody could see what came of it.
    /// Method: cluster mode, with one shard and with two, as AWS shows it: without roles.
    #[test]
    fn cluster_mode_shows_no_primary() {
        let nodes = [("a", None, "1a"), ("b", None, "1b")];
        for shards in 1..=2 {
            let group = ReplicationGroup::builder()
                .status("available")
                .cluster_enabled(true)
                .automatic_failover(AutomaticFailoverStatus::Enabled)
                .set_node_groups(Some(vec![shard_of(&nodes); shards]))
                .build();
            let practised = judged(Some(&group), true, false).to_string();
            assert!(practised.starts_with("refused: AWS says of no node of `shop`"), "{practised}");
            let earnest = judged(Some(&group), false, false).to_string();
            assert!(earnest.contains("promotes by itself when the primary dies"), "{earnest}");
        }
    }

    /// Goal: a replica in another zone is preferred, then the first by name; one of which nobody knows the zone
    /// counts as beside the primary. Practice leaves the choice to AWS.
    /// Method: shards of several nodes, and what would be aimed at.
    #[test]
    fn where_a_promotion_goes() {
        let primary = ("a", Some("primary"), "1a");
        let table: [(&[Node<'_>], &str); 4] = [
            (&[primary, ("c", Some("replica"), "1b"), ("b", Some("replica"), "1c")], "b"),
            (&[primary, ("b", Some("replica"), "1a"), ("c", Some("replica"), "1b")], "c"),
            (&[primary, ("c", Some("replica"), "1a"), ("b", Some("replica"), "1a")], "b"),
            (&[("b", Some("replica"), "1b"), primary], "b"),
        ];
        for (nodes, to) in table {
            let before = json!({ "primary": "a", "shard": "0001", "to": to });
            let targets = vec![to.to_owned()];
            let seen = judged(Some(&shown("available", "disabled", nodes)), false, false);
            assert_eq!(seen, Progress::NotStarted { before, targets }, "{nodes:?}");
            let before = json!({ "primary": "a", "shard": "0001" });
            let targets = vec!["shop/0001".to_owned()];
            let seen = judged(Some(&shown("available", "enabled", nodes)), true, false);
            assert_eq!(seen, Progress::NotStarted { before, targets }, "{nodes:?}");
        }
        let unknown = NodeGroupMember::builder().cache_cluster_id("b").current_role("replica");
        let mut shard = shard_of(&[primary, ("c", Some("replica"), "1b")]);
        shard.node_group_members.as_mut().unwrap().push(unknown.build());
        assert_eq!(replica(&shard, Some("1a")), Some("c"));
    }
}
