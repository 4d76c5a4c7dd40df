//! What a takeover needs beside databases: secrets, buckets, caches, objects, what runs, the way of the
//! users, and those who watch (facts §3–6, §11).

use std::collections::BTreeSet;

use muster_runbooks::{
    application::{Cache, Traffic, Workload},
    name::ComponentName,
};

use super::{Point, READ, Ready, Sides, read, worker};
use crate::world::inventory::{
    judge::CACHE_ZONES,
    objectives::{Achievable, Kind, Threat, components},
    takeover::{RecordSide, WorkloadSide},
};

/// How many failure domains must be able to say something before anybody is believed.
const DOMAINS_MIN: usize = 2;

pub(super) fn points(ready: &Ready<'_>, sides: &Sides<'_>, out: &mut Vec<Point>) {
    let application = ready.known.application;
    for secret in &application.secrets {
        out.push(by_finding(ready, "secret-not-in-sync", "secret", &secret.name, "in sync"));
    }
    for bucket in &application.buckets {
        let both = [sides.active, sides.standby];
        let ids = both.map(|region| format!("not-replicated/{}/{region}", bucket.name));
        out.push(by_findings(ready, &ids, "bucket-rules", &bucket.name, "copied both ways"));
    }
    for objects in &application.objects {
        let ids =
            ["object-missing", "object-differs"].map(|kind| format!("{kind}/{}", objects.name));
        out.push(by_findings(ready, &ids, "objects", &objects.name, "the same on both sides"));
    }
    for cache in &application.caches {
        out.push(if cache.rebuildable && cache.global.is_none() {
            Point::pass("cache", Some(&cache.name), "the application fills it again by itself")
        } else {
            by_finding(ready, "cache-member", "cache", &cache.name, "as it should be")
        });
        out.extend(zones(ready, sides, cache));
    }
    arrivals(ready, out);
    for workload in &application.workloads {
        out.push(runs(ready, sides, workload).unwrap_or_else(|point| point));
        out.push(strength(ready, sides, workload));
        if !workload.workers.is_empty() {
            out.push(worker::point(ready, sides, workload).unwrap_or_else(|point| point));
        }
    }
    if let Some(traffic) = &application.traffic {
        out.push(marker(ready, traffic).unwrap_or_else(|point| point));
        out.push(records(ready, traffic).unwrap_or_else(|point| point));
    }
    out.extend(serves(ready, sides));
    out.push(watched(ready));
}

/// Whether a cache outlives a zone where it has nodes; no point where it has none on either side.
fn zones(ready: &Ready<'_>, sides: &Sides<'_>, cache: &Cache) -> Option<Point> {
    let here = [sides.active, sides.standby].into_iter().filter(|region| cache.is_in(region));
    let ids: Vec<String> =
        here.map(|region| format!("{CACHE_ZONES}/{}/{region}", cache.name)).collect();
    if ids.is_empty() {
        return None;
    }
    // A group that is not there, or is going, has a finding of its own.
    let ids = [vec![format!("cache-member/{}", cache.name)], ids].concat();
    let well = "a replica in another zone takes over by itself";
    Some(by_findings(ready, &ids, CACHE_ZONES, &cache.name, well))
}

/// A point that is what one finding of the inventory says.
fn by_finding(
    ready: &Ready<'_>,
    finding: &str,
    kind: &str,
    about: &ComponentName,
    well: &str,
) -> Point {
    by_findings(ready, &[format!("{finding}/{about}")], kind, about, well)
}

/// The same for several: the first that stands, and unknown if one of them is.
fn by_findings(
    ready: &Ready<'_>,
    ids: &[String],
    kind: &str,
    about: &ComponentName,
    well: &str,
) -> Point {
    if let Some(open) = ids.iter().find_map(|id| ready.judged.open.get(id)) {
        let point = Point::fail(kind, Some(about), open.message.clone(), &open.hint);
        return Point { finding: Some(open.id.clone()), ..point };
    }
    if ids.iter().any(|id| ready.judged.unknown.contains(id)) {
        return Point::unknown(kind, Some(about), "it could not be read", READ);
    }
    Point::pass(kind, Some(about), well)
}

/// How long objects really take to arrive: what a rule promises was measured, or is unknown.
fn arrivals(ready: &Ready<'_>, out: &mut Vec<Point>) {
    const KIND: &str = "bucket-arrival";
    let rpo = ready.known.application.objectives.rpo;
    for (name, kind, costs) in components(ready.known) {
        let loss = costs.iter().find(|cost| cost.threat == Threat::RegionLoss);
        let Some(loss) = loss.filter(|_| kind == Kind::Bucket).map(|cost| &cost.loss) else {
            continue;
        };
        let hint = "see `muster objectives`, and run `muster run replication-check`";
        out.push(match loss.achievable {
            Achievable::AtMost(span) if span <= rpo => {
                Point::pass(KIND, Some(&name), loss.because.clone())
            }
            Achievable::AtMost(_) | Achievable::Nothing => {
                Point::fail(KIND, Some(&name), loss.because.clone(), hint)
            }
            Achievable::Unknown => Point::unknown(KIND, Some(&name), loss.because.clone(), hint),
        });
    }
}

/// Whether what runs at the active side is there at the standby, with the same images.
fn runs(ready: &Ready<'_>, sides: &Sides<'_>, workload: &Workload) -> Result<Point, Point> {
    const KIND: &str = "workload";
    let about = Some(&workload.name);
    let seen = ready.known.seen.map(|seen| &seen.takeover.workloads);
    let side = |region: &muster_runbooks::name::Region| {
        let said = seen.and_then(|all| all.get(&(workload.name.clone(), region.clone())));
        said.ok_or_else(|| {
            let why = format!("no context is declared in {region}");
            Point::unknown(KIND, about, why, "declare one under `contexts`")
        })
    };
    let there = read(side(sides.standby)?, KIND, about)?;
    let here = read(side(sides.active)?, KIND, about)?;
    Ok(compared(here, there, workload, sides.standby.as_str()))
}

fn compared(here: &WorkloadSide, there: &WorkloadSide, workload: &Workload, at: &str) -> Point {
    const KIND: &str = "workload";
    let about = Some(&workload.name);
    let missing: Vec<&str> = here
        .sets
        .keys()
        .filter(|name| !there.sets.contains_key(*name))
        .map(String::as_str)
        .collect();
    if !missing.is_empty() {
        let saw = format!("missing in {at}: {}", missing.join(", "));
        return Point::fail(KIND, about, saw, "deploy it there: a failover scales what is there");
    }
    let other: Vec<&str> = here
        .sets
        .iter()
        .filter(|(name, set)| there.sets.get(*name).is_some_and(|one| one.images != set.images))
        .map(|(name, _)| name.as_str())
        .collect();
    if !other.is_empty() {
        let saw = format!("other images in {at}: {}", other.join(", "));
        return Point::fail(KIND, about, saw, "deploy the same version to both sides");
    }
    if here.sets.is_empty() {
        let saw = format!("nothing runs in `{}`", workload.namespace);
        return Point::unknown(KIND, about, saw, "see that the namespace is the right one");
    }
    let (wanted, ready): (u32, u32) =
        there.sets.values().fold((0, 0), |sum, set| (sum.0 + set.wanted, sum.1 + set.ready));
    if ready < wanted {
        let saw = format!("{ready} of {wanted} replicas are ready in {at}");
        return Point::fail(
            KIND,
            about,
            saw,
            "see why they are not: they will not be in a failover",
        );
    }
    let saw =
        format!("{} sets with the same images, {ready} replicas ready in {at}", there.sets.len());
    Point::pass(KIND, about, saw)
}

/// Whether the other side may be scaled, and anybody knows how far.
fn strength(ready: &Ready<'_>, sides: &Sides<'_>, workload: &Workload) -> Point {
    const KIND: &str = "full-strength";
    let about = Some(&workload.name);
    if !workload.clusters.contains_key(sides.standby.as_str()) {
        let saw = format!("nothing tells the cluster in {} from another one", sides.standby);
        let hint =
            "declare its UID under `clusters`: nothing is scaled in a cluster that may be another";
        return Point::fail(KIND, about, saw, hint);
    }
    let told = |sets: &std::collections::BTreeMap<String, u32>| {
        let sets: Vec<String> = sets.iter().map(|(name, n)| format!("{name} {n}")).collect();
        sets.join(", ")
    };
    match ready.peaks.get(&workload.name) {
        Some(peak) => {
            let saw =
                format!("{} at its strongest in {}, of {}", told(&peak.sets), peak.region, peak.at);
            Point::pass(KIND, about, saw)
        }
        None if !workload.replicas.is_empty() => {
            Point::pass(KIND, about, format!("{} by its file", told(&workload.replicas)))
        }
        None => Point::unknown(
            KIND,
            about,
            "nobody has seen how strong it is where it serves",
            "let Muster list its sets there, or declare `replicas`: a failover would not know what to scale to",
        ),
    }
}

fn marker(ready: &Ready<'_>, traffic: &Traffic) -> Result<Point, Point> {
    const KIND: &str = "traffic-marker";
    let seen = ready.known.seen.and_then(|seen| seen.takeover.traffic.as_ref());
    let Some(seen) = seen else {
        return Err(Point::unknown(KIND, None, "nobody has looked", READ));
    };
    let is_there = *read(&seen.marker, KIND, None)?;
    let is_away = ready.known.active.is_some_and(|active| *active != traffic.primary);
    let place = format!("s3://{}/{}", traffic.marker.bucket, traffic.marker.key);
    Ok(match (is_there, is_away) {
        (false, true) => Point::fail(
            KIND,
            None,
            format!("`{place}` is not there, and the application is away from its primary record"),
            "write it, or the health check sends users back to the side that does not write",
        ),
        (true, false) => Point::fail(
            KIND,
            None,
            format!("`{place}` is there, and the application is at its primary record"),
            "remove it once you know who wrote it",
        ),
        (true, true) | (false, false) => {
            Point::pass(KIND, None, format!("`{place}` can be read, and is as it should be"))
        }
    })
}

fn records(ready: &Ready<'_>, traffic: &Traffic) -> Result<Point, Point> {
    const KIND: &str = "traffic-records";
    let seen = ready.known.seen.and_then(|seen| seen.takeover.traffic.as_ref());
    let Some(seen) = seen else {
        return Err(Point::unknown(KIND, None, "nobody has looked", READ));
    };
    let records = read(&seen.records, KIND, None)?;
    let of = |is_primary: bool| -> Vec<&RecordSide> {
        records.iter().filter(|one| one.is_primary == is_primary).collect()
    };
    let (primary, secondary) = (of(true), of(false));
    let hint = "make the failover records in calm: their control plane may be gone in a failover";
    if primary.is_empty() || secondary.is_empty() {
        let saw = format!(
            "`{}` has {} primary and {} secondary failover records",
            traffic.name,
            primary.len(),
            secondary.len()
        );
        return Ok(Point::fail(KIND, None, saw, hint));
    }
    if let Some(bare) = primary.iter().find(|one| !one.is_guarded) {
        let saw = format!("the primary record `{}` has no health check", bare.id);
        return Ok(Point::fail(KIND, None, saw, "without one it answers for ever, marker or not"));
    }
    let saw = format!("{} records, the primary ones guarded", records.len());
    Ok(Point::pass(KIND, None, saw))
}

/// Whether the standby would serve: its own probe, never the name that a failover moves.
fn serves(ready: &Ready<'_>, sides: &Sides<'_>) -> Option<Point> {
    const KIND: &str = "standby-probe";
    let seen = ready.known.seen?;
    if ready.known.application.probes.is_empty() {
        let hint = "declare `probes`, one for each side";
        return Some(Point::unknown(KIND, None, "no probe is declared", hint));
    }
    Some(match seen.takeover.probes.get(sides.standby) {
        Some(Ok(status)) if (200..300).contains(status) => {
            Point::pass(KIND, None, format!("{} answers {status}", sides.standby))
        }
        // It answers, and may be waiting for a database that it can write to.
        Some(Ok(status)) => Point::unknown(
            KIND,
            None,
            format!("{} answers {status}", sides.standby),
            "see whether it would serve once its database writes: users are sent only to a side that does",
        ),
        Some(Err(why)) => Point::fail(
            KIND,
            None,
            format!("{} does not answer: {why}", sides.standby),
            "see why it does not serve: users are sent only to a side that does",
        ),
        None => Point::unknown(KIND, None, "nobody has looked", READ),
    })
}

/// Whether enough failure domains could say that a region is lost.
fn watched(ready: &Ready<'_>) -> Point {
    const KIND: &str = "observers";
    let answers = ready.known.seen.map(|seen| &seen.takeover.observers);
    let able: BTreeSet<&str> = ready
        .known
        .application
        .observers
        .iter()
        .filter(|one| {
            let answer = answers.and_then(|answers| answers.get(&one.name));
            matches!(answer, Some(Ok(())))
        })
        .map(|one| one.domain.as_str())
        .collect();
    let saw = format!("{} failure domains can say something", able.len());
    if able.len() >= DOMAINS_MIN {
        return Point::pass(KIND, None, saw);
    }
    let hint = "declare or mend `observers`: two domains at least, or nobody is believed when a region is lost";
    Point::fail(KIND, None, saw, hint)
}
