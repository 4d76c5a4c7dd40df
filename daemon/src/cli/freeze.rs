//! `muster freeze` and `muster thaw`: nothing may change an application, or something may again; and the
//! question that a pipeline asks before it changes anything.

use std::io::Cursor;

use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use muster_runbooks::value::Span;

use super::{Client, Exit, Failure, Terminal, say::segment, show::at_text};
use crate::{
    api::{
        freeze::{FreezeWord, ThawWord},
        view::freeze::FreezeView,
    },
    clock::Clock,
    freezes,
    offline::chain,
    world::aws::export::{self, Place},
};

/// The largest object that is read.
const OBJECT_BYTES_MAX: usize = 64 * 1024;

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
    /// Read it from where `freeze.copies` puts it, with the credentials and the region of the environment, and
    /// ask no daemon.
    #[arg(long, value_name = "s3://BUCKET/PREFIX/")]
    pub from: Option<String>,
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

pub(super) fn instant(text: &str) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u16>().ok());
    let days = days.map(|days| SignedDuration::from_hours(24 * i64::from(days)));
    let span = days.or_else(|| text.parse::<Span>().ok().map(Span::duration));
    let span = span.ok_or(
        "write an instant such as 2026-03-01T02:00:00Z, or in how long, such as 4h or 14d",
    )?;
    Clock::Real.now().checked_add(span).map_err(|why| why.to_string())
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
        Ok(view) => Ok(said(&view, terminal)),
        Err(failure @ Failure::BadUse { .. }) => Err(failure),
        Err(failure) => {
            terminal.failure(&failure);
            Ok(nobody_can_tell(terminal))
        }
    }
}

/// The same out of a bucket. What is old or cannot be read is no answer either.
pub(super) async fn check_from(
    application: &str,
    from: &str,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let file = freezes::object(segment(application)?);
    let place = format!("{}/{file}", from.trim_end_matches('/')).parse::<Place>();
    let place = place.map_err(|why| Failure::bad_use(chain(&why)))?;
    let mut room = vec![0; OBJECT_BYTES_MAX];
    let read = match export::fetch_into(&place, &mut Cursor::new(&mut room[..])).await {
        Err(why) => Err(chain(&why)),
        Ok(bytes) => {
            let bytes = usize::try_from(bytes).unwrap_or(OBJECT_BYTES_MAX).min(OBJECT_BYTES_MAX);
            let read = freezes::read(&room[..bytes], application, Clock::Real.now());
            read.map_err(|why| format!("{place}: {why}"))
        }
    };
    match read {
        Ok(view) => Ok(said(&view, terminal)),
        Err(why) => {
            terminal.aside(format!("error: {why}"));
            Ok(nobody_can_tell(terminal))
        }
    }
}

fn said(view: &FreezeView, terminal: &mut Terminal) -> Exit {
    show(view, terminal);
    if view.frozen { Exit::No } else { Exit::Done }
}

fn nobody_can_tell(terminal: &mut Terminal) -> Exit {
    terminal.aside("nobody can tell whether it is frozen: take it for frozen");
    Exit::Unreachable
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
