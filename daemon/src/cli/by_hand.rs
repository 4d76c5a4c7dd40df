//! `muster by-hand`: what to type without Muster; from the daemon, or from what one has left on a disk.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{Client, Exit, Failure, Terminal, say::segment};
use crate::{
    api::view::by_hand::ByHandView,
    by_hand::{FOLDER, file},
};

/// Arguments of `by-hand`.
#[derive(Clone, Debug, Args)]
pub struct ByHand {
    /// The application.
    pub application: String,
    /// The runbook, such as region-failover.
    pub runbook: String,
    /// Give the active side up.
    #[arg(long)]
    pub forced: bool,
    /// Read what a daemon has left in this state directory; no daemon is asked.
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
}

impl ByHand {
    fn manner(&self) -> &'static str {
        if self.forced { "forced" } else { "graceful" }
    }
}

/// Prints the page as the daemon makes it now.
pub(super) async fn ask(
    args: &ByHand,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let (application, runbook) = (segment(&args.application)?, segment(&args.runbook)?);
    let manner = args.manner();
    let path = format!("/v1/applications/{application}/by-hand/{runbook}?manner={manner}");
    let view: ByHandView = client.get(&path).await?;
    terminal.json(&view);
    terminal.line(view.text.trim_end());
    for trouble in view.kept.iter().flat_map(|kept| &kept.troubles) {
        terminal
            .aside(format!("a kept page may be old since {}: {}", trouble.since_at, trouble.what));
    }
    Ok(Exit::Done)
}

/// Prints the page that lies in a state directory.
pub(super) fn read(
    args: &ByHand,
    state: &std::path::Path,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let runbook = segment(&args.runbook)?;
    let application = segment(&args.application)?.parse();
    let application = application.map_err(|why| Failure::BadUse {
        because: format!("`{}` is no application: {why}", args.application),
        hint: None,
    })?;
    let name = format!("{runbook}-{}", args.manner());
    let path = file(&state.join(FOLDER), &application, &name, "txt");
    let text = std::fs::read_to_string(&path).map_err(|why| Failure::BadUse {
        because: format!("`{}` cannot be read: {why}", path.display()),
        hint: Some("pages are kept of the runbooks that move an application".to_owned()),
    })?;
    terminal.json(&json!({ "application": application, "runbook": runbook, "text": text }));
    terminal.line(text.trim_end());
    Ok(Exit::Done)
}
