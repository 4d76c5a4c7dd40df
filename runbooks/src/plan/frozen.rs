//! A plan byte for byte as it is journalled, and as it is read back from there.

use std::{
    fmt,
    ops::Deref,
    sync::{Arc, OnceLock},
};

use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::{Binding, Plan, Step, Task, Unresolved};
use crate::{
    action::{Action, Outputs, Spec},
    application::Component,
    name::StepId,
    request::Manner,
};

/// A plan as it is journalled.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Frozen {
    /// The plan as JSON, byte for byte.
    text: Arc<str>,
    /// SHA-256 of the text, in hexadecimal. Approvals are bound to it.
    hash: Arc<str>,
    /// What the text says, once somebody has read it. All copies of an event share one reading.
    #[serde(skip)]
    thawed: Reading,
}

#[derive(Clone, Default)]
struct Reading(Arc<OnceLock<Arc<Thawed>>>);

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.get().is_some() { "read" } else { "not read" })
    }
}

impl PartialEq for Frozen {
    fn eq(&self, other: &Frozen) -> bool {
        self.text == other.text && self.hash == other.hash
    }
}

impl Eq for Frozen {}

impl Frozen {
    pub(super) fn new(text: String) -> Frozen {
        let hash = hash(&text).into();
        Frozen { text: text.into(), hash, thawed: Reading::default() }
    }

    /// SHA-256 of the plan's bytes, in hexadecimal.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Reads the plan back, and refuses one whose bytes are not those that were hashed.
    pub fn thaw(&self) -> Result<Arc<Thawed>, Thaw> {
        if let Some(thawed) = self.thawed.0.get() {
            return Ok(Arc::clone(thawed));
        }
        if hash(&self.text) != *self.hash {
            return Err(Thaw::Hash);
        }
        let plan: Plan = serde_json::from_str(&self.text).map_err(Thaw::Parse)?;
        Ok(Arc::clone(self.thawed.0.get_or_init(|| Arc::new(Thawed::from(plan)))))
    }
}

/// Why a frozen plan cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Thaw {
    /// The bytes are not those that were hashed.
    #[error("the plan's bytes do not match its hash")]
    Hash,
    /// A newer program wrote it, or it is damaged.
    #[error("the plan cannot be read")]
    Parse(#[source] serde_json::Error),
}

fn hash(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = Sha256::digest(text.as_bytes()).into_iter().flat_map(|byte| {
        [byte >> 4, byte & 15].map(|digit| char::from(DIGITS[usize::from(digit)]))
    });
    digits.collect()
}

/// In the order of the pairs below.
const MANNERS: [Manner; 2] = [Manner::Graceful, Manner::Forced];

/// A plan as a run carries it out: with what its names lead to, found once and not at each look at
/// the run.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "Plan")]
pub struct Thawed {
    plan: Plan,
    /// By the place of a step, the places of all that it rests on, directly or not, nearest first;
    /// none if it rests on a step that the plan does not have.
    rests_on: Vec<Option<Box<[usize]>>>,
    /// The plan's binding, for all who carry it about.
    shared: Option<Arc<Binding>>,
    /// By the place of a step, the component that it works on.
    components: Vec<Option<Arc<Component>>>,
    /// By the place of a step, what it does in calm and when forced, where no argument comes out of a step.
    fixed: Vec<[Option<Arc<Action>>; 2]>,
    /// By the place of a step, what is known of its action in calm and when forced.
    specs: Vec<[Option<&'static Spec>; 2]>,
}

/// Where a manner stands in a pair.
fn side(manner: Manner) -> usize {
    match manner {
        Manner::Graceful => 0,
        Manner::Forced => 1,
    }
}

// All else follows from the plan.
impl PartialEq for Thawed {
    fn eq(&self, other: &Thawed) -> bool {
        self.plan == other.plan
    }
}

impl Eq for Thawed {}

impl From<Plan> for Thawed {
    fn from(plan: Plan) -> Thawed {
        let rests_on = plan.steps.iter().map(|step| rests_on(&plan, step)).collect();
        let component = |step: &Step| Some(Arc::new(plan.component(step.component.as_ref()?)?));
        let components = plan.steps.iter().map(component).collect();
        let fixed = plan.steps.iter().map(|step| fixed(&plan, step)).collect();
        let spec = |step: &Step| MANNERS.map(|manner| step.task(manner).spec());
        let specs = plan.steps.iter().map(spec).collect();
        let shared = plan.binding.clone().map(Arc::new);
        Thawed { plan, rests_on, shared, components, fixed, specs }
    }
}

impl Serialize for Thawed {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.plan.serialize(to)
    }
}

impl Deref for Thawed {
    type Target = Plan;

    fn deref(&self) -> &Plan {
        &self.plan
    }
}

impl Thawed {
    /// The places of all steps that the one at `place` rests on, directly or through others; none if
    /// one of them does not exist.
    pub fn rests_on(&self, place: usize) -> Option<&[usize]> {
        self.rests_on.get(place)?.as_deref()
    }

    /// What the step at `place` does in a manner, with its arguments filled in.
    pub fn action_at<'a>(
        &self,
        place: usize,
        manner: Manner,
        outputs: impl Fn(&StepId) -> Option<&'a Outputs>,
    ) -> Result<Arc<Action>, Unresolved> {
        match &self.fixed[place][side(manner)] {
            Some(action) => Ok(Arc::clone(action)),
            None => self.steps[place].task(manner).resolve(&self.inputs, outputs).map(Arc::new),
        }
    }

    /// The specification of what the step at `place` does in a manner; see [`Task::spec`].
    pub fn spec_at(&self, place: usize, manner: Manner) -> Option<&'static Spec> {
        self.specs[place][side(manner)]
    }

    /// The plan's binding, shared with all who ask for it.
    pub fn shared_binding(&self) -> Option<Arc<Binding>> {
        self.shared.clone()
    }

    /// The component that the step at `place` works on.
    pub fn component_at(&self, place: usize) -> Option<Arc<Component>> {
        self.components.get(place)?.clone()
    }
}

/// What cannot be built is left to whoever wants to start it, and says why.
fn fixed(plan: &Plan, step: &Step) -> [Option<Arc<Action>>; 2] {
    let build = |task: &Task| {
        let built = task.is_fixed().then(|| task.resolve(&plan.inputs, |_| None))?;
        built.ok().map(Arc::new)
    };
    let calm = build(&step.task);
    let forced = step.forced.as_ref().map_or_else(|| calm.clone(), build);
    [calm, forced]
}

fn rests_on(plan: &Plan, step: &Step) -> Option<Box<[usize]>> {
    let mut met = vec![false; plan.steps.len()];
    let mut found = Vec::new();
    let mut next: Vec<_> = step.needs.iter().collect();
    while let Some(id) = next.pop() {
        let place = plan.steps.iter().position(|step| step.id == *id)?;
        if !std::mem::replace(&mut met[place], true) {
            found.push(place);
            next.extend(&plan.steps[place].needs);
        }
    }
    Some(found.into())
}
