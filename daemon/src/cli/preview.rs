//! `muster preview`: what a runbook would do now. The daemon looks, and begins nothing.

use clap::Args;
use jiff::SignedDuration;
use muster_runbooks::request::{Manner, Mode};
use serde_json::Value;

use super::{Client, Exit, Failure, Terminal, ask::pair, show};
use crate::{
    api::{
        requests::{AcceptedView, Ask},
        view::{run::RunView, step::StepView},
    },
    clock::Clock,
};

/// How often the run is looked at.
const LOOK: SignedDuration = SignedDuration::from_millis(500);

/// Arguments of `preview`.
#[derive(Clone, Debug, Args)]
pub struct Preview {
    /// The runbook, such as region-failover.
    pub runbook: String,
    /// The application.
    #[arg(long, short)]
    pub application: Option<String>,
    /// A value for an input, such as data_loss_max=5m.
    #[arg(long = "input", value_name = "NAME=VALUE", value_parser = pair)]
    pub inputs: Vec<(String, Value)>,
    /// Give the active side up.
    #[arg(long)]
    pub forced: bool,
    /// Why. Stands in the audit trail.
    #[arg(long, default_value = "to see what it would do")]
    pub reason: String,
}

/// Asks for a preview and shows each step as soon as it is known.
pub(super) async fn preview(
    args: Preview,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let ask = Ask {
        runbook: Some(args.runbook),
        application: args.application,
        inputs: args.inputs.into_iter().collect(),
        mode: Some(Mode::Preview),
        manner: args.forced.then_some(Manner::Forced),
        reason: args.reason,
        ..Ask::default()
    };
    let done: AcceptedView = client.post("/v1/requests", &ask, None).await?;
    let Some(run) = done.run else { return Ok(Exit::Done) };
    let mut shown = Shown::default();
    let view = loop {
        let view: RunView = client.get(&format!("/v1/runs/{run}")).await?;
        shown.show(&view, terminal);
        if !view.open {
            break view;
        }
        Clock::Real.sleep(LOOK).await;
    };
    terminal.json(&view);
    terminal.line("");
    let faults = view.steps.iter().filter(|step| step.state == "failed").count();
    let well = view.status == "succeeded";
    terminal.line(match (well, faults) {
        (true, _) => "nothing was begun; every look was fine".to_owned(),
        (false, faults) => {
            terminal.loud(&format!("nothing was begun; in earnest it would stop: {faults} failed"))
        }
    });
    show::prediction(&view, terminal);
    terminal.next(&view.next);
    Ok(if well { Exit::Done } else { Exit::No })
}

/// How much was printed.
#[derive(Debug, Default)]
struct Shown {
    titled: bool,
    steps: usize,
    waits: String,
}

impl Shown {
    /// Prints the steps that are over since the last look, in the order of the plan, and what the
    /// next one waits for.
    fn show(&mut self, view: &RunView, terminal: &mut Terminal) {
        if !std::mem::replace(&mut self.titled, true) {
            let application = view.application.as_deref().unwrap_or("no application");
            let title = format!("[PREVIEW] {} of {application}, {}", view.runbook, view.manner);
            terminal.line(terminal.loud(&title));
            terminal.line(&view.title);
            if let (Some(active), Some(standby)) = (&view.active, &view.standby) {
                terminal.line(format!("served from {active}; the standby is {standby}"));
            }
        }
        for step in view.steps.iter().skip(self.steps) {
            if !is_over(step) {
                let seen = step.sample.as_ref().map(|sample| sample.seen.clone());
                if let Some(seen) = seen.filter(|seen| *seen != self.waits) {
                    terminal.line(format!("  looking  {}: {seen}", step.id));
                    self.waits = seen;
                }
                break;
            }
            self.steps += 1;
            block(step, terminal);
        }
    }
}

fn is_over(step: &StepView) -> bool {
    !matches!(step.state.as_str(), "pending" | "waiting" | "running" | "backing_off")
}

fn block(step: &StepView, terminal: &mut Terminal) {
    let danger = step.danger.as_ref().map_or(String::new(), |danger| format!(" [{danger}]"));
    let part = if step.part == "steps" { String::new() } else { format!(" ({})", step.part) };
    let head = terminal.loud(&format!("{}{part}{danger}", step.id));
    terminal.line(format!("\n{head}  {}", step.title));
    match step.state.as_str() {
        "previewed" if step.effect.is_empty() => {
            terminal.line(format!("  would    {} (no call leaves muster)", step.action));
        }
        "previewed" => {
            for effect in &step.effect {
                terminal.line(format!("  would    {effect}"));
            }
        }
        "failed" => {
            let fault = step.fault.as_deref().unwrap_or("without a word");
            terminal.line(format!("  FAILED   {fault}"));
        }
        _ => {
            for (name, value) in &step.outputs {
                let name = name.replace('_', " ");
                let Some(lines) = value.as_array() else {
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    terminal.line(format!("  saw      {name}: {text}"));
                    continue;
                };
                for line in lines.iter().filter_map(|line| line.as_str()) {
                    terminal.line(format!("  {name:<8} {line}"));
                }
            }
        }
    }
}
