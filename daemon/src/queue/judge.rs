//! What a message may do: pure, from its text, the queue's rules and the time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    application::Application,
    message::{Kind, Message, Unreadable},
    name::{ApplicationName, Region, RunbookName},
    request::{Manner, Mode, Request, Trigger},
    runbook::library::Library,
};

use muster_state::command::Refusal;

use crate::{config, intake};

/// The longest that any message may live. A key is remembered for a week, so nothing that is still
/// alive has been forgotten.
const LIFE_MAX: SignedDuration = SignedDuration::from_hours(24);

/// How far the sender's clock may be ahead of ours.
const AHEAD_MAX: SignedDuration = SignedDuration::from_mins(5);

/// How long a person has to start what an event proposed.
pub const PROPOSAL_LIFE: SignedDuration = SignedDuration::from_hours(1);

/// What the messages of one queue may do.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The principal that they speak for.
    pub principal: String,
    accounts: BTreeSet<String>,
    regions: BTreeSet<Region>,
    applications: BTreeSet<ApplicationName>,
    runbooks: BTreeMap<RunbookName, Class>,
}

/// What an event may do with a runbook.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Class {
    /// Start it.
    Start,
    /// Propose it: it takes the application's one lock, and only a person starts that.
    Propose,
    /// Nothing.
    Nothing,
}

/// What becomes of a message.
#[derive(Debug)]
pub enum Verdict {
    /// It starts a runbook.
    Start {
        /// What it asks for.
        request: Box<Request>,
        /// The same as a hash, so that the key cannot be used for anything else.
        asked: String,
    },
    /// It is kept for a person to start.
    Propose {
        /// What it asked for.
        request: Box<Request>,
        /// Until when it can be started.
        expires_at: Timestamp,
        /// Why it does not start by itself.
        because: String,
        /// What it asked for, as a hash.
        asked: String,
    },
    /// Whoever waits looks sooner.
    Nudge {
        /// Two with the same key are one.
        dedupe_key: String,
        /// What it is about.
        about: String,
        /// What it said, in a line for people.
        says: Option<String>,
        /// Whether people are to be shown it.
        heed: bool,
        /// What it is about, as a hash.
        asked: String,
    },
    /// What it asks for was done before.
    Repeated,
    /// It is recorded, and nothing is done.
    Refuse {
        /// What it asked for, as far as that can be told.
        what: String,
        /// Why not.
        because: Reason,
    },
}

/// Why a message does nothing. None of these changes with time.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// It is not a message of this version.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// Its event comes from an account that the queue may not carry.
    #[error("account {account} is not one of this queue's")]
    Account {
        /// The account.
        account: String,
    },
    /// Its event comes from a region in which nothing is configured.
    #[error("nothing is configured in {region}")]
    Region {
        /// The region.
        region: Region,
    },
    /// It came too late.
    #[error("it was worth acting on until {not_after}")]
    Late {
        /// Until when.
        not_after: Timestamp,
    },
    /// It says that it happened in the future.
    #[error("it claims to have happened at {occurred_at}, which has not been yet")]
    Ahead {
        /// When it says it happened.
        occurred_at: Timestamp,
    },
    /// It wants to live longer than a message may.
    #[error("it claims to be worth acting on for longer than 24 h")]
    TooLongLived,
    /// Its key stands for something else.
    #[error(transparent)]
    KeyReused(#[from] Refusal),
    /// Events may not start this runbook through this queue.
    #[error("events of this queue may not start `{runbook}`")]
    NotAllowed {
        /// The runbook.
        runbook: RunbookName,
    },
    /// No such runbook.
    #[error("no runbook is called `{runbook}`")]
    UnknownRunbook {
        /// The runbook.
        runbook: RunbookName,
    },
    /// No such application.
    #[error("no application is called `{application}`")]
    UnknownApplication {
        /// The application.
        application: ApplicationName,
    },
}

impl Rules {
    /// The rules of one of the configured `queues`. An event may come from any region that has a
    /// queue or an application: a message is put on every queue, not only on that of its region.
    pub fn new(
        queue: &config::Queue,
        queues: &[config::Queue],
        applications: &BTreeMap<ApplicationName, Application>,
        library: &Library,
    ) -> Rules {
        let homes = applications.values().flat_map(|one| [&one.home, &one.standby]);
        let regions = queues.iter().map(|queue| &queue.region).chain(homes).cloned();
        let class = |moves: bool, name: &RunbookName| match moves {
            true => Class::Propose,
            false if queue.may_start.contains(name) => Class::Start,
            false => Class::Nothing,
        };
        let runbooks = library
            .runbooks()
            .map(|runbook| (runbook.name.clone(), class(library.moves(runbook), &runbook.name)));
        Rules {
            principal: queue.principal.clone(),
            accounts: queue.accounts.iter().cloned().collect(),
            regions: regions.collect(),
            applications: applications.keys().cloned().collect(),
            runbooks: runbooks.collect(),
        }
    }
}

/// Judges the text of one message. `answered` tells whether what is asked for was done under its
/// dedupe key, and refuses a key that stands for something else.
pub fn judge(
    text: &str,
    rules: &Rules,
    now: Timestamp,
    answered: impl Fn(&str, &str) -> Result<bool, Refusal>,
) -> Verdict {
    let message = match Message::read(text) {
        Ok(message) => message,
        Err(unreadable) => {
            let what = "a message".to_owned();
            return Verdict::Refuse { what, because: unreadable.into() };
        }
    };
    let what = describe(&message);
    match permit(message, rules, now, answered) {
        Ok(verdict) => verdict,
        Err(because) => Verdict::Refuse { what, because },
    }
}

fn permit(
    message: Message,
    rules: &Rules,
    now: Timestamp,
    answered: impl Fn(&str, &str) -> Result<bool, Refusal>,
) -> Result<Verdict, Reason> {
    let Message { kind, source, occurred_at, not_after, .. } = message;
    if !rules.accounts.contains(&source.account) {
        return Err(Reason::Account { account: source.account });
    }
    if !rules.regions.contains(&source.region) {
        return Err(Reason::Region { region: source.region });
    }
    // A person's key must not be in the way of an event's, nor the other way round. The same event
    // comes through several queues, so the principal is no part of it.
    let dedupe_key = format!("queue/{}", message.dedupe_key);
    let asked = asked(&kind);
    if answered(&dedupe_key, &asked)? {
        // Before the age: a second delivery after hours is not a refusal of what was done in time.
        return Ok(Verdict::Repeated);
    }
    if occurred_at.duration_since(now) > AHEAD_MAX {
        return Err(Reason::Ahead { occurred_at });
    }
    if not_after.duration_since(occurred_at) > LIFE_MAX {
        return Err(Reason::TooLongLived);
    }
    if not_after < now {
        return Err(Reason::Late { not_after });
    }
    let (runbook, application, inputs, reason) = match kind {
        Kind::Nudge { about, says, heed } => {
            return Ok(Verdict::Nudge { dedupe_key, about, says, heed, asked });
        }
        Kind::Request { runbook, application, inputs, reason } => {
            (runbook, application, inputs, reason)
        }
    };
    if let Some(application) =
        application.as_ref().filter(|name| !rules.applications.contains(*name))
    {
        return Err(Reason::UnknownApplication { application: application.clone() });
    }
    let class = rules.runbooks.get(&runbook).copied();
    let mut request = Box::new(Request {
        runbook,
        application,
        inputs,
        trigger: Trigger::Event { principal: rules.principal.clone() },
        mode: Mode::Live,
        manner: Manner::Graceful,
        reason,
        dedupe_key: Some(dedupe_key),
        symptom_at: None,
        not_after: Some(not_after),
    });
    match class {
        Some(Class::Start) => Ok(Verdict::Start { request, asked }),
        Some(Class::Propose) => {
            let expires_at = now + PROPOSAL_LIFE;
            // The event came in time; from here on it is the person who must not be late.
            request.not_after = Some(expires_at);
            let because =
                format!("`{}` may move an application: a person starts it", request.runbook);
            Ok(Verdict::Propose { request, expires_at, because, asked })
        }
        Some(Class::Nothing) => Err(Reason::NotAllowed { runbook: request.runbook }),
        None => Err(Reason::UnknownRunbook { runbook: request.runbook }),
    }
}

/// What is asked for, without the words about why: those may differ between versions of the Lambda.
fn asked(kind: &Kind) -> String {
    match kind {
        Kind::Request { runbook, application, inputs, reason: _ } => {
            intake::fingerprint(&(runbook, application, inputs))
        }
        Kind::Nudge { about, says: _, heed: _ } => intake::fingerprint(about),
    }
}

fn describe(message: &Message) -> String {
    match &message.kind {
        Kind::Request { runbook, application: Some(name), .. } => {
            format!("start `{runbook}` for `{name}`")
        }
        Kind::Request { runbook, application: None, .. } => format!("start `{runbook}`"),
        Kind::Nudge { .. } => "nudge".to_owned(),
    }
}

#[cfg(test)]
mod tests;
