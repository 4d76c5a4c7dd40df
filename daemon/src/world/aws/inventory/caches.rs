//! Replication groups, the roles of their nodes, and their snapshots (facts §3).

use std::{collections::BTreeMap, sync::Arc};

use aws_sdk_elasticache::types::{NodeGroup, NodeGroupMember, ReplicationGroup, Snapshot};
use muster_state::call::CallError;

use super::{View, said};
use crate::world::{
    aws::{Arn, beside::Beside, cache, poller::whole},
    inventory::{CacheSide, GroupSide, Maker, Place, Seen, ShardSide},
};

const GROUPS: &str = "DescribeReplicationGroups";

/// Every cache that the application has in the region.
pub(super) async fn all(view: &View<'_>) -> Vec<(Place, CacheSide)> {
    let here = view.application.caches.iter().filter_map(|one| {
        let group = one.replication_groups.get(view.region.as_str())?;
        Some((one, group))
    });
    let here: Vec<_> = here.collect();
    if here.is_empty() {
        return Vec::new();
    }
    let (poller, beside) = (&view.real.poller, view.real.aws.beside(view.region));
    let (groups, snapshots) = futures::join!(
        poller.groups.get(&view.side, "elasticache", GROUPS, view.want, groups(view, &beside)),
        poller.saved(&view.side, &beside, view.want),
    );
    let groups = said(groups.map(|(_, list)| list));
    let snapshots = said(snapshots);
    let sides = here.into_iter().map(|(one, group)| {
        let of_maker = |ours: bool| {
            snapshots.clone().map(|list| {
                let of_group =
                    list.iter().filter(|one| one.replication_group_id() == Some(group.as_str()));
                let seen = of_group.filter_map(seen);
                let seen = seen.filter(|seen| (seen.maker != Maker::Provider) == ours);
                seen.map(|seen| (seen.id.clone(), seen)).collect::<BTreeMap<_, _>>()
            })
        };
        let side = CacheSide {
            group: groups.clone().map(|list| {
                let found =
                    list.iter().find(|it| it.replication_group_id() == Some(group.as_str()));
                found.map(described)
            }),
            points: of_maker(true),
            automated: of_maker(false),
        };
        (view.place(&one.name), side)
    });
    sides.collect()
}

async fn groups(view: &View<'_>, beside: &Beside) -> Result<Arc<[ReplicationGroup]>, CallError> {
    let pages = beside.caches.describe_replication_groups().into_paginator().send();
    whole(&view.side, "elasticache", GROUPS, pages, |page| page.replication_groups).await
}

fn described(found: &ReplicationGroup) -> GroupSide {
    let global = found.global_replication_group_info().and_then(|info| {
        let id = info.global_replication_group_id().filter(|id| !id.is_empty())?;
        let role = info.global_replication_group_member_role().unwrap_or("without a role");
        Some((id.to_owned(), role.to_owned()))
    });
    let nodes = found.node_groups().iter().flat_map(|group| group.node_group_members());
    GroupSide {
        status: found.status().unwrap_or("without a status").to_owned(),
        global,
        members: nodes
            .filter_map(|node| {
                Some((node.cache_cluster_id()?.to_owned(), node.current_role()?.to_owned()))
            })
            .collect(),
        promotes: found.automatic_failover().and_then(|word| is_on(word.as_str())),
        multi_az: found.multi_az().and_then(|word| is_on(word.as_str())),
        shards: found.node_groups().iter().map(shard).collect(),
    }
}

/// A switch in AWS's word; nothing while it is being turned.
fn is_on(word: &str) -> Option<bool> {
    match word {
        "enabled" => Some(true),
        "disabled" => Some(false),
        _ => None,
    }
}

fn shard(found: &NodeGroup) -> ShardSide {
    let zone = |node: &NodeGroupMember| node.preferred_availability_zone().map(str::to_owned);
    ShardSide {
        id: found.node_group_id().unwrap_or("without a name").to_owned(),
        zones: found.node_group_members().iter().map(zone).collect(),
    }
}

/// A description does not say the tags of a snapshot: whose it is says its name, which bears the run.
fn seen(found: &Snapshot) -> Option<Seen> {
    let id = found.arn()?;
    let arn = Arn::parse(id)?;
    let name = found.snapshot_name().unwrap_or(&arn.name);
    let ours = name.strip_prefix("muster-").map(|rest| rest.strip_prefix("drill-").unwrap_or(rest));
    Some(Seen {
        id: id.to_owned(),
        account: arn.account,
        region: arn.region,
        maker: match (found.snapshot_source(), ours) {
            (Some("automated"), _) => Maker::Provider,
            (_, Some(_)) => Maker::Muster,
            (_, None) => Maker::Somebody,
        },
        run: ours.and_then(|rest| rest.split('-').next()).map(str::to_owned),
        status: found.snapshot_status().unwrap_or("without a status").to_owned(),
        data_time: cache::data_time(found),
        copied_from: None,
        key: found.kms_key_id().map(str::to_owned),
        size_gib: None,
        tags: BTreeMap::new(),
    })
}
