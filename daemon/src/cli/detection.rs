//! `muster detection`, `acknowledge` and `downtime`: whether a region is lost, and what people say about it.

use clap::Args;
use jiff::Timestamp;
use muster_runbooks::value::Span;

use super::{Client, Exit, Failure, Terminal, say::segment, show::at_text};
use crate::{
    api::{
        detection::DowntimeWord,
        steer::Word,
        view::detection::{DetectionView, SeesView},
    },
    clock::Clock,
};

/// Arguments of `detection`.
#[derive(Clone, Debug, Args)]
pub struct Detection {
    /// The application.
    pub application: String,
}

/// Arguments of `acknowledge`.
#[derive(Clone, Debug, Args)]
pub struct Acknowledge {
    /// The application.
    pub application: String,
    /// Why. Stands in the audit trail.
    #[arg(long)]
    pub reason: String,
}

/// Arguments of `downtime`.
#[derive(Clone, Debug, Args)]
pub struct Downtime {
    /// The application.
    pub application: String,
    /// For how long, such as `2h`: 30 days at most.
    #[arg(
        long = "for",
        value_name = "TIME",
        required_unless_present = "end",
        conflicts_with = "end"
    )]
    pub length: Option<Span>,
    /// End it before its time.
    #[arg(long)]
    pub end: bool,
    /// Why. Stands in the audit trail.
    #[arg(long)]
    pub reason: String,
}

/// Shows what those who watch say. The answer is yes only while somebody sees the region well.
pub(super) async fn detection(
    args: &Detection,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let path = format!("/v1/applications/{}/detection", segment(&args.application)?);
    let view: DetectionView = client.get(&path).await?;
    show(&view, terminal);
    Ok(if view.standing == "well" { Exit::Done } else { Exit::No })
}

/// Says that the last move is known and settled.
pub(super) async fn acknowledge(
    args: Acknowledge,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let path = format!("/v1/applications/{}/acknowledge", segment(&args.application)?);
    let view: DetectionView = client.post(&path, &Word { reason: args.reason }, None).await?;
    show(&view, terminal);
    Ok(Exit::Done)
}

/// Declares downtime, or ends it.
pub(super) async fn downtime(
    args: Downtime,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let name = segment(&args.application)?;
    let view: DetectionView = match args.length {
        Some(length) => {
            let until = Clock::Real.now() + length.duration();
            let word = DowntimeWord { until, reason: args.reason };
            client.post(&format!("/v1/applications/{name}/downtime"), &word, None).await?
        }
        None => {
            let word = Word { reason: args.reason };
            client.post(&format!("/v1/applications/{name}/downtime/end"), &word, None).await?
        }
    };
    show(&view, terminal);
    Ok(Exit::Done)
}

fn show(view: &DetectionView, terminal: &mut Terminal) {
    terminal.json(view);
    let region = view.region.as_deref().unwrap_or("its region");
    let since = |at: Option<Timestamp>| at.map(|at| format!(" since {}", at_text(at)));
    terminal.line(terminal.loud(&format!(
        "{}: {region} is {}{}",
        view.application,
        view.standing,
        since(view.symptom_at.or(view.since_at)).unwrap_or_default(),
    )));
    terminal.line(format!(
        "counts as lost when {} failure domains say so for {}; then: {} ({})",
        view.quorum, view.window.text, view.then, view.because
    ));
    if let Some(downtime) = &view.downtime {
        let until = at_text(downtime.until);
        terminal.line(format!("downtime until {until} by {}: {}", downtime.by, downtime.reason));
    }
    let rows: Vec<Vec<String>> = view
        .observers
        .iter()
        .map(|one| {
            let since = if one.sees == SeesView::Lost { one.since_at.map(at_text) } else { None };
            vec![
                one.observer.clone(),
                one.domain.clone(),
                one.sees.word().to_owned(),
                since.unwrap_or_default(),
                one.why.clone(),
            ]
        })
        .collect();
    if rows.is_empty() {
        terminal.line("nobody watches it: declare `observers`");
    } else {
        terminal.table(&["OBSERVER", "DOMAIN", "SEES", "SINCE", "WHY"], rows);
    }
}
