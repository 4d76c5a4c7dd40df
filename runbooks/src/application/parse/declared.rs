//! Reads what nobody can measure: losses beside the components, which side may be promoted, and what was
//! looked at by hand.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::Sides;
use crate::{
    application::declared::{Attested, Beside, ByHand, DeclaredLoss, Promotion},
    check::{Fields, Findings, parsed, text},
    tree::Node,
};

pub(super) fn losses(items: &[Node], out: &mut Findings) -> Option<Vec<DeclaredLoss>> {
    let mut seen: Vec<Beside> = Vec::new();
    let losses = items.iter().map(|node| {
        let fields = Fields::open(node, "a declared loss", &["of", "at_most", "because"], out)?;
        let of: Option<Beside> = fields.need_parsed("of", out);
        if let (Some(of), Some(node)) = (of, fields.get("of")) {
            if seen.contains(&of) {
                out.error(node.place, "duplicate-name", format!("`{of}` is declared already"));
            }
            seen.push(of);
        }
        let at_most = fields.need_parsed("at_most", out);
        let because = reason(&fields, out);
        Some(DeclaredLoss { of: of?, at_most: at_most?, because: because? })
    });
    losses.collect::<Vec<_>>().into_iter().collect()
}

/// Why somebody is sure. An empty reason is none.
pub(super) fn reason(fields: &Fields<'_>, out: &mut Findings) -> Option<String> {
    let because = fields.need_text("because", out)?;
    if let Some(node) = fields.get("because").filter(|_| because.trim().is_empty()) {
        out.error(node.place, "wrong-value", "what is declared needs a reason")
            .hint("write what makes you sure; it is shown to whoever approves a failover");
    }
    Some(because)
}

pub(super) fn attested(items: &[Node], out: &mut Findings) -> Option<Vec<Attested>> {
    let mut seen: Vec<ByHand> = Vec::new();
    let all = items.iter().map(|node| {
        let known = &["what", "by", "until", "because"];
        let fields = Fields::open(node, "something attested", known, out)?;
        let what: Option<ByHand> = fields.need_parsed("what", out);
        if let (Some(what), Some(node)) = (what, fields.get("what")) {
            if seen.contains(&what) {
                out.error(node.place, "duplicate-name", format!("`{what}` is attested already"));
            }
            seen.push(what);
        }
        let by = fields.need_text("by", out);
        let until = fields.need("until", out).and_then(|node| day(node, out));
        let because = reason(&fields, out);
        Some(Attested { what: what?, by: by?, until: until?, because: because? })
    });
    all.collect::<Vec<_>>().into_iter().collect()
}

pub(super) fn day(node: &Node, out: &mut Findings) -> Option<Date> {
    let written = text(node, out)?;
    let day = written.parse().ok();
    if day.is_none() {
        out.error(node.place, "wrong-value", format!("`{written}` is not a day"))
            .hint("write it as 2026-12-31, the last day on which this is believed");
    }
    day
}

pub(super) fn promotion(
    fields: &Fields<'_>,
    sides: &Sides,
    out: &mut Findings,
) -> BTreeMap<String, Promotion> {
    let mut rules = BTreeMap::new();
    for (region, node) in sides.map(fields.entries("promotion", out), out) {
        if let Some(rule) = parsed::<Promotion>(node, out) {
            rules.insert(region.to_string(), rule);
        }
    }
    let may_not = |rule: &Promotion| *rule == Promotion::MustNot;
    if rules.len() == 2
        && rules.values().all(may_not)
        && let Some(node) = fields.get("promotion")
    {
        out.error(node.place, "no-way-out", "neither side may be promoted")
            .hint("leave one of them out, or nothing can ever be moved");
    }
    rules
}
