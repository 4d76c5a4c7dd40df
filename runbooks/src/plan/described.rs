//! What every step of a plan would do, and how a person would do it, before there is a run.

use super::{Plan, Step};
use crate::{
    action::{Action, Description, On},
    name::{RunId, Token},
    request::Manner,
};

/// A step with what it would do.
#[derive(Clone, Debug)]
pub struct Described<'a> {
    /// The step.
    pub step: &'a Step,
    /// What it does with its arguments; why nobody can tell before the run, where they come from a step
    /// before it.
    pub action: Result<Action, String>,
    /// The calls, the commands and the permissions; empty where the action is not known, and where there
    /// is no application.
    pub description: Description,
}

impl Plan {
    /// Every step in the order of the plan, in a manner. `run` stands where a run's own name would.
    pub fn described(&self, manner: Manner, run: &RunId) -> Vec<Described<'_>> {
        self.steps.iter().map(|step| self.describe(step, manner, run)).collect()
    }

    fn describe<'a>(&self, step: &'a Step, manner: Manner, run: &RunId) -> Described<'a> {
        let action = step.task(manner).resolve(&self.inputs, |_| None);
        let action = action.map_err(|why| why.to_string());
        let description = match (&action, &self.binding) {
            (Ok(action), Some(binding)) => {
                let component = step.component.as_ref().and_then(|name| self.component(name));
                let token = Token::new(run, &step.id, 1, action.spec().is_drill_owned());
                action.describe(&On {
                    application: &binding.application,
                    active: &binding.active,
                    standby: &binding.standby,
                    component: component.as_ref(),
                    token: token.as_str(),
                })
            }
            (Err(_), _) | (_, None) => Description::default(),
        };
        Described { step, action, description }
    }
}
