//! The small pieces that the page of a report is made of.

use std::collections::BTreeMap;

use jiff::Timestamp;
use maud::{Markup, html};
use serde_json::Value;

use super::super::{Answer, Length};
use crate::page::parts::{clock, said};

/// An instant in UTC.
pub(super) fn when(at: Timestamp) -> Markup {
    clock(at)
}

/// An instant that may be missing.
pub(super) fn maybe_when(at: Option<Timestamp>) -> Markup {
    html! { @match at { Some(at) => (clock(at)), None => "—" } }
}

/// A length, or that nobody knows it.
pub(super) fn length(length: Option<&Length>) -> Markup {
    html! { @match length { Some(length) => (length.text), None => (unknown()) } }
}

/// A length that need not be there.
pub(super) fn maybe_length(length: Option<&Length>) -> Markup {
    html! { @match length { Some(length) => (length.text), None => "—" } }
}

/// What nobody knows.
pub(super) fn unknown() -> Markup {
    html! { span class="badge warn" { "unknown" } }
}

/// An answer to which yes is the good one.
pub(super) fn answer(answer: Answer) -> Markup {
    let tone = match answer {
        Answer::Yes => "good",
        Answer::No => "bad",
        Answer::Unknown => "warn",
    };
    html! { span class={ "badge " (tone) } { (answer.word()) } }
}

/// How many had no room.
pub(super) fn more(left_off: usize, of: &str) -> Markup {
    html! { @if left_off > 0 { p class="finding" { (left_off) " more " (of) " are not shown here; the journal has them." } } }
}

/// A list of names in one line.
pub(super) fn names(items: &[String], left_off: usize) -> Markup {
    html! {
        @for (place, name) in items.iter().enumerate() { @if place > 0 { ", " } code { (name) } }
        @if left_off > 0 { " and " (left_off) " more" }
        @if items.is_empty() && left_off == 0 { "—" }
    }
}

/// A table with a heading of its own.
pub(super) fn table(heads: &[&str], rows: &[Vec<Markup>]) -> Markup {
    html! {
        @if rows.is_empty() { p class="quiet" { "None." } }
        @else {
            div class="wide" { table {
                tr { @for head in heads { th { (head) } } }
                @for row in rows { tr { @for cell in row { td { (cell) } } } }
            } }
        }
    }
}

/// What a step gave, name by name.
pub(super) fn values(values: &BTreeMap<String, Value>) -> Markup {
    html! {
        @for (place, (name, value)) in values.iter().enumerate() {
            @if place > 0 { br; }
            span class="quiet" { (name) ": " }
            @match value {
                Value::String(text) => (text),
                Value::Array(list) => { @for (place, one) in list.iter().enumerate() {
                    @if place > 0 { "; " }
                    (one.as_str().map_or_else(|| one.to_string(), str::to_owned))
                } },
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => (value.to_string()),
            }
        }
    }
}

/// A cell of plain text whose names stand in backticks.
pub(super) fn text(text: &str) -> Markup {
    said(text)
}

/// A cell with a name.
pub(super) fn name(name: &str) -> Markup {
    html! { code { (name) } }
}
