//! Reads what runs in a namespace.

use std::collections::BTreeMap;

use super::{Names, Sides, address, admission::admission, job, policy};
use crate::{
    application::{Controller, Exports, Workload},
    check::{Fields, Findings, parsed, text, wrong_kind},
    tree::Node,
};

pub(super) fn read(
    node: &Node,
    sides: &Sides,
    names: &mut Names,
    jobs: &mut Names,
    out: &mut Findings,
) -> Option<Workload> {
    let known = &[
        "name",
        "namespace",
        "contexts",
        "clusters",
        "exports",
        "replicas",
        "jobs",
        "workers",
        "restart_after_failover",
        "admission",
    ];
    let fields = Fields::open(node, "a workload", known, out)?;
    let name = names.read(&fields, out);
    let namespace = fields.need("namespace", out).and_then(|node| namespace(node, out));
    sides.complete(&fields, "contexts", out);
    let contexts = words(&fields, "contexts", sides, out);
    let clusters = words(&fields, "clusters", sides, out);
    for side in sides.both().filter(|side| !clusters.contains_key(side.as_str())) {
        let message = format!("nothing tells the cluster in `{side}` from another one");
        out.warning(fields.place, "no-cluster-uid", message).hint(
            "without it nothing is restored there: `kubectl get namespace kube-system -o \
             jsonpath={.metadata.uid}` prints what belongs under `clusters`",
        );
    }
    let exports = fields.need("exports", out).and_then(|node| exports(node, sides, out));
    let replicas = replicas(&fields, out);
    let jobs = job::read(&fields, jobs, out);
    let workers = controllers(&fields, "workers", out);
    let restarts = restarts(&fields, &workers, out);
    let admission = match fields.get("admission") {
        Some(node) => Some(admission(node, out)?),
        None => None,
    };
    Some(Workload {
        name: name?,
        namespace: namespace?,
        contexts,
        clusters,
        exports: exports?,
        replicas,
        jobs: jobs?,
        workers,
        restart_after_failover: restarts,
        admission,
    })
}

/// The most replicas of one set that anybody means.
const REPLICAS_MAX: u64 = 5_000;

/// How strong each set must be, by kind and name.
fn replicas(fields: &Fields<'_>, out: &mut Findings) -> BTreeMap<String, u32> {
    let mut replicas = BTreeMap::new();
    for entry in fields.entries("replicas", out) {
        let kind = entry.key.split_once('/').map(|(kind, _)| kind);
        if !matches!(kind, Some("deployment" | "statefulset")) {
            let message = format!("`{}` names no set", entry.key);
            out.error(entry.place, "wrong-value", message)
                .hint("write `deployment/NAME` or `statefulset/NAME`");
            continue;
        }
        let number = entry.value.scalar().and_then(|value| value.as_u64());
        match number.filter(|number| (1..=REPLICAS_MAX).contains(number)) {
            Some(number) => {
                replicas.insert(entry.key.clone(), u32::try_from(number).unwrap_or(u32::MAX));
            }
            None => {
                let wanted = format!("a whole number from 1 to {REPLICAS_MAX}");
                wrong_kind(&entry.value, &wanted, out);
            }
        }
    }
    replicas
}

/// The most objects of one list: each is looked at by itself, in a failover.
const CONTROLLERS_MAX: usize = 20;

/// Objects of the namespace, by kind and name.
fn controllers(fields: &Fields<'_>, key: &'static str, out: &mut Findings) -> Vec<Controller> {
    let listed = fields.list(key, out);
    let mut all: Vec<Controller> = Vec::new();
    for node in listed {
        let Some(one) = parsed::<Controller>(node, out) else { continue };
        if all.contains(&one) {
            out.error(node.place, "duplicate-name", format!("`{one}` is listed twice"));
        } else {
            all.push(one);
        }
    }
    if let Some(node) = fields.get(key)
        && listed.len() > CONTROLLERS_MAX
    {
        let message = format!("{} of `{key}`; {CONTROLLERS_MAX} at most", listed.len());
        out.error(node.place, "wrong-value", message);
    }
    all
}

/// The sets that start anew: a cron job has no pods that wait, and a worker is started anyway.
fn restarts(fields: &Fields<'_>, workers: &[Controller], out: &mut Findings) -> Vec<Controller> {
    const KEY: &str = "restart_after_failover";
    let all = controllers(fields, KEY, out);
    let place = fields.get(KEY).map_or(fields.place, |node| node.place);
    for one in &all {
        if !one.is_set() {
            let message = format!("`{one}` has nothing that could be restarted");
            out.error(place, "wrong-value", message)
                .hint("write `deployment/NAME` or `statefulset/NAME`");
        } else if workers.contains(one) {
            let message = format!("`{one}` is a worker, and is started after a failover anyway");
            out.error(place, "wrong-value", message).hint("leave it out here");
        }
    }
    all
}

fn exports(node: &Node, sides: &Sides, out: &mut Findings) -> Option<Exports> {
    let fields = Fields::open(node, "exports", &["buckets", "prefix", "retention"], out)?;
    sides.complete(&fields, "buckets", out);
    let buckets = address::buckets(fields.entries("buckets", out), sides, out);
    let retention = policy::retention(&fields, out);
    let prefix = fields.need("prefix", out)?;
    let given = text(prefix, out)?;
    let trimmed = given.trim_matches('/');
    if trimmed.is_empty() || trimmed.len() > 512 || trimmed.chars().any(char::is_control) {
        let message = format!("`{given}` is not a prefix such as `muster/objects`");
        out.error(prefix.place, "wrong-value", message);
        return None;
    }
    Some(Exports { buckets, prefix: trimmed.to_owned(), retention: retention? })
}

fn words(
    fields: &Fields<'_>,
    key: &'static str,
    sides: &Sides,
    out: &mut Findings,
) -> BTreeMap<String, String> {
    let mut words = BTreeMap::new();
    for (region, node) in sides.map(fields.entries(key, out), out) {
        let Some(word) = text(node, out) else { continue };
        if word.is_empty() || word.chars().any(char::is_control) {
            out.error(node.place, "wrong-value", format!("`{key}` of `{region}` is empty"));
            continue;
        }
        words.insert(region.to_string(), word.to_owned());
    }
    words
}

/// A name that Kubernetes accepts for a namespace, and that is safe in a path.
fn namespace(node: &Node, out: &mut Findings) -> Option<String> {
    let name = text(node, out)?;
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let sound = (1..=63).contains(&name.len())
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-');
    if !sound {
        out.error(node.place, "wrong-value", format!("`{name}` is not the name of a namespace"));
        return None;
    }
    Some(name.to_owned())
}
