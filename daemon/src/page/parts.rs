//! The small pieces that every page is made of.

use jiff::{Timestamp, tz::TimeZone};
use maud::{DOCTYPE, Markup, html};
use muster_runbooks::value::Span;

use crate::api::view::{Length, next::NextView, wait::WaitView};

/// A whole document. `head` is what its head has beside the title.
pub fn document(title: &str, head: &Markup, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                link rel="icon" href="data:,";
                title { (title) }
                (head)
            }
            body { (body) }
        }
    }
}

/// An instant as `2026-03-01 02:00:07 UTC`: at night nobody converts zones.
pub fn clock_text(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// An instant, for people and for programs.
pub fn clock(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (clock_text(at)) } }
}

/// The time of an instant, and how far away it is.
pub fn when(at: Timestamp, now: Timestamp) -> Markup {
    let is_today = at.to_zoned(TimeZone::UTC).date() == now.to_zoned(TimeZone::UTC).date();
    let text = if is_today {
        at.to_zoned(TimeZone::UTC).strftime("%H:%M:%S UTC").to_string()
    } else {
        clock_text(at)
    };
    html! { time datetime=(at) { (text) } " " span class="rel" { "(" (distance(at, now)) ")" } }
}

/// How far an instant is from now, in its two largest units.
pub fn distance(at: Timestamp, now: Timestamp) -> String {
    if at >= now {
        format!("in {}", short(&Length::between(now, at)))
    } else {
        format!("{} ago", short(&Length::between(at, now)))
    }
}

/// A length in its two largest units: nobody needs the seconds of a day.
pub fn short(length: &Length) -> String {
    const UNITS: &[(u64, &str)] = &[(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let first = UNITS.iter().position(|(secs, _)| length.secs >= *secs).unwrap_or(3);
    let mut left = length.secs;
    let words = UNITS.iter().skip(first).take(2).filter_map(|(secs, unit)| {
        let count = left / secs;
        left %= secs;
        (count > 0 || *secs == 1 && length.secs == 0).then(|| format!("{count}{unit}"))
    });
    words.collect::<Vec<_>>().join(" ")
}

/// A span in its two largest units.
pub fn short_span(span: Span) -> String {
    short(&Length::from(span))
}

/// The mark of what is not the real thing.
pub fn mark(banner: Option<&String>) -> Markup {
    html! { @if let Some(banner) = banner { span class="mark" { (banner) } " " } }
}

/// A status or state as a coloured word. The word carries the meaning, the colour only helps.
pub fn badge(word: &str) -> Markup {
    let tone = match word {
        "succeeded" => "good",
        "failed" | "abandoned" => "bad",
        "running" | "verifying_health" => "busy",
        "pending" | "previewed" => "calm",
        _ => "warn",
    };
    html! { span class={ "badge " (tone) } { (word.replace('_', " ")) } }
}

/// A sentence whose names stand in backticks.
pub fn said(text: &str) -> Markup {
    html! {
        @for (place, part) in text.split('`').enumerate() {
            @if place % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// A command to type. It breaks between its words only: half an option is no option.
pub fn command(text: &str) -> Markup {
    html! {
        code class="cmd" {
            @for (place, word) in text.split(' ').enumerate() {
                @if place > 0 { " " }
                span { (word) }
            }
        }
    }
}

/// What something waits for.
pub fn wait(wait: &WaitView, now: Timestamp) -> Markup {
    html! {
        p class={ "wait " @if wait.needs_person { "person" } } {
            @if wait.needs_person || wait.deadline_at.is_some() {
                span class="label" { "Waits for " (wait.owner) ": " }
            }
            (said(&wait.reason))
            @if let Some(deadline_at) = wait.deadline_at {
                " — until " (when(deadline_at, now))
            } @else if wait.needs_person {
                " — no deadline"
            }
        }
    }
}

/// What to type next.
pub fn next(list: &[NextView]) -> Markup {
    html! {
        @for next in list {
            p class="next" { (command(&next.command)) span class="why" { (said(&next.why)) } }
        }
    }
}
