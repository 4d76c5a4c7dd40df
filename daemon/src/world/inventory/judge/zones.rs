//! Whether a cache goes on when it loses the zone of its primary: a replica elsewhere takes over by itself, or
//! somebody has to be there (facts §3).

use std::collections::BTreeSet;

use muster_runbooks::application::Cache;

use super::{Judged, Known, few, of};
use crate::world::inventory::{GroupSide, Inventory, ShardSide};

/// The kind of the findings that are opened here, one for each region.
pub const CACHE_ZONES: &str = "cache-zones";

const HINT: &str = "have a replica of each shard in another availability zone, then turn automatic failover and \
                    Multi-AZ on: ElastiCache promotes it by itself then; until that is so a person runs \
                    `cache-failover`, where there is a replica";

pub(super) fn judge(seen: &Inventory, known: &Known<'_>, cache: &Cache, out: &mut Judged) {
    let application = known.application;
    let sides = [&application.home, &application.standby];
    for region in sides.into_iter().filter(|region| cache.is_in(region)) {
        let place = (cache.name.clone(), region.clone());
        let id = of(CACHE_ZONES, &place);
        let Some(side) = seen.caches.get(&place) else {
            out.unknown.insert(id);
            continue;
        };
        let Some(Some(group)) = out.read(&side.group, &[&id]) else { continue };
        match group.status.as_str() {
            "available" | "snapshotting" => {}
            // Its nodes may be the ones of before, of after, or of neither.
            "creating" | "modifying" => {
                out.unknown.insert(id);
                continue;
            }
            // What else it may be is said of the group as a whole.
            _ => continue,
        }
        let Weak { troubles, is_unclear } = weak(group);
        if !troubles.is_empty() {
            let message = format!(
                "`{}` in {region} does not outlive the zone of its primary by itself: {}",
                cache.name,
                few(&troubles)
            );
            out.open(id, message, HINT);
        } else if is_unclear {
            out.unknown.insert(id);
        }
    }
}

/// What keeps a group from going on without one of its zones.
#[derive(Default)]
struct Weak {
    troubles: Vec<String>,
    /// Something that decides about it was not said.
    is_unclear: bool,
}

fn weak(group: &GroupSide) -> Weak {
    let mut weak = Weak { is_unclear: group.shards.is_empty(), ..Weak::default() };
    for (switch, name) in [(group.promotes, "automatic failover"), (group.multi_az, "Multi-AZ")] {
        match switch {
            Some(true) => {}
            Some(false) => weak.troubles.push(format!("{name} is off")),
            None => weak.is_unclear = true,
        }
    }
    for ShardSide { id, zones } in &group.shards {
        let known: BTreeSet<&String> = zones.iter().flatten().collect();
        // Two zones are enough to know that a replica is elsewhere than the primary, whichever node that is.
        if zones.len() < 2 {
            weak.troubles.push(format!("shard {id} has no replica"));
        } else if known.len() < 2 && zones.contains(&None) {
            weak.is_unclear = true;
        } else if known.len() < 2 {
            weak.troubles
                .push(format!("shard {id} has no replica in another zone than its primary"));
        }
    }
    weak
}
