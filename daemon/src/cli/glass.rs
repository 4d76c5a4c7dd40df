//! `muster break-glass`: approvals that are sealed on a calm day, and opened on the night when nobody else can
//! be reached.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use jiff::Timestamp;
use muster_runbooks::{
    action::control::Risk,
    name::{ApplicationName, RunbookName},
};
use serde_json::json;

use super::{
    Client, Exit, Failure, Terminal,
    approve::{self, Approve},
    disk::{self, write_new},
    freeze::instant,
    say::segment,
};
use crate::{
    api::{glass::BreakGlass, requests::AcceptedView, view::run::RunView},
    envelope::Envelope,
    glass::Sealed,
    offline::chain,
    signing::SigningKey,
};

/// The largest file that a seal is looked for in.
const SEAL_BYTES_MAX: u64 = 64 * 1024;

/// Arguments of `break-glass`.
#[derive(Clone, Debug, Args)]
pub struct Glass {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// Make a key for your seals into a new file, and print what they are verified with.
    Key {
        /// The file to make. Keep it to yourself: whoever has it approves in your name.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Approve beforehand, into a file that somebody else keeps closed. Asks no daemon.
    Seal(Seal),
    /// Approve a step with what others sealed. Pages the on-call, and is reviewed.
    Open(Open),
}

/// Arguments of `break-glass seal`.
#[derive(Clone, Debug, Args)]
pub struct Seal {
    /// You, as the configuration names your key.
    #[arg(long, value_name = "NAME")]
    pub by: String,
    /// The file with your key.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// An application that it is about. Say it once for each.
    #[arg(long = "application", short, value_name = "NAME", required = true)]
    pub applications: Vec<ApplicationName>,
    /// A runbook that it is about. Say it once for each.
    #[arg(long = "runbook", value_name = "NAME", required = true)]
    pub runbooks: Vec<RunbookName>,
    /// A risk that may be accepted with it, such as unproven-fence. Say it once for each.
    #[arg(long = "accept", value_name = "RISK")]
    pub accepts: Vec<Risk>,
    /// Until when it is good, within a year: an instant, or in how long, such as 90d.
    #[arg(long, value_name = "INSTANT|IN", value_parser = instant)]
    pub until: Timestamp,
    /// The file to make.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Arguments of `break-glass open`.
#[derive(Clone, Debug, Args)]
pub struct Open {
    /// What is approved by them. The reason says why nobody else can be asked.
    #[command(flatten)]
    pub approve: Approve,
    /// The files with the seals.
    #[arg(required = true, value_name = "FILE")]
    pub seals: Vec<PathBuf>,
}

/// Carries out what asks no daemon; `None` for what does.
pub(super) fn offline(verb: &Verb, terminal: &mut Terminal) -> Option<Result<Exit, Failure>> {
    match verb {
        Verb::Key { out } => Some(key(out, terminal)),
        Verb::Seal(args) => Some(seal(args, terminal)),
        Verb::Open(_) => None,
    }
}

fn key(out: &Path, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let key = SigningKey::make_file(out);
    let key = key.map_err(|why| Failure::bad_use(chain(&why)))?.public();
    terminal.json(&json!({ "key_file": out, "key": key }));
    terminal.line(format!("key: {key}"));
    terminal.then(format!(
        "write `break_glass: {{ needed: 2, keys: [{{ name: YOU, key: {key} }}, …] }}` into the configuration"
    ));
    Ok(Exit::Done)
}

fn seal(args: &Seal, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let key = SigningKey::load(&args.key).map_err(|why| Failure::bad_use(chain(&why)))?;
    let applications: BTreeSet<_> = args.applications.iter().cloned().collect();
    let runbooks: BTreeSet<_> = args.runbooks.iter().cloned().collect();
    let (by, accepts) = (&args.by, args.accepts.clone());
    let envelope = Sealed::seal(by, applications, runbooks, accepts, args.until, &key)
        .map_err(|why| Failure::bad_use(chain(&why)))?;
    let text = serde_json::to_string_pretty(&envelope).unwrap_or_default();
    write_new(&args.out, &text, "name a file that is not there yet; no seal is written over")?;
    terminal.json(&json!({ "file": args.out, "by": by, "until": args.until }));
    terminal.line(format!(
        "{}: approves in the name of {by} until {}, once. Whoever has it can open it.",
        args.out.display(),
        args.until
    ));
    terminal.then("hand it to the on-call closed, away from the other seals");
    Ok(Exit::Done)
}

/// Shows what would be approved, asks, and opens the seals.
pub(super) async fn open(
    args: Open,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let Open { approve: asked, seals } = args;
    let path = format!("/v1/runs/{}", segment(&asked.run)?);
    let run: RunView = client.get(&path).await?;
    let Some(step) = approve::look(&run, asked.step.as_deref(), &asked.accepts, terminal)? else {
        return Ok(Exit::No);
    };
    let seals: Vec<Envelope> = seals.iter().map(|file| read(file)).collect::<Result<_, _>>()?;
    let question = "Break the glass? The on-call is paged, and somebody else reviews it.";
    if !approve::confirmed(asked.yes, question, terminal)? {
        return Ok(Exit::No);
    }
    let plan_hash = run.plan_hash.clone();
    let (accepts, reason) = (asked.accepts, asked.reason);
    let body = BreakGlass { step, plan_hash, accepts, seals, reason };
    let done: AcceptedView = client.post(&format!("{path}/break-glass"), &body, None).await?;
    terminal.json(&done);
    let status = done.status.as_deref().unwrap_or_default().replace('_', " ");
    terminal.line(format!("the glass is broken; run {} is {}", run.id, terminal.loud(&status)));
    terminal.then(format!("muster watch {}", run.id));
    Ok(Exit::Done)
}

fn read(file: &Path) -> Result<Envelope, Failure> {
    let bytes = disk::read(file, SEAL_BYTES_MAX)?;
    serde_json::from_slice(&bytes)
        .map_err(|why| Failure::bad_use(format!("`{}` is no seal: {why}", file.display())))
}
