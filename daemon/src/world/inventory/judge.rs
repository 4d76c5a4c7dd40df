//! What an inventory means next to the catalogue: findings, each with an id that is the same as long as
//! the trouble is.

mod spot;
mod stays;
mod windows;
mod zones;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use jiff::Timestamp;
use muster_runbooks::{
    application::{Application, Cache, Objects, Secret},
    name::{ComponentName, Region},
    runbook::Runbook,
    schedule::Schedule,
};
use muster_state::catalog::{Finding, RecoveryPoint};

use self::spot::Spot;
pub use self::stays::KIND as STAYS;
pub use self::zones::CACHE_ZONES;
use super::{
    CacheSide, Inventory, Place, Quota, Said, Same,
    readiness::{self, Point, Standing},
};

/// The words that the ids of findings begin with which are opened and closed here, and nowhere else.
pub const KINDS: &[&str] = &[
    "uncatalogued",
    "missing-point",
    "unprotected",
    "no-pitr",
    "engine-window-backup",
    "engine-window-maintenance",
    "not-versioned",
    "not-replicated",
    "secret-not-in-sync",
    "cache-member",
    CACHE_ZONES,
    "object-missing",
    "object-differs",
    "snapshot-quota",
    "inventory-unknown",
    STAYS,
    readiness::NOT_READY,
];

/// How many of several things a message names.
const NAMED_MAX: usize = 3;

/// What is known without looking.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The application as it is configured.
    pub application: &'a Application,
    /// From where it is served, if anybody has seen it.
    pub active: Option<&'a Region>,
    /// The catalogue now.
    pub points: &'a BTreeMap<String, RecoveryPoint>,
    /// The points that were in it before the lists were asked for.
    pub before: &'a BTreeSet<String>,
    /// The runs that are open.
    pub open_runs: &'a BTreeSet<String>,
    /// The application's schedules, and what they start.
    pub schedules: &'a [(&'a Schedule, &'a Runbook)],
    /// What schedules have promised by now.
    pub due: Due,
}

/// The newest occurrence of each kind whose time is over: data of it must be there by now. Nothing is
/// promised where nothing is scheduled.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Due {
    /// A snapshot of each database.
    pub snapshot: Option<Timestamp>,
    /// A copy of it on the other side.
    pub copy: Option<Timestamp>,
    /// A copy of that in the vault's account.
    pub vault: Option<Timestamp>,
    /// A snapshot of each cache.
    pub cache: Option<Timestamp>,
}

/// What follows from an inventory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judged {
    /// What is wrong, by id.
    pub open: BTreeMap<String, Finding>,
    /// The ids about which nothing can be said, because what they need could not be read: what stands
    /// there goes on standing.
    pub unknown: BTreeSet<String>,
    /// Since when a component is unprotected in a region: the data of its newest usable point, or
    /// nothing when there is none at all.
    pub unprotected: BTreeMap<Place, Option<Timestamp>>,
    /// The same for the vaults.
    pub unprotected_vaults: BTreeMap<ComponentName, Option<Timestamp>>,
}

impl Judged {
    /// Takes in the checklist: what fails and has no finding yet gets one, and what is unknown leaves the
    /// one that stands as it is.
    pub fn take_in(&mut self, points: &[Point]) {
        for point in points.iter().filter(|point| point.finding.is_none()) {
            let id = format!("{}/{}", readiness::NOT_READY, point.id);
            match point.standing {
                Standing::Pass => {}
                Standing::Unknown => {
                    self.unknown.insert(id);
                }
                Standing::Fail => {
                    let message = format!("not ready to take over: {}: {}", point.id, point.saw);
                    self.open(id, message, &point.hint);
                }
            }
        }
    }

    fn open(&mut self, id: String, message: String, hint: &str) {
        let finding = Finding { id: id.clone(), message, hint: hint.to_owned() };
        self.open.insert(id, finding);
    }

    /// Takes a value that could be read; what could not is unknown under each of `ids`.
    fn read<'a, T>(&mut self, said: &'a Said<T>, ids: &[&String]) -> Option<&'a T> {
        if said.is_err() {
            self.unknown.extend(ids.iter().map(|id| (*id).clone()));
        }
        said.as_ref().ok()
    }
}

/// Judges everything.
pub fn judge(seen: &Inventory, known: &Known<'_>) -> Judged {
    let mut out = Judged::default();
    for (region, quota) in &seen.quotas {
        self::quota(region.as_str(), region.as_str(), quota, &mut out);
    }
    databases(seen, known, &mut out);
    vaults(seen, known, &mut out);
    caches(seen, known, &mut out);
    buckets(seen, known, &mut out);
    for secret in &known.application.secrets {
        self::secret(seen, known, secret, &mut out);
    }
    for objects in &known.application.objects {
        self::objects(seen, known, objects, &mut out);
    }
    stays::judge(seen, known, &mut out);
    unreadable(seen, &mut out);
    out
}

fn quota(place: &str, named: &str, quota: &Said<Quota>, out: &mut Judged) {
    let id = format!("snapshot-quota/{place}");
    let Some(quota) = out.read(quota, &[&id]).filter(|quota| quota.is_short()) else { return };
    let message = format!(
        "{named} has {} of {} manual cluster snapshots; {} places are free",
        quota.used,
        quota.max,
        quota.free()
    );
    out.open(
        id,
        message,
        "let old ones go, or ask AWS for a higher quota: the last five places are kept for snapshots that \
         cannot wait",
    );
}

/// Another account is held against the catalogue like a region, by itself.
fn vaults(seen: &Inventory, known: &Known<'_>, out: &mut Judged) {
    for (name, side) in &seen.vaults {
        let spot = Spot::vault(name, side);
        quota(&spot.place(), &spot.to_string(), &side.quota, out);
        spot.catalogue(known, &side.points, out);
        if let Some(newest) = spot.unprotected(known, &side.points, known.due.vault, out) {
            out.unprotected_vaults.insert(name.clone(), newest);
        }
    }
}

fn databases(seen: &Inventory, known: &Known<'_>, out: &mut Judged) {
    for (place, side) in &seen.databases {
        let id = of("no-pitr", place);
        match (known.active, out.read(&side.cluster, &[&id])) {
            (Some(active), Some(Some(cluster)))
                if *active == place.1 && cluster.restorable.is_none() =>
            {
                out.open(
                    id,
                    format!("`{}` in {} cannot be restored to an instant", place.0, place.1),
                    "AWS names no restorable time while a restore runs and where backups are off; look at \
                     BackupRetentionPeriod",
                );
            }
            // Where nobody has looked, nobody knows which side is meant.
            (None, _) => {
                out.unknown.insert(id);
            }
            (Some(_), _) => {}
        }
        let due = match known.active {
            Some(active) if *active == place.1 => known.due.snapshot,
            Some(_) => known.due.copy,
            None => None,
        };
        windows::judge(place, &side.cluster, known, out);
        let spot = Spot::own(place);
        spot.catalogue(known, &side.points, out);
        if let Some(newest) = spot.unprotected(known, &side.points, due, out) {
            out.unprotected.insert(place.clone(), newest);
        }
    }
}

fn caches(seen: &Inventory, known: &Known<'_>, out: &mut Judged) {
    for cache in &known.application.caches {
        let sides = seen.caches.iter().filter(|((name, _), _)| *name == cache.name);
        let sides: Vec<(&Region, &CacheSide)> =
            sides.map(|((_, region), side)| (region, side)).collect();
        members(known, cache, &sides, out);
        zones::judge(seen, known, cache, out);
        if cache.rebuildable {
            continue;
        }
        for (region, side) in sides {
            let place = (cache.name.clone(), region.clone());
            let spot = Spot::own(&place);
            spot.catalogue(known, &side.points, out);
            // AWS copies them nowhere: there is one side to be saved.
            match known.active {
                Some(active) if active == region => {
                    let due = known.due.cache;
                    if let Some(newest) = spot.unprotected(known, &side.points, due, out) {
                        out.unprotected.insert(place.clone(), newest);
                    }
                }
                Some(_) => {}
                None => {
                    out.unknown.insert(of("unprotected", &place));
                }
            }
        }
    }
}

fn members(known: &Known<'_>, cache: &Cache, sides: &[(&Region, &CacheSide)], out: &mut Judged) {
    let id = format!("cache-member/{}", cache.name);
    let mut troubles = Vec::new();
    for (region, side) in sides {
        let Some(group) = out.read(&side.group, &[&id]) else { continue };
        let Some(group) = group else {
            troubles.push(format!("there is no replication group in {region}"));
            continue;
        };
        match group.status.as_str() {
            // It goes on serving while these last.
            "available" | "snapshotting" | "modifying" => {}
            status => troubles.push(format!("it is {status} in {region}")),
        }
        let member = group.global.as_ref().map(|(global, _)| global);
        if let Some(declared) = &cache.global
            && member != Some(declared)
        {
            let is = member.map_or("none".to_owned(), |global| format!("`{global}`"));
            troubles.push(format!("in {region} it is a member of {is}, not of `{declared}`"));
        }
        if let (Some((global, role)), Some(active)) = (&group.global, known.active) {
            let is_primary = role.eq_ignore_ascii_case("primary");
            if is_primary != (active == *region) {
                troubles.push(format!("it is {role} of `{global}` in {region}"));
            }
        }
    }
    if !troubles.is_empty() {
        out.unknown.remove(&id);
        out.open(
            id,
            format!("`{}`: {}", cache.name, troubles.join("; ")),
            "look at the replication groups; a failover promotes the new side where the cache declares its \
             `global` datastore, else a person does, one at a time (AWS takes several at once, and names no \
             winner)",
        );
    }
}

fn buckets(seen: &Inventory, known: &Known<'_>, out: &mut Judged) {
    for (place, side) in &seen.buckets {
        let (name, region) = place;
        let id = of("not-versioned", place);
        if let Some(false) = out.read(&side.versioned, &[&id]) {
            out.open(
                id,
                format!("the bucket of `{name}` in {region} keeps no versions"),
                "turn versioning on: without it nothing is replicated, and what is overwritten is gone",
            );
        }
        let id = of("not-replicated", place);
        let Some(rules) = out.read(&side.replicates_to, &[&id]) else { continue };
        let declared = known.application.buckets.iter().find(|bucket| bucket.name == *name);
        let other = declared.zip(known.application.other(region));
        let other = other.and_then(|(bucket, other)| bucket.buckets.get(other.as_str()));
        let Some(other) = other.filter(|other| !rules.contains(other)) else { continue };
        let message = if known.active.is_none_or(|active| active == region) {
            format!("no rule that is enabled copies `{name}` from {region} to `{other}`")
        } else {
            format!(
                "no rule that is enabled copies `{name}` back from {region} to `{other}`: after a \
                 failover new objects would be in one region only"
            )
        };
        out.open(id, message, "make the rule now: in a failover the calls for it may not work");
    }
}

fn secret(seen: &Inventory, known: &Known<'_>, secret: &Secret, out: &mut Judged) {
    let id = format!("secret-not-in-sync/{}", secret.name);
    let sides = [&known.application.home, &known.application.standby];
    let side = |region: &Region| seen.secrets.get(&(secret.name.clone(), region.clone()));
    let mut trouble = None;
    for region in sides {
        let Some(found) = side(region) else { continue };
        let Some(found) = out.read(found, &[&id]) else { continue };
        let Some(found) = found else {
            trouble = Some(format!("there is none in {region}"));
            continue;
        };
        if found.primary.as_deref().is_some_and(|primary| primary != region.as_str()) {
            continue;
        }
        // Only the primary tells about its replicas.
        let Some(other) = known.application.other(region) else { continue };
        match found.replicas.get(other.as_str()) {
            Some((status, _)) if status == "InSync" => {}
            Some((status, said)) => {
                trouble = Some(format!("its replica in {other} is {status} ({said})"));
            }
            None => trouble = Some(format!("{region} names no replica in {other}")),
        }
    }
    if let Some(trouble) = trouble {
        out.unknown.remove(&id);
        out.open(
            id,
            format!("`{}`: {trouble}", secret.secret),
            "the standby would start with an old secret or without one; look at its replication in \
             Secrets Manager",
        );
    }
}

fn objects(seen: &Inventory, known: &Known<'_>, objects: &Objects, out: &mut Judged) {
    let (missing, differs) =
        (format!("object-missing/{}", objects.name), format!("object-differs/{}", objects.name));
    let side = |region: &Region| seen.objects.get(&(objects.name.clone(), region.clone()));
    let (home, standby) = (&known.application.home, &known.application.standby);
    let (Some(here), Some(there)) = (side(home), side(standby)) else { return };
    let (mut absent, mut different) = (Vec::new(), Vec::new());
    for key in &objects.keys {
        let (Some(one), Some(other)) = (here.get(key), there.get(key)) else { continue };
        let (Some(one), Some(other)) =
            (out.read(one, &[&missing, &differs]), out.read(other, &[&missing, &differs]))
        else {
            continue;
        };
        for (found, region) in [(one, home), (other, standby)] {
            if found.is_none() {
                absent.push(format!("`{key}` in {region}"));
            }
        }
        if let (Some(one), Some(other)) = (one, other)
            && one.same(other) == Same::No
        {
            different.push(format!("`{key}`"));
        }
    }
    if !absent.is_empty() {
        out.unknown.remove(&missing);
        let message = format!("`{}`: missing: {}", objects.name, few(&absent));
        out.open(missing, message, "copy it over; a rebuild starts from it");
    }
    if !different.is_empty() {
        out.unknown.remove(&differs);
        let message =
            format!("`{}`: not the same on both sides: {}", objects.name, few(&different));
        out.open(differs, message, "look whether replication of the bucket is behind or broken");
    }
}

/// One finding for each region, and for each vault, that does not say everything.
fn unreadable(seen: &Inventory, out: &mut Judged) {
    let mut whys: Vec<(&Region, Option<&String>)> = Vec::new();
    whys.extend(seen.quotas.iter().map(|(region, quota)| (region, quota.as_ref().err())));
    for ((_, region), side) in &seen.databases {
        whys.extend([
            (region, side.cluster.as_ref().err()),
            (region, side.points.as_ref().err()),
            (region, side.automated.as_ref().err()),
            (region, side.lag.as_ref().err()),
        ]);
    }
    for ((_, region), side) in &seen.caches {
        whys.extend([(region, side.group.as_ref().err()), (region, side.points.as_ref().err())]);
    }
    for ((_, region), side) in &seen.buckets {
        whys.extend([
            (region, side.versioned.as_ref().err()),
            (region, side.replicates_to.as_ref().err()),
        ]);
    }
    whys.extend(seen.secrets.iter().map(|((_, region), one)| (region, one.as_ref().err())));
    for ((_, region), objects) in &seen.objects {
        whys.extend(objects.values().map(|one| (region, one.as_ref().err())));
    }
    let own = |(region, why): (&Region, _)| (region.to_string(), region.to_string(), why);
    let mut whys: Vec<(String, String, Option<&String>)> = whys.into_iter().map(own).collect();
    for (name, side) in &seen.vaults {
        let spot = Spot::vault(name, side);
        for why in [side.points.as_ref().err(), side.quota.as_ref().err()] {
            whys.push((spot.place(), spot.to_string(), why));
        }
    }
    let mut reasons: BTreeMap<(String, String), BTreeSet<&str>> = BTreeMap::new();
    for (place, named, why) in whys {
        let Some(why) = why else { continue };
        reasons.entry((place, named)).or_default().insert(why);
    }
    for ((place, named), reasons) in reasons {
        let reasons: Vec<String> = reasons.into_iter().map(str::to_owned).collect();
        out.open(
            format!("inventory-unknown/{place}"),
            format!("nobody knows what protects it in {named}: {}", few(&reasons)),
            "what could not be read is neither well nor missing; look at the region and at the \
             permissions of Muster's role",
        );
    }
}

fn of(kind: &str, (component, region): &Place) -> String {
    format!("{kind}/{component}/{region}")
}

fn few(all: &[String]) -> String {
    let mut text = all.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    if all.len() > NAMED_MAX {
        let _ = write!(text, " and {} more", all.len() - NAMED_MAX);
    }
    text
}

#[cfg(test)]
mod tests;
