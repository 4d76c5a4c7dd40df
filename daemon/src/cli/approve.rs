//! `muster approve`: shows what would be done and lost, and approves exactly that.

use clap::Args;
use muster_runbooks::action::control::Risk;

use super::{Client, Exit, Failure, Terminal, say::segment, show::leaving};
use crate::api::{
    requests::AcceptedView,
    steer,
    view::{approval::ApprovalView, run::RunView},
};

/// Arguments of `approve`.
#[derive(Clone, Debug, Args)]
pub struct Approve {
    /// The run.
    pub run: String,
    /// The step that asks; may be left out while only one does.
    #[arg(long)]
    pub step: Option<String>,
    /// A risk that you accept, such as data-loss-over-max. Say it once for each.
    #[arg(long = "accept", value_name = "RISK")]
    pub accepts: Vec<Risk>,
    /// Why. Stands in the audit trail.
    #[arg(long)]
    pub reason: String,
    /// Do not ask again.
    #[arg(long)]
    pub yes: bool,
}

/// Shows, asks, approves.
pub(super) async fn approve(
    args: Approve,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let path = format!("/v1/runs/{}", segment(&args.run)?);
    let run: RunView = client.get(&path).await?;
    let Some(step) = look(&run, args.step.as_deref(), &args.accepts, terminal)? else {
        return Ok(Exit::No);
    };
    if !confirmed(args.yes, "Do you approve this?", terminal)? {
        return Ok(Exit::No);
    }
    let body = steer::Approve {
        step,
        plan_hash: run.plan_hash.clone(),
        accepts: args.accepts,
        reason: args.reason,
    };
    let done: AcceptedView = client.post(&format!("{path}/approve"), &body, None).await?;
    terminal.json(&done);
    let status = done.status.as_deref().unwrap_or_default().replace('_', " ");
    terminal.line(format!("approved; run {} is {}", run.id, terminal.loud(&status)));
    terminal.then(format!("muster watch {}", run.id));
    Ok(Exit::Done)
}

/// Shows what would be approved, and says which step asks for it; nothing when none does, or when more must
/// be accepted.
pub(super) fn look(
    run: &RunView,
    step: Option<&str>,
    accepts: &[Risk],
    terminal: &mut Terminal,
) -> Result<Option<String>, Failure> {
    let Some(asked) = find(run, step)? else {
        terminal.aside(format!("error: run {} asks nobody for this: it is {}", run.id, run.status));
        terminal.next(&run.next);
        return Ok(None);
    };
    leaving(run, terminal);
    show(run, asked, terminal);
    let accepts: Vec<String> = accepts.iter().map(ToString::to_string).collect();
    let left: Vec<&String> =
        asked.must_accept.iter().filter(|risk| !accepts.contains(risk)).collect();
    if !left.is_empty() {
        let flags: Vec<String> = left.iter().map(|risk| format!("--accept {risk}")).collect();
        terminal.aside(format!("error: approving means accepting more; add {}", flags.join(" ")));
        return Ok(None);
    }
    Ok(Some(asked.step.clone()))
}

/// Whether the person who types it is sure.
pub(super) fn confirmed(
    yes: bool,
    question: &str,
    terminal: &mut Terminal,
) -> Result<bool, Failure> {
    if yes {
        return Ok(true);
    }
    match terminal.confirms(question) {
        Some(true) => Ok(true),
        Some(false) => {
            terminal.aside("nothing was approved");
            Ok(false)
        }
        None => Err(Failure::BadUse {
            because: "nobody is here to be asked".to_owned(),
            hint: Some("--yes approves without asking".to_owned()),
        }),
    }
}

fn find<'a>(run: &'a RunView, step: Option<&str>) -> Result<Option<&'a ApprovalView>, Failure> {
    match (step, run.approvals.as_slice()) {
        (Some(step), all) => Ok(all.iter().find(|one| one.step == step)),
        (None, []) => Ok(None),
        (None, [one]) => Ok(Some(one)),
        (None, several) => {
            let names: Vec<&str> = several.iter().map(|one| one.step.as_str()).collect();
            Err(Failure::bad_use(format!("say which with --step: {}", names.join(", "))))
        }
    }
}

fn show(run: &RunView, asked: &ApprovalView, terminal: &mut Terminal) {
    let mark = run.banner.as_ref().map_or(String::new(), |banner| format!("[{banner}] "));
    let application = run.application.as_deref().unwrap_or("no application");
    let title = format!("{mark}{} of {application}, {}", run.runbook, run.manner);
    terminal.line(terminal.loud(&title));
    terminal.line(format!("asked for by  {}: {}", run.requested_by, run.reason));
    if let (Some(from), Some(to)) = (&run.active, &run.standby) {
        terminal.line(format!("from          {from} to {to}"));
    }
    if let Some(loss) = &asked.data_loss {
        let limit = asked.data_loss_max.as_ref();
        let limit = limit.map_or(String::new(), |limit| format!(", limit {}", limit.text));
        let text = if loss.secs.is_none() {
            "UNKNOWN".to_owned()
        } else {
            format!("at most {}", loss.text)
        };
        terminal.line(format!("data loss     {}{limit} ({})", terminal.loud(&text), loss.by));
    }
    if let Some(length) = &asked.recovery_time {
        terminal.line(format!("still takes   about {}", length.text));
    }
    if let Some(verdict) = &asked.observers {
        terminal.line(format!("observers     {verdict}"));
    }
    if !asked.must_accept.is_empty() {
        terminal.line(format!("risks         {}", terminal.loud(&asked.must_accept.join(", "))));
    }
    terminal.line(format!(
        "approvals     {} more of {} by role {}",
        asked.missing, asked.needed, asked.role
    ));
    for effect in &asked.effects {
        for line in &effect.effect {
            terminal.line(format!("{:<24} {line}", effect.step));
        }
    }
    terminal.line(format!("plan          {}", run.plan_hash));
}
