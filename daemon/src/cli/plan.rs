//! `muster plan`: what a runbook would do, from files alone. Works when everything else is down.

use std::{collections::BTreeSet, path::PathBuf};

use clap::Args;
use muster_runbooks::{
    application::Application,
    name::Region,
    plan::{Binding, Described, Plan as Planned, Step},
    request::{Manner, Mode, Request, Trigger},
    runbook::Runbook,
};
use serde_json::{Value, json};

use super::{Exit, Failure, Terminal, ask::pair, files::Files};

/// Arguments of `plan`.
#[derive(Clone, Debug, Args)]
pub struct Plan {
    /// A shipped runbook, or the file of one.
    pub runbook: String,
    /// The application's file.
    #[arg(long, short, value_name = "FILE")]
    pub application: Option<PathBuf>,
    /// Where the application is served from; its home without it.
    #[arg(long, value_name = "REGION")]
    pub active: Option<Region>,
    /// A value for an input.
    #[arg(long = "input", value_name = "NAME=VALUE", value_parser = pair)]
    pub inputs: Vec<(String, Value)>,
    /// Take the forced variants.
    #[arg(long)]
    pub forced: bool,
}

/// Makes the plan and prints it.
pub(super) fn plan(args: &Plan, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let runbook = find(&args.runbook)?;
    let manner = if args.forced { Manner::Forced } else { Manner::Graceful };
    let binding = args.application.as_ref().map(|path| bind(path, args.active.as_ref()));
    let binding = binding.transpose()?;
    let request = Request {
        runbook: runbook.name.clone(),
        application: binding.as_ref().map(|binding| binding.application.name.clone()),
        inputs: args.inputs.iter().cloned().collect(),
        trigger: Trigger::Person { name: "nobody".to_owned() },
        mode: Mode::Preview,
        manner,
        reason: String::new(),
        dedupe_key: None,
        symptom_at: None,
        not_after: None,
    };
    let plan = match Planned::make(&runbook, &request, binding) {
        Ok(plan) => plan,
        Err(problems) => {
            for problem in &problems {
                terminal.aside(format!("error: {problem}"));
            }
            return Ok(Exit::BadUse);
        }
    };
    show(&plan, manner, terminal);
    Ok(Exit::Done)
}

fn find(name: &str) -> Result<Runbook, Failure> {
    let path = PathBuf::from(name);
    let files = if path.exists() { Files::read(&[path])? } else { Files::default() };
    let library = files.library();
    let file = files.runbooks.first().map(|(file, _)| file.as_str());
    let found = library.runbooks().find(|runbook| match file {
        Some(file) => runbook.file == file,
        None => runbook.name.as_str() == name,
    });
    found.cloned().ok_or_else(|| Failure::BadUse {
        because: format!("`{name}` is no runbook that can be used"),
        hint: Some(match file {
            Some(file) => format!("muster lint {file}"),
            None => {
                let names: Vec<&str> = library.runbooks().map(|one| one.name.as_str()).collect();
                format!("give a file, or one of {}", names.join(", "))
            }
        }),
    })
}

fn bind(path: &PathBuf, active: Option<&Region>) -> Result<Binding, Failure> {
    let files = Files::read(std::slice::from_ref(path))?;
    let hint = Some(format!("muster lint {}", path.display()));
    let bad = |because: String| Failure::BadUse { because, hint: hint.clone() };
    let (name, text) = files
        .applications
        .first()
        .ok_or_else(|| bad(format!("{} holds no application", path.display())))?;
    let application = Application::parse(name, text)
        .map_err(|_| bad(format!("{} cannot be used", path.display())))?;
    let active = active.cloned().unwrap_or_else(|| application.home.clone());
    let standby = application
        .other(&active)
        .cloned()
        .ok_or_else(|| bad(format!("{active} is neither its home nor its standby")))?;
    Ok(Binding { application, active, standby })
}

/// What stands where a run's own name would.
pub(super) const NOBODY: &str = "a00000000000";

fn effect(line: &Described<'_>) -> Vec<String> {
    match &line.action {
        Ok(_) => line.description.effect.clone(),
        Err(why) => vec![format!("depends on what is not known before the run: {why}")],
    }
}

/// The chain of steps that takes longest by their budgets, next to what the runbook promises; nothing where it
/// promises nothing. A step without a budget counts with its limit.
fn longest(plan: &Planned) -> Option<String> {
    let rto = plan.rto?;
    let cost = |step: &Step| step.budget.unwrap_or(step.limit);
    let (whole, path) = plan.critical_path(cost);
    let steps: Vec<String> =
        path.into_iter().map(|step| format!("{} {}", step.id, cost(step))).collect();
    Some(format!("It takes {whole} of {rto} by its longest chain of steps: {}", steps.join(", ")))
}

fn show(plan: &Planned, manner: Manner, terminal: &mut Terminal) {
    let Ok(run) = NOBODY.parse() else { return };
    let lines = plan.described(manner, &run);
    let permissions: BTreeSet<&String> =
        lines.iter().flat_map(|line| &line.description.permissions).collect();
    terminal.json(&json!({
        "plan": plan,
        "steps": lines.iter().map(|line| json!({
            "id": line.step.id, "effect": effect(line), "by_hand": line.description.by_hand,
        })).collect::<Vec<_>>(),
        "permissions": permissions,
        "longest": longest(plan),
    }));
    let title = format!("{} ({manner})", plan.title);
    terminal.line(terminal.loud(&title));
    for line in &lines {
        let step = line.step;
        let danger = step.danger.map_or(String::new(), |danger| format!(" [{danger}]"));
        let part = if step.part == muster_runbooks::plan::Part::Steps {
            String::new()
        } else {
            format!(" ({})", step.part)
        };
        let head = format!("{}{part}{danger}", step.id);
        terminal.line(format!("\n{}  {}", terminal.loud(&head), step.title));
        for effect in effect(line) {
            terminal.line(format!("  does     {effect}"));
        }
        for command in &line.description.by_hand {
            terminal.line(format!("  by hand  {command}"));
        }
    }
    if let Some(longest) = longest(plan) {
        terminal.line(format!("\n{longest}"));
    }
    if !permissions.is_empty() {
        terminal.line("\nIAM actions that it needs:");
        for permission in permissions {
            terminal.line(format!("  {permission}"));
        }
    }
    let application = plan
        .binding
        .as_ref()
        .map_or(String::new(), |binding| format!(" --application {}", binding.application.name));
    let forced = if manner == Manner::Forced { " --forced" } else { "" };
    terminal.then(format!("muster preview {}{application}{forced}", plan.runbook));
}
