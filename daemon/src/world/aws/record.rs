//! Weighted records, for applications that may be written in both regions. The one place that calls a
//! global control plane; nothing in a failover or failback comes here (facts §0.6).

use std::collections::BTreeMap;

use aws_sdk_route53::types::{Change, ChangeAction, ChangeBatch, ResourceRecordSet};
use muster_runbooks::{
    action::traffic::WeighTraffic, application::Traffic, name::Region, value::Span,
};
use muster_state::call::{Answer, Call, CallError, Done, Progress};
use serde_json::{Value, json};

use super::{error, marker::traffic};
use crate::world::{
    dns,
    real::{Real, on},
};

const SERVICE: &str = "route53";

/// The most record sets of one name that are read.
const RECORDS_MAX: usize = 200;

/// Compares the weights, and asks the name servers whether they answer.
pub async fn observe(
    real: &Real,
    call: &Call,
    action: &WeighTraffic,
) -> Result<Progress, CallError> {
    let (traffic, wanted) = (traffic(call)?, wanted(call, action)?);
    let found = weighted(real, traffic).await?;
    let Some(current) = current(&found, &wanted) else {
        return Ok(Progress::Refused {
            reason: format!("`{}` has no weighted record for each region", traffic.name),
        });
    };
    if current != wanted {
        let before = current.iter().map(|(region, weight)| (region.clone(), json!(weight)));
        return Ok(Progress::NotStarted {
            before: Value::Object(before.collect()),
            targets: vec![traffic.name.clone()],
        });
    }
    let heard = dns::ask(traffic).await?;
    let is_wanted = |(region, weight): (&String, &i64)| *weight > 0 && heard.says(region);
    if !wanted.iter().any(is_wanted) {
        return Ok(Progress::in_progress(format!("the name servers say {heard}")));
    }
    let from = call.aim.as_ref().map_or(call.started_at, |aim| aim.at);
    Ok(Progress::Done(Done::with([("took", json!(Span::between(from, call.asked_at)))])))
}

/// Sets both weights in one batch, which is atomic (facts §5.4).
pub async fn begin(real: &Real, call: &Call, action: &WeighTraffic) -> Result<Answer, CallError> {
    let (traffic, wanted) = (traffic(call)?, wanted(call, action)?);
    let found = weighted(real, traffic).await?;
    let mut batch = ChangeBatch::builder().comment(call.token.as_str());
    for mut record in found {
        let Some(weight) = region_of(&record, &wanted).and_then(|region| wanted.get(region)) else {
            continue;
        };
        record.weight = Some(*weight);
        let change = Change::builder().action(ChangeAction::Upsert).resource_record_set(record);
        batch = batch.changes(change.build().map_err(|why| unfit(call, &why))?);
    }
    let batch = batch.build().map_err(|why| unfit(call, &why))?;
    let route53 = real.aws.route53();
    let sent =
        route53.change_resource_record_sets().hosted_zone_id(&traffic.zone).change_batch(batch);
    match sent.send().await {
        Ok(_) => Ok(Answer::Accepted),
        Err(why) => error::trouble(why).begun(SERVICE.to_owned(), "ChangeResourceRecordSets"),
    }
}

fn unfit(call: &Call, why: &dyn std::error::Error) -> CallError {
    error::unfit(call, &format!("the change cannot be written: {why}"))
}

/// The weight of each region. With one writer a tenth elsewhere is a share that is broken (design §9).
fn wanted(call: &Call, action: &WeighTraffic) -> Result<BTreeMap<String, i64>, CallError> {
    let on = on(call)?;
    if !traffic(call)?.writable_in_both {
        return Err(error::unfit(call, "the application is not declared `writable_in_both`"));
    }
    if action.percent > 100 {
        return Err(error::unfit(call, "a share is 100 percent at most"));
    }
    let at: &Region = on.region(action.at);
    let other = on.across(action.at);
    let share = i64::from(action.percent);
    Ok([(at.to_string(), share), (other.to_string(), 100 - share)].into())
}

/// The weighted record sets of the application's name.
async fn weighted(real: &Real, traffic: &Traffic) -> Result<Vec<ResourceRecordSet>, CallError> {
    let route53 = real.aws.route53();
    let list = route53.list_resource_record_sets().hosted_zone_id(&traffic.zone);
    let answer =
        list.start_record_name(&traffic.name)
            .max_items(RECORDS_MAX as i32)
            .send()
            .await
            .map_err(|why| error::trouble(why).at(SERVICE.to_owned(), "ListResourceRecordSets"))?;
    let is_it = |record: &ResourceRecordSet| {
        let plain = |name: &str| name.trim_end_matches('.').to_ascii_lowercase();
        record.weight.is_some() && plain(&record.name) == plain(&traffic.name)
    };
    Ok(answer.resource_record_sets.into_iter().filter(is_it).collect())
}

/// The region that a record set stands for: its set identifier begins with the region's name.
fn region_of<'a>(
    record: &ResourceRecordSet,
    wanted: &'a BTreeMap<String, i64>,
) -> Option<&'a String> {
    let id = record.set_identifier.as_deref()?;
    wanted.keys().find(|region| id == region.as_str() || id.starts_with(&format!("{region}-")))
}

/// The weights that stand, if every region has one.
fn current(
    found: &[ResourceRecordSet],
    wanted: &BTreeMap<String, i64>,
) -> Option<BTreeMap<String, i64>> {
    let mut current = BTreeMap::new();
    for record in found {
        let Some(region) = region_of(record, wanted) else { continue };
        current.insert(region.clone(), record.weight?);
    }
    (current.len() == wanted.len()).then_some(current)
}

#[cfg(test)]
mod tests {
    use aws_sdk_route53::types::RrType;

    use super::*;

    fn record(id: &str, weight: i64) -> ResourceRecordSet {
        let record = ResourceRecordSet::builder().name("app.example.com.").r#type(RrType::A);
        record.set_identifier(id).weight(weight).build().unwrap()
    }

    #[test]
    fn weights_are_known_only_when_every_region_has_one() {
        let wanted: BTreeMap<String, i64> =
            [("us-east-1".to_owned(), 90), ("us-west-2".to_owned(), 10)].into();
        let both = [record("us-east-1", 90), record("us-west-2-blue", 10), record("other", 5)];
        assert_eq!(current(&both, &wanted), Some(wanted.clone()));
        assert_eq!(current(&both[..1], &wanted), None);
    }
}
