//! What is wrong with a runbook although every key of it can be read.
//!
//! Each manner is judged by itself: a graceful run may lean on the region that is being left, a
//! forced one may not.

mod arguments;
mod custom;
mod graph;
mod safety;
pub(super) mod starts;
mod time;

use super::Runbook;
use crate::check::Findings;

/// The most steps that a runbook may have as it is written.
const WRITTEN_MAX: usize = 256;

/// Adds what is wrong inside one runbook.
pub(super) fn file(runbook: &Runbook, out: &mut Findings) {
    if let Some(first) = runbook.steps.get(WRITTEN_MAX) {
        // The checks below compare steps with steps; nobody reads the findings of a thousand.
        let message =
            format!("a runbook has {WRITTEN_MAX} steps at most, before `each` is expanded");
        out.error(first.place, "too-many-steps", message);
        return;
    }
    duplicate_ids(runbook, out);
    let graph = graph::Graph::new(runbook, out);
    arguments::check(runbook, &graph, out);
    custom::check(runbook, out);
    safety::check(runbook, &graph, out);
    time::check(runbook, &graph, out);
}

fn duplicate_ids(runbook: &Runbook, out: &mut Findings) {
    for (at, step) in runbook.steps.iter().enumerate() {
        if let Some(first) = runbook.steps[..at].iter().find(|other| other.id == step.id) {
            let message = format!("step `{}` already stands at {}", step.id, first.place);
            out.error(step.place, "duplicate-id", message);
        }
    }
}
