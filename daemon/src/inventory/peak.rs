//! How strong each workload was at its strongest in the last day, where it serves: what the other side must
//! be able to do. Kept by the hour in memory, and written down when it changes, so that it is known when
//! nobody can ask the source any more.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    application::Application,
    name::{ApplicationName, ComponentName, Region},
};
use muster_state::{command::Command, progress::Peak};

use crate::world::inventory::{Inventory, takeover::WorkloadSide};

/// So much of the past counts.
const RECENT: SignedDuration = SignedDuration::from_hours(24);

const HOUR: i64 = 3_600;

type Key = (ApplicationName, ComponentName);

/// What was seen of one workload: for each hour the most replicas of each set.
#[derive(Debug)]
struct Seen {
    region: Region,
    /// Since when it is seen there without a break that counts.
    since: Timestamp,
    hours: BTreeMap<i64, BTreeMap<String, u32>>,
}

/// What was seen of every workload.
#[derive(Debug, Default)]
pub(super) struct Peaks(BTreeMap<Key, Seen>);

impl Peaks {
    /// Takes in a look, and says what has to be written down. What was stronger before this process
    /// looked stands until a whole day of looks has not seen it.
    pub(super) fn take_in(
        &mut self,
        application: &Application,
        active: Option<&Region>,
        seen: &Inventory,
        known: &BTreeMap<ComponentName, Peak>,
        now: Timestamp,
    ) -> Vec<Command> {
        let Some(active) = active else { return Vec::new() };
        let mut commands = Vec::new();
        for workload in &application.workloads {
            let place = (workload.name.clone(), active.clone());
            // What cannot be read is not weak.
            let Some(Ok(side)) = seen.takeover.workloads.get(&place) else { continue };
            let of = (application.name.clone(), workload.name.clone());
            let mut sets = self.seen(of, active, side, now);
            if let Some(peak) = known.get(&workload.name).filter(|peak| peak.region == *active)
                && !self.is_whole(&application.name, &workload.name, now)
            {
                for (name, replicas) in &peak.sets {
                    let most = sets.entry(name.clone()).or_default();
                    *most = (*most).max(*replicas);
                }
            }
            let is_known = known
                .get(&workload.name)
                .is_some_and(|peak| peak.region == *active && peak.sets == sets);
            if !sets.is_empty() && !is_known {
                commands.push(Command::Peak {
                    application: application.name.clone(),
                    workload: workload.name.clone(),
                    region: active.clone(),
                    sets,
                });
            }
        }
        commands
    }

    /// The most replicas of each set in the last day, with what was just seen.
    fn seen(
        &mut self,
        of: Key,
        active: &Region,
        side: &WorkloadSide,
        now: Timestamp,
    ) -> BTreeMap<String, u32> {
        let fresh = || Seen { region: active.clone(), since: now, hours: BTreeMap::new() };
        let seen = self.0.entry(of).or_insert_with(fresh);
        if seen.region != *active {
            *seen = fresh();
        }
        let oldest = (now - RECENT).as_second() / HOUR;
        seen.hours.retain(|hour, _| *hour > oldest);
        let hour = seen.hours.entry(now.as_second() / HOUR).or_default();
        for (name, set) in &side.sets {
            let most = hour.entry(name.clone()).or_default();
            *most = (*most).max(set.wanted).max(set.ready);
        }
        // A set that is gone needs no strength at the other side.
        let names: BTreeSet<&String> = side.sets.keys().collect();
        let mut sets: BTreeMap<String, u32> = BTreeMap::new();
        for (name, replicas) in seen.hours.values().flatten() {
            if names.contains(name) && *replicas > 0 {
                let most = sets.entry(name.clone()).or_default();
                *most = (*most).max(*replicas);
            }
        }
        sets
    }

    /// Whether this process has looked for a whole day.
    fn is_whole(
        &self,
        application: &ApplicationName,
        name: &ComponentName,
        now: Timestamp,
    ) -> bool {
        let seen = self.0.get(&(application.clone(), name.clone()));
        seen.is_some_and(|seen| now.duration_since(seen.since) >= RECENT)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::world::inventory::takeover::{SetSide, Stay};

    fn at(hours: i64) -> Timestamp {
        "2026-03-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(hours)
    }

    fn shop() -> Application {
        serde_json::from_value(json!({
            "name": "shop", "title": "Shop", "home": "us-east-1", "standby": "us-west-2",
            "objectives": { "rto": "15m", "rpo": "5m" },
            "workloads": [{ "name": "web", "namespace": "shop", "contexts": {},
                "exports": { "buckets": {}, "prefix": "x" } }],
        }))
        .unwrap()
    }

    /// Goal: the peak of the last day is written down when it changes, survives a restart, falls only
    /// after a whole day of looks, and nothing is concluded from a side that cannot be read.
    /// Method: looks over two days, two processes, one source that is silent for a while.
    #[test]
    fn the_peak_of_a_day() {
        let (shop, east) = (shop(), "us-east-1".parse::<Region>().unwrap());
        let mut known: BTreeMap<ComponentName, Peak> = BTreeMap::new();
        let mut look = |peaks: &mut Peaks, hours: i64, replicas: Option<u32>| {
            let mut seen = Inventory::empty(at(hours));
            let side = replicas.map(|wanted| {
                let stays = Stay::Forever;
                let set = SetSide { wanted, ready: 1, images: BTreeSet::new(), stays };
                WorkloadSide { sets: [("deployment/web".to_owned(), set)].into() }
            });
            let place = ("web".parse().unwrap(), east.clone());
            seen.takeover.workloads.insert(place, side.ok_or_else(|| "no answer".to_owned()));
            let commands = peaks.take_in(&shop, Some(&east), &seen, &known, at(hours));
            for command in &commands {
                if let Command::Peak { workload, region, sets, .. } = command {
                    let peak = Peak { at: at(hours), region: region.clone(), sets: sets.clone() };
                    known.insert(workload.clone(), peak);
                }
            }
            let web: ComponentName = "web".parse().unwrap();
            (
                commands.len(),
                known.get(&web).and_then(|peak| peak.sets.get("deployment/web").copied()),
            )
        };
        let mut first = Peaks::default();
        assert_eq!(look(&mut first, 0, Some(3)), (1, Some(3)));
        assert_eq!(look(&mut first, 1, Some(3)), (0, Some(3)));
        assert_eq!(look(&mut first, 2, Some(9)), (1, Some(9)));
        assert_eq!(look(&mut first, 3, Some(3)), (0, Some(9)));
        assert_eq!(look(&mut first, 4, None), (0, Some(9)));
        // The next process knows what was written down, and nothing else.
        let mut second = Peaks::default();
        for hours in 5..28 {
            assert_eq!(look(&mut second, hours, Some(4)), (0, Some(9)), "after {hours} hours");
        }
        assert_eq!(look(&mut second, 29, Some(4)), (1, Some(4)), "a whole day has not seen more");
    }
}
