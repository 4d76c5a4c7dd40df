//! A canary that says nothing for long is a finding: what was to be measured is then only believed.

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{application::Application, name::ComponentName};
use muster_state::{catalog::Finding, command::Command};
use tracing::{info, warn};

use crate::{intake::Intake, world::canary::Sample};

/// A restart, a patch of the engine and a failover of the writer within a region are shorter.
const SILENT_MAX: SignedDuration = SignedDuration::from_mins(5);

/// Since when the canary of a database says nothing.
#[derive(Debug, Default)]
pub(super) struct Silence(Option<Timestamp>);

/// What becomes of the finding.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Change {
    Opens,
    Closes,
}

impl Silence {
    /// Hears what the canary said last, and says so once when it falls silent and once when it is heard again.
    pub(super) async fn hear(
        &mut self,
        intake: &Intake,
        application: &Application,
        database: &ComponentName,
        sample: &Sample,
    ) {
        let now = intake.clock().now();
        let (lag, name) = (sample.lag(now), &application.name);
        let is_known = lag != muster_runbooks::value::Loss::Unknown;
        match (is_known, self.0) {
            (true, Some(_)) => info!(application = %name, %database, %lag, "the canary is seen"),
            (false, None) => {
                warn!(application = %name, %database, because = sample.by, "the canary says nothing");
            }
            (true, None) | (false, Some(_)) => {}
        }
        self.0 = if is_known { None } else { self.0.or(Some(now)) };
        let id = format!("canary-unknown/{database}");
        let (stands, off) =
            intake.known(|known| (known.has_finding(name, &id), known.off.is_some()));
        let finding = match self.change(now, stands, off) {
            None => return,
            Some(Change::Closes) => Err(id),
            Some(Change::Opens) => Ok(Finding {
                id,
                message: format!(
                    "the canary of `{database}` says nothing: {}; how much a failover would lose is not measured",
                    sample.by
                ),
                hint: "`muster canary grant` prints what its role needs; both sides must be reachable by SQL"
                    .to_owned(),
            }),
        };
        let command = Command::Finding { application: name.clone(), finding };
        if let Err(error) = intake.command(command).await {
            warn!(application = %name, %error, "what the canary says could not be written down; with the next row again");
        }
    }

    /// Who is switched off writes no rows, and misses none. What stands closes when the canary is heard,
    /// not when a new process has not listened yet.
    fn change(&self, now: Timestamp, stands: bool, off: bool) -> Option<Change> {
        match self.0 {
            None => stands.then_some(Change::Closes),
            Some(since) => {
                let is_long = now.duration_since(since) >= SILENT_MAX;
                (is_long && !stands && !off).then_some(Change::Opens)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a finding opens after five silent minutes, once, not while Muster is off, and closes as soon as
    /// the canary is heard.
    /// Method: every case that there is.
    #[test]
    fn when_it_is_a_finding() {
        let since: Timestamp = "2026-03-01T02:00:00Z".parse().unwrap();
        let after = |secs| since + SignedDuration::from_secs(secs);
        let (silent, heard) = (Silence(Some(since)), Silence::default());
        let (opens, closes) = (Some(Change::Opens), Some(Change::Closes));
        for (silence, secs, stands, off, meant) in [
            (&silent, 299, false, false, None),
            (&silent, 300, false, false, opens),
            (&silent, 300, true, false, None),
            (&silent, 9_000, false, true, None),
            (&heard, 0, true, false, closes),
            (&heard, 0, true, true, closes),
            (&heard, 0, false, false, None),
        ] {
            assert_eq!(
                silence.change(after(secs), stands, off),
                meant,
                "{silence:?} {secs} {stands}"
            );
        }
    }
}
