//! One history out of a seed: the real engine over the simulated world, in virtual time on one
//! thread, with a crash wherever one is wanted.
//!
//! Everything that happens waits in one queue, ordered by instant; what happens at the same instant
//! is ordered by the seed. Same seed, same history, on every machine.

mod acts;
mod agenda;
mod ask;
pub mod cast;
pub mod chance;
mod core_time;
mod detect;
pub mod disk;
mod doors;
mod lease;
pub mod people;
pub mod protection;
pub mod scenario;
mod story;
pub mod watch;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use muster::world::sim::Sim;
use muster_state::{
    call::{Answer, Call},
    command::Command,
    engine::{Engine, Input, Output, Reply, Sight, Ticket},
};

pub use self::core_time::core_time;
use self::{
    agenda::Agenda,
    cast::dawn,
    chance::Chance,
    detect::Eyes,
    disk::Disk,
    lease::{Tenure, Turn},
    people::People,
    scenario::Scenario,
    watch::Watch,
};

/// A process that died is started again after so long.
const RESTARTS_AFTER: SignedDuration = SignedDuration::from_secs(3);

/// Whoever waits for a process says what he has to so long after it is back.
const ASKS_AFTER: SignedDuration = SignedDuration::from_secs(1);

/// No history of up to a hundred applications has more in a day: a run that never settles is a failure, not
/// an endless test.
const EVENTS_MAX: u64 = 100_000;

/// What the history is made of.
#[derive(Debug)]
enum Happening {
    /// The oldest waiting batch reaches the disk.
    Synced,
    /// A call reaches the world. It does so even if the process that sent it is dead.
    Arrives { process: u32, begins: bool, call: Box<Call>, back: SignedDuration },
    /// An answer reaches the process.
    Heard { input: Box<Input> },
    /// The engine wanted to be woken.
    Wake { at: Timestamp },
    /// What somebody has waited longest to say is heard.
    Said,
    /// The next process starts.
    Starts,
    /// People look.
    Glance,
    /// The script goes on.
    Script { place: usize },
    /// A schedule may be due.
    Ring { schedule: usize },
    /// What the clock promised is looked for.
    Patrol,
    /// Those who watch are asked.
    AskAround,
    /// Something about the lease.
    Lease(Box<Turn>),
}

/// The process was cut off.
struct Cut;

/// What a history came to.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Things that happened.
    pub events: u64,
    /// Requests that reached the world.
    pub calls: u64,
    /// Crashes.
    pub crashes: u64,
    /// Checks of an invariant.
    pub checks: u64,
    /// I/O operations of the process, each a place to cut it, before and after.
    pub operations: u64,
}

/// One history.
pub struct Simulation {
    /// The world.
    pub sim: Sim,
    /// The journal.
    pub disk: Disk,
    /// What is checked after every event.
    pub watch: Watch,
    /// What it came to so far.
    pub figures: Figures,
    /// The present instant.
    pub now: Timestamp,
    /// A hash over everything that happened, in order.
    pub trace: u64,
    /// Whether the last events are kept in words.
    pub is_verbose: bool,
    scenario: Scenario,
    engine: Option<Engine>,
    tenure: Option<Tenure>,
    people: People,
    eyes: Eyes,
    chance: Chance,
    agenda: Agenda,
    process: u32,
    /// Cuts the process off at this operation.
    fuse: Option<u64>,
    /// In how many of ten thousand operations a process is cut off anyway.
    cuts: u64,
    /// The numbers of the batches that wait for the disk, oldest first.
    numbers: VecDeque<u64>,
    woken_at: Option<Timestamp>,
    glances: bool,
    scripted: usize,
    ticket: Ticket,
    waiting: BTreeMap<Ticket, Command>,
    /// What nobody has heard yet, oldest first, and whether it is asked until it is answered.
    unheard: VecDeque<(Command, bool)>,
    /// Whether the oldest of it is about to be heard.
    hears: bool,
    words: VecDeque<String>,
    /// Room for the words about one event.
    line: String,
    /// So much later than the world's clock the process's is.
    skew: SignedDuration,
    /// When the present process started.
    up_since: Timestamp,
    /// When the one before it was last seen alive.
    alive_at: Option<Timestamp>,
    /// How long the process stays down when it goes down next.
    down_for: Option<SignedDuration>,
}

impl Simulation {
    /// The history of a scenario under a seed.
    pub fn new(seed: u64, scenario: Scenario) -> Simulation {
        let now = dawn();
        let mut sim = Sim::new(seed, Arc::clone(&scenario.applications), now);
        if let Some(rates) = &scenario.rates {
            sim = sim.under(rates.clone());
        }
        if scenario.is_steady {
            sim = sim.steady();
        }
        let mut simulation = Simulation {
            sim,
            disk: Disk::default(),
            watch: Watch::over(&scenario.applications),
            figures: Figures::default(),
            now,
            trace: 0xcbf2_9ce4_8422_2325,
            is_verbose: false,
            people: People::new(scenario.manners.clone()),
            eyes: Eyes::default(),
            engine: None,
            tenure: scenario.lease.map(Tenure::new),
            chance: Chance::new(seed),
            agenda: Agenda::default(),
            process: 0,
            fuse: None,
            cuts: scenario.cuts,
            numbers: VecDeque::new(),
            woken_at: None,
            glances: false,
            scripted: scenario.script.len(),
            ticket: 0,
            waiting: BTreeMap::new(),
            unheard: VecDeque::new(),
            hears: false,
            words: VecDeque::new(),
            line: String::new(),
            skew: SignedDuration::ZERO,
            up_since: now,
            alive_at: None,
            down_for: None,
            scenario,
        };
        simulation.put(now, Happening::Starts);
        if simulation.scenario.is_watched {
            simulation.put(now, Happening::AskAround);
        }
        for place in 0..simulation.scripted {
            let at = now + simulation.scenario.script[place].0;
            simulation.put(at, Happening::Script { place });
        }
        simulation
    }

    /// The same, cut off at its `fuse`-th operation.
    #[must_use]
    pub fn with_fuse(mut self, fuse: u64) -> Simulation {
        self.fuse = Some(fuse);
        self
    }

    /// Whether the fuse never burned down.
    pub fn is_uncut(&self) -> bool {
        self.figures.crashes == 0
    }

    /// How many proposals were made.
    pub fn proposals(&self) -> u64 {
        self.eyes.made
    }

    fn put(&mut self, at: Timestamp, happening: Happening) {
        let tie = self.chance.draw();
        self.agenda.put(at.max(self.now), tie, happening);
    }

    /// Lets everything happen until the script is over and nothing is open any more, or until the
    /// scenario's horizon.
    pub fn run(&mut self) {
        let end = dawn() + self.scenario.horizon;
        let days = self.scenario.horizon.as_hours().unsigned_abs() / 24;
        let hundreds = self.scenario.applications.len() as u64 / 100;
        let events_max = EVENTS_MAX * days.max(1) * hundreds.max(1);
        while let Some((at, happening)) = self.agenda.next() {
            if at > end || self.figures.events > events_max {
                let events = self.figures.events;
                self.watch
                    .fail("I12", format!("not settled by {} after {events} events", self.now));
                break;
            }
            self.now = at;
            self.figures.events += 1;
            self.note(&happening);
            if self.happen(happening).is_err() {
                self.crash();
            }
            self.watch.world(self.now, &self.sim);
            if self.is_over() || self.watch.has_failed() {
                break;
            }
        }
        self.watch.end(self.now, &self.sim, &self.disk);
        self.figures.calls = self.sim.truth().calls();
        self.figures.checks = self.watch.checks;
    }

    fn is_over(&self) -> bool {
        self.scripted == 0
            && self.engine.is_some()
            && self.waiting.is_empty()
            && self.unheard.is_empty()
            && !self.tenure.as_ref().is_some_and(Tenure::is_asleep)
            && self.disk.progress().runs.is_empty()
            && self.disk.unsynced() == 0
    }

    fn happen(&mut self, happening: Happening) -> Result<(), Cut> {
        match happening {
            Happening::Starts => self.start(),
            Happening::Synced => self.sync(),
            Happening::Arrives { process, begins, call, back } => {
                self.arrive(process, begins, call, back);
                Ok(())
            }
            Happening::Heard { input } => self.tell(*input),
            // One that was put off by an earlier one is stale.
            Happening::Wake { at } if self.woken_at != Some(at) => Ok(()),
            Happening::Wake { .. } => {
                self.woken_at = None;
                self.tell(Input::Tick)
            }
            Happening::Said => self.hear(),
            Happening::Glance => {
                self.glance();
                Ok(())
            }
            Happening::Ring { schedule } => self.ring(schedule),
            Happening::Patrol => self.patrol(),
            Happening::AskAround => self.ask_around(),
            Happening::Lease(turn) => self.turn(*turn),
            Happening::Script { place } => {
                self.scripted -= 1;
                let act = self.scenario.script[place].1.clone();
                self.act(act)
            }
        }
    }

    /// A process opens the journal and goes on.
    fn start(&mut self) -> Result<(), Cut> {
        let alive_at = self.disk.progress().last_at;
        self.disk.opened(self.clock());
        self.read_fresh();
        self.watch.replay(&self.disk);
        let lease = self.move_in();
        let mut engine = Engine::under(self.disk.progress().clone(), lease);
        let outputs = engine.start(self.clock(), alive_at);
        self.engine = Some(engine);
        self.up_since = self.now;
        self.alive_at = alive_at;
        self.perform(outputs)?;
        self.arm_glance();
        self.arm_bells();
        self.hear_after(ASKS_AFTER);
        Ok(())
    }

    fn tell(&mut self, input: Input) -> Result<(), Cut> {
        let Some(engine) = &mut self.engine else { return Ok(()) };
        let (clock, is_tick) = (self.now + self.skew, matches!(input, Input::Tick));
        let outputs = engine.on(clock, input);
        for output in &outputs {
            // Whoever wants to be woken for what he was just woken for never sleeps again.
            if let Output::WakeAt(at) = output {
                self.watch.check("wakes", !is_tick || *at > clock, || format!("at {at} again"));
            }
        }
        self.perform(outputs)
    }

    fn perform(&mut self, outputs: Vec<Output>) -> Result<(), Cut> {
        for output in outputs {
            match output {
                Output::Append { number, batch } => {
                    self.point()?;
                    self.disk.append(self.clock(), batch);
                    self.numbers.push_back(number);
                    let takes = SignedDuration::from_millis(1 + self.chance.below(6) as i64);
                    self.put(self.now + takes, Happening::Synced);
                    self.point()?;
                }
                Output::Observe(call) => self.send(false, call)?,
                Output::Begin(call) => {
                    self.watch.begin(&call, &self.disk);
                    self.check_lease(self.process, &call);
                    self.send(true, call)?;
                }
                Output::WakeAt(at) => {
                    if self.woken_at.is_none_or(|woken_at| at < woken_at) {
                        self.woken_at = Some(at);
                        self.put(at - self.skew, Happening::Wake { at });
                    }
                }
                Output::Reply { ticket, result } => self.reply(ticket, result),
                Output::Bug(text) => self.watch.fail("bug", text),
            }
        }
        Ok(())
    }

    fn send(&mut self, begins: bool, call: Box<Call>) -> Result<(), Cut> {
        self.point()?;
        // Half of it on the way there, half on the way back.
        let back = self.sim.latency(&call) / 2;
        let process = self.process;
        self.put(self.now + back, Happening::Arrives { process, begins, call, back });
        self.point()
    }

    /// A place where the process can be cut off.
    fn point(&mut self) -> Result<(), Cut> {
        let here = self.figures.operations;
        self.figures.operations += 1;
        let is_cut =
            self.fuse == Some(here) || self.cuts > 0 && self.chance.below(10_000) < self.cuts;
        if is_cut { Err(Cut) } else { Ok(()) }
    }

    fn arrive(&mut self, process: u32, begins: bool, call: Box<Call>, back: SignedDuration) {
        let (run, step, attempt) = (call.run.clone(), call.step.clone(), call.attempt);
        let input = if begins {
            let answer = self.sim.begin(self.now, &call);
            if let Some(at) = self.sim.put_off() {
                return self.arrive_later(at, process, begins, call, back);
            }
            self.watch.effects(self.now, &self.sim, &self.disk);
            Input::Answered(Reply { run, step, attempt, answer })
        } else {
            let reading = self.sim.observe(self.now, &call);
            if let Some(at) = self.sim.put_off() {
                return self.arrive_later(at, process, begins, call, back);
            }
            if let Ok(reading) = &reading {
                self.watch.reading(self.now, &call, reading, &self.sim);
            }
            Input::Seen(Sight { run, step, attempt, reading })
        };
        if process == self.process {
            self.put(self.now + back, Happening::Heard { input: Box::new(input) });
        }
    }

    /// A call waits for its turn, unless its time is over before.
    fn arrive_later(
        &mut self,
        at: Timestamp,
        process: u32,
        begins: bool,
        call: Box<Call>,
        back: SignedDuration,
    ) {
        if begins && at > call.not_after {
            let (run, step, attempt) = (call.run.clone(), call.step.clone(), call.attempt);
            let answer = Ok(Answer::Busy { reason: "its turn comes too late".to_owned() });
            let input = Box::new(Input::Answered(Reply { run, step, attempt, answer }));
            return self.put(self.now + back, Happening::Heard { input });
        }
        // Whoever died sends nothing any more.
        if process == self.process {
            self.put(at, Happening::Arrives { process, begins, call, back });
        }
    }

    /// What became durable is looked at.
    fn read_fresh(&mut self) {
        let Simulation { disk, watch, .. } = self;
        disk.show_fresh(|seq, entry| watch.record(seq, entry));
    }

    fn sync(&mut self) -> Result<(), Cut> {
        self.point()?;
        let Some(number) = self.numbers.pop_front() else { return Ok(()) };
        if let Err(error) = self.disk.sync_one() {
            self.watch.fail("I14", error);
            return Ok(());
        }
        self.read_fresh();
        self.watch.durable(&self.disk);
        self.point()?;
        self.tell(Input::Appended(number))?;
        if self.disk.unsynced() == 0
            && let Some(engine) = &self.engine
        {
            self.watch.live(engine.known(), &self.disk);
        }
        self.arm_glance();
        Ok(())
    }
}
