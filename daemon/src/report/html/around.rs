//! Parts 7, 8 and 9 on the page: findings, controls with their evidence, and what did not happen.

use maud::{Markup, html};

use super::{
    super::{
        Report,
        absent::{Absent, ScheduleLine},
        controls::{Control, Cover},
        evidence::{Evidence, Range},
        findings::{Care, Findings},
    },
    pieces::{maybe_when, more, name, table, text, unknown, when},
};
use crate::page::parts::badge;

/// The parts that speak of more than the run.
pub(super) fn show(report: &Report) -> Markup {
    html! {
        (findings(&report.findings))
        (controls(&report.controls))
        (evidence(&report.evidence))
        (absent(&report.absent))
    }
}

fn findings(one: &Findings) -> Markup {
    html! {
        section {
            h1 { "7 Findings" }
            @if one.known {
                p class="quiet" { "What stood at " (when(one.as_of_at)) "." }
                (table(&["finding", "since", "what is wrong", "what to do", "owner, due"], &one.standing.items.iter().map(|finding| vec![
                    html! { code { (finding.id) } @if finding.during { " " span class="badge warn" { "began in this run" } } },
                    when(finding.since),
                    text(&finding.message),
                    text(&finding.hint),
                    care(finding.care.as_ref()),
                ]).collect::<Vec<_>>()))
                (more(one.standing.left_off, "findings"))
                h3 { "Opened and closed during the run" }
                (table(&["record", "at", "finding", "", "what"], &one.meanwhile.items.iter().map(|turned| vec![
                    html! { (turned.seq) },
                    when(turned.at),
                    name(&turned.id),
                    html! { (turned.turn) },
                    html! { @match &turned.message { Some(message) => (text(message)), None => "—" } },
                ]).collect::<Vec<_>>()))
                (more(one.meanwhile.left_off, "changes"))
                @if one.meanwhile_cut { p class="finding" { "More happened to the application meanwhile than was looked through." } }
            } @else {
                p { "The run is bound to no application: there are no findings to show." }
            }
        }
    }
}

fn care(one: Option<&Care>) -> Markup {
    let Some(one) = one else { return html! { span class="badge warn" { "nobody's" } } };
    html! {
        (text(&one.owner)) ", " (when(one.due_at))
        @if one.overdue { " " span class="badge bad" { "overdue" } }
        @if let Some(ticket) = &one.ticket { br; (text(ticket)) }
    }
}

fn controls(all: &[Control]) -> Markup {
    let row = |one: &Control| {
        let tone = match one.cover {
            Cover::Whole => "good",
            Cover::Part => "warn",
            Cover::None => "bad",
        };
        let parts: Vec<String> = one.parts.iter().map(ToString::to_string).collect();
        vec![
            text(&one.framework),
            html! { strong { (one.control) } },
            text(&one.asks),
            html! { @if parts.is_empty() { "—" } @else { (parts.join(", ")) } },
            html! {
                span class={ "badge " (tone) } { (one.cover) }
                @for missing in &one.missing { br; (text(missing)) }
            },
        ]
    };
    html! {
        section {
            h1 { "8 Controls and evidence" }
            p class="quiet" { "Which part answers what, and what is missing for it. Whether a control is met, auditors judge." }
            (table(&["framework", "control", "asks for", "parts", "answered"], &all.iter().map(row).collect::<Vec<_>>()))
        }
    }
}

fn evidence(one: &Evidence) -> Markup {
    let row = |one: &Range| {
        vec![
            html! { code { (one.stream) } br; (one.what) },
            html! { (one.first.seq) ", " (when(one.first.at)) ", " (one.first.kind) },
            html! { (one.last.seq) ", " (when(one.last.at)) ", " (one.last.kind) },
            html! { (one.records) @if one.cut { " read, and there are more" } },
        ]
    };
    html! {
        section {
            h3 { "Records of the journal" }
            (table(&["stream", "first record", "last record", "records"], &one.streams.items.iter().map(row).collect::<Vec<_>>()))
            (more(one.streams.left_off, "streams"))
            p { "The journal ended in front of record " (one.journal_end) "; the link of its chain there: " }
            p { @match &one.journal_hash { Some(hash) => code { (hash) }, None => (unknown()) } }
            ul { @for line in &one.how_to_verify { li { (text(line)) } } }
        }
    }
}

fn absent(one: &Absent) -> Markup {
    html! {
        section {
            h1 { "9 What did not happen" }
            p { "From " (when(one.since)) " to " (when(one.until)) "." }
            @if one.partly_unknown {
                p class="finding" {
                    "The journal begins at " (maybe_when(one.journal_begins_at)) ": of what was before, nothing is known."
                }
            }
            @for schedule in &one.schedules { (self::schedule(schedule)) }
            @if one.schedules.is_empty() { p { "The application has no schedule." } }
            h3 { "On no schedule at all" }
            (table(&["what", "done by hand in the period"], &one.unscheduled.iter().map(|duty| vec![
                html! { strong { (duty.duty) } },
                html! { @match (&duty.last_run, duty.last_ended_at, &duty.last_status) {
                    (Some(run), Some(at), Some(status)) => { code { (run) } ", " (when(at)) " " (badge(status)) },
                    _ => "no run of the application that ended in it",
                } },
            ]).collect::<Vec<_>>()))
            h3 { "Runs that failed or were given up" }
            (table(&["run", "runbook", "status", "from", "to"], &one.failed.items.iter().map(|run| vec![
                name(&run.run), name(&run.runbook), badge(&run.status), when(run.admitted_at), when(run.ended_at),
            ]).collect::<Vec<_>>()))
            (more(one.failed.left_off, "runs"))
            @if one.failed_cut { p class="finding" { "More runs have ended since than were looked through." } }
        }
    }
}

fn schedule(one: &ScheduleLine) -> Markup {
    html! {
        h3 { "Schedule " code { (one.id) } " of " code { (one.runbook) } }
        p {
            code { (one.cron) } " " (one.zone) ": " (one.due) " due, " (one.started) " started, "
            (one.missed.items.len() + one.missed.left_off) " missed, "
            (one.unrecorded.items.len() + one.unrecorded.left_off) " of which nothing is recorded, "
            (one.before_known) " before it was known here"
        }
        @if one.cut { p class="finding" { "It has more occurrences or records than were looked through." } }
        @if !one.missed.is_empty() {
            (table(&["due", "why it did not run"], &one.missed.items.iter().map(|missed| vec![
                when(missed.due_at), text(&missed.because),
            ]).collect::<Vec<_>>()))
        }
        (more(one.missed.left_off, "missed occurrences"))
        @for at in &one.unrecorded.items { p class="finding" { (when(*at)) ": nothing is recorded, neither a start nor a miss" } }
        (more(one.unrecorded.left_off, "occurrences without a record"))
    }
}
