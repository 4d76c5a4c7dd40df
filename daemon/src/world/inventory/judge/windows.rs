//! The windows in which the engine is busy with itself, as AWS tells them: next to the schedules that meet
//! them, and to what the application's file says of them.

use muster_runbooks::schedule::policy::{self, Own};

use super::{Judged, Known, Place, Said, of};
use crate::world::inventory::ClusterSide;

/// Judges the windows of one cluster. Snapshots are taken where the database is written, so schedules are held
/// against that side's.
pub(super) fn judge(
    place: &Place,
    cluster: &Said<Option<ClusterSide>>,
    known: &Known<'_>,
    out: &mut Judged,
) {
    let ids = [Own::Backup, Own::Maintenance].map(|own| {
        let kind = format!("engine-window-{}", own.word());
        (own, of(&kind, place))
    });
    let Some(cluster) = out.read(cluster, &[&ids[0].1, &ids[1].1]) else { return };
    for (own, id) in ids {
        let Some(window) = cluster.as_ref().and_then(|cluster| cluster.window(own)) else {
            continue;
        };
        let (name, region, word) = (&place.0, &place.1, own.word());
        let mut said = Vec::new();
        let database = known.application.databases.iter().find(|one| one.name == *name);
        let declared = database.and_then(|database| database.engine_window(own));
        if let Some(declared) = declared.filter(|declared| *declared != window) {
            said.push(format!("the file says `{declared}`"));
        }
        match known.active {
            None => {
                out.unknown.insert(id);
                continue;
            }
            Some(active) if active == region => {
                let met = known.schedules.iter().filter_map(|(schedule, runbook)| {
                    let at = policy::meets(schedule, runbook, own, window)?;
                    Some(format!("`{}` meets it, such as at {at}", schedule.id))
                });
                said.extend(met);
            }
            Some(_) => {}
        }
        if said.is_empty() {
            continue;
        }
        let message =
            format!("the {word} window of `{name}` in {region} is `{window}`: {}", said.join("; "));
        let hint = format!(
            "a cluster takes no snapshot while it is busy with itself: move the schedule or the cluster's \
             window, and say under `{}` what the cluster has",
            own.key()
        );
        out.open(id, message, &hint);
    }
}
