//! `muster token`: makes a token and shows it once.

use clap::Args;
use muster_runbooks::action::control::PersonRole;
use rand::{TryRngCore, rngs::OsRng};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Exit, Failure, Terminal};
use crate::signing::hex;

/// Arguments of `token`.
#[derive(Clone, Debug, Args)]
pub struct Make {
    /// The person, as the audit trail shall name them.
    #[arg(long, default_value = "YOUR-NAME")]
    pub name: String,
    /// viewer, operator, approver or admin.
    #[arg(long, default_value_t = PersonRole::Operator)]
    pub role: PersonRole,
}

/// Prints the token, and what the daemon's configuration needs to know of it: its hash.
pub(super) fn make(args: &Make, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let mut bytes = [0_u8; 32];
    OsRng
        .try_fill_bytes(&mut bytes)
        .map_err(|why| Failure::bad_use(format!("the system gives no random bytes: {why}")))?;
    let token = hex(&bytes);
    let sha256 = hex(&Sha256::digest(token.as_bytes()));
    terminal
        .json(&json!({ "token": token, "name": args.name, "role": args.role, "sha256": sha256 }));
    terminal.line("The token, shown once. Keep it like a password:");
    terminal.line(format!("  {token}"));
    terminal.line("For the daemon's configuration:");
    terminal.line("tokens:");
    let name = serde_json::Value::from(args.name.as_str());
    terminal.line(format!("  - name: {name}\n    role: {}\n    sha256: {sha256}", args.role));
    terminal.then("export MUSTER_TOKEN=… && muster status");
    Ok(Exit::Done)
}
