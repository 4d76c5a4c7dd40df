//! A world in which everything is well, for tests to spoil.

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::heartbeat::{Heartbeat, Notices, Proof, Receiver};

use super::{Beat, Seen, Snapshot};
use crate::watchdog::settings::Settings;

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

pub(crate) fn settings() -> Settings {
    let watch = include_str!("../../../../deploy/covetpy/watchdog.json");
    // For whoever has a schedule that sends a notice each day.
    let watch = watch.replace(r#""3m""#, r#""3m", "silent_after": "26h""#);
    Settings::read(|name| match name {
        "MUSTER_WATCH" => Some(watch.clone()),
        "MUSTER_PAGERDUTY_KEY" => Some("k3y".to_owned()),
        _ => None,
    })
    .unwrap()
}

/// What a daemon that is well says.
pub(crate) fn heartbeat(now: Timestamp) -> Heartbeat {
    let receiver = Receiver {
        name: "on-call".to_owned(),
        taken_at: Some(now - hours(8)),
        failing_since: None,
        because: None,
    };
    Heartbeat {
        epoch: 7,
        sequence: 4711,
        at: now,
        version: "0.1.0".to_owned(),
        notices: Some(Notices { since: now - hours(100), receivers: vec![receiver] }),
        proven: vec![Proof {
            application: "covetpy".parse().unwrap(),
            component: "main".parse().unwrap(),
            point: arn("us-west-2", "muster-old"),
            at: now - hours(100),
        }],
    }
}

pub(crate) fn beat(heartbeat: Heartbeat, written_at: Option<Timestamp>) -> Beat {
    Beat::Read { heartbeat: Box::new(heartbeat), written_at }
}

pub(crate) fn arn(region: &str, name: &str) -> String {
    format!("arn:aws:rds:{region}:123456789012:cluster-snapshot:{name}")
}

pub(crate) fn snapshot(region: &str, name: &str, data_time: Timestamp) -> Snapshot {
    Snapshot {
        arn: arn(region, name),
        application: "covetpy".to_owned(),
        component: "main".to_owned(),
        purpose: Some("backup".to_owned()),
        status: "available".to_owned(),
        data_time: Some(data_time),
    }
}

/// A night's backup on both sides, of ten hours ago, and an older one that was proven.
pub(crate) fn well(now: Timestamp) -> Seen {
    let list = |region: &str| {
        let new = snapshot(region, "muster-new", now - hours(10));
        let old = snapshot(region, "muster-old", now - hours(34));
        (region.parse().unwrap(), Ok(vec![old, new]))
    };
    Seen {
        heartbeat: beat(heartbeat(now), Some(now)),
        lists: ["us-east-1", "us-west-2"].map(list).into(),
    }
}
