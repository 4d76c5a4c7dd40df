//! `muster readiness`: whether an application could be moved now, and what is missing.

use clap::Args;

use super::{Client, Exit, Failure, Terminal, say::segment, show::at_text};
use crate::api::view::readiness::{ExpectedView, ReadinessView, Stands};

/// Arguments of `readiness`.
#[derive(Clone, Debug, Args)]
pub struct Readiness {
    /// The application.
    pub application: String,
    /// Show the points that pass too.
    #[arg(long)]
    pub all: bool,
}

/// Shows the readiness. The answer is yes only when every point of the checklist was seen to pass.
pub(super) async fn readiness(
    args: &Readiness,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let path = format!("/v1/applications/{}/readiness", segment(&args.application)?);
    let view: ReadinessView = client.get(&path).await?;
    terminal.json(&view);
    terminal.line(terminal.loud(&headline(&view)));
    for one in &view.paths {
        let promotion = if one.promotion == "neutral" {
            String::new()
        } else {
            format!(" ({} by its file)", one.promotion)
        };
        terminal.line(format!("{}: {}{promotion}: {}", one.database, one.path, one.because));
    }
    for one in &view.recovery {
        terminal.line(recovery(one));
    }
    if let Some(why) = &view.no_plan {
        terminal.line(format!("no plan can be made: {why}"));
    }
    terminal.line(format!("would lose: {}: {}", view.loss.text, view.loss.because));
    match &view.rehearsed {
        None => terminal.line("never carried out for real"),
        Some(one) if one.changed.is_empty() => {
            terminal.line(format!("proven by {} of {}", one.run, at_text(one.ended_at)));
        }
        Some(one) => terminal.line(format!(
            "proven by {} of {}, and changed since: {}",
            one.run,
            at_text(one.ended_at),
            one.changed.join(", ")
        )),
    }
    let shown = view.points.iter().filter(|point| args.all || point.stands != Stands::Pass);
    let rows: Vec<Vec<String>> = shown
        .map(|point| {
            let (id, stands) = (point.id.clone(), point.stands.word().to_owned());
            vec![id, stands, at_text(point.since_at), point.saw.clone(), point.hint.clone()]
        })
        .collect();
    if !rows.is_empty() {
        terminal.table(&["POINT", "", "SINCE", "SEEN", "WHAT TO DO"], rows);
    }
    Ok(if view.verdict == Stands::Pass { Exit::Done } else { Exit::No })
}

fn headline(view: &ReadinessView) -> String {
    let count = |stands| view.points.iter().filter(|point| point.stands == stands).count();
    let word = match view.verdict {
        Stands::Pass => "ready",
        Stands::Fail => "NOT READY",
        Stands::Unknown => "not known to be ready",
    };
    let way = match (&view.active, &view.standby) {
        (Some(active), Some(standby)) => format!("{active} to {standby}"),
        (Some(active), None) => format!("from {active}"),
        (None, _) => "active region unknown".to_owned(),
    };
    let read = view
        .read_at
        .map_or("nobody has looked yet".to_owned(), |at| format!("as read at {}", at_text(at)));
    format!(
        "{}: {word}, {way}: {} pass, {} fail, {} unknown; {read}",
        view.application,
        count(Stands::Pass),
        count(Stands::Fail),
        count(Stands::Unknown)
    )
}

fn recovery(one: &ExpectedView) -> String {
    let path: Vec<String> =
        one.path.iter().map(|link| format!("{} {}", link.step, link.expected.text)).collect();
    format!(
        "{}: about {}{}, {} at most; {} of {} steps measured: {}",
        one.manner,
        one.expected.text,
        if one.within { "" } else { ", over the objective" },
        one.at_most.text,
        one.measured,
        one.path.len(),
        path.join(", ")
    )
}
