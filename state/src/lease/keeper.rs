//! Taking the lease, renewing it, and standing down: what to ask of its storage next, and what follows
//! from the answer. Without clock and I/O, as the engine is.

use jiff::SignedDuration;

use super::{Granted, Lease, Mark, Missing, Moment, Record, Terms};

/// How soon it is asked again after no answer.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(1);

/// The most writes without an answer that are remembered.
const TRIES_MAX: usize = 32;

/// What is to be asked of the storage.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ask {
    /// What stands there?
    Read,
    /// Write this if nobody else has written since.
    Write {
        /// What.
        record: Record,
        /// On which condition.
        only: Condition,
    },
}

/// When a write takes effect (facts §4, conditional writes).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Condition {
    /// Nothing stands there.
    Absent,
    /// What stands there has this tag.
    Matches(String),
}

/// What the storage answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// This stands there.
    Found {
        /// What.
        record: Record,
        /// Its tag.
        tag: String,
    },
    /// Nothing stands there.
    Absent,
    /// It was written.
    Written {
        /// Its tag.
        tag: String,
    },
    /// Somebody else has written meanwhile; nothing was done.
    Conflict,
    /// No answer, or none that can be used. A write may have taken effect.
    Failed {
        /// What happened.
        because: String,
    },
}

/// What this process has of its own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Own {
    /// The epoch that its journal knows.
    pub epoch: u64,
    /// The lease that its journal knows.
    pub granted: Option<Granted>,
    /// Where its journal ends.
    pub mark: Mark,
}

/// How a mark fits the journal here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fit {
    /// It is a place in it.
    Known,
    /// It lies beyond its end.
    Beyond,
    /// The chain is another one there, or cannot be read.
    Other,
}

/// Keeps one lease for one process.
#[derive(Clone, Debug)]
pub struct Keeper {
    terms: Terms,
    holder: String,
    process: String,
    stage: Stage,
    /// When the storage is asked again, by the steady clock.
    due: SignedDuration,
    /// The writes since the last answer to one: any of them may have taken effect.
    tries: Vec<Moment>,
    /// What stands there by somebody else, and since when it is known to.
    seen: Option<Seen>,
    /// What the last answer forbids.
    refusal: Missing,
    /// Why there was no answer to the last question.
    trouble: Option<String>,
}

/// Where the lease is.
#[derive(Clone, Debug)]
enum Stage {
    /// With somebody else, with nobody, or unknown.
    Elsewhere,
    /// To be taken with the next write.
    Free { epoch: u64, only: Condition },
    /// Ours.
    Here(Hold),
    /// It was ours, and a write was refused: whose it is, the next look tells.
    Contested(Hold),
}

#[derive(Clone, Debug)]
struct Hold {
    epoch: u64,
    tag: String,
    /// Before the last write that took effect was sent. Its end counts from here, whatever the clock
    /// said when the answer came.
    sent: Moment,
    /// Whether the grant stands in the journal.
    is_durable: bool,
}

#[derive(Clone, Debug)]
struct Seen {
    tag: Option<String>,
    since: SignedDuration,
}

impl Keeper {
    /// A keeper that has asked nothing yet. `holder` names the machine and the state directory,
    /// `process` this process alone.
    pub fn new(terms: Terms, holder: String, process: String) -> Keeper {
        Keeper {
            terms,
            holder,
            process,
            stage: Stage::Elsewhere,
            due: SignedDuration::MIN,
            tries: Vec::new(),
            seen: None,
            refusal: Missing::Unasked,
            trouble: None,
        }
    }

    /// What is to be asked at this instant, if anything.
    pub fn due(&mut self, at: Moment, own: &Own) -> Option<Ask> {
        if at.steady < self.due {
            return None;
        }
        let (epoch, only) = match &self.stage {
            Stage::Elsewhere | Stage::Contested(_) => return Some(Ask::Read),
            Stage::Free { epoch, only } => (*epoch, only.clone()),
            Stage::Here(hold) => (hold.epoch, Condition::Matches(hold.tag.clone())),
        };
        let record = Record {
            epoch,
            holder: self.holder.clone(),
            process: self.process.clone(),
            until: at.wall + self.terms.length,
            journal: own.mark.clone(),
        };
        if self.tries.len() >= TRIES_MAX {
            self.tries.remove(0);
        }
        self.tries.push(at);
        Some(Ask::Write { record, only })
    }

    /// Takes an answer in. `sent` is the instant before the question left, `fits` says how a mark fits
    /// the journal here.
    pub fn heard(
        &mut self,
        at: Moment,
        sent: Moment,
        ask: &Ask,
        answer: Answer,
        own: &Own,
        fits: impl FnOnce(&Mark) -> Fit,
    ) {
        self.trouble = None;
        match (answer, ask) {
            (Answer::Written { tag }, Ask::Write { record, .. }) => self.written(record, tag, sent),
            (Answer::Found { record, tag }, _) if record.process == self.process => {
                self.found_own(at, &record, tag);
            }
            (Answer::Found { record, tag }, _) => {
                let fit = fits(&record.journal);
                self.found_other(at, &record, tag, own, fit);
            }
            (Answer::Absent, _) => self.found_nothing(at, own),
            (Answer::Conflict, _) => {
                self.stage = match std::mem::replace(&mut self.stage, Stage::Elsewhere) {
                    Stage::Here(hold) | Stage::Contested(hold) => Stage::Contested(hold),
                    Stage::Elsewhere | Stage::Free { .. } => Stage::Elsewhere,
                };
                self.due = at.steady;
            }
            (Answer::Failed { because }, _) => self.failed(at, because),
            (Answer::Written { .. }, Ask::Read) => {
                self.failed(at, "a look was answered as if it were a write".to_owned());
            }
        }
    }

    fn failed(&mut self, at: Moment, because: String) {
        self.trouble = Some(because);
        self.due = at.steady + AGAIN_AFTER.min(self.terms.length / 10);
        // Whether it was taken with the write that got no answer, only a look tells.
        if matches!(self.stage, Stage::Free { .. }) {
            self.stage = Stage::Elsewhere;
        }
    }

    fn written(&mut self, record: &Record, tag: String, sent: Moment) {
        let is_durable = matches!(&self.stage, Stage::Here(hold) if hold.is_durable);
        self.tries.clear();
        self.seen = None;
        self.stage = Stage::Here(Hold { epoch: record.epoch, tag, sent, is_durable });
        self.due = sent.steady + self.terms.length / 3;
    }

    /// A write of ours took effect although no answer came. Which one, its end tells.
    fn found_own(&mut self, at: Moment, record: &Record, tag: String) {
        let before = match &self.stage {
            Stage::Here(hold) | Stage::Contested(hold) => Some(hold.clone()),
            Stage::Elsewhere | Stage::Free { .. } => None,
        };
        let is_it = |sent: &&Moment| sent.wall + self.terms.length == record.until;
        let landed = self.tries.iter().rev().find(is_it).copied();
        let Some(sent) = landed.or(before.as_ref().map(|hold| hold.sent)) else {
            // Too long ago to be known: it counts as over, and the next write renews it.
            let long_ago = Moment { steady: at.steady - self.terms.length, ..at };
            return self.hold(at, record.epoch, tag, long_ago, false);
        };
        let is_durable = before.is_some_and(|hold| hold.is_durable && hold.epoch == record.epoch);
        self.hold(at, record.epoch, tag, sent, is_durable);
    }

    fn hold(&mut self, at: Moment, epoch: u64, tag: String, sent: Moment, is_durable: bool) {
        self.seen = None;
        self.due = (sent.steady + self.terms.length / 3).max(at.steady);
        self.stage = Stage::Here(Hold { epoch, tag, sent, is_durable });
    }

    fn found_other(&mut self, at: Moment, record: &Record, tag: String, own: &Own, fit: Fit) {
        self.stage = Stage::Elsewhere;
        self.due = at.steady + self.terms.length / 3;
        let since = self.stands_since(at, Some(&tag));
        match fit {
            Fit::Beyond => {
                let (ends_at, knows) = (own.mark.sequence, record.journal.sequence);
                self.refusal = Missing::Behind { ends_at, knows };
                return;
            }
            Fit::Other => {
                self.refusal = Missing::Apart { at: record.journal.sequence };
                return;
            }
            Fit::Known => {}
        }
        // The process before this one, which had this same state directory to itself.
        let ours = Granted { epoch: record.epoch, holder: self.holder.clone() };
        let is_predecessor = record.holder == self.holder && own.granted == Some(ours);
        let Terms { length, longest_call, .. } = self.terms;
        // By the holder's end and by our own patience: neither machine's clock has to be right.
        let waits = (record.until + longest_call)
            .duration_since(at.wall)
            .max(since + length + longest_call - at.steady);
        if is_predecessor || waits <= SignedDuration::ZERO {
            let epoch = record.epoch.max(own.epoch) + 1;
            self.stage = Stage::Free { epoch, only: Condition::Matches(tag) };
            self.refusal = Missing::Unasked;
            self.due = at.steady;
            return;
        }
        self.due = self.due.min(at.steady + waits);
        let (holder, until) = (record.holder.clone(), record.until);
        self.refusal = Missing::Taken { holder, until, free_at: at.wall + waits };
    }

    /// Where a lease is missing that somebody had, its holder may not know yet.
    fn found_nothing(&mut self, at: Moment, own: &Own) {
        self.stage = Stage::Elsewhere;
        self.due = at.steady + self.terms.length / 3;
        let since = self.stands_since(at, None);
        let other = own.granted.as_ref().filter(|granted| granted.holder != self.holder);
        let waits = since + self.terms.length + self.terms.longest_call - at.steady;
        match other.filter(|_| waits > SignedDuration::ZERO) {
            Some(Granted { holder, .. }) => {
                let free_at = at.wall + waits;
                self.refusal = Missing::Taken { holder: holder.clone(), until: at.wall, free_at };
                self.due = self.due.min(at.steady + waits);
            }
            None => {
                self.stage = Stage::Free { epoch: own.epoch + 1, only: Condition::Absent };
                self.refusal = Missing::Unasked;
                self.due = at.steady;
            }
        }
    }

    fn stands_since(&mut self, at: Moment, tag: Option<&str>) -> SignedDuration {
        let same = self.seen.as_ref().filter(|seen| seen.tag.as_deref() == tag);
        let since = same.map_or(at.steady, |seen| seen.since);
        self.seen = Some(Seen { tag: tag.map(str::to_owned), since });
        since
    }

    /// The epoch of a lease that is ours and not yet in the journal. Nothing is sent under it before
    /// [`Keeper::granted`] says that it is.
    pub fn ungranted(&self) -> Option<Granted> {
        match &self.stage {
            Stage::Here(Hold { epoch, is_durable: false, .. }) => {
                Some(Granted { epoch: *epoch, holder: self.holder.clone() })
            }
            Stage::Here(_) | Stage::Elsewhere | Stage::Free { .. } | Stage::Contested(_) => None,
        }
    }

    /// The grant of an epoch is durable. It is renewed at once, so that the lease knows a journal that
    /// has it: no other one does.
    pub fn granted(&mut self, granted: u64) {
        if let Stage::Here(Hold { epoch, is_durable, .. }) = &mut self.stage
            && *epoch == granted
        {
            *is_durable = true;
            self.due = SignedDuration::MIN;
        }
    }

    /// Whether this process may act at an instant, and why not.
    pub fn lease(&self, at: Moment) -> Lease {
        let acts = self.terms.length - self.terms.margin;
        let because = |trouble: &String| Missing::Unreadable { because: trouble.clone() };
        let missing = match &self.stage {
            Stage::Here(Hold { is_durable: false, .. }) | Stage::Contested(_) => Missing::Unasked,
            Stage::Here(Hold { epoch, sent, .. }) => {
                // Whichever clock says sooner: one may have been set back, and the other stands still
                // while a virtual machine does.
                let left = sent.steady + acts - at.steady;
                if left > SignedDuration::ZERO {
                    let acts_until = (sent.wall + acts).min(at.wall + left);
                    return Lease::Held { epoch: *epoch, acts_until };
                }
                let over = Missing::Ended { at: at.wall + left };
                self.trouble.as_ref().map_or(over, because)
            }
            Stage::Elsewhere | Stage::Free { .. } => match (&self.refusal, &self.trouble) {
                // What is known to be somebody else's stays so while nobody can look.
                (Missing::Taken { free_at, .. }, Some(trouble)) if *free_at <= at.wall => {
                    because(trouble)
                }
                (Missing::Unasked, Some(trouble)) => because(trouble),
                (refusal, _) => refusal.clone(),
            },
        };
        Lease::Missing(missing)
    }

    /// When the storage is asked next, by the steady clock.
    pub fn asks_at(&self) -> SignedDuration {
        self.due
    }
}

#[cfg(test)]
mod tests;
