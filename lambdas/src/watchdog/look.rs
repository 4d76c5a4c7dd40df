//! What is seen of AWS: the heartbeat in S3, the recovery points in RDS, the routing key in Secrets Manager.
//! Nothing here changes anything.

use std::{collections::BTreeMap, error::Error, time::Duration};

use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_rds::types::{DbClusterSnapshot, Tag};
use aws_sdk_s3::{
    config::Region as SdkRegion,
    error::{ProvideErrorMetadata, SdkError},
    operation::get_object::{GetObjectError, GetObjectOutput},
};
use futures::future::{join, join_all};
use jiff::Timestamp;
use muster_runbooks::{
    heartbeat::{BYTES_MAX, Heartbeat},
    name::Region,
    tag::{APPLICATION, COMPONENT, DATA_TIME, PURPOSE, RUN},
};

use super::{
    judge::{Beat, Seen, Snapshot},
    settings::{HeartbeatAt, Key, Settings},
};
use crate::function::chain;

/// A dead region hangs while connecting (facts §8).
const CONNECT: Duration = Duration::from_secs(2);
/// One attempt.
const ATTEMPT: Duration = Duration::from_secs(4);
/// All attempts at one call, and the pauses between them.
const OPERATION: Duration = Duration::from_secs(9);
/// How often one call is tried.
const ATTEMPTS: u32 = 3;

/// The most snapshots that one answer lists: RDS's maximum.
const PAGE: i32 = 100;

/// The most answers that make a list. With more, the list is not whole: the quota of manual snapshots is
/// 100 unless somebody raised it (facts §2).
const PAGES_MAX: usize = 20;

/// The clients, one for each region that something is read in.
#[derive(Debug)]
pub struct Eyes {
    shared: SdkConfig,
    at: HeartbeatAt,
    s3: aws_sdk_s3::Client,
    rds: Vec<(Region, aws_sdk_rds::Client)>,
}

/// The routing key could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the routing key cannot be read from Secrets Manager: {because}")]
pub struct NoKey {
    because: String,
}

impl Eyes {
    /// Makes the clients. Credentials come from the environment, as Lambda gives them.
    pub async fn open(settings: &Settings) -> Eyes {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(OPERATION)
            .build();
        let shared = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .load()
            .await;
        // S3 of an emulator has no host name per bucket.
        let overridden = std::env::var_os("AWS_ENDPOINT_URL_S3").is_some();
        let s3 = aws_sdk_s3::config::Builder::from(&shared)
            .region(named(&settings.heartbeat.region))
            .force_path_style(overridden || shared.endpoint_url().is_some())
            .build();
        let rds = settings.regions().into_iter().map(|region| {
            let config = aws_sdk_rds::config::Builder::from(&shared).region(named(&region));
            (region, aws_sdk_rds::Client::from_conf(config.build()))
        });
        Eyes {
            at: settings.heartbeat.clone(),
            s3: aws_sdk_s3::Client::from_conf(s3),
            rds: rds.collect(),
            shared,
        }
    }

    /// Looks at everything at once. Never fails: not to see something is an answer.
    pub async fn look(&self) -> Seen {
        let lists = self.rds.iter().map(async |(region, rds)| (region.clone(), list(rds).await));
        let (heartbeat, lists) = join(self.beat(), join_all(lists)).await;
        Seen { heartbeat, lists: lists.into_iter().collect::<BTreeMap<_, _>>() }
    }

    /// The routing key of the pager.
    ///
    /// # Errors
    ///
    /// When Secrets Manager does not give it.
    pub async fn key(&self, key: &Key) -> Result<String, NoKey> {
        let (arn, region) = match key {
            Key::Plain(key) => return Ok(key.clone()),
            Key::Secret { arn, region } => (arn, region),
        };
        let config = aws_sdk_secretsmanager::config::Builder::from(&self.shared);
        let config = config.region(named(region)).build();
        let client = aws_sdk_secretsmanager::Client::from_conf(config);
        let found = client.get_secret_value().secret_id(arn).send().await;
        let found = found.map_err(|why| NoKey { because: cause(&why) })?;
        let key = found.secret_string().map(str::trim).unwrap_or_default();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(NoKey {
                because: "it is not a routing key: letters and digits".to_owned(),
            });
        }
        Ok(key.to_owned())
    }

    async fn beat(&self) -> Beat {
        let HeartbeatAt { bucket, key, .. } = &self.at;
        let found = self.s3.get_object().bucket(bucket).key(key).send().await;
        match found {
            Ok(found) => read(found).await,
            Err(why) if is_missing(&why) => Beat::Missing,
            Err(why) => {
                tracing::warn!(why = chain(&why), bucket, key, "the heartbeat cannot be read");
                Beat::Unreadable { because: cause(&why) }
            }
        }
    }
}

fn named(region: &Region) -> SdkRegion {
    SdkRegion::new(region.as_str().to_owned())
}

fn is_missing(why: &SdkError<GetObjectError>) -> bool {
    why.as_service_error().is_some_and(GetObjectError::is_no_such_key)
}

async fn read(mut found: GetObjectOutput) -> Beat {
    let written_at = found.last_modified().and_then(instant);
    let mut text = Vec::new();
    while let Some(piece) = found.body.next().await {
        let Ok(piece) = piece else {
            let because = "it broke off while it was read".to_owned();
            return Beat::Unreadable { because };
        };
        text.extend_from_slice(&piece);
        if text.len() > BYTES_MAX {
            return Beat::Foreign { because: format!("it has more than {BYTES_MAX} bytes") };
        }
    }
    heard(&text, written_at)
}

fn heard(text: &[u8], written_at: Option<Timestamp>) -> Beat {
    match serde_json::from_slice::<Heartbeat>(text) {
        Ok(heartbeat) => Beat::Read { heartbeat: Box::new(heartbeat), written_at },
        Err(why) => Beat::Foreign { because: why.to_string().chars().take(200).collect() },
    }
}

/// Every snapshot of ours in a region. A page that does not come makes the whole list unknown.
async fn list(rds: &aws_sdk_rds::Client) -> Result<Vec<Snapshot>, String> {
    let (mut ours, mut marker) = (Vec::new(), None::<String>);
    for _ in 0..PAGES_MAX {
        let ask = rds.describe_db_cluster_snapshots().snapshot_type("manual").max_records(PAGE);
        let page = ask.set_marker(marker).send().await.map_err(|why| {
            tracing::warn!(why = chain(&why), "recovery points cannot be listed");
            cause(&why)
        })?;
        ours.extend(page.db_cluster_snapshots().iter().filter_map(snapshot));
        marker = page.marker().filter(|marker| !marker.is_empty()).map(str::to_owned);
        if marker.is_none() {
            return Ok(ours);
        }
    }
    Err(format!("there are more than {}", PAGES_MAX * PAGE as usize))
}

/// A snapshot that bears our name and our tags. Drills and everybody else's are none.
fn snapshot(found: &DbClusterSnapshot) -> Option<Snapshot> {
    let name = found.db_cluster_snapshot_identifier()?;
    if !name.starts_with("muster-") || name.starts_with("muster-drill-") {
        return None;
    }
    tag(found, RUN)?;
    let is_copy = found.source_db_cluster_snapshot_arn().is_some_and(|arn| !arn.is_empty());
    let data_time = match tag(found, DATA_TIME) {
        Some(text) => text.parse().ok(),
        // The copy's own time is when it was copied (facts §2).
        None if is_copy => None,
        None => found.snapshot_create_time().and_then(instant),
    };
    Some(Snapshot {
        arn: found.db_cluster_snapshot_arn()?.to_owned(),
        application: tag(found, APPLICATION)?.to_owned(),
        component: tag(found, COMPONENT)?.to_owned(),
        purpose: tag(found, PURPOSE).map(str::to_owned),
        status: found.status().unwrap_or("without a status").to_owned(),
        data_time,
    })
}

fn tag<'a>(found: &'a DbClusterSnapshot, name: &str) -> Option<&'a str> {
    found.tag_list().iter().find(|tag| tag.key() == Some(name)).and_then(Tag::value)
}

fn instant(at: &aws_sdk_s3::primitives::DateTime) -> Option<Timestamp> {
    Timestamp::new(at.secs(), i32::try_from(at.subsec_nanos()).ok()?).ok()
}

/// What AWS calls it, or that it did not answer. The rest may be long, and is logged.
fn cause<E>(why: &SdkError<E>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match why.as_service_error().and_then(ProvideErrorMetadata::code) {
        Some(code) => code.chars().filter(char::is_ascii_graphic).take(80).collect(),
        None => "no answer".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::primitives::DateTime;

    use super::*;
    use crate::watchdog::judge::fixture::{at, heartbeat};

    fn tagged(name: &str, tags: &[(&str, &str)]) -> DbClusterSnapshot {
        let tag = |(key, value): &(&str, &str)| Tag::builder().key(*key).value(*value).build();
        DbClusterSnapshot::builder()
            .db_cluster_snapshot_identifier(name)
            .db_cluster_snapshot_arn(format!("arn:{name}"))
            .status("available")
            .snapshot_create_time(DateTime::from_secs(1_772_330_400))
            .set_tag_list(Some(tags.iter().map(tag).collect()))
            .build()
    }

    const OURS: [(&str, &str); 3] = [(RUN, "a1"), (APPLICATION, "covetpy"), (COMPONENT, "main")];

    /// Goal: only what bears our name and our tags counts, and a copy is as old as its data.
    /// Method: snapshots of ours, of drills and of others, and what becomes of each.
    #[test]
    fn snapshots_of_ours_and_of_others() {
        let taken = snapshot(&tagged("muster-a1", &OURS)).unwrap();
        assert_eq!(taken.data_time, Some(at("2026-03-01T02:00:00Z")));
        assert_eq!((taken.application.as_str(), taken.purpose), ("covetpy", None));

        let with = |tags: &[(&'static str, &'static str)]| [&OURS[..], tags].concat();
        let mut copy = tagged("muster-a2", &with(&[(DATA_TIME, "2026-02-28T02:00:00Z")]));
        copy.source_db_cluster_snapshot_arn = Some("arn:muster-a1".to_owned());
        assert_eq!(snapshot(&copy).unwrap().data_time, Some(at("2026-02-28T02:00:00Z")));
        copy.tag_list = tagged("x", &OURS).tag_list;
        assert_eq!(snapshot(&copy).unwrap().data_time, None, "nobody knows");
        let odd = tagged("muster-a3", &with(&[(DATA_TIME, "yesterday")]));
        assert_eq!(snapshot(&odd).unwrap().data_time, None);

        for (name, tags) in [
            ("rds:covetpy-2026-03-01", &OURS[..]),
            ("by-hand", &OURS[..]),
            ("muster-drill-a1", &OURS[..]),
            ("muster-a1", &OURS[1..]),
            ("muster-a1", &OURS[..2]),
            ("muster-a1", &[]),
        ] {
            assert_eq!(snapshot(&tagged(name, tags)), None, "{name} {tags:?}");
        }
    }

    /// Goal: what is no heartbeat is said to be something else, whatever it is.
    #[test]
    fn what_lies_there_is_a_heartbeat_or_foreign() {
        let good = serde_json::to_vec(&heartbeat(at("2026-03-01T12:00:00Z"))).unwrap();
        assert!(matches!(heard(&good, None), Beat::Read { .. }));
        let half = &good[..good.len() / 2];
        for text in [&b""[..], b"<html>", b"{}", b"[1]", b"\xff\xfe", half] {
            assert!(matches!(heard(text, None), Beat::Foreign { .. }), "{text:?}");
        }
    }
}
