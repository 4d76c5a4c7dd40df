//! Whether a request becomes a run: one run per key, one exclusive run per application, and a live
//! failover goes first.

use std::sync::Arc;

use jiff::Timestamp;
use muster_runbooks::{
    name::{ApplicationName, RunId},
    plan::{Part, Plan},
    request::{Mode, Request, Trigger},
};

use crate::{
    child::Wanted,
    command::{Admission, Refusal},
    event::{Claim, Entry, Event, NoticeEvent, RunEvent, ScheduleEvent, Stream},
    freeze::is_change,
    progress::Progress,
    run::{PauseCause, Run},
};

/// The most runs that may be open at once.
pub const RUNS_OPEN_MAX: usize = 1_200;

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Admitted {
    /// A request with the same key was there before.
    Repeated(RunId),
    /// It becomes a run, by these facts and claims.
    Run {
        /// The facts.
        entries: Vec<Entry>,
        /// The claims that are taken with them.
        take: Vec<Claim>,
    },
}

/// Judges a request against everything that is known.
pub fn admit(known: &Progress, admission: &Admission, now: Timestamp) -> Result<Admitted, Refusal> {
    let Admission { id, request, plan: frozen, proposal, asked } = admission;
    if let Some(key) = &request.dedupe_key
        && let Some(holder) = known.answered(key, asked.as_deref())?
    {
        return Ok(Admitted::Repeated(holder.clone()));
    }
    if let Some(not_after) = request.not_after.filter(|not_after| *not_after < now) {
        return Err(Refusal::TooLate { not_after });
    }
    if known.off.is_some() && request.mode != Mode::Preview {
        return Err(Refusal::SwitchedOff);
    }
    if known.runs.len() >= RUNS_OPEN_MAX {
        return Err(Refusal::TooManyRuns { open: known.runs.len() });
    }
    let plan = frozen.thaw().map_err(|why| Refusal::BadPlan { because: why.to_string() })?;
    let application = plan.binding.as_ref().map(|binding| &binding.application.name);
    let parent = parent(known, request)?;
    // A move that a drill asks for is no emergency: it waits like a change.
    let for_practice = matches!(parent, Some((_, Wanted::Start(_)))) && plan.exclusive;
    let waits = plan.mode == Mode::Live && (is_change(&plan) || for_practice);
    if let Some(name) = application.filter(|_| waits)
        && let Some(frozen) = known.frozen(name, now)
    {
        let (because, until) = (frozen.because(), frozen.until());
        return Err(Refusal::Frozen { application: name.clone(), because, until });
    }
    let mut take = Vec::new();
    let mut entries = vec![Entry::run(
        id,
        RunEvent::Admitted { request: Arc::new(request.clone()), plan: frozen.clone() },
    )];
    if let Some(key) = &request.dedupe_key {
        take.push(Claim::dedupe(key, id, asked.clone()));
    }
    occurrence(known, request, id, &mut entries, &mut take)?;
    if let Some((run, _)) = parent
        && let Trigger::Run { step, .. } = &request.trigger
    {
        let event = RunEvent::ChildAdmitted { step: step.clone(), run: id.clone() };
        entries.push(Entry::run(&run.id, event));
    }
    if let Some(from) = proposal {
        let by = request.trigger.who();
        let open = known.proposals.get(from).filter(|proposal| proposal.expires_at >= now);
        open.ok_or_else(|| Refusal::UnknownProposal { id: from.clone() })?;
        entries.push(Entry {
            stream: Stream::Notice(from.clone()),
            event: Event::Notice(NoticeEvent::Taken { run: id.clone(), by }),
        });
    }
    if let Some(application) = application {
        precedence(known, application, &plan, admission, &mut entries, &mut take)?;
    }
    Ok(Admitted::Run { entries, take })
}

/// The run whose step wants what is asked for, and what it wants. A step's run is admitted once, while the step
/// waits for it, and its own run learns of it in one commit.
fn parent<'a>(
    known: &'a Progress,
    request: &Request,
) -> Result<Option<(&'a Run, Wanted<'a>)>, Refusal> {
    let Trigger::Run { run: parent, step, .. } = &request.trigger else { return Ok(None) };
    let unknown = || Refusal::UnknownRun { run: parent.clone() };
    let run = known.runs.get(parent).ok_or_else(unknown)?;
    let (what, because) = ("starting a run", format!("`{step}` waits for none"));
    let mut waits = run.wants_started().into_iter();
    let found =
        waits.find(|(waits, _)| waits.id == *step).ok_or(Refusal::NotNow { what, because })?;
    Ok(Some((run, found.1)))
}

/// Each due occurrence becomes at most one run (I20).
fn occurrence(
    known: &Progress,
    request: &Request,
    id: &RunId,
    entries: &mut Vec<Entry>,
    take: &mut Vec<Claim>,
) -> Result<(), Refusal> {
    let Trigger::Schedule { schedule, due_at } = &request.trigger else { return Ok(()) };
    let last_due = known.schedules.get(schedule).and_then(|state| state.last_due);
    if last_due.is_some_and(|last| last >= *due_at) {
        return Err(Refusal::OccurrenceTaken { schedule: schedule.clone() });
    }
    take.push(Claim::due(schedule, *due_at, id));
    entries.push(Entry {
        stream: Stream::Schedule(schedule.clone()),
        event: Event::Schedule(ScheduleEvent::Started { due_at: *due_at, run: id.clone() }),
    });
    Ok(())
}

/// Takes the application's lock and makes way for a live failover, or is made to wait by one.
fn precedence(
    known: &Progress,
    application: &ApplicationName,
    plan: &Plan,
    admission: &Admission,
    entries: &mut Vec<Entry>,
    take: &mut Vec<Claim>,
) -> Result<(), Refusal> {
    let id = &admission.id;
    if plan.mode == Mode::Preview {
        return Ok(());
    }
    let holder = known.claims.get(&Claim::lock_key(application)).map(|held| &held.holder);
    let holder = holder.and_then(|id| known.runs.get(id));
    if plan.exclusive {
        let gives_way = |holder: &Run| plan.mode == Mode::Live && holder.plan.mode == Mode::Drill;
        if let Some(holder) = holder.filter(|holder| !gives_way(holder)) {
            return Err(Refusal::Locked {
                application: application.clone(),
                by: holder.id.clone(),
            });
        }
        take.push(Claim::lock(application, id));
        if plan.mode == Mode::Live {
            let cause = PauseCause::Failover { run: id.clone() };
            // Whoever started it waits for it, and must not wait for it twice.
            let is_parent = |run: &Run| matches!(&admission.request.trigger, Trigger::Run { run: parent, .. } if *parent == run.id);
            let others = known.runs.values().filter(|run| {
                run.application() == Some(application)
                    && run.plan.mode != Mode::Preview
                    && !is_parent(run)
            });
            entries.extend(
                others.map(|run| Entry::run(&run.id, RunEvent::Paused { cause: cause.clone() })),
            );
        }
    } else if let Some(failover) = holder.filter(|holder| holder.is_live_failover())
        && changes(plan)
    {
        let cause = PauseCause::Failover { run: failover.id.clone() };
        entries.push(Entry::run(id, RunEvent::Paused { cause }));
    }
    Ok(())
}

fn changes(plan: &Plan) -> bool {
    plan.steps.iter().any(|step| {
        step.part == Part::Steps && step.task.spec().is_some_and(|spec| spec.reach.mutates())
    })
}
