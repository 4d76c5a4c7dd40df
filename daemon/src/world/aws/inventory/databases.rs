//! Clusters, their snapshots, how far back they can be restored and how far they lag.

use std::{collections::BTreeMap, sync::Arc};

use aws_sdk_rds::types::{DbCluster, DbClusterSnapshot};
use futures::future::join_all;
use muster_runbooks::application::{Application, Database};

use super::{View, said};
use crate::world::{
    aws::{
        Arn, instant, lag,
        snapshot::{self, cluster_name},
    },
    inventory::{ClusterSide, DatabaseSide, Lag, Maker, Place, Said, Seen},
};

/// Every database of the application in the region.
pub(super) async fn all(view: &View<'_>) -> Vec<(Place, DatabaseSide)> {
    if view.application.databases.is_empty() {
        return Vec::new();
    }
    let poller = &view.real.poller;
    let (clusters, manual, automated) = futures::join!(
        view.desk().clusters(),
        poller.manual_as(&view.side, view.want),
        poller.automated(&view.side, view.want),
    );
    let clusters = said(clusters);
    let manual = said(manual.map(|listed| listed.snapshots));
    let automated = said(automated);
    let sides = view.application.databases.iter().map(async |database| {
        let arn = database.clusters.get(view.region.as_str());
        let snapshots = |list: &Said<Arc<[DbClusterSnapshot]>>| {
            list.clone().map(|list| of_database(view.application, database, &list))
        };
        let side = DatabaseSide {
            cluster: clusters
                .clone()
                .map(|list| arn.and_then(|arn| list.iter().find_map(|one| cluster(one, arn)))),
            points: snapshots(&manual),
            automated: snapshots(&automated),
            lag: lag_of(view, arn.map(String::as_str)).await,
        };
        (view.place(&database.name), side)
    });
    join_all(sides).await
}

/// A cluster, if it is the one that was meant. Both times are absent until a restore of it has ended,
/// and where nothing can be restored (facts §2, PITR).
fn cluster(found: &DbCluster, arn: &str) -> Option<ClusterSide> {
    if found.db_cluster_arn() != Some(arn) {
        return None;
    }
    let window = |text: Option<&str>| text.and_then(|text| text.parse().ok());
    let restorable = found.earliest_restorable_time().zip(found.latest_restorable_time());
    Some(ClusterSide {
        status: found.status().unwrap_or("without a status").to_owned(),
        account: Arn::parse(arn)?.account,
        restorable: restorable.and_then(|(from, to)| Some((instant(from)?, instant(to)?))),
        backup_window: window(found.preferred_backup_window()),
        maintenance_window: window(found.preferred_maintenance_window()),
    })
}

async fn lag_of(view: &View<'_>, arn: Option<&str>) -> Said<Option<Lag>> {
    let Some(arn) = arn else { return Ok(None) };
    let sample = lag::sample_of(&view.side, &view.side.look, arn, view.want.now).await;
    said(sample.map(|sample| sample.map(|sample| Lag { at: sample.at, lag: sample.lag })))
}

/// The snapshots of a database: those that our tags name, and those of its clusters whoever made them.
/// A copy bears the name of its source's cluster, so both clusters' names are looked for.
pub(super) fn of_database(
    application: &Application,
    database: &Database,
    list: &[DbClusterSnapshot],
) -> BTreeMap<String, Seen> {
    let names: Vec<&str> = database.clusters.values().map(|arn| cluster_name(arn)).collect();
    let is_of = |one: &&DbClusterSnapshot| {
        let tagged =
            snapshot::tag(one, snapshot::APPLICATION).zip(snapshot::tag(one, snapshot::COMPONENT));
        match tagged {
            Some((of, component)) => {
                of == application.name.as_str() && component == database.name.as_str()
            }
            None => one.db_cluster_identifier().is_some_and(|of| names.contains(&of)),
        }
    };
    let seen = list.iter().filter(is_of).filter_map(seen);
    seen.map(|one| (one.id.clone(), one)).collect()
}

fn seen(found: &DbClusterSnapshot) -> Option<Seen> {
    let id = found.db_cluster_snapshot_arn()?;
    let arn = Arn::parse(id)?;
    let copied_from = found.source_db_cluster_snapshot_arn().filter(|source| !source.is_empty());
    let tagged = snapshot::tag(found, snapshot::DATA_TIME).and_then(|time| time.parse().ok());
    // The copy's own time is when it was copied (facts §2).
    let own = || found.snapshot_create_time().and_then(instant).filter(|_| copied_from.is_none());
    let tags = found.tag_list().iter();
    let tags = tags.filter_map(|tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned())));
    Some(Seen {
        id: id.to_owned(),
        region: arn.region,
        account: arn.account,
        maker: if found.snapshot_type() == Some("automated") {
            Maker::Provider
        } else if snapshot::is_ours(found) {
            Maker::Muster
        } else {
            Maker::Somebody
        },
        run: snapshot::tag(found, snapshot::RUN).map(str::to_owned),
        status: found.status().unwrap_or("without a status").to_owned(),
        data_time: tagged.or_else(own),
        copied_from: copied_from.map(str::to_owned),
        key: found.kms_key_id().map(str::to_owned),
        size_gib: found.allocated_storage().and_then(|size| size.try_into().ok()),
        tags: tags.collect(),
    })
}
