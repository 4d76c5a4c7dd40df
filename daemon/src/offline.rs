//! `muster state …`: looks after a state directory while no daemon has it open.

use std::{
    error::Error,
    fs::File,
    io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use muster_state::journal::offline::{self, Agreement, Existing, OfflineError};
use serde_json::json;

use crate::{
    cli::{Exit, State, Terminal},
    clock::Clock,
    perform,
    world::aws::export::{self, BadPlace, FetchError, Gathered, Place},
};

/// Why a verb was not carried out.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Offline(#[from] OfflineError),
    #[error(transparent)]
    Place(#[from] BadPlace),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("`{path}` cannot be written")]
    Incoming {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Carries a verb out, and says how it ended.
pub async fn carry_out(verb: &State, terminal: &mut Terminal) -> Exit {
    let done = match verb {
        State::Verify { dir } => verify(dir, terminal).map_err(Trouble::from),
        State::Export { dir, to } => write_export(dir, to, terminal).map_err(Trouble::from),
        State::Restore { dir, from, set_aside } => {
            restore(dir, from.as_deref(), *set_aside, terminal).await
        }
        State::Repair { dir } => repair(dir, terminal).map_err(Trouble::from),
    };
    done.unwrap_or_else(|error| {
        terminal.error("state", &chain(&error), None);
        Exit::No
    })
}

/// An error with its causes, each once.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text = format!("{text}\n  because: {source}");
        cause = source.source();
    }
    text
}

fn verify(dir: &Path, terminal: &mut Terminal) -> Result<Exit, OfflineError> {
    let report = offline::verify(dir)?;
    terminal.json(&json!({
        "state": dir, "records": report.head.end, "commits": report.commits,
        "segments": report.segments, "head": report.head.hash.to_string(),
        "open_runs": report.open_runs, "ended_runs": report.ended_runs,
        "progress_end": match report.progress {
            Agreement::Agrees { end } => Some(end),
            Agreement::InUse => None,
        },
        "in_use": matches!(report.progress, Agreement::InUse),
        "torn_bytes": report.torn_bytes, "sealed": report.sealed,
    }));
    terminal.line(format!("{}: intact", dir.display()));
    terminal.line(format!(
        "  log       {} records in {} commits and {} segments",
        report.head.end, report.commits, report.segments
    ));
    terminal.line(format!("  head      {}", report.head.hash));
    terminal.line(format!("  runs      {} open, {} ended", report.open_runs, report.ended_runs));
    let progress = match report.progress {
        Agreement::Agrees { end } => format!("follows from the log up to record {end}"),
        Agreement::InUse => "in use by a running daemon; only the log was read".to_owned(),
    };
    terminal.line(format!("  progress  {progress}"));
    if report.torn_bytes > 0 {
        terminal.line(format!(
            "  tail      {} torn bytes; the next start cuts them",
            report.torn_bytes
        ));
    }
    if !report.sealed {
        terminal.line("  the last process did not stop in good order");
    }
    Ok(Exit::Done)
}

fn write_export(dir: &Path, to: &Path, terminal: &mut Terminal) -> Result<Exit, OfflineError> {
    let exported = offline::export(dir, to)?;
    terminal.json(&json!({
        "export": to, "records": exported.head.end, "commits": exported.commits,
        "head": exported.head.hash.to_string(),
    }));
    terminal.line(format!(
        "{}: {} records in {} commits, head {}",
        to.display(),
        exported.head.end,
        exported.commits,
        exported.head.hash
    ));
    terminal.then(format!("muster state restore OTHER-DIR --from {}", to.display()));
    Ok(Exit::Done)
}

async fn restore(
    dir: &Path,
    from: Option<&str>,
    set_aside: bool,
    terminal: &mut Terminal,
) -> Result<Exit, Trouble> {
    let existing = if set_aside { Existing::SetAside } else { Existing::Refuse };
    let rebuilt = match from {
        None => offline::restore(dir)?,
        Some(from) if from.starts_with("s3://") && from.ends_with('/') => {
            let place = from.parse()?;
            let incoming = Incoming::beside(dir);
            let gathered = incoming.gather(&place).await?;
            say_how_old(&place, &gathered, terminal);
            offline::restore_from(dir, &incoming.0, existing)?
        }
        Some(from) if from.starts_with("s3://") => {
            let place = from.parse()?;
            let incoming = Incoming::beside(dir);
            let bytes = incoming.fetch(&place).await?;
            terminal.line(format!("{place}: {bytes} bytes"));
            offline::restore_from(dir, &incoming.0, existing)?
        }
        Some(from) => offline::restore_from(dir, Path::new(from), existing)?,
    };
    terminal.json(&json!({
        "state": dir, "records": rebuilt.head.end, "head": rebuilt.head.hash.to_string(),
        "kept_in": rebuilt.kept_in,
    }));
    terminal.line(format!("{}: rebuilt up to record {}", dir.display(), rebuilt.head.end));
    kept(&rebuilt.kept_in, terminal);
    terminal.then("muster serve --config FILE");
    Ok(Exit::Done)
}

/// What a shipped log lacks is what its host wrote last.
fn say_how_old(place: &Place, gathered: &Gathered, terminal: &mut Terminal) {
    let Gathered { objects, put_at, newest } = gathered;
    let at = |at: &Option<Timestamp>| {
        at.map_or_else(|| "an unknown time".to_owned(), |at| format!("{at:.0}"))
    };
    terminal.line(format!("{place}: {objects} objects, the last one put at {}", at(put_at)));
    terminal.line(format!(
        "  the newest record is of {}: what the lost host wrote after that is not here",
        at(newest)
    ));
}

/// A file beside the state directory, on the same disk, for an export on its way in. Gone at the end.
struct Incoming(PathBuf);

impl Incoming {
    fn beside(dir: &Path) -> Incoming {
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
        let name = format!(".muster-incoming-{}", perform::fresh_id());
        Incoming(parent.unwrap_or(Path::new(".")).join(name))
    }

    fn create(&self) -> Result<File, Trouble> {
        use std::os::unix::fs::OpenOptionsExt;
        let options = &mut File::options();
        // The journal names people and what they did.
        let opened = options.write(true).create_new(true).mode(0o600).open(&self.0);
        opened.map_err(|source| Trouble::Incoming { path: self.0.clone(), source })
    }

    async fn fetch(&self, place: &Place) -> Result<u64, Trouble> {
        Ok(export::fetch(place, &mut self.create()?).await?)
    }

    async fn gather(&self, place: &Place) -> Result<Gathered, Trouble> {
        Ok(export::gather(place, &self.0, self.create()?).await?)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // It may never have been made.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn repair(dir: &Path, terminal: &mut Terminal) -> Result<Exit, OfflineError> {
    let repaired = offline::repair(dir, Clock::Real.now())?;
    terminal.json(&json!({
        "state": dir, "because": repaired.because, "cut_at": repaired.cut_at,
        "kept_in": repaired.kept_in,
    }));
    match &repaired.because {
        Some(because) => terminal.line(format!(
            "{}: cut at record {}: {because}",
            dir.display(),
            repaired.cut_at
        )),
        None => terminal.line(format!("{}: the log was intact; nothing was cut", dir.display())),
    }
    kept(&repaired.kept_in, terminal);
    terminal.then("muster serve --config FILE");
    Ok(Exit::Done)
}

fn kept(places: &[PathBuf], terminal: &mut Terminal) {
    for place in places {
        terminal.line(format!("  what was there is kept in {}", place.display()));
    }
}
