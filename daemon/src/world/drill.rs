//! What a restore test owns, and what of it was left behind.
//!
//! A mark is the name and the tags together, both read from the object at the moment of the call. A name
//! alone can be given by anybody, and tags are copied by tools that mean no harm. Both worlds judge by
//! this one rule.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    name::{Region, RunId},
    value::Span,
};
use muster_state::{call::Call, catalog::Finding, engine::LEAK};

pub use muster_runbooks::tag::{APPLICATION, COMPONENT, DRILL, EXPIRES_AT, POINT, RUN, STEP};

/// What the names of everything begin with that a drill owns.
const PREFIX: &str = "muster-drill-";

/// No restore test lasts longer: its steps have limits that add up to less.
const LIVES_AT_MOST: SignedDuration = SignedDuration::from_hours(24);

/// For so long a read may not show yet what was made just before (proofs, faults). Whoever says that
/// nothing is left must have looked for longer.
const SETTLED_AFTER: SignedDuration = SignedDuration::from_secs(120);

/// The name and the tags of something.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Mark {
    /// Its identifier.
    pub name: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// What can be left behind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A cluster.
    Cluster,
    /// An instance.
    Instance,
}

impl Mark {
    /// The mark of what a call makes.
    pub fn of(call: &Call, more: impl IntoIterator<Item = (&'static str, String)>) -> Mark {
        let expires_at = call.started_at + LIVES_AT_MOST;
        let own = [
            (DRILL, Some("restore-test".to_owned())),
            (RUN, Some(call.run.to_string())),
            (STEP, Some(call.step.to_string())),
            (APPLICATION, call.application().map(ToString::to_string)),
            (COMPONENT, component(call)),
            (EXPIRES_AT, Some(expires_at.to_string())),
        ];
        let own = own.into_iter().filter_map(|(key, value)| Some((key, value?)));
        let tags = own.chain(more).map(|(key, value)| (key.to_owned(), value)).collect();
        Mark { name: call.token.to_string(), tags }
    }

    /// The value of a tag.
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags.get(key).map(String::as_str)
    }

    /// Whether a drill owns it: name and tags say so, and of the same run.
    pub fn is_owned(&self) -> bool {
        let run = self.tag(RUN).filter(|_| self.tag(DRILL).is_some());
        run.is_some_and(|run| self.is_named_for(run))
    }

    /// Whether it was made for the component of a call, by the call's own run. Nothing else is changed or
    /// deleted by it.
    pub fn is_of(&self, call: &Call) -> bool {
        let application = call.application().map(ToString::to_string);
        self.is_owned()
            && self.tag(RUN) == Some(call.run.as_str())
            && self.tag(APPLICATION) == application.as_deref()
            && self.tag(COMPONENT) == component(call).as_deref()
    }

    /// Whether the very step of a call made it.
    pub fn is_by(&self, call: &Call) -> bool {
        self.is_of(call) && self.tag(STEP) == Some(call.step.as_str())
    }

    /// Whether it is called as if the run of a call owned it, and its tags do not say so.
    pub fn is_strange_to(&self, call: &Call) -> bool {
        self.is_named_for(call.run.as_str()) && !self.is_owned()
    }

    fn is_named_for(&self, run: &str) -> bool {
        let rest = self.name.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix(run));
        rest.is_some_and(|rest| rest.starts_with('-'))
    }

    /// The finding that it is, if no open run of the call's application answers for it.
    pub fn leak(
        &self,
        call: &Call,
        kind: Kind,
        region: &Region,
        made_at: Option<Timestamp>,
    ) -> Option<Finding> {
        let application = call.application().map(ToString::to_string);
        let is_ours = self.tag(APPLICATION).is_none_or(|of| Some(of) == application.as_deref());
        if !self.name.starts_with(PREFIX) || self.tag(DRILL).is_none() || !is_ours {
            return None;
        }
        let now = call.asked_at;
        let expires_at = self.tag(EXPIRES_AT).and_then(|at| at.parse::<Timestamp>().ok());
        let is_late = expires_at.is_some_and(|at| at < now);
        let run: Option<RunId> = self.tag(RUN).and_then(|run| run.parse().ok());
        let why = match &run {
            Some(run) if call.open_runs.contains(run) && is_late => {
                format!("run `{run}` keeps it for too long")
            }
            Some(run) if call.open_runs.contains(run) => return None,
            Some(run) => format!("run `{run}` is over"),
            None => "no run made it".to_owned(),
        };
        let age = made_at.map_or("of unknown age".to_owned(), |at| {
            let mins = Span::between(at, now).secs() / 60;
            format!("{} old", Span::from_mins(u32::try_from(mins).unwrap_or(u32::MAX)))
        });
        let (what, command) = match kind {
            Kind::Cluster => ("cluster", "delete-db-cluster --db-cluster-identifier"),
            Kind::Instance => ("instance", "delete-db-instance --db-instance-identifier"),
        };
        let name = &self.name;
        Some(Finding {
            id: format!("{LEAK}{name}"),
            message: format!("{what} `{name}` of a restore test is left in {region}, {age}: {why}"),
            hint: format!("aws rds {command} {name} --skip-final-snapshot --region {region}"),
        })
    }
}

fn component(call: &Call) -> Option<String> {
    call.component.as_ref().map(|component| component.name().to_string())
}

/// Whether a look of a call for what is left can be believed: what was begun just before it started must
/// be visible by now.
pub fn is_settled(call: &Call) -> bool {
    call.asked_at.duration_since(call.started_at) >= SETTLED_AFTER
}

/// What is said while [`is_settled`] is not so.
pub const SETTLING: &str = "nothing is there; looking again until reads cannot be stale any more";
