//! What a run's own steps say about the recovery point that it tested. Pure: read from the states of the
//! steps, so that a test that failed, was given up or was cut short is judged by the same rule.

use jiff::Timestamp;
use muster_runbooks::{
    action::{
        Outputs, Reach,
        restore::{self, StampPoint, TestStatus},
    },
    name::ComponentName,
    plan::{Part, Step},
};
use serde_json::json;

use crate::{
    catalog::{Finding, Stamp, Tested},
    event::{ApplicationEvent, Entry},
    run::Run,
    step::StepState,
};

/// What a restore consists of.
const RESTORE: &[&str] = &["restore-cluster", "rotate-password", "start-instance"];

/// The facts that follow for the application: how the test went, and a finding that stands until a test
/// of the component goes well.
pub(crate) fn entries(run: &Run, place: usize, stamp: &StampPoint, now: Timestamp) -> Vec<Entry> {
    let (Some(application), Some(component)) = (run.application(), &run.at(place).0.component)
    else {
        return Vec::new();
    };
    let id = finding_id(component);
    let point = stamp.point.as_ref();
    let events = match (point, tested(run, place, stamp, now)) {
        (Some(point), Some(tested)) => {
            let verdict = if tested.is_well() {
                ApplicationEvent::FindingClosed { id }
            } else {
                let finding = went_wrong(run, id, component, point, &tested);
                ApplicationEvent::FindingOpened { finding }
            };
            let tested = Box::new(tested);
            vec![ApplicationEvent::PointTested { id: point.clone(), tested }, verdict]
        }
        // A run that was given up before it began anything says nothing about the point.
        (Some(_) | None, _) if run.abandoned.is_some() => Vec::new(),
        (Some(_) | None, _) => {
            let finding = not_tested(run, id, component);
            vec![ApplicationEvent::FindingOpened { finding }]
        }
    };
    events.into_iter().map(|event| Entry::application(application, event)).collect()
}

/// What the step gives.
pub(crate) fn outputs(run: &Run, place: usize, stamp: &StampPoint, now: Timestamp) -> Outputs {
    let tested = tested(run, place, stamp, now);
    let word = |of: fn(&Tested) -> Stamp| {
        json!(tested.as_ref().map_or(TestStatus::NotDone, |tested| of(tested).status))
    };
    [
        ("restore".to_owned(), word(|tested| tested.restore)),
        ("validation".to_owned(), word(|tested| tested.validation)),
        ("clean_up".to_owned(), word(|tested| tested.clean_up)),
    ]
    .into()
}

/// How the test of the stamping step's component went; nothing when no restore was ever tried.
fn tested(run: &Run, place: usize, stamp: &StampPoint, now: Timestamp) -> Option<Tested> {
    let component = run.at(place).0.component.as_ref();
    let own: Vec<Seen<'_>> = run
        .steps()
        .enumerate()
        .filter(|(_, (step, _))| step.component.as_ref() == component)
        .map(|(place, (step, state))| Seen { place, step, state, run })
        .collect();
    let makes: Vec<&Seen<'_>> = own.iter().filter(|one| one.does(RESTORE)).collect();
    if makes.iter().all(|one| !one.was_tried()) {
        return None;
    }
    let restore = all_of(&makes, now, TestStatus::Failed);
    // What only looks, after what was restored is there, is a check of it.
    let checks: Vec<&Seen<'_>> = own.iter().filter(|one| one.checks(&makes)).collect();
    let proven = stamp.proven == Some(true) && !checks.is_empty();
    let validation = match all_of(&checks, now, TestStatus::NotDone) {
        Stamp { status: TestStatus::Succeeded, at } if !proven => {
            Stamp { status: TestStatus::NotDone, at }
        }
        stamp => stamp,
    };
    let removes: Vec<&Seen<'_>> = own.iter().filter(|one| one.does(restore::REMOVE)).collect();
    Some(Tested {
        run: run.id.clone(),
        restore,
        validation,
        clean_up: all_of(&removes, now, TestStatus::Pending),
        took: stamp.restore_took.filter(|_| restore.status == TestStatus::Succeeded),
        because: makes.iter().chain(&checks).chain(&removes).find_map(|one| one.fault()),
    })
}

/// A step of the component, as it stands.
struct Seen<'a> {
    place: usize,
    step: &'a Step,
    state: &'a StepState,
    run: &'a Run,
}

impl Seen<'_> {
    fn does(&self, names: &[&str]) -> bool {
        names.contains(&self.step.task(self.run.manner).action.as_str())
    }

    fn checks(&self, makes: &[&Seen<'_>]) -> bool {
        let spec = self.step.task(self.run.manner).spec();
        let rests_on = self.run.plan.rests_on(self.place).unwrap_or_default();
        self.step.part == Part::Steps
            && spec.is_some_and(|spec| spec.reach == Reach::Reads)
            && makes.iter().any(|made| rests_on.contains(&made.place))
    }

    /// Whether an attempt was ever promised, or a person did its work.
    fn was_tried(&self) -> bool {
        self.state.attempts() > 0 || matches!(self.state, StepState::DoneByHand { .. })
    }

    /// When it ended badly, unless it could not even start for want of what another should have given.
    fn failed_at(&self) -> Option<Timestamp> {
        let StepState::Failed { at, .. } = self.state else { return None };
        self.was_tried().then_some(*at)
    }

    fn succeeded_at(&self, now: Timestamp) -> Option<Timestamp> {
        if let StepState::Succeeded { at, .. } = self.state {
            return Some(*at);
        }
        matches!(self.state, StepState::DoneByHand { .. }).then_some(now)
    }

    fn fault(&self) -> Option<String> {
        let StepState::Failed { fault, .. } = self.state else { return None };
        Some(format!("`{}`: {fault}", self.step.id))
    }
}

/// Well if all are, failed if one is, and `otherwise` when some were never carried out.
fn all_of(steps: &[&Seen<'_>], now: Timestamp, otherwise: TestStatus) -> Stamp {
    if let Some(at) = steps.iter().filter_map(|one| one.failed_at()).min() {
        return Stamp { status: TestStatus::Failed, at };
    }
    let ends: Option<Vec<Timestamp>> = steps.iter().map(|one| one.succeeded_at(now)).collect();
    match ends.and_then(|ends| ends.into_iter().max()) {
        Some(at) => Stamp { status: TestStatus::Succeeded, at },
        None => Stamp { status: otherwise, at: now },
    }
}

fn finding_id(component: &ComponentName) -> String {
    format!("restore-test-{component}")
}

fn went_wrong(
    run: &Run,
    id: String,
    component: &ComponentName,
    point: &str,
    tested: &Tested,
) -> Finding {
    let [restore, validation, clean_up] =
        [tested.restore, tested.validation, tested.clean_up].map(|stamp| stamp.status);
    let because = tested.because.as_ref().map_or(String::new(), |because| format!("; {because}"));
    let message = format!(
        "the restore test of `{component}` with `{point}`: restore {restore}, validation {validation}, \
         clean-up {clean_up}{because}"
    );
    let hint = if clean_up == TestStatus::Succeeded {
        format!("`muster status {}` shows the run; a test that goes well ends this finding", run.id)
    } else {
        format!(
            "delete what is called muster-drill-{}-* by hand; it costs money until then",
            run.id
        )
    };
    Finding { id, message, hint }
}

fn not_tested(run: &Run, id: String, component: &ComponentName) -> Finding {
    let own = |step: &Step| step.component.as_ref() == Some(component);
    let because = run.steps().filter(|(step, _)| own(step)).find_map(|(step, state)| {
        let StepState::Failed { fault, .. } = state else { return None };
        Some(format!(": `{}`: {fault}", step.id))
    });
    Finding {
        id,
        message: format!(
            "no recovery point of `{component}` could be tested{}",
            because.unwrap_or_default()
        ),
        hint: format!(
            "`muster status {}` shows the run; see that backups and copies are made",
            run.id
        ),
    }
}
