//! Whether what a schedule starts exists and takes what it gives: found by day, not at two at night.

use super::{Occurrence, Schedule, policy};
use crate::{
    application::Application,
    check::{Finding, Findings, unknown},
    name::{ApplicationName, RunbookName},
    plan::{Binding, bind},
    runbook::{Runbook, library::Library},
    value::Kind,
};
use jiff::Timestamp;

/// Judges schedules next to the runbooks they start and the applications they name.
pub fn lint(
    schedules: &[Schedule],
    library: &Library,
    applications: &[Application],
) -> Vec<Finding> {
    let names: Vec<&str> = library.runbooks().map(|runbook| runbook.name.as_str()).collect();
    let known: Vec<&ApplicationName> = applications.iter().map(|app| &app.name).collect();
    let mut findings = Vec::new();
    for schedule in schedules {
        let mut out = Findings::new(&schedule.file);
        match library.get(&schedule.runbook) {
            Some(runbook) => {
                judge(schedule, runbook, &known, &mut out);
                restores(schedule, runbook, applications, &mut out);
                let own = applications
                    .iter()
                    .find(|app| Some(&app.name) == schedule.application.as_ref());
                if let Some(application) = own {
                    policy::judge(schedule, runbook, application, &mut out);
                }
            }
            None => {
                let name = RunbookName::as_str(&schedule.runbook);
                let lead = "no runbook without errors is called";
                unknown(schedule.place, lead, "unknown-runbook", name, &names, &mut out);
            }
        }
        findings.extend(out.finish());
    }
    findings.extend(overlapping(schedules, library));
    findings
}

fn overlapping(schedules: &[Schedule], library: &Library) -> Vec<Finding> {
    let known: Vec<(&Schedule, &Runbook)> =
        schedules.iter().filter_map(|one| Some((one, library.get(&one.runbook)?))).collect();
    let mut findings = Vec::new();
    for (place, message) in policy::overlapping(&known) {
        let mut out = Findings::new(&known[place].0.file);
        out.error(known[place].0.place, "windows-overlap", message)
            .hint("an application has one maintenance window at a time: move one of the two");
        findings.extend(out.finish());
    }
    findings
}

fn judge(
    schedule: &Schedule,
    runbook: &Runbook,
    applications: &[&ApplicationName],
    out: &mut Findings,
) {
    let Schedule { id, place, .. } = schedule;
    match &schedule.application {
        Some(name) if !applications.contains(&name) => {
            let known: Vec<&str> = applications.iter().map(|name| name.as_str()).collect();
            let lead = "no application is called";
            unknown(*place, lead, "unknown-application", name.as_str(), &known, out);
        }
        None if runbook.needs_application() => {
            let message = format!("`{id}` starts `{}`, which needs an application", runbook.name);
            out.error(*place, "needs-application", message);
        }
        Some(_) | None => {}
    }
    if runbook.exclusive || runbook.moves_many() {
        let message = format!("`{id}` starts `{}` without anybody having asked", runbook.name);
        out.warning(*place, "scheduled-failover", message);
    }
    if let Some(name) = &schedule.occurrence_input
        && runbook.inputs.get(name).is_some_and(|input| input.kind != Kind::Instant)
    {
        let message = format!("input `{name}` of `{}` is not an instant", runbook.name);
        out.error(*place, "wrong-kind", message);
        return;
    }
    let any = Occurrence { due_at: Timestamp::UNIX_EPOCH, at: Timestamp::UNIX_EPOCH };
    for problem in bind::input_problems(runbook, &schedule.inputs_for(&any)) {
        out.error(*place, "wrong-inputs", format!("`{id}`: {problem}"));
    }
}

/// Where a restore test may bring a database back must be declared: at home it fails the first night,
/// on the other side the first night after a failover.
fn restores(
    schedule: &Schedule,
    runbook: &Runbook,
    applications: &[Application],
    out: &mut Findings,
) {
    let is_it =
        |application: &&Application| Some(&application.name) == schedule.application.as_ref();
    let Some(application) = applications.iter().find(is_it) else { return };
    let (home, other) = (&application.home, &application.standby);
    let any = Occurrence { due_at: Timestamp::UNIX_EPOCH, at: Timestamp::UNIX_EPOCH };
    let inputs = schedule.inputs_for(&any);
    for (active, standby) in [(home, other), (other, home)] {
        let (application, id) = (application.clone(), &schedule.id);
        let binding = Binding { application, active: active.clone(), standby: standby.clone() };
        for problem in bind::fit_problems(runbook, &inputs, &binding) {
            if active == home {
                out.error(schedule.place, "no-restore-test", format!("`{id}`: {problem}"));
            } else {
                let message = format!("`{id}`, after a failover: {problem}");
                out.warning(schedule.place, "no-restore-test", message);
            }
        }
    }
}
