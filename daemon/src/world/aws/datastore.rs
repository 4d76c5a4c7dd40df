//! Global datastores of ElastiCache: the primary moves to the other region (facts §3).
//!
//! Asked for at the side that becomes the primary, and looked at from there: the side being left may not
//! answer. Several promotions at once are all taken and AWS names no winner, so whoever begins looks first,
//! and success is what the datastore shows in the end.

use aws_sdk_elasticache::types::{GlobalReplicationGroup, GlobalReplicationGroupMember};
use muster_runbooks::{
    action::cache::FailoverCache,
    application::{Cache, Component},
    name::Region,
    value::Span,
};
use muster_state::call::{Answer, Call, CallError, Done, Progress};
use serde_json::{Value, json};

use super::{beside::Beside, cache, error};
use crate::world::real::{Real, Verbs, on, verbs};

/// Makes a side the primary.
pub(in crate::world) fn failover<'a>(
    real: &'a Real,
    call: &'a Call,
    action: &'a FailoverCache,
) -> Verbs<'a> {
    verbs(call, observe(real, call, action), begin(real, call, action))
}

/// Where the promotion stands, seen from its target.
async fn observe(real: &Real, call: &Call, action: &FailoverCache) -> Result<Progress, CallError> {
    let to = on(call)?.region(action.to);
    let (id, group) = (datastore(call)?, cache::group(call, to)?);
    let found = describe(real, to, id).await?;
    Ok(stands(call, found.as_ref(), id, to, group))
}

/// Asks the target's region, unless it is the primary already.
async fn begin(real: &Real, call: &Call, action: &FailoverCache) -> Result<Answer, CallError> {
    let to = on(call)?.region(action.to);
    let (id, group) = (datastore(call)?, cache::group(call, to)?);
    let found = describe(real, to, id).await?;
    if found.as_ref().and_then(primary).is_some_and(|primary| is_at(primary, to, group)) {
        return Ok(Answer::Accepted);
    }
    let clients = real.aws.beside(to);
    let sent = clients
        .caches_act
        .failover_global_replication_group()
        .global_replication_group_id(id)
        .primary_region(to.as_str())
        .primary_replication_group_id(group)
        .send()
        .await;
    match sent {
        Ok(_) => Ok(Answer::Accepted),
        Err(why) => {
            let service = real.aws.side(to).name("elasticache");
            error::trouble(why).begun(service, "FailoverGlobalReplicationGroup")
        }
    }
}

async fn describe(
    real: &Real,
    at: &Region,
    id: &str,
) -> Result<Option<GlobalReplicationGroup>, CallError> {
    const OPERATION: &str = "DescribeGlobalReplicationGroups";
    let clients: std::sync::Arc<Beside> = real.aws.beside(at);
    let asked = clients
        .caches
        .describe_global_replication_groups()
        .global_replication_group_id(id)
        .show_member_info(true);
    match asked.send().await.map_err(error::trouble) {
        Ok(answer) => Ok(answer.global_replication_groups.unwrap_or_default().into_iter().next()),
        Err(why) if why.class == error::Class::Missing => Ok(None),
        Err(why) => Err(why.at(real.aws.side(at).name("elasticache"), OPERATION)),
    }
}

fn primary(found: &GlobalReplicationGroup) -> Option<&GlobalReplicationGroupMember> {
    let mut members = found.members().iter();
    members.find(|one| one.role().is_some_and(|role| role.eq_ignore_ascii_case("primary")))
}

fn is_at(member: &GlobalReplicationGroupMember, region: &Region, group: &str) -> bool {
    member.replication_group_region() == Some(region.as_str())
        && member.replication_group_id() == Some(group)
}

/// What a datastore says about the move of its primary. Before the move was aimed it has not started, even
/// where the target is the primary already: somebody promoted it by hand, and the run has nothing to fear
/// from that.
fn stands(
    call: &Call,
    found: Option<&GlobalReplicationGroup>,
    id: &str,
    to: &Region,
    group: &str,
) -> Progress {
    let Some(found) = found else {
        return Progress::Refused { reason: format!("there is no global datastore `{id}`") };
    };
    if !found.members().iter().any(|member| is_at(member, to, group)) {
        let reason = format!("`{group}` in {to} is no member of `{id}`");
        return Progress::Refused { reason };
    }
    let now = primary(found);
    let place = now.map(|one| {
        let part = |text: Option<&str>| text.unwrap_or("?").to_owned();
        format!("{}/{}", part(one.replication_group_region()), part(one.replication_group_id()))
    });
    let status = found.status().unwrap_or("without a status");
    let is_there = now.is_some_and(|one| is_at(one, to, group));
    if call.aim.is_none() || (!is_there && status != "modifying") {
        let targets = if is_there { Vec::new() } else { vec![format!("{to}/{group}")] };
        return Progress::NotStarted {
            before: json!({ "primary": place, "status": status }),
            targets,
        };
    }
    // `primary-only` is one whose other members are gone, and it serves.
    if !is_there || !matches!(status, "available" | "primary-only") {
        let place = place.as_deref().unwrap_or("nobody");
        return Progress::in_progress(format!("`{id}` is {status}, its primary {place}"));
    }
    Progress::Done(Done::with([("primary", json!(place)), ("took", took(call))]))
}

fn took(call: &Call) -> Value {
    let from = call.aim.as_ref().map_or(call.started_at, |aim| aim.at);
    json!(Span::between(from, call.asked_at))
}

fn datastore(call: &Call) -> Result<&str, CallError> {
    let cache = call.component.as_deref().and_then(Component::cache);
    let Cache { name, global, .. } =
        cache.ok_or_else(|| error::unfit(call, "the step names no cache"))?;
    global
        .as_deref()
        .ok_or_else(|| error::unfit(call, &format!("`{name}` declares no `global` datastore")))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use muster_state::step::Aim;

    use super::*;
    use crate::world::aws::fixture::{at, call};

    fn shown(status: &str, members: &[(&str, &str)]) -> GlobalReplicationGroup {
        let member = |(region, role): &(&str, &str)| {
            GlobalReplicationGroupMember::builder()
                .replication_group_id("shop")
                .replication_group_region(*region)
                .role(*role)
                .build()
        };
        GlobalReplicationGroup::builder()
            .global_replication_group_id("ldgnf-shop")
            .status(status)
            .set_members(Some(members.iter().map(member).collect()))
            .build()
    }

    /// Goal: only a primary at the target of a datastore that is available is a promotion that is over.
    /// Method: every shape in which a datastore can answer, before and after the aim.
    #[test]
    fn what_a_datastore_means() {
        let (east, west) = ("us-east-1", "us-west-2");
        let before = [(east, "PRIMARY"), (west, "SECONDARY")];
        let after = [(east, "SECONDARY"), (west, "PRIMARY")];
        let table = [
            (Some(shown("available", &before)), false, "not started"),
            (Some(shown("modifying", &before)), false, "not started"),
            (Some(shown("available", &after)), false, "not started"),
            (Some(shown("available", &before)), true, "not started"),
            (Some(shown("modifying", &before)), true, "is modifying, its primary us-east-1/shop"),
            (Some(shown("modifying", &after)), true, "is modifying, its primary us-west-2/shop"),
            (Some(shown("available", &after)), true, "done"),
            (Some(shown("primary-only", &[(west, "PRIMARY")])), true, "done"),
            (Some(shown("deleting", &after)), true, "is deleting"),
            (Some(shown("available", &before[..1])), true, "is no member"),
            (None, true, "there is no global datastore"),
        ];
        let to: Region = west.parse().unwrap();
        for (found, aimed, meant) in table {
            let mut call = call("failover-cache", json!({ "to": "standby" }));
            let aim = Aim { at: at("2026-03-01T02:00:00Z"), before: Value::Null, targets: vec![] };
            call.aim = aimed.then(|| Arc::new(aim));
            let progress = stands(&call, found.as_ref(), "ldgnf-shop", &to, "shop");
            assert!(progress.to_string().contains(meant), "{progress}, not {meant}: {found:?}");
        }
    }
}
