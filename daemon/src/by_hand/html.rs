//! A by-hand page as one HTML file that needs nothing beside it: no script, no style sheet, no picture.

use maud::{Markup, PreEscaped, html};
use muster_runbooks::plan::Part;

use super::{
    sheet::{Line, Sheet, heading},
    text::{facts, limit},
};
use crate::page::parts::{badge, document, said};

/// The style of the status page, inside the file: nothing lies beside a copy.
const STYLE: &str = include_str!("../page/style.css");

/// Writes a page out.
pub fn write(sheet: &Sheet) -> String {
    let title = format!("By hand: {} ({})", sheet.title, sheet.manner);
    let named = format!("{title} — {}", sheet.application);
    let body = html! { main { (show(sheet)) } };
    document(&named, &html! { style { (PreEscaped(STYLE)) } }, &body).into_string()
}

/// The page without what stands around it.
pub fn show(sheet: &Sheet) -> Markup {
    html! {
        section {
            h1 { "By hand: " (sheet.title) " (" (sheet.manner) ")" }
            p { strong { (sheet.application_title) } " " span class="of" { (sheet.application) } }
            dl { @for (name, value) in facts(sheet) { dt { (name) } dd { (said(&value)) } } }
            ul { @for line in sheet.beforehand() { li { (said(&line)) } } }
        }
        @for part in [Part::Steps, Part::Undo, Part::Finally] {
            @if !sheet.part(part).is_empty() {
                section {
                    h1 { (heading(part)) }
                    ol class="steps" { @for line in sheet.part(part) { (step(line)) } }
                }
            }
        }
    }
}

fn step(line: &Line) -> Markup {
    html! {
        li class="step" {
            p {
                strong { (line.number) ". " } code { (line.id) }
                @if let Some(danger) = line.danger { " " (badge(danger.word())) }
            }
            p { (line.title) }
            @if !line.needs.is_empty() {
                p class="quiet" { "after " @for (place, id) in line.needs.iter().enumerate() {
                    @if place > 0 { ", " } code { (id) }
                } }
            }
            @for effect in &line.effect { p class="quiet" { (effect) } }
            @for text in &line.instead { p { (said(text)) } }
            // Not broken into words as on the status page: it is copied, and must be what it was.
            @for command in &line.commands { pre class="cmd" { (command) } }
            @if let Some(expect) = &line.expect { p { strong { "Check: " } (said(expect)) } }
            p class="quiet" { (limit(line)) }
            @match &line.done {
                Some(done) => p class="quiet" { "then " code { (done) } },
                None => p class="quiet" { "nobody marks this done: who comes after you asks for it again" },
            }
        }
    }
}
