//! Parts 4 and 6 on the page: what happened, and what happened otherwise than planned.

use maud::{Markup, html};

use super::{
    super::{
        Answer,
        account::Account,
        aftermath::{CleanUp, WayBack},
        deviations::{Deviation, Deviations},
        steps::{StepRow, Try},
        timeline::{Entry, Timeline},
    },
    pieces::{answer, maybe_length, maybe_when, more, name, table, text, when},
};
use crate::page::parts::{badge, said};

/// The parts of one run that say what happened.
pub(super) fn show(account: &Account) -> Markup {
    html! {
        (timeline(&account.timeline))
        (deviations(&account.deviations))
    }
}

fn timeline(one: &Timeline) -> Markup {
    let heads = ["step", "state", "expected", "at most", "took", "from", "to", "attempts"];
    let entry = |one: &Entry| {
        vec![
            html! { (one.seq) },
            when(one.at),
            text(&one.kind.replace('_', " ")),
            html! { @match &one.step { Some(step) => { code { (step) } @if let Some(attempt) = one.attempt { " " (attempt) } }, None => "—" } },
            html! { @match &one.by { Some(by) => strong { (by) }, None => "—" } },
            text(&one.text),
        ]
    };
    html! {
        section {
            h1 { "4 What happened" }
            p class="quiet" { "All instants are UTC. Expected is the budget of the runbook, at most the limit of one attempt; what a step took counts every attempt and every wait for a person." }
            (table(&heads, &one.steps.iter().map(step).collect::<Vec<_>>()))
            h3 { "Record by record" }
            (table(&["record", "at", "fact", "step", "by", "what"], &one.entries.items.iter().map(entry).collect::<Vec<_>>()))
            (more(one.entries.left_off, "records"))
        }
    }
}

fn step(one: &StepRow) -> Vec<Markup> {
    vec![
        html! {
            code { (one.id) }
            @if one.part != "steps" { " " span class="of" { (one.part) } }
            @if let Some(danger) = &one.danger { " " span class="badge warn" { (danger) } }
            br; (one.title)
        },
        html! {
            (badge(&one.state))
            @if let Some(fault) = &one.fault { br; (said(fault)) }
            @if let Some(word) = &one.said { br; strong { (word.by) } ", " (when(word.at)) ": " (word.text) }
        },
        maybe_length(one.budget.as_ref()),
        html! { (one.limit.text) },
        html! { (maybe_length(one.took.as_ref())) @if one.over_budget == Answer::Yes { " " span class="badge warn" { "over" } } },
        maybe_when(one.started_at),
        maybe_when(one.ended_at),
        html! {
            @for one in &one.tries.items { p { (attempt(one)) } }
            (more(one.tries.left_off, "attempts"))
            @if one.tries.is_empty() { "—" }
        },
    ]
}

fn attempt(one: &Try) -> Markup {
    html! {
        (one.number) " (" (one.manner) ") " (one.ended)
        @if let Some(at) = one.ended_at { ", " (when(at)) }
        @if let Some(why) = &one.why { ": " (said(why)) }
    }
}

fn deviations(one: &Deviations) -> Markup {
    let row = |one: &Deviation| {
        vec![
            when(one.at),
            html! { span class="badge warn" { (one.kind) } },
            html! { @match &one.step { Some(step) => code { (step) }, None => "—" } },
            html! { @match &one.by { Some(by) => strong { (by) }, None => "—" } },
            text(&one.text),
        ]
    };
    html! {
        section {
            h1 { "6 What went otherwise, and what is left" }
            (table(&["at", "what", "step", "by", "why"], &one.list.items.iter().map(row).collect::<Vec<_>>()))
            (more(one.list.left_off, "deviations"))
            (clean_up(&one.clean_up))
            @if let Some(back) = &one.way_back { (way_back(back)) }
        }
    }
}

fn clean_up(one: &CleanUp) -> Markup {
    html! {
        h3 { "Clean-up" }
        p { "Nothing of it is left: " (answer(one.clean)) " " (text(&one.because)) }
        @if !one.steps.is_empty() {
            (table(&["step", "does", "state", "at"], &one.steps.items.iter().map(|step| vec![
                name(&step.step),
                text(&step.action),
                html! { (badge(&step.state)) @if let Some(fault) = &step.fault { br; (said(fault)) } },
                maybe_when(step.at),
            ]).collect::<Vec<_>>()))
        }
        (more(one.steps.left_off, "steps"))
        @for leak in &one.leaks.items { p class="finding" { (text(leak)) } }
        (more(one.leaks.left_off, "leftovers"))
        p class="quiet" { "Cost: " (text(&one.cost)) }
    }
}

fn way_back(one: &WayBack) -> Markup {
    html! {
        h3 { "Way back by " code { (one.runbook) } }
        p { "Gone: " (answer(one.done)) " " (text(&one.because)) }
        @if !one.runs.is_empty() {
            (table(&["run", "status", "from", "to"], &one.runs.items.iter().map(|run| vec![
                name(&run.run), badge(&run.status), when(run.admitted_at), maybe_when(run.ended_at),
            ]).collect::<Vec<_>>()))
        }
        (more(one.runs.left_off, "runs"))
    }
}
