//! Reads an application: every key with its place, every region one of its two.

mod address;
mod admission;
mod beside;
mod build;
mod declared;
mod detection;
mod drills;
mod flush;
mod hook;
mod job;
mod policy;
mod rebuild;
mod recovery;
mod restore;
mod sql;
mod traffic;
mod vault;
mod workload;
mod write_lease;

pub(crate) use address::sending_problem;

use super::{Application, Bucket, Database, Objectives, drills::Drills, recovery::Recovery};
use crate::{
    check::{Checked, Fields, Findings, text},
    name::{ComponentName, Region},
    tree::{Content, Entry, Node, Place},
};

const KEYS: &[&str] = &[
    "name",
    "title",
    "home",
    "standby",
    "objectives",
    "databases",
    "buckets",
    "workloads",
    "caches",
    "secrets",
    "objects",
    "builds",
    "traffic",
    "probes",
    "observers",
    "detection",
    "write_lease",
    "recovery",
    "drills",
    "losses",
    "attested",
];

pub(super) fn application(file: &str, text: &str) -> Checked<Application> {
    let mut out = Findings::new(file);
    let value = out.tree(text).and_then(|node| read(&node, &mut out));
    Checked { value, findings: out.finish() }
}

fn read(node: &Node, out: &mut Findings) -> Option<Application> {
    let fields = Fields::open(node, "an application", KEYS, out)?;
    let name = fields.need_parsed("name", out);
    let title = fields.need_text("title", out);
    let home: Option<Region> = fields.need_parsed("home", out);
    let standby: Option<Region> = fields.need_parsed("standby", out);
    let sides = Sides { home, standby };
    if let (Some(node), Some(home)) = (fields.get("standby"), &sides.home)
        && sides.standby.as_ref() == Some(home)
    {
        out.error(node.place, "same-region", "`standby` is the region that is `home`");
    }
    let objectives = fields.need("objectives", out).and_then(|node| objectives(node, out));
    let mut names = Names::default();
    let workloads = hook::Workloads::declared(&fields, out);
    let databases = fields.list("databases", out).iter();
    let databases: Vec<_> =
        databases.map(|node| database(node, &sides, &workloads, &mut names, out)).collect();
    let buckets = fields.list("buckets", out).iter();
    let buckets: Vec<_> = buckets.map(|node| bucket(node, &sides, &mut names, out)).collect();
    let workloads = fields.list("workloads", out).iter();
    let mut jobs = Names::default();
    let workloads: Vec<_> =
        workloads.map(|node| workload::read(node, &sides, &mut names, &mut jobs, out)).collect();
    let caches = fields.list("caches", out).iter();
    let caches: Vec<_> = caches.map(|node| beside::cache(node, &sides, &mut names, out)).collect();
    let secrets = fields.list("secrets", out).iter();
    let secrets: Vec<_> = secrets.map(|node| beside::secret(node, &mut names, out)).collect();
    let objects = fields.list("objects", out).iter();
    let objects: Vec<_> =
        objects.map(|node| beside::objects(node, &sides, &mut names, out)).collect();
    let builds = build::read(&fields, &sides, out);
    let traffic = fields.get("traffic").map(|node| traffic::read(node, &sides, out));
    let probes = address::urls(fields.entries("probes", out), &sides, out);
    let observers = {
        let workloads = names_of(workloads.iter().flatten().map(|one| &one.name));
        let canaries = databases.iter().flatten().filter(|one| one.canary.is_some());
        let canaries = names_of(canaries.map(|one| &one.name));
        let known = detection::Known { workloads: &workloads, canaries: &canaries };
        detection::observers(fields.list("observers", out), &sides, &known, out)
    };
    let write_lease = fields.get("write_lease").map(|node| write_lease::read(node, &sides, out));
    let detection = fields
        .get("detection")
        .map(|node| detection::policy(node, observers.as_deref(), write_lease.is_some(), out));
    let recovery = match fields.get("recovery") {
        Some(node) => recovery::read(node, name.as_ref(), out),
        None => Some(Recovery::default()),
    };
    let drills = match fields.get("drills") {
        Some(node) => drills::read(node, out),
        None => Some(Drills::default()),
    };
    let losses = declared::losses(fields.list("losses", out), out);
    let attested = declared::attested(fields.list("attested", out), out);
    Some(Application {
        name: name?,
        title: title?,
        home: sides.home?,
        standby: sides.standby?,
        objectives: objectives?,
        databases: databases.into_iter().collect::<Option<_>>()?,
        buckets: buckets.into_iter().collect::<Option<_>>()?,
        workloads: workloads.into_iter().collect::<Option<_>>()?,
        caches: caches.into_iter().collect::<Option<_>>()?,
        secrets: secrets.into_iter().collect::<Option<_>>()?,
        objects: objects.into_iter().collect::<Option<_>>()?,
        builds: builds?,
        traffic: match traffic {
            Some(traffic) => Some(traffic?),
            None => None,
        },
        probes,
        observers: observers?,
        detection: match detection {
            Some(detection) => Some(detection?),
            None => None,
        },
        write_lease: match write_lease {
            Some(write_lease) => Some(write_lease?),
            None => None,
        },
        recovery: recovery?,
        drills: drills?,
        losses: losses?,
        attested: attested?,
    })
}

/// The two regions of the application, as far as they could be read.
struct Sides {
    home: Option<Region>,
    standby: Option<Region>,
}

impl Sides {
    fn both(&self) -> impl Iterator<Item = &Region> {
        self.home.iter().chain(&self.standby)
    }

    /// Reports a region that is not one of the two.
    fn known(&self, place: Place, region: &Region, out: &mut Findings) {
        // With one of them unreadable, or both the same, nothing can be said about a third.
        let two = self.home != self.standby && self.both().count() == 2;
        if two && !self.both().any(|side| side == region) {
            let message = format!("`{region}` is neither `home` nor `standby`");
            out.error(place, "other-region", message);
        }
    }

    /// Reads a map by region, and reports the regions that are unknown or missing.
    fn map<'a>(&self, entries: &'a [Entry], out: &mut Findings) -> Vec<(Region, &'a Node)> {
        let mut map = Vec::new();
        for entry in entries {
            match entry.key.parse::<Region>() {
                Ok(region) => {
                    self.known(entry.place, &region, out);
                    map.push((region, &entry.value));
                }
                Err(why) => {
                    out.error(entry.place, "wrong-value", why.to_string());
                }
            }
        }
        map
    }

    /// Reports each of the two that a map lacks.
    fn complete(&self, fields: &Fields<'_>, key: &'static str, out: &mut Findings) {
        let Some(node) = fields.need(key, out) else { return };
        let Content::Map(entries) = &node.content else { return };
        for side in self.both() {
            if !entries.iter().any(|entry| entry.key == side.as_str()) {
                let message = format!("`{key}` says nothing about `{side}`");
                out.error(node.place, "missing-region", message);
            }
        }
    }
}

/// The component names seen so far. A step of a plan is named after its component, whatever kind.
#[derive(Default)]
struct Names(Vec<ComponentName>);

impl Names {
    fn read(&mut self, fields: &Fields<'_>, out: &mut Findings) -> Option<ComponentName> {
        self.read_as(fields, "a component", out)
    }

    /// Reads a name that nothing else of the kind `what` may have.
    fn read_as(
        &mut self,
        fields: &Fields<'_>,
        what: &str,
        out: &mut Findings,
    ) -> Option<ComponentName> {
        let name: ComponentName = fields.need_parsed("name", out)?;
        if self.0.contains(&name) {
            let place = fields.get("name").map_or(fields.place, |node| node.place);
            out.error(place, "duplicate-name", format!("`{name}` is already {what}"));
        }
        self.0.push(name.clone());
        Some(name)
    }
}

fn objectives(node: &Node, out: &mut Findings) -> Option<Objectives> {
    let fields = Fields::open(node, "objectives", &["rto", "rpo"], out)?;
    let (rto, rpo) = (fields.need_parsed("rto", out), fields.need_parsed("rpo", out));
    Some(Objectives { rto: rto?, rpo: rpo? })
}

fn database(
    node: &Node,
    sides: &Sides,
    workloads: &hook::Workloads<'_>,
    names: &mut Names,
    out: &mut Findings,
) -> Option<Database> {
    let known = [
        "name",
        "global_cluster",
        "clusters",
        "copy_keys",
        "retention",
        "restore_test",
        "rebuild",
        "engine_backup_window",
        "engine_maintenance_window",
        "vault",
        "hooks",
        "promotion",
    ];
    let known = [&known, sql::KEYS].concat();
    let fields = Fields::open(node, "a database", &known, out)?;
    let name = names.read(&fields, out);
    let global_cluster = fields.need_text("global_cluster", out);
    sides.complete(&fields, "clusters", out);
    let clusters = address::arns(fields.entries("clusters", out), "rds", sides, out);
    let copy_keys = address::arns(fields.entries("copy_keys", out), "kms", sides, out);
    for side in sides.both().filter(|side| !copy_keys.contains_key(side.as_str())) {
        // Facts §2: a copy of an encrypted snapshot needs a key that is valid where it arrives.
        out.warning(fields.place, "no-copy-key", format!("copies to `{side}` have no key"))
            .hint("AWS refuses to copy an encrypted snapshot to another region without one");
    }
    let retention = policy::retention(&fields, out);
    let restore_test = restore::read(fields.entries("restore_test", out), sides, out);
    let rebuild = rebuild::read(fields.entries("rebuild", out), sides, out);
    let said = sql::read(&fields, sides, out);
    let hooks = hook::read(&fields, sides, workloads, out);
    let sql::Said { sql, canary, checks, divergence } = said?;
    let (engine_backup_window, engine_maintenance_window) = policy::engine_windows(&fields, out);
    let vault = fields.get("vault").map(|node| vault::read(node, &clusters, sides, out));
    let promotion = declared::promotion(&fields, sides, out);
    Some(Database {
        name: name?,
        global_cluster: global_cluster?,
        clusters,
        copy_keys,
        retention: retention?,
        restore_test: restore_test?,
        rebuild: rebuild?,
        sql,
        canary,
        checks,
        divergence,
        hooks: hooks?,
        engine_backup_window,
        engine_maintenance_window,
        vault: match vault {
            Some(vault) => Some(vault?),
            None => None,
        },
        promotion,
    })
}

const BUCKET: &[&str] = &["name", "buckets", "canary_prefix", "canary_prefixes"];

fn bucket(node: &Node, sides: &Sides, names: &mut Names, out: &mut Findings) -> Option<Bucket> {
    let fields = Fields::open(node, "a bucket", BUCKET, out)?;
    let name = names.read(&fields, out);
    sides.complete(&fields, "buckets", out);
    let buckets = address::buckets(fields.entries("buckets", out), sides, out);
    let canary_prefix = fields.text("canary_prefix", out);
    let more = fields.list("canary_prefixes", out).iter();
    let canary_prefixes = more.filter_map(|node| text(node, out).map(str::to_owned)).collect();
    Some(Bucket { name: name?, buckets, canary_prefix, canary_prefixes })
}

fn names_of<'a>(names: impl Iterator<Item = &'a ComponentName>) -> Vec<ComponentName> {
    names.cloned().collect()
}

/// The texts of a list.
fn texts(items: &[Node], out: &mut Findings) -> Vec<String> {
    items.iter().filter_map(|node| text(node, out)).map(str::to_owned).collect()
}
