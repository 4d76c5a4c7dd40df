//! `muster state …`: looks after a state directory while no daemon has it open.

use std::{
    error::Error,
    path::{Path, PathBuf},
};

use muster_state::journal::offline::{self, Agreement, Existing, OfflineError};

use crate::{
    cli::{Exit, State, Terminal},
    clock::Clock,
};

/// Carries a verb out, and says how it ended.
pub fn carry_out(verb: &State, terminal: &mut Terminal) -> Exit {
    let done = match verb {
        State::Verify { dir } => verify(dir, terminal),
        State::Export { dir, to } => export(dir, to, terminal),
        State::Restore { dir, from, set_aside } => {
            restore(dir, from.as_deref(), *set_aside, terminal)
        }
        State::Repair { dir } => repair(dir, terminal),
    };
    done.unwrap_or_else(|error| {
        terminal.aside(format!("error: {}", chain(&error)));
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

fn export(dir: &Path, to: &Path, terminal: &mut Terminal) -> Result<Exit, OfflineError> {
    let exported = offline::export(dir, to)?;
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

fn restore(
    dir: &Path,
    from: Option<&Path>,
    set_aside: bool,
    terminal: &mut Terminal,
) -> Result<Exit, OfflineError> {
    let existing = if set_aside { Existing::SetAside } else { Existing::Refuse };
    let rebuilt = match from {
        Some(from) => offline::restore_from(dir, from, existing)?,
        None => offline::restore(dir)?,
    };
    terminal.line(format!("{}: rebuilt up to record {}", dir.display(), rebuilt.head.end));
    kept(&rebuilt.kept_in, terminal);
    terminal.then("muster serve --config FILE");
    Ok(Exit::Done)
}

fn repair(dir: &Path, terminal: &mut Terminal) -> Result<Exit, OfflineError> {
    let repaired = offline::repair(dir, Clock::Real.now())?;
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
