//! Who plays in the demo, and what is left to play with.

use std::path::PathBuf;

use muster_runbooks::{action::control::PersonRole, application::Application};
use sha2::{Digest, Sha256};

use crate::{cli::Terminal, perform};

/// The people of the demo with tokens made for this one evening.
pub(super) struct People {
    list: Vec<(&'static str, PersonRole, String)>,
}

impl People {
    pub(super) fn seed() -> People {
        let people = [
            ("ana", PersonRole::Operator),
            ("ben", PersonRole::Approver),
            ("cleo", PersonRole::Admin),
        ];
        // Three identifiers of 62 random bits each: enough for a daemon on loopback that lives for minutes.
        let token = || (0..3).map(|_| perform::fresh_id().to_string()).collect::<String>();
        People { list: people.map(|(name, role)| (name, role, token())).into() }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&'static str, PersonRole, &str)> {
        self.list.iter().map(|(name, role, token)| (*name, *role, token.as_str()))
    }

    pub(super) fn token(&self, who: &str) -> String {
        self.list
            .iter()
            .find(|(name, ..)| *name == who)
            .map(|(.., token)| token.clone())
            .unwrap_or_default()
    }
}

/// SHA-256 in hexadecimal, as the configuration keeps tokens.
pub(super) fn hash(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where to look and what to try next.
pub(super) fn say_what_is_left(
    terminal: &mut Terminal,
    server: &str,
    metrics: &str,
    people: &People,
    application: &Application,
) {
    let name = &application.name;
    terminal.line("");
    terminal.line(terminal.loud("The daemon goes on. Look and play:"));
    terminal.line(format!("  page      {server}/"));
    terminal.line(format!("  metrics   {metrics}"));
    terminal.line("  in another terminal:");
    terminal
        .line(format!("    export MUSTER_SERVER={server} MUSTER_TOKEN={}", people.token("ana")));
    if let Some(program) = off_the_path() {
        terminal.line(format!("    alias muster='{}'", program.display()));
    }
    terminal.line("    muster status");
    terminal.line(format!("    muster backups {name}"));
    terminal.line("    muster run rehearsal --reason practice   # then: muster done RUN crash-now --reason seen");
    terminal.line(format!("    MUSTER_TOKEN={}   # ben, who may approve", people.token("ben")));
    terminal.line("  Ctrl-C ends it, and everything it wrote is gone.");
}

/// This program, if a shell would not find it by its name: `cargo run` leaves it where it was built.
fn off_the_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_found = std::env::split_paths(&path).any(|folder| folder.join("muster").is_file());
    std::env::current_exe().ok().filter(|_| !is_found)
}
