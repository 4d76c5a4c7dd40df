//! `muster state …`: looks after a state directory while no daemon has it open.

use std::{error::Error, path::Path};

use muster_state::journal::offline::{self, Existing, OfflineError};

use crate::{
    cli::{Exit, State, Terminal},
    clock::Clock,
};

/// Carries a verb out, and says how it ended.
pub fn carry_out(verb: &State, terminal: &mut Terminal) -> Exit {
    let done = match verb {
        State::Verify { dir } => verify(dir, terminal),
        State::Export { dir, to } => export(dir, to, terminal),
        State::Restore { dir, from, set_aside } => restore(dir, from.as_deref(), *set_aside, terminal),
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
    terminal.line(format!("{}: {report}", dir.display()));
    Ok(if report.is_sound() { Exit::Done } else { Exit::No })
}

fn export(dir: &Path, to: &Path, terminal: &mut Terminal) -> Result<Exit, OfflineError> {
    let exported = offline::export(dir, to)?;
    terminal.line(format!("{}: {exported}", to.display()));
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
    terminal.line(format!("{}: {rebuilt}", dir.display()));
    terminal.then("muster serve --config FILE");
    Ok(Exit::Done)
}

fn repair(dir: &Path, terminal: &mut Terminal) -> Result<Exit, OfflineError> {
    let repaired = offline::repair(dir, Clock::Real.now())?;
    terminal.line(format!("{}: {repaired}", dir.display()));
    terminal.then("muster serve --config FILE");
    Ok(Exit::Done)
}
