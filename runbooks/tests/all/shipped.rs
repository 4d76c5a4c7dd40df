//! The shipped runbooks and the reference application, as they would run.

use muster_runbooks::{
    application::Application,
    plan::Plan,
    runbook::{Runbook, library::Library},
    schedule,
    value::Kind,
};

use super::print::{at_home, covetpy, findings, plan, request};

/// Goal: nobody changes what a shipped runbook does without seeing it in review.
/// Method: every one is free of findings, and its plan for the reference application is a snapshot.
#[test]
fn every_shipped_runbook_is_sound_and_its_plan_is_known() {
    let library = Library::shipped();
    assert_eq!(findings(library.findings()), "");

    let mut plans = String::new();
    for runbook in library.runbooks() {
        plans += &format!("{}\n", plan(&made(runbook)));
    }
    insta::assert_snapshot!(plans);
}

fn made(runbook: &Runbook) -> Plan {
    let application = runbook.needs_application().then(covetpy);
    let mut request = request(runbook, application.as_ref());
    for (name, input) in runbook.inputs.iter().filter(|(_, input)| input.required) {
        let value = match (input.kind, name.as_str()) {
            (Kind::Instant, _) => "2026-03-01T02:00:00Z",
            (_, "region") => "us-east-1",
            _ => "2026_02_add_orders",
        };
        request.inputs.insert(name.clone(), value.into());
    }
    let (one, away) = (covetpy(), "us-west-2".parse().unwrap());
    let elsewhere = Application { name: "elsewhere".parse().unwrap(), ..covetpy() };
    let served = [(&one, &one.home), (&elsewhere, &away)];
    Plan::among(runbook, &request, application.map(at_home), &served).unwrap()
}

/// Goal: a plan survives the journal byte for byte.
/// Method: freeze and thaw every shipped plan.
#[test]
fn every_shipped_plan_freezes_and_thaws() {
    for runbook in Library::shipped().runbooks() {
        let plan = made(runbook);
        assert_eq!(**plan.freeze().unwrap().thaw().unwrap(), plan, "{}", runbook.name);
    }
}

/// Goal: the reference environment starts as it is committed.
/// Method: its schedules are free of findings next to the shipped runbooks and the application.
#[test]
fn the_reference_schedules_are_sound() {
    let text = include_str!("../../../deploy/covetpy/schedules.yaml");
    let schedules = schedule::parse("schedules.yaml", text).unwrap();
    let found = schedule::lint(&schedules, &Library::shipped(), &[covetpy()]);
    assert_eq!(findings(&found), "");
    assert_eq!(schedules.len(), 7);
}
