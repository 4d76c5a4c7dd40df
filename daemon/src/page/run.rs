//! The page of one run: what to decide, what was lost, how long it took, every step.

use jiff::Timestamp;
use maud::{Markup, html};

use super::parts::{badge, clock_text, command, distance, mark, next, said, short, wait, when};
use crate::api::view::{
    Length, LossFigure,
    approval::ApprovalView,
    figures::{LossesView, PartsView, RecoveryView},
    run::RunView,
    step::StepView,
    way_back::WayBackView,
};

/// The page without its frame.
pub fn show(run: &RunView, now: Timestamp) -> Markup {
    html! {
        @if let Some(banner) = &run.banner {
            p class="modebar" { (banner) ": nothing here is the real thing" }
        }
        section {
            h1 { (mark(run.banner.as_ref())) (run.title) " " (badge(&run.status)) }
            p class="quiet" {
                (run.runbook)
                @if let Some(application) = &run.application { " of " strong { (application) } }
                ", run " code { (run.id) }
                @if let (Some(active), Some(standby)) = (&run.active, &run.standby) {
                    ", from " (active) " to " (standby)
                }
                @if run.manner == "forced" { ", " strong { "forced" } }
            }
            p { "Asked for by " strong { (run.requested_by) } ": " (run.reason) }
            @if let Some(parent) = &run.parent {
                p { "A step of run " (link(parent)) " waits for it." }
            }
            @if !run.children.is_empty() {
                ul class="lines" {
                    @for child in &run.children {
                        li {
                            code { (child.step) } ": run " (link(&child.run)) " "
                            (badge(child.outcome.as_deref().unwrap_or("open")))
                        }
                    }
                }
            }
            @if let Some(drill) = &run.drill {
                p { "Drill: " (badge(&drill.outcome)) }
                @if !drill.because.is_empty() {
                    ul class="lines" { @for line in &drill.because { li { (line) } } }
                }
            }
            p class="quiet" {
                "Started " (when(run.admitted_at, now))
                @if let Some(at) = run.ended_at { ", ended " (when(at, now)) ", took " (short(&run.took)) }
            }
            @for one in &run.waits { (wait(one, now)) }
            @if run.approvals.is_empty() { (next(&run.next)) }
        }
        @if !run.leaving.is_empty() { (leaving(run)) }
        @for one in &run.approvals { (approval(one, run, now)) }
        @if run.losses.is_some() || run.recovery.is_some() {
            section {
                h1 { "Figures" }
                @if let Some(one) = &run.recovery { (recovery(one)) }
                @if let Some(one) = &run.losses { (losses(one)) }
            }
        }
        @if !run.ways_back.is_empty() {
            section {
                h1 { "Way back" }
                ul class="lines" { @for one in &run.ways_back { (way_back(one, now)) } }
            }
        }
        section {
            h1 { "Steps" }
            ol class="steps" { @for one in &run.steps { (step(one, now)) } }
        }
        @if !run.notes.is_empty() {
            section {
                h1 { "Notes" }
                ul class="lines" {
                    @for note in &run.notes {
                        li {
                            @if let Some(at) = note.said_at { span class="quiet" { (clock_text(at)) " " } }
                            strong { (note.by) } ": " (note.text)
                        }
                    }
                }
            }
        }
        p class="quiet" {
            "Plan " code { (run.plan_hash) } ", " (run.events) " events. "
            a href={ "/v1/runs/" (run.id) "/report?format=html" } { "Report for auditors" }
        }
    }
}

fn leaving(run: &RunView) -> Markup {
    html! {
        section {
            h1 { "Applications that leave" }
            ul class="lines" {
                @for one in &run.leaving {
                    li {
                        strong { (one.application) } " "
                        @if let Some(ahead) = &one.ahead { (badge(ahead.verdict.word())) }
                        @if let Some(own) = &one.run { " run " (link(own)) } @else { " " (badge(&one.state)) }
                        @if let Some(ahead) = &one.ahead {
                            br;
                            span class="quiet" {
                                "way " (ahead.ways()) ", takes "
                                @match &ahead.expected { Some(length) => (short(length)), None => "unknown" }
                                ", loses "
                                @match &ahead.loss { Some(loss) => (loss.text), None => "unknown" }
                            }
                        }
                        @if let Some(out) = &one.leave_out { br; (command(out)) }
                    }
                }
            }
        }
    }
}

fn link(run: &str) -> Markup {
    html! { a href={ "/runs/" (run) } { code { (run) } } }
}

fn approval(one: &ApprovalView, run: &RunView, now: Timestamp) -> Markup {
    html! {
        section class="card person" {
            h1 { (mark(run.banner.as_ref())) "To decide: " (one.title) }
            p {
                strong { (one.missing) " more of " (one.needed) } " approvals by role " (one.role)
                ", until " (when(one.deadline_at, now))
            }
            dl {
                @if let Some(loss) = &one.data_loss {
                    dt { "Data loss" } dd { (figure(loss, one.data_loss_max.as_ref())) }
                }
                @if let Some(length) = &one.recovery_time { dt { "Still takes" } dd { "about " (short(length)) } }
                @if let Some(verdict) = &one.observers { dt { "Observers" } dd { strong { (verdict) } } }
                @if !one.must_accept.is_empty() { dt { "Risks to accept" } dd { strong { (one.must_accept.join(", ")) } } }
                @for given in &one.given {
                    dt { "Approved" }
                    dd { (given.by) ": " (given.reason) @if !given.counts { " " (badge("does not count")) } }
                }
            }
            @if !one.effects.is_empty() {
                h3 { "What would be done" }
                ul class="lines" {
                    @for effect in &one.effects { li { code { (effect.step) } @for line in &effect.effect { br; (line) } } }
                }
            }
            (next(&run.next))
        }
    }
}

fn figure(loss: &LossFigure, limit: Option<&Length>) -> Markup {
    html! {
        @if loss.secs.is_none() { span class="badge bad" { "unknown" } }
        @else { strong { "at most " (loss.text) } }
        @if let Some(limit) = limit { ", limit " (short(limit)) }
        span class="quiet" { " — " (said(&loss.by)) }
    }
}

fn recovery(one: &RecoveryView) -> Markup {
    let part = |name: &str, length: &Option<Length>| {
        html! { dt { (name) } dd { @match length { Some(length) => (short(length)), None => "—" } } }
    };
    html! {
        dl {
            dt { "Recovery time" }
            dd {
                @match (&one.total, &one.so_far) {
                    (Some(total), _) => {
                        strong { (short(total)) }
                        @match one.within_objective {
                            Some(true) => { " " span class="badge good" { "within RTO" } },
                            Some(false) => { " " span class="badge bad" { "over RTO" } },
                            None => {}
                        }
                    },
                    (None, Some(so_far)) => { strong { (short(so_far)) " so far" } },
                    (None, None) => span class="badge bad" { "unknown" },
                }
                @if let Some(objective) = &one.objective { span class="quiet" { " objective " (short(objective)) } }
                @if let Some(because) = &one.because { span class="quiet" { " — " (said(because)) } }
            }
            dt { "Counted from" }
            dd {
                (clock_text(one.counted_from_at)) " "
                @if one.counted_from == "symptom" { "the first symptom" }
                @else { span class="quiet" { "the request; nobody said when the trouble began" } }
            }
        }
        @if one.parts != PartsView::default() { dl class="parts" {
            (part("detect", &one.parts.detect)) (part("decide", &one.parts.decide))
            (part("promote", &one.parts.promote)) (part("traffic", &one.parts.traffic))
            (part("verify", &one.parts.verify))
        } }
    }
}

fn way_back(one: &WayBackView, now: Timestamp) -> Markup {
    html! {
        li {
            code { (one.component) } ": " code { (one.snapshot) }
            @if let Some(version) = &one.schema_version { ", schema " strong { (version) } }
            br;
            @match &one.left {
                Some(left) => { strong { (short(left)) " left" } " as a way back, until " (when(one.until_at, now)) },
                None => { span class="badge warn" { "over" } " meant as a way back until " (when(one.until_at, now)) },
            }
            p class="finding" { "Restoring it loses " strong { (one.loses) } "." }
        }
    }
}

fn losses(one: &LossesView) -> Markup {
    html! {
        dl {
            @if let Some(predicted) = &one.predicted { dt { "Loss predicted" } dd { (figure(predicted, one.limit.as_ref())) } }
            dt { "Lost, at most" } dd { (figure(&one.measured, None)) }
            @if let Some(counted) = &one.counted { dt { "Counted afterwards" } dd { (figure(counted, None)) } }
        }
    }
}

fn step(one: &StepView, now: Timestamp) -> Markup {
    let details = !one.by_hand.is_empty() || !one.effect.is_empty() || !one.outputs.is_empty();
    html! {
        li class={ "step " (one.state) } {
            p {
                code { (one.id) } " " (badge(&one.state))
                @if one.part != "steps" { " " span class="of" { (one.part) } }
                @if let Some(danger) = &one.danger { " " span class="badge warn" { (danger) } }
            }
            p { (one.title) }
            @if let Some(fault) = &one.fault { p class="finding" { (said(fault)) } }
            @if let Some(word) = &one.said { p { strong { (word.by) } ": " (word.text) } }
            @if let Some(waiting) = &one.waiting { (wait(waiting, now)) }
            @if let Some(sample) = &one.sample {
                p class="quiet" {
                    "last look " (distance(sample.read_at, now)) ": " (sample.seen)
                    @if let Some(percent) = sample.percent { " " progress max="100" value=(percent) {} }
                }
            }
            @if let Some(took) = &one.took { p class="quiet" { "took " (short(took)) @if one.attempt > 1 { ", attempt " (one.attempt) } } }
            @if details {
                details {
                    summary { "calls, and the same by hand" }
                    @for line in &one.effect { p { (line) } }
                    @for line in &one.by_hand { p { (command(line)) } }
                    @for (name, value) in &one.outputs { p class="quiet" { (name) ": " (value.as_str().map_or_else(|| value.to_string(), str::to_owned)) } }
                }
            }
        }
    }
}
