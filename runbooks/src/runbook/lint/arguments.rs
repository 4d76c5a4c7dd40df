//! Whether every action is known and every argument fits: literals, inputs, outputs.

use super::{custom, graph::Graph};
use crate::{
    action::{Action, ComponentKind, Field, Keeper, Spec},
    check::{Findings, unknown},
    name::StepId,
    plan::{Arg, Part},
    request::Manner,
    runbook::{Argument, Runbook, StepDefinition, TaskDefinition},
    value::Kind,
};

pub(super) fn check(runbook: &Runbook, graph: &Graph<'_>, out: &mut Findings) {
    for (at, step) in runbook.steps.iter().enumerate() {
        task(step, &step.task, out);
        if let Some(forced) = &step.forced {
            task(step, forced, out);
        }
        for &manner in runbook.manners() {
            references(&At { runbook, graph, at, step, manner }, out);
        }
    }
    unused_inputs(runbook, out);
}

/// What can be judged without looking at other steps.
fn task(step: &StepDefinition, task: &TaskDefinition, out: &mut Findings) {
    let Some(spec) = task.spec() else {
        if !task.action.value.is_empty() {
            let known: Vec<&str> = Action::SPECS.iter().map(|spec| spec.name).collect();
            let (place, name) = (task.action.place, &task.action.value);
            unknown(place, "no action is called", "unknown-action", name, &known, out);
        }
        return;
    };
    each(step, task, spec, out);
    in_vault(step, task, spec, out);
    for (name, argument) in &task.with {
        match field(spec.parameters, name) {
            Some(field) => literal(field, argument, out),
            None => {
                let known: Vec<&str> = spec.parameters.iter().map(|field| field.name).collect();
                let lead = format!("`{}` has no parameter", spec.name);
                unknown(argument.name_place, &lead, "unknown-parameter", name, &known, out);
            }
        }
    }
    for field in spec.parameters.iter().filter(|field| field.required) {
        if !task.with.contains_key(field.name) {
            let message = format!("`{}` needs `{}`", spec.name, field.name);
            out.error(task.action.place, "missing-parameter", message).hint(format!(
                "{} Expected {}.",
                field.about.trim(),
                field.kind
            ));
        }
    }
    wait(task, out);
}

fn literal(field: &Field, argument: &Argument, out: &mut Findings) {
    let Some(Arg::Literal(value)) = &argument.arg else { return };
    if let Err(why) = field.kind.check(value) {
        out.error(argument.place, "wrong-value", format!("`{}`: {why}", field.name));
    }
}

fn each(step: &StepDefinition, task: &TaskDefinition, spec: &Spec, out: &mut Findings) {
    let fits = match step.each {
        Some(kind) => spec.on.contains(&kind) || stands_in(step, task, kind),
        None => spec.on.is_empty(),
    };
    if fits {
        return;
    }
    let each_of = |write: &dyn Fn(&ComponentKind) -> String| {
        spec.on.iter().map(write).collect::<Vec<_>>().join(" or ")
    };
    let (message, hint) = if spec.on.is_empty() {
        let message = format!("`{}` works on the application as a whole", spec.name);
        (message, "leave `each` out".to_owned())
    } else {
        let kinds = each_of(&ToString::to_string);
        let message = format!("`{}` works on one of the {kinds} at a time", spec.name);
        (message, format!("write {}", each_of(&|kind| format!("`each: {kind}`"))))
    };
    out.error(task.action.place, "each-mismatch", message).hint(hint);
}

/// A wait in the place of what only the other manner does with each component.
fn stands_in(step: &StepDefinition, task: &TaskDefinition, kind: ComponentKind) -> bool {
    let variants = step.forced.iter().chain([&step.task]);
    let mut specs = variants.filter_map(TaskDefinition::spec);
    task.action.value == "wait" && specs.any(|spec| spec.on.contains(&kind))
}

/// Nothing but copies of databases lies in another account.
fn in_vault(step: &StepDefinition, task: &TaskDefinition, spec: &Spec, out: &mut Findings) {
    let Some(each) = step.each.filter(|each| *each != ComponentKind::Databases) else { return };
    let keepers = spec.parameters.iter().filter(|field| field.kind == Kind::Word(Keeper::WORDS));
    for argument in keepers.filter_map(|field| task.with.get(field.name)) {
        let Some(Arg::Literal(value)) = &argument.arg else { continue };
        if value.as_str() == Some(Keeper::Vault.word()) {
            let message = format!("no vault keeps anything of {each}");
            out.error(argument.place, "no-vault", message)
                .hint("only databases have a vault: write `active` or `standby`");
        }
    }
}

/// A wait has one end. Its parameters are optional one by one, which a list of fields cannot say.
fn wait(task: &TaskDefinition, out: &mut Findings) {
    if task.action.value != "wait" {
        return;
    }
    let has = |name: &str| task.with.contains_key(name);
    if has("duration") == has("until") {
        let message = "`wait` needs either `duration` or `until`";
        out.error(task.action.place, "wait-end", message);
    } else if has("before") && !has("until") {
        out.error(task.action.place, "wait-end", "`before` is counted from `until`");
    }
}

/// A step in one manner, with what its references are looked up in.
struct At<'a> {
    runbook: &'a Runbook,
    graph: &'a Graph<'a>,
    at: usize,
    step: &'a StepDefinition,
    manner: Manner,
}

fn references(at: &At<'_>, out: &mut Findings) {
    let task = at.step.task(at.manner);
    for (name, argument) in &task.with {
        let wanted = task.spec().and_then(|spec| field(spec.parameters, name));
        match &argument.arg {
            Some(Arg::Input(input)) => self::input(at, input, wanted, argument, out),
            Some(Arg::Output { step, name }) => output(at, step, name, wanted, argument, out),
            // `Worst` is made by the plan, never written.
            Some(Arg::Literal(_) | Arg::Worst { .. }) | None => {}
        }
    }
}

fn input(at: &At<'_>, name: &str, wanted: Option<&Field>, argument: &Argument, out: &mut Findings) {
    let Some(input) = at.runbook.inputs.get(name) else {
        let known: Vec<&str> = at.runbook.inputs.keys().map(String::as_str).collect();
        unknown(argument.place, "no input is called", "unknown-input", name, &known, out);
        return;
    };
    let Some(wanted) = wanted else { return };
    fits(input.kind, wanted, argument, out);
    if wanted.required && !input.required && input.default.is_none() {
        let message = format!("`{}` is needed, and input `{name}` may be absent", wanted.name);
        out.error(argument.place, "may-be-absent", message)
            .hint(format!("give input `{name}` a default or `required: true`"));
    }
}

fn output(
    at: &At<'_>,
    step: &StepId,
    name: &str,
    wanted: Option<&Field>,
    argument: &Argument,
    out: &mut Findings,
) {
    let Some(position) = at.graph.position(step) else {
        let known: Vec<&str> = at.runbook.steps.iter().map(|step| step.id.as_str()).collect();
        unknown(argument.place, "no step is called", "unknown-step", step.as_str(), &known, out);
        return;
    };
    let giver = &at.runbook.steps[position];
    order(at, position, giver, wanted, argument, out);
    let Some(spec) = giver.task(at.manner).spec() else { return };
    let given = field(spec.outputs, name).map(|field| field.kind);
    let Some(given) = given.or_else(|| custom::picked(giver.task(at.manner), name)) else {
        let known: Vec<&str> = spec.outputs.iter().map(|field| field.name).collect();
        let lead = format!("`{step}` does `{}` in a {} run and gives no", spec.name, at.manner);
        unknown(argument.place, &lead, "unknown-output", name, &known, out);
        return;
    };
    let Some(wanted) = wanted else { return };
    fits(given, wanted, argument, out);
    if let Some(each) = giver.each.filter(|each| at.step.each != Some(*each))
        && given != Kind::Loss
    {
        let message =
            format!("`{step}` gives one `{name}` for each of the {each}, and one is wanted here");
        out.warning(argument.place, "one-of-many", message)
            .hint("such a plan can be made only for an application that has exactly one");
    }
}

/// An output can be referred to only where its step is sure to have ended.
fn order(
    at: &At<'_>,
    position: usize,
    giver: &StepDefinition,
    wanted: Option<&Field>,
    argument: &Argument,
    out: &mut Findings,
) {
    let (giver_id, id) = (&giver.id, &at.step.id);
    if at.graph.before(at.at).contains(&position) && position != at.at {
        if at.step.always && wanted.is_some_and(|field| field.required) {
            let message =
                format!("`{giver_id}` may have failed when `{id}` starts, and this is needed");
            out.error(argument.place, "not-before", message);
        }
        return;
    }
    if giver.part == Part::Steps && at.step.part != Part::Steps {
        // The other parts run after the steps, but maybe without some of them.
        if wanted.is_some_and(|field| field.required) {
            let message =
                format!("`{giver_id}` may not have run when `{id}` starts, and this is needed");
            out.error(argument.place, "not-before", message);
        }
        return;
    }
    let message = format!("`{giver_id}` has not ended when `{id}` starts");
    out.error(argument.place, "not-before", message)
        .hint(format!("let `{id}` or a step before it need `{giver_id}`"));
}

fn fits(given: Kind, wanted: &Field, argument: &Argument, out: &mut Findings) {
    if !given.fits(wanted.kind) {
        let message = format!("`{}`: expected {}, found {given}", wanted.name, wanted.kind);
        out.error(argument.place, "wrong-kind", message);
    }
}

fn unused_inputs(runbook: &Runbook, out: &mut Findings) {
    // A reference that cannot be followed may be the one that is missing here.
    if out.has(&["bad-reference", "unknown-input"]) {
        return;
    }
    let tasks = runbook.steps.iter().flat_map(|step| step.forced.iter().chain([&step.task]));
    let used: Vec<&str> = tasks
        .flat_map(|task| task.with.values())
        .filter_map(|argument| match &argument.arg {
            Some(Arg::Input(name)) => Some(name.as_str()),
            Some(Arg::Literal(_) | Arg::Output { .. } | Arg::Worst { .. }) | None => None,
        })
        .collect();
    for (name, input) in &runbook.inputs {
        if !used.contains(&name.as_str()) {
            out.warning(input.place, "unused-input", format!("no step uses input `{name}`"));
        }
    }
}

fn field<'a>(fields: &'a [Field], name: &str) -> Option<&'a Field> {
    fields.iter().find(|field| field.name == name)
}
