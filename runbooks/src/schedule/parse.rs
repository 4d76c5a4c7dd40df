//! Reads a file with a list of schedules.

use std::collections::BTreeMap;

use super::{CatchUp, Cron, Schedule, Zone};
use crate::{
    check::{Checked, Fields, Findings, list, text},
    tree::Node,
    value::Span,
};

const KEYS: &[&str] = &[
    "id",
    "runbook",
    "application",
    "cron",
    "zone",
    "catch_up",
    "lead",
    "occurrence_input",
    "inputs",
    "start_within",
    "complete_within",
];

/// How late a start still counts, for a schedule that does not say.
const START_WITHIN_DEFAULT: Span = Span::from_hours(1);

pub(super) fn schedules(file: &str, text: &str) -> Checked<Vec<Schedule>> {
    let mut out = Findings::new(file);
    let tree = out.tree(text);
    let value = tree.as_ref().and_then(|node| list(node, &mut out)).map(|items| {
        let mut schedules: Vec<Schedule> = Vec::new();
        for item in items {
            let Some(schedule) = read(file, item, &mut out) else { continue };
            if let Some(first) = schedules.iter().find(|other| other.id == schedule.id) {
                let message = format!("schedule `{}` already stands at {}", first.id, first.place);
                out.error(schedule.place, "duplicate-id", message);
            }
            schedules.push(schedule);
        }
        schedules
    });
    Checked { value, findings: out.finish() }
}

fn read(file: &str, node: &Node, out: &mut Findings) -> Option<Schedule> {
    let fields = Fields::open(node, "a schedule", KEYS, out)?;
    let id = fields.need_parsed("id", out);
    let runbook = fields.need_parsed("runbook", out);
    let cron = fields.need("cron", out).and_then(|node| cron(node, out));
    let entries = fields.entries("inputs", out);
    let inputs: BTreeMap<_, _> =
        entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect();
    let occurrence_input = fields.text("occurrence_input", out);
    if let (Some(name), Some(node)) = (&occurrence_input, fields.get("occurrence_input"))
        && inputs.contains_key(name)
    {
        let message = format!("input `{name}` is given twice: here and under `inputs`");
        out.error(node.place, "given-twice", message);
    }
    let complete_within = fields.parsed("complete_within", out);
    if let (Some(node), Some(limit)) = (fields.get("complete_within"), complete_within)
        && limit == Span::default()
    {
        out.error(node.place, "wrong-value", "a run needs time: `complete_within` is zero");
    }
    Some(Schedule {
        application: fields.parsed("application", out),
        zone: fields.parsed("zone", out).unwrap_or_else(Zone::default),
        catch_up: fields.parsed("catch_up", out).unwrap_or(CatchUp::Skip),
        lead: fields.parsed("lead", out),
        occurrence_input,
        inputs,
        start_within: fields.parsed("start_within", out).unwrap_or(START_WITHIN_DEFAULT),
        complete_within,
        file: file.to_owned(),
        place: node.place,
        id: id?,
        runbook: runbook?,
        cron: cron?,
    })
}

fn cron(node: &Node, out: &mut Findings) -> Option<Cron> {
    match text(node, out)?.parse() {
        Ok(cron) => Some(cron),
        Err(why) => {
            out.error(node.place, "bad-cron", why.to_string()).hint(
                "`0 2 * * *` is every night at two, `0 2 * * SUN#1` the first Sunday of a month",
            );
            None
        }
    }
}
