//! Reads the builds of an application.

use super::{Names, Sides, address, job::plain};
use crate::{
    application::build::{BUILDS_MAX, Build, OWN_VARIABLES},
    check::{Fields, Findings},
    tree::Node,
};

const KEYS: &[&str] = &["name", "projects", "variables"];

pub(super) fn read(
    application: &Fields<'_>,
    sides: &Sides,
    out: &mut Findings,
) -> Option<Vec<Build>> {
    let nodes = application.list("builds", out);
    if let Some(first) = nodes.get(BUILDS_MAX) {
        let message = format!("an application has {BUILDS_MAX} builds at most");
        out.error(first.place, "too-many-builds", message);
        return None;
    }
    let mut names = Names::default();
    nodes.iter().map(|node| build(node, sides, &mut names, out)).collect()
}

fn build(node: &Node, sides: &Sides, names: &mut Names, out: &mut Findings) -> Option<Build> {
    let fields = Fields::open(node, "a build", KEYS, out)?;
    let name = names.read_as(&fields, "a build of this application", out);
    fields.need("projects", out);
    // An ARN of another region than the one it stands under is an error: who builds a lost region's successor
    // must not be lost with it.
    let projects = address::arns(fields.entries("projects", out), "codebuild", sides, out);
    let hint = "let the project read it from Secrets Manager, as its own environment says";
    let variables = plain(&fields, "variables", hint, out);
    for name in variables.keys().filter(|name| name.to_ascii_uppercase().starts_with(OWN_VARIABLES))
    {
        let place = fields.get("variables").map_or(node.place, |node| node.place);
        out.error(place, "wrong-value", format!("`{name}` is Muster's own to set"));
    }
    Some(Build { name: name?, projects, variables })
}
