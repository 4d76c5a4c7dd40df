//! Reads a runbook's own keys; its steps are read next door.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Input, Runbook, StepDefinition, lint, step};
use crate::{
    action::Role,
    check::{Checked, Fields, Findings, unknown, wrong_kind},
    name::StepId,
    plan::Part,
    tree::{Content, Entry, Node, Placed},
    value::{Kind, Span},
};

/// The keys of a runbook, in the order in which they are said.
pub(super) const KEYS: &[&str] = &[
    "name",
    "title",
    "replaces",
    "exclusive",
    "way_back",
    "inputs",
    "objectives",
    "steps",
    "undo",
    "finally",
];

/// The keys of an input.
pub(super) const INPUT_KEYS: &[&str] = &["type", "default", "why", "required"];

/// The kinds that an input may have, by their words.
pub(super) const INPUT_KINDS: &[(&str, Kind)] = &[
    ("text", Kind::Text),
    ("integer", Kind::Integer),
    ("boolean", Kind::Boolean),
    ("duration", Kind::Duration),
    ("instant", Kind::Instant),
    ("role", Kind::Word(Role::WORDS)),
];

pub(super) fn runbook(file: &str, text: &str) -> Checked<Runbook> {
    let mut out = Findings::new(file);
    let value = out.tree(text).and_then(|node| read(file, &node, &mut out));
    if let Some(runbook) = &value {
        lint::file(runbook, &mut out);
    }
    Checked { value, findings: out.finish() }
}

fn read(file: &str, node: &Node, out: &mut Findings) -> Option<Runbook> {
    let fields = Fields::open(node, "a runbook", KEYS, out)?;
    let name = fields.need_parsed("name", out);
    let title = fields.need_text("title", out).unwrap_or_default();
    if let Some(node) = fields.need("steps", out)
        && node.content == Content::List(Vec::new())
    {
        out.error(node.place, "no-steps", "a runbook needs at least one step");
    }
    let way_back = fields.get("way_back").and_then(|node| {
        let name = fields.parsed("way_back", out)?;
        Some(Placed { place: node.place, value: name })
    });
    let mut steps = Vec::new();
    for (key, part) in [("steps", Part::Steps), ("undo", Part::Undo), ("finally", Part::Finally)] {
        part_steps(fields.list(key, out), part, &mut steps, out);
    }
    Some(Runbook {
        title,
        exclusive: fields.flag("exclusive", out),
        way_back,
        replaces_shipped: replaces(&fields, out),
        inputs: inputs(fields.entries("inputs", out), out),
        rto: rto(&fields, out),
        steps,
        file: file.to_owned(),
        name: name?,
    })
}

fn replaces(fields: &Fields<'_>, out: &mut Findings) -> bool {
    let Some(node) = fields.get("replaces") else { return false };
    let shipped = node.text() == Some("shipped");
    if !shipped {
        out.error(node.place, "wrong-value", "`replaces` can only say `shipped`");
    }
    shipped
}

fn rto(fields: &Fields<'_>, out: &mut Findings) -> Option<Span> {
    let node = fields.get("objectives")?;
    Fields::open(node, "objectives", &["rto"], out)?.parsed("rto", out)
}

fn part_steps(items: &[Node], part: Part, steps: &mut Vec<StepDefinition>, out: &mut Findings) {
    let mut above: Option<StepId> = None;
    for item in items {
        let Some(step) = step::read(item, part, above.as_ref(), out) else { continue };
        above = Some(step.id.clone());
        steps.push(step);
    }
}

fn inputs(entries: &[Entry], out: &mut Findings) -> BTreeMap<String, Input> {
    let mut inputs = BTreeMap::new();
    for entry in entries {
        let name = entry.key.as_str();
        if !is_snake(name) {
            let message = format!("`{name}` is not an input name");
            out.error(entry.place, "wrong-value", message)
                .hint("a lower-case letter, then letters, digits and underscores, 48 at most");
        }
        if let Some(input) = input(entry, out) {
            inputs.insert(name.to_owned(), input);
        }
    }
    inputs
}

fn input(entry: &Entry, out: &mut Findings) -> Option<Input> {
    let fields = Fields::open(&entry.value, "an input", INPUT_KEYS, out)?;
    let why = fields.need_text("why", out).unwrap_or_default();
    let kind = kind(&fields, out);
    let default = fields.get("default").map(Node::to_json);
    let required = fields.flag("required", out);
    if let (Some(kind), Some(node)) = (kind, fields.get("default")) {
        check_default(kind, node, out);
        if required {
            out.error(node.place, "default-and-required", "a required input has no default");
        }
    }
    Some(Input { place: entry.place, kind: kind?, default, why, required })
}

fn kind(fields: &Fields<'_>, out: &mut Findings) -> Option<Kind> {
    let node = fields.need("type", out)?;
    let Some(word) = node.text() else {
        wrong_kind(node, "a type", out);
        return None;
    };
    let found = INPUT_KINDS.iter().find(|(name, _)| *name == word);
    if found.is_none() {
        let known: Vec<&str> = INPUT_KINDS.iter().map(|(name, _)| *name).collect();
        unknown(node.place, "no input has the type", "unknown-type", word, &known, out);
    }
    found.map(|(_, kind)| *kind)
}

fn check_default(kind: Kind, node: &Node, out: &mut Findings) {
    let value = node.to_json();
    if let Err(why) = kind.check(&value) {
        out.error(node.place, "wrong-value", why);
    } else if value.as_str().is_some_and(|text| text.contains("${")) {
        out.error(node.place, "bad-reference", "a default cannot refer to anything");
    }
}

/// `^[a-z][a-z0-9_]{0,47}$`, the shape of inputs and outputs.
pub(super) fn is_snake(text: &str) -> bool {
    text.len() <= 48
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// Whether a JSON value is a text that looks like a reference or holds one.
pub(super) fn holds_reference(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("${"),
        Value::Array(items) => items.iter().any(holds_reference),
        Value::Object(map) => map.values().any(holds_reference),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
