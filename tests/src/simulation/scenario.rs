//! What is played: who asks for what when, what goes wrong when, and how long it may take.

mod played;

use std::{collections::BTreeMap, fmt, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use muster::world::{rates::Rates, sim::Fault};
use muster_runbooks::{
    application::Application,
    name::{Region, RunId, RunbookName},
    plan::Plan,
    request::{Manner, Mode, Request, Trigger},
    schedule::Schedule,
};
use muster_state::{
    command::{Admission, Command},
    lease::Terms,
    progress::Progress,
};
use serde_json::Value;

use super::{
    ask::{active, admit},
    cast::{LIBRARY, SHOP, asked},
    people::Manners,
};

/// A script.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is called in reports.
    pub name: &'static str,
    /// What happens, each so long after dawn.
    pub script: Vec<(SignedDuration, Act)>,
    /// By when everything must have settled.
    pub horizon: SignedDuration,
    /// How the people are.
    pub manners: Manners,
    /// In how many of ten thousand I/O operations the process is cut off.
    pub cuts: u64,
    /// What happens by itself.
    pub schedules: Vec<Schedule>,
    /// How the lease is kept; none is without it.
    pub lease: Option<Terms>,
    /// Whether those who watch are asked.
    pub is_watched: bool,
    /// The applications of the world.
    pub applications: Arc<[Application]>,
    /// How often the world's services are asked, where that is limited.
    pub rates: Option<Rates>,
    /// Whether everything takes as long as it takes on average.
    pub is_steady: bool,
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Act {
    /// Somebody or a schedule asks for a run.
    Start(Start),
    /// Somebody asks for all applications to be moved.
    Leave(Start),
    /// Somebody says something.
    Say(Box<Command>),
    /// Something goes wrong.
    Inject(Fault),
    /// A region is well again.
    Heal(Region),
    /// Everything is well again.
    HealAll,
    /// The process is killed.
    Crash,
    /// The process is killed and stays down for so long.
    Stop(SignedDuration),
    /// The process's clock is so much later than the world's from now on.
    Skew(SignedDuration),
    /// Somebody holds the point of the oldest data but so many.
    Hold {
        /// How many older ones there are.
        but: usize,
    },
    /// Everything that is held is released.
    Release,
    /// The process stands still for so long, and another host takes its work over meanwhile.
    Sleep(SignedDuration),
    /// Nobody can read or write the lease for so long.
    Dark(SignedDuration),
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Act::Start(start) => write!(f, "start {} {}", start.runbook, start.id),
            Act::Leave(start) => write!(f, "start {} {}", start.runbook, start.id),
            Act::Say(command) => f.write_str(&in_short(command)),
            Act::Inject(fault) => write!(f, "inject {fault:?}"),
            Act::Heal(region) => write!(f, "heal {region}"),
            Act::HealAll => f.write_str("heal all"),
            Act::Crash => f.write_str("kill"),
            Act::Stop(length) => write!(f, "stop for {length:#}"),
            Act::Skew(skew) => write!(f, "the clock is {skew:#} ahead"),
            Act::Hold { but } => write!(f, "hold the oldest but {but}"),
            Act::Release => f.write_str("release all"),
            Act::Sleep(length) => write!(f, "the process sleeps for {length:#}"),
            Act::Dark(length) => write!(f, "the lease cannot be read for {length:#}"),
        }
    }
}

/// A request that is planned when it is made.
#[derive(Clone, Debug)]
pub struct Start {
    /// The runbook.
    pub runbook: &'static str,
    /// The id of its run.
    pub id: RunId,
    /// The variant.
    pub manner: Manner,
    /// How real.
    pub mode: Mode,
    /// The occurrence of a schedule that it is for.
    pub due_at: Option<Timestamp>,
    /// The inputs that are given.
    pub inputs: BTreeMap<String, Value>,
}

impl Start {
    /// The command, with the roles bound as they are known now.
    pub fn command(&self, application: &Application, known: &Progress) -> Command {
        let name: RunbookName = self.runbook.parse().expect("a runbook's name");
        let runbook = LIBRARY.get(&name).expect("a shipped runbook");
        let active = runbook.needs_application().then(|| active(application, known));
        let trigger = match self.due_at {
            Some(due_at) => Trigger::Schedule {
                schedule: self.runbook.parse().expect("a schedule's id"),
                due_at,
            },
            None => Trigger::Person { name: "olga".to_owned() },
        };
        let dedupe_key = match self.due_at {
            Some(due_at) => format!("schedule/{}/{due_at}", self.runbook),
            None => self.id.to_string(),
        };
        let request = Request {
            runbook: name,
            application: active.as_ref().map(|_| application.name.clone()),
            inputs: self.inputs.clone(),
            trigger,
            mode: self.mode,
            manner: self.manner,
            reason: "simulated".to_owned(),
            dedupe_key: Some(dedupe_key),
            symptom_at: None,
            not_after: None,
        };
        admit(self.id.clone(), request, active.as_ref().map(|active| (application, active)))
    }

    /// The command for a runbook that moves all of these.
    pub(super) fn for_all(&self, applications: &[Application], known: &Progress) -> Command {
        let request = Request {
            application: None,
            inputs: self.inputs.clone(),
            manner: self.manner,
            mode: self.mode,
            // Whoever got no answer asks again.
            dedupe_key: Some(self.id.to_string()),
            ..asked(self.runbook)
        };
        let runbook = LIBRARY.get(&request.runbook).expect("a shipped runbook");
        let from: Vec<Region> = applications.iter().map(|one| active(one, known)).collect();
        let served: Vec<(&Application, &Region)> = applications.iter().zip(&from).collect();
        let plan = Plan::among(runbook, &request, None, &served).expect("somebody is there");
        let plan = plan.freeze().expect("it is JSON");
        let id = self.id.clone();
        Command::Admit(Box::new(Admission { id, request, plan, proposal: None, asked: None }))
    }
}

/// A command in a few words.
pub fn in_short(command: &Command) -> String {
    match command {
        Command::Admit(admission) => {
            format!("admit {} {}", admission.request.runbook, admission.id)
        }
        Command::Steer { run, by, steer, .. } => format!("{} says {steer:?} to {run}", by.name),
        Command::Off { .. } => "off".to_owned(),
        Command::On { .. } => "on".to_owned(),
        Command::Keep { keep, .. } => {
            format!("{} {}", if keep.holds { "hold" } else { "release" }, keep.point)
        }
        Command::Propose { .. }
        | Command::Unstarted { .. }
        | Command::Missed { .. }
        | Command::Refused { .. }
        | Command::Active { .. }
        | Command::Finding { .. }
        | Command::Canary { .. }
        | Command::Peak { .. }
        | Command::Grant(_)
        | Command::Mark { .. }
        | Command::Care { .. }
        | Command::Freeze { .. }
        | Command::Thaw { .. }
        | Command::Nudge { .. } => "something else".to_owned(),
    }
}

fn secs(secs: i64) -> SignedDuration {
    SignedDuration::from_secs(secs)
}

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

impl Scenario {
    /// A script that has to settle within a day.
    pub fn new(name: &'static str, script: Vec<(SignedDuration, Act)>) -> Scenario {
        Scenario {
            name,
            script,
            horizon: hours(30),
            manners: Manners::default(),
            cuts: 0,
            schedules: Vec::new(),
            lease: None,
            is_watched: false,
            applications: Arc::from([SHOP.clone()]),
            rates: None,
            is_steady: false,
        }
    }

    /// The same under a lease.
    #[must_use]
    pub fn leased(mut self) -> Scenario {
        let [length, margin, longest_call] = [30, 5, 30].map(secs);
        self.lease = Some(Terms { length, margin, longest_call });
        self
    }

    /// The same, with one thing more.
    #[must_use]
    pub fn and(mut self, at: SignedDuration, act: Act) -> Scenario {
        self.script.push((at, act));
        self
    }
}
