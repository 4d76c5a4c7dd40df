//! `muster run`: starts a run.

use std::collections::BTreeMap;

use clap::Args;
use jiff::Timestamp;
use muster_runbooks::{
    request::{Manner, Mode},
    value::Span,
};
use serde_json::Value;

use super::{Client, Exit, Failure, Terminal, watch};
use crate::{
    api::requests::{AcceptedView, Ask as Request},
    clock::Clock,
};

/// Arguments of `run`.
#[derive(Clone, Debug, Args)]
pub struct Ask {
    /// The runbook, such as region-failover.
    #[arg(required_unless_present = "proposal", conflicts_with = "proposal")]
    pub runbook: Option<String>,
    /// The application.
    #[arg(long, short, env = "MUSTER_APPLICATION", conflicts_with = "proposal")]
    pub application: Option<String>,
    /// A value for an input, such as data_loss_max=5m.
    #[arg(long = "input", value_name = "NAME=VALUE", value_parser = pair, conflicts_with = "proposal")]
    pub inputs: Vec<(String, Value)>,
    /// Give the active side up.
    #[arg(long)]
    pub forced: bool,
    /// Begin nothing; `muster preview` also prints what each step would do.
    #[arg(long, conflicts_with = "drill")]
    pub preview: bool,
    /// Act only on what carries our drill mark.
    #[arg(long)]
    pub drill: bool,
    /// Why. Stands in the audit trail.
    #[arg(long, env = "MUSTER_REASON")]
    pub reason: String,
    /// Follow the run until it ends. Without a terminal it also ends, with exit code 1, when the run
    /// stops and asks a person.
    #[arg(long)]
    pub wait: bool,
    /// The same until this step is over: exit code 0 when it succeeded, for each database where it
    /// has several. The run goes on.
    #[arg(long, value_name = "STEP")]
    pub wait_for: Option<String>,
    /// Two requests with one key are one, as long as they are the same to the letter: give
    /// --symptom-at as an instant then. Another one under the key is refused.
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
    /// Start what an event proposed.
    #[arg(long, value_name = "ID")]
    pub proposal: Option<String>,
    /// When the trouble began: an instant, or how long ago, such as 12m. The recovery time counts
    /// from here.
    #[arg(long, value_name = "INSTANT|AGO", value_parser = instant)]
    pub symptom_at: Option<Timestamp>,
}

/// Reads `name=value`; a value that is JSON is what it says, anything else is a text.
pub(super) fn pair(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Ok((name.to_owned(), value))
}

fn instant(text: &str) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let ago: Span = text.parse().map_err(|_| {
        "write an instant such as 2026-03-01T02:00:00Z, or how long ago, such as 12m".to_owned()
    })?;
    Ok(Clock::Real.now() - ago.duration())
}

/// Asks for the run.
pub(super) async fn run(
    args: Ask,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let mode = match (args.preview, args.drill) {
        (true, _) => Some(Mode::Preview),
        (false, true) => Some(Mode::Drill),
        (false, false) => None,
    };
    let inputs: BTreeMap<String, Value> = args.inputs.into_iter().collect();
    let request = Request {
        runbook: args.runbook,
        application: args.application,
        inputs,
        mode,
        manner: args.forced.then_some(Manner::Forced),
        reason: args.reason,
        symptom_at: args.symptom_at,
        not_after: None,
        proposal: args.proposal,
    };
    let key = args.idempotency_key.as_deref();
    let done: AcceptedView = client.post("/v1/requests", &request, key).await?;
    let Some(run) = done.run.clone() else { return Ok(Exit::Done) };
    let waits = args.wait || args.wait_for.is_some();
    if !waits {
        terminal.json(&done);
    }
    let again = if done.repeated { " (it was started before, by the same key)" } else { "" };
    let status = done.status.as_deref().unwrap_or("admitted").replace('_', " ");
    terminal.line(format!("run {} is {status}{again}", terminal.loud(&run)));
    if waits {
        return watch::wait(&run, args.wait_for.as_deref(), client, terminal).await;
    }
    terminal.next(&done.next);
    Ok(Exit::Done)
}
