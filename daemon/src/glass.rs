//! Approvals that are sealed beforehand, and the glass that a lone person breaks to get at them.
//!
//! A seal is the word of an approver, given on a calm day and kept in an envelope: this person may approve
//! a run of these runbooks for these applications, until then, with these risks. It names no plan, because
//! there was none; whoever opens it sees the plan and answers for that. It is opened once.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    action::control::Risk,
    application::detection::PublicKey,
    name::{ApplicationName, RunbookName},
};
use muster_state::{event::Seal, run::Run};
use serde::{Deserialize, Serialize};

use crate::{
    envelope::{Envelope, Unbelieved},
    signing::{BadKey, SigningKey, unique},
};

/// The type of a sealed approval in its envelope.
pub const PAYLOAD_TYPE: &str = "application/vnd.muster.sealed-approval+json";

/// The version of a sealed approval that this program writes, and the only one that it opens.
const VERSION: u32 = 1;

/// No seal is good for longer: people leave, and what they once said should be asked of them again.
pub const VALID_MAX: SignedDuration = SignedDuration::from_hours(366 * 24);

/// The most seals that are looked at together.
const SEALS_MAX: usize = 16;

/// What an approver says beforehand.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// The version of this shape.
    pub v: u32,
    /// What tells it from every other one.
    pub id: String,
    /// Who says it.
    pub by: String,
    /// The applications that it is about.
    pub applications: BTreeSet<ApplicationName>,
    /// The runbooks that it is about.
    pub runbooks: BTreeSet<RunbookName>,
    /// The risks that may be accepted with it.
    pub accepts: Vec<Risk>,
    /// It is no longer good then.
    pub until: Timestamp,
}

impl Sealed {
    /// Seals it under a name of its own.
    ///
    /// # Errors
    ///
    /// When the machine gives no random bytes.
    pub fn seal(
        by: &str,
        applications: BTreeSet<ApplicationName>,
        runbooks: BTreeSet<RunbookName>,
        accepts: Vec<Risk>,
        until: Timestamp,
        key: &SigningKey,
    ) -> Result<Envelope, BadKey> {
        let (id, by) = (unique()?, by.to_owned());
        let sealed = Sealed { v: VERSION, id, by, applications, runbooks, accepts, until };
        Ok(Envelope::seal(PAYLOAD_TYPE, &sealed, Some(key)))
    }
}

/// Whose seals are believed, and how many of them it takes.
#[derive(Clone, Debug)]
pub struct Glass {
    /// How many, of different people.
    pub needed: usize,
    /// What the seals of each person are verified with.
    pub keys: BTreeMap<String, PublicKey>,
}

/// Why a seal is not opened.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unopened {
    /// More than anybody has.
    #[error("{0} seals, and {SEALS_MAX} at most are looked at")]
    TooMany(usize),
    /// No key that is configured signed it.
    #[error("seal {place} is of nobody whose key is configured: {why}")]
    Unbelieved {
        /// Which one, from 1.
        place: usize,
        /// Why.
        why: Unbelieved,
    },
    /// What was signed cannot be read.
    #[error("seal {place} of `{by}` cannot be read: {why}")]
    Unreadable {
        /// Which one, from 1.
        place: usize,
        /// Whose key signed it.
        by: String,
        /// Why.
        why: String,
    },
    /// It is not about this.
    #[error("the seal of `{by}` {why}")]
    Unfit {
        /// Whose it is.
        by: String,
        /// Why not.
        why: String,
    },
}

impl Glass {
    /// Verifies the seals that somebody wants to open for a run, together with these risks.
    ///
    /// # Errors
    ///
    /// With the first that is not good for it: nothing is opened by halves.
    pub fn open(
        &self,
        seals: &[Envelope],
        run: &Run,
        accepts: &[Risk],
        now: Timestamp,
    ) -> Result<Vec<Seal>, Unopened> {
        if seals.len() > SEALS_MAX {
            return Err(Unopened::TooMany(seals.len()));
        }
        let mut opened = Vec::new();
        for (place, envelope) in (1..).zip(seals) {
            let sealed = self.read(place, envelope)?;
            if let Err(why) = fits(&sealed, run, accepts, now) {
                return Err(Unopened::Unfit { by: sealed.by, why });
            }
            opened.push(Seal { id: sealed.id, by: sealed.by });
        }
        Ok(opened)
    }

    /// Whose it is, says the key that holds for it, and not what is written in it.
    fn read(&self, place: usize, envelope: &Envelope) -> Result<Sealed, Unopened> {
        let mut why = Unbelieved::Signature;
        for (by, key) in &self.keys {
            match envelope.open(PAYLOAD_TYPE, key) {
                Err(unbelieved) => why = unbelieved,
                Ok(payload) => {
                    let unreadable =
                        |why: String| Unopened::Unreadable { place, by: by.clone(), why };
                    let sealed: Sealed = serde_json::from_slice(&payload)
                        .map_err(|why| unreadable(why.to_string()))?;
                    if sealed.v != VERSION {
                        return Err(unreadable(format!("it has version {}", sealed.v)));
                    }
                    if sealed.by != *by {
                        return Err(unreadable(format!("it says that it is of `{}`", sealed.by)));
                    }
                    return Ok(sealed);
                }
            }
        }
        Err(Unopened::Unbelieved { place, why })
    }
}

fn fits(sealed: &Sealed, run: &Run, accepts: &[Risk], now: Timestamp) -> Result<(), String> {
    if sealed.until <= now {
        return Err(format!("was good until {}", sealed.until));
    }
    if sealed.until.duration_since(now) > VALID_MAX {
        return Err("is good for longer than a year, which no seal is".to_owned());
    }
    if !sealed.runbooks.contains(&run.plan.runbook) {
        return Err(format!("is not about `{}`", run.plan.runbook));
    }
    let moved = run.plan.steps.iter().filter_map(|step| step.moves(run.manner));
    let mut applications = run.application().cloned().into_iter().chain(moved).peekable();
    if applications.peek().is_none() {
        return Err("is about applications, and this run is about none".to_owned());
    }
    if let Some(other) = applications.find(|name| !sealed.applications.contains(name)) {
        return Err(format!("is not about `{other}`"));
    }
    if let Some(risk) = accepts.iter().find(|risk| !sealed.accepts.contains(risk)) {
        return Err(format!("does not accept {risk}"));
    }
    Ok(())
}
