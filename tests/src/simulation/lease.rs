//! The lease in a history: its storage, the process that keeps it, and one that stands still and wakes
//! after another host has taken over (I6).

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use muster_state::{
    call::Call,
    command::Command,
    engine::{Engine, Input, Output, Sight, Ticket},
    lease::{Answer, Ask, Condition, Keeper, Lease, Missing, Moment, Own, Record, Terms},
};

use super::{Cut, Happening, Simulation, cast::dawn, disk::Disk};

/// How often a process looks whether its lease still holds.
const LOOKS_EVERY: SignedDuration = SignedDuration::from_secs(1);

/// In so many writes one is answered to nobody.
const LOST_EVERY: u64 = 40;

/// For how long whoever wakes is watched.
const WATCHED_FOR: i64 = 60;

/// One thing about the lease.
#[derive(Debug)]
pub(super) enum Turn {
    /// The process looks whether something is to be asked.
    Look,
    /// A question reaches the storage, whether or not its process still lives.
    Arrives { process: u32, sent: Moment, at: Timestamp, ask: Box<Ask> },
    /// The answer reaches the process.
    Heard { sent: Moment, ask: Box<Ask>, answer: Box<Answer> },
    /// Whoever stood still goes on.
    Wakes,
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Turn::Look => f.write_str("look"),
            Turn::Arrives { process, ask, .. } => match ask.as_ref() {
                Ask::Read => write!(f, "{process} reads"),
                Ask::Write { record, .. } => write!(f, "{process} writes {}", record.epoch),
            },
            Turn::Heard { answer, .. } => write!(f, "{answer:?}"),
            Turn::Wakes => f.write_str("the sleeper wakes"),
        }
    }
}

/// The storage, and who keeps what is in it.
#[derive(Debug)]
pub(super) struct Tenure {
    terms: Terms,
    keeper: Keeper,
    host: u32,
    /// The first process of the present host.
    host_since: u32,
    /// What the engine was told last.
    said: Lease,
    /// The grant that is being written down.
    grant: Option<(Ticket, u64)>,
    object: Option<(Record, u64)>,
    writes: u64,
    dark_until: Timestamp,
    /// The last write that took effect: whose, under which epoch, and when it was sent.
    landed: Option<(u32, u64, Timestamp)>,
    sleeper: Option<Sleeper>,
}

/// A process that stands still, with all that it was about to hear.
#[derive(Debug)]
struct Sleeper {
    process: u32,
    engine: Engine,
    keeper: Keeper,
    disk: Disk,
    inputs: Vec<Input>,
    /// The first process of its host.
    host_since: u32,
}

impl Tenure {
    pub(super) fn new(terms: Terms) -> Tenure {
        Tenure {
            terms,
            keeper: Keeper::new(terms, "host-0".to_owned(), "p0".to_owned()),
            host: 0,
            host_since: 0,
            said: Lease::Missing(Missing::Unasked),
            grant: None,
            object: None,
            writes: 0,
            dark_until: dawn(),
            landed: None,
            sleeper: None,
        }
    }

    pub(super) fn is_asleep(&self) -> bool {
        self.sleeper.is_some()
    }

    /// What the storage says and does.
    fn ask(&mut self, now: Timestamp, process: u32, sent_at: Timestamp, ask: &Ask) -> Answer {
        if now < self.dark_until {
            return Answer::Failed { because: "no answer".to_owned() };
        }
        let there = self.object.as_ref().map(|(_, tag)| tag.to_string());
        match (ask, &self.object) {
            (Ask::Read, None) => Answer::Absent,
            (Ask::Read, Some((record, tag))) => {
                Answer::Found { record: record.clone(), tag: tag.to_string() }
            }
            (Ask::Write { record, only }, _) => {
                let holds = match only {
                    Condition::Absent => there.is_none(),
                    Condition::Matches(tag) => there.as_ref() == Some(tag),
                };
                if !holds {
                    return Answer::Conflict;
                }
                self.writes += 1;
                self.object = Some((record.clone(), self.writes));
                self.landed = Some((process, record.epoch, sent_at));
                Answer::Written { tag: self.writes.to_string() }
            }
        }
    }
}

fn own(disk: &Disk) -> Own {
    let mark = disk.mark();
    let known = disk.progress();
    Own { epoch: known.epoch, granted: known.granted.clone(), mark }
}

impl Simulation {
    fn moment(&self) -> Moment {
        Moment { wall: self.now + self.skew, steady: self.now.duration_since(dawn()) }
    }

    fn put_turn(&mut self, at: Timestamp, turn: Turn) {
        self.put(at, Happening::Lease(Box::new(turn)));
    }

    /// What a process knows of the lease when it starts.
    pub(super) fn move_in(&mut self) -> Lease {
        let process = self.process;
        let Some(tenure) = &mut self.tenure else { return Lease::NotConfigured };
        let (host, me) = (format!("host-{}", tenure.host), format!("p{process}"));
        tenure.keeper = Keeper::new(tenure.terms, host, me);
        tenure.grant = None;
        tenure.said = Lease::Missing(Missing::Unasked);
        self.put_turn(self.now, Turn::Look);
        Lease::Missing(Missing::Unasked)
    }

    /// Whether nobody listens to people, because another process acts.
    pub(super) fn stands_by(&self) -> bool {
        self.tenure.as_ref().is_some_and(|tenure| tenure.said.stands_down().is_some())
    }

    pub(super) fn turn(&mut self, turn: Turn) -> Result<(), Cut> {
        match turn {
            Turn::Look => self.look_at_lease(),
            Turn::Arrives { process, sent, at, ask } => {
                self.lease_asked(process, sent, at, ask);
                Ok(())
            }
            Turn::Heard { sent, ask, answer } => self.lease_heard(sent, &ask, *answer),
            Turn::Wakes => {
                self.wakes();
                Ok(())
            }
        }
    }

    fn look_at_lease(&mut self) -> Result<(), Cut> {
        let at = self.moment();
        let own = own(&self.disk);
        let Some(tenure) = self.tenure.as_mut().filter(|_| self.engine.is_some()) else {
            return Ok(());
        };
        let asks = tenure.keeper.due(at, &own);
        self.say_lease()?;
        match asks {
            Some(ask) => {
                let there = SignedDuration::from_millis(5 + self.chance.below(60) as i64);
                let (process, sent) = (self.process, self.now);
                let turn = Turn::Arrives { process, sent: at, at: sent, ask: Box::new(ask) };
                self.point()?;
                self.put_turn(self.now + there, turn);
                self.point()
            }
            None => {
                self.put_turn(self.now + LOOKS_EVERY, Turn::Look);
                Ok(())
            }
        }
    }

    fn say_lease(&mut self) -> Result<(), Cut> {
        let at = self.moment();
        let Some(tenure) = &mut self.tenure else { return Ok(()) };
        let lease = tenure.keeper.lease(at);
        if lease == tenure.said {
            return Ok(());
        }
        tenure.said = lease.clone();
        self.tell(Input::Lease(lease))
    }

    fn lease_asked(&mut self, process: u32, sent: Moment, at: Timestamp, ask: Box<Ask>) {
        let now = self.now;
        let is_lost = matches!(*ask, Ask::Write { .. }) && self.chance.below(LOST_EVERY) == 0;
        let Some(tenure) = &mut self.tenure else { return };
        let before = tenure.landed;
        let answer = tenure.ask(now, process, at, &ask);
        let (terms, landed, host) = (tenure.terms, tenure.landed, tenure.host);
        if let (Some((old, _, sent_at)), Some((new, ..))) = (before, landed)
            && old != new
            && host > 0
        {
            // Between hosts only: on one, the directory has one process at a time.
            let free_at = sent_at + terms.length + terms.longest_call;
            let waited = now >= free_at || self.same_host(old);
            self.watch.check("I6", waited, || format!("{new} does not wait for {old}"));
        }
        let answer =
            if is_lost { Answer::Failed { because: "no answer".to_owned() } } else { answer };
        if process == self.process {
            let back = SignedDuration::from_millis(5 + self.chance.below(60) as i64);
            let turn = Turn::Heard { sent, ask, answer: Box::new(answer) };
            self.put_turn(now + back, turn);
        }
    }

    /// Whether a process ran where the present one runs.
    fn same_host(&self, process: u32) -> bool {
        let tenure = self.tenure.as_ref();
        process >= tenure.map_or(0, |tenure| tenure.host_since)
    }

    fn lease_heard(&mut self, sent: Moment, ask: &Ask, answer: Answer) -> Result<(), Cut> {
        let at = self.moment();
        let own = own(&self.disk);
        let Some(tenure) = &mut self.tenure else { return Ok(()) };
        let disk = &self.disk;
        tenure.keeper.heard(at, sent, ask, answer, &own, |mark| disk.fits(mark));
        let ungranted = tenure.keeper.ungranted();
        if let Some(granted) = ungranted.filter(|_| tenure.grant.is_none()) {
            self.ticket += 1;
            tenure.grant = Some((self.ticket, granted.epoch));
            self.tell(Input::Command(self.ticket, Command::Grant(granted)))?;
        }
        self.put_turn(self.now, Turn::Look);
        Ok(())
    }

    /// What was acknowledged may be the grant of the lease.
    pub(super) fn granted(&mut self, ticket: Ticket) {
        let Some(tenure) = &mut self.tenure else { return };
        if let Some((_, epoch)) = tenure.grant.take_if(|(grant, _)| *grant == ticket) {
            tenure.keeper.granted(epoch);
        }
    }

    /// I6: nothing is sent but by the process whose write was the last, and not after its end less the
    /// margin, unless a named person took that upon themselves for this run.
    pub(super) fn check_lease(&mut self, process: u32, call: &Call) {
        let Some(Tenure { terms, landed, .. }) = &self.tenure else { return };
        let run =
            self.disk.progress().runs.get(&call.run).map(|run| run.lease_overridden.is_some());
        let ends_at = |sent: Timestamp| sent + terms.length - terms.margin;
        let holds = run == Some(true)
            || landed.is_some_and(|(whose, _, sent)| whose == process && self.now < ends_at(sent));
        let (now, landed) = (self.now, *landed);
        self.watch.check("I6", holds, || {
            format!("{} begins {} at {now}, and the lease is {landed:?}", process, call.token)
        });
    }

    /// Nobody reaches the storage for so long.
    pub(super) fn go_dark(&mut self, length: SignedDuration) {
        if let Some(tenure) = &mut self.tenure {
            tenure.dark_until = self.now + length;
        }
    }

    /// The process stands still. What is durable has been shipped, and another host starts from it.
    pub(super) fn fall_asleep(&mut self, length: SignedDuration) {
        let Some(engine) = self.engine.take() else { return };
        let mut inputs: Vec<Input> =
            std::mem::take(&mut self.numbers).into_iter().map(Input::Appended).collect();
        for heard in self.agenda.take(|one| matches!(one, Happening::Heard { .. })) {
            if let Happening::Heard { input } = heard {
                inputs.push(*input);
            }
        }
        let (process, disk) = (self.process, self.disk.left_behind());
        if let Some(tenure) = &mut self.tenure {
            let (keeper, host_since) = (tenure.keeper.clone(), tenure.host_since);
            let sleeper = Sleeper { process, engine, keeper, disk, inputs, host_since };
            tenure.sleeper = Some(sleeper);
            tenure.host += 1;
            tenure.host_since = process + 1;
        }
        self.crash();
        self.put_turn(self.now + length, Turn::Wakes);
    }

    /// It goes on where it stood: first what it was about to hear, in the worst order for us, and only
    /// then what its keeper learns.
    fn wakes(&mut self) {
        let Some(mut sleeper) = self.tenure.as_mut().and_then(|tenure| tenure.sleeper.take())
        else {
            return;
        };
        let nobody_followed = self.wrote_last(sleeper.process);
        for input in std::mem::take(&mut sleeper.inputs) {
            self.dream(&mut sleeper, self.moment(), input);
        }
        for second in 0..WATCHED_FOR {
            let later = SignedDuration::from_secs(second);
            let at = self.moment();
            let at = Moment { wall: at.wall + later, steady: at.steady + later };
            self.dream(&mut sleeper, at, Input::Tick);
            let own = own(&sleeper.disk);
            while let Some(ask) = sleeper.keeper.due(at, &own) {
                let Some(tenure) = &mut self.tenure else { return };
                let answer = tenure.ask(self.now, sleeper.process, self.now, &ask);
                let disk = &sleeper.disk;
                sleeper.keeper.heard(at, at, &ask, answer, &own, |mark| disk.fits(mark));
            }
            let lease = sleeper.keeper.lease(at);
            self.dream(&mut sleeper, at, Input::Lease(lease));
        }
        let lease = sleeper.keeper.lease(self.moment());
        let is_dark = self.tenure.as_ref().is_some_and(|tenure| self.now < tenure.dark_until);
        // Whoever was to follow may have been killed while it waited: then the lease is still its own.
        let is_own = self.wrote_last(sleeper.process);
        let holds = lease.stands_down().is_some() || is_dark || is_own;
        self.watch.check("I6", holds, || format!("who woke late does not stand down: {lease:?}"));
        if nobody_followed && is_own {
            self.goes_on(sleeper);
        }
    }

    /// Whether a process was the last that wrote the lease.
    fn wrote_last(&self, process: u32) -> bool {
        let landed = self.tenure.as_ref().and_then(|tenure| tenure.landed);
        landed.is_some_and(|(whose, ..)| whose == process)
    }

    /// Whoever woke holds the lease as before. What it has written meanwhile nobody else knows, so that its
    /// host is the one that goes on: by the next process there.
    fn goes_on(&mut self, sleeper: Sleeper) {
        if let Some(tenure) = &mut self.tenure {
            tenure.host -= 1;
            tenure.host_since = sleeper.host_since;
        }
        self.watch.rewind(sleeper.disk.read_to());
        self.disk = sleeper.disk;
        self.crash();
    }

    /// One input to the process that woke, and all that follows from it.
    fn dream(&mut self, sleeper: &mut Sleeper, at: Moment, input: Input) {
        let mut outputs = sleeper.engine.on(at.wall, input);
        while !outputs.is_empty() {
            match outputs.remove(0) {
                Output::Append { number, batch } => {
                    sleeper.disk.append(at.wall, batch);
                    let synced = sleeper.disk.sync_one();
                    self.watch.check("I14", synced.is_ok(), || format!("{synced:?}"));
                    outputs.extend(sleeper.engine.on(at.wall, Input::Appended(number)));
                }
                Output::Observe(call) => {
                    let reading = self.sim.observe(self.now, &call);
                    let (run, step, attempt) = (call.run, call.step, call.attempt);
                    let sight = Sight { run, step, attempt, reading };
                    outputs.extend(sleeper.engine.on(at.wall, Input::Seen(sight)));
                }
                Output::Begin(call) => self.check_lease(sleeper.process, &call),
                Output::Bug(text) => self.watch.fail("bug", text),
                Output::WakeAt(_) | Output::Reply { .. } => {}
            }
        }
    }
}
