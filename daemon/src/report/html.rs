//! A report as one page that needs nothing beside it, and carries the envelope that it was made from.
//!
//! The page follows from payload and envelope alone, to the last byte: that is how a changed one is found.

mod account;
mod around;
mod happened;
mod pieces;

use maud::{Markup, PreEscaped, html};

use self::pieces::when;
use super::{Report, account::Child};
use crate::{
    envelope::Envelope,
    page::parts::{clock_text, document},
};

/// What stands in front of the envelope in a page. Everything else that could look so is escaped.
pub const OPEN: &str = "<script type=\"application/json\" id=\"envelope\">";

/// What stands behind it.
pub const CLOSE: &str = "</script>";

/// The style of the status page and that of tables and paper, inside the file: nothing lies beside a copy.
pub const STYLE: &str = concat!(include_str!("../page/style.css"), include_str!("style.css"));

/// Writes a report out as a page.
pub fn write(report: &Report, envelope: &Envelope) -> String {
    let heading = &report.run.heading;
    let title = format!("Report of {} {}", report.run.means.runbook, heading.run);
    // A text that nobody signed stands in the envelope too, such as the name of a key.
    let inside = serde_json::to_string(envelope).unwrap_or_default().replace('<', "\\u003c");
    let body = html! {
        header { span class="brand" { (title) } span class="asof" { "as of " (when(report.made_at)) } }
        main {
            (seal(report, envelope))
            (account::show(&report.run))
            (happened::show(&report.run))
            @for child in &report.children.items { (started(child)) }
            (pieces::more(report.children.left_off, "runs that it started"))
            (around::show(report))
            (sign_off())
        }
        footer { "Made by Muster " (report.made_by) " at " (clock_text(report.made_at)) ", payload version " (report.v) "." }
        (PreEscaped(OPEN)) (PreEscaped(inside)) (PreEscaped(CLOSE))
    };
    document(&title, &html! { style { (PreEscaped(STYLE)) } }, &body).into_string() + "\n"
}

/// What a reader must know before everything else: whether the file proves anything, and whether it is over.
fn seal(report: &Report, envelope: &Envelope) -> Markup {
    html! {
        @match envelope.signatures.first() {
            Some(signature) => p class="seal" {
                "Signed. " code { "muster report verify FILE --key PUBLICKEY" } " says whether this page is what was signed. \
                 The key that signed it calls itself " code { (signature.keyid) }
                "; take the key from whoever runs Muster, and not from here."
            },
            None => p class="seal none" {
                strong { "NOT SIGNED." } " The daemon that made this has no key for reports (" code { "reports.key_file" }
                "): it proves nothing to anybody who does not trust the file."
            },
        }
        @if report.run.heading.open {
            p class="modebar" { "The run is not over: what is not known yet is unknown, and nothing here is its last word" }
        }
        @if report.run.heading.mode != "live" {
            p class="modebar" { (report.run.heading.mode.to_uppercase()) ": nothing here is the real thing" }
        }
    }
}

/// A run that a step started, with its own parts 1 to 6.
fn started(child: &Child) -> Markup {
    html! {
        section class="card" {
            h1 { "Run " code { (child.run) } ", started by step " code { (child.step) } }
            @if let Some(why) = &child.unreadable { p class="finding" { "It cannot be read: " (why) } }
        }
        @if let Some(account) = &child.account { (account::show(account)) (happened::show(account)) }
    }
}

fn sign_off() -> Markup {
    html! {
        section {
            h1 { "Sign-off" }
            p { "Who signs has read all parts, has added what Muster cannot know (posts of those who took part, what users noticed, owner and due date of each finding), and names what is missing." }
            div class="sign" {
                @for line in ["Owner of the application: name, date", "Lead of the exercise: name, date", "Reviewer or auditor: name, date", "What is missing"] {
                    div { (line) }
                }
            }
        }
    }
}
