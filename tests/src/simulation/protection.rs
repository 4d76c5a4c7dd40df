//! Weeks of protection: schedules ring, points are held, clocks jump, and every minute somebody
//! looks for what the clock promised.

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use muster::{
    schedule::due,
    world::sim::{Fault, Lost, Sim, SnapshotFact},
};
use muster_runbooks::{
    application::Retention,
    name::{ComponentName, Region, RunId},
    request::{Manner, Mode, Trigger},
    schedule::{self, Schedule},
    value::Span,
};
use muster_state::{
    command::{Command, Keep, Refusal, Steer},
    overdue,
};

use super::{
    Cut, Happening, Simulation,
    cast::{LIBRARY, SHOP, dawn, dora, home, id, olga, standby},
    chance::Chance,
    disk::Disk,
    scenario::{Act, Scenario, Start},
    watch::Watch,
};

/// How long it goes on where months matter.
const DAYS: i64 = 40;

/// How long it goes on under most seeds: long enough for every point of the first days to be marked and
/// deleted, and for half of what forty days cost.
const FEW_DAYS: i64 = 18;

/// Which seeds go on for forty days.
const LONG_EVERY: u64 = 8;

/// Nothing goes wrong any more in the last days, so that everything has caught up at the end, and of forty
/// days the last month begins quietly.
const fn disturbed_days(days: i64) -> i64 {
    if days == DAYS { 28 } else { days - 10 }
}

/// A process is down for so long at most.
const STOP_MAX: SignedDuration = SignedDuration::from_hours(72);

/// How often somebody looks for what is overdue. The daemon does it every minute.
const PATROLS_EVERY: SignedDuration = SignedDuration::from_mins(60);

/// What is overdue is written down within so long, clocks that are an hour apart included.
const FOUND_WITHIN: SignedDuration = SignedDuration::from_mins(150);

/// Clocks are at most so far apart.
const SKEW_MAX: SignedDuration = SignedDuration::from_hours(1);

const SCHEDULES: &str = r#"
- { id: daily-backup, runbook: daily-backup, application: shop, cron: "0 2 * * *", catch_up: run-once, start_within: 1h, complete_within: 10h }
- { id: expire-recovery-points, runbook: expire-recovery-points, application: shop, cron: "0 12 * * *" }
"#;

static RINGS: LazyLock<Vec<Schedule>> =
    LazyLock::new(|| schedule::parse("protection", SCHEDULES).expect("the schedules are sound"));

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

/// Forty days without any trouble.
pub fn quiet() -> Scenario {
    days(DAYS)
}

fn days(days: i64) -> Scenario {
    // It is over when the script is, so its last line is what everything waits for.
    let end = hours(24 * days) + hours(4);
    Scenario {
        horizon: hours(24 * (days + 4)),
        schedules: RINGS.clone(),
        ..Scenario::new("protection", vec![(end, Act::HealAll)])
    }
}

/// On the tenth day a failover begins a minute before the expiry, and somebody lets that go on
/// beside it.
pub fn moving() -> Scenario {
    let noon = hours(24 * 10 + 11);
    let failover = Act::Start(Start {
        runbook: "region-failover",
        id: id('f', 1),
        manner: Manner::Graceful,
        mode: Mode::Live,
        due_at: None,
        inputs: std::collections::BTreeMap::new(),
    });
    let (by, reason) = (olga(), "it is only an expiry".to_owned());
    let resume = Command::Steer { run: moved_expiry(), by, reason, steer: Steer::Resume };
    let minute = SignedDuration::from_mins(1);
    let soon = SignedDuration::from_secs(5);
    quiet().and(noon - minute, failover).and(noon + soon, Act::Say(Box::new(resume)))
}

/// The expiry that [`moving`] is about.
pub fn moved_expiry() -> RunId {
    id('e', 24 * 10 + 11)
}

/// Days and weeks, disturbed but for the last ones in ways that the seed chooses.
pub fn disturbed(seed: u64) -> Scenario {
    let mut chance = Chance::new(seed.wrapping_mul(77));
    let length = if seed.is_multiple_of(LONG_EVERY) { DAYS } else { FEW_DAYS };
    let disturbed_days = disturbed_days(length);
    let mut scenario = days(length);
    let at = |chance: &mut Chance| {
        // Not before the first backup: what nobody has seen come due was promised by nobody.
        SignedDuration::from_mins(
            120 + chance.below((disturbed_days.unsigned_abs() * 24 - 2) * 60) as i64,
        )
    };
    for _ in 0..4 + chance.below(6) {
        let fault = chance.pick(&faults()).clone();
        scenario = scenario.and(at(&mut chance), Act::Inject(fault));
    }
    for _ in 0..chance.below(3) {
        let region = if chance.happens(50) { home() } else { standby() };
        let lost = *chance.pick(&[Lost::Everything, Lost::ControlPlane, Lost::Connections]);
        let from = at(&mut chance);
        let to = from + hours(1 + chance.below(60) as i64);
        let outage = Act::Inject(Fault::Outage { region: region.clone(), lost });
        scenario = scenario.and(from, outage).and(to, Act::Heal(region));
    }
    for _ in 0..chance.below(3) {
        let most = STOP_MAX.as_mins().unsigned_abs() - 10;
        let length = SignedDuration::from_mins(10 + chance.below(most) as i64);
        scenario = scenario.and(at(&mut chance), Act::Stop(length));
    }
    for _ in 0..chance.below(3) {
        let skew = SignedDuration::from_mins(chance.below(121) as i64 - 60);
        scenario = scenario.and(at(&mut chance), Act::Skew(skew));
    }
    for _ in 0..chance.below(4) {
        let but = chance.below(8) as usize;
        scenario = scenario.and(at(&mut chance), Act::Hold { but });
    }
    if chance.happens(50) {
        scenario = scenario.and(at(&mut chance), Act::Release);
    }
    if chance.happens(20) {
        let off = Command::Off { by: dora(), reason: "a test".to_owned() };
        let from = at(&mut chance);
        scenario = scenario.and(from, Act::Say(Box::new(off)));
    }
    let calm = hours(24 * disturbed_days) + hours(1);
    let on = Command::On { by: dora(), reason: "all is well".to_owned() };
    let calmed =
        [Act::HealAll, Act::Skew(SignedDuration::ZERO), Act::Release, Act::Say(Box::new(on))];
    // Whoever is down just then hears it when he is back.
    let scenario = scenario.and(calm + STOP_MAX, Act::Release);
    calmed.into_iter().fold(scenario, |scenario, act| scenario.and(calm, act))
}

fn faults() -> Vec<Fault> {
    let rds = Some("rds");
    vec![
        Fault::Throttled { service: rds, region: None, length: Span::from_hours(3) },
        Fault::Throttled { service: rds, region: Some(home()), length: Span::from_mins(20) },
        Fault::Silence { region: standby(), length: Span::from_mins(100) },
        Fault::ReplyLost { operation: None, calls: 3, applied: true },
        Fault::ReplyLost { operation: None, calls: 3, applied: false },
        Fault::ReplyLost { operation: Some("DeleteDBClusterSnapshot"), calls: 2, applied: true },
        Fault::ReplyLost { operation: Some("DeleteSnapshot"), calls: 2, applied: true },
        Fault::ReplyLost { operation: Some("DeleteObject"), calls: 2, applied: true },
        Fault::StaleReads { by: Span::from_secs(120), length: Span::from_hours(30) },
        Fault::CopyStuck { length: Span::from_hours(5) },
        Fault::SnapshotFails { times: 4 },
        Fault::CredentialsExpired { length: Span::from_mins(40) },
    ]
}

impl Simulation {
    /// What the process's own clock shows.
    pub(super) fn clock(&self) -> Timestamp {
        self.now + self.skew
    }

    /// Whatever may have come due while no process ran is looked at, and the patrol begins.
    pub(super) fn arm_bells(&mut self) {
        for schedule in 0..self.scenario.schedules.len() {
            self.put(self.now, Happening::Ring { schedule });
        }
        let patrols = |happening: &Happening| matches!(happening, Happening::Patrol);
        if !self.scenario.schedules.is_empty() && !self.agenda.has(patrols) {
            self.put(self.now + PATROLS_EVERY, Happening::Patrol);
        }
    }

    /// As the daemon's own planner: what was missed is written down, what is due is started.
    pub(super) fn ring(&mut self, place: usize) -> Result<(), Cut> {
        if self.engine.is_none() {
            return Ok(());
        }
        let schedule = self.scenario.schedules[place].clone();
        let now = self.clock();
        let last = self.disk.progress().schedules.get(&schedule.id).and_then(|one| one.last_due);
        let started_at = self.up_since + self.skew;
        let since = self.alive_at.map_or(started_at, |alive_at| alive_at.min(started_at));
        let due = due(&schedule, last.unwrap_or(since - SignedDuration::from_secs(1)), now);
        if let Some(next) = schedule.next(now) {
            let late = SignedDuration::from_millis(self.chance.below(1_000) as i64);
            self.put(next.due_at - self.skew + late, Happening::Ring { schedule: place });
        }
        for (due_at, because) in due.missed {
            let schedule = schedule.id.clone();
            self.say(Command::Missed { schedule, due_at, because }, false)?;
        }
        let Some(occurrence) = due.start else { return Ok(()) };
        let letter = if place == 0 { 'b' } else { 'e' };
        let day = occurrence.due_at.duration_since(dawn()).as_hours().unsigned_abs();
        let start = Start {
            runbook: if place == 0 { "daily-backup" } else { "expire-recovery-points" },
            id: id(letter, day),
            manner: Manner::Graceful,
            mode: Mode::Live,
            due_at: Some(occurrence.due_at),
            inputs: std::collections::BTreeMap::new(),
        };
        let command = start.command(&self.scenario.applications[0], &self.disk.progress());
        self.say(command, true)
    }

    /// A scheduled request that is refused for good is written down as missed, as the daemon does.
    pub(super) fn give_up(&mut self, command: &Command, refusal: &Refusal) {
        let Command::Admit(admission) = command else { return };
        let Trigger::Schedule { schedule, due_at } = &admission.request.trigger else { return };
        if self.scenario.schedules.is_empty() || matches!(refusal, Refusal::OccurrenceTaken { .. })
        {
            return;
        }
        let (schedule, due_at, because) = (schedule.clone(), *due_at, refusal.to_string());
        self.say_next(Command::Missed { schedule, due_at, because });
    }

    /// Looks for what the clock promised, as the daemon does every minute, and checks that what is
    /// really missing is written down.
    pub(super) fn patrol(&mut self) -> Result<(), Cut> {
        self.put(self.now + PATROLS_EVERY, Happening::Patrol);
        if self.engine.is_none() {
            return Ok(());
        }
        let (now, schedules) = (self.clock(), &self.scenario.schedules);
        let changes = overdue::changes(schedules, &LIBRARY, &SHOP, &self.disk.progress(), now);
        if self.now.duration_since(self.up_since) > FOUND_WITHIN {
            self.watch.found(self.now, &self.scenario.schedules, &self.sim, &self.disk);
        }
        for finding in changes {
            self.say(Command::Finding { application: SHOP.name.clone(), finding }, false)?;
        }
        Ok(())
    }

    pub(super) fn protect(&mut self, act: Act) -> Result<(), Cut> {
        match act {
            Act::Stop(length) => {
                self.down_for = Some(length);
                Err(Cut)
            }
            Act::Skew(skew) => {
                self.skew = skew;
                // What was to wake it then wakes it now: a clock that jumps is noticed.
                self.woken_at = Some(self.now + skew);
                self.put(self.now, Happening::Wake { at: self.now + skew });
                self.arm_bells();
                Ok(())
            }
            Act::Hold { but } => {
                let point = {
                    let known = self.disk.progress();
                    let state = known.applications.get(&SHOP.name);
                    let mut points: Vec<_> =
                        state.map(|state| state.points.values()).into_iter().flatten().collect();
                    points.sort_by_key(|point| (point.data_time, &point.id));
                    points.get(but).map(|point| point.id.clone())
                };
                let Some(point) = point else { return Ok(()) };
                self.keep(point, true)
            }
            Act::Release => {
                let held: Vec<String> = {
                    let known = self.disk.progress();
                    let state = known.applications.get(&SHOP.name);
                    let points = state.map(|state| state.points.values()).into_iter().flatten();
                    let held = points.filter(|point| !point.holds.is_empty());
                    held.map(|point| point.id.clone()).collect()
                };
                held.into_iter().try_for_each(|point| self.keep(point, false))
            }
            Act::Start(_)
            | Act::Leave(_)
            | Act::Sleep(_)
            | Act::Dark(_)
            | Act::Say(_)
            | Act::Inject(_)
            | Act::Heal(_)
            | Act::HealAll
            | Act::Crash => Ok(()),
        }
    }

    fn keep(&mut self, point: String, holds: bool) -> Result<(), Cut> {
        let (by, reason) = (olga(), "an audit".to_owned());
        let keep = Keep { point, name: "case-7".to_owned(), by, reason, holds };
        self.say(Command::Keep { application: SHOP.name.clone(), keep }, holds)
    }
}

/// How long the points of a component are kept.
fn retention(name: &ComponentName) -> Option<Retention> {
    let databases = SHOP.databases.iter().map(|one| (&one.name, one.retention));
    let caches = SHOP.caches.iter().map(|one| (&one.name, one.retention));
    let exports = SHOP.workloads.iter().map(|one| (&one.name, one.exports.retention));
    let mut all = databases.chain(caches).chain(exports);
    all.find(|(known, _)| *known == name).map(|(_, retention)| retention)
}

/// The calendar month of an instant.
fn month(at: Timestamp) -> i32 {
    let date = at.to_zoned(TimeZone::UTC).date();
    i32::from(date.year()) * 12 + i32::from(date.month())
}

impl Watch {
    /// I7 beyond the newest three: nobody held it, its data was old enough, it was not the first of a
    /// month that the policy keeps, and not the newest that was proven.
    pub(super) fn protected(&mut self, now: Timestamp, sim: &Sim, disk: &Disk, arn: &str) {
        let known = disk.progress();
        let points = known.applications.get(&SHOP.name).map(|state| &state.points);
        let Some(point) = points.and_then(|points| points.get(arn)) else {
            return self.fail("I7", format!("{arn} is deleted, and nobody knows of it"));
        };
        let all = sim.truth().points(now);
        let Some(gone) = all.iter().find(|one| one.arn == arn) else { return };
        let Some(retention) = retention(&gone.of.1) else {
            return self.fail("I7", format!("{arn} is deleted, and is of nothing that is known"));
        };
        let moves = known.runs.values().find(|run| {
            // What was on its way when it began could not be called back.
            let began = now.duration_since(run.admitted_at) > SignedDuration::from_secs(30);
            run.is_live_failover() && run.application() == Some(&SHOP.name) && began
        });
        self.check("I7", moves.is_none(), || {
            format!("{arn} is deleted while the application moves")
        });
        self.check("I7", point.holds.is_empty(), || format!("{arn} is deleted, and was held"));
        let age = now.duration_since(gone.data_time) + SKEW_MAX;
        let old = age > retention.keep_for.duration();
        self.check("I7", old, || format!("{arn} is deleted with data of {}", gone.data_time));
        let of = month(gone.data_time);
        let kept = month(now + SKEW_MAX) - of < i32::try_from(retention.monthly).unwrap_or(0);
        let older = |one: &&SnapshotFact| {
            let is_known = points.is_some_and(|points| points.contains_key(&one.arn));
            let same = one.of == gone.of && one.region == gone.region && one.is_available;
            is_known && same && month(one.data_time) == of && one.data_time < gone.data_time
        };
        let is_first = all.iter().find(older).is_none();
        self.check("I7", !(kept && is_first), || format!("{arn} was the first of its month"));
        let marked_at = point.marked_at.map(|at| now.duration_since(at) + SKEW_MAX + SKEW_MAX);
        let waited = marked_at.is_some_and(|stood| stood >= hours(22));
        self.check("I7", waited, || format!("{arn} was marked {:?}", point.marked_at));
    }

    /// What is really missing is written down: no backup of the newest occurrence that should have
    /// one by now. And what is in the catalogue is as old as it really is (the data-time rule).
    fn found(&mut self, now: Timestamp, schedules: &[Schedule], sim: &Sim, disk: &Disk) {
        let known = disk.progress();
        let Some(state) = known.applications.get(&SHOP.name) else { return };
        let all = sim.truth().points(now);
        for fact in &all {
            let Some(point) = state.points.get(&fact.arn) else { continue };
            self.check("data time", point.data_time == fact.data_time, || {
                format!("{} is of {}, not of {}", fact.arn, fact.data_time, point.data_time)
            });
        }
        let backup = &schedules[0];
        let allowed = backup.start_within.duration()
            + backup.complete_within.map_or(SignedDuration::ZERO, Span::duration);
        let Some(due) = backup.last(now - allowed - FOUND_WITHIN) else { return };
        if due.due_at < dawn() {
            return;
        }
        for database in &SHOP.databases {
            let is_one = |one: &&SnapshotFact| {
                one.of.1 == database.name
                    && one.is_available
                    && one.data_time >= due.due_at - SKEW_MAX
            };
            let is_missing = all.iter().find(is_one).is_none();
            let id = format!("backup-missing/{}", database.name);
            let is_found = state.findings.contains_key(&id);
            self.check("missing backup", !is_missing || is_found, || {
                format!("{} has no backup since {}, and nobody was told", database.name, due.due_at)
            });
        }
    }

    /// How many occurrences were recorded as missed.
    pub fn occurrences_missed(&self) -> usize {
        self.missed.len()
    }

    /// After the quiet days: every occurrence ran or was missed, once; nothing is left that the
    /// policy lets go; nothing is missing and nothing is said to be.
    pub fn protected_at_the_end(&mut self, simulation: &Simulation) {
        let (now, schedules) = (simulation.now, &simulation.scenario.schedules);
        for schedule in schedules {
            // What came due in the second of the last look may be on its way.
            for one in schedule.occurrences(dawn(), now - hours(2), 1_000) {
                let key = (format!("schedule/{}", schedule.id), one.due_at);
                let known = self.due.contains_key(&key) || self.missed.contains_key(&key);
                self.check("I20", known, || {
                    format!("{} of {} is neither run nor missed", one.due_at, schedule.id)
                });
            }
        }
        let known = simulation.disk.progress();
        let Some(state) = known.applications.get(&SHOP.name) else {
            return self.fail("protection", "nothing was ever backed up".to_owned());
        };
        let kinds = ["backup-missing/", "missed/", "too-long/"];
        let standing: Vec<&String> = state
            .findings
            .keys()
            .filter(|id| kinds.iter().any(|kind| id.starts_with(kind)))
            .collect();
        self.check("findings", standing.is_empty(), || {
            format!("{standing:?} after the quiet days")
        });
        let both = [home(), standby()];
        // A cache is saved where it is written, and nowhere else.
        let written = state.active.as_ref().map_or_else(home, |active| active.region.clone());
        let databases = SHOP.databases.iter().map(|one| (&one.name, &both[..]));
        let caches = SHOP.caches.iter().map(|one| (&one.name, std::slice::from_ref(&written)));
        let exports = SHOP.workloads.iter().map(|one| (&one.name, &both[..]));
        for (name, regions) in databases.chain(caches).chain(exports) {
            let monthly = retention(name).map_or(0, |retention| retention.monthly);
            for region in regions {
                let (left, wanted) = (left(simulation, name, region), wanted(now, monthly));
                self.check("policy", left == wanted, || {
                    let points = state.points.values();
                    let here = points.filter(|one| one.region == *region && one.component == *name);
                    let all: Vec<_> =
                        here.map(|point| (&point.id, point.data_time, point.marked_at)).collect();
                    format!("{name} in {region} keeps {left:?}, not {wanted:?}: {all:?}")
                });
            }
        }
    }
}

/// How many days back the oldest data is that the policy of 72 hours leaves at five in the morning:
/// it is marked at noon when it is 82 hours old, and deleted a day later.
const DAYS_LEFT: i64 = 4;

/// The days whose data a component has in a region, after how many older ones.
fn left(simulation: &Simulation, name: &ComponentName, region: &Region) -> Vec<String> {
    let known = simulation.disk.progress();
    let points = known.applications.get(&SHOP.name).map(|state| state.points.values());
    let mut days: Vec<String> = points
        .into_iter()
        .flatten()
        .filter(|point| point.component == *name && point.region == *region)
        .map(|point| point.data_time.to_zoned(TimeZone::UTC).date().to_string())
        .collect();
    days.sort();
    // Which was the first of a month depends on what went wrong at its beginning.
    let recent =
        (simulation.now - hours(24 * DAYS_LEFT)).to_zoned(TimeZone::UTC).date().to_string();
    let early = days.iter().filter(|day| **day < recent).count();
    days.retain(|day| *day >= recent);
    days.insert(0, format!("{early} before"));
    days
}

/// The same as the policy wants it: the last days, and the firsts of the months that it keeps.
fn wanted(now: Timestamp, monthly: u32) -> Vec<String> {
    let day = |back: i64| (now - hours(24 * back)).to_zoned(TimeZone::UTC).date().to_string();
    let months = month(now - hours(24 * DAYS_LEFT)) - month(dawn()) + 1;
    let mut days =
        vec![format!("{} before", months.min(i32::try_from(monthly).unwrap_or(i32::MAX)))];
    days.extend((0..=DAYS_LEFT).rev().map(day));
    days
}
