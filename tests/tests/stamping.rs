//! What is written down with a recovery point after its test, for every way that the test can go.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    action::Outputs,
    application::Application,
    plan::{Binding, Plan},
    request::Manner,
    runbook::Runbook,
};
use muster_state::{
    catalog::Tested,
    decide::{Next, decide},
    event::{ApplicationEvent, Event, RunEvent},
    run::Run,
    step::{Change, Fault},
};
use muster_tests::simulation::cast::{SHOP, asked, dawn, home, id, standby};
use serde_json::json;

/// A restore test with a check; `PROVEN` stands for what the check says of itself.
const RUNBOOK: &str = "
name: own-test
title: A restore test with a check
steps:
  - { id: choose, title: C, each: databases, do: choose-point, with: { at: standby }, limit: 1h }
  - id: restore
    title: R
    each: databases
    do: restore-cluster
    with: { at: standby, point: \"${steps.choose.outputs.point}\" }
    expect: it is there
    limit: 1h
  - id: rotate
    title: P
    each: databases
    do: rotate-password
    with: { at: standby, cluster: \"${steps.restore.outputs.cluster}\" }
    expect: it has a password
    limit: 1h
  - id: start
    title: S
    each: databases
    do: start-instance
    with:
      at: standby
      cluster: \"${steps.restore.outputs.cluster}\"
      secret: \"${steps.rotate.outputs.secret}\"
      began_at: \"${steps.restore.outputs.began_at}\"
    expect: it runs
    limit: 1h
  - { id: look, title: L, each: databases, do: check-active, with: { at: standby }, limit: 1h }
finally:
  - { id: un-start, title: U, each: databases, do: remove-instance, with: { at: standby }, expect: gone, limit: 1h }
  - { id: un-restore, title: U, each: databases, do: remove-cluster, with: { at: standby }, expect: gone, limit: 1h }
  - id: stamp
    title: W
    each: databases
    do: stamp-point
    with:
      point: \"${steps.choose.outputs.point}\"
      restore_took: \"${steps.start.outputs.restore_took}\"
      proven: PROVEN
    limit: 1h
";

/// How a step went.
#[derive(Clone, Copy)]
enum Went {
    Well,
    Badly,
    Skipped,
}

/// What the check says of itself, the steps that did not go well, and what is written down.
type Line = (&'static str, &'static [(&'static str, Went)], &'static str);

/// A run of it on one database, whose steps went so, with its stamping step promised.
fn run(proven: &str, went: &[(&str, Went)]) -> (Run, Timestamp) {
    let text = RUNBOOK.replace("PROVEN", proven);
    let runbook = Runbook::check("own.yaml", &text).into_result().expect("a sound runbook");
    let application =
        Application { databases: SHOP.databases[..1].to_vec(), ..Application::clone(&SHOP) };
    let binding = Binding { application, active: home(), standby: standby() };
    let request = asked("own-test");
    let plan = Plan::make(&runbook, &request, Some(binding)).expect("a plan").freeze().unwrap();
    let admitted = RunEvent::Admitted { request: Arc::new(request), plan };
    let mut run = Run::admitted(&id('t', 7), &admitted, dawn()).expect("a run");
    let mut now = dawn();
    for (step, went) in went.iter().chain([&("stamp", Went::Well)]) {
        now += SignedDuration::from_mins(1);
        let step: muster_runbooks::name::StepId = format!("{step}-orders").parse().unwrap();
        if matches!(went, Went::Skipped) {
            let change = Change::Skipped { by: "olga".to_owned(), reason: "no".to_owned() };
            run.apply(&RunEvent::Step { step, change }, now).expect("it follows");
            continue;
        }
        let task = run.plan.step(&step).expect("a step of it").task.clone();
        let action = task.resolve(&BTreeMap::new(), |_| Some(given())).expect("an action");
        let deadline = now + SignedDuration::from_hours(1);
        let (attempt, manner, action) = (1, Manner::Graceful, Arc::new(action));
        let mut tell = |change| {
            let event = RunEvent::Step { step: step.clone(), change };
            run.apply(&event, now).expect("it follows");
        };
        tell(Change::Started { attempt, manner, deadline, action });
        if step.as_str().starts_with("stamp") {
            // It is what is looked at.
        } else if matches!(went, Went::Badly) {
            let fault = Fault::Refused { reason: format!("{step} broke") };
            tell(Change::Failed { attempt, fault });
        } else {
            tell(Change::Succeeded { attempt, outputs: Arc::new(given().clone()) });
        }
    }
    (run, now)
}

/// Whatever any of the steps gives.
fn given() -> &'static Outputs {
    static GIVEN: std::sync::LazyLock<Outputs> = std::sync::LazyLock::new(|| {
        let given = [
            ("point", json!("arn:one")),
            ("cluster", json!("muster-drill-t00000000007-restore-orders-1")),
            ("secret", json!("arn:secret")),
            ("began_at", json!(dawn())),
            ("restore_took", json!("27m")),
        ];
        given.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    });
    &GIVEN
}

/// What is written down: the test, and whether a finding was opened or closed.
fn stamped(proven: &str, went: &[(&str, Went)]) -> (Option<Tested>, Option<bool>) {
    let (run, now) = run(proven, went);
    let (mut tested, mut opened) = (None, None);
    for next in decide(&run, now, false) {
        let Next::Record(entry) = next else { continue };
        match entry.event {
            Event::Application(ApplicationEvent::PointTested { id, tested: one }) => {
                assert_eq!(id, "arn:one");
                tested = Some(*one);
            }
            Event::Application(ApplicationEvent::FindingOpened { finding }) => {
                assert_eq!(finding.id, "restore-test-orders");
                opened = Some(true);
            }
            Event::Application(ApplicationEvent::FindingClosed { id }) => {
                assert_eq!(id, "restore-test-orders");
                opened = Some(false);
            }
            Event::Application(_)
            | Event::Run(_)
            | Event::Schedule(_)
            | Event::Access(_)
            | Event::Notice(_) => {}
        }
    }
    (tested, opened)
}

/// Goal: the three parts are told apart, a point is verified only when a check that proves data passed,
/// and whatever is not well is a finding.
/// Method: a table of runs: what the check says of itself, the steps that did not go well, and what is
/// written down about restore, validation, clean-up, proof and finding.
#[test]
fn what_is_written_down() {
    use Went::{Badly, Skipped};
    let all = ["choose", "restore", "rotate", "start", "look", "un-start", "un-restore"];
    let table: &[Line] = &[
        ("true", &[], "succeeded succeeded succeeded, proven, finding closed"),
        ("false", &[], "succeeded not_done succeeded, not proven, finding closed"),
        ("true", &[("look", Skipped)], "succeeded not_done succeeded, not proven, finding closed"),
        ("true", &[("look", Badly)], "succeeded failed succeeded, not proven, finding opened"),
        ("true", &[("un-restore", Badly)], "succeeded succeeded failed, proven, finding opened"),
        ("true", &[("un-restore", Skipped)], "succeeded succeeded pending, proven, finding opened"),
        (
            "true",
            &[("start", Badly), ("look", Skipped)],
            "failed not_done succeeded, not proven, finding opened",
        ),
        (
            "true",
            &[("restore", Badly), ("rotate", Skipped), ("start", Skipped), ("look", Skipped)],
            "failed not_done succeeded, not proven, finding opened",
        ),
        // Half of it: the run was given up before it had an instance.
        (
            "true",
            &[("rotate", Skipped), ("start", Skipped), ("look", Skipped)],
            "failed not_done succeeded, not proven, finding opened",
        ),
    ];
    for (proven, others, wanted) in table {
        let went: Vec<(&str, Went)> = all
            .iter()
            .map(|step| {
                let other = others.iter().find(|(name, _)| name == step);
                (*step, other.map_or(Went::Well, |(_, went)| *went))
            })
            .collect();
        let (tested, opened) = stamped(proven, &went);
        let tested = tested.expect("it was tested");
        let said = format!(
            "{} {} {}, {}, finding {}",
            tested.restore.status,
            tested.validation.status,
            tested.clean_up.status,
            if tested.proves() { "proven" } else { "not proven" },
            if opened == Some(true) { "opened" } else { "closed" },
        );
        let names: Vec<&str> = others.iter().map(|(name, _)| *name).collect();
        assert_eq!(said, *wanted, "{proven}, but {names:?}");
        let broke = others.iter().find(|(_, went)| matches!(went, Badly));
        let because =
            broke.map(|(name, _)| format!("`{name}-orders`: refused: {name}-orders broke"));
        assert_eq!(tested.because, because);
        assert_eq!(tested.run, id('t', 7));
    }
}

/// Goal: a point that was never restored is not said to have been tested, and that none could be is a
/// finding.
/// Method: no point is chosen; then one is, and nothing is begun.
#[test]
fn what_was_never_tried_is_not_stamped() {
    let skipped = ["restore", "rotate", "start", "look"].map(|step| (step, Went::Skipped));
    for chosen in [Went::Badly, Went::Well] {
        let went: Vec<(&str, Went)> = [("choose", chosen)].into_iter().chain(skipped).collect();
        let (tested, opened) = stamped("true", &went);
        assert_eq!((tested, opened), (None, Some(true)));
    }
}
