//! The JSON Schema of a runbook file, for editors. Built from the same lists as the checker.

use serde_json::{Map, Value, json};

use super::{parse, step};
use crate::{
    action::{Action, ComponentKind, Field, Spec},
    plan::{Danger, OnFailure},
    value::{Kind, TEXT_BYTES_MAX},
};

/// A step id or a reference to one.
const STEP_ID: &str = "^[a-z](-?[a-z0-9])*$";

/// The only two references (design §7).
const REFERENCE: &str =
    r"^\$\{(inputs\.[a-z][a-z0-9_]*|steps\.[a-z](-?[a-z0-9])*\.outputs\.[a-z][a-z0-9_]*)\}$";

/// A number with its unit, once or several times.
const DURATION: &str = r"^([0-9]+(\.[0-9]+)? ?[a-zµ]+[ ,]*)+$";

/// The schema, draft 2020-12.
pub fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Muster runbook",
        "type": "object",
        "additionalProperties": false,
        "required": ["name", "title", "steps"],
        "properties": properties(parse::KEYS, runbook_key),
        "$defs": {
            "step_id": { "type": "string", "pattern": STEP_ID, "maxLength": 32 },
            "runbook_name": { "type": "string", "pattern": STEP_ID, "maxLength": 48 },
            "duration": { "type": "string", "pattern": DURATION },
            "reference": { "type": "string", "pattern": REFERENCE },
            "input": input(),
            "task": { "oneOf": Action::SPECS.iter().map(task).collect::<Vec<_>>() },
            "step": step(),
        },
    })
}

fn properties(keys: &[&str], schema: impl Fn(&str) -> Value) -> Value {
    keys.iter().map(|key| ((*key).to_owned(), schema(key))).collect::<Map<_, _>>().into()
}

fn runbook_key(key: &str) -> Value {
    match key {
        "name" | "way_back" => json!({ "$ref": "#/$defs/runbook_name" }),
        "title" => json!({ "type": "string", "minLength": 1 }),
        "replaces" => json!({ "const": "shipped" }),
        "exclusive" => json!({ "type": "boolean" }),
        "inputs" => {
            json!({ "type": "object", "additionalProperties": { "$ref": "#/$defs/input" } })
        }
        "objectives" => json!({
            "type": "object",
            "additionalProperties": false,
            "properties": { "rto": { "$ref": "#/$defs/duration" } },
        }),
        "steps" => json!({ "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/step" } }),
        _ => json!({ "type": "array", "items": { "$ref": "#/$defs/step" } }),
    }
}

fn input() -> Value {
    let kinds: Vec<&str> = parse::INPUT_KINDS.iter().map(|(word, _)| *word).collect();
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["type", "why"],
        "properties": properties(parse::INPUT_KEYS, |key| match key {
            "type" => json!({ "enum": kinds }),
            "why" => json!({ "type": "string", "minLength": 1 }),
            "required" => json!({ "type": "boolean" }),
            _ => json!({}),
        }),
    })
}

/// A step has its own keys and, by reference, those of one task; `unevaluatedProperties` sees both.
fn step() -> Value {
    json!({
        "type": "object",
        "required": ["id", "title", "do", "limit"],
        "unevaluatedProperties": false,
        "$ref": "#/$defs/task",
        "properties": properties(step::KEYS, step_key),
    })
}

fn step_key(key: &str) -> Value {
    match key {
        "id" => json!({ "$ref": "#/$defs/step_id" }),
        "title" | "expect" => json!({ "type": "string", "minLength": 1 }),
        "needs" => json!({
            "type": "array",
            "uniqueItems": true,
            "items": { "$ref": "#/$defs/step_id" },
        }),
        "each" => json!({ "enum": ComponentKind::WORDS }),
        "forced" => json!({
            "type": "object",
            "unevaluatedProperties": false,
            "required": ["do"],
            "$ref": "#/$defs/task",
        }),
        "limit" | "budget" => json!({ "$ref": "#/$defs/duration" }),
        "attempts" => json!({
            "type": "integer",
            "minimum": 1,
            "maximum": step::ATTEMPTS_MAX,
            "default": step::ATTEMPTS_DEFAULT,
        }),
        "on_failure" => json!({ "enum": OnFailure::WORDS, "default": "pause" }),
        "always" | "best_effort" => json!({ "type": "boolean" }),
        "danger" => json!({ "enum": Danger::WORDS }),
        _ => json!({}),
    }
}

fn task(spec: &Spec) -> Value {
    let names = |required: bool| {
        let fields = spec.parameters.iter().filter(move |field| field.required || !required);
        fields.map(|field| field.name).collect::<Vec<_>>()
    };
    let with = json!({
        "type": "object",
        "additionalProperties": false,
        "required": names(true),
        "properties": properties(&names(false), |name| {
            spec.parameters.iter().find(|field| field.name == name).map_or(json!({}), parameter)
        }),
    });
    let required = if names(true).is_empty() { vec!["do"] } else { vec!["do", "with"] };
    json!({
        "description": spec.about.trim(),
        "required": required,
        "properties": { "do": { "const": spec.name }, "with": with },
    })
}

fn parameter(field: &Field) -> Value {
    let literal = match field.kind {
        Kind::Text => json!({ "type": "string", "maxLength": TEXT_BYTES_MAX }),
        Kind::Integer => json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Duration => json!({ "$ref": "#/$defs/duration" }),
        Kind::Instant => json!({ "type": "string", "format": "date-time" }),
        Kind::Loss => json!({ "anyOf": [{ "$ref": "#/$defs/duration" }, { "const": "unknown" }] }),
        Kind::Word(words) => json!({ "enum": words }),
        Kind::Words(words) => json!({ "type": "array", "items": { "enum": words } }),
        Kind::Texts => json!({ "type": "array", "items": { "type": "string" } }),
    };
    json!({
        "description": field.about.trim(),
        "anyOf": [literal, { "$ref": "#/$defs/reference" }],
    })
}
