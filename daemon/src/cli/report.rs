//! `muster report`: fetches the report of a run; makes the key that signs it; verifies one, offline.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use muster_runbooks::application::detection::PublicKey;
use serde_json::{Value, json};

use super::{
    Client, Exit, Failure, Terminal,
    disk::{read, write_new},
    say::segment,
};
use crate::{
    offline::chain,
    report::verify::{self, FILE_BYTES_MAX, Page, Vouched},
    signing::SigningKey,
};

/// Arguments of `report`.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Report {
    /// What else there is.
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// The run.
    #[arg(required = true)]
    pub run: Option<String>,
    /// The envelope for programs, or the page for people, which carries it.
    #[arg(long, value_enum, default_value_t = Format::Json)]
    pub format: Format,
    /// A new file to write it into; printed without.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Say what did not happen from then on, and not in the 92 days before the run's end.
    #[arg(long, value_name = "INSTANT")]
    pub since: Option<Timestamp>,
}

/// In which form.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Format {
    /// The envelope.
    Json,
    /// The page.
    Html,
}

/// What else there is.
#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// Say whether a file is a report that a key signed, and whether its page shows what was signed. Asks no
    /// daemon. Exit code 0 yes, 1 no.
    Verify(Verify),
    /// Make a key for reports into a new file, and print what they are verified with.
    Key(Key),
}

/// Arguments of `report verify`.
#[derive(Clone, Debug, Args)]
pub struct Verify {
    /// The envelope or the page.
    pub file: PathBuf,
    /// The public key, from whoever runs Muster and not out of the file.
    #[arg(long, value_name = "PUBLICKEY")]
    pub key: PublicKey,
}

/// Arguments of `report key`.
#[derive(Clone, Debug, Args)]
pub struct Key {
    /// The file to make. The configuration names it as `reports.key_file`.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Fetches a report.
pub(super) async fn fetch(
    args: &Report,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let Some(run) = &args.run else { return Err(Failure::bad_use("name the run")) };
    let format = match args.format {
        Format::Json => "json",
        Format::Html => "html",
    };
    let mut path = format!("/v1/runs/{}/report?format={format}", segment(run)?);
    if let Some(since) = args.since {
        path.push_str(&format!("&since={since}"));
    }
    let text = client.text(&path).await?;
    let Some(out) = &args.out else {
        terminal.raw(text.as_bytes());
        return Ok(Exit::Done);
    };
    // It names people, and one that is there is evidence.
    write_new(out, &text, "name a file that is not there yet; no report is written over")?;
    terminal.json(&json!({ "run": run, "format": format, "file": out }));
    terminal.line(format!("{}: the report of run {run}", out.display()));
    terminal.then(format!("muster report verify {} --key PUBLICKEY", out.display()));
    Ok(Exit::Done)
}

/// Carries out what asks no daemon.
pub(super) fn offline(verb: &Verb, terminal: &mut Terminal) -> Result<Exit, Failure> {
    match verb {
        Verb::Verify(args) => verify(args, terminal),
        Verb::Key(args) => {
            let key = SigningKey::make_file(&args.out);
            let key = key.map_err(|why| Failure::bad_use(chain(&why)))?.public();
            terminal.json(&json!({ "key_file": args.out, "key": key }));
            terminal.line(format!("key: {key}"));
            terminal.then(format!(
                "write `reports: {{ key_file: {} }}` into the configuration, and give the key to auditors",
                args.out.display()
            ));
            Ok(Exit::Done)
        }
    }
}

fn verify(args: &Verify, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let bytes = read(&args.file, FILE_BYTES_MAX)?;
    let name = args.file.display();
    match verify::verify(&bytes, &args.key) {
        Ok(vouched) => {
            let page = match &vouched.page {
                Page::None => "none",
                Page::Same => "same",
                Page::Other { .. } => "unknown",
            };
            terminal.json(&json!({
                "verified": true, "file": args.file, "key": args.key, "page": page,
                "report": vouched.payload,
            }));
            terminal.line(format!("{name}: signed by {}", args.key));
            say(&vouched, terminal);
            Ok(Exit::Done)
        }
        Err(why) => {
            terminal.json(&json!({
                "verified": false, "file": args.file, "key": args.key, "because": why.to_string(),
            }));
            terminal.line(format!("{name}: NOT VERIFIED: {why}"));
            Ok(Exit::No)
        }
    }
}

/// What the signature vouches for, in a few lines.
fn say(vouched: &Vouched, terminal: &mut Terminal) {
    let text = |path: &str| match vouched.payload.pointer(path) {
        Some(Value::String(text)) => text.clone(),
        Some(_) | None => "unknown".to_owned(),
    };
    terminal.line(format!(
        "  run       {} of {}, {}, {}",
        text("/run/heading/run"),
        text("/run/heading/scope/application"),
        text("/run/heading/kind"),
        text("/run/heading/status"),
    ));
    terminal.line(format!("  made      {} by Muster {}", text("/made_at"), text("/made_by")));
    match &vouched.page {
        Page::None => terminal.line("  page      none: the file is the envelope"),
        Page::Same => terminal.line("  page      shows what was signed, to the last byte"),
        Page::Other { made_by } => {
            terminal.line(format!(
                "  page      NOT CHECKED: Muster {made_by} made it, and this is {}",
                crate::program()
            ));
            terminal.line(
                "            only what was signed is vouched for: read it with --output json",
            );
        }
    }
}
