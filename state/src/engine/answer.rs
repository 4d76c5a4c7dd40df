//! What an answer of the world justifies: an event, another look, a begin, or a person.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    action::Reach,
    name::{RunId, StepId},
    plan::{Part, Step},
    request::Manner,
};
use serde_json::Value;

use super::{
    Engine, Output, Reply, Sight,
    finding::{finding_id, stands_until_it_passes},
};
use crate::{
    approval,
    call::{Answer, CallError, Done, Progress},
    catalog::{Finding, PointChange},
    decide::risk_of,
    event::{ApplicationEvent, Entry, Event, RunEvent},
    run::{PauseCause, Run},
    step::{Attempt, Change, Fault, StepState},
};

/// For how long a reading may show the past (proofs, faults). An aimed action that must not be
/// sent twice is watched for so long before a person is asked.
const STALE_READS_MAX: SignedDuration = SignedDuration::from_secs(120);

/// How long a begin that nothing is seen of is waited for before it is sent again, where sending it
/// again is harmless.
const RESEND_AFTER: SignedDuration = SignedDuration::from_secs(15);

/// The most last looks that may stay unanswered before the attempt is judged without one.
const LAST_LOOKS_MAX: u32 = 5;

/// What follows from an answer.
enum Verdict {
    /// These facts.
    Record(Vec<Entry>),
    /// Look again at the usual pace.
    Nap,
    /// Look again, a little later each time.
    BackOff,
    /// Begin it now.
    Begin,
    /// A person must look at this first.
    Gate(String),
}

/// The open attempt that an answer is about.
struct Open {
    place: usize,
    attempt: Attempt,
    last: bool,
}

impl Engine {
    pub(super) fn seen(&mut self, now: Timestamp, sight: Sight, out: &mut Vec<Output>) {
        let Some(open) = self.landed(&sight.run, &sight.step, sight.attempt) else {
            return self.seen_again(now, sight, out);
        };
        let Some(run) = self.known.runs.get(&sight.run) else { return };
        let step = run.at(open.place).0;
        let overtaken = open.attempt.manner == Manner::Graceful
            && run.manner == Manner::Forced
            && step.forced.is_some();
        let verdict = match sight.reading {
            Ok(reading) => {
                match overtaken.then(|| supersede(run, step, &open, &reading.progress)).flatten() {
                    Some(entries) => Verdict::Record(entries),
                    None => self.judge(now, run, step, &open, reading.progress, reading.read_at),
                }
            }
            Err(error) if overtaken && open.attempt.action.spec().reach == Reach::Reads => {
                Verdict::Record(vec![superseded(run, step, &open, &error.to_string())])
            }
            Err(error) => self.failed_look(run, step, &open, &error),
        };
        self.carry_out(now, &sight.run, &open, verdict, out);
    }

    /// A prediction that people are deciding on was made anew. One that could not be made leaves the last
    /// one standing, which grows older.
    fn seen_again(&mut self, now: Timestamp, sight: Sight, out: &mut Vec<Output>) {
        let Some(run) = self.known.runs.get(&sight.run) else { return };
        let Some(place) = run.position(&sight.step) else { return };
        let (step, state) = run.at(place);
        let is_it =
            matches!(state, StepState::Succeeded { attempt, .. } if *attempt == sight.attempt);
        if !is_it || !approval::is_decided_on(run, place) || self.lease.stands_down().is_some() {
            return;
        }
        let looks = self.looks.entry(sight.run.clone()).or_default();
        let look = looks.entry(place).or_default();
        match sight.reading.map(|reading| reading.progress) {
            Ok(Progress::Done(done)) => {
                look.misses = 0;
                let outputs = Arc::new(done.outputs);
                let again = Change::SeenAgain { attempt: sight.attempt, outputs };
                let entry = changed(run, step, again);
                self.record(now, entry, out);
            }
            Ok(
                Progress::InProgress { .. }
                | Progress::NotStarted { .. }
                | Progress::Failed { .. }
                | Progress::Refused { .. }
                | Progress::Foreign { .. },
            )
            | Err(_) => look.back_off(now, place),
        }
    }

    pub(super) fn answered(&mut self, now: Timestamp, reply: Reply, out: &mut Vec<Output>) {
        let Some(open) = self.landed(&reply.run, &reply.step, reply.attempt) else { return };
        let Some(run) = self.known.runs.get(&reply.run) else { return };
        let step = run.at(open.place).0;
        let number = open.attempt.number;
        let is_aimed = open.attempt.action.spec().reach.aims();
        let mut is_unbegun = false;
        let verdict = match reply.answer {
            Ok(Answer::Accepted) if is_aimed && open.attempt.begun_at.is_none() => {
                Verdict::Record(vec![changed(run, step, Change::Begun { attempt: number })])
            }
            Ok(Answer::Accepted) => Verdict::Nap,
            Ok(Answer::Done(done)) => {
                Verdict::Record(self.succeeded(run, step, &open.attempt, done))
            }
            Ok(Answer::Failed { reason }) => {
                Verdict::Record(failed(run, step, &open.attempt, Fault::Failed { reason }))
            }
            Ok(Answer::Busy { .. }) => {
                is_unbegun = true;
                Verdict::BackOff
            }
            Err(CallError::NoAnswer { .. }) => Verdict::BackOff,
            Err(refused @ CallError::Refused { .. }) => {
                let fault = Fault::Refused { reason: refused.to_string() };
                Verdict::Record(failed(run, step, &open.attempt, fault))
            }
            Err(error @ CallError::Credentials { .. }) => {
                is_unbegun = true;
                Verdict::Gate(error.to_string())
            }
        };
        if let Some(look) =
            self.looks.get_mut(&reply.run).and_then(|looks| looks.get_mut(&open.place))
        {
            look.is_unbegun |= is_unbegun;
        }
        self.carry_out(now, &reply.run, &open, verdict, out);
    }

    /// Takes the call out of the air. An answer about an attempt that is no longer open is dropped.
    fn landed(&mut self, id: &RunId, step: &StepId, attempt: u32) -> Option<Open> {
        let run = self.known.runs.get(id)?;
        let place = run.position(step)?;
        let look = self.looks.get_mut(id)?.get_mut(&place)?;
        if look.attempt != attempt {
            return None;
        }
        look.in_flight = false;
        let StepState::Running(open) = run.at(place).1 else { return None };
        let last = look.asked_last;
        (open.number == attempt).then(|| Open { place, attempt: open.clone(), last })
    }

    fn judge(
        &self,
        now: Timestamp,
        run: &Run,
        step: &Step,
        open: &Open,
        progress: Progress,
        read_at: Timestamp,
    ) -> Verdict {
        let attempt = &open.attempt;
        if open.last && !matches!(progress, Progress::Done(_)) {
            let fault = Fault::TimedOut { seen: progress.to_string() };
            return Verdict::Record(failed(run, step, attempt, fault));
        }
        match progress {
            Progress::Done(done) => {
                let reach = attempt.action.spec().reach;
                if reach.aims() && attempt.aim.is_none() && attempt.begun_at.is_none() {
                    return already_so(run, step, attempt, &done);
                }
                Verdict::Record(self.succeeded(run, step, attempt, done))
            }
            Progress::InProgress { .. } => Verdict::Nap,
            Progress::NotStarted { before, targets } if read_at >= attempt.started_at => {
                self.not_started(now, run, step, open, before, targets)
            }
            Progress::NotStarted { .. } => Verdict::Nap,
            Progress::Failed { reason } => {
                Verdict::Record(retry_or_fail(now, run, step, attempt, reason))
            }
            Progress::Refused { reason } => {
                Verdict::Record(failed(run, step, attempt, Fault::Refused { reason }))
            }
            Progress::Foreign { saw } => Verdict::Gate(saw),
        }
    }

    /// Nothing can be seen of the work. Whether it may be begun depends on what is known to have
    /// been sent, and on what sending it twice would do.
    fn not_started(
        &self,
        now: Timestamp,
        run: &Run,
        step: &Step,
        open: &Open,
        before: Value,
        targets: Vec<String>,
    ) -> Verdict {
        let attempt = &open.attempt;
        let Some(look) = self.looks.get(&run.id).and_then(|looks| looks.get(&open.place)) else {
            return Verdict::Nap;
        };
        let held_back = self.holds_back(now, run, open.place);
        // Undo and finally run because the run was given up, and so does what closes something; only
        // its other steps end with it.
        let ends = run.abandoned.is_some() && step.part == Part::Steps && !step.always;
        if held_back || ends {
            return Verdict::Nap;
        }
        let reach = attempt.action.spec().reach;
        match (reach, &attempt.aim) {
            (Reach::Reads | Reach::Inside, _) => Verdict::Nap,
            (Reach::Once | Reach::SetLike, None) => {
                let number = attempt.number;
                Verdict::Record(vec![changed(
                    run,
                    step,
                    Change::Aimed { attempt: number, before, targets },
                )])
            }
            (Reach::Once, Some(_)) if look.is_unbegun => Verdict::Begin,
            // "Not started" after it was begun is no answer: it is a reading of the past.
            (Reach::Once, Some(_)) if attempt.begun_at.is_some() => Verdict::Nap,
            (Reach::Once, Some(aim)) if now.duration_since(aim.at) < STALE_READS_MAX => {
                Verdict::Nap
            }
            (Reach::Once, Some(aim)) => Verdict::Gate(format!(
                "`{}` was aimed at {} and nothing of it can be seen; it may have been sent. Look: retry \
                 it if it was not, mark it done if it was, and resume",
                step.id, aim.at
            )),
            (Reach::SetLike | Reach::Named | Reach::Repeatable, _) => {
                let sent_at = look.sent_at.max(attempt.begun_at).filter(|_| !look.is_unbegun);
                let waits = sent_at.is_some_and(|sent| now.duration_since(sent) < RESEND_AFTER);
                if waits { Verdict::Nap } else { Verdict::Begin }
            }
        }
    }

    fn failed_look(&self, run: &Run, step: &Step, open: &Open, error: &CallError) -> Verdict {
        match error {
            CallError::NoAnswer { .. } => {
                let look = self.looks.get(&run.id).and_then(|looks| looks.get(&open.place));
                let misses = look.map_or(0, |look| look.last_misses);
                if open.last && misses + 1 >= LAST_LOOKS_MAX {
                    let fault = Fault::TimedOut { seen: error.to_string() };
                    return Verdict::Record(failed(run, step, &open.attempt, fault));
                }
                Verdict::BackOff
            }
            CallError::Refused { .. } => {
                let fault = Fault::Refused { reason: error.to_string() };
                Verdict::Record(failed(run, step, &open.attempt, fault))
            }
            CallError::Credentials { .. } => Verdict::Gate(error.to_string()),
        }
    }

    fn carry_out(
        &mut self,
        now: Timestamp,
        id: &RunId,
        open: &Open,
        verdict: Verdict,
        out: &mut Vec<Output>,
    ) {
        let stands_down = self.lease.stands_down().is_some();
        let is_durable = self.is_durable(id);
        let looks = self.looks.entry(id.clone()).or_default();
        let look = looks.entry(open.place).or_default();
        match verdict {
            // Another process acts, and sees for itself.
            _ if stands_down => look.nap(now, &open.attempt.action),
            Verdict::Record(entries) => {
                look.begin_next = entries.iter().any(is_aim) && !entries.iter().any(is_pause);
                look.wake_at = None;
                if entries.iter().any(is_begun) {
                    look.nap(now, &open.attempt.action);
                }
                for entry in entries {
                    self.record(now, entry, out);
                }
            }
            Verdict::Nap => look.nap(now, &open.attempt.action),
            Verdict::BackOff => {
                look.last_misses += u32::from(open.last);
                look.back_off(now, open.place);
            }
            // What allows it, such as the end of a pause, is on its way to the disk; it may not arrive.
            Verdict::Begin if !is_durable => {
                look.begin_next = true;
                look.wake_at = None;
            }
            Verdict::Begin => {
                look.in_flight = true;
                look.sent_at = Some(now);
                look.is_unbegun = false;
                if let Some(call) = self.call(now, id, open.place) {
                    out.push(Output::Begin(Box::new(call)));
                }
            }
            Verdict::Gate(saw) => {
                look.back_off(now, open.place);
                let stands = |run: &Run| {
                    run.pauses.iter().any(|cause| matches!(cause, PauseCause::Gate { .. }))
                };
                if self.known.runs.get(id).is_some_and(|run| !stands(run)) {
                    let event = RunEvent::Paused { cause: PauseCause::Gate { saw } };
                    self.record(now, Entry::run(id, event), out);
                }
            }
        }
    }

    /// The facts of a good end: the step's own, and what it means for the application.
    fn succeeded(&self, run: &Run, step: &Step, attempt: &Attempt, done: Done) -> Vec<Entry> {
        let number = attempt.number;
        let mut entries: Vec<Entry> = done
            .notes
            .iter()
            .map(|text| RunEvent::Noted { by: step.id.to_string(), text: text.clone() })
            .map(|event| Entry::run(&run.id, event))
            .collect();
        if let Some(risk) = risk_of(&attempt.action, &done.outputs) {
            entries.push(changed(
                run,
                step,
                Change::Held { attempt: number, risk, outputs: Arc::new(done.outputs) },
            ));
            return entries;
        }
        if let Some(application) = run.application() {
            let consequences = self.consequences(run, step, &attempt.action, &done);
            let may = |change: &PointChange| self.may_record(run, application, change);
            let counted = step.component.as_ref().filter(|_| !done.rows.is_empty());
            let counted = counted.map(|database| ApplicationEvent::RowsCounted {
                database: database.clone(),
                rows: done.rows,
            });
            let events = done.points.into_iter().filter(may).map(point_event).chain(counted);
            let events = events.chain(consequences);
            let events = events.chain(self.leaks(run, &attempt.action, done.findings));
            entries.extend(events.map(|event| Entry::application(application, event)));
        }
        entries.push(changed(
            run,
            step,
            Change::Succeeded { attempt: number, outputs: Arc::new(done.outputs) },
        ));
        entries
    }
}

fn point_event(change: PointChange) -> ApplicationEvent {
    match change {
        PointChange::Recorded(point) => ApplicationEvent::PointRecorded { point },
        PointChange::Marked { id, because } => ApplicationEvent::PointMarked { id, because },
        PointChange::Deleted { id } => ApplicationEvent::PointDeleted { id },
    }
}

fn changed(run: &Run, step: &Step, change: Change) -> Entry {
    Entry::run(&run.id, RunEvent::Step { step: step.id.clone(), change })
}

fn is_aim(entry: &Entry) -> bool {
    matches!(&entry.event, Event::Run(RunEvent::Step { change: Change::Aimed { .. }, .. }))
}

fn is_pause(entry: &Entry) -> bool {
    matches!(&entry.event, Event::Run(RunEvent::Paused { .. }))
}

fn is_begun(entry: &Entry) -> bool {
    matches!(&entry.event, Event::Run(RunEvent::Step { change: Change::Begun { .. }, .. }))
}

/// The facts of a bad end. A check that fails is a finding of the application until it passes.
fn failed(run: &Run, step: &Step, attempt: &Attempt, fault: Fault) -> Vec<Entry> {
    let mut entries = Vec::new();
    let is_check = stands_until_it_passes(&attempt.action);
    if let (true, Some(application)) = (is_check, run.application()) {
        let finding = Finding {
            id: finding_id(step),
            message: format!("check `{}` fails: {fault}", step.id),
            hint: format!("{}; `muster status {}` shows the run", step.title, run.id),
        };
        entries.push(Entry::application(application, ApplicationEvent::FindingOpened { finding }));
    }
    entries.push(changed(run, step, Change::Failed { attempt: attempt.number, fault }));
    entries
}

/// Only a definite failure allows another attempt.
fn retry_or_fail(
    now: Timestamp,
    run: &Run,
    step: &Step,
    attempt: &Attempt,
    reason: String,
) -> Vec<Entry> {
    let number = attempt.number;
    if number < step.attempts && attempt.action.spec().reach != Reach::Once {
        let retry_at = now + SignedDuration::from_secs(10 << number.min(5));
        return vec![changed(run, step, Change::Delayed { attempt: number, reason, retry_at })];
    }
    failed(run, step, attempt, Fault::Exhausted { attempts: number, reason })
}

/// The work is done although this run never began it: somebody else's hand, or a plan of the past.
/// What was found is written down as the aim, so that the run accepts it once a person has looked.
fn already_so(run: &Run, step: &Step, attempt: &Attempt, done: &Done) -> Verdict {
    let saw = format!("`{}`: it is so already, and this attempt has not asked for it", step.id);
    let before = Value::Object(done.outputs.clone().into_iter().collect());
    let aimed = Change::Aimed { attempt: attempt.number, before, targets: Vec::new() };
    let gate = RunEvent::Paused { cause: PauseCause::Gate { saw } };
    Verdict::Record(vec![changed(run, step, aimed), Entry::run(&run.id, gate)])
}

fn superseded(run: &Run, step: &Step, open: &Open, seen: &str) -> Entry {
    let change = Change::Superseded { attempt: open.attempt.number, seen: seen.to_owned() };
    changed(run, step, change)
}

/// The run was forced while this attempt was open. Done is done, and an operation that is still in
/// progress at the target keeps being watched; anything else makes room for the forced variant.
fn supersede(run: &Run, step: &Step, open: &Open, progress: &Progress) -> Option<Vec<Entry>> {
    let only_looks = open.attempt.action.spec().reach == Reach::Reads;
    match progress {
        Progress::Done(_) => None,
        Progress::InProgress { .. } | Progress::Foreign { .. } if !only_looks => None,
        // A check that waits has begun nothing, and what it waits for may be what was given up.
        Progress::InProgress { .. }
        | Progress::Foreign { .. }
        | Progress::NotStarted { .. }
        | Progress::Failed { .. }
        | Progress::Refused { .. } => {
            Some(vec![superseded(run, step, open, &progress.to_string())])
        }
    }
}
