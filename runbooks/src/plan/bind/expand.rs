//! Expands `each:` to one step per component, and points needs and references at what it became.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{BindProblem, Over};
use crate::{
    action::{ComponentKind, Field, Keeper, hook::RunHooks},
    application::{Application, Offer, hook::HookTime},
    name::{ApplicationName, ComponentName, StepId},
    plan::{Arg, STEPS_MAX, Step, Task},
    request::Manner,
    runbook::{Argument, Runbook, StepDefinition, TaskDefinition},
    value::Kind,
};

/// The longest step id (design §6).
const ID_MAX: usize = 32;

/// How many hexadecimal digits keep two shortened ids apart.
const HASH_DIGITS: usize = 6;

pub(super) fn steps(
    runbook: &Runbook,
    over: &Over<'_>,
    problems: &mut Vec<BindProblem>,
) -> Vec<Step> {
    let became: Vec<Vec<Instance>> =
        runbook.steps.iter().map(|step| instances(step, over)).collect();
    let count = became.iter().map(Vec::len).sum();
    if count > STEPS_MAX {
        problems.push(BindProblem::TooManySteps { count });
        return Vec::new();
    }
    let mut ids = BTreeSet::new();
    for instance in became.iter().flatten() {
        if !ids.insert(&instance.id) {
            problems.push(BindProblem::SameId { id: instance.id.clone() });
        }
    }
    let expansion = Expansion { runbook, became: &became };
    let mut steps = Vec::new();
    for (definition, instances) in runbook.steps.iter().zip(&became) {
        for instance in instances {
            steps.push(expansion.step(definition, instance, problems));
        }
    }
    steps
}

/// One of the steps that a definition became.
struct Instance {
    id: StepId,
    component: Option<ComponentName>,
    /// The application that it is about, and the steps for those that it comes after.
    application: Option<(ApplicationName, Vec<StepId>)>,
}

fn instances(step: &StepDefinition, over: &Over<'_>) -> Vec<Instance> {
    let Some(kind) = step.each else {
        return vec![Instance { id: step.id.clone(), component: None, application: None }];
    };
    if kind == ComponentKind::Applications {
        return over.leave.iter().map(|one| leaves(step, one, over.leave)).collect();
    }
    let binding = over.binding;
    let components = binding.map(|binding| binding.application.components(kind));
    let keeper = keeper(step);
    let at = keeper.and_then(Keeper::role).zip(binding);
    let offer = Offer {
        action: offered(step),
        at: at.map(|(role, binding)| binding.region(role)),
        keeper,
        when: hook_time(step),
    };
    components
        .unwrap_or_default()
        .iter()
        .filter(|component| component.takes_part(&offer))
        .map(|component| Instance {
            id: expanded_id(&step.id, component.name()),
            component: Some(component.name().clone()),
            application: None,
        })
        .collect()
}

fn leaves(step: &StepDefinition, one: &Application, all: &[&Application]) -> Instance {
    let before = all.iter().filter(|other| one.recovery.after.contains(&other.name));
    let before = before.map(|other| expanded_id(&step.id, &other.name)).collect();
    Instance {
        id: expanded_id(&step.id, &one.name),
        component: None,
        application: Some((one.name.clone(), before)),
    }
}

/// The action that says which components take part: the one of its variants that works on them.
fn offered(step: &StepDefinition) -> &str {
    let mut tasks = [&step.task].into_iter().chain(&step.forced);
    let works = |task: &&TaskDefinition| task.spec().is_some_and(|spec| !spec.on.is_empty());
    let task = tasks.find(works).unwrap_or(&step.task);
    &task.action.value
}

/// Whose side, or whose vault, a step is done at, if it says so. Every role is also a keeper.
fn keeper(step: &StepDefinition) -> Option<Keeper> {
    let Some(Arg::Literal(keeper)) = &step.task.with.get("at")?.arg else { return None };
    keeper.as_str()?.parse().ok()
}

/// The hooks that a step asks; those of any time where only the request says so.
fn hook_time(step: &StepDefinition) -> Option<HookTime> {
    match step.task.with.get("when")?.arg.as_ref()? {
        Arg::Literal(value) => value.as_str()?.parse().ok(),
        Arg::Input(_) | Arg::Output { .. } | Arg::Worst { .. } => None,
    }
}

/// `<step>-<component>`; where that is too long, its beginning and a hash of the whole.
fn expanded_id(step: &StepId, component: &impl Display) -> StepId {
    let whole = format!("{step}-{component}");
    let short = if whole.len() <= ID_MAX {
        whole
    } else {
        let digest = Sha256::digest(whole.as_bytes());
        let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let start = whole[..ID_MAX - HASH_DIGITS - 1].trim_end_matches('-');
        format!("{start}-{}", &hash[..HASH_DIGITS])
    };
    short.parse().expect("two names of the same alphabet joined by a hyphen are a name")
}

struct Expansion<'a> {
    runbook: &'a Runbook,
    became: &'a [Vec<Instance>],
}

impl Expansion<'_> {
    fn step(
        &self,
        definition: &StepDefinition,
        instance: &Instance,
        problems: &mut Vec<BindProblem>,
    ) -> Step {
        let mut task = |task: &TaskDefinition, manner| Task {
            action: task.action.value.clone(),
            with: self.arguments(definition, instance, task, manner, problems),
        };
        Step {
            id: instance.id.clone(),
            title: definition.title.clone(),
            part: definition.part,
            needs: self.needs(definition, instance),
            component: instance.component.clone(),
            task: task(&definition.task, Manner::Graceful),
            forced: definition.forced.as_ref().map(|forced| task(forced, Manner::Forced)),
            limit: definition.limit,
            budget: definition.budget,
            attempts: definition.attempts,
            on_failure: definition.on_failure,
            always: definition.always,
            best_effort: definition.best_effort,
            expect: definition.expect.clone(),
            danger: definition.danger,
        }
    }

    fn position(&self, id: &StepId) -> Option<usize> {
        self.runbook.steps.iter().position(|step| step.id == *id)
    }

    fn needs(&self, definition: &StepDefinition, instance: &Instance) -> Vec<StepId> {
        let mut ids: Vec<StepId> = Vec::new();
        let mut seen = BTreeSet::new();
        let mut open: Vec<usize> = positions(self, definition).rev().collect();
        while let Some(at) = open.pop() {
            if !seen.insert(at) {
                continue;
            }
            let needed = &self.runbook.steps[at];
            if self.became[at].is_empty() {
                open.extend(positions(self, needed).rev());
                continue;
            }
            let own_only = needed.each == definition.each && belongs(definition, needed);
            let is_meant = |other: &&Instance| !own_only || other.component == instance.component;
            let meant = self.became[at].iter().filter(is_meant);
            let before = ids.len();
            ids.extend(meant.map(|other| other.id.clone()));
            if ids.len() == before {
                // Its own component takes no part in that step: to it the step is not there.
                open.extend(positions(self, needed).rev());
            }
        }
        let before = instance.application.iter().flat_map(|(_, before)| before);
        ids.extend(before.cloned());
        ids
    }

    fn arguments(
        &self,
        definition: &StepDefinition,
        instance: &Instance,
        task: &TaskDefinition,
        manner: Manner,
        problems: &mut Vec<BindProblem>,
    ) -> BTreeMap<String, Arg> {
        let mut with = BTreeMap::new();
        for (name, argument) in &task.with {
            let arg = match &argument.arg {
                Some(Arg::Output { step, name: output }) => {
                    let wanted = Wanted { definition, instance, task, parameter: name, manner };
                    self.output(&wanted, step, output, problems)
                }
                Some(arg @ (Arg::Literal(_) | Arg::Input(_) | Arg::Worst { .. })) => {
                    Some(arg.clone())
                }
                None => {
                    problems.push(BindProblem::Unsound { step: instance.id.clone() });
                    None
                }
            };
            with.extend(arg.map(|arg| (name.clone(), arg)));
        }
        if let Some((application, _)) = &instance.application {
            let name = Value::String(application.to_string());
            with.insert("application".to_owned(), Arg::Literal(name));
        }
        with
    }

    fn output(
        &self,
        wanted: &Wanted<'_>,
        from: &StepId,
        output: &str,
        problems: &mut Vec<BindProblem>,
    ) -> Option<Arg> {
        let Some(at) = self.position(from) else {
            problems.push(BindProblem::Unsound { step: wanted.instance.id.clone() });
            return None;
        };
        let giver = &self.runbook.steps[at];
        let instances = &self.became[at];
        let name = output.to_owned();
        let of = |instance: &Instance| {
            Some(Arg::Output { step: instance.id.clone(), name: name.clone() })
        };
        if giver.each == wanted.definition.each {
            let own = instances.iter().find(|other| other.component == wanted.instance.component);
            return own.and_then(of);
        }
        if giver.each.is_some() && kind(giver, wanted.manner, output) == Some(Kind::Loss) {
            let steps: Vec<StepId> = instances.iter().map(|step| step.id.clone()).collect();
            // Nobody has said what would be lost, and the worst of nothing would read as zero.
            let unknown = Arg::Literal(Value::from("unknown"));
            return Some(if steps.is_empty() { unknown } else { Arg::Worst { steps, name } });
        }
        match instances.as_slice() {
            [one] => of(one),
            [] if !wanted.required() => None,
            others => {
                problems.push(BindProblem::OneOfMany {
                    step: wanted.instance.id.clone(),
                    from: from.clone(),
                    output: name.clone(),
                    count: others.len(),
                });
                None
            }
        }
    }
}

/// The place of a reference.
struct Wanted<'a> {
    definition: &'a StepDefinition,
    instance: &'a Instance,
    task: &'a TaskDefinition,
    parameter: &'a str,
    manner: Manner,
}

impl Wanted<'_> {
    fn required(&self) -> bool {
        let parameters = self.task.spec().map(|spec| spec.parameters).unwrap_or_default();
        field(parameters, self.parameter).is_none_or(|field| field.required)
    }
}

fn positions<'a>(
    expansion: &'a Expansion<'_>,
    definition: &'a StepDefinition,
) -> impl DoubleEndedIterator<Item = usize> + 'a {
    definition.needs.iter().filter_map(|need| expansion.position(&need.value))
}

/// Whether a step is about the very component that the one it needs was about: it uses what that one
/// gave, it closes what that one opened, or it is what a hook prepared. No database stands still for
/// longer because of another one.
fn belongs(definition: &StepDefinition, needed: &StepDefinition) -> bool {
    let opens = needed.task.action.value == RunHooks::SPEC.name;
    uses(definition, &needed.id) || definition.always || opens
}

/// Whether a step refers to an output of another, in either manner.
fn uses(definition: &StepDefinition, other: &StepId) -> bool {
    let tasks = definition.forced.iter().chain([&definition.task]);
    let mut arguments = tasks.flat_map(|task| task.with.values());
    arguments
        .any(|Argument { arg, .. }| matches!(arg, Some(Arg::Output { step, .. }) if step == other))
}

fn kind(giver: &StepDefinition, manner: Manner, output: &str) -> Option<Kind> {
    let outputs = giver.task(manner).spec()?.outputs;
    field(outputs, output).map(|field| field.kind)
}

fn field<'a>(fields: &'a [Field], name: &str) -> Option<&'a Field> {
    fields.iter().find(|field| field.name == name)
}
