//! One actor that owns all open runs. It has no runtime, no clock and no I/O: what it is told comes
//! in, what is to be done goes out.
//!
//! An append goes out first, and whatever follows from it only once it is durable. Observe and begin
//! are two outputs, so that pause, off switch and deadline are checked between them.

mod answer;
mod ask;
mod care;
mod child;
mod consequences;
mod finding;
mod freeze;
mod hold;
mod leaks;
mod lease;
mod look;
mod mark;
mod obey;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    name::{RunId, StepId},
    request::Mode,
};

use crate::{
    call::{Answer, Call, CallError, Reading, in_one_line},
    command::{Accepted, Command, Refusal},
    decide::{self, Next},
    event::{Batch, Claim, Commit, Entry, Event, NoticeEvent, RunEvent, Stream, VERSION},
    lease::Lease,
    progress::Progress,
    run::{PauseCause, Run},
};
use look::Look;

pub use care::RAISED;
pub use leaks::LEAK;

/// A journal that was silent for longer was not being written by a living daemon; what it promised
/// before is looked at by a person first (design §3.4).
pub const RESUME_GAP_MAX: SignedDuration = SignedDuration::from_mins(10);

/// The most rounds of deciding that one input may cause; more is a bug in `decide`.
const ROUNDS_MAX: usize = 2_048;

/// Names whoever waits for the answer to a command.
pub type Ticket = u64;

/// What the engine is told.
#[derive(Debug)]
pub enum Input {
    /// The batch with this number is durable.
    Appended(u64),
    /// What a look at the outside world found.
    Seen(Sight),
    /// What the world said when it was asked to begin.
    Answered(Reply),
    /// Somebody wants something.
    Command(Ticket, Command),
    /// Whose the lease is was asked again.
    Lease(Lease),
    /// Time has passed.
    Tick,
}

/// The result of a look.
#[derive(Debug)]
pub struct Sight {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepId,
    /// The attempt.
    pub attempt: u32,
    /// What was seen.
    pub reading: Result<Reading, CallError>,
}

/// The result of a begin.
#[derive(Debug)]
pub struct Reply {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepId,
    /// The attempt.
    pub attempt: u32,
    /// What was answered.
    pub answer: Result<Answer, CallError>,
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Make this durable, in the order of the numbers, and say so.
    Append {
        /// Its number.
        number: u64,
        /// What.
        batch: Batch,
    },
    /// Look how far a call has come.
    Observe(Box<Call>),
    /// Ask for it to be begun.
    Begin(Box<Call>),
    /// Send [`Input::Tick`] then.
    WakeAt(Timestamp),
    /// Tell whoever waits.
    Reply {
        /// Who.
        ticket: Ticket,
        /// What became of it.
        result: Result<Accepted, Refusal>,
    },
    /// Something that cannot happen happened. Log it loudly; nothing was written.
    Bug(String),
}

/// The open runs, and what is in the air around them.
#[derive(Debug)]
pub struct Engine {
    /// Everything that was decided, durable or about to be.
    known: Progress,
    /// Whether this process acts.
    lease: Lease,
    /// When anybody was last able to.
    acted_at: Option<Timestamp>,
    /// Per run and step, what is in the air.
    looks: BTreeMap<RunId, BTreeMap<usize, Look>>,
    /// The number of the last batch of each run that is not durable yet.
    unsynced: BTreeMap<RunId, u64>,
    /// What waits for a batch.
    after: BTreeMap<u64, After>,
    /// When runs want to be looked at again, each once.
    wakes: BTreeSet<(Timestamp, RunId)>,
    /// The same by run.
    wake_at: BTreeMap<RunId, Timestamp>,
    /// The number of the next batch.
    number: u64,
    /// The batch that the present input fills.
    draft: Batch,
    /// The runs that the draft touches.
    drafted: BTreeSet<RunId>,
}

#[derive(Debug, Default)]
struct After {
    runs: BTreeSet<RunId>,
    replies: Vec<(Ticket, Accepted)>,
}

impl Engine {
    /// An engine that goes on from what is durable, where no lease is configured.
    pub fn new(known: Progress) -> Engine {
        Engine::under(known, Lease::NotConfigured)
    }

    /// The same under a lease.
    pub fn under(known: Progress, lease: Lease) -> Engine {
        Engine {
            known,
            lease,
            acted_at: None,
            looks: BTreeMap::new(),
            unsynced: BTreeMap::new(),
            after: BTreeMap::new(),
            wakes: BTreeSet::new(),
            wake_at: BTreeMap::new(),
            number: 0,
            draft: Batch::default(),
            drafted: BTreeSet::new(),
        }
    }

    /// Everything that was decided. Ahead of what is durable by what is being written.
    pub fn known(&self) -> &Progress {
        &self.known
    }

    /// Takes every open run up where the journal left it. `alive_at` is when a daemon was last seen
    /// alive; after a longer silence runs that act pause first.
    pub fn start(&mut self, now: Timestamp, alive_at: Option<Timestamp>) -> Vec<Output> {
        let mut out = Vec::new();
        self.acted_at = self.known.last_at.max(alive_at);
        self.gate(now, "nothing was recorded for", &mut out);
        let ids: Vec<RunId> = self.known.runs.keys().cloned().collect();
        for id in ids {
            self.advance(now, &id, &mut out);
        }
        self.flush(Vec::new(), &mut out);
        self.ask_to_wake(&mut out);
        out
    }

    /// Has every live run looked at by a person first, if nobody acted for too long.
    fn gate(&mut self, now: Timestamp, what: &str, out: &mut Vec<Output>) {
        let gap = self.acted_at.map(|at| now.duration_since(at));
        let Some(gap) = gap.filter(|gap| *gap > RESUME_GAP_MAX) else { return };
        let goes_on = |run: &&Run| run.plan.mode == Mode::Live && run.pauses.is_empty();
        let ids: Vec<RunId> =
            self.known.runs.values().filter(goes_on).map(|run| run.id.clone()).collect();
        for id in ids {
            let saw = format!("{what} {gap:#}; look at the world before going on");
            let event = RunEvent::Paused { cause: PauseCause::Gate { saw } };
            self.record(now, Entry::run(&id, event), out);
        }
    }

    /// Takes one input in.
    pub fn on(&mut self, now: Timestamp, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        let mut replies = Vec::new();
        match input {
            Input::Appended(number) => self.appended(now, number, &mut out),
            Input::Seen(sight) => {
                let id = sight.run.clone();
                self.seen(now, sight, &mut out);
                self.advance(now, &id, &mut out);
            }
            Input::Answered(reply) => {
                let id = reply.run.clone();
                self.answered(now, reply, &mut out);
                self.advance(now, &id, &mut out);
            }
            Input::Command(ticket, command) => match self.command(now, command, &mut out) {
                Ok(accepted) => replies.push((ticket, accepted)),
                Err(refusal) => out.push(Output::Reply { ticket, result: Err(refusal) }),
            },
            Input::Lease(lease) => self.leased(now, lease, &mut out),
            Input::Tick => self.tick(now, &mut out),
        }
        self.flush(replies, &mut out);
        self.ask_to_wake(&mut out);
        out
    }

    fn appended(&mut self, now: Timestamp, number: u64, out: &mut Vec<Output>) {
        let Some(after) = self.after.remove(&number) else { return };
        for (ticket, accepted) in after.replies {
            out.push(Output::Reply { ticket, result: Ok(accepted) });
        }
        for id in after.runs {
            if self.unsynced.get(&id) == Some(&number) {
                self.unsynced.remove(&id);
                self.advance(now, &id, out);
            }
        }
    }

    fn tick(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        let mut due = BTreeSet::new();
        while self.wakes.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, id)) = self.wakes.pop_first() else { break };
            self.wake_at.remove(&id);
            due.insert(id);
        }
        for id in due {
            self.advance(now, &id, out);
        }
        self.expire_proposals(now, out);
    }

    fn expire_proposals(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        if self.lease.stands_down().is_some() {
            return;
        }
        let expired =
            |(_, proposal): &(&RunId, &crate::progress::Proposal)| proposal.expires_at < now;
        let ids: Vec<RunId> =
            self.known.proposals.iter().filter(expired).map(|(id, _)| id.clone()).collect();
        for id in ids {
            let event = Event::Notice(NoticeEvent::Expired);
            self.record(now, Entry { stream: Stream::Notice(id), event }, out);
        }
    }

    /// Folds an entry and puts it into the draft.
    fn record(&mut self, now: Timestamp, entry: Entry, out: &mut Vec<Output>) {
        self.commit(now, vec![entry], Vec::new(), out);
    }

    fn commit(
        &mut self,
        now: Timestamp,
        entries: Vec<Entry>,
        take: Vec<Claim>,
        out: &mut Vec<Output>,
    ) {
        // A lock that a live failover takes over from a drill is let go in the same commit (I18).
        let taken_over = |claim: &&Claim| {
            let held = self.known.claims.get(&claim.key);
            claim.key.starts_with("lock/") && held.is_some_and(|held| held.holder != claim.holder)
        };
        let mut free: Vec<String> =
            take.iter().filter(taken_over).map(|claim| claim.key.clone()).collect();
        for entry in &entries {
            self.expect(entry);
            if matches!(entry.event, Event::Run(RunEvent::Ended { .. })) {
                free.extend(self.lock_of(&entry.stream));
            }
        }
        let seq = self.known.end;
        let commit = Commit { v: VERSION, seq, at: now, entries, take, free };
        match self.known.apply(&commit) {
            Ok(_) => {
                self.draft.entries.extend(commit.entries);
                self.draft.take.extend(commit.take);
                self.draft.free.extend(commit.free);
            }
            Err(misfit) => out.push(Output::Bug(in_one_line(&misfit))),
        }
    }

    /// Remembers how long a run's stream was before the draft touched it.
    fn expect(&mut self, entry: &Entry) {
        if let Stream::Run(id) = &entry.stream
            && self.drafted.insert(id.clone())
        {
            let len = self.known.runs.get(id).map_or(0, |run| run.len);
            self.draft.expected.push((entry.stream.clone(), len));
        }
    }

    /// The key of the lock that the run of a stream holds.
    fn lock_of(&self, stream: &Stream) -> Option<String> {
        let Stream::Run(id) = stream else { return None };
        let key = Claim::lock_key(self.known.runs.get(id)?.application()?);
        (self.known.claims.get(&key)?.holder == *id).then_some(key)
    }

    /// Sends the draft off.
    fn flush(&mut self, replies: Vec<(Ticket, Accepted)>, out: &mut Vec<Output>) {
        let batch = std::mem::take(&mut self.draft);
        let runs = std::mem::take(&mut self.drafted);
        if batch.entries.is_empty() {
            // What is repeated may itself not be durable yet, and is acknowledged with it (I24).
            if let Some(mut last) = self.after.last_entry() {
                last.get_mut().replies.extend(replies);
                return;
            }
            let replies = replies.into_iter();
            out.extend(replies.map(|(ticket, done)| Output::Reply { ticket, result: Ok(done) }));
            return;
        }
        let number = self.number;
        self.number += 1;
        for id in &runs {
            self.unsynced.insert(id.clone(), number);
        }
        self.after.insert(number, After { runs, replies });
        // The append goes first: a performer that works through the list in order cannot act early.
        out.insert(0, Output::Append { number, batch });
    }

    fn ask_to_wake(&self, out: &mut Vec<Output>) {
        if let Some((at, _)) = self.wakes.first() {
            out.push(Output::WakeAt(*at));
        }
    }

    /// Looks at a run again at an instant, and no more at the one that it wanted before.
    fn wake(&mut self, id: &RunId, at: Option<Timestamp>) {
        let before = match at {
            Some(at) => self.wake_at.insert(id.clone(), at),
            None => self.wake_at.remove(id),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.wakes.remove(&(before, id.clone()));
        }
        if let Some(at) = at {
            self.wakes.insert((at, id.clone()));
        }
    }

    /// Decides until nothing more is to be written, then looks at what is due. While another process
    /// acts, the run is that one's: it is not even looked at.
    fn advance(&mut self, now: Timestamp, id: &RunId, out: &mut Vec<Output>) {
        if self.lease.stands_down().is_some() {
            return self.wake(id, None);
        }
        for _ in 0..ROUNDS_MAX {
            self.inherit(now, id, out);
            let Some(run) = self.known.runs.get(id) else {
                self.forget(id);
                return;
            };
            let due = decide::decide(run, now, self.begins_nothing(now, run));
            let is_record = |next: &Next| matches!(next, Next::Record(_));
            if !due.iter().any(is_record) {
                return self.look(now, id, due, out);
            }
            for next in due {
                if let Next::Record(entry) = next {
                    if self.closes_nothing(&entry) {
                        continue;
                    }
                    let ends = matches!(entry.event, Event::Run(RunEvent::Ended { .. }));
                    let freed = if ends { self.released_by(id) } else { Vec::new() };
                    let told = self.told_to_parent(&entry);
                    self.record(now, entry, out);
                    if let Some(told) = told {
                        self.record(now, told, out);
                    }
                    self.release(now, id, freed, out);
                }
            }
        }
        out.push(Output::Bug(format!("run `{id}` does not settle")));
    }

    fn forget(&mut self, id: &RunId) {
        self.wake(id, None);
        self.looks.remove(id);
    }

    /// The runs that a live failover made wait.
    fn released_by(&self, failover: &RunId) -> Vec<RunId> {
        let waits = |run: &&Run| {
            let by = |cause: &PauseCause| matches!(cause, PauseCause::Failover { run } if run == failover);
            run.pauses.iter().any(by)
        };
        self.known.runs.values().filter(waits).map(|run| run.id.clone()).collect()
    }

    /// Lets them go on if the roles that they were planned with still hold. Whatever else held them up
    /// still does: the end of a failover lifts nobody's pause but its own.
    fn release(
        &mut self,
        now: Timestamp,
        failover: &RunId,
        waiting: Vec<RunId>,
        out: &mut Vec<Output>,
    ) {
        for id in waiting {
            let Some(run) = self.known.runs.get(&id) else { continue };
            let planned = run.plan.binding.as_ref().map(|binding| binding.active.clone());
            let application = run.application().and_then(|name| self.known.applications.get(name));
            let active = application.and_then(|state| state.active.as_ref());
            let moved = active.is_some_and(|active| planned.as_ref() != Some(&active.region));
            let is_its_own = |cause: &PauseCause| matches!(cause, PauseCause::Failover { run } if run == failover);
            let mut causes: Vec<PauseCause> =
                run.pauses.iter().filter(|cause| !is_its_own(cause)).cloned().collect();
            if moved {
                let saw = format!(
                    "run `{failover}` moved the active region since this was planned; abandon it and start it anew"
                );
                causes.push(PauseCause::Gate { saw });
            }
            let (by, reason) = ("muster".to_owned(), format!("run `{failover}` has ended"));
            let resumed = RunEvent::Resumed { by, reason };
            let paused = causes.into_iter().map(|cause| RunEvent::Paused { cause });
            for event in std::iter::once(resumed).chain(paused) {
                self.record(now, Entry::run(&id, event), out);
            }
            // It goes on when the records are durable.
        }
    }
}
