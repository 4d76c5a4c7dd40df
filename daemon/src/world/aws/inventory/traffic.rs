//! What moves users: the marker, and the records that it decides between (facts §5.3).

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use aws_sdk_route53::types::{ResourceRecordSet, ResourceRecordSetFailover};
use jiff::{SignedDuration, Timestamp};
use muster_runbooks::application::{Application, Traffic};
use muster_state::call::CallError;

use super::said;
use crate::world::{
    aws::{error, marker},
    inventory::{
        Said,
        takeover::{RecordSide, TrafficSide},
    },
    real::Real,
};

/// Records change when somebody changes them, and Route 53 answers five questions a second for a whole
/// account (facts §8, rates).
const RECORDS_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// What could not be read is asked for again sooner.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(10);

const OPERATION: &str = "ListResourceRecordSets";

/// The last answer about each name of each zone.
#[derive(Debug, Default)]
pub struct Records(Mutex<BTreeMap<Name, Read>>);

/// A zone, and a name in it.
type Name = (String, String);

/// What was read, and when it was asked for.
type Read = (Timestamp, Said<Vec<RecordSide>>);

/// What moves the users of an application, if it declares any.
pub(super) async fn look(
    real: &Real,
    application: &Application,
    now: Timestamp,
) -> Option<TrafficSide> {
    let traffic = application.traffic.as_ref()?;
    let (marker, records) =
        futures::join!(marker::is_there(real, traffic), records(real, traffic, now));
    Some(TrafficSide { marker: said(marker), records })
}

async fn records(real: &Real, traffic: &Traffic, now: Timestamp) -> Said<Vec<RecordSide>> {
    let key = (traffic.zone.clone(), traffic.name.clone());
    let known = real.records.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
    if let Some((at, records)) = known {
        let fresh = if records.is_ok() { RECORDS_EVERY } else { AGAIN_AFTER };
        if now.duration_since(at) < fresh {
            return records;
        }
    }
    let read = said(read(real, traffic).await);
    let mut all = real.records.0.lock().unwrap_or_else(PoisonError::into_inner);
    all.insert(key, (now, read.clone()));
    read
}

/// Asks the control plane: in calm only, and nothing that is under way waits for it.
async fn read(real: &Real, traffic: &Traffic) -> Result<Vec<RecordSide>, CallError> {
    let asked = real.aws.route53().list_resource_record_sets().hosted_zone_id(&traffic.zone);
    let answer = asked.start_record_name(&traffic.name).send().await;
    let answer = answer.map_err(|why| error::trouble(why).at("route53".to_owned(), OPERATION))?;
    let plain = |name: &str| name.trim_end_matches('.').to_ascii_lowercase();
    let of_it = |record: &&ResourceRecordSet| plain(&record.name) == plain(&traffic.name);
    Ok(answer.resource_record_sets.iter().filter(of_it).filter_map(record).collect())
}

fn record(found: &ResourceRecordSet) -> Option<RecordSide> {
    Some(RecordSide {
        is_primary: *found.failover()? == ResourceRecordSetFailover::Primary,
        id: found.set_identifier().unwrap_or("without an identifier").to_owned(),
        is_guarded: found.health_check_id().is_some(),
    })
}
