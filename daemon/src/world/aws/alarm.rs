//! Alarms of CloudWatch as observers: an alarm that rings says that a region is lost, one that has no data
//! says nothing (facts §8: missing data is unknown).

use aws_sdk_cloudwatch::types::{AlarmType, StateValue};
use jiff::Timestamp;
use muster_runbooks::{action::drill::CheckAlarms, application::detection::Alarm};
use muster_state::{
    call::{Call, CallError, Done, Progress, in_one_line},
    detect::Sees,
};
use serde_json::json;

use super::error;
use crate::world::{
    observers::{Seen, unknown},
    real::{Real, on},
};

/// What an alarm says. Nothing is known without an answer: CloudWatch may be lost with its region.
pub(in crate::world) async fn observe(real: &Real, alarm: &Alarm) -> Seen {
    match state(real, alarm).await {
        Ok(Some((StateValue::Ok, _))) => (Sees::Healthy, None, format!("`{}` is OK", alarm.name)),
        Ok(Some((StateValue::Alarm, since))) => {
            (Sees::Lost, since, format!("`{}` rings", alarm.name))
        }
        Ok(Some((state, _))) => unknown(format!("`{}` is {}", alarm.name, state.as_str())),
        Ok(None) => unknown(format!("no alarm is called `{}` in {}", alarm.name, alarm.region)),
        Err(why) => unknown(in_one_line(&why)),
    }
}

/// What the alarms of an application's drills say. One that rings is an answer; one without data is none yet.
pub(in crate::world) async fn observe_drill(
    real: &Real,
    call: &Call,
    action: &CheckAlarms,
) -> Result<Progress, CallError> {
    let on = on(call)?;
    let alarms = action.of(&on);
    let said = futures::future::join_all(alarms.iter().map(|alarm| observe(real, alarm))).await;
    Ok(judge(said.into_iter().map(|(sees, _, why)| (sees, why))))
}

/// What alarms mean to a drill.
pub(in crate::world) fn judge(said: impl Iterator<Item = (Sees, String)>) -> Progress {
    let said: Vec<(Sees, String)> = said.collect();
    let of = |wanted: Sees| {
        let those = said.iter().filter(move |(sees, _)| *sees == wanted);
        those.map(|(_, why)| why.as_str()).collect::<Vec<_>>().join("; ")
    };
    let (rings, unknown) = (of(Sees::Lost), of(Sees::Unknown));
    if !rings.is_empty() {
        return Progress::Failed { reason: rings };
    }
    if !unknown.is_empty() {
        return Progress::in_progress(unknown);
    }
    let seen = if said.is_empty() { "no alarm is asked".to_owned() } else { of(Sees::Healthy) };
    Progress::Done(Done::with([("seen", json!(seen))]))
}

async fn state(
    real: &Real,
    alarm: &Alarm,
) -> Result<Option<(StateValue, Option<Timestamp>)>, CallError> {
    let side = real.aws.side(&alarm.region);
    let ask = side.spare.alarms.describe_alarms().alarm_names(&alarm.name);
    let answer = ask
        .alarm_types(AlarmType::MetricAlarm)
        .alarm_types(AlarmType::CompositeAlarm)
        .send()
        .await
        .map_err(|why| error::trouble(why).at(side.name("cloudwatch"), "DescribeAlarms"))?;
    let metric = answer
        .metric_alarms()
        .first()
        .map(|one| (one.state_value().cloned(), one.state_transitioned_timestamp()));
    let composite = answer
        .composite_alarms()
        .first()
        .map(|one| (one.state_value().cloned(), one.state_transitioned_timestamp()));
    let found = metric.or(composite);
    Ok(found.and_then(|(state, since)| {
        let since = since.and_then(|at| Timestamp::from_second(at.secs()).ok());
        Some((state?, since))
    }))
}
