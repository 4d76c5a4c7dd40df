//! Parts 1 to 6 of a report: one run. A run that another one started has the same parts.

use serde::{Deserialize, Serialize};

use super::{
    List,
    deviations::Deviations,
    facts::{Facts, RunFacts},
    heading::Heading,
    objectives::Objectives,
    people::Means,
    results::Results,
    timeline::Timeline,
};

/// The most runs that one run started and that are reported with it.
const CHILDREN_MAX: usize = 20;

/// One run.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Account {
    /// Part 1: what it was, and over what.
    pub heading: Heading,
    /// Part 2: by which plan and program, and who took part.
    pub means: Means,
    /// Part 3: what was to be reached.
    pub objectives: Objectives,
    /// Part 4: what happened, out of the journal.
    pub timeline: Timeline,
    /// Part 5: what was measured.
    pub results: Results,
    /// Part 6: what went otherwise than planned, what was taken away again, and the way back.
    pub deviations: Deviations,
}

impl Account {
    /// The account of a run.
    pub fn make(one: &RunFacts, facts: &Facts<'_>) -> Account {
        let timeline = Timeline::make(one);
        Account {
            heading: Heading::make(one, facts),
            means: Means::make(one, facts),
            objectives: Objectives::make(&one.run, facts.made_at),
            results: Results::make(one, &timeline, facts),
            deviations: Deviations::make(one, &timeline, facts),
            timeline,
        }
    }
}

/// A run that a step started.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Child {
    /// The step of the reported run.
    pub step: String,
    /// The run.
    pub run: String,
    /// Why nothing more is known; nothing when it is.
    pub unreadable: Option<String>,
    /// Its own account. Runs that it started itself are not in it: they have reports of their own.
    pub account: Option<Box<Account>>,
}

/// The runs that the steps of the reported one started.
pub fn children(facts: &Facts<'_>) -> List<Child> {
    let all = facts.children.iter().map(|child| {
        let (account, unreadable) = match &child.facts {
            Ok(one) => (Some(Box::new(Account::make(one, facts))), None),
            Err(why) => (None, Some(why.clone())),
        };
        Child { step: child.step.to_string(), run: child.run.to_string(), unreadable, account }
    });
    let listed = List::first(CHILDREN_MAX, all);
    // Not all of them may have been read; the run itself knows how many there are.
    let started = facts.run.run.children.len();
    let left_off = listed.left_off.max(started.saturating_sub(listed.items.len()));
    List { left_off, ..listed }
}
