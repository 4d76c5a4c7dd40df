//! Reads when a drill may move users, and which alarms it heeds.

use std::collections::BTreeSet;

use jiff::{civil::Time, tz::TimeZone};

use super::declared::{day, reason};
use crate::{
    application::{
        detection::Alarm,
        drills::{Blocked, Day, Drills, Hours},
    },
    check::{Fields, Findings, parsed, text},
    tree::Node,
};

pub(super) fn read(node: &Node, out: &mut Findings) -> Option<Drills> {
    let known = &["allowed", "blocked", "blocking_alarms", "outcome_alarms"];
    let fields = Fields::open(node, "drills", known, out)?;
    let allowed: Vec<_> = fields.list("allowed", out).iter().map(|node| hours(node, out)).collect();
    let blocked: Vec<_> =
        fields.list("blocked", out).iter().map(|node| blocked(node, out)).collect();
    let mut alarms = |key: &str| -> Option<Vec<Alarm>> {
        let all: Vec<_> = fields.list(key, out).iter().map(|node| alarm(node, out)).collect();
        all.into_iter().collect()
    };
    let (blocking_alarms, outcome_alarms) = (alarms("blocking_alarms"), alarms("outcome_alarms"));
    Some(Drills {
        allowed: allowed.into_iter().collect::<Option<_>>()?,
        blocked: blocked.into_iter().collect::<Option<_>>()?,
        blocking_alarms: blocking_alarms?,
        outcome_alarms: outcome_alarms?,
    })
}

fn hours(node: &Node, out: &mut Findings) -> Option<Hours> {
    let fields = Fields::open(node, "hours", &["days", "from", "to", "zone"], out)?;
    let days: BTreeSet<Day> =
        fields.list("days", out).iter().filter_map(|node| parsed(node, out)).collect();
    if days.is_empty() {
        out.error(node.place, "missing-key", "hours need `days`, such as [tue, wed]");
        return None;
    }
    let mut time = |key: &str| fields.need(key, out).and_then(|node| time(node, out));
    let (from, to) = (time("from"), time("to"));
    let zone = match fields.get("zone") {
        None => "UTC".to_owned(),
        Some(node) => zone(node, out)?,
    };
    let (from, to) = (from?, to?);
    if from >= to {
        out.error(node.place, "impossible-window", format!("{from} is not before {to}"))
            .hint("hours over midnight are two entries");
        return None;
    }
    Some(Hours { days, from, to, zone })
}

fn time(node: &Node, out: &mut Findings) -> Option<Time> {
    let written = text(node, out)?;
    let time = written.parse().ok();
    if time.is_none() {
        out.error(node.place, "wrong-value", format!("`{written}` is not a time of the day"))
            .hint("write it as \"13:00\", in quotes");
    }
    time
}

fn zone(node: &Node, out: &mut Findings) -> Option<String> {
    let written = text(node, out)?;
    if TimeZone::get(written).is_err() {
        out.error(node.place, "wrong-value", format!("no time zone is called `{written}`"));
        return None;
    }
    Some(written.to_owned())
}

fn blocked(node: &Node, out: &mut Findings) -> Option<Blocked> {
    let fields = Fields::open(node, "blocked days", &["from", "to", "because"], out)?;
    let from = fields.need("from", out).and_then(|node| day(node, out));
    let to = fields.need("to", out).and_then(|node| day(node, out));
    let because = reason(&fields, out);
    let (from, to) = (from?, to?);
    if from > to {
        out.error(node.place, "impossible-window", format!("{from} is after {to}"));
        return None;
    }
    Some(Blocked { from, to, because: because? })
}

fn alarm(node: &Node, out: &mut Findings) -> Option<Alarm> {
    let fields = Fields::open(node, "an alarm", &["region", "name"], out)?;
    let region = fields.need_parsed("region", out);
    let name = fields.need_text("name", out);
    Some(Alarm { region: region?, name: name? })
}
