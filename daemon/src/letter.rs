//! The off switch for whoever reaches the host and not the API: a letter in the state directory.
//!
//! A daemon that runs takes it within a second; one that starts takes it before it looks at any run. A letter
//! that cannot be read switches off, too.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use jiff::SignedDuration;
use muster_runbooks::action::control::PersonRole;
use muster_state::{
    command::{Command, Person},
    event::{AccessEvent, Batch, Entry},
    journal::{AppendError, Journal},
};
use serde::{Deserialize, Serialize};
use tracing::{error, warn};

use crate::{clock::Clock, intake::Intake};

/// Its name in the state directory.
const FILE: &str = "off.letter";

/// How often a running daemon looks for one (design §3.9: a person can stop it within 5 s).
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(1);

/// The longest letter that is read.
const BYTES_MAX: u64 = 4_096;

/// What stands in it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Letter {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

fn path(state: &Path) -> PathBuf {
    state.join(FILE)
}

/// Leaves a letter in a state directory. It is there whole, or not at all.
///
/// # Errors
///
/// When the directory cannot be written.
pub fn leave(state: &Path, letter: &Letter) -> io::Result<()> {
    let draft = state.join(format!("{FILE}.new"));
    fs::write(&draft, serde_json::to_vec(letter)?)?;
    fs::File::open(&draft)?.sync_all()?;
    fs::rename(&draft, path(state))?;
    fs::File::open(state)?.sync_all()
}

/// The letter that lies in a state directory, if one does.
fn find(state: &Path) -> Option<Letter> {
    let path = path(state);
    let size = match fs::metadata(&path) {
        Ok(found) => found.len(),
        Err(why) if why.kind() == io::ErrorKind::NotFound => return None,
        Err(_) => u64::MAX,
    };
    let read = (size <= BYTES_MAX).then(|| fs::read(&path).ok()).flatten();
    let letter = read.and_then(|text| serde_json::from_slice(&text).ok());
    // Somebody wanted it off, whoever and why.
    Some(letter.unwrap_or_else(|| Letter {
        by: "somebody on the host".to_owned(),
        reason: format!("{} lies there and cannot be read", path.display()),
    }))
}

fn take_away(state: &Path) {
    if let Err(why) = fs::remove_file(path(state)) {
        error!(%why, "the letter that switched Muster off cannot be taken away; it will do so again");
    }
}

/// Takes a letter before anything goes on.
///
/// # Errors
///
/// When that cannot be written down.
pub async fn open(state: &Path, journal: &dyn Journal, clock: &Clock) -> Result<(), AppendError> {
    let Some(letter) = find(state) else { return Ok(()) };
    if journal.progress().off.is_none() {
        let Letter { by, reason } = letter;
        warn!(by, reason, "switched off by a letter");
        let entries = vec![Entry::access(AccessEvent::SwitchedOff { by, reason })];
        let written = journal.append(clock.now(), Batch { entries, ..Batch::default() });
        let lost = || AppendError::Broken { because: "its writer is gone".to_owned() };
        written.await.unwrap_or_else(|_| Err(lost()))?;
    }
    take_away(state);
    Ok(())
}

/// Takes letters until the future is dropped.
pub async fn keep(intake: Intake, state: PathBuf) {
    loop {
        // A person waits, whatever the process's clock shows.
        Clock::Real.sleep(LOOK_EVERY).await;
        let Some(Letter { by, reason }) = find(&state) else { continue };
        if intake.known(|known| known.off.is_none()) {
            warn!(by, reason, "switched off by a letter");
            let by = Person { name: by, role: PersonRole::Admin };
            if let Err(why) = intake.command(Command::Off { by, reason }).await {
                error!(%why, "the letter that switches Muster off could not be taken; in a second again");
                continue;
            }
        }
        take_away(&state);
    }
}
