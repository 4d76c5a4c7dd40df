//! `muster hold` and `muster release`: keep a recovery point whatever the policy says, or no longer.

use clap::Args;

use super::{
    Client, Exit, Failure, Terminal,
    backups::{self, Backups},
    say::segment,
};
use crate::api::{
    holds::{HoldView, HoldWord},
    list::Page,
    view::application::ApplicationView,
};

/// Arguments of `hold` and `release`.
#[derive(Clone, Debug, Args)]
pub struct Hold {
    /// The recovery point, as `muster backups` shows it.
    pub point: String,
    /// What the hold is called, such as the number of a case.
    #[arg(long)]
    pub name: String,
    /// Why. Stands in the audit trail.
    #[arg(long)]
    pub reason: String,
    /// The application; looked for when it is not given.
    #[arg(long, short)]
    pub application: Option<String>,
}

/// Says the word.
pub(super) async fn say(
    word: &str,
    args: Hold,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let application = match args.application {
        Some(name) => name,
        None => find(&args.point, client).await?,
    };
    let path = format!("/v1/applications/{}/{word}", segment(&application)?);
    let body = HoldWord { point: args.point, name: args.name, reason: args.reason };
    let done: HoldView = client.post(&path, &body, None).await?;
    terminal.json(&done);
    let again = if done.repeated { ", as it was before" } else { "" };
    terminal.line(match backups::held(&done.point) {
        Some(by) => format!("{} is {}{again}", done.point.id, terminal.loud(&by)),
        None => format!("{} is not held any more; its policy counts again", done.point.id),
    });
    terminal.then(format!("muster backups {application}"));
    Ok(Exit::Done)
}

/// The application that has a recovery point.
async fn find(point: &str, client: &Client) -> Result<String, Failure> {
    let all: Page<ApplicationView> = client.get("/v1/applications?limit=200").await?;
    for one in all.items {
        let points = backups::points(&Backups::default(), &one.name, client).await?;
        if points.iter().any(|known| known.id == point) {
            return Ok(one.name);
        }
    }
    Err(Failure::BadUse {
        because: format!("no application has a recovery point `{point}`"),
        hint: Some("`muster backups APPLICATION` lists them; --application names it".to_owned()),
    })
}
