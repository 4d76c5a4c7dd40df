//! Requests that are planned when they are made, as the daemon's intake does it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use muster_runbooks::{
    application::Application,
    name::{ApplicationName, Region, RunId, RunbookName},
    plan::{Binding, Frozen, Plan, Step},
    request::{Manner, Mode, Request},
};
use muster_state::{
    child::Wanted,
    command::{Admission, Command},
    progress::Progress,
    run::Run,
};

use super::{
    cast::{LIBRARY, id},
    chance::mix,
};

/// Plans that were made before in this process. The same runbook with the same inputs, bound to the
/// same sides of the one application, is the same plan.
static PLANS: Mutex<BTreeMap<PlanKey, Frozen>> = Mutex::new(BTreeMap::new());

type PlanKey = (RunbookName, Mode, Manner, Option<(ApplicationName, Region)>, String);

/// Asks for the run that a step wants, as the daemon does. Its id follows from whose it is, so that histories
/// that were cut off and those that were not can be compared.
pub(super) fn start_of(
    applications: &[Application],
    run: &Run,
    step: &Step,
    wanted: Wanted<'_>,
    known: &Progress,
) -> Command {
    let request = run.request_of(step, wanted);
    let name = request.application.as_ref();
    let about = name.and_then(|name| applications.iter().find(|one| one.name == *name));
    let active = about.map(|one| active(one, known));
    let before = run.children.iter().filter(|child| child.step == step.id).count();
    let mut number = 0;
    mix(&mut number, format!("{} {} {before}", run.id, step.id).as_bytes());
    admit(id('s', number % 100_000_000_000), request, about.zip(active.as_ref()))
}

/// From where an application is served, as far as anybody has seen.
pub(super) fn active(application: &Application, known: &Progress) -> Region {
    let state = known.applications.get(&application.name);
    let active = state.and_then(|state| state.active.as_ref());
    active.map_or_else(|| application.home.clone(), |active| active.region.clone())
}

/// The command for a request about an application that is served from a region.
pub(super) fn admit(
    id: RunId,
    request: Request,
    about: Option<(&Application, &Region)>,
) -> Command {
    let runbook = LIBRARY.get(&request.runbook).expect("a shipped runbook");
    let inputs = serde_json::to_string(&request.inputs).expect("it is JSON");
    let of = about.map(|(application, active)| (application.name.clone(), active.clone()));
    let key = (request.runbook.clone(), request.mode, request.manner, of, inputs);
    let mut plans = PLANS.lock().unwrap_or_else(PoisonError::into_inner);
    let plan = match plans.get(&key) {
        Some(plan) => plan.clone(),
        None => {
            let binding = about.map(|(application, active)| bound_to(application, active));
            let plan = Plan::make(runbook, &request, binding);
            let plan = plan.expect("the shipped runbook binds").freeze().expect("it is JSON");
            plans.entry(key).or_insert(plan).clone()
        }
    };
    Command::Admit(Box::new(Admission { id, request, plan, proposal: None, asked: None }))
}

fn bound_to(application: &Application, active: &Region) -> Binding {
    let standby = application.other(active).expect("one of the two").clone();
    Binding { application: application.clone(), active: active.clone(), standby }
}
