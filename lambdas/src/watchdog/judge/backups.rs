//! Whether a database has backups, by what AWS itself lists; and whether one was proven, by what the daemon
//! says about those that AWS lists.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{application::Purpose, heartbeat::Heartbeat, name::Region, value::Span};

use super::{Cause, Judgement, Severity, Snapshot, State};
use crate::watchdog::settings::Database;

/// So much later than our clock the provider's may be.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(10);

type Lists = BTreeMap<Region, Result<Vec<Snapshot>, String>>;

pub(super) fn judge(
    now: Timestamp,
    lists: &Lists,
    heartbeat: Option<&Heartbeat>,
    database: &Database,
) -> Vec<Judgement> {
    let names = || (database.application.clone(), database.database.clone());
    let blind = database.regions.iter().find(|region| !matches!(lists.get(*region), Some(Ok(_))));
    let unknown = blind.map(|region| State::Unknown {
        because: format!("the recovery points in {region} cannot be listed"),
    });
    let state = |judged: &dyn Fn() -> State| unknown.clone().unwrap_or_else(judged);
    let (application, component) = names();
    let mut judged = vec![Judgement {
        cause: Cause::Backup(application, component),
        state: state(&|| backup(now, lists, database)),
    }];
    if let Some(max_age) = database.copy_max_age {
        let (application, component) = names();
        let state = state(&|| copies(now, lists, database, max_age));
        judged.push(Judgement { cause: Cause::Copy(application, component), state });
    }
    if let Some(max_age) = database.proof_max_age {
        let (application, component) = names();
        let state = state(&|| proof(now, lists, heartbeat, database, max_age));
        judged.push(Judgement { cause: Cause::Proof(application, component), state });
    }
    judged
}

/// The snapshots of a database in a region.
fn of<'a>(
    lists: &'a Lists,
    region: &Region,
    database: &'a Database,
) -> impl Iterator<Item = &'a Snapshot> + use<'a> {
    let list = lists.get(region).and_then(|list| list.as_ref().ok());
    list.into_iter().flatten().filter(|one| {
        one.application == database.application.as_str()
            && one.component == database.database.as_str()
    })
}

/// The instant of the data of a good backup: whole, of a night, and not of the future.
fn good(snapshot: &Snapshot, now: Timestamp) -> Option<Timestamp> {
    let of_a_night = Purpose::Backup.word();
    let is_backup = snapshot.purpose.as_ref().is_none_or(|purpose| purpose == of_a_night);
    let data_time = snapshot.data_time.filter(|at| at.duration_since(now) <= CLOCKS_DIFFER);
    data_time.filter(|_| is_backup && snapshot.status == "available")
}

fn newest(
    now: Timestamp,
    lists: &Lists,
    region: &Region,
    database: &Database,
) -> Option<Timestamp> {
    of(lists, region, database).filter_map(|one| good(one, now)).max()
}

fn backup(now: Timestamp, lists: &Lists, database: &Database) -> State {
    let newest = database.regions.iter().filter_map(|region| newest(now, lists, region, database));
    let (name, max) = (name(database), database.backup_max_age);
    let summary = match newest.max() {
        Some(at) if now.duration_since(at) <= max.duration() => return State::Well,
        Some(at) => {
            format!("no backup of {name} has succeeded for {max}: the newest is of {at:.0}")
        }
        None => format!("there is no backup of {name}{}", unfit(now, lists, database)),
    };
    let hint = "see `muster backups` and the last run of the backup's runbook; take one by hand with \
                `muster run daily-backup`, or `aws rds create-db-cluster-snapshot`";
    State::alarm(Severity::Critical, summary, hint)
}

/// What there is instead.
fn unfit(now: Timestamp, lists: &Lists, database: &Database) -> String {
    let all = || database.regions.iter().flat_map(|region| of(lists, region, database));
    let is_unfit = |one: &&Snapshot| good(one, now).is_none();
    match (all().filter(is_unfit).count(), all().find(is_unfit)) {
        (_, None) => String::new(),
        (count, Some(one)) => {
            let status = one.status.chars().filter(|c| c.is_ascii_graphic()).take(40);
            format!("; {count} are of no use, one is {}", status.collect::<String>())
        }
    }
}

fn copies(now: Timestamp, lists: &Lists, database: &Database, max: Span) -> State {
    let is_old = |region: &&Region| {
        let newest = newest(now, lists, region, database);
        newest.is_none_or(|at| now.duration_since(at) > max.duration())
    };
    let old: Vec<&str> =
        database.regions.iter().filter(is_old).map(|region| region.as_str()).collect();
    if old.is_empty() {
        return State::Well;
    }
    let (name, old) = (name(database), old.join(" and "));
    let summary = format!("no backup of {name} has arrived in {old} for {max}");
    let hint = "the loss of the other region would take what is not here: see `muster backups` and the \
                copies of the last run";
    State::alarm(Severity::Error, summary, hint)
}

/// AWS keeps no mark of a proof, so the daemon names what it proved, and AWS must still have it.
fn proof(
    now: Timestamp,
    lists: &Lists,
    heartbeat: Option<&Heartbeat>,
    database: &Database,
    max: Span,
) -> State {
    let Some(heartbeat) = heartbeat else {
        return State::Unknown { because: "the heartbeat says nothing".to_owned() };
    };
    let is_there = |arn: &str| {
        let mut all = database.regions.iter().flat_map(|region| of(lists, region, database));
        all.any(|one| one.arn == arn && one.status == "available")
    };
    let own = heartbeat.proven.iter().filter(|one| {
        one.application == database.application && one.component == database.database
    });
    let (there, gone): (Vec<_>, Vec<_>) = own.partition(|one| is_there(&one.point));
    let name = name(database);
    let summary = match (there.iter().map(|one| one.at).max(), gone.is_empty()) {
        (Some(at), _) if now.duration_since(at) <= max.duration() => return State::Well,
        (Some(at), _) => {
            format!("no backup of {name} was proven to restore for {max}: the last was at {at:.0}")
        }
        (None, false) => format!("no backup of {name} that was proven to restore is left"),
        (None, true) => format!("no backup of {name} was ever proven to restore"),
    };
    let hint = "see the last run of `restore-test`, and start one: a backup that nobody restored is a hope";
    State::alarm(Severity::Error, summary, hint)
}

fn name(database: &Database) -> String {
    format!("`{}` of `{}`", database.database, database.application)
}
