//! `muster freeze` and `muster thaw`: nothing may change an application, or something may again; and the
//! question that a pipeline asks before it changes anything.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use muster_runbooks::value::Span;

use super::{Client, Exit, Failure, Terminal, say::segment, show::at_text};
use crate::{
    api::{
        freeze::{FreezeWord, ThawWord},
        view::freeze::FreezeView,
    },
    clock::Clock,
};

/// Arguments of `freeze`.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Freeze {
    /// What else there is.
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// The application.
    #[arg(required = true)]
    pub application: Option<String>,
    /// Why. Stands in the audit trail.
    #[arg(long, required = true)]
    pub reason: Option<String>,
    /// When it ends by itself: an instant, or in how long, such as 4h.
    #[arg(long, required = true, value_name = "INSTANT|IN", value_parser = instant)]
    pub until: Option<Timestamp>,
}

/// What else there is.
#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// Say whether an application is frozen. Exit code 0 free, 1 frozen, 3 nobody can tell: take that for
    /// frozen.
    Check(Check),
}

/// Arguments of `freeze check`.
#[derive(Clone, Debug, Args)]
pub struct Check {
    /// The application.
    pub application: String,
}

/// Arguments of `thaw`.
#[derive(Clone, Debug, Args)]
pub struct Thaw {
    /// The application.
    pub application: String,
    /// Why. Stands in the audit trail.
    #[arg(long)]
    pub reason: String,
}

fn instant(text: &str) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let span: Span = text.parse().map_err(|_| {
        "write an instant such as 2026-03-01T02:00:00Z, or in how long, such as 4h".to_owned()
    })?;
    Ok(Clock::Real.now() + span.duration())
}

/// Freezes, or asks.
pub(super) async fn freeze(
    args: Freeze,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    if let Some(Verb::Check(args)) = args.verb {
        return check(&args, client, terminal).await;
    }
    let (Some(application), Some(reason), Some(until)) =
        (args.application, args.reason, args.until)
    else {
        return Err(Failure::bad_use("name the application, --reason and --until".to_owned()));
    };
    let path = format!("/v1/applications/{}/freeze", segment(&application)?);
    let view: FreezeView = client.post(&path, &FreezeWord { until, reason }, None).await?;
    show(&view, terminal);
    terminal.then(format!("muster thaw {application} --reason TEXT"));
    Ok(Exit::Done)
}

/// Thaws.
pub(super) async fn thaw(
    args: Thaw,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let path = format!("/v1/applications/{}/thaw", segment(&args.application)?);
    let view: FreezeView = client.post(&path, &ThawWord { reason: args.reason }, None).await?;
    show(&view, terminal);
    Ok(Exit::Done)
}

/// Whatever is no plain answer is taken for "nobody can tell": a pipeline must not go on because it was
/// refused, or asked for a name that nobody knows.
async fn check(args: &Check, client: &Client, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let path = format!("/v1/applications/{}/freeze", segment(&args.application)?);
    match client.get::<FreezeView>(&path).await {
        Ok(view) => {
            show(&view, terminal);
            Ok(if view.frozen { Exit::No } else { Exit::Done })
        }
        Err(failure @ Failure::BadUse { .. }) => Err(failure),
        Err(failure) => {
            terminal.failure(&failure);
            terminal.aside("nobody can tell whether it is frozen: take it for frozen");
            Ok(Exit::Unreachable)
        }
    }
}

fn show(view: &FreezeView, terminal: &mut Terminal) {
    terminal.json(view);
    if !view.frozen {
        terminal.line(format!("{} is not frozen", view.application));
        return;
    }
    let word = terminal.loud("FROZEN");
    let because = view.because.as_deref().unwrap_or("nobody says why");
    let until = match (view.until_at, &view.run) {
        (Some(at), _) => format!(" until {}", at_text(at)),
        (None, Some(run)) => format!(" until run {run} has ended"),
        (None, None) => String::new(),
    };
    terminal.line(format!("{} is {word}{until}: {because}", view.application));
}
