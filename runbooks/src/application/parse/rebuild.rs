//! Where a rebuild restores a database to, per region.

use std::collections::BTreeMap;

use super::{Sides, restore::place};
use crate::{
    application::Rebuild,
    check::{Fields, Findings},
    tree::{Entry, Node},
};

const KEYS: &[&str] =
    &["subnet_group", "security_groups", "instance_class", "engine_version", "parameter_group"];

pub(super) fn read(
    entries: &[Entry],
    sides: &Sides,
    out: &mut Findings,
) -> Option<BTreeMap<String, Rebuild>> {
    let mut rebuilds = BTreeMap::new();
    for (region, node) in sides.map(entries, out) {
        rebuilds.insert(region.to_string(), rebuild(node, out)?);
    }
    Some(rebuilds)
}

fn rebuild(node: &Node, out: &mut Findings) -> Option<Rebuild> {
    let fields = Fields::open(node, "a rebuild", KEYS, out)?;
    let parameter_group = fields.text("parameter_group", out);
    let place = place(&fields, "a rebuild", out)?;
    Some(Rebuild {
        subnet_group: place.subnet_group,
        security_groups: place.security_groups,
        instance_class: place.instance_class,
        engine_version: place.engine_version,
        parameter_group,
    })
}
