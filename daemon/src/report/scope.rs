//! Part 1: what of the application was in the run, and what was left out of it.

use muster_runbooks::{
    application::Application,
    plan::{Part, Step},
    value::words,
};
use muster_state::{run::Run, step::StepState};
use serde::{Deserialize, Serialize};

use super::List;

/// The most components and steps that are listed in one place.
const NAMES_MAX: usize = 100;

words! {
    /// What a run did to a component.
    Touch {
        /// A step changed something.
        Changed = "changed",
        /// A step looked, and none changed anything.
        Looked = "looked at",
        /// Steps only printed what they would do.
        Previewed = "previewed",
        /// It has steps, and none of them was carried out.
        Passed = "passed over",
        /// No step of the plan works on it.
        LeftOut = "left out",
    }
}

/// The application of a run, and what of it was touched.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Scope {
    /// Its name.
    pub application: String,
    /// Its title.
    pub title: String,
    /// The region that was active when the run was planned.
    pub active: String,
    /// The other region.
    pub standby: String,
    /// Everything that its file declares, touched or not.
    pub components: List<Component>,
    /// The steps that only printed what they would do.
    pub previewed: List<String>,
    /// The steps that a person went past.
    pub skipped: List<String>,
    /// The steps that were never begun.
    pub never_begun: List<String>,
}

/// One component.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Component {
    /// Its name.
    pub name: String,
    /// `database`, `bucket`, `workload`, `cache`, `secret`, `objects` or `traffic`.
    pub kind: String,
    /// What was done to it.
    pub touch: Touch,
    /// The steps that work on it.
    pub steps: List<String>,
}

/// The actions by which users are moved or looked for: they work on no component.
const TRAFFIC: &[&str] = &["shift-traffic", "weigh-traffic", "probe"];

impl Scope {
    /// What of the application of a run was touched; nothing for a run without one.
    pub fn of(run: &Run) -> Option<Scope> {
        let binding = run.plan.binding.as_ref()?;
        let of = |is: &dyn Fn(&StepState) -> bool| {
            let all = run.steps().filter(|(step, state)| step.part == Part::Steps && is(state));
            List::first(NAMES_MAX, all.map(|(step, _)| step.id.to_string()))
        };
        let declared = declared(&binding.application);
        Some(Scope {
            application: binding.application.name.to_string(),
            title: binding.application.title.clone(),
            active: binding.active.to_string(),
            standby: binding.standby.to_string(),
            components: List::first(
                NAMES_MAX,
                declared.into_iter().map(|(kind, name)| component(run, kind, name)),
            ),
            previewed: of(&|state| matches!(state, StepState::Previewed { .. })),
            skipped: of(&|state| matches!(state, StepState::Skipped { .. })),
            never_begun: of(&|state| matches!(state, StepState::Pending { attempts: 0 })),
        })
    }
}

/// Everything that an application's file declares, with its kind.
fn declared(application: &Application) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    let mut put = |kind, name: &dyn ToString| all.push((kind, name.to_string()));
    application.databases.iter().for_each(|one| put("database", &one.name));
    application.buckets.iter().for_each(|one| put("bucket", &one.name));
    application.workloads.iter().for_each(|one| put("workload", &one.name));
    application.caches.iter().for_each(|one| put("cache", &one.name));
    application.secrets.iter().for_each(|one| put("secret", &one.name));
    application.objects.iter().for_each(|one| put("objects", &one.name));
    application.traffic.iter().for_each(|one| put("traffic", &one.name));
    all
}

fn component(run: &Run, kind: &'static str, name: String) -> Component {
    let works_on_it = |component: Option<String>, action: &str| match kind {
        "traffic" => component.is_none() && TRAFFIC.contains(&action),
        _ => component.as_deref() == Some(&name),
    };
    let steps: Vec<_> = run
        .steps()
        .filter(|(step, _)| {
            let component = step.component.as_ref().map(ToString::to_string);
            works_on_it(component, &step.task(run.manner).action)
        })
        .collect();
    let mutates =
        |step: &Step| step.task(run.manner).spec().is_some_and(|spec| spec.reach.mutates());
    let acted = |state: &StepState| match state {
        StepState::Pending { attempts } => *attempts > 0,
        StepState::Running(_)
        | StepState::Held { .. }
        | StepState::BackingOff { .. }
        | StepState::Succeeded { .. }
        | StepState::Failed { .. }
        | StepState::DoneByHand { .. }
        | StepState::Superseded { .. } => true,
        StepState::Skipped { .. } | StepState::Previewed { .. } => false,
    };
    let touch = if steps.is_empty() {
        Touch::LeftOut
    } else if steps.iter().any(|(step, state)| acted(state) && mutates(step)) {
        Touch::Changed
    } else if steps.iter().any(|(_, state)| acted(state)) {
        Touch::Looked
    } else if steps.iter().any(|(_, state)| matches!(state, StepState::Previewed { .. })) {
        Touch::Previewed
    } else {
        Touch::Passed
    };
    let steps = List::first(NAMES_MAX, steps.iter().map(|(step, _)| step.id.to_string()));
    Component { name, kind: kind.to_owned(), touch, steps }
}
