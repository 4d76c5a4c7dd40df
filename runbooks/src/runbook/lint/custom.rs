//! What is wrong with steps of the user's own: what is sent, and what is picked from the answer.

use crate::{
    action::custom::CallHttp,
    check::Findings,
    plan::Arg,
    runbook::{Runbook, TaskDefinition},
    value::Kind,
};

pub(super) fn check(runbook: &Runbook, out: &mut Findings) {
    let tasks = runbook.steps.iter().flat_map(|step| step.forced.iter().chain([&step.task]));
    for task in tasks.filter(|task| task.action.value == CallHttp::SPEC.name) {
        for (name, argument) in &task.with {
            match &argument.arg {
                Some(Arg::Literal(value)) => {
                    if let Some(why) = CallHttp::problem(name, value) {
                        out.error(argument.place, "bad-call", format!("`{name}`: {why}"));
                    }
                }
                // Nobody could refer to outputs that only the request names.
                Some(_) if name == "pick" => {
                    let message = "`pick` is written out, so that other steps can refer to it";
                    out.error(argument.place, "bad-call", message);
                }
                Some(Arg::Input(_) | Arg::Output { .. } | Arg::Worst { .. }) | None => {}
            }
        }
    }
}

/// The kind of an output that a task gives by its own arguments, if it gives one of this name.
pub(super) fn picked(task: &TaskDefinition, name: &str) -> Option<Kind> {
    let Some(Arg::Literal(list)) = &task.with.get("pick")?.arg else { return None };
    let is_call = task.action.value == CallHttp::SPEC.name;
    (is_call && CallHttp::picks(list, name)).then_some(Kind::Text)
}
