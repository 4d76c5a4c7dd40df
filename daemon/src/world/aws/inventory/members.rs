//! Whether each database's member could take over: its engine, its instances, its parameters, and its
//! global cluster as the region describes it (facts §1.2, §11).

use std::collections::BTreeMap;

use aws_sdk_rds::types::{DbCluster, DbInstance, GlobalCluster};
use futures::future::join_all;
use muster_runbooks::application::Database;
use muster_state::call::CallError;

use super::{View, said};
use crate::world::{
    aws::{global, poller::whole, snapshot::cluster_name},
    inventory::{
        Place,
        takeover::{Engine, GlobalSide, InstanceSide, MemberSide},
    },
};

const PARAMETERS: &str = "DescribeDBClusterParameters";

/// A group that AWS made: nobody can set anything in it.
const DEFAULT_GROUP: &str = "default.";

/// Every member of the application in the region.
pub(super) async fn all(view: &View<'_>) -> Vec<(Place, MemberSide)> {
    if view.application.databases.is_empty() {
        return Vec::new();
    }
    let desk = view.desk();
    let (clusters, globals, instances) =
        futures::join!(desk.clusters(), desk.globals(), desk.instances());
    let (clusters, globals, instances) = (said(clusters), said(globals), said(instances));
    let members = view.application.databases.iter().map(async |database| {
        let cluster = clusters.clone().map(|list| of(view, database, &list));
        let side = MemberSide {
            engine: cluster.clone().map(|found| found.as_ref().and_then(engine)),
            global: globals.clone().map(|list| {
                let mut list = list.iter();
                let is_it = |one: &&GlobalCluster| {
                    one.global_cluster_identifier() == Some(database.global_cluster.as_str())
                };
                list.find(is_it).map(described)
            }),
            instances: instances.clone().map(|list| of_cluster(view, database, &list)),
            settings: match cluster {
                Ok(Some(cluster)) => said(settings(view, &cluster).await),
                Ok(None) => Ok(BTreeMap::new()),
                Err(why) => Err(why),
            },
        };
        (view.place(&database.name), side)
    });
    join_all(members).await
}

fn of(view: &View<'_>, database: &Database, list: &[DbCluster]) -> Option<DbCluster> {
    let arn = database.clusters.get(view.region.as_str())?;
    list.iter().find(|one| one.db_cluster_arn() == Some(arn)).cloned()
}

fn engine(found: &DbCluster) -> Option<Engine> {
    let (name, version) = (found.engine()?.to_owned(), found.engine_version()?.to_owned());
    Some(Engine { name, version })
}

fn described(found: &GlobalCluster) -> GlobalSide {
    let members = found.global_cluster_members().iter().filter_map(|member| {
        let status = member.synchronization_status().map(|status| status.as_str().to_owned());
        Some((member.db_cluster_arn()?.to_owned(), status))
    });
    let moving = found.failover_state().and_then(|state| state.status());
    GlobalSide {
        writer: global::writer(found).map(str::to_owned),
        moving: moving.map(|status| status.as_str().to_owned()),
        members: members.collect(),
    }
}

fn of_cluster(
    view: &View<'_>,
    database: &Database,
    list: &[DbInstance],
) -> BTreeMap<String, InstanceSide> {
    let cluster = database.clusters.get(view.region.as_str()).map(|arn| cluster_name(arn));
    let here =
        list.iter().filter(|one| cluster.is_some() && one.db_cluster_identifier() == cluster);
    here.filter_map(|one| {
        let side = InstanceSide {
            class: one.db_instance_class().unwrap_or("of no class").to_owned(),
            status: one.db_instance_status().unwrap_or("without a status").to_owned(),
        };
        Some((one.db_instance_identifier()?.to_owned(), side))
    })
    .collect()
}

/// What somebody has set, and nothing of the hundreds that are as the engine has them.
async fn settings(
    view: &View<'_>,
    cluster: &DbCluster,
) -> Result<BTreeMap<String, String>, CallError> {
    let group = cluster.db_cluster_parameter_group().unwrap_or(DEFAULT_GROUP);
    if group.starts_with(DEFAULT_GROUP) {
        return Ok(BTreeMap::new());
    }
    let asked = view.side.look.rds.describe_db_cluster_parameters();
    let asked = asked.db_cluster_parameter_group_name(group).source("user");
    let pages = asked.into_paginator().send();
    let set = whole(&view.side, "rds", PARAMETERS, pages, |page| page.parameters).await?;
    let set = set.iter().filter_map(|one| {
        let value = one.parameter_value().unwrap_or_default();
        Some((one.parameter_name()?.to_owned(), value.to_owned()))
    });
    Ok(set.collect())
}
