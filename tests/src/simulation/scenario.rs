//! What is played: who asks for what when, what goes wrong when, and how long it may take.

use std::{collections::BTreeMap, fmt};

use jiff::{SignedDuration, Timestamp};
use muster::world::{
    rates::Rates,
    sim::{Fault, Lost},
};
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
    cast::{LIBRARY, SHOP, asked, crowd, home, id, standby},
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
    pub applications: Vec<Application>,
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

fn live(runbook: &'static str, id: RunId, manner: Manner) -> Act {
    Act::Start(Start {
        runbook,
        id,
        manner,
        mode: Mode::Live,
        due_at: None,
        inputs: BTreeMap::new(),
    })
}

fn down(region: Region) -> Act {
    Act::Inject(Fault::Outage { region, lost: Lost::Everything })
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
            applications: vec![SHOP.clone()],
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

    /// One night's backup.
    pub fn daily_backup() -> Scenario {
        let start = live("daily-backup", id('b', 1), Manner::Graceful);
        Scenario::new("daily-backup", vec![(secs(5), start)])
    }

    /// A backup, and once its copy has arrived a restore test of it.
    pub fn restore_test() -> Scenario {
        let backup = live("daily-backup", id('b', 1), Manner::Graceful);
        let test = live("restore-test", id('t', 1), Manner::Graceful);
        Scenario::new("restore-test", vec![(secs(5), backup), (hours(3), test)])
    }

    /// The rehearsal, with its gate.
    pub fn rehearsal() -> Scenario {
        let start = live("rehearsal", id('r', 1), Manner::Graceful);
        Scenario::new("rehearsal", vec![(secs(5), start)])
    }

    /// The buckets compared a while after a canary was written.
    pub fn bucket_comparison() -> Scenario {
        let check = live("replication-check", id('c', 1), Manner::Graceful);
        let compare = live("bucket-comparison", id('b', 1), Manner::Graceful);
        Scenario::new("bucket-comparison", vec![(secs(5), check), (secs(400), compare)])
    }

    /// The check that writes a canary.
    pub fn replication_check() -> Scenario {
        let start = live("replication-check", id('c', 1), Manner::Graceful);
        Scenario::new("replication-check", vec![(secs(5), start)])
    }

    /// A backup each night and an expiry after it, for nine nights: three days are kept.
    pub fn expire() -> Scenario {
        Scenario::nights(9, 9)
    }

    /// The same, short enough to be cut off everywhere.
    pub fn short_expiry() -> Scenario {
        Scenario::nights(6, 6)
    }

    /// Backups stop, expiries go on.
    pub fn drought() -> Scenario {
        Scenario { horizon: hours(24 * 16), ..Scenario::nights(5, 13) }
    }

    fn nights(backups: i64, nights: i64) -> Scenario {
        let mut script = Vec::new();
        for night in 0..nights {
            let due_at = super::dawn() + hours(24 * night + 1);
            for (runbook, letter, later) in
                [("daily-backup", 'b', 0), ("expire-recovery-points", 'e', 20)]
            {
                // A little later each night, so that a mark is a day old beyond doubt.
                let at = hours(24 * night + 1 + later) + secs(600 * night);
                if letter == 'b' && night >= backups {
                    continue;
                }
                let start = Start {
                    runbook,
                    id: id(letter, night as u64 + 1),
                    manner: Manner::Graceful,
                    mode: Mode::Live,
                    due_at: Some(due_at + hours(later) + secs(600 * night)),
                    inputs: BTreeMap::new(),
                };
                script.push((at, Act::Start(start.clone())));
                // The bell rings twice.
                script.push((at + secs(2), Act::Start(start)));
            }
        }
        Scenario { horizon: hours(24 * 12), ..Scenario::new("expire", script) }
    }

    /// A planned move while both sides are well.
    pub fn graceful() -> Scenario {
        let start = live("region-failover", id('f', 1), Manner::Graceful);
        Scenario::new("graceful", vec![(secs(120), start)])
    }

    /// The same for an application of one database and one name.
    pub fn lean() -> Scenario {
        Scenario { name: "lean", applications: crowd(1), ..Scenario::graceful() }
    }

    /// The active region is gone, and with it every global control plane.
    pub fn forced() -> Scenario {
        let start = live("region-failover", id('f', 1), Manner::Forced);
        Scenario::new(
            "forced",
            vec![
                (secs(120), down(home())),
                (secs(121), Act::Inject(Fault::GlobalControlPlane)),
                (secs(300), start),
            ],
        )
    }

    /// A graceful move is turned into a forced one, because the region dies in the middle of it.
    pub fn dies_in_the_middle(after: i64) -> Scenario {
        let start = live("region-failover", id('f', 1), Manner::Graceful);
        Scenario::new(
            "dies-in-the-middle",
            vec![(secs(120), start), (secs(120 + after), down(home()))],
        )
    }

    /// Away, and back home in calm.
    pub fn failback() -> Scenario {
        let away = live("region-failover", id('f', 1), Manner::Forced);
        let back = live("region-failback", id('k', 1), Manner::Graceful);
        Scenario::new(
            "failback",
            vec![
                (secs(120), down(home())),
                (secs(300), away),
                (hours(3), Act::HealAll),
                (hours(5), back),
            ],
        )
    }

    /// A node is lost where the application is served. Whoever asks comes before it counts as lost.
    pub fn node_loss() -> Scenario {
        let lost = Act::Inject(Fault::NodeLost { region: home() });
        let start = live("node-loss", id('n', 1), Manner::Graceful);
        Scenario::new("node-loss", vec![(secs(120), lost), (secs(140), start)])
    }

    /// An hour in which nobody asks for anything, and those who watch are asked.
    pub fn watched() -> Scenario {
        // It is over when the script is, so its last line is what everything waits for.
        let quiet = Scenario::new("watched", vec![(hours(1), Act::HealAll)]);
        Scenario { is_watched: true, ..quiet }
    }

    /// A drill of the failover beside a check that acts.
    pub fn drill() -> Scenario {
        let drill = Act::Start(Start {
            runbook: "region-failover",
            id: id('d', 1),
            manner: Manner::Graceful,
            mode: Mode::Drill,
            due_at: None,
            inputs: BTreeMap::new(),
        });
        let check = live("replication-check", id('c', 1), Manner::Graceful);
        Scenario::new("drill", vec![(secs(120), drill), (secs(121), check)])
    }

    /// A backup, and once its copy has arrived the drill of the quarter, in which users are really moved.
    pub fn quarterly() -> Scenario {
        let backup = live("daily-backup", id('b', 1), Manner::Graceful);
        let drill = Act::Start(Start {
            runbook: "quarterly-drill",
            id: id('q', 1),
            manner: Manner::Graceful,
            mode: Mode::Live,
            due_at: None,
            inputs: [("switchover".to_owned(), Value::Bool(true))].into(),
        });
        Scenario::new("quarterly-drill", vec![(secs(5), backup), (hours(3), drill)])
    }

    /// A region is lost with so many applications in it, which all leave.
    pub fn evacuation(count: usize) -> Scenario {
        let leave = Act::Leave(Start {
            runbook: "region-evacuation",
            id: id('v', 1),
            manner: Manner::Forced,
            mode: Mode::Live,
            due_at: None,
            inputs: [("region".to_owned(), Value::String(home().to_string()))].into(),
        });
        let script = vec![(secs(120), down(home())), (secs(300), leave)];
        Scenario { applications: crowd(count), ..Scenario::new("evacuation", script) }
    }

    /// The same region, left by so many that come after nobody, all at once, in a world where everything
    /// takes as long as it takes on average.
    pub fn stampede(count: usize) -> Scenario {
        let mut stampede = Scenario { name: "stampede", ..Scenario::evacuation(count) };
        stampede.is_steady = true;
        for one in &mut stampede.applications {
            one.recovery.priority = 1;
            one.recovery.after.clear();
        }
        if let Some((_, Act::Leave(start))) = stampede.script.last_mut() {
            start.inputs.insert("at_once".to_owned(), Value::from(count));
        }
        stampede
    }

    /// Every scenario that must end well without anybody's fault.
    pub fn all() -> Vec<Scenario> {
        vec![
            Scenario::rehearsal(),
            Scenario::replication_check(),
            Scenario::bucket_comparison(),
            Scenario::daily_backup(),
            Scenario::restore_test(),
            Scenario::graceful(),
            Scenario::forced(),
            Scenario::dies_in_the_middle(95),
            Scenario::failback(),
            Scenario::node_loss(),
            Scenario::drill(),
        ]
    }

    /// The side that the failover leads to.
    pub fn target() -> Region {
        standby()
    }
}
