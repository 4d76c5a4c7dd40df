//! The third door: what AWS events ask for, read from SQS.
//!
//! A message can ask, and no more: [`judge`] decides from its text alone whether it starts a runbook,
//! becomes a proposal for a person, nudges whoever waits, or is refused. Everything is in the journal
//! before the message is deleted, and a message that comes again finds its key taken; so a crash at
//! any place costs a second look and never a second run (I21).
//!
//! | what happened | what becomes of the message |
//! |---|---|
//! | durable, or done before | deleted |
//! | refused for good: unreadable, foreign, late, not allowed | recorded in `access`, which `GET /v1/refusals` shows, then deleted |
//! | not now: switched off, too many runs | back on the queue for [`NOT_NOW_SECS`] |
//! | the journal or the engine cannot take it | kept, and nothing is read until they can |
//!
//! What AWS says that people are to heed becomes a finding of every application for a day; nothing of it is
//! believed, and it starts nothing.
//!
//! What lies in the queue's dead letters, where the configuration names them, is counted every few minutes and is
//! a finding as long as something does, or nobody can say.
//!
//! A queue that has not answered for [`reach::SILENT_MAX`] is a finding of every application until it
//! answers again: whoever relies on its events must know that nothing comes.
//!
//! Who may write to a queue is decided by its policy in AWS: give `sqs:SendMessage` to the Lambda's
//! role alone. What a message says about its account is checked, but anybody who may write may say
//! it. Give the queue a dead-letter queue with `maxReceiveCount` of 100: a request may wait a day
//! while Muster is switched off, five minutes at a time.

mod audit;
mod dead;
pub mod judge;
pub mod reach;
mod settle;
mod source;
mod words;

use std::sync::{Mutex, PoisonError};

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use muster_runbooks::name::{ApplicationName, Region, RunId};
use muster_state::{call::in_one_line, catalog::Finding, command::Command, progress::Progress};
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tracing::{debug, info, warn};

use crate::{clock::Clock, config, intake::Intake, perform::Health};
use audit::{Audit, Cause, Note};
use dead::{Count, DeadLetters};
use judge::{Reason, Rules, Verdict, judge};
use reach::{Reach, Word};
use settle::{Settled, settle};
use source::{Received, Source};

/// How long a message that cannot be taken now stays away.
pub const NOT_NOW_SECS: i32 = 300;

/// How long a refused message stays away when this hour's records are used up.
const AUDIT_FULL_SECS: i32 = 900;

/// How long the journal may take before a message in work is held for longer.
const HOLD: SignedDuration = SignedDuration::from_secs(source::VISIBLE_SECS as i64 / 2);

/// How often one message is held for longer. A journal that needs more has stalled.
const HOLDS_MAX: u32 = 20;

/// The shortest and longest pause after a failure; each failure in a row doubles it.
const PAUSE_MIN: SignedDuration = SignedDuration::from_secs(1);
const PAUSE_MAX: SignedDuration = SignedDuration::from_secs(60);

/// The loops that read the configured queues, one each. Each ends when `stop` becomes true or its
/// sender is gone; at whatever place that is, what was not deleted comes again.
pub fn doors(
    queues: &[config::Queue],
    intake: &Intake,
    stop: &watch::Receiver<bool>,
) -> Vec<impl Future<Output = ()> + Send + 'static + use<>> {
    let doors = queues.iter().map(|queue| {
        let rules = Rules::new(queue, queues, intake.applications(), intake.library());
        open(queue.clone(), rules, intake.clone(), stop.clone())
    });
    doors.collect()
}

async fn open(queue: config::Queue, rules: Rules, intake: Intake, mut stop: watch::Receiver<bool>) {
    let source = Source::connect(&queue.region, &queue.url).await;
    let clock = intake.clock().clone();
    let region = queue.region;
    info!(%region, url = queue.url, principal = rules.principal, "reading the queue");
    let reach = Reach::new(&region, &queue.url);
    let dead = queue.dead_letters.as_deref().map(|url| DeadLetters::new(&region, url));
    let (audit, showing) = (Mutex::default(), tokio::sync::Mutex::default());
    let mut door = Door { source, region, rules, intake, clock, audit, showing, reach, dead };
    tokio::select! {
        () = door.run() => {}
        _ = stop.wait_for(|stop| *stop) => info!(url = queue.url, "no longer reading the queue"),
    }
}

/// One queue, and what is needed to judge its messages.
struct Door {
    source: Source,
    region: Region,
    rules: Rules,
    intake: Intake,
    clock: Clock,
    audit: Mutex<Audit>,
    /// Held while something is shown, so that what has room is counted one after the other.
    showing: tokio::sync::Mutex<()>,
    reach: Reach,
    dead: Option<DeadLetters>,
}

/// What becomes of a message.
enum Fate {
    Delete,
    Postpone(i32),
    /// Nobody could take it: it stays, and nothing is read for a while.
    Keep,
}

impl Door {
    async fn run(&mut self) {
        let mut failures = 0;
        loop {
            failures = match self.round().await {
                Ok(()) => 0,
                Err(Stalled) => failures + 1,
            };
            if failures > 0 {
                self.clock.sleep(pause(failures)).await;
            }
        }
    }

    /// One long poll and everything that it brought.
    async fn round(&mut self) -> Result<(), Stalled> {
        if self.intake.health() != Health::Ready {
            // Reading now would only use up the messages' receive counts.
            return Err(Stalled);
        }
        // First: an empty queue is waited at for a while.
        self.count_dead_letters().await;
        let asked_at = self.clock.now();
        let received = self.source.receive().await;
        let got_at = self.clock.now();
        let received = match received {
            Ok(received) => received,
            Err(error) => {
                warn!(region = %self.region, error = &error as &dyn std::error::Error, "the queue does not answer");
                let why = in_one_line(&error);
                let word = self.reach.failed(&why, got_at);
                self.tell(word).await;
                return Err(Stalled);
            }
        };
        let word = self.reach.answered();
        self.tell(word).await;
        self.forget().await;
        if received.is_empty() {
            self.brake(asked_at, got_at).await;
        }
        // In their order, up to where each waits for the journal.
        let fates = join_all(received.iter().map(|message| self.decide(message))).await;
        self.part(&received, &fates).await
    }

    /// Opens or closes the finding about this queue. One that cannot be written down now is said again
    /// after the next look.
    async fn tell(&mut self, word: Option<Word>) {
        let Some(word) = word else { return };
        for name in self.intake.applications().keys() {
            let (application, finding) = (name.clone(), self.reach.finding(&word));
            let finding = self.intake.command(Command::Finding { application, finding });
            if let Err(error) = finding.await {
                warn!(region = %self.region, %error, "a finding about the queue is not written down");
                return;
            }
        }
        self.reach.told(&word);
    }

    /// Shows people what could be neither delivered nor taken. What cannot be written down now is said after the
    /// next count.
    async fn count_dead_letters(&mut self) {
        let now = self.clock.now();
        let Some(dead) = &mut self.dead else { return };
        if !dead.is_due(now) {
            return;
        }
        let count = match self.source.count(&dead.url).await {
            Ok(Some(count)) => Count::Lie(count),
            Ok(None) => Count::Unknown { why: "the answer names no number".to_owned() },
            Err(why) => Count::Unknown { why: in_one_line(&why) },
        };
        if !dead.is_news(&count) {
            return;
        }
        for name in self.intake.applications().keys() {
            let (application, finding) = (name.clone(), dead.finding(&count));
            if let Err(why) = self.intake.command(Command::Finding { application, finding }).await {
                warn!(region = %self.region, %why, "a finding about dead letters is not written down");
                return;
            }
        }
        dead.told(count);
    }

    /// Shows people what AWS says.
    async fn show(&self, about: &str, says: &str) -> Result<(), String> {
        let _alone = self.showing.lock().await;
        warn!(region = %self.region, about, says, "AWS says");
        let finding = words::finding(about, says);
        for name in self.intake.applications().keys() {
            let has_room =
                |known: &Progress| words::has_room(known.applications.get(name), &finding.id);
            if self.intake.known(has_room) {
                self.say(name, Ok(finding.clone())).await?;
            }
        }
        Ok(())
    }

    /// Takes away what was shown for long enough. What cannot be written down now is tried again after
    /// the next look.
    async fn forget(&self) {
        let now = self.clock.now();
        for name in self.intake.applications().keys() {
            let over = self.intake.known(|known| {
                known
                    .applications
                    .get(name)
                    .map(|state| words::over(state, now))
                    .unwrap_or_default()
            });
            for id in over {
                if let Err(error) = self.say(name, Err(id)).await {
                    warn!(region = %self.region, error, "a finding is not taken away");
                    return;
                }
            }
        }
    }

    async fn say(
        &self,
        application: &ApplicationName,
        finding: Result<Finding, String>,
    ) -> Result<(), String> {
        let application = application.clone();
        let said = self.intake.command(Command::Finding { application, finding }).await;
        said.map(drop).map_err(|why| why.to_string())
    }

    /// A queue that answers at once although it was asked to wait must not make this loop spin. A
    /// clock that did not move at all is a test's: waiting for it would be for ever.
    async fn brake(&self, asked_at: Timestamp, got_at: Timestamp) {
        let took = got_at.duration_since(asked_at);
        if took > SignedDuration::ZERO && took < PAUSE_MIN {
            self.clock.sleep(PAUSE_MIN).await;
        }
    }

    /// Does with each message what becomes of it.
    async fn part(&self, messages: &[Received], fates: &[Fate]) -> Result<(), Stalled> {
        let (mut done, mut kept) = (Vec::new(), false);
        for (message, fate) in messages.iter().zip(fates) {
            match fate {
                Fate::Keep => kept = true,
                Fate::Delete => done.push(message),
                Fate::Postpone(secs) => {
                    if let Err(why) = self.source.hide(&message.receipt, *secs).await {
                        self.comes_again(&message.id, &why.to_string());
                    }
                }
            }
        }
        if !done.is_empty() {
            match self.source.delete(&done).await {
                Ok(left) => left.iter().for_each(|(id, why)| self.comes_again(id, why)),
                Err(why) => {
                    let why = why.to_string();
                    done.iter().for_each(|message| self.comes_again(&message.id, &why));
                }
            }
        }
        if kept { Err(Stalled) } else { Ok(()) }
    }

    /// It finds its key taken, or its refusal recorded.
    fn comes_again(&self, message: &str, why: &str) {
        warn!(region = %self.region, message, why, "a message comes again");
    }

    async fn decide(&self, message: &Received) -> Fate {
        let now = self.clock.now();
        let verdict = self.intake.known(|known| {
            judge(&message.body, &self.rules, now, |key, asked| {
                known.answered(key, Some(asked)).map(|holder| holder.is_some())
            })
        });
        let (what, settled) = match verdict {
            Verdict::Repeated => (String::new(), Settled::Done),
            Verdict::Refuse { what, because } => {
                let is_late = matches!(because, Reason::Late { .. });
                let cause = if is_late { Cause::Late } else { Cause::Wrong };
                (what, Settled::Refused { because: because.to_string(), cause })
            }
            Verdict::Start { request, asked } => {
                let what = format!("start `{}`", request.runbook);
                let start = self.intake.request(*request, None, Some(asked));
                let started = self.hold(message, start).await;
                (what, settle(started))
            }
            Verdict::Propose { request, expires_at, because, asked } => {
                let what = format!("propose `{}`", request.runbook);
                let id = id_of(request.dedupe_key.as_deref().unwrap_or(&message.id));
                // Planned once, so that nobody is offered what could not start.
                let proposed = match self.intake.plan(&request) {
                    Err(rejected) => Some(Err(rejected)),
                    Ok(_) => {
                        let asked = Some(asked);
                        let propose = Command::Propose { id, request, expires_at, because, asked };
                        self.hold(message, self.intake.command(propose)).await
                    }
                };
                (what, settle(proposed))
            }
            Verdict::Nudge { dedupe_key, about, says, heed, asked } => {
                // First: whoever nudges again finds the key taken.
                if let (Some(says), true) = (&says, heed)
                    && let Err(why) = self.show(&about, says).await
                {
                    return self.settled(message, "nudge", Settled::Stalled(why)).await;
                }
                let (id, source) = (id_of(&dedupe_key), self.rules.principal.clone());
                let asked = Some(asked);
                let nudge = Command::Nudge { id, dedupe_key, source, about, says, asked };
                let nudged = self.hold(message, self.intake.command(nudge)).await;
                ("nudge".to_owned(), settle(nudged))
            }
        };
        self.settled(message, &what, settled).await
    }

    /// What becomes of a message that was taken in, or was not.
    async fn settled(&self, message: &Received, what: &str, settled: Settled) -> Fate {
        match settled {
            Settled::Done => {
                debug!(message = message.id, what, "taken");
                Fate::Delete
            }
            Settled::NotNow(why) => {
                info!(message = message.id, what, why, "not now");
                Fate::Postpone(NOT_NOW_SECS)
            }
            Settled::Stalled(why) => {
                warn!(message = message.id, what, why, "nobody can take the message");
                Fate::Keep
            }
            Settled::Refused { because, cause } => {
                self.refuse(message, what.to_owned(), because, cause).await
            }
        }
    }

    async fn refuse(
        &self,
        message: &Received,
        what: String,
        because: String,
        cause: Cause,
    ) -> Fate {
        let now = self.clock.now();
        let note = self.audit().look(&message.id, cause, now);
        match note {
            Note::Known => return Fate::Delete,
            Note::Full => return Fate::Postpone(AUDIT_FULL_SECS),
            Note::New => {}
        }
        warn!(region = %self.region, message = message.id, what, because, "refused");
        let who = format!("event:{}", self.rules.principal);
        let what = format!("{what} (message {})", message.id);
        let record = Command::Refused { who, what, because };
        match settle(self.hold(message, self.intake.command(record)).await) {
            Settled::Done => {
                self.audit().recorded(&message.id, cause);
                Fate::Delete
            }
            Settled::Refused { .. } | Settled::NotNow(_) | Settled::Stalled(_) => Fate::Keep,
        }
    }

    fn audit(&self) -> std::sync::MutexGuard<'_, Audit> {
        self.audit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the journal, and holds the message for longer as long as that takes. `None` when it
    /// took too long; the answer may still come, and the next delivery will find it.
    async fn hold<T>(&self, message: &Received, work: impl Future<Output = T>) -> Option<T> {
        let mut work = std::pin::pin!(work);
        for _ in 0..HOLDS_MAX {
            tokio::select! {
                biased;
                done = &mut work => return Some(done),
                () = self.clock.sleep(HOLD) => {
                    if self.source.hide(&message.receipt, source::VISIBLE_SECS).await.is_err() {
                        warn!(message = message.id, "a message in work cannot be held for longer");
                    }
                }
            }
        }
        None
    }
}

/// Neither the queue nor the journal answers: wait before anything is read again.
struct Stalled;

fn pause(failures: u32) -> SignedDuration {
    let doubled = PAUSE_MIN.saturating_mul(1 << failures.saturating_sub(1).min(6));
    doubled.min(PAUSE_MAX)
}

/// The id of a notice, from its key: the same after a crash as before it.
fn id_of(key: &str) -> RunId {
    const ALL: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let hash = Sha256::digest(key.as_bytes());
    let text: String = std::iter::once('q')
        .chain(hash.iter().take(11).map(|byte| char::from(ALL[usize::from(*byte) % ALL.len()])))
        .collect();
    text.parse().expect("a letter and eleven letters or digits are a run id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_grows_and_has_an_end() {
        let secs: Vec<i64> = (1..=9).map(|failures| pause(failures).as_secs()).collect();
        assert_eq!(secs, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(pause(u32::MAX), PAUSE_MAX);
    }

    #[test]
    fn one_key_has_one_id() {
        assert_eq!(id_of("queue/a"), id_of("queue/a"));
        assert_ne!(id_of("queue/a"), id_of("queue/b"));
    }
}
