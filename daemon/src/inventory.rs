//! Looks at what protects every application, every five minutes, and writes down what is wrong.
//!
//! One application after the other, the regions of each side by side; the lists of a region serve all
//! applications of a round. What was seen is a sample: the last one is kept in memory with the instant
//! at which it was asked for, and nothing of it is ever shown without that. Only findings are facts.

mod due;
mod measure;
mod peak;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{application::Application, name::ApplicationName};
use muster_state::{catalog::Finding, command::Command, progress::ApplicationState};
use tokio::sync::watch;
use tracing::warn;

use crate::{
    intake::Intake,
    world::{
        World,
        inventory::{
            Inventory,
            judge::{Judged, KINDS, Known, judge},
            objectives::{Evidence, Measured},
            readiness::{Actor, Point, Ready, checklist},
        },
    },
};

pub use due::due;
use measure::Measurements;
use peak::Peaks;

/// How often everything is looked at. What it finds is a matter of hours, and each round costs calls.
pub const LOOK_EVERY: SignedDuration = SignedDuration::from_mins(5);

/// For how long something new must be seen: longer than a reading may show the past (proofs, faults).
const CERTAIN_AFTER: SignedDuration = SignedDuration::from_secs(120);

/// The last look at one application.
#[derive(Debug)]
pub struct Look {
    /// What was seen.
    pub seen: Inventory,
    /// What follows from it.
    pub judged: Judged,
    /// What earlier runs have measured.
    pub measured: Measured,
    /// Whether the other side could take over, point by point, and since when each stands as it does. That
    /// is counted from this process's first look on.
    pub checklist: Vec<(Point, Timestamp)>,
}

/// The last look at each application. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Looks(Arc<Mutex<BTreeMap<ApplicationName, Arc<Look>>>>);

impl Looks {
    /// The last look at an application, if anybody has looked.
    pub fn last(&self, name: &ApplicationName) -> Option<Arc<Look>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Keeps a look, and forgets the one before.
    pub fn keep(&self, name: &ApplicationName, look: Look) {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        looks.insert(name.clone(), Arc::new(look));
    }
}

/// Since when each finding that is not written down has been seen.
type Doubts = BTreeMap<(ApplicationName, String), Timestamp>;

/// Looks until the future is dropped. The first look waits until somebody has seen from where the
/// applications are served, because what must be where follows from that.
pub async fn watch(intake: Intake, world: Arc<World>, mut located: watch::Receiver<bool>) {
    // Without anybody who looks there is nothing to wait for.
    let _ = located.wait_for(|located| *located).await;
    let mut doubts = Doubts::new();
    let mut measured = Measurements::default();
    let mut peaks = Peaks::default();
    loop {
        let since = intake.clock().now();
        measured.go_on(intake.journal()).await;
        // Before any list is asked for: a point that comes while they are read is not missing.
        let before: BTreeMap<ApplicationName, BTreeSet<String>> = intake.known(|known| {
            let states = known.applications.iter();
            states
                .map(|(name, state)| (name.clone(), state.points.keys().cloned().collect()))
                .collect()
        });
        let applications: Vec<&Application> = intake.applications().values().collect();
        for application in applications {
            let name = &application.name;
            // A failover must not share its region's patience with anybody.
            if intake.known(|known| crate::watch::is_moving(known, name)) {
                continue;
            }
            let seen = world.inventory(application, since).await;
            let mut judged = judge_now(&intake, application, &seen, before.get(name));
            let measured = measured.of(name);
            let points = check_now(&intake, application, &seen, &judged, &measured);
            judged.take_in(&points);
            write_down(&intake, name, &judged, &mut doubts).await;
            note_peaks(&intake, application, &seen, &mut peaks).await;
            let checklist = dated(&intake, name, points);
            intake.looks().keep(name, Look { seen, judged, measured, checklist });
        }
        intake.clock().sleep(LOOK_EVERY).await;
    }
}

/// Judges what was seen next to what is known at this moment.
fn judge_now(
    intake: &Intake,
    application: &Application,
    seen: &Inventory,
    before: Option<&BTreeSet<String>>,
) -> Judged {
    let name = &application.name;
    let none = BTreeSet::new();
    let due = due(intake.schedules(), intake.library(), name, intake.clock().now());
    let own = intake.schedules().iter().filter(|one| one.application.as_ref() == Some(name));
    let schedules: Vec<_> = own
        .filter_map(|schedule| Some((schedule, intake.library().get(&schedule.runbook)?)))
        .collect();
    intake.known(|known| {
        let nothing = ApplicationState::default();
        let state = known.applications.get(name).unwrap_or(&nothing);
        let open_runs = known.runs.keys().map(ToString::to_string).collect();
        let known = Known {
            application,
            active: state.active.as_ref().map(|active| &active.region),
            points: &state.points,
            before: before.unwrap_or(&none),
            open_runs: &open_runs,
            schedules: &schedules,
            due,
        };
        judge(seen, &known)
    })
}

/// Writes down how strong workloads are where they serve.
async fn note_peaks(
    intake: &Intake,
    application: &Application,
    seen: &Inventory,
    peaks: &mut Peaks,
) {
    let now = intake.clock().now();
    let (active, known) = intake.known(|known| {
        let state = known.applications.get(&application.name);
        let active = state.and_then(|state| state.active.as_ref());
        let peaks = state.map(|state| state.peaks.clone()).unwrap_or_default();
        (active.map(|active| active.region.clone()), peaks)
    });
    for command in peaks.take_in(application, active.as_ref(), seen, &known, now) {
        if let Err(error) = intake.command(command).await {
            warn!(application = %application.name, %error, "how strong it is could not be written down; at the next look again");
        }
    }
}

/// Judges whether the other side could take over now.
fn check_now(
    intake: &Intake,
    application: &Application,
    seen: &Inventory,
    judged: &Judged,
    measured: &Measured,
) -> Vec<Point> {
    let now = intake.clock().now();
    let actor = Actor {
        lease: intake.lease(),
        shipped: intake.shipping().last(),
        runs_in: intake.runs_in().cloned(),
        pages: intake.pages().of(&application.name),
    };
    intake.known(|known| {
        let nothing = ApplicationState::default();
        let state = known.applications.get(&application.name).unwrap_or(&nothing);
        let evidence = Evidence {
            application,
            active: state.active.as_ref().map(|active| &active.region),
            seen: Some(seen),
            points: &state.points,
            measured,
            now,
        };
        checklist(&Ready { known: &evidence, judged, peaks: &state.peaks, actor: &actor })
    })
}

/// Since when each point stands as it does: as long as every look so far has seen it so.
fn dated(intake: &Intake, name: &ApplicationName, points: Vec<Point>) -> Vec<(Point, Timestamp)> {
    let (now, last) = (intake.clock().now(), intake.looks().last(name));
    let before = |point: &Point| {
        let mut all = last.iter().flat_map(|look| &look.checklist);
        let same = all.find(|(one, _)| one.id == point.id && one.standing == point.standing);
        same.map_or(now, |(_, since)| *since)
    };
    let dated = points.into_iter().map(|point| {
        let at = before(&point);
        (point, at)
    });
    dated.collect()
}

/// Opens what has been wrong for long enough, and closes what is no longer. What cannot be told stays as
/// it was.
async fn write_down(intake: &Intake, name: &ApplicationName, judged: &Judged, doubts: &mut Doubts) {
    let now = intake.clock().now();
    doubts.retain(|(of, id), _| of != name || judged.open.contains_key(id));
    let standing: Vec<String> = intake.known(|known| {
        let state = known.applications.get(name);
        state.map(|state| state.findings.keys().cloned().collect()).unwrap_or_default()
    });
    let mut changes: Vec<Result<Finding, String>> = Vec::new();
    for (id, finding) in &judged.open {
        let since = *doubts.entry((name.clone(), id.clone())).or_insert(now);
        if standing.contains(id) || now.duration_since(since) >= CERTAIN_AFTER {
            changes.push(Ok(finding.clone()));
        }
    }
    let is_over = |id: &&String| {
        is_of_inventory(id) && !judged.open.contains_key(*id) && !judged.unknown.contains(*id)
    };
    changes.extend(standing.iter().filter(is_over).cloned().map(Err));
    for finding in changes {
        let command = Command::Finding { application: name.clone(), finding };
        if let Err(error) = intake.command(command).await {
            warn!(application = %name, %error, "what was seen could not be written down; at the next look again");
        }
    }
}

fn is_of_inventory(id: &str) -> bool {
    id.split_once('/').is_some_and(|(kind, _)| KINDS.contains(&kind))
}
