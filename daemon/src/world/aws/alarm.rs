//! Alarms of CloudWatch as observers: an alarm that rings says that a region is lost, one that has no data
//! says nothing (facts §8: missing data is unknown).

use aws_sdk_cloudwatch::types::{AlarmType, StateValue};
use jiff::Timestamp;
use muster_runbooks::application::detection::Alarm;
use muster_state::{
    call::{CallError, in_one_line},
    detect::Sees,
};

use super::error;
use crate::world::{
    observers::{Seen, unknown},
    real::Real,
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

async fn state(
    real: &Real,
    alarm: &Alarm,
) -> Result<Option<(StateValue, Option<Timestamp>)>, CallError> {
    let side = real.aws.side(&alarm.region);
    let ask = side.spare.cloudwatch.describe_alarms().alarm_names(&alarm.name);
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
