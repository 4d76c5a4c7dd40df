//! The invariants, checked on the world's own state and on what is durable, never on what the
//! engine believes.

mod answers;
mod builds;
mod hooks;
mod lock;
mod records;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use muster::world::sim::{Effect, RestoredFact, Sim};
use muster_runbooks::{
    action::{Action, Reach, control::Risk, restore::TestStatus},
    application::Application,
    name::{ApplicationName, Region, RunId, StepId},
    plan::{Part, Step},
    request::{Manner, Mode},
    value::Loss,
};
use muster_state::{
    call::{Call, Progress as Seen, Reading},
    command::Command,
    engine::Ticket,
    progress::Progress,
    run::{Outcome, Run},
    step::StepState,
};
use serde_json::Value;

use super::disk::Disk;

/// So many applications are looked at after each event.
const WATCHED_AT_ONCE: usize = 8;

/// Those whose turn it is.
fn few(applications: &[Application], turn: usize) -> impl Iterator<Item = &Application> {
    let count = applications.len().min(WATCHED_AT_ONCE);
    applications.iter().cycle().skip(turn).take(count)
}

/// Looks on, and remembers what must not be.
#[derive(Debug, Default)]
pub struct Watch {
    /// How often an invariant was checked.
    pub checks: u64,
    /// How many attempts at steps were promised.
    pub attempts: u64,
    /// How many approvals were given.
    pub approvals: u64,
    /// What must not be, and was.
    pub failures: Vec<String>,
    /// How the runs ended.
    pub outcomes: BTreeMap<RunId, Outcome>,
    /// The last words about each run: why it is where it is.
    pub last_words: BTreeMap<RunId, String>,
    /// What was noted in each run.
    pub notes: BTreeMap<RunId, Vec<String>>,
    /// Every status that any run durably had, by its word.
    pub statuses: BTreeSet<&'static str>,
    applications: Arc<[Application]>,
    /// The key of each one's lock.
    locks: BTreeMap<ApplicationName, String>,
    /// Whose turn it is to be looked at.
    turn: usize,
    effects: usize,
    counts: BTreeMap<(String, String), u32>,
    /// Runs for which a named person accepted that the fence is not proven.
    accepted: BTreeSet<RunId>,
    /// The seals that were opened, and the runs in which that was.
    seals: BTreeSet<String>,
    broken: BTreeSet<RunId>,
    /// Occurrences that became runs.
    pub(super) due: BTreeMap<(String, Timestamp), u32>,
    /// Occurrences that were recorded as missed.
    pub(super) missed: BTreeMap<(String, Timestamp), u32>,
    /// Dedupe keys that became runs.
    keys: BTreeMap<String, u32>,
    asked: BTreeMap<Ticket, Command>,
    looks: u64,
    end: u64,
}

impl Watch {
    /// Looks on while these are protected.
    pub fn over(applications: &Arc<[Application]>) -> Watch {
        Watch { applications: Arc::clone(applications), ..Watch::default() }
    }

    /// Whose marker an object is.
    fn marked_by(&self, object: &str) -> Option<&Application> {
        self.applications.iter().find(|one| {
            let marker = one.traffic.as_ref().map(|traffic| &traffic.marker);
            let key =
                marker.and_then(|marker| Some((object.strip_prefix(&*marker.bucket)?, marker)));
            key.is_some_and(|(rest, marker)| rest.strip_prefix('/') == Some(&marker.key))
        })
    }

    /// Something must not be.
    pub fn fail(&mut self, invariant: &str, what: String) {
        if self.failures.len() < 20 {
            self.failures.push(format!("{invariant}: {what}"));
        }
    }

    /// Whether something was wrong.
    pub fn has_failed(&self) -> bool {
        !self.failures.is_empty()
    }

    pub(super) fn check(&mut self, invariant: &str, holds: bool, what: impl FnOnce() -> String) {
        self.checks += 1;
        if !holds {
            self.fail(invariant, what());
        }
    }

    /// Whether somebody accepted for the run of a token that the fence is not proven.
    fn accepts(&self, token: &str) -> bool {
        self.accepted.contains(run_of(token))
    }

    /// I1: at no instant two writers of one database, unless a named person accepted that risk. Of many
    /// applications a few have their turn after each event: two writers do not go away within seconds.
    pub fn world(&mut self, now: Timestamp, sim: &Sim) {
        let truth = sim.truth();
        let applications = Arc::clone(&self.applications);
        self.turn = (self.turn + WATCHED_AT_ONCE) % applications.len().max(1);
        let databases = few(&applications, self.turn)
            .flat_map(|one| one.databases.iter().map(|database| (&one.name, &database.name)));
        for (application, database) in databases {
            let writers = || truth.writers(application, database, now);
            let excused = || {
                let mut unfenced = truth.losses(application, now).into_iter();
                unfenced.any(|loss| {
                    let own = loss.token.as_ref();
                    loss.fenced_at.is_none() && own.is_none_or(|token| self.accepts(token))
                })
            };
            let holds = writers().count() < 2 || excused();
            self.check("I1", holds, || {
                let regions: Vec<&Region> = writers().collect();
                format!("{database} of {application} takes writes in {regions:?} at {now}")
            });
        }
    }

    /// I4, I5, I9, I10, I11, I17, I22: before anything is begun, what is durable must allow it.
    pub fn begin(&mut self, call: &Call, disk: &Disk) {
        let known = disk.progress();
        let token = call.token.as_str();
        self.check("I17", call.mode == Mode::Live, || format!("{token} begins in {:?}", call.mode));
        self.check("I11", known.off.is_none(), || format!("{token} begins while all is off"));
        let Some(run) = known.runs.get(&call.run) else {
            return self.fail("I5", format!("{token} begins, and no run of it is durable"));
        };
        let state = run.state(&call.step);
        let promised = match state {
            Some(StepState::Running(attempt)) => {
                attempt.number == call.attempt
                    && attempt.action == call.action
                    && (attempt.aim.is_some() || !attempt.action.spec().reach.aims())
            }
            Some(_) | None => false,
        };
        self.check("I5", promised, || format!("{token} begins, and is not promised: {state:?}"));
        let part = run.plan.step(&call.step).map(|step| step.part);
        let stops = !run.pauses.is_empty() || run.is_paused() && !self::hooks::goes_on(run, call);
        let held = stops && part == Some(Part::Steps);
        self.check("I11", !held, || format!("{token} begins while its run is paused"));
        let once = call.action.spec().reach == Reach::Once;
        let begun = matches!(state, Some(StepState::Running(one)) if one.begun_at.is_some());
        self.check("I4", !(once && begun), || format!("{token} begins a second time"));
        self.gates(run, &call.step, token);
        // What tidies up behind a run that was given up is no failback.
        let goes_home = run.plan.runbook.as_str() == "region-failback" && part == Some(Part::Steps);
        if goes_home && call.action.spec().reach.mutates() {
            self.failback(run, token);
        }
        if call.action.spec().reach.mutates() && matches!(*call.action, Action::FailoverDatabase(_))
        {
            self.fence(run, token);
        }
    }

    /// I9: every approval that a step rests on was given by the people that it asks for.
    fn gates(&mut self, run: &Run, step: &StepId, token: &str) {
        let mut next: Vec<&StepId> = vec![step];
        let mut met = BTreeSet::new();
        while let Some(id) = next.pop() {
            let Some(step) = run.plan.step(id).filter(|_| met.insert(id.clone())) else { continue };
            next.extend(&step.needs);
            if step.task.action != "approval" {
                continue;
            }
            let passed = matches!(run.state(id), Some(StepState::Succeeded { .. }));
            let who: BTreeSet<&str> =
                run.approvers(id).into_iter().map(|approved| approved.by.as_str()).collect();
            let own = run.requesters.iter().any(|requester| who.contains(requester.as_str()));
            self.check("I9", passed && !who.is_empty() && !own, || {
                format!("{token} begins, and `{id}` was approved by {who:?}")
            });
        }
    }

    /// I22: nothing goes home before the lag in that direction was seen under its limit, somebody has looked
    /// for what home has that the other side has not, and a person has reviewed it.
    fn failback(&mut self, run: &Run, token: &str) {
        let asked_first = ["check-replication", "inventory-divergence", "gate"];
        let mut first = run
            .steps()
            // The hold point comes when everybody is home.
            .filter(|(step, _)| step.id.as_str() != "hold-point")
            .filter(|(step, _)| asked_first.contains(&step.task.action.as_str()))
            .map(|(_, state)| matches!(state, StepState::Succeeded { .. }))
            .peekable();
        let holds = first.peek().is_some() && first.all(|passed| passed);
        self.check("I22", holds, || format!("{token} begins before lag and review"));
    }

    /// I3: the old side is proven fenced, or a named person accepted that it is not.
    fn fence(&mut self, run: &Run, token: &str) {
        let is_fence = |step: &Step| step.task(run.manner).action == "fence";
        let fences: Vec<&StepState> =
            run.steps().filter(|(step, _)| is_fence(step)).map(|(_, state)| state).collect();
        let holds = run.manner == Manner::Forced
            && !fences.is_empty()
            && fences.into_iter().all(|state| {
                let proven = state.outputs().and_then(|outputs| outputs.get("verdict"));
                matches!(state, StepState::Succeeded { .. })
                    && (proven.and_then(Value::as_str) == Some("proven")
                        || run.accepted(Risk::UnprovenFence).is_some())
            });
        self.check("I3", holds, || format!("{token} promotes, and the old side is not fenced"));
    }

    /// I2, I4, I7: what calls really changed since the last look.
    pub fn effects(&mut self, now: Timestamp, sim: &Sim, disk: &Disk) {
        let truth = sim.truth();
        let fresh = &truth.effects()[self.effects..];
        self.effects = truth.effects().len();
        for effect in fresh {
            let times =
                self.counts.entry((effect.token.clone(), effect.object.clone())).or_default();
            *times += 1;
            let times = *times;
            self.check("I4", times == 1, || {
                format!("{} of {} happened {times} times", effect.operation, effect.token)
            });
            self.check("I17", effect.mode == Mode::Live, || format!("{} in a drill", effect.token));
            self.rebuilt(effect, sim, disk);
            if is_point(effect) {
                self.deletion(now, sim, &effect.object);
                self.protected(now, sim, disk, &effect.object);
            }
            if ["DeleteDBCluster", "DeleteDBInstance"].contains(&effect.operation) {
                self.removal(now, sim, &effect.token, &effect.object);
            }
            self.users(now, sim, effect);
        }
    }

    /// I2: users are sent nowhere where they are not served, while that could be known.
    fn users(&mut self, now: Timestamp, sim: &Sim, effect: &Effect) {
        let Some(application) = self.marked_by(&effect.object) else { return };
        let truth = sim.truth();
        let to = match effect.operation {
            "PutObject" => &application.standby,
            _ => &application.home,
        };
        let losses = truth.losses(&application.name, now);
        let by_stranger = losses.last().is_some_and(|loss| loss.token.is_none());
        let holds =
            by_stranger || !truth.is_well(to, now) || truth.serves(&application.name, to, now);
        let to = to.clone();
        self.check("I2", holds, || format!("users go to {to}, which does not serve"));
    }

    /// A stranger removed the marker: setting it again is no second effect but the first one anew.
    pub fn marker_is_lost(&mut self) {
        self.counts.retain(|(_, object), _| !object.ends_with("standby-serves"));
    }

    /// I7: three newer available points of the same component and region remain.
    fn deletion(&mut self, now: Timestamp, sim: &Sim, arn: &str) {
        let all = sim.truth().points(now);
        let Some(gone) = all.iter().find(|one| one.arn == arn) else { return };
        let newer = all.iter().filter(|one| {
            one.of == gone.of
                && one.region == gone.region
                && one.is_available
                && one.data_time >= gone.data_time
        });
        let newer = newer.count();
        self.check("I7", newer >= 3, || format!("{arn} is deleted; {newer} newer ones remain"));
    }

    /// I17: only what a drill owns is deleted, by the run that made it.
    fn removal(&mut self, now: Timestamp, sim: &Sim, token: &str, name: &str) {
        let all = sim.truth().restored(now);
        let gone = all.iter().find(|one| one.name == name);
        let holds =
            gone.is_some_and(|one| one.is_owned && one.run.as_deref() == Some(run_of(token)));
        self.check("I17", holds, || format!("{token} deletes `{name}`: {gone:?}"));
    }

    /// I13, I17: a clean-up that is said to have succeeded left nothing behind.
    fn clean_ups(&mut self, now: Timestamp, sim: &Sim, disk: &Disk) {
        let left = sim.truth().restored(now);
        for state in disk.progress().applications.values() {
            for point in state.points.values() {
                let Some(tested) = &point.tested else { continue };
                if tested.clean_up.status != TestStatus::Succeeded {
                    continue;
                }
                let of = |one: &&RestoredFact| {
                    one.is_there
                        && one.is_owned
                        && one.run.as_deref() == Some(tested.run.as_str())
                        && one.component.as_deref() == Some(point.component.as_str())
                };
                let leak = left.iter().find(of);
                self.check("I13", leak.is_none(), || format!("{tested:?} left {leak:?}"));
                let proven = tested.validation.status == TestStatus::Succeeded;
                self.check("I13", point.verified_at.is_none() || proven, || {
                    format!("{} is called verified, and no check proved it", point.id)
                });
            }
        }
    }

    /// I15: no loss is reported that is less than the true one.
    pub fn reading(&mut self, now: Timestamp, call: &Call, reading: &Reading, sim: &Sim) {
        let Seen::Done(done) = &reading.progress else { return };
        let said = done.outputs.get("data_loss").and_then(Value::as_str);
        let Some(Ok(Loss::AtMost(said))) = said.map(str::parse::<Loss>) else { return };
        let Some((component, binding)) = call.component.as_ref().zip(call.binding.as_ref()) else {
            return;
        };
        let application = &binding.application.name;
        let truth = sim.truth();
        let name = component.name();
        let promotes =
            matches!(*call.action, Action::FailoverDatabase(_) | Action::SwitchoverDatabase(_));
        let lost = if matches!(*call.action, Action::PredictLoss(_)) {
            truth.loss_now(application, name, now)
        } else if promotes {
            let own = |token: &Option<String>| token.as_deref() == Some(call.token.as_str());
            let losses = truth.losses(application, now).into_iter();
            losses.filter(|loss| own(&loss.token)).map(|loss| loss.lost).next_back()
        } else {
            None
        };
        let Some(lost) = lost else { return };
        self.check("I15", said.duration() >= lost, || {
            format!("{} says {said}, and {lost:#} is lost", call.token)
        });
    }

    /// I25: the engine's state is the fold of what is durable, when nothing is in between.
    pub fn live(&mut self, live: &Progress, disk: &Disk) {
        // Comparing everything each time would be most of the work.
        self.looks += 1;
        if !self.looks.is_multiple_of(16) {
            return;
        }
        self.check("I25", *live == *disk.progress(), || {
            "the live state is not the fold".to_owned()
        });
    }

    /// I14, I25: everything that is durable, folded anew, is what is known.
    pub fn replay(&mut self, disk: &Disk) {
        let same = disk.replayed() == *disk.progress();
        self.check("I25", same, || "a replay gives something else".to_owned());
    }

    /// I1 over the whole history, I12, I18 at its end.
    pub fn end(&mut self, now: Timestamp, sim: &Sim, disk: &Disk) {
        if disk.unsynced() == 0 {
            self.replay(disk);
        }
        self.clean_ups(now, sim, disk);
        self.stands_still(sim);
        for id in std::mem::take(&mut self.broken) {
            let finding = format!("break-glass/{id}");
            let known = disk.progress();
            let mut all = known.applications.values();
            let holds = all.any(|state| state.raised.contains_key(&finding));
            self.check("I9", holds, || format!("nobody reviews the glass of {id}"));
        }
        let open: Vec<String> = disk
            .progress()
            .runs
            .values()
            .map(|run| {
                let words = self.last_words.get(&run.id).cloned().unwrap_or_default();
                format!("{} {} is {}: {words}", run.plan.runbook, run.id, run.status())
            })
            .collect();
        self.check("I12", open.is_empty(), || open.join("; "));
        let locked = disk.progress().claims.keys().any(|key| key.starts_with("lock/"));
        self.check("I18", !locked || !open.is_empty(), || "the lock outlives its run".to_owned());
        let applications = Arc::clone(&self.applications);
        for loss in applications.iter().flat_map(|one| sim.truth().losses(&one.name, now)) {
            let accepted = loss.token.as_ref().is_none_or(|token| self.accepts(token));
            let holds = accepted || loss.overlap <= SignedDuration::ZERO;
            self.check("I1", holds, || format!("both sides took writes for {:#}", loss.overlap));
        }
    }
}

/// Whether it took a recovery point away, and not a marker of traffic.
fn is_point(effect: &Effect) -> bool {
    match effect.operation {
        "DeleteDBClusterSnapshot" | "DeleteSnapshot" => true,
        "DeleteObject" => effect.object.starts_with("arn:"),
        _ => false,
    }
}

/// The run in a token.
fn run_of(token: &str) -> &str {
    token.split('-').nth(1).unwrap_or_default()
}
