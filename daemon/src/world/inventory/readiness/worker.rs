//! Whether what may run on one side only does so: where the application is served, and nowhere else (facts §7,
//! rule 5).

use std::collections::BTreeMap;

use muster_runbooks::{application::Workload, name::Region};

use super::{Point, READ, Ready, Sides, read};
use crate::world::inventory::takeover::WorkerSide;

const KIND: &str = "workers";

/// The point, or the one that says why nobody knows.
pub(super) fn point(
    ready: &Ready<'_>,
    sides: &Sides<'_>,
    workload: &Workload,
) -> Result<Point, Point> {
    let about = Some(&workload.name);
    let seen = ready.known.seen.map(|seen| &seen.takeover.workers);
    let side = |region: &Region| {
        let said = seen.and_then(|all| all.get(&(workload.name.clone(), region.clone())));
        let said = said.ok_or_else(|| Point::unknown(KIND, about, "nobody has looked", READ))?;
        read(said, KIND, about)
    };
    let (there, here) = (side(sides.standby)?, side(sides.active)?);
    let hint = "`muster run settle-workers` stops them at the standby and starts them where the application is \
                served; see first whether they did anything twice";
    let both = named(there, |side| side.wanted > 0);
    if !both.is_empty() {
        let saw = format!("they run in {} too: {}", sides.standby, both.join(", "));
        return Ok(Point::fail(KIND, about, saw, hint));
    }
    let stopped = named(here, |side| side.wanted == 0 && side.is_remembered);
    if !stopped.is_empty() {
        let saw = format!("stopped in {} and never started: {}", sides.active, stopped.join(", "));
        return Ok(Point::fail(KIND, about, saw, hint));
    }
    let missing: Vec<String> = workload
        .workers
        .iter()
        .map(ToString::to_string)
        .filter(|worker| !there.contains_key(worker))
        .collect();
    if !missing.is_empty() {
        let saw = format!("not there in {}: {}", sides.standby, missing.join(", "));
        let hint = "deploy them there, standing still: a failover starts what is there";
        return Ok(Point::fail(KIND, about, saw, hint));
    }
    let saw = format!("{} stand still in {}", workload.workers.len(), sides.standby);
    Ok(Point::pass(KIND, about, saw))
}

fn named(side: &BTreeMap<String, WorkerSide>, is: impl Fn(&WorkerSide) -> bool) -> Vec<&str> {
    side.iter().filter(|(_, side)| is(side)).map(|(name, _)| name.as_str()).collect()
}
