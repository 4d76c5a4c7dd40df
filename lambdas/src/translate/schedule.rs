//! A scheduled rule of EventBridge came due.

use jiff::Timestamp;
use muster_runbooks::message::{Kind, Message, Source};

use super::{Event, NotOurs, cut, expiry, resource, text};
use crate::settings::{Rules, ScheduleRule};

/// Asks for what the rule is configured to start. A failover too is only asked for.
pub(super) fn occurrence(event: &Event, source: Source, rules: &Rules) -> Result<Message, NotOurs> {
    let first = event.resources.iter().flatten().next();
    let arn = text(first.map(String::as_str), "resources[0]")?;
    let rule = resource(arn, "events", &source)?;
    let rule = rule.strip_prefix("rule/").ok_or(NotOurs::Field { field: "resources[0]" })?;
    let schedule = rules
        .schedules
        .iter()
        .find(|schedule| schedule.rule == rule)
        .ok_or_else(|| NotOurs::NoSchedule { rule: cut(rule) })?;
    let at = super::at(event)?;
    let kind = Kind::Request {
        runbook: schedule.runbook.clone(),
        application: schedule.application.clone(),
        inputs: schedule.inputs.clone(),
        reason: schedule.reason.clone(),
    };
    let key = key(schedule, &source, at);
    Ok(Message::new(kind, key, source, at, expiry(at, schedule.max_age, "time")?))
}

/// One key per occurrence. EventBridge gives occurrences no id, delivers them more than once, and
/// counts schedules in minutes. The region is left out on purpose: the same rule in both regions is
/// how a schedule survives the loss of one, and must not run twice. What is started stands in the
/// key so that two functions with different rules do not swallow each other's requests.
fn key(schedule: &ScheduleRule, source: &Source, at: Timestamp) -> String {
    let secs = at.as_second();
    let floored = Timestamp::from_second(secs - secs.rem_euclid(60)).unwrap_or(at);
    let application = schedule.application.as_ref().map_or("-", |name| name.as_str());
    let ScheduleRule { rule, runbook, .. } = schedule;
    format!("schedule|{}|{rule}|{runbook}|{application}|{floored}", source.account)
}
