//! What is wrong, from what was seen and the time: pure.

mod backups;
#[cfg(test)]
pub(crate) mod fixture;
mod notices;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt};

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    heartbeat::Heartbeat,
    name::{ApplicationName, ComponentName, Region},
    value::Span,
};

use super::settings::Settings;

/// How far the daemon's clock may be ahead of ours before its words about time are worth nothing.
const AHEAD_MAX: SignedDuration = SignedDuration::from_secs(60);

/// What was seen of the world.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Seen {
    /// Muster's sign of life.
    pub heartbeat: Beat,
    /// The snapshots of ours in each region, or why the list is not whole. A part of a list is none.
    pub lists: BTreeMap<Region, Result<Vec<Snapshot>, String>>,
}

/// What was found where the heartbeat should be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Beat {
    /// One.
    Read {
        /// What it says.
        heartbeat: Box<Heartbeat>,
        /// When S3 took it, by S3's clock.
        written_at: Option<Timestamp>,
    },
    /// Nothing is there.
    Missing,
    /// Something else is there.
    Foreign {
        /// What is wrong with it.
        because: String,
    },
    /// It could not be read.
    Unreadable {
        /// Why.
        because: String,
    },
}

/// A snapshot that bears Muster's name and tags, as AWS describes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Snapshot {
    /// Its ARN.
    pub arn: String,
    /// The application that it is tagged with.
    pub application: String,
    /// The component that it is tagged with.
    pub component: String,
    /// What it was made for, if a tag says.
    pub purpose: Option<String>,
    /// AWS's word for how it is.
    pub status: String,
    /// The instant its data is from, where that can be told: a copy's own time is not it (facts §2).
    pub data_time: Option<Timestamp>,
}

/// One thing that can be wrong. Each has an incident of its own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Cause {
    /// Muster is silent.
    Heartbeat,
    /// Nobody is told.
    Notices,
    /// No backup is new enough.
    Backup(ApplicationName, ComponentName),
    /// A backup is not in every region.
    Copy(ApplicationName, ComponentName),
    /// No backup was proven to restore lately.
    Proof(ApplicationName, ComponentName),
    /// What is in a region cannot be seen.
    Sight(Region),
}

/// What is known about one cause.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum State {
    /// It is seen to be well.
    Well,
    /// It cannot be told now. Neither is said.
    Unknown {
        /// Why.
        because: String,
    },
    /// People must know.
    Alarm(Alarm),
}

/// What people are told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Alarm {
    /// How much it hurries.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub summary: String,
    /// What to do.
    pub hint: String,
}

/// How much something hurries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Severity {
    /// Nobody protects what is to be protected.
    Critical,
    /// Something is broken that will be missed.
    Error,
}

/// A cause and what is known about it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Judgement {
    /// The cause.
    pub cause: Cause,
    /// What is known.
    pub state: State,
}

impl Cause {
    /// The name of its incident, under the name of what is watched.
    pub fn key(&self, watched: &str) -> String {
        format!("muster-watchdog/{watched}/{self}")
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Heartbeat => f.write_str("heartbeat"),
            Cause::Notices => f.write_str("notices"),
            Cause::Backup(application, database) => write!(f, "backup/{application}/{database}"),
            Cause::Copy(application, database) => write!(f, "copy/{application}/{database}"),
            Cause::Proof(application, database) => write!(f, "proof/{application}/{database}"),
            Cause::Sight(region) => write!(f, "sight/{region}"),
        }
    }
}

impl State {
    fn alarm(severity: Severity, summary: String, hint: &str) -> State {
        State::Alarm(Alarm { severity, summary, hint: hint.to_owned() })
    }
}

/// Judges everything. The same causes come out of every look, in the same order.
pub fn judge(now: Timestamp, seen: &Seen, settings: &Settings) -> Vec<Judgement> {
    let state = life(now, &seen.heartbeat, settings.heartbeat.stale_after);
    // What a daemon said that does not live, or whose clock is wrong, is no longer so.
    let trusted = match (&seen.heartbeat, &state) {
        (Beat::Read { heartbeat, .. }, State::Well) => Some(&**heartbeat),
        (Beat::Read { .. } | Beat::Missing | Beat::Foreign { .. } | Beat::Unreadable { .. }, _) => {
            None
        }
    };
    let mut judged = vec![Judgement { cause: Cause::Heartbeat, state }];
    if let Some(limits) = &settings.notices {
        let state = notices::judge(now, trusted, limits);
        judged.push(Judgement { cause: Cause::Notices, state });
    }
    for database in &settings.databases {
        judged.extend(backups::judge(now, &seen.lists, trusted, database));
    }
    for region in settings.regions() {
        let state = sight(&region, seen.lists.get(&region));
        judged.push(Judgement { cause: Cause::Sight(region), state });
    }
    judged
}

/// How old a heartbeat is: by the daemon's clock or by S3's, whichever makes it older. `None` where
/// there is none.
pub fn beat_age(now: Timestamp, beat: &Beat) -> Option<SignedDuration> {
    match beat {
        Beat::Read { heartbeat, written_at } => {
            let at = written_at.map_or(heartbeat.at, |written_at| written_at.min(heartbeat.at));
            Some(now.duration_since(at))
        }
        Beat::Missing | Beat::Foreign { .. } | Beat::Unreadable { .. } => None,
    }
}

fn life(now: Timestamp, beat: &Beat, stale_after: Span) -> State {
    const START: &str = "look whether the daemon runs and holds its lease: `muster status`, its log, its \
                         host. Until it does nothing is backed up and no failover happens by itself; the \
                         by-hand pages say how one is done without it";
    let silent = |summary| State::alarm(Severity::Critical, summary, START);
    let heartbeat = match beat {
        Beat::Read { heartbeat, .. } => heartbeat,
        Beat::Missing => return silent("Muster has no heartbeat: nobody acts".to_owned()),
        Beat::Foreign { because } => {
            let summary =
                format!("where Muster's heartbeat should be is something else: {because}");
            let hint = "see who writes to the lease's bucket: nobody but Muster may";
            return State::alarm(Severity::Critical, summary, hint);
        }
        Beat::Unreadable { because } => {
            let summary = format!("Muster's heartbeat cannot be read: {because}");
            let hint = "whether Muster lives is not known: look at the bucket, at its region, and at \
                        `s3:GetObject` and `s3:ListBucket` of the watchdog's role";
            return State::alarm(Severity::Error, summary, hint);
        }
    };
    let ahead = heartbeat.at.duration_since(now);
    if ahead > AHEAD_MAX {
        let summary = format!("Muster's clock is {ahead:#} ahead: its heartbeat says nothing");
        let hint = "see which clock is wrong, the daemon's host's or the watchdog's; leases and \
                    deadlines hang on it";
        return State::alarm(Severity::Error, summary, hint);
    }
    match beat_age(now, beat) {
        Some(age) if age > stale_after.duration() => {
            let at = heartbeat.at;
            let age = SignedDuration::from_secs(age.as_secs());
            silent(format!("Muster is silent since {age:#}: its last heartbeat is of {at:.0}"))
        }
        Some(_) => State::Well,
        None => State::Unknown { because: "there is no heartbeat".to_owned() },
    }
}

fn sight(region: &Region, list: Option<&Result<Vec<Snapshot>, String>>) -> State {
    let because = match list {
        Some(Ok(_)) => return State::Well,
        Some(Err(because)) => because,
        None => "nobody asked",
    };
    let summary = format!("the recovery points in {region} cannot be listed: {because}");
    let hint = "whether there are backups is not known: look at RDS there, and at \
                `rds:DescribeDBClusterSnapshots` of the watchdog's role";
    State::alarm(Severity::Error, summary, hint)
}
