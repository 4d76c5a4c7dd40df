//! Reads which keys of a cache a failover deletes.

use std::collections::BTreeMap;

use super::{Sides, address, sql};
use crate::{
    application::flush::Flush,
    check::{Fields, Findings, list, text},
    tree::Node,
};

/// The whole keyspace is walked once for each of them.
const PREFIXES_MAX: usize = 16;

pub(super) fn flush(node: &Node, sides: &Sides, out: &mut Findings) -> Option<Flush> {
    let known = &["prefixes", "endpoints", "user", "password_env", "secret", "cluster"];
    let fields = Fields::open(node, "`flush`", known, out)?;
    let prefixes = fields.need("prefixes", out).and_then(|node| prefixes(node, out));
    sides.complete(&fields, "endpoints", out);
    let mut endpoints = BTreeMap::new();
    for (region, node) in sides.map(fields.entries("endpoints", out), out) {
        if let Some(endpoint) = address::endpoint(node, true, out) {
            endpoints.insert(region.to_string(), endpoint);
        }
    }
    let login = sql::login(&fields, sides, out);
    let cluster = fields.flag("cluster", out);
    Some(Flush { prefixes: prefixes?, endpoints, login, cluster })
}

fn prefixes(node: &Node, out: &mut Findings) -> Option<Vec<String>> {
    let nodes = list(node, out)?;
    if nodes.is_empty() || nodes.len() > PREFIXES_MAX {
        let message = format!("{} prefixes; 1 to {PREFIXES_MAX}", nodes.len());
        out.error(node.place, "wrong-value", message);
        return None;
    }
    let mut prefixes = Vec::<String>::new();
    for node in nodes {
        let prefix = text(node, out)?;
        if prefix.is_empty() || prefix.len() > 256 {
            let message = "a prefix has 1 to 256 bytes: an empty one would be every key";
            out.error(node.place, "wrong-value", message);
        } else if let Some(other) = prefixes.iter().find(|other| prefix.starts_with(other.as_str()))
        {
            let message = format!("what begins with `{other}` is deleted already");
            out.error(node.place, "duplicate-name", message);
        }
        prefixes.push(prefix.to_owned());
    }
    Some(prefixes)
}
