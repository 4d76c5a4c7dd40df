//! Reads how users reach an application.

use std::{collections::BTreeMap, net::SocketAddr};

use super::{Sides, address, texts};
use crate::{
    application::{Marker, Traffic},
    check::{Fields, Findings, list, text},
    name::Region,
    tree::Node,
};

const KEYS: &[&str] =
    &["name", "zone", "primary", "marker", "answers", "name_servers", "writable_in_both"];

pub(super) fn read(node: &Node, sides: &Sides, out: &mut Findings) -> Option<Traffic> {
    let fields = Fields::open(node, "traffic", KEYS, out)?;
    let name = fields.need_text("name", out);
    let zone = fields.need_text("zone", out);
    let primary = region(&fields, "primary", sides, out);
    let marker =
        fields.need("marker", out).and_then(|node| marker(node, primary.as_ref(), sides, out));
    sides.complete(&fields, "answers", out);
    let mut answers = BTreeMap::new();
    for (region, node) in sides.map(fields.entries("answers", out), out) {
        let found = list(node, out).map(|items| texts(items, out)).unwrap_or_default();
        if found.is_empty() {
            let message = format!("no answer would mean `{region}`");
            out.error(node.place, "no-answers", message);
        }
        answers.insert(region.to_string(), found);
    }
    let servers = fields.list("name_servers", out).iter();
    let name_servers = servers.filter_map(|node| name_server(node, out)).collect();
    let writable_in_both = fields.flag("writable_in_both", out);
    Some(Traffic {
        name: name?,
        zone: zone?,
        primary: primary?,
        marker: marker?,
        answers,
        name_servers,
        writable_in_both,
    })
}

fn name_server(node: &Node, out: &mut Findings) -> Option<String> {
    let given = text(node, out)?;
    if given.parse::<SocketAddr>().is_err() {
        let message = format!("`{given}` is not an address and a port, such as `192.0.2.53:53`");
        out.error(node.place, "wrong-value", message);
        return None;
    }
    Some(given.to_owned())
}

fn marker(
    node: &Node,
    primary: Option<&Region>,
    sides: &Sides,
    out: &mut Findings,
) -> Option<Marker> {
    let fields = Fields::open(node, "the marker", &["region", "bucket", "key"], out)?;
    let region = region(&fields, "region", sides, out);
    if let (Some(node), Some(region)) = (fields.get("region"), &region)
        && Some(region) == primary
    {
        let message = format!("the marker would be lost together with `{region}`");
        out.error(node.place, "marker-in-primary", message)
            .hint("it is written when the primary side is gone, so it must lie on the other one");
    }
    let bucket = fields.need("bucket", out).and_then(|node| address::bucket_name(node, out));
    let key = fields.need_text("key", out);
    Some(Marker { region: region?, bucket: bucket?, key: key? })
}

fn region(fields: &Fields<'_>, key: &str, sides: &Sides, out: &mut Findings) -> Option<Region> {
    let region = fields.need_parsed(key, out)?;
    if let Some(node) = fields.get(key) {
        sides.known(node.place, &region, out);
    }
    Some(region)
}
