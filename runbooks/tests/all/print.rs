//! Findings and plans as text that a reviewer can read.

use std::fmt::Write;

use muster_runbooks::{
    application::Application,
    check::Finding,
    plan::{Arg, Binding, Part, Plan, Step, Task},
    request::{Manner, Mode, Request, Trigger},
    runbook::Runbook,
};

pub(crate) const COVETPY: &str = include_str!("../../../deploy/covetpy/applications/covetpy.yaml");

pub(crate) fn covetpy() -> Application {
    Application::parse("covetpy.yaml", COVETPY).expect("the reference application is sound")
}

pub(crate) fn at_home(application: Application) -> Binding {
    let (active, standby) = (application.home.clone(), application.standby.clone());
    Binding { application, active, standby }
}

pub(crate) fn request(runbook: &Runbook, application: Option<&Application>) -> Request {
    Request {
        runbook: runbook.name.clone(),
        application: application.map(|application| application.name.clone()),
        inputs: Default::default(),
        trigger: Trigger::Person { name: "ada".to_owned() },
        mode: Mode::Live,
        manner: Manner::Graceful,
        reason: "a test".to_owned(),
        dedupe_key: None,
        symptom_at: None,
        not_after: None,
    }
}

pub(crate) fn findings(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("{finding}\n")).collect()
}

pub(crate) fn plan(plan: &Plan) -> String {
    let mut out = format!("{}: {}\n", plan.runbook, plan.title);
    let exclusive = if plan.exclusive { "exclusive" } else { "beside others" };
    let way_back = plan.way_back.as_ref().map_or("none", |name| name.as_str());
    let rto = plan.rto.map_or("none".to_owned(), |rto| rto.to_string());
    writeln!(out, "{exclusive}; way back: {way_back}; rto: {rto}").unwrap();
    for (name, value) in &plan.inputs {
        writeln!(out, "input {name} = {value}").unwrap();
    }
    for part in [Part::Steps, Part::Undo, Part::Finally] {
        for (at, step) in plan.steps.iter().filter(|step| step.part == part).enumerate() {
            if at == 0 {
                writeln!(out, "\n{part}").unwrap();
            }
            self::step(step, &mut out);
        }
    }
    out
}

fn step(step: &Step, out: &mut String) {
    let needs: Vec<&str> = step.needs.iter().map(|id| id.as_str()).collect();
    let after =
        if needs.is_empty() { "at once".into() } else { format!("after {}", needs.join(", ")) };
    writeln!(out, "- {} ({after}): {}", step.id, step.title).unwrap();
    task("does", &step.task, out);
    if let Some(forced) = &step.forced {
        task("forced", forced, out);
    }
    let mut facts = vec![format!("limit {}", step.limit)];
    facts.extend(step.budget.map(|budget| format!("budget {budget}")));
    facts.push(format!("attempts {}", step.attempts));
    facts.push(format!("on failure {}", step.on_failure));
    facts.extend(step.always.then(|| "always".to_owned()));
    facts.extend(step.best_effort.then(|| "best effort".to_owned()));
    facts.extend(step.danger.map(|danger| format!("danger {danger}")));
    writeln!(out, "    {}", facts.join(", ")).unwrap();
    if let Some(expect) = &step.expect {
        writeln!(out, "    expect {expect}").unwrap();
    }
}

fn task(word: &str, task: &Task, out: &mut String) {
    write!(out, "    {word} {}", task.action).unwrap();
    for (name, arg) in &task.with {
        write!(out, " {name}={}", self::arg(arg)).unwrap();
    }
    out.push('\n');
}

pub(crate) fn arg(arg: &Arg) -> String {
    match arg {
        Arg::Literal(value) => value.to_string(),
        Arg::Input(name) => format!("inputs.{name}"),
        Arg::Output { step, name } => format!("{step}.{name}"),
        Arg::Worst { steps, name } => {
            let steps: Vec<&str> = steps.iter().map(|step| step.as_str()).collect();
            format!("worst({}).{name}", steps.join(", "))
        }
    }
}
