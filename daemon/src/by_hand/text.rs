//! A by-hand page as plain text: it can be read in a terminal, printed, and sent by whatever still works.

use std::fmt::Write as _;

use muster_runbooks::plan::Part;

use super::sheet::{Line, Sheet, heading};
use crate::page::parts::clock_text;

/// Lines of prose are not longer. Commands stay in one piece, so that they can be copied.
const COLUMNS: usize = 100;

/// Writes a page out.
pub fn write(sheet: &Sheet) -> String {
    let mut out = String::new();
    let mut put = |line: &str| {
        out.push_str(line.trim_end());
        out.push('\n');
    };
    put(&format!("BY HAND: {} ({})", sheet.title, sheet.manner));
    put(&format!("{} ({})", sheet.application_title, sheet.application));
    put("");
    for (name, value) in facts(sheet) {
        put(&format!("{name:<15} {value}"));
    }
    put("");
    for line in sheet.beforehand() {
        put(&wrapped("- ", &line));
    }
    for part in [Part::Steps, Part::Undo, Part::Finally] {
        let lines = sheet.part(part);
        if !lines.is_empty() {
            put("");
            put(&format!("== {}", heading(part)));
        }
        for line in lines {
            put(&step(line));
        }
    }
    out
}

/// What stands at the top of a page.
pub fn facts(sheet: &Sheet) -> Vec<(&'static str, String)> {
    let active = match &sheet.seen {
        Some(seen) => {
            format!("{}, since {}: {}", sheet.active, clock_text(seen.at), seen.evidence)
        }
        None => format!("unknown; {} is assumed", sheet.active),
    };
    let mut facts = vec![
        ("active region", active),
        ("standby", sheet.standby.clone()),
        ("runbook", format!("{}, {}", sheet.runbook, sheet.manner)),
        ("plan", format!("sha256 {}", sheet.plan_hash)),
        ("rendered", format!("{} by Muster {}", clock_text(sheet.rendered_at), sheet.version)),
    ];
    if !sheet.inputs.is_empty() {
        facts.push(("inputs", sheet.inputs.join(", ")));
    }
    if let Some(rto) = sheet.rto {
        facts.push(("objective", format!("back within {rto}")));
    }
    if let Some(way_back) = &sheet.way_back {
        facts.push(("way back", format!("the page of `{way_back}`, made anew once this is done")));
    }
    facts
}

/// How long a step may take, in words.
pub fn limit(line: &Line) -> String {
    let budget = line.budget.map_or_else(String::new, |budget| format!(", {budget} expected"));
    let best_effort = if line.best_effort { "; go on if it fails" } else { "" };
    format!("{} at most{budget}{best_effort}", line.limit)
}

fn step(line: &Line) -> String {
    let mut out = String::new();
    let danger = line.danger.map_or_else(String::new, |danger| format!("  [{danger}]"));
    // Writing to a string cannot fail.
    let _ = write!(out, "\n{:>2}. {}{danger}\n    {}\n", line.number, line.id, line.title);
    let mut put = |name: &str, text: &str| {
        let head = format!("    {name:<7} ");
        let _ = writeln!(out, "{}", wrapped(&head, text));
    };
    if !line.needs.is_empty() {
        put("after", &line.needs.join(", "));
    }
    for effect in &line.effect {
        put("does", effect);
    }
    for text in &line.instead {
        put("do", text);
    }
    for command in &line.commands {
        let _ = writeln!(out, "    type\n\n{command}\n");
    }
    let mut put = |name: &str, text: &str| {
        let head = format!("    {name:<7} ");
        let _ = writeln!(out, "{}", wrapped(&head, text));
    };
    if let Some(expect) = &line.expect {
        put("check", expect);
    }
    put("limit", &limit(line));
    match &line.done {
        Some(done) => put("then", done),
        None => put("then", "nobody marks this done: who comes after you asks for it again"),
    }
    out.trim_end().to_owned()
}

/// Prose behind a head, in lines of which all but the first are indented as far.
fn wrapped(head: &str, text: &str) -> String {
    let indent = " ".repeat(head.chars().count());
    let mut lines = vec![head.to_owned()];
    let mut is_empty = true;
    for word in text.split_whitespace() {
        let last = lines.last_mut().map_or(0, |line| line.chars().count());
        if !is_empty && last + 1 + word.chars().count() > COLUMNS {
            lines.push(indent.clone());
            is_empty = true;
        }
        if let Some(line) = lines.last_mut() {
            if !is_empty {
                line.push(' ');
            }
            line.push_str(word);
            is_empty = false;
        }
    }
    lines.join("\n")
}
