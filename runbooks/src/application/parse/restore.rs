//! Where restore tests of a database may bring its recovery points back, per region.

use std::collections::BTreeMap;

use super::{Sides, texts};
use crate::{
    application::RestoreTest,
    check::{Fields, Findings},
    tree::Entry,
};

const KEYS: &[&str] = &["subnet_group", "security_groups", "instance_class", "engine_version"];

pub(super) fn read(
    entries: &[Entry],
    sides: &Sides,
    out: &mut Findings,
) -> Option<BTreeMap<String, RestoreTest>> {
    let mut tests = BTreeMap::new();
    for (region, node) in sides.map(entries, out) {
        let fields = Fields::open(node, "a restore test", KEYS, out)?;
        tests.insert(region.to_string(), place(&fields, "a restore test", out)?);
    }
    Some(tests)
}

/// The place that `what` restores to.
pub(super) fn place(fields: &Fields<'_>, what: &str, out: &mut Findings) -> Option<RestoreTest> {
    let subnet_group = fields.need_text("subnet_group", out);
    let instance_class = fields.need_text("instance_class", out);
    let engine_version = fields.text("engine_version", out);
    if let Some(node) = fields.get("subnet_group")
        && subnet_group.as_deref() == Some("default")
    {
        let message = format!("{what} never lands in the default subnets");
        out.error(node.place, "default-subnets", message)
            .hint("declare private subnets of their own for it");
    }
    fields.need("security_groups", out);
    let security_groups = texts(fields.list("security_groups", out), out);
    if let Some(node) = fields.get("security_groups") {
        if security_groups.is_empty() {
            // Facts §2: without one AWS takes the default group of the VPC.
            out.error(node.place, "no-security-group", format!("{what} needs a security group"));
        }
        for group in security_groups.iter().filter(|group| !group.starts_with("sg-")) {
            let message =
                format!("`{group}` is no identifier of a security group, such as sg-0123");
            out.error(node.place, "wrong-value", message);
        }
    }
    if let Some(class) = &instance_class
        && let Some(node) = fields.get("instance_class")
        && !class.starts_with("db.")
    {
        let message = format!("`{class}` is no class of instances, such as db.r6g.large");
        out.error(node.place, "wrong-value", message);
    }
    Some(RestoreTest {
        subnet_group: subnet_group?,
        security_groups,
        instance_class: instance_class?,
        engine_version,
    })
}
