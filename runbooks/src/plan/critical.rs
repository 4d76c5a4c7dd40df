//! The chain of steps that decides how long a run takes.

use std::collections::BTreeMap;

use super::{Part, Plan, Step};
use crate::{name::StepId, value::Span};

impl Plan {
    /// The chain of steps that takes longest by `cost`, and how long it takes. `undo` and `finally` are no
    /// part of it: users are served before them.
    pub fn critical_path(&self, cost: impl Fn(&Step) -> Span) -> (Span, Vec<&Step>) {
        let mut ends: BTreeMap<&StepId, (u64, Option<&StepId>)> = BTreeMap::new();
        // A step is declared after those that it needs.
        for step in self.steps.iter().filter(|step| step.part == Part::Steps) {
            let needs = step.needs.iter().filter_map(|need| Some((need, ends.get(need)?.0)));
            let before = needs.max_by_key(|(_, end)| *end);
            let end = before.map_or(0, |(_, end)| end) + cost(step).secs();
            ends.insert(&step.id, (end, before.map(|(need, _)| need)));
        }
        let last = ends.iter().max_by_key(|(_, (end, _))| *end);
        let total = last.map_or(0, |(_, (end, _))| *end);
        let (mut path, mut next) = (Vec::new(), last.map(|(id, _)| *id));
        while let Some(id) = next {
            path.extend(self.steps.iter().find(|step| step.id == *id));
            next = ends.get(id).and_then(|(_, before)| *before);
        }
        path.reverse();
        (Span::from_secs(u32::try_from(total).unwrap_or(u32::MAX)), path)
    }
}
