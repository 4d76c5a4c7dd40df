//! Whether a runbook keeps its recovery time.

use super::graph::Graph;
use crate::{
    check::Findings,
    plan::{Arg, Part},
    runbook::{Runbook, StepDefinition},
    tree::Place,
    value::Span,
};

pub(super) fn check(runbook: &Runbook, graph: &Graph<'_>, out: &mut Findings) {
    for step in &runbook.steps {
        wait(step, out);
        if let Some(budget) = step.budget
            && budget > step.limit
            && step.limit > Span::default()
        {
            let message = format!("the budget of {budget} is over the limit of {}", step.limit);
            out.error(step.place, "budget-over-limit", message);
        }
    }
    let Some(rto) = runbook.rto else { return };
    let path = critical_path(runbook, graph);
    let total: u64 = path.iter().map(|step| cost(step).secs()).sum();
    if total > rto.secs() {
        over(runbook, &path, total, rto, out);
    }
}

/// A wait that outlasts its step can only fail.
fn wait(step: &StepDefinition, out: &mut Findings) {
    let duration = step.task.with.get("duration").and_then(|argument| argument.arg.as_ref());
    let Some(Arg::Literal(value)) = duration else { return };
    let span: Option<Span> = value.as_str().and_then(|text| text.parse().ok());
    if let Some(span) = span
        && span > step.limit
        && step.limit > Span::default()
    {
        let message = format!("a wait of {span} is over the limit of {}", step.limit);
        out.error(step.place, "wait-over-limit", message);
    }
}

fn over(runbook: &Runbook, path: &[&StepDefinition], total: u64, rto: Span, out: &mut Findings) {
    let total = u32::try_from(total).map_or(Span::from_secs(u32::MAX), Span::from_secs);
    let steps: Vec<String> =
        path.iter().map(|step| format!("{} {}", step.id, cost(step))).collect();
    // A variant has the needs, the limit and the budget of its step, so both manners take as long.
    let manners: Vec<&str> = runbook.manners().iter().map(|manner| manner.word()).collect();
    let message = format!(
        "a {} run of `{}` takes {total}, over its objective of {rto}: {}",
        manners.join(" or "),
        runbook.name,
        steps.join(", ")
    );
    let place = path.last().map_or(Place::START, |step| step.place);
    out.error(place, "over-rto", message)
        .hint("a step counts with its `budget`, or its `limit` where it has none");
}

/// What a step is expected to take.
fn cost(step: &StepDefinition) -> Span {
    step.budget.unwrap_or(step.limit)
}

/// The chain of steps that takes longest. `undo` and `finally` are not part of a recovery: users
/// are served before them. Steps of a cycle, and those behind one, take forever and are left out.
fn critical_path<'a>(runbook: &'a Runbook, graph: &Graph<'_>) -> Vec<&'a StepDefinition> {
    let mut ends = vec![(0_u64, Vec::new()); runbook.steps.len()];
    for &at in &graph.order {
        let longest = graph.needs(at).iter().map(|need| &ends[*need]).max_by_key(|end| end.0);
        let (before, mut path) = longest.cloned().unwrap_or_default();
        path.push(at);
        ends[at] = (before + cost(&runbook.steps[at]).secs(), path);
    }
    let steps = (0..runbook.steps.len()).filter(|at| runbook.steps[*at].part == Part::Steps);
    let last = steps.max_by_key(|at| ends[*at].0);
    let path = last.map(|at| ends[at].1.clone()).unwrap_or_default();
    path.into_iter().map(|at| &runbook.steps[at]).collect()
}
