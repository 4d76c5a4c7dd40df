//! Reads when an application's turn comes while a whole region is left.

use crate::{
    application::recovery::{Recovery, USUAL_PRIORITY},
    check::{Fields, Findings, parsed, wrong_kind},
    name::ApplicationName,
    tree::Node,
};

/// The last place.
const PRIORITY_MAX: u32 = 100;

pub(super) fn read(
    node: &Node,
    name: Option<&ApplicationName>,
    out: &mut Findings,
) -> Option<Recovery> {
    let fields = Fields::open(node, "recovery", &["priority", "after"], out)?;
    let priority = fields.get("priority").map_or(Some(USUAL_PRIORITY), |node| priority(node, out));
    let mut after: Vec<ApplicationName> = Vec::new();
    for node in fields.list("after", out) {
        let Some(other) = parsed(node, out) else { continue };
        if name == Some(&other) {
            out.error(node.place, "after-itself", "an application cannot wait for itself");
        } else if after.contains(&other) {
            out.error(node.place, "clash", format!("`{other}` stands here twice"));
        } else {
            after.push(other);
        }
    }
    Some(Recovery { priority: priority?, after })
}

fn priority(node: &Node, out: &mut Findings) -> Option<u32> {
    let number = node.scalar().and_then(|value| value.as_u64());
    let number = number.and_then(|number| u32::try_from(number).ok());
    match number {
        Some(number @ 1..=PRIORITY_MAX) => Some(number),
        Some(_) | None => {
            wrong_kind(node, "a whole number from 1 (first) to 100 (last)", out);
            None
        }
    }
}
