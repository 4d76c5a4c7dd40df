//! Reads caches, secrets and declared objects.

use std::collections::BTreeMap;

use super::{Names, Sides, address, flush::flush, policy};
use crate::{
    application::{Cache, Objects, Secret},
    check::{Fields, Findings, text},
    tree::Node,
};

/// The most declared objects of one component: each is looked at on both sides.
const KEYS_MAX: usize = 50;

pub(super) fn cache(
    node: &Node,
    sides: &Sides,
    names: &mut Names,
    out: &mut Findings,
) -> Option<Cache> {
    let known = &["name", "replication_groups", "rebuildable", "global", "flush", "retention"];
    let fields = Fields::open(node, "a cache", known, out)?;
    let name = names.read(&fields, out);
    fields.need("replication_groups", out);
    let mut replication_groups = BTreeMap::new();
    for (region, node) in sides.map(fields.entries("replication_groups", out), out) {
        if let Some(group) = group(node, out) {
            replication_groups.insert(region.to_string(), group);
        }
    }
    let rebuildable = fields.flag("rebuildable", out);
    let missing = |side: &&crate::name::Region| !replication_groups.contains_key(side.as_str());
    for side in sides.both().filter(missing).filter(|_| !rebuildable) {
        out.warning(fields.place, "no-cache", format!("there is no cache in `{side}`")).hint(
            "what it holds is lost with its region; say `rebuildable: true` if nobody misses it",
        );
    }
    let global = fields.get("global").and_then(|node| datastore(node, out));
    if let Some(node) = fields.get("global") {
        for side in sides.both().filter(missing) {
            let message = format!("a global datastore has a replication group in `{side}` too");
            out.error(node.place, "missing-region", message);
        }
    }
    let flush = match fields.get("flush") {
        Some(node) => Some(flush(node, sides, out)?),
        None => None,
    };
    let retention = policy::retention(&fields, out)?;
    Some(Cache { name: name?, replication_groups, rebuildable, global, flush, retention })
}

/// The identifier of a replication group as ElastiCache accepts it.
fn group(node: &Node, out: &mut Findings) -> Option<String> {
    let name = text(node, out)?;
    let fits = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && !name.ends_with('-')
        && !name.contains("--")
        && name.len() <= 40;
    if fits {
        return Some(name.to_owned());
    }
    out.error(
        node.place,
        "wrong-value",
        format!("`{name}` is not the identifier of a replication group"),
    );
    None
}

/// The identifier of a global datastore, with the prefix that AWS has put before it.
fn datastore(node: &Node, out: &mut Findings) -> Option<String> {
    let name = text(node, out)?;
    let fits = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && !name.ends_with('-')
        && name.len() <= 63;
    if fits {
        return Some(name.to_owned());
    }
    out.error(
        node.place,
        "wrong-value",
        format!("`{name}` is not the identifier of a global datastore"),
    );
    None
}

pub(super) fn secret(node: &Node, names: &mut Names, out: &mut Findings) -> Option<Secret> {
    let fields = Fields::open(node, "a secret", &["name", "secret"], out)?;
    let name = names.read(&fields, out);
    let secret = fields.need("secret", out).and_then(|node| secret_name(node, out));
    Some(Secret { name: name?, secret: secret? })
}

/// The name of a secret. An ARN holds a region, and the replica's differs.
fn secret_name(node: &Node, out: &mut Findings) -> Option<String> {
    let name = text(node, out)?;
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"/_+=.@-".contains(&b);
    if name.len() <= 512 && name.bytes().all(fits) {
        return Some(name.to_owned());
    }
    out.error(node.place, "wrong-value", format!("`{name}` is not the name of a secret"))
        .hint("write its name, not its ARN: the replica has another one");
    None
}

pub(super) fn objects(
    node: &Node,
    sides: &Sides,
    names: &mut Names,
    out: &mut Findings,
) -> Option<Objects> {
    let fields = Fields::open(node, "declared objects", &["name", "buckets", "keys"], out)?;
    let name = names.read(&fields, out);
    sides.complete(&fields, "buckets", out);
    let buckets = address::buckets(fields.entries("buckets", out), sides, out);
    let listed = fields.need("keys", out).map(|_| fields.list("keys", out)).unwrap_or_default();
    let mut keys: Vec<String> = Vec::new();
    for node in listed {
        let Some(key) = text(node, out) else { continue };
        if key.len() > 1_024 {
            out.error(node.place, "wrong-value", "a key has 1,024 bytes at most");
        } else if keys.iter().any(|known| known == key) {
            out.error(node.place, "duplicate-name", format!("`{key}` is listed twice"));
        } else {
            keys.push(key.to_owned());
        }
    }
    if let Some(node) = fields.get("keys")
        && !(1..=KEYS_MAX).contains(&listed.len())
    {
        let message = format!("{} keys; 1 to {KEYS_MAX}", listed.len());
        out.error(node.place, "wrong-value", message);
    }
    Some(Objects { name: name?, buckets, keys })
}
