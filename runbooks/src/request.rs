//! Why and what to start. Schedule, person and event make the same request.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    name::{ApplicationName, Region, RunId, RunbookName, ScheduleId, StepId},
    value::words,
};

words! {
    /// How real a run is.
    Mode {
        /// Acts.
        Live = "live",
        /// Observes, and prints what each step would do. Begins nothing.
        Preview = "preview",
        /// Acts only on resources that carry our drill mark; everything shown says DRILL.
        Drill = "drill",
    }
}

words! {
    /// Which of a step's variants is taken.
    Manner {
        /// Both sides help: nothing is lost.
        Graceful = "graceful",
        /// The active side is given up.
        Forced = "forced",
    }
}

/// Who or what asked.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "by")]
pub enum Trigger {
    /// A schedule, for one of its due occurrences.
    Schedule {
        /// The schedule.
        schedule: ScheduleId,
        /// The occurrence.
        due_at: Timestamp,
    },
    /// A person, by an authenticated name.
    Person {
        /// The name.
        name: String,
    },
    /// Those who watch an application said that its region is lost.
    Observers {
        /// The region.
        of: Region,
    },
    /// An event that came through the queue.
    Event {
        /// The principal that the queue's configuration gives it.
        principal: String,
    },
    /// A step of another run.
    Run {
        /// The run.
        run: RunId,
        /// The step.
        step: StepId,
        /// Those who asked for that run: their approval counts here no more than there.
        asked_by: Vec<String>,
    },
}

impl Trigger {
    /// The name that stands in the audit trail.
    pub fn who(&self) -> String {
        match self {
            Trigger::Schedule { schedule, .. } => format!("schedule:{schedule}"),
            Trigger::Person { name } => name.clone(),
            Trigger::Observers { of } => format!("observers:{of}"),
            Trigger::Event { principal } => format!("event:{principal}"),
            Trigger::Run { run, .. } => format!("run:{run}"),
        }
    }
}

/// Why and what to start.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The runbook.
    pub runbook: RunbookName,
    /// The application it is bound to. `rehearsal` needs none.
    #[serde(default)]
    pub application: Option<ApplicationName>,
    /// Values for the runbook's inputs.
    #[serde(default)]
    pub inputs: BTreeMap<String, Value>,
    /// Who or what asked.
    pub trigger: Trigger,
    /// How real.
    pub mode: Mode,
    /// Which variant.
    pub manner: Manner,
    /// Why, in words.
    #[serde(default)]
    pub reason: String,
    /// Two requests with one key are one request.
    #[serde(default)]
    pub dedupe_key: Option<String>,
    /// When the trouble began, if the requester knows. The recovery-time clock starts here.
    #[serde(default)]
    pub symptom_at: Option<Timestamp>,
    /// After this instant the request is no longer worth starting.
    #[serde(default)]
    pub not_after: Option<Timestamp>,
}
