//! `muster status`: what is open, what is protected, how a run stands.

use clap::Args;
use jiff::{Timestamp, tz::TimeZone};
use serde_json::json;

use super::{Client, Exit, Failure, Terminal, say::segment};
use crate::api::{
    list::Page,
    runs::RunsPage,
    view::{
        Length, Verdict,
        application::{ApplicationView, NewestView},
        figures::{LossesView, RecoveryView},
        run::RunView,
        runbook::ProposalView,
        schedule::ScheduleView,
    },
};

/// Arguments of `status`.
#[derive(Clone, Debug, Args)]
pub struct Status {
    /// One run; everything without it.
    pub run: Option<String>,
}

/// Shows everything, or one run.
pub(super) async fn status(
    args: &Status,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let Some(run) = &args.run else { return everything(client, terminal).await };
    let view: RunView = client.get(&format!("/v1/runs/{}", segment(run)?)).await?;
    terminal.json(&view);
    heading(&view, terminal);
    waits(&view, terminal);
    let rows = view.steps.iter().map(|step| {
        let said = step.waiting.as_ref().filter(|wait| wait.deadline_at.is_some());
        let said = said.map(|wait| format!("{}{}", wait.reason, until(wait.deadline_at)));
        let seen =
            step.sample.as_ref().map(|sample| format!("{} ({} ago)", sample.seen, sample.age.text));
        let text = step.fault.clone().or(seen).or(said).unwrap_or_default();
        let took = step.took.as_ref().map_or(String::new(), |took| took.text.clone());
        vec![step.id.clone(), step.state.replace('_', " "), took, text]
    });
    leaving(&view, terminal);
    terminal.table(&["STEP", "STATE", "TOOK", ""], rows.collect());
    figures(&view, terminal);
    terminal.next(&view.next);
    Ok(Exit::Done)
}

async fn everything(client: &Client, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let runs: RunsPage = client.get("/v1/runs?limit=20").await?;
    let applications: Page<ApplicationView> = client.get("/v1/applications?limit=200").await?;
    let schedules: Vec<ScheduleView> = client.get("/v1/schedules").await?;
    let proposals: Vec<ProposalView> = client.get("/v1/proposals").await?;
    terminal.json(&json!({
        "runs": runs, "applications": applications, "schedules": schedules, "proposals": proposals,
    }));
    if let Some(why) = runs.lease.as_ref().and_then(|lease| lease.because.as_ref()) {
        terminal.line(terminal.loud(&format!("THIS MUSTER BEGINS NOTHING: {why}")));
    }
    if let Some(off) = &runs.switched_off {
        terminal
            .line(terminal.loud(&format!("MUSTER IS SWITCHED OFF by {}: {}", off.by, off.reason)));
        terminal.then("muster on --reason TEXT");
    }
    let rows = applications.items.iter().map(|one| {
        let active = one.active.as_ref().map_or("unknown", |active| active.region.as_str());
        vec![
            one.name.clone(),
            active.to_owned(),
            one.findings.len().to_string(),
            oldest(one),
            one.locked_by.clone().unwrap_or_default(),
        ]
    });
    terminal.table(
        &["APPLICATION", "SERVED FROM", "FINDINGS", "NEWEST DATA", "LOCKED BY"],
        rows.collect(),
    );
    for one in &applications.items {
        for finding in &one.findings {
            terminal.line(format!(
                "finding: {}: {}\n  hint: {}",
                one.name, finding.message, finding.hint
            ));
        }
    }
    for one in proposals.iter().filter(|one| !one.expired) {
        let of = one.application.as_ref().map_or(String::new(), |name| format!(" of {name}"));
        terminal.line(format!(
            "proposal: {}{of} by {}: {}{}",
            terminal.loud(&one.runbook),
            one.proposed_by,
            one.reason,
            until(Some(one.expires_at))
        ));
        terminal.next(&one.next);
    }
    for one in &schedules {
        let Some(late) = &one.late else { continue };
        terminal.line(format!("late: {} started {} after it was due", one.id, late.text));
    }
    for one in schedules.iter().filter(|one| one.overdue_at.is_some()) {
        terminal.line(format!(
            "overdue: {}{}",
            one.id,
            one.overdue_at.map_or(String::new(), |at| format!(" since {}", at_text(at)))
        ));
    }
    if runs.items.is_empty() {
        terminal.line("no run yet");
        terminal.then("muster run rehearsal --reason practice");
        return Ok(Exit::Done);
    }
    let rows = runs.items.iter().map(|run| {
        let mark = run.banner.as_ref().map_or(String::new(), |mark| format!("[{mark}] "));
        vec![
            run.id.clone(),
            format!("{mark}{}", run.runbook),
            run.application.clone().unwrap_or_default(),
            run.status.replace('_', " "),
            at_text(run.admitted_at),
            run.took.text.clone(),
        ]
    });
    terminal.line("");
    terminal.table(&["RUN", "RUNBOOK", "APPLICATION", "STATUS", "STARTED", "TOOK"], rows.collect());
    if let Some(run) = runs.items.iter().find(|run| run.needs_person).or(runs.items.first()) {
        terminal.then(format!("muster status {}", run.id));
    }
    Ok(Exit::Done)
}

/// The worst of all places: the database whose newest copy anywhere is the oldest.
fn oldest(one: &ApplicationView) -> String {
    if one.newest.is_empty() {
        return "no database".to_owned();
    }
    let worst =
        one.newest.iter().max_by_key(|newest| newest.age.as_ref().map_or(u64::MAX, |age| age.secs));
    let place = |newest: &NewestView| match &newest.account {
        None => newest.region.clone(),
        Some(account) => format!("{} of {account}", newest.region),
    };
    match worst.map(|newest| (newest, &newest.age)) {
        Some((newest, Some(age))) => {
            format!("{} old in {}{}", age.text, place(newest), over(newest.within_rpo))
        }
        Some((newest, None)) => format!("none in {}", place(newest)),
        None => "unknown".to_owned(),
    }
}

fn over(within: Verdict) -> &'static str {
    match within {
        Verdict::Yes => "",
        Verdict::No => ", over RPO",
        Verdict::Unknown => ", age unknown",
    }
}

fn heading(view: &RunView, terminal: &mut Terminal) {
    let mark = view.banner.as_ref().map_or(String::new(), |banner| format!("[{banner}] "));
    let application = view.application.as_ref().map_or(String::new(), |name| format!(" of {name}"));
    let status = view.status.replace('_', " ");
    let title = format!("{mark}{}{application}: {status}", view.runbook);
    terminal.line(terminal.loud(&title));
    terminal.line(format!(
        "run {}, asked for by {} at {}: {}",
        view.id,
        view.requested_by,
        at_text(view.admitted_at),
        view.reason
    ));
    if let Some(parent) = &view.parent {
        terminal.line(format!("a step of run {parent} waits for it"));
    }
    for child in &view.children {
        let stands = child.outcome.as_ref().map_or("is open", |outcome| outcome.as_str());
        terminal.line(format!("{}: run {} {}", child.step, child.run, stands.replace('_', " ")));
    }
}

/// The applications that it moves, with what each would take and lose.
pub(super) fn leaving(view: &RunView, terminal: &mut Terminal) {
    if view.leaving.is_empty() {
        return;
    }
    let rows = view.leaving.iter().map(|one| {
        let unknown = || "unknown".to_owned();
        let mut row = vec![one.application.clone()];
        row.extend(match &one.ahead {
            None => ["", "", "", ""].map(str::to_owned),
            Some(ahead) => [
                ahead.verdict.word().to_owned(),
                ahead.ways(),
                ahead.expected.as_ref().map_or_else(unknown, |length| length.text.clone()),
                ahead.loss.as_ref().map_or_else(unknown, |loss| loss.text.clone()),
            ],
        });
        row.push(one.run.clone().unwrap_or_else(|| one.state.replace('_', " ")));
        row
    });
    terminal.table(&["APPLICATION", "READY", "WAY", "TAKES", "LOSES", "RUN"], rows.collect());
    if let Some(out) = view.leaving.iter().find_map(|one| one.leave_out.as_ref()) {
        terminal.line(format!("to leave one out: {out}"));
    }
    terminal.line("");
}

/// What the run waits for.
pub(super) fn waits(view: &RunView, terminal: &mut Terminal) {
    for wait in &view.waits {
        terminal.line(format!(
            "waits for {}: {}{}",
            wait.owner,
            wait.reason,
            until(wait.deadline_at)
        ));
    }
    for step in &view.steps {
        if let Some(wait) = step.waiting.as_ref().filter(|wait| wait.needs_person) {
            terminal.line(format!(
                "waits for {}: {}: {}{}",
                wait.owner,
                step.id,
                wait.reason,
                until(wait.deadline_at)
            ));
        }
    }
}

/// How a run ended.
pub(super) fn ending(view: &RunView, terminal: &mut Terminal) {
    heading(view, terminal);
    for step in view.steps.iter().filter(|step| step.fault.is_some()) {
        terminal.line(format!(
            "{} is {}: {}",
            step.id,
            step.state,
            step.fault.as_deref().unwrap_or("")
        ));
    }
    figures(view, terminal);
    terminal.next(&view.next);
}

/// The ways back that a run has made, and what taking one would lose.
pub(super) fn ways_back(view: &RunView, terminal: &mut Terminal) {
    for way in &view.ways_back {
        let version = way.schema_version.as_ref();
        let version = version.map_or(String::new(), |version| format!(", schema {version}"));
        let left = match &way.left {
            Some(left) => format!("a way back until {}, {} left", at_text(way.until_at), left.text),
            None => format!("was meant as a way back until {}", at_text(way.until_at)),
        };
        terminal.line(format!(
            "snapshot of {}{version}: {}",
            way.component,
            terminal.loud(&way.snapshot)
        ));
        terminal.line(format!("  {left}; restoring it loses {}", way.loses));
    }
}

fn figures(view: &RunView, terminal: &mut Terminal) {
    ways_back(view, terminal);
    if let Some(recovery) = &view.recovery {
        terminal.line(recovery_line(recovery));
    }
    if let Some(drill) = &view.drill {
        terminal.line(format!("drill: {}", drill.outcome));
        for line in &drill.because {
            terminal.line(format!("  {line}"));
        }
    }
    if let Some(LossesView { measured, counted, .. }) = &view.losses {
        prediction(view, terminal);
        terminal.line(format!("lost at most: {} ({})", measured.text, measured.by));
        if let Some(counted) = counted {
            terminal.line(format!("counted afterwards: {} ({})", counted.text, counted.by));
        }
    }
}

/// What would be lost, as far as that can be told beforehand.
pub(super) fn prediction(view: &RunView, terminal: &mut Terminal) {
    if let Some(predicted) = view.losses.as_ref().and_then(|losses| losses.predicted.as_ref()) {
        terminal.line(format!("data loss predicted: {} ({})", predicted.text, predicted.by));
    }
}

fn recovery_line(one: &RecoveryView) -> String {
    let from = if one.counted_from == "symptom" {
        "from the first symptom"
    } else {
        "from the request; nobody said when the trouble began"
    };
    let objective =
        one.objective.as_ref().map_or(String::new(), |rto| format!(", objective {}", rto.text));
    let because = one.because.as_deref().unwrap_or_default();
    match (&one.total, &one.so_far) {
        (Some(total), _) => {
            let parts = &one.parts;
            let part = |name: &str, length: &Option<Length>| {
                length.as_ref().map(|length| format!("{name} {}", length.text))
            };
            let parts: Vec<String> = [
                part("detect", &parts.detect),
                part("decide", &parts.decide),
                part("promote", &parts.promote),
                part("traffic", &parts.traffic),
                part("verify", &parts.verify),
            ]
            .into_iter()
            .flatten()
            .collect();
            format!("recovery time: {} {from}{objective} ({})", total.text, parts.join(", "))
        }
        (None, Some(so_far)) => {
            format!("recovery time: {} so far {from}{objective}; {because}", so_far.text)
        }
        (None, None) => format!("recovery time: unknown; {because}"),
    }
}

fn until(deadline_at: Option<Timestamp>) -> String {
    deadline_at.map_or(String::new(), |at| format!(", until {}", at_text(at)))
}

pub(super) fn at_text(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}
