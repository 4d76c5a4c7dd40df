//! Parts 1, 2, 3 and 5 on the page: what it was, by which means, what it was to reach, and what was measured.

use maud::{Markup, html};

use super::{
    super::{
        account::Account,
        heading::Heading,
        objectives::Objectives,
        people::{Approval, Means},
        results::{Check, Loss, Losses, Recovery, Results},
        scope::{Scope, Touch},
    },
    pieces::{
        answer, length, maybe_length, maybe_when, more, name, names, table, text, unknown, values,
        when,
    },
};
use crate::page::parts::{badge, said};

/// The parts of one run that say what it was and what came of it.
pub(super) fn show(account: &Account) -> Markup {
    html! {
        (heading(&account.heading, &account.means))
        (means(&account.means))
        (objectives(&account.objectives))
        (results(&account.results))
    }
}

fn heading(one: &Heading, means: &Means) -> Markup {
    html! {
        section {
            h1 { "1 What it was: " (one.kind) " " (badge(&one.status)) }
            dl {
                dt { "Run" } dd { code { (one.run) } ", " (one.mode) ", " (one.manner) }
                @if let Some(drill) = &one.drill {
                    dt { "As a drill" } dd { (badge(&drill.outcome)) @for line in &drill.because { br; (said(line)) } }
                }
                dt { "Scenario" } dd { (one.scenario) " (" code { (means.runbook) } ")" }
                dt { "Reason" } dd { @if one.reason.is_empty() { "none was given" } @else { (one.reason) } }
                dt { "Asked for by" } dd { (one.requested_by) " (" (one.requested_through) ")" }
                dt { "Trouble began" } dd { @match one.symptom_at { Some(at) => (when(at)), None => { (unknown()) " nobody said when" } } }
                dt { "From" } dd { (when(one.admitted_at)) }
                dt { "To" } dd { @match one.ended_at { Some(at) => (when(at)), None => "not over" } ", " (one.took.text) }
                @if !one.inputs.is_empty() { dt { "Inputs" } dd { (values(&one.inputs)) } }
            }
            @match &one.scope { Some(scope) => (self::scope(scope)), None => p { "It is bound to no application." } }
            h3 { "Approvals" }
            (approvals(&one.approvals.items))
            (more(one.approvals.left_off, "approvals"))
            h3 { "Notice" }
            (table(&["step", "what for", "state", "told"], &one.notices.items.iter().map(|notice| vec![
                name(&notice.step), text(&notice.title), badge(&notice.state), maybe_when(notice.told_at),
            ]).collect::<Vec<_>>()))
            (more(one.notices.left_off, "notices"))
        }
    }
}

fn scope(one: &Scope) -> Markup {
    let rows: Vec<Vec<Markup>> = one
        .components
        .items
        .iter()
        .map(|component| {
            let tone = match component.touch {
                Touch::Changed | Touch::Looked => "good",
                Touch::Previewed | Touch::Passed => "warn",
                Touch::LeftOut => "bad",
            };
            vec![
                html! { (component.kind) " " code { (component.name) } },
                html! { span class={ "badge " (tone) } { (component.touch) } },
                names(&component.steps.items, component.steps.left_off),
            ]
        })
        .collect();
    html! {
        h3 { "Scope: " (one.title) " (" code { (one.application) } "), from " (one.active) " to " (one.standby) }
        (table(&["component", "in this run", "steps that work on it"], &rows))
        (more(one.components.left_off, "components"))
        dl {
            dt { "Only previewed" } dd { (names(&one.previewed.items, one.previewed.left_off)) }
            dt { "Passed by a person" } dd { (names(&one.skipped.items, one.skipped.left_off)) }
            dt { "Never begun" } dd { (names(&one.never_begun.items, one.never_begun.left_off)) }
        }
    }
}

fn approvals(all: &[Approval]) -> Markup {
    let row = |one: &Approval| {
        vec![
            name(&one.step),
            html! { strong { (one.by) } },
            when(one.at),
            text(&one.reason),
            html! { @if one.accepts.is_empty() { "—" } @else { strong { (one.accepts.join(", ")) } } },
            html! {
                @if one.by_requester { "does not count: asked for it " }
                @if one.withdrawn { "before it was forced, and asked for again" }
            },
        ]
    };
    let heads = ["step", "by", "at", "why", "risks accepted", ""];
    table(&heads, &all.iter().map(row).collect::<Vec<_>>())
}

fn means(one: &Means) -> Markup {
    html! {
        section {
            h1 { "2 By which means, and who took part" }
            dl {
                dt { "Runbook" } dd { code { (one.runbook) } ": " (one.title) }
                dt { "Plan" } dd { "SHA-256 " code { (one.plan_hash) } ", " (one.steps) " steps" }
                dt { "Way back" } dd { @match &one.way_back { Some(book) => code { (book) }, None => "the runbook names none" } }
                dt { "Carried out by" }
                dd {
                    @for program in &one.programs.items { p { "Muster " (program.program) " from " (when(program.from_at)) ", record " (program.seq) } }
                    @if one.programs.is_empty() { (unknown()) }
                    (more(one.programs.left_off, "processes"))
                }
            }
            (table(&["who", "did"], &one.people.items.iter().map(|person| vec![
                html! { strong { (person.name) } },
                html! {
                    @for (place, deed) in person.did.items.iter().enumerate() { @if place > 0 { "; " } (said(deed)) }
                    @if person.did.left_off > 0 { " and " (person.did.left_off) " more" }
                },
            ]).collect::<Vec<_>>()))
            (more(one.people.left_off, "people"))
        }
    }
}

fn objectives(one: &Objectives) -> Markup {
    html! {
        section {
            h1 { "3 What was to be reached" }
            p class="quiet" { "Fixed before the run began: the plan's hash binds it." }
            dl {
                dt { "RTO of the application" } dd { (maybe_length(one.rto.as_ref())) }
                dt { "RPO of the application" } dd { (maybe_length(one.rpo.as_ref())) }
                dt { "RTO of the runbook" } dd { (maybe_length(one.runbook_rto.as_ref())) }
                dt { "Loss without a second approver" } dd { (maybe_length(one.data_loss_max.as_ref())) }
            }
            (table(&["step", "done when"], &one.criteria.items.iter().map(|criterion| vec![
                name(&criterion.step), text(&criterion.expect),
            ]).collect::<Vec<_>>()))
            (more(one.criteria.left_off, "criteria"))
        }
    }
}

fn results(one: &Results) -> Markup {
    html! {
        section {
            h1 { "5 What was measured" }
            @match &one.recovery { Some(seen) => (recovery(seen)), None => p { "It moves no application: there is no recovery time." } }
            @match &one.losses { Some(seen) => (losses(seen)), None => p { "It promotes no database: there is no loss to measure." } }
            dl {
                @for measured in &one.measured.items { dt { (measured.step) ": " (measured.what) } dd { (measured.value) } }
                dt { "Noticed by users" } dd { (text(&one.impact)) }
            }
            h3 { "Checks" }
            (table(&["step", "what for", "passed", "at", "saw"], &one.checks.items.iter().map(check).collect::<Vec<_>>()))
            (more(one.checks.left_off, "checks"))
            p { "The data itself was proven: " (answer(one.data_proven())) }
        }
    }
}

fn recovery(one: &Recovery) -> Markup {
    html! {
        h3 { "Recovery time" }
        dl {
            dt { "Total" }
            dd {
                strong { (length(one.total.as_ref())) }
                @if let Some(because) = &one.because { " — " (said(because)) }
            }
            dt { "Counted from" } dd { (when(one.counted_from_at)) ", the " (one.counted_from) }
            dt { "Proven at" } dd { (maybe_when(one.verified_at)) }
            dt { "Within the RTO of the application" } dd { (answer(one.within_rto)) }
            dt { "Within the RTO of the runbook" } dd { (answer(one.within_objective)) " " (maybe_length(one.objective.as_ref())) }
            dt { "Detect" } dd { (length(one.detect.as_ref())) }
            dt { "Decide" } dd { (length(one.decide.as_ref())) }
            dt { "Promote" } dd { (length(one.promote.as_ref())) }
            dt { "Move users" } dd { (length(one.traffic.as_ref())) }
            dt { "Verify" } dd { (length(one.verify.as_ref())) }
        }
    }
}

fn losses(one: &Losses) -> Markup {
    let loss = |loss: &Loss| {
        html! {
            @if loss.secs.is_none() { (unknown()) } @else { strong { "at most " (loss.text) } }
            " — " (said(&loss.by))
        }
    };
    html! {
        h3 { "Data loss" }
        dl {
            dt { "Predicted, as approvers were shown" } dd { @match &one.predicted { Some(predicted) => (loss(predicted)), None => (unknown()) } }
            dt { "Measured" } dd { (loss(&one.measured)) }
            @if let Some(counted) = &one.counted { dt { "Counted afterwards" } dd { (loss(counted)) } }
            dt { "Within the RPO of the application" } dd { (answer(one.within_rpo)) }
        }
    }
}

fn check(one: &Check) -> Vec<Markup> {
    vec![
        html! { code { (one.step) } @if one.of_data { " " span class="of" { "data" } } },
        text(&one.title),
        html! { (answer(one.passed)) @if let Some(fault) = &one.fault { br; (said(fault)) } },
        maybe_when(one.at),
        values(&one.saw),
    ]
}
