//! A person's word about a run, a step, or everything.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Client, Connection, Exit, Failure, Global, Terminal, ask::pair};
use crate::{
    api::{
        requests::AcceptedView,
        steer::{self, Word},
        steps,
    },
    letter::{self, Letter},
};

/// A run and a reason.
#[derive(Clone, Debug, Args)]
pub struct About {
    /// The run.
    pub run: String,
    /// Why. Stands in the audit trail.
    #[arg(long)]
    pub reason: String,
}

/// A step of a run and a reason.
#[derive(Clone, Debug, Args)]
pub struct Step {
    /// The run.
    pub run: String,
    /// The step.
    #[arg(required_unless_present = "flag")]
    pub step: Option<String>,
    /// The step, as `approve` has it.
    #[arg(long = "step", id = "flag", value_name = "STEP", conflicts_with = "step")]
    pub flag: Option<String>,
    /// Why. Stands in the audit trail.
    #[arg(long)]
    pub reason: String,
}

impl Step {
    fn name(&self) -> String {
        self.step.clone().or_else(|| self.flag.clone()).unwrap_or_default()
    }
}

/// Arguments of `done`.
#[derive(Clone, Debug, Args)]
pub struct Done {
    /// Which step.
    #[command(flatten)]
    pub about: Step,
    /// What the step would have given, such as snapshot=arn:….
    #[arg(long = "gives", value_name = "NAME=VALUE", value_parser = pair)]
    pub outputs: Vec<(String, Value)>,
}

/// Arguments of `abandon`.
#[derive(Clone, Debug, Args)]
pub struct Abandon {
    /// Which run.
    #[command(flatten)]
    pub about: About,
    /// Run the undo steps.
    #[arg(long)]
    pub undo: bool,
}

/// Arguments of `off`.
#[derive(Clone, Debug, Args)]
pub struct Off {
    /// Why. Stands in the audit trail.
    #[arg(long)]
    pub reason: String,
    /// On the daemon's host, when the API cannot be reached: its state directory. A daemon that has it
    /// open takes the word within a second; one that starts takes it before it looks at any run.
    #[arg(long, value_name = "DIR", requires = "by")]
    pub state: Option<PathBuf>,
    /// Who you are, where no token says so.
    #[arg(long, value_name = "NAME", requires = "state")]
    pub by: Option<String>,
}

/// Arguments of `on`.
#[derive(Clone, Debug, Args)]
pub struct Switch {
    /// Why. Stands in the audit trail.
    #[arg(long)]
    pub reason: String,
}

async fn say<B: Serialize>(
    path: &str,
    body: &B,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let done: AcceptedView = client.post(path, body, None).await?;
    terminal.json(&done);
    if let (Some(run), Some(status)) = (&done.run, &done.status) {
        terminal.line(format!("run {run} is {}", terminal.loud(&status.replace('_', " "))));
    }
    terminal.next(&done.next);
    Ok(Exit::Done)
}

/// One word about a whole run.
pub(super) async fn about(
    word: &str,
    args: About,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let path = format!("/v1/runs/{}/{word}", segment(&args.run)?);
    say(&path, &Word { reason: args.reason }, client, terminal).await
}

/// One word about one step.
pub(super) async fn step(
    word: &str,
    args: Step,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let path = format!("/v1/runs/{}/steps/{}/{word}", segment(&args.run)?, segment(&args.name())?);
    say(&path, &Word { reason: args.reason }, client, terminal).await
}

/// `decline`.
pub(super) async fn decline(
    args: Step,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let path = format!("/v1/runs/{}/decline", segment(&args.run)?);
    let body = steer::Decline { step: args.name(), reason: args.reason };
    say(&path, &body, client, terminal).await
}

/// `done`.
pub(super) async fn done(
    args: Done,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let (run, step) = (segment(&args.about.run)?.to_owned(), args.about.name());
    let path = format!("/v1/runs/{run}/steps/{}/done", segment(&step)?);
    let outputs = args.outputs.into_iter().collect();
    say(&path, &steps::Done { outputs, reason: args.about.reason }, client, terminal).await
}

/// `abandon`.
pub(super) async fn abandon(
    args: Abandon,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let path = format!("/v1/runs/{}/abandon", segment(&args.about.run)?);
    let body = steer::Abandon { undo: args.undo, reason: args.about.reason };
    say(&path, &body, client, terminal).await
}

/// `off` and `on`.
pub(super) async fn switch(
    word: &str,
    args: Switch,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let body = json!({ "reason": args.reason });
    let done: AcceptedView = client.post(&format!("/v1/{word}"), &body, None).await?;
    terminal.json(&done);
    if word == "off" {
        terminal
            .line("muster is switched off: nothing new is begun; what was begun is still watched");
        terminal.then("muster on --reason TEXT");
    } else {
        terminal.line("muster acts again");
        terminal.then("muster status");
    }
    Ok(Exit::Done)
}

/// Switches off by the API, or by a letter in the state directory.
pub(super) async fn off(
    args: Off,
    global: &Global,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let Off { reason, state, by } = args;
    let (Some(state), Some(by)) = (state, by) else {
        let client = Client::new(&Connection::of(global))?;
        return switch("off", Switch { reason }, &client, terminal).await;
    };
    letter::leave(&state, &Letter { by, reason }).map_err(|why| Failure::BadUse {
        because: format!("no letter can be left in `{}`: {why}", state.display()),
        hint: Some(
            "name the directory that `state:` of the daemon's configuration names".to_owned(),
        ),
    })?;
    terminal.json(&json!({ "left_in": state }));
    terminal.line(
        "the letter is there: a running daemon is off within a second, and the next one starts so",
    );
    terminal.then("muster status   # says whether it is off, once the API answers again");
    Ok(Exit::Done)
}

/// A name that may stand in a path. The daemon judges it; here it only must not be another path.
pub(super) fn segment(name: &str) -> Result<&str, Failure> {
    let fits = |sign: u8| sign.is_ascii_alphanumeric() || sign == b'-';
    if !name.is_empty() && name.bytes().all(fits) {
        return Ok(name);
    }
    Err(Failure::bad_use(format!("`{name}` is not a name")))
}
