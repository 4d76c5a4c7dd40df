//! The first page: what is open, what is protected, what happens by itself, what was.

use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use super::parts::{badge, clock, distance, mark, next, said, short, wait, when};
use crate::api::view::{
    Verdict,
    application::{ApplicationView, NewestView},
    canary::CanaryView,
    detection::{DetectionView, SeesView},
    finding::FindingView,
    objectives::{AchievableView, Kept, ObjectivesView, ThreatView},
    readiness::{ReadinessView, Stands},
    run::{RunLine, RunView},
    runbook::ProposalView,
    schedule::ScheduleView,
};

/// How many missed occurrences of one schedule are shown.
const MISSED: usize = 3;

/// Everything that the first page shows.
#[derive(Clone, Debug)]
pub struct Overview {
    /// When it was read.
    pub now: Timestamp,
    /// Open runs, those that wait for a person first.
    pub open: Vec<RunView>,
    /// The applications.
    pub applications: Vec<ApplicationView>,
    /// What could be kept of what was promised to each.
    pub objectives: Vec<ObjectivesView>,
    /// What those who watch each say.
    pub detection: Vec<DetectionView>,
    /// Whether each could be moved now.
    pub readiness: Vec<ReadinessView>,
    /// The pages for doing it by hand.
    pub by_hand: Vec<ByHandLink>,
    /// The schedules.
    pub schedules: Vec<ScheduleView>,
    /// What events asked for.
    pub proposals: Vec<ProposalView>,
    /// Runs that have ended, newest first.
    pub recent: Vec<RunLine>,
}

/// Where a page for doing it by hand is.
#[derive(Clone, Debug)]
pub struct ByHandLink {
    /// The application.
    pub application: String,
    /// The runbook.
    pub runbook: String,
    /// The manner.
    pub manner: String,
}

/// The page without its frame.
pub fn show(all: &Overview) -> Markup {
    let now = all.now;
    html! {
        section {
            h1 { "Open runs" }
            @if all.open.is_empty() { p class="none" { "No run is open." } }
            @for run in &all.open { (open_run(run, now)) }
        }
        @if !all.proposals.is_empty() {
            section {
                h1 { "Proposals" }
                @for one in &all.proposals { (proposal(one, now)) }
            }
        }
        section {
            h1 { "Applications" }
            @if all.applications.is_empty() { p class="none" { "No application is configured." } }
            @for one in &all.applications { (application(one, all, now)) }
        }
        section {
            h1 { "Schedules" }
            @if all.schedules.is_empty() { p class="none" { "Nothing happens by itself." } }
            @for one in &all.schedules { (schedule(one, now)) }
        }
        section {
            h1 { "Recent runs" }
            @if all.recent.is_empty() { p class="none" { "No run has ended yet." } }
            ul class="lines" { @for run in &all.recent { (recent(run, now)) } }
        }
    }
}

fn open_run(run: &RunView, now: Timestamp) -> Markup {
    let waits = run.steps.iter().filter_map(|step| Some((step, step.waiting.as_ref()?)));
    // What only follows other steps is no news.
    let waits: Vec<_> = waits.filter(|(_, wait)| wait.deadline_at.is_some()).collect();
    let over = run.steps.iter().filter(|step| step.ended_at.is_some()).count();
    html! {
        article class={ "card " @if run.needs_person() { "person" } } {
            h2 {
                (mark(run.banner.as_ref()))
                a href={ "/runs/" (run.id) } { (run.runbook) }
                @if let Some(application) = &run.application { " " span class="of" { (application) } }
                " " (badge(&run.status))
            }
            p class="quiet" {
                code { (run.id) } " by " (run.requested_by) ", started " (when(run.admitted_at, now))
                ", " (over) " of " (run.steps.len()) " steps"
                @if run.manner == "forced" { ", " strong { "forced" } }
            }
            @for one in &run.waits { (wait(one, now)) }
            @for (step, one) in &waits {
                p class="step" { code { (step.id) } " " (step.title) }
                (wait(one, now))
                @if let Some(sample) = &step.sample {
                    p class="quiet" { "last look: " (sample.seen) ", " (distance(sample.read_at, now)) }
                }
            }
            (next(&run.next))
        }
    }
}

fn proposal(one: &ProposalView, now: Timestamp) -> Markup {
    html! {
        article class={ "card " @if !one.expired { "person" } } {
            h2 {
                (one.runbook)
                @if let Some(application) = &one.application { " " span class="of" { (application) } }
                @if one.expired { " " (badge("expired")) }
            }
            p { (one.reason) }
            p class="quiet" { "asked for by " (one.proposed_by) "; " (one.because) "; can be started until " (when(one.expires_at, now)) }
            (next(&one.next))
        }
    }
}

fn application(one: &ApplicationView, all: &Overview, now: Timestamp) -> Markup {
    html! {
        article class={ "card " @if !one.findings.is_empty() { "trouble" } } {
            h2 { (one.title) " " span class="of" { (one.name) } }
            p {
                "Served from "
                @match &one.active {
                    Some(active) => {
                        strong { (active.region) }
                        @if !active.at_home { " " (badge("not at home")) }
                        span class="quiet" { " — " (said(&active.evidence)) ", since " (when(active.seen_at, now)) }
                    }
                    None => {
                        strong { "unknown" }
                        span class="quiet" { " — nobody has looked; its home is " (one.home) }
                    }
                }
            }
            @for finding in &one.findings {
                div class="finding" {
                    p { strong { (said(&finding.message)) } }
                    p { (said(&finding.hint)) }
                    p class="quiet" { code { (finding.id) } " since " (when(finding.since_at, now)) ", " (care(finding, now)) }
                }
            }
            @if let Some(window) = &one.window {
                p { "Maintenance window open until " (when(window.closes_at, now)) @if window.overdue { " " (badge("overdue")) } }
            }
            @if let Some(freeze) = &one.freeze {
                p {
                    span class="badge warn" { "frozen" } " "
                    @if let Some(because) = &freeze.because { (said(because)) }
                    @if let Some(at) = freeze.until_at { ", until " (when(at, now)) }
                }
            }
            @if let Some(run) = &one.locked_by {
                p { "Locked by " a href={ "/runs/" (run) } { code { (run) } } }
            }
            @if !one.newest.is_empty() {
                h3 { "Newest recovery points" }
                ul class="lines" { @for newest in &one.newest { (newest_point(newest, now)) } }
            }
            @if !one.canaries.is_empty() {
                h3 { "Replication, measured" }
                ul class="lines" { @for canary in &one.canaries { (measured(canary, now)) } }
            }
            @for watched in all.detection.iter().filter(|watched| watched.application == one.name) {
                (detection(watched, now))
            }
            @for ready in all.readiness.iter().filter(|ready| ready.application == one.name) {
                (readiness(ready, now))
            }
            @for kept in all.objectives.iter().filter(|kept| kept.application == one.name) {
                (objectives(kept, now))
            }
            (by_hand(all.by_hand.iter().filter(|link| link.application == one.name)))
            p class="quiet" {
                "RTO " (short(&one.rto)) ", RPO " (short(&one.rpo)) ", "
                "recovery points in all: " (one.recovery_points) "; "
                code { "muster backups " (one.name) }
            }
        }
    }
}

fn by_hand<'a>(links: impl Iterator<Item = &'a ByHandLink>) -> Markup {
    let links: Vec<&ByHandLink> = links.collect();
    html! {
        @if !links.is_empty() {
            p class="quiet" {
                "Without Muster: "
                @for (place, link) in links.iter().enumerate() {
                    @if place > 0 { ", " }
                    a href={ "/applications/" (link.application) "/by-hand/" (link.runbook) "?manner=" (link.manner) } {
                        (link.runbook) " " (link.manner)
                    }
                }
            }
        }
    }
}

fn care(one: &FindingView, now: Timestamp) -> Markup {
    let Some(care) = &one.care else { return html! { "nobody's" } };
    html! {
        (care.owner) "'s until " (when(care.due_at, now))
        @if care.overdue { " " (badge("overdue")) }
        @if let Some(ticket) = &care.ticket { ", " (said(ticket)) }
    }
}

fn measured(one: &CanaryView, now: Timestamp) -> Markup {
    html! {
        li {
            code { (one.component) } ": the standby is "
            @match one.lag.secs {
                Some(_) => { strong { (one.lag.text) " behind" } },
                None => { span class="badge bad" { "lag unknown" } },
            }
            ", a failover would lose "
            @match one.loss.secs {
                Some(_) => { strong { "at most " (one.loss.text) } },
                None => { span class="badge bad" { "nobody knows what" } },
            }
            span class="quiet" {
                " — " (said(&one.lag.by))
                @if let Some(at) = one.read_at { ", read " (distance(at, now)) }
            }
        }
    }
}

/// Who disagrees comes with his words; who agrees is counted.
fn detection(one: &DetectionView, now: Timestamp) -> Markup {
    let (class, word) = match one.standing.as_str() {
        "well" => ("badge good", "well"),
        "lost" => ("badge bad", "lost"),
        other => ("badge warn", other),
    };
    let healthy = one.observers.iter().filter(|vote| vote.sees == SeesView::Healthy).count();
    let others = one.observers.iter().filter(|vote| vote.sees != SeesView::Healthy);
    html! {
        h3 { "Those who watch" @if let Some(region) = &one.region { " " (region) } ": " span class=(class) { (word) } }
        @if let Some(downtime) = &one.downtime {
            p { strong { "Downtime" } " until " (when(downtime.until, now)) " by " (downtime.by) ": " (said(&downtime.reason)) }
        }
        ul class="lines" {
            @for vote in others {
                li {
                    code { (vote.observer) } " "
                    span class={ "badge " @if vote.sees == SeesView::Lost { "bad" } @else { "warn" } } { (vote.sees.word()) }
                    " " (said(&vote.why)) span class="quiet" { " (" (vote.domain) ")" }
                    @if let Some(at) = vote.since_at { span class="quiet" { ", since " (when(at, now)) } }
                }
            }
        }
        p class="quiet" {
            (healthy) " of " (one.observers.len()) " see it well"
            @if let Some(at) = one.asked_at { ", asked " (distance(at, now)) }
            "; lost when " (one.quorum) " domains say so for " (short(&one.window)) ", then "
            (one.then) ": " (said(&one.because)) "; " code { "muster detection " (one.application) }
        }
    }
}

/// What is missing comes first; what passes is counted.
fn readiness(one: &ReadinessView, now: Timestamp) -> Markup {
    let count = |stands| one.points.iter().filter(|point| point.stands == stands).count();
    let unknown = count(Stands::Unknown);
    let (class, word) = match one.verdict {
        Stands::Pass => ("badge good", "ready"),
        Stands::Fail => ("badge bad", "not ready"),
        Stands::Unknown => ("badge warn", "not known to be ready"),
    };
    html! {
        h3 { "Could it be moved now? " span class=(class) { (word) } }
        ul class="lines" {
            @for path in &one.paths {
                li { code { (path.database) } ": " strong { (path.path) } " " span class="quiet" { (said(&path.because)) } }
            }
            @for recovery in &one.recovery {
                li {
                    (recovery.manner) ": about " strong { (short(&recovery.expected)) }
                    @if !recovery.within { " " span class="badge warn" { "over the RTO" } }
                    span class="quiet" { ", " (short(&recovery.at_most)) " at most; " (recovery.measured) " of " (recovery.path.len()) " steps measured" }
                }
            }
            @if let Some(why) = &one.no_plan { li { span class="badge bad" { "no plan" } " " (said(why)) } }
            (missing(one, Stands::Fail, now))
        }
        @if unknown > 0 {
            details {
                summary { (unknown) " points are unknown" }
                ul class="lines" { (missing(one, Stands::Unknown, now)) }
            }
        }
        p class="quiet" {
            (count(Stands::Pass)) " points pass; "
            code { "muster readiness " (one.application) }
        }
    }
}

fn missing(one: &ReadinessView, stands: Stands, now: Timestamp) -> Markup {
    let points = one.points.iter().filter(|point| point.stands == stands);
    let (class, word) =
        if stands == Stands::Fail { ("badge bad", "fails") } else { ("badge warn", "unknown") };
    html! {
        @for point in points {
            li {
                code { (point.id) } " " span class=(class) { (word) } " " (said(&point.saw))
                span class="quiet" { ", " (distance(point.since_at, now)) "; " (said(&point.hint)) }
            }
        }
    }
}

fn objectives(one: &ObjectivesView, now: Timestamp) -> Markup {
    html! {
        h3 { "What could be kept" }
        ul class="lines" { @for threat in &one.threats { (kept(threat)) } }
        p class="quiet" {
            @match one.read_at {
                Some(at) => { "as read " (distance(at, now)) "; " },
                None => "nobody has looked yet; ",
            }
            code { "muster objectives " (one.application) }
        }
    }
}

fn kept(one: &ThreatView) -> Markup {
    let figure = |name: &str, figure: &AchievableView| {
        let class = match figure.verdict {
            Kept::Met => "badge good",
            Kept::Missed => "badge warn",
            Kept::Unknown => "badge bad",
        };
        html! {
            (name) " " strong { (figure.text) } " " span class=(class) { (figure.verdict.word()) }
            " " span class="quiet" { (said(&figure.because)) }
        }
    };
    html! {
        li { code { (one.threat) } ": " (figure("RPO", &one.rpo)) }
        li { code { (one.threat) } ": " (figure("RTO", &one.rto)) }
    }
}

fn newest_point(one: &NewestView, now: Timestamp) -> Markup {
    let verdict = match one.within_rpo {
        Verdict::Unknown if one.data_at.is_none() => html! {
            span class="badge bad" { "no recovery point" }
        },
        Verdict::Yes => html! { span class="badge good" { "within RPO" } },
        Verdict::No => html! { span class="badge warn" { "older than RPO" } },
        Verdict::Unknown => html! { span class="badge bad" { "age unknown" } },
    };
    html! {
        li {
            code { (one.component) } " in " (one.region)
            @if let Some(account) = &one.account { " of the account " (account) }
            ": "
            @match (&one.data_at, &one.age) {
                (None, _) => {},
                (Some(data_at), None) => { (when(*data_at, now)) " — in the future" },
                (Some(data_at), Some(age)) => {
                    strong { (short(age)) " old" } " "
                    span class="quiet" { "data of " (clock(*data_at)) }
                }
            }
            " " (verdict)
            @match one.verified_at {
                Some(at) => span class="quiet" { " proven " (distance(at, now)) },
                None if one.data_at.is_none() => {},
                None => span class="quiet" { " never proven to restore" },
            }
            @for hold in &one.holds { " " span class="badge warn" { "held: " (hold.name) } }
            @if one.held > one.holds.len().min(1) { span class="quiet" { " held here: " (one.held) } }
        }
    }
}

fn schedule(one: &ScheduleView, now: Timestamp) -> Markup {
    let standing: Vec<_> = one.missed.iter().filter(|missed| missed.standing).collect();
    let troubled = one.overdue_at.is_some() || !standing.is_empty();
    html! {
        article class={ "card " @if troubled { "trouble" } } {
            h2 { (one.id) }
            p {
                @match &one.last_run {
                    Some(last) => {
                        "Last " a href={ "/runs/" (last.run) } { (when(last.due_at, now)) }
                        @if let Some(late) = &one.late { ", started " strong { (short(late)) " late" } }
                    }
                    None => "Nothing has come due yet",
                }
                @if let Some(at) = one.next_due_at { "; next " (when(at, now))
                    // The instant that people know, such as when a window opens.
                    @if let Some(lead) = &one.lead { ", for " (clock(at + SignedDuration::from_secs(lead.secs.cast_signed()))) }
                }
            }
            @if let Some(at) = one.overdue_at {
                p class="finding" { strong { "Overdue" } " since " (when(at, now)) ": neither started nor recorded as missed" }
            }
            @for missed in standing.iter().take(MISSED) {
                p class="finding" { strong { "Missed" } " " (when(missed.due_at, now)) ": " (missed.because) }
            }
            @if standing.len() > MISSED { p class="quiet" { "and " (standing.len() - MISSED) " more" } }
            p class="quiet" { (one.runbook) ", " code { (one.cron) } " " (one.zone) @if let Some(lead) = &one.lead { ", " (short(lead)) " ahead" } }
        }
    }
}

fn recent(run: &RunLine, now: Timestamp) -> Markup {
    html! {
        li {
            (mark(run.banner.as_ref()))
            a href={ "/runs/" (run.id) } { (run.runbook) }
            @if let Some(application) = &run.application { " " span class="of" { (application) } }
            " " (badge(&run.status)) " "
            @if let Some(at) = run.ended_at { span class="quiet" { (when(at, now)) ", took " (short(&run.took)) } }
        }
    }
}
