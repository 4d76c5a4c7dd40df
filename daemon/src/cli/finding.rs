//! `muster findings` and `muster finding`: what is wrong or unknown, who looks after it, and that it is settled.

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::{Client, Exit, Failure, Terminal, freeze::instant, say::segment, show::at_text};
use crate::api::{
    findings::{Assign, Raise, Settle},
    list::Page,
    view::{
        application::ApplicationView,
        finding::{CareView, FindingView},
    },
};

/// Arguments of `findings`.
#[derive(Clone, Debug, Args)]
pub struct Findings {
    /// The application; all of them, without.
    pub application: Option<String>,
}

/// Arguments of `finding`.
#[derive(Clone, Debug, Args)]
pub struct Finding {
    /// What is said about it.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What is said about a finding.
#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// Write down what you found, such as in a drill. It stands until somebody settles it.
    Raise {
        /// The application.
        application: String,
        /// A short name, such as standby-quota.
        name: String,
        /// What is wrong, in a sentence.
        #[arg(long, value_name = "TEXT")]
        message: String,
        /// What to do about it.
        #[arg(long, value_name = "TEXT")]
        hint: String,
        /// Where it was seen. Stands in the audit trail.
        #[arg(long)]
        reason: String,
    },
    /// Say who looks after a finding, and until when.
    Assign {
        /// The application.
        application: String,
        /// The finding, as `muster findings` shows it.
        id: String,
        /// Who looks after it.
        #[arg(long, value_name = "NAME")]
        to: String,
        /// Until when: an instant, or in how long, such as 14d.
        #[arg(long, value_name = "INSTANT|IN", value_parser = instant)]
        due: Timestamp,
        /// Where more is written about it.
        #[arg(long)]
        ticket: Option<String>,
        /// Why. Stands in the audit trail.
        #[arg(long)]
        reason: String,
    },
    /// Say that a finding which people raised is settled. What a check found closes when the check passes.
    Settle {
        /// The application.
        application: String,
        /// The finding, as `muster findings` shows it.
        id: String,
        /// How. Stands in the audit trail.
        #[arg(long)]
        reason: String,
    },
}

/// Lists what stands. The answer is no as long as anything does.
pub(super) async fn list(
    args: &Findings,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let all: Vec<ApplicationView> = match &args.application {
        Some(name) => {
            vec![client.get(&format!("/v1/applications/{}", segment(name)?)).await?]
        }
        None => {
            let page: Page<ApplicationView> = client.get("/v1/applications?limit=200").await?;
            page.items
        }
    };
    let standing: Vec<(&str, &[FindingView])> =
        all.iter().map(|one| (one.name.as_str(), one.findings.as_slice())).collect();
    let json: std::collections::BTreeMap<&str, &[FindingView]> = standing.iter().copied().collect();
    terminal.json(&json);
    for (application, findings) in &standing {
        show(application, findings, terminal);
    }
    let is_clean = standing.iter().all(|(_, findings)| findings.is_empty());
    Ok(if is_clean { Exit::Done } else { Exit::No })
}

/// Says something about one.
pub(super) async fn say(
    args: Finding,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let at = |application: &str, word: &str| -> Result<String, Failure> {
        Ok(format!("/v1/applications/{}/findings{word}", segment(application)?))
    };
    let (application, standing): (String, Vec<FindingView>) = match args.verb {
        Verb::Raise { application, name, message, hint, reason } => {
            let body = Raise { name, message, hint, reason };
            let standing = client.post(&at(&application, "")?, &body, None).await?;
            (application, standing)
        }
        Verb::Assign { application, id, to: owner, due: due_at, ticket, reason } => {
            let body = Assign { id, owner, due_at, ticket, reason };
            let standing = client.post(&at(&application, "/assign")?, &body, None).await?;
            (application, standing)
        }
        Verb::Settle { application, id, reason } => {
            let body = Settle { id, reason };
            let standing = client.post(&at(&application, "/settle")?, &body, None).await?;
            (application, standing)
        }
    };
    terminal.json(&standing);
    show(&application, &standing, terminal);
    Ok(Exit::Done)
}

fn show(application: &str, findings: &[FindingView], terminal: &mut Terminal) {
    if findings.is_empty() {
        terminal.line(format!("{application}: no finding stands"));
        return;
    }
    for one in findings {
        terminal.line(format!("{application}: {}", terminal.loud(&one.id)));
        terminal.line(format!("  {} (since {})", one.message, at_text(one.since_at)));
        terminal.line(format!("  to do: {}", one.hint));
        terminal.line(format!("  {}", care(application, one)));
    }
}

fn care(application: &str, one: &FindingView) -> String {
    let Some(CareView { owner, due_at, overdue, ticket, .. }) = &one.care else {
        let id = &one.id;
        return format!(
            "nobody's: muster finding assign {application} {id} --to NAME --due 14d --reason TEXT"
        );
    };
    let late = if *overdue { "OVERDUE since" } else { "due" };
    let ticket = ticket.as_ref().map_or(String::new(), |ticket| format!(", {ticket}"));
    format!("{owner}, {late} {}{ticket}", at_text(*due_at))
}
