//! Turns what the engine says into appends and calls, and answers into what it hears.
//!
//! No opinions live here: what is due, in which order and whether at all is the engine's. This loop
//! keeps the order (an append before what follows from it), the bounds, and the one list of tasks.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{StreamExt, stream::FuturesOrdered};
use jiff::{SignedDuration, Timestamp};
use muster_runbooks::name::{RunId, StepId};
use muster_state::{
    call::{Answer, Call, CallError, Progress},
    command::{Accepted, Command},
    engine::{Engine, Input, Output, Reply, Sight, Ticket},
    event::{Event, RunEvent, Stream},
    journal::{AppendError, Journal},
    lease::Lease,
};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    task::JoinSet,
};
use tracing::{debug, error, info};

use crate::{
    clock::Clock,
    intake::{Rejected, Sample},
    world::World,
};

/// The most batches that may be on their way to the disk. The journal's own queue is longer, so that
/// it is never full for this loop.
const APPENDS_MAX: usize = 512;

/// The most looks outside at a time. One that waits here is not late: its reading is as old as its own
/// start.
const LOOKS_MAX: usize = 256;

/// The most begins at a time. They wait longest for their turns under the declared rates, and no look may
/// wait behind them.
const BEGINS_MAX: usize = 1_024;

/// The most commands that wait for the engine.
pub const COMMANDS_MAX: usize = 1_024;

/// How often the journal is told that somebody is alive.
const BEAT: SignedDuration = SignedDuration::from_secs(1);

/// How often a process may go on from what is durable before it gives up: a bug that comes back at
/// once would turn in a circle.
const STARTS_OVER_MAX: u32 = 3;

/// Whether the process can do its work.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Health {
    /// The journal is being read.
    Starting,
    /// Everything that was open has been taken up.
    Ready,
    /// Another process acts, or must: nothing is begun and nothing is taken in. Reads go on.
    StandingBy {
        /// Who or what.
        because: String,
    },
    /// The journal cannot be written: nothing is begun and nothing is taken in. Reads go on.
    ReadOnly {
        /// What the disk said.
        because: String,
    },
    /// It was told to stop.
    Stopping,
}

impl Health {
    /// How a process is that has taken everything up, under a lease.
    fn under(lease: &Lease) -> Health {
        match lease.stands_down() {
            Some(why) => Health::StandingBy { because: why.to_string() },
            None => Health::Ready,
        }
    }
}

/// A command and whoever waits for what becomes of it.
pub struct Order {
    /// What is wanted.
    pub command: Command,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Result<Accepted, Rejected>>,
}

/// The last look at each open step.
pub type Samples = Arc<Mutex<BTreeMap<(RunId, StepId), Sample>>>;

/// A new identifier for a run or a notice: a letter and eleven letters or digits.
pub fn fresh_id() -> RunId {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
    const ALL: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut random = SmallRng::from_os_rng();
    let mut text = String::with_capacity(12);
    text.push(char::from(LETTERS[random.random_range(0..LETTERS.len())]));
    for _ in 0..11 {
        text.push(char::from(ALL[random.random_range(0..ALL.len())]));
    }
    text.parse().expect("a letter and eleven letters or digits are a run id")
}

/// The loop around the engine.
pub struct Performer {
    engine: Engine,
    journal: Arc<dyn Journal>,
    world: Arc<World>,
    clock: Clock,
    samples: Samples,
    health: watch::Sender<Health>,
    lease: watch::Receiver<Lease>,
    looks: Arc<Semaphore>,
    begins: Arc<Semaphore>,
    tasks: JoinSet<Input>,
    waiting: BTreeMap<Ticket, oneshot::Sender<Result<Accepted, Rejected>>>,
    ticket: Ticket,
    wake_at: Option<Timestamp>,
    starts_over: u32,
}

type Receipts =
    FuturesOrdered<futures::future::BoxFuture<'static, (u64, Result<u64, AppendError>)>>;

impl Performer {
    /// A performer that goes on from what is durable.
    pub fn new(
        journal: Arc<dyn Journal>,
        world: Arc<World>,
        clock: Clock,
        samples: Samples,
        health: watch::Sender<Health>,
        mut lease: watch::Receiver<Lease>,
    ) -> Performer {
        let known = journal.progress().clone();
        let whose = lease.borrow_and_update().clone();
        Performer {
            engine: Engine::under(known, whose),
            journal,
            world,
            clock,
            samples,
            health,
            lease,
            looks: Arc::new(Semaphore::new(LOOKS_MAX)),
            begins: Arc::new(Semaphore::new(BEGINS_MAX)),
            tasks: JoinSet::new(),
            waiting: BTreeMap::new(),
            ticket: 0,
            wake_at: None,
            starts_over: 0,
        }
    }

    /// Works until the channel of orders is closed or the journal breaks. Open calls are dropped at
    /// the end: whoever comes next observes before it begins.
    pub async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut receipts = Receipts::new();
        let alive_at = self.journal.last_beat();
        let outputs = self.engine.start(self.clock.now(), alive_at);
        self.perform(outputs, &mut receipts);
        self.health.send_replace(Health::under(&self.lease.borrow()));
        let mut beat_at = self.clock.now();
        loop {
            let now = self.clock.now();
            if now >= beat_at {
                self.journal.beat(now);
                beat_at = now + BEAT;
            }
            let wake_at = self.wake_at.map_or(beat_at, |at| at.min(beat_at));
            let has_room = receipts.len() < APPENDS_MAX;
            let input = tokio::select! {
                biased;
                Some((number, receipt)) = receipts.next(), if !receipts.is_empty() => match receipt {
                    Ok(_) => Input::Appended(number),
                    Err(why) => match self.start_over(why, &mut receipts).await {
                        Ok(()) => continue,
                        Err(broken) => return self.give_up(broken, orders).await,
                    },
                },
                Some(done) = self.tasks.join_next(), if has_room && !self.tasks.is_empty() => match done {
                    Ok(input) => input,
                    Err(panic) => {
                        error!(%panic, "a call ended without an answer");
                        continue;
                    }
                },
                // Once nobody keeps it any more, it stays as it was said last.
                Ok(()) = self.lease.changed(), if has_room => {
                    let lease = self.lease.borrow_and_update().clone();
                    self.health.send_replace(Health::under(&lease));
                    Input::Lease(lease)
                }
                order = orders.recv(), if has_room => match order {
                    Some(order) => self.order(order),
                    None => break,
                },
                () = self.clock.sleep_until(wake_at), if has_room => Input::Tick,
            };
            self.sample(&input);
            let outputs = self.engine.on(self.clock.now(), input);
            self.perform(outputs, &mut receipts);
        }
        self.health.send_replace(Health::Stopping);
        while let Some((_, receipt)) = receipts.next().await {
            if let Err(broken) = receipt {
                error!(%broken, "what was decided last is not durable");
            }
        }
    }

    /// The engine and the journal have come apart, which only a bug or a stranger's hand can do. Goes on
    /// from what is durable, as the next process would, instead of leaving that to somebody who is
    /// asleep. A journal that cannot be written is given back.
    async fn start_over(
        &mut self,
        why: AppendError,
        receipts: &mut Receipts,
    ) -> Result<(), AppendError> {
        if !matches!(why, AppendError::Conflict { .. }) || self.starts_over == STARTS_OVER_MAX {
            return Err(why);
        }
        self.starts_over += 1;
        error!(%why, "the journal holds something else than was decided; going on from what it holds");
        // Dropped calls may have arrived. The engine that comes next observes before it begins.
        self.tasks.shutdown().await;
        // What is on its way to the disk belongs to what is durable, or conflicts as well.
        while let Some((_, receipt)) = receipts.next().await {
            if let Err(broken @ (AppendError::Broken { .. } | AppendError::Full)) = receipt {
                return Err(broken);
            }
        }
        for (_, waiting) in std::mem::take(&mut self.waiting) {
            // Whoever no longer listens needs no answer.
            let _ = waiting.send(Err(why.clone().into()));
        }
        let lease = self.lease.borrow().clone();
        self.engine = Engine::under(self.journal.progress().clone(), lease);
        let now = self.clock.now();
        let outputs = self.engine.start(now, Some(now));
        self.perform(outputs, receipts);
        Ok(())
    }

    /// Nothing can be promised any more, so nothing is done. Whoever asks is told why.
    async fn give_up(mut self, broken: AppendError, mut orders: mpsc::Receiver<Order>) {
        error!(%broken, "the journal cannot be written; nothing more is begun");
        self.tasks.abort_all();
        self.health.send_replace(Health::ReadOnly { because: broken.to_string() });
        for (_, waiting) in std::mem::take(&mut self.waiting) {
            // Whoever no longer listens needs no answer.
            let _ = waiting.send(Err(broken.clone().into()));
        }
        while let Some(order) = orders.recv().await {
            let _ = order.answer.send(Err(broken.clone().into()));
        }
    }

    fn order(&mut self, order: Order) -> Input {
        self.ticket += 1;
        self.waiting.insert(self.ticket, order.answer);
        Input::Command(self.ticket, order.command)
    }

    fn perform(&mut self, outputs: Vec<Output>, receipts: &mut Receipts) {
        self.wake_at = None;
        for output in outputs {
            match output {
                Output::Append { number, batch } => {
                    self.forget_samples(&batch.entries);
                    let receipt = self.journal.append(self.clock.now(), batch);
                    receipts.push_back(Box::pin(async move {
                        let lost =
                            || AppendError::Broken { because: "its writer is gone".to_owned() };
                        (number, receipt.await.unwrap_or_else(|_| Err(lost())))
                    }));
                }
                Output::Observe(call) => self.observe(call),
                Output::Begin(call) => self.begin(call),
                Output::WakeAt(at) => self.wake_at = Some(at),
                Output::Reply { ticket, result } => {
                    if let Some(waiting) = self.waiting.remove(&ticket) {
                        let _ = waiting.send(result.map_err(Rejected::from));
                    }
                }
                Output::Bug(text) => error!(bug = text, "the engine met what cannot happen"),
            }
        }
    }

    fn observe(&mut self, call: Box<Call>) {
        let (world, looks) = (Arc::clone(&self.world), Arc::clone(&self.looks));
        self.tasks.spawn(async move {
            let _turn = looks.acquire().await;
            let reading = world.observe(&call).await;
            debug!(run = %call.run, step = %call.step, attempt = call.attempt, ?reading, "observed");
            Input::Seen(Sight { run: call.run, step: call.step, attempt: call.attempt, reading })
        });
    }

    fn begin(&mut self, call: Box<Call>) {
        let (world, begins, clock) =
            (Arc::clone(&self.world), Arc::clone(&self.begins), self.clock.clone());
        self.tasks.spawn(async move {
            let _turn = begins.acquire().await;
            // Nothing late: the deadline is checked where the call leaves, not where it was queued.
            let answer = if clock.now() > call.not_after {
                Ok(Answer::Busy { reason: "its time was over before it could be sent".to_owned() })
            } else {
                info!(run = %call.run, step = %call.step, attempt = call.attempt, token = %call.token, "begins");
                world.begin(&call).await
            };
            Input::Answered(Reply { run: call.run, step: call.step, attempt: call.attempt, answer })
        });
    }

    /// Keeps what a look found, for whoever watches. A sample, not a fact.
    fn sample(&self, input: &Input) {
        let Input::Seen(sight) = input else { return };
        if !self.engine.known().runs.contains_key(&sight.run) {
            return;
        }
        let now = self.clock.now();
        let sample = match &sight.reading {
            Ok(reading) => {
                let percent = match &reading.progress {
                    Progress::InProgress { percent, .. } => *percent,
                    Progress::NotStarted { .. }
                    | Progress::Done(_)
                    | Progress::Failed { .. }
                    | Progress::Refused { .. }
                    | Progress::Foreign { .. } => None,
                };
                Sample { seen: reading.progress.to_string(), percent, read_at: reading.read_at }
            }
            Err(
                error @ (CallError::NoAnswer { .. }
                | CallError::Credentials { .. }
                | CallError::Refused { .. }),
            ) => Sample { seen: error.to_string(), percent: None, read_at: now },
        };
        let key = (sight.run.clone(), sight.step.clone());
        self.samples.lock().unwrap_or_else(PoisonError::into_inner).insert(key, sample);
    }

    fn forget_samples(&self, entries: &[muster_state::event::Entry]) {
        for entry in entries {
            if let (Stream::Run(id), Event::Run(RunEvent::Ended { .. })) =
                (&entry.stream, &entry.event)
            {
                let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
                samples.retain(|(run, _), _| run != id);
            }
        }
    }
}
