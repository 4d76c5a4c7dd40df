//! Reads one step: its keys, its tasks, and the references in their arguments.

use std::collections::BTreeMap;

use super::{
    Argument, StepDefinition, TaskDefinition,
    parse::{holds_reference, is_snake},
};
use crate::{
    check::{Fields, Findings, map, parsed, text},
    name::StepId,
    plan::{Arg, OnFailure, Part},
    tree::{Node, Placed},
    value::Span,
};

/// The keys of a step, in the order in which they are said.
pub(super) const KEYS: &[&str] = &[
    "id",
    "title",
    "needs",
    "each",
    "do",
    "with",
    "forced",
    "expect",
    "limit",
    "budget",
    "attempts",
    "on_failure",
    "always",
    "best_effort",
    "danger",
];

/// How many attempts a step has that does not say.
pub(super) const ATTEMPTS_DEFAULT: u32 = 3;

/// The most attempts that a token has room for (design §6).
pub(super) const ATTEMPTS_MAX: u32 = 9_999;

/// Reads a step. Without a readable id it is left out; any other gap is filled, so that the checks
/// that follow still see the step.
pub(super) fn read(
    node: &Node,
    part: Part,
    above: Option<&StepId>,
    out: &mut Findings,
) -> Option<StepDefinition> {
    let fields = Fields::open(node, "a step", KEYS, out)?;
    let id: Option<StepId> = fields.need_parsed("id", out);
    let title = fields.need_text("title", out).unwrap_or_default();
    let task = task(&fields, out);
    let forced = fields.get("forced").and_then(|node| {
        let fields = Fields::open(node, "a forced variant", &["do", "with"], out)?;
        Some(self::task(&fields, out))
    });
    let limit = fields.need_parsed("limit", out);
    if let (Some(node), Some(limit)) = (fields.get("limit"), limit)
        && limit == Span::default()
    {
        out.error(node.place, "wrong-value", "a step needs time: its limit is zero");
    }
    Some(StepDefinition {
        place: node.place,
        title,
        part,
        needs: needs(&fields, above, out),
        each: fields.parsed("each", out),
        task,
        forced,
        expect: fields.text("expect", out),
        limit: limit.unwrap_or_default(),
        budget: fields.parsed("budget", out),
        attempts: attempts(&fields, out),
        on_failure: fields.parsed("on_failure", out).unwrap_or(OnFailure::Pause),
        always: fields.flag("always", out),
        best_effort: fields.flag("best_effort", out),
        danger: fields.parsed("danger", out),
        id: id?,
    })
}

fn needs(fields: &Fields<'_>, above: Option<&StepId>, out: &mut Findings) -> Vec<Placed<StepId>> {
    if fields.get("needs").is_none() {
        let above = above.map(|id| Placed { place: fields.place, value: id.clone() });
        return above.into_iter().collect();
    }
    let mut needs: Vec<Placed<StepId>> = Vec::new();
    for item in fields.list("needs", out) {
        let Some(value) = parsed::<StepId>(item, out) else { continue };
        if needs.iter().any(|need| need.value == value) {
            out.error(item.place, "duplicate-need", format!("`{value}` stands here twice"));
        } else {
            needs.push(Placed { place: item.place, value });
        }
    }
    needs
}

fn attempts(fields: &Fields<'_>, out: &mut Findings) -> u32 {
    let Some(node) = fields.get("attempts") else { return ATTEMPTS_DEFAULT };
    let given = node.scalar().and_then(|value| value.as_u64());
    match given.and_then(|number| u32::try_from(number).ok()) {
        Some(number) if (1..=ATTEMPTS_MAX).contains(&number) => number,
        Some(_) | None => {
            let message = format!("attempts are a whole number from 1 to {ATTEMPTS_MAX}");
            out.error(node.place, "wrong-value", message);
            ATTEMPTS_DEFAULT
        }
    }
}

fn task(fields: &Fields<'_>, out: &mut Findings) -> TaskDefinition {
    let action = fields.need("do", out).and_then(|node| {
        let value = text(node, out)?.to_owned();
        Some(Placed { place: node.place, value })
    });
    // An empty name is no action, and the checks say nothing more about it.
    let nothing = Placed { place: fields.place, value: String::new() };
    let mut with = BTreeMap::new();
    let entries = fields.get("with").and_then(|node| map(node, "arguments", out));
    for entry in entries.unwrap_or_default() {
        let arg = argument(&entry.value, out);
        let argument = Argument { name_place: entry.place, place: entry.value.place, arg };
        with.insert(entry.key.clone(), argument);
    }
    TaskDefinition { action: action.unwrap_or(nothing), with }
}

fn argument(node: &Node, out: &mut Findings) -> Option<Arg> {
    let value = node.to_json();
    if !holds_reference(&value) {
        return Some(Arg::Literal(value));
    }
    let reference = value.as_str().and_then(reference);
    if reference.is_none() {
        out.error(node.place, "bad-reference", "`${` stands for a reference, and this is none")
            .hint("a whole value may be `${inputs.NAME}` or `${steps.ID.outputs.NAME}`");
    }
    reference
}

/// Reads `${inputs.x}` and `${steps.x.outputs.name}`; there is nothing else.
fn reference(text: &str) -> Option<Arg> {
    let inside = text.strip_prefix("${")?.strip_suffix('}')?;
    if let Some(name) = inside.strip_prefix("inputs.") {
        return is_snake(name).then(|| Arg::Input(name.to_owned()));
    }
    let (step, name) = inside.strip_prefix("steps.")?.split_once(".outputs.")?;
    let step = step.parse().ok()?;
    is_snake(name).then(|| Arg::Output { step, name: name.to_owned() })
}
