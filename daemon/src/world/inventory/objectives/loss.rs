//! How much of one component each threat would take, from what was read and measured.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use muster_runbooks::{
    name::{ComponentName, Region},
    value::Span,
};

use super::{Achievable, Evidence, Figure, Kind, Threat};
use crate::world::inventory::{
    ClusterSide, Inventory, Lag, Place, Said, Same, Seen,
    points::{Kept, kept, usable},
};

/// A measurement of replication that is older says nothing about now.
const CANARY_AGE_MAX: SignedDuration = SignedDuration::from_hours(1);

/// The figure of one component and threat.
pub(super) fn of(known: &Evidence<'_>, name: &ComponentName, kind: Kind, threat: Threat) -> Figure {
    let Some(seen) = known.seen else {
        return Figure::unknown("nobody has looked yet");
    };
    let Some(active) = known.active else {
        return Figure::unknown("nobody has seen from where it is served");
    };
    let Some(standby) = known.application.other(active) else {
        return Figure::unknown(format!("it is served from {active}, neither home nor standby"));
    };
    let about = About { known, seen, name, active, standby };
    match kind {
        Kind::Database => about.database(threat),
        Kind::Bucket => about.bucket(threat),
        Kind::Cache => about.cache(threat),
        Kind::Secret => about.secret(threat),
        Kind::Objects => about.objects(threat),
        Kind::Declared => Figure::unknown("it is declared, and not looked at"),
    }
}

struct About<'a> {
    known: &'a Evidence<'a>,
    seen: &'a Inventory,
    name: &'a ComponentName,
    active: &'a Region,
    standby: &'a Region,
}

impl About<'_> {
    fn place(&self, region: &Region) -> Place {
        (self.name.clone(), region.clone())
    }

    fn database(&self, threat: Threat) -> Figure {
        let (here, there) = (
            self.seen.databases.get(&self.place(self.active)),
            self.seen.databases.get(&self.place(self.standby)),
        );
        let (Some(here), Some(there)) = (here, there) else {
            return Figure::unknown("nobody has looked yet");
        };
        match threat {
            Threat::RegionLoss => match &there.cluster {
                Err(why) => Figure::unknown(why.clone()),
                Ok(None) => self.apart(&there.points, self.standby.as_str()),
                Ok(Some(_)) => self.replicated(&there.lag),
            },
            Threat::Corruption => match &here.cluster {
                Err(why) => Figure::unknown(why.clone()),
                Ok(cluster) => match cluster.as_ref().and_then(|cluster| cluster.restorable) {
                    Some((from, to)) => Figure::new(
                        Achievable::AtMost(Span::between(to, self.known.now)),
                        format!(
                            "its cluster can be restored to any instant from {from} to {to}, as read at {}; \
                             this goes with the cluster",
                            self.seen.read_at
                        ),
                    ),
                    None => self.apart(&here.points, self.active.as_str()),
                },
            },
            Threat::AccountLoss => self.elsewhere(&here.cluster),
        }
    }

    /// What replication would lose: what it lagged behind, and everything since that was seen.
    fn replicated(&self, lag: &Said<Option<Lag>>) -> Figure {
        match lag {
            Err(why) => Figure::unknown(why.clone()),
            Ok(None) => Figure::unknown(format!(
                "there is a cluster in {} and no fresh sample of its lag; that it is configured says \
                 nothing",
                self.standby
            )),
            Ok(Some(sample)) => {
                let bound = Span::between(sample.at - sample.lag.duration(), self.known.now);
                Figure::new(
                    Achievable::AtMost(bound),
                    format!(
                        "replication to {} lagged {} in the minute from {}; counted up to now",
                        self.standby, sample.lag, sample.at
                    ),
                )
            }
        }
    }

    /// What recovery points keep: how far apart they come, and not how young the newest is.
    fn apart(&self, points: &Said<BTreeMap<String, Seen>>, place: &str) -> Figure {
        let points = match points {
            Ok(points) => points,
            Err(why) => return Figure::unknown(why.clone()),
        };
        let times = usable(points.values(), self.known.points);
        match kept(&times, self.known.now) {
            Kept::Nothing => Figure::new(
                Achievable::Nothing,
                format!("there is no recovery point in {place} that could be restored"),
            ),
            Kept::One(age) if age > self.known.application.objectives.rpo => Figure::new(
                Achievable::AtMost(age),
                format!("the only recovery point in {place} is {age} old"),
            ),
            Kept::One(_) => Figure::unknown(format!(
                "there is one recovery point in {place}, and nobody has seen when the next comes"
            )),
            Kept::Apart(gap) => Figure::new(
                Achievable::AtMost(gap),
                format!("recovery points in {place} are up to {gap} apart"),
            ),
        }
    }

    /// What another account keeps, as was seen there. A point that nobody looks for may be gone.
    fn elsewhere(&self, cluster: &Said<Option<ClusterSide>>) -> Figure {
        let mut databases = self.known.application.databases.iter();
        let database = databases.find(|database| database.name == *self.name);
        if database.is_some_and(|database| database.vault.is_some()) {
            return match self.seen.vaults.get(self.name) {
                Some(vault) => self.apart(
                    &vault.points,
                    &format!("{} of the account {}", vault.region, vault.account),
                ),
                None => Figure::unknown("nobody has looked into its vault yet"),
            };
        }
        let own = match cluster {
            Err(why) => return Figure::unknown(why.clone()),
            Ok(None) => {
                return Figure::unknown("its cluster was not seen, and so no account of it");
            }
            Ok(Some(cluster)) => &cluster.account,
        };
        let mut points = self.known.points.values();
        match points.find(|point| point.component == *self.name && point.account != *own) {
            Some(point) => Figure::unknown(format!(
                "the account {} has recovery points by the catalogue, and nobody looks there; declare \
                 `vault`",
                point.account
            )),
            None => Figure::new(
                Achievable::Nothing,
                format!("every recovery point is in the account {own}; declare `vault`"),
            ),
        }
    }

    fn bucket(&self, threat: Threat) -> Figure {
        let Some(side) = self.seen.buckets.get(&self.place(self.active)) else {
            return Figure::unknown("nobody has looked yet");
        };
        match threat {
            Threat::RegionLoss => match &side.replicates_to {
                Err(why) => Figure::unknown(why.clone()),
                Ok(rules) if rules.is_empty() => Figure::new(
                    Achievable::Nothing,
                    format!("nothing is copied out of {}", self.active),
                ),
                Ok(_) => self.canary(),
            },
            Threat::Corruption => match &side.versioned {
                Err(why) => Figure::unknown(why.clone()),
                Ok(false) => Figure::new(
                    Achievable::Nothing,
                    "no versions are kept: what is overwritten is gone",
                ),
                Ok(true) => Figure::unknown(
                    "versions are kept; nobody has proven that the right ones can be brought back",
                ),
            },
            Threat::AccountLoss => {
                Figure::unknown("nobody has looked in which account its replica is")
            }
        }
    }

    fn canary(&self) -> Figure {
        match self.known.measured.canaries.get(self.name) {
            Some(took) if self.known.now.duration_since(took.at) <= CANARY_AGE_MAX => Figure::new(
                Achievable::AtMost(took.took),
                format!(
                    "the last canary, of {}, arrived in {} after {} at {}",
                    took.run, self.standby, took.took, took.at
                ),
            ),
            Some(took) => Figure::unknown(format!(
                "the last canary arrived at {}, too long ago to say anything about now",
                took.at
            )),
            None => Figure::unknown(
                "a rule copies it, and nobody has measured how long that takes; declare `canary_prefix`",
            ),
        }
    }

    fn cache(&self, threat: Threat) -> Figure {
        let there = self.seen.caches.get(&self.place(self.standby));
        let here = self.seen.caches.get(&self.place(self.active));
        match (threat, here, there) {
            (Threat::RegionLoss, _, None) => Figure::new(
                Achievable::Nothing,
                format!(
                    "it has no replication group in {}, and AWS copies no snapshot",
                    self.standby
                ),
            ),
            (Threat::RegionLoss, _, Some(there)) => match &there.group {
                Err(why) => Figure::unknown(why.clone()),
                Ok(group) if group.as_ref().is_some_and(|group| group.global.is_some()) => {
                    Figure::unknown(
                        "it is a member of a global datastore, and nobody has measured how far behind it \
                         is",
                    )
                }
                Ok(_) => Figure::new(
                    Achievable::Nothing,
                    format!("nothing of it gets to {}: it is in no global datastore", self.standby),
                ),
            },
            (Threat::Corruption, Some(here), _) => self.apart(&here.points, self.active.as_str()),
            (Threat::Corruption, None, _) => Figure::unknown("nobody has looked yet"),
            (Threat::AccountLoss, _, _) => {
                Figure::new(Achievable::Nothing, "its snapshots are in its own account")
            }
        }
    }

    fn secret(&self, threat: Threat) -> Figure {
        if threat != Threat::RegionLoss {
            return Figure::unknown("nobody has proven that an earlier value can be brought back");
        }
        let mut why = "no region names a replica of it".to_owned();
        for region in [self.active, self.standby] {
            match self.seen.secrets.get(&self.place(region)) {
                Some(Ok(Some(side))) => {
                    let other = if region == self.active { self.standby } else { self.active };
                    match side.replicas.get(other.as_str()) {
                        Some((status, _)) if status == "InSync" => {
                            return Figure::new(
                                Achievable::AtMost(Span::default()),
                                format!("its replica was in sync at {}", self.seen.read_at),
                            );
                        }
                        Some((status, _)) => why = format!("its replica in {other} is {status}"),
                        None => {}
                    }
                }
                Some(Err(reason)) => why.clone_from(reason),
                Some(Ok(None)) | None => {}
            }
        }
        Figure::unknown(why)
    }

    fn objects(&self, threat: Threat) -> Figure {
        let sides = (
            self.seen.objects.get(&self.place(self.active)),
            self.seen.objects.get(&self.place(self.standby)),
        );
        let (Some(here), Some(there)) = sides else {
            return Figure::unknown("nobody has looked yet");
        };
        if threat != Threat::RegionLoss {
            return Figure::unknown(
                "nobody has proven that an earlier version can be brought back",
            );
        }
        let mut unknown = None;
        let mut behind: Option<Span> = None;
        for (key, one) in here {
            match (one, there.get(key)) {
                (Err(why), _) | (_, Some(Err(why))) => unknown = Some(why.clone()),
                (Ok(_), None | Some(Ok(None))) => {
                    return Figure::new(
                        Achievable::Nothing,
                        format!("`{key}` is not in {}", self.standby),
                    );
                }
                (Ok(None), Some(Ok(Some(_)))) => {}
                (Ok(Some(one)), Some(Ok(Some(other)))) => {
                    match (one.same(other), other.modified_at) {
                        (Same::Yes, _) => {}
                        (Same::No, Some(at)) => {
                            behind = behind.max(Some(Span::between(at, self.known.now)));
                        }
                        (Same::No, None) | (Same::Unknown, _) => {
                            unknown =
                                Some(format!("nothing tells whether `{key}` is the same there"));
                        }
                    }
                }
            }
        }
        match (behind, unknown) {
            (Some(behind), _) => Figure::new(
                Achievable::AtMost(behind),
                format!("what is in {} is {behind} old and not what is here", self.standby),
            ),
            (None, Some(why)) => Figure::unknown(why),
            (None, None) => Figure::new(
                Achievable::AtMost(Span::default()),
                format!("both sides had the same at {}", self.seen.read_at),
            ),
        }
    }
}
