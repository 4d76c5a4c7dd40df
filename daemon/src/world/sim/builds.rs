//! Builds of the simulated world: they go through their phases, may fail, and bring about what they are for.
//!
//! A build that is told what becomes of the databases makes the infrastructure; the other one deploys.

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    action::{
        On,
        build::{Databases, RunBuild},
    },
    name::{ApplicationName, Region},
    value::Span,
};
use muster_state::call::{Answer, Call, CallError, Done, Progress};
use serde_json::json;

use super::{
    Sim, no_outside,
    wire::{Door, Side},
};

/// For so long the same token gives the same build.
const SAME_BUILD: SignedDuration = SignedDuration::from_mins(5);

/// A list shows a build only so long after its start.
const SHOWN_AFTER: SignedDuration = SignedDuration::from_millis(800);

/// The phases that a person sees, and when each begins, in hundredths of the whole.
const PHASES: &[(&str, i64)] =
    &[("QUEUED", 0), ("PROVISIONING", 2), ("INSTALL", 6), ("BUILD", 12), ("FINALIZING", 97)];

/// One build.
#[derive(Clone, Debug)]
pub(super) struct Build {
    pub(super) application: ApplicationName,
    pub(super) region: Region,
    pub(super) project: String,
    pub(super) token: String,
    /// What it does about the databases; nothing is made but what is deployed without it.
    pub(super) databases: Option<Databases>,
    pub(super) asked_at: Timestamp,
    pub(super) ends_at: Timestamp,
    pub(super) fails: bool,
}

impl Build {
    fn is_running(&self, at: Timestamp) -> bool {
        self.asked_at <= at && at < self.ends_at
    }

    /// When it succeeded, if it has by then.
    pub(super) fn succeeded(&self, at: Timestamp) -> Option<Timestamp> {
        (!self.fails && self.ends_at <= at).then_some(self.ends_at)
    }

    fn phase(&self, at: Timestamp) -> &'static str {
        let whole = self.ends_at.duration_since(self.asked_at).as_secs().max(1);
        let share = at.duration_since(self.asked_at).as_secs() * 100 / whole;
        PHASES.iter().rfind(|(_, from)| *from <= share).map_or("SUBMITTED", |(name, _)| name)
    }

    fn id(&self) -> String {
        format!("{}:{}", self.project, self.asked_at.as_millisecond())
    }
}

/// Every build that ever ran.
#[derive(Clone, Debug, Default)]
pub(super) struct Builds {
    pub(super) all: Vec<Build>,
}

/// What a call is about: the region and the project.
struct Work<'a> {
    on: On<'a>,
    region: &'a Region,
    project: &'a str,
}

impl<'a> Work<'a> {
    fn of(call: &'a Call, action: &RunBuild) -> Result<Work<'a>, CallError> {
        let on = call.on().ok_or_else(|| no_outside(call))?;
        let region = on.region(action.at);
        let project = action.find(&on).and_then(|build| build.project(region));
        Ok(Work { on, region, project: project.ok_or_else(|| no_outside(call))? })
    }

    fn door(&self, operation: &'static str) -> Door<'a> {
        Door { service: "codebuild", operation, side: Side::Control(self.region) }
    }
}

pub(super) fn observe(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &RunBuild,
) -> Result<Progress, CallError> {
    let work = Work::of(call, action)?;
    let at = sim.ask(now, work.door("ListBuildsForProject"))?;
    let of_project = |one: &&Build| {
        one.project == work.project
            && one.region == *work.region
            && one.asked_at + SHOWN_AFTER <= at
    };
    let mut shown = sim.builds.all.iter().filter(of_project);
    let Some(own) = shown.clone().find(|one| one.token == call.token.as_str()) else {
        return Ok(match shown.find(|one| one.is_running(at)) {
            Some(other) => Progress::in_progress(format!("waits: `{}` runs", other.id())),
            None => Progress::not_started(),
        });
    };
    Ok(if own.is_running(at) {
        Progress::in_progress(format!("`{}` is in {}", own.id(), own.phase(at)))
    } else if own.fails {
        let reason = format!("`{}` is FAILED in BUILD: exit status 1", own.id());
        Progress::Failed { reason }
    } else {
        let took = Span::between(own.asked_at, own.ends_at);
        Progress::Done(Done::with([("build", json!(own.id())), ("took", json!(took))]))
    })
}

pub(super) fn begin(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &RunBuild,
) -> Result<Answer, CallError> {
    let work = Work::of(call, action)?;
    sim.tell(now, work.door("StartBuild"), |sim| {
        let token = call.token.as_str();
        let is_same = |one: &Build| one.token == token && now < one.asked_at + SAME_BUILD;
        if sim.builds.all.iter().any(is_same) {
            return Ok(Answer::Accepted);
        }
        // The projects of this world run one build at a time.
        let of_project = |one: &Build| one.project == work.project && one.region == *work.region;
        if sim.builds.all.iter().any(|one| of_project(one) && one.is_running(now)) {
            let reason = "AccountLimitExceededException: another build runs".to_owned();
            return Ok(Answer::Busy { reason });
        }
        let takes = match action.databases {
            Some(_) => sim.dice.secs("infrastructure", token, 1_200..=2_100),
            None => sim.dice.secs("deployment", token, 300..=600),
        };
        sim.builds.all.push(Build {
            application: work.on.application.name.clone(),
            region: work.region.clone(),
            project: work.project.to_owned(),
            token: token.to_owned(),
            databases: action.databases,
            asked_at: now,
            ends_at: now + takes,
            fails: sim.faults.build_fails(),
        });
        sim.took_effect(now, call, "StartBuild", work.project);
        Ok(Answer::Accepted)
    })
}
