//! What stands before what: needs that lead nowhere, cycles, and the order for the other checks.

use std::collections::BTreeSet;

use crate::{
    check::{Findings, unknown},
    name::StepId,
    runbook::{Runbook, StepDefinition},
    tree::Placed,
};

/// The steps of a runbook with their needs resolved to positions.
pub(super) struct Graph<'a> {
    steps: &'a [StepDefinition],
    needs: Vec<Vec<usize>>,
    /// Every step that needs nothing unordered, each after all that it needs.
    pub(super) order: Vec<usize>,
}

impl<'a> Graph<'a> {
    pub(super) fn new(runbook: &'a Runbook, out: &mut Findings) -> Graph<'a> {
        let steps = runbook.steps.as_slice();
        let needs = (0..steps.len()).map(|at| resolve(steps, at, out)).collect();
        let mut graph = Graph { steps, needs, order: Vec::new() };
        graph.sort();
        graph.report_cycles(out);
        graph
    }

    /// The position of a step.
    pub(super) fn position(&self, id: &StepId) -> Option<usize> {
        self.steps.iter().position(|step| step.id == *id)
    }

    /// The steps that a step needs directly.
    pub(super) fn needs(&self, at: usize) -> &[usize] {
        &self.needs[at]
    }

    /// All steps that have ended before a step starts.
    pub(super) fn before(&self, at: usize) -> BTreeSet<usize> {
        let mut seen = BTreeSet::new();
        let mut open = self.needs[at].clone();
        while let Some(step) = open.pop() {
            if seen.insert(step) {
                open.extend(&self.needs[step]);
            }
        }
        seen
    }

    fn sort(&mut self) {
        let mut placed = BTreeSet::new();
        loop {
            let next = (0..self.steps.len()).find(|at| {
                !placed.contains(at) && self.needs[*at].iter().all(|need| placed.contains(need))
            });
            let Some(next) = next else { return };
            placed.insert(next);
            self.order.push(next);
        }
    }

    /// Reports each cycle once, at its step that stands first in the file.
    fn report_cycles(&self, out: &mut Findings) {
        let mut told = BTreeSet::new();
        for at in 0..self.steps.len() {
            if told.contains(&at) || !self.before(at).contains(&at) {
                continue;
            }
            let path = self.cycle_through(at);
            let names: Vec<&str> = path.iter().map(|at| self.steps[*at].id.as_str()).collect();
            let message = format!("steps wait for each other: {}", names.join(" needs "));
            let step = &self.steps[at];
            let need = step.needs.iter().find(|need| Some(&need.value.as_str()) == names.get(1));
            out.error(need.map_or(step.place, |need| need.place), "cycle", message);
            // Whatever shares a step with this cycle is mended together with it.
            told.extend(self.before(at));
        }
    }

    /// The shortest way from a step back to itself.
    fn cycle_through(&self, start: usize) -> Vec<usize> {
        let mut paths = vec![vec![start]];
        let mut seen = BTreeSet::new();
        while !paths.is_empty() {
            let mut longer = Vec::new();
            for path in paths {
                for &need in path.last().map(|last| self.needs(*last)).unwrap_or_default() {
                    let mut path = path.clone();
                    path.push(need);
                    if need == start {
                        return path;
                    }
                    if seen.insert(need) {
                        longer.push(path);
                    }
                }
            }
            paths = longer;
        }
        vec![start]
    }
}

fn resolve(steps: &[StepDefinition], at: usize, out: &mut Findings) -> Vec<usize> {
    let step = &steps[at];
    step.needs.iter().filter_map(|need| resolve_one(steps, step, need, out)).collect()
}

fn resolve_one(
    steps: &[StepDefinition],
    step: &StepDefinition,
    need: &Placed<StepId>,
    out: &mut Findings,
) -> Option<usize> {
    let found = steps.iter().position(|other| other.id == need.value);
    match found.map(|at| (at, steps[at].part)) {
        Some((at, part)) if part == step.part => Some(at),
        Some((_, part)) => {
            // The parts run at different times: `finally` even after a run whose steps never ran.
            let message = format!(
                "`{}` stands in `{part}`; a step of `{}` can need only steps of its own part",
                need.value, step.part
            );
            out.error(need.place, "needs-other-part", message);
            None
        }
        None => {
            let known: Vec<&str> = steps
                .iter()
                .filter(|other| other.part == step.part)
                .map(|other| other.id.as_str())
                .collect();
            unknown(
                need.place,
                "no step is called",
                "unknown-step",
                need.value.as_str(),
                &known,
                out,
            );
            None
        }
    }
}
