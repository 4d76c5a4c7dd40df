//! What a database needs at the other side (facts §1.2, §2, §11).

use jiff::SignedDuration;
use muster_runbooks::{application::Database, value::Span};

use super::{Point, READ, Ready, Sides, read};
use crate::world::inventory::{
    Lag,
    takeover::{InstanceSide, MemberSide},
};

/// A restore that was proven longer ago says nothing about today: a quarter, and a few days.
const PROOF_AGE_MAX: SignedDuration = SignedDuration::from_hours(24 * 97);

/// With two regions the new primary has no secondary that could keep this promise, and pauses commits
/// (facts §1.3).
const RPO_LOCK: &str = "rds.global_db_rpo";

pub(super) fn points(
    ready: &Ready<'_>,
    sides: &Sides<'_>,
    declared: &Database,
    out: &mut Vec<Point>,
) {
    let about = Some(&declared.name);
    let Some(seen) = ready.known.seen else { return };
    let member = |region: &muster_runbooks::name::Region| {
        seen.takeover.members.get(&(declared.name.clone(), region.clone()))
    };
    let (Some(here), Some(there)) = (member(sides.active), member(sides.standby)) else {
        out.push(Point::unknown("global-member", about, "nobody has looked at its members", READ));
        return;
    };
    let each = [
        global(sides, declared, there),
        instance(sides, declared, here, there),
        settings(declared, here, there),
        rpo_lock(declared, there),
        lag(ready, sides, declared),
        copy(ready, sides, declared),
    ];
    out.extend(each.into_iter().map(|point| point.unwrap_or_else(|point| point)));
    out.push(proof(ready, declared));
}

type Judgement = Result<Point, Point>;

fn global(sides: &Sides<'_>, declared: &Database, there: &MemberSide) -> Judgement {
    const KIND: &str = "global-member";
    let about = Some(&declared.name);
    let fail = |saw: String, hint| Ok(Point::fail(KIND, about, saw, hint));
    let Some(global) = read(&there.global, KIND, about)? else {
        let saw =
            format!("{} knows no global cluster `{}`", sides.standby, declared.global_cluster);
        return fail(saw, "make it, or correct `global_cluster`");
    };
    let arn = |region: &muster_runbooks::name::Region| declared.clusters.get(region.as_str());
    if let Some(moving) = &global.moving {
        return fail(format!("it is {moving}"), "let it end; two promotions at once are refused");
    }
    if global.writer.as_ref() != arn(sides.active) {
        let writer = global.writer.as_deref().unwrap_or("nobody");
        return fail(format!("its writer is `{writer}`"), "look at `muster findings`");
    }
    let Some(member) = arn(sides.standby).and_then(|arn| global.members.get(arn)) else {
        let saw = format!("its cluster in {} is not a member", sides.standby);
        return fail(
            saw,
            "add the cluster to the global cluster: without it only a restore is left",
        );
    };
    Ok(match member.as_deref() {
        Some("connected") => Point::pass(KIND, about, "the standby is connected"),
        Some(status) => Point::fail(
            KIND,
            about,
            format!("the standby is {status}"),
            "wait for it; a failover would lose what has not arrived, or find no member",
        ),
        None => Point::unknown(KIND, about, "the provider says nothing of its connection", READ),
    })
}

fn instance(
    sides: &Sides<'_>,
    declared: &Database,
    here: &MemberSide,
    there: &MemberSide,
) -> Judgement {
    const KIND: &str = "standby-instance";
    let about = Some(&declared.name);
    let standing: Vec<&InstanceSide> =
        read(&there.instances, KIND, about)?.values().filter(|one| one.is_available()).collect();
    if standing.is_empty() {
        return Ok(Point::fail(
            KIND,
            about,
            format!("no instance is available in {}", sides.standby),
            "start one now: a headless cluster cannot write, and in a bad hour there may be no capacity",
        ));
    }
    let classes: Vec<&str> =
        read(&here.instances, KIND, about)?.values().map(|one| one.class.as_str()).collect();
    if classes.is_empty() {
        let why = format!("no instance was seen in {}", sides.active);
        return Ok(Point::unknown(KIND, about, why, READ));
    }
    if let Some(same) = standing.iter().find(|one| classes.contains(&one.class.as_str())) {
        let saw = format!("{} available, one of them {}", standing.len(), same.class);
        return Ok(Point::pass(KIND, about, saw));
    }
    let saw = format!(
        "{} has {}, and {} has {}",
        sides.standby,
        standing.iter().map(|one| one.class.as_str()).collect::<Vec<_>>().join(", "),
        sides.active,
        classes.join(", ")
    );
    Ok(Point::fail(KIND, about, saw, "give the standby an instance of the writer's class"))
}

fn settings(declared: &Database, here: &MemberSide, there: &MemberSide) -> Judgement {
    const KIND: &str = "parameters";
    let about = Some(&declared.name);
    let (one, other) = (read(&here.settings, KIND, about)?, read(&there.settings, KIND, about)?);
    // It belongs to a side, and has a point of its own.
    let names = one.keys().chain(other.keys()).filter(|name| *name != RPO_LOCK);
    let mut differ: Vec<&str> =
        names.filter(|name| one.get(*name) != other.get(*name)).map(String::as_str).collect();
    differ.sort_unstable();
    differ.dedup();
    if differ.is_empty() {
        let saw = format!("the {} that somebody has set are the same on both sides", one.len());
        return Ok(Point::pass(KIND, about, saw));
    }
    let saw = format!("not the same on both sides: {}", differ.join(", "));
    Ok(Point::fail(KIND, about, saw, "make the cluster parameter groups the same"))
}

fn rpo_lock(declared: &Database, there: &MemberSide) -> Judgement {
    const KIND: &str = "rpo-lock";
    let about = Some(&declared.name);
    Ok(match read(&there.settings, KIND, about)?.get(RPO_LOCK).map(String::as_str) {
        None | Some("" | "-1") => Point::pass(KIND, about, "it is not set at the standby"),
        Some(value) => Point::fail(
            KIND,
            about,
            format!("`{RPO_LOCK}` is {value} at the standby"),
            "unset it there: after a failover the new writer has no secondary, and would pause commits",
        ),
    })
}

fn lag(ready: &Ready<'_>, sides: &Sides<'_>, declared: &Database) -> Judgement {
    const KIND: &str = "replication-lag";
    let about = Some(&declared.name);
    let side = ready
        .known
        .seen
        .and_then(|seen| seen.databases.get(&(declared.name.clone(), sides.standby.clone())));
    let Some(side) = side else {
        return Ok(Point::unknown(KIND, about, "nobody has looked", READ));
    };
    let Some(Lag { at, lag }) = read(&side.lag, KIND, about)? else {
        let hint = "look at `AuroraGlobalDBReplicationLag` of the standby; a metric that stopped says nothing";
        return Ok(Point::unknown(KIND, about, "there is no fresh sample of its lag", hint));
    };
    let rpo = ready.known.application.objectives.rpo;
    let saw = format!("it was {lag} behind in the minute from {at}");
    Ok(if *lag <= rpo {
        Point::pass(KIND, about, saw)
    } else {
        let hint =
            "look at the writer's load and the standby's; a failover now would lose that much";
        Point::fail(KIND, about, format!("{saw}, over {rpo}"), hint)
    })
}

fn copy(ready: &Ready<'_>, sides: &Sides<'_>, declared: &Database) -> Judgement {
    const KIND: &str = "copy";
    let about = Some(&declared.name);
    let place = (declared.name.clone(), sides.standby.clone());
    let finding = format!("unprotected/{}/{}", declared.name, sides.standby);
    let hint = "run `muster run daily-backup`, and see why the last copy did not end";
    if let Some(newest) = ready.judged.unprotected.get(&place) {
        let saw = newest.map_or_else(
            || format!("no recovery point of it is in {}", sides.standby),
            |at| format!("the newest copy there has data of {at}, older than schedules promise"),
        );
        let point = Point::fail(KIND, about, saw, hint);
        return Ok(Point { finding: Some(finding), ..point });
    }
    let side = ready.known.seen.and_then(|seen| seen.databases.get(&place));
    let Some(side) = side else {
        return Ok(Point::unknown(KIND, about, "nobody has looked", READ));
    };
    let usable = crate::world::inventory::points::usable(
        read(&side.points, KIND, about)?.values(),
        ready.known.points,
    );
    Ok(match usable.first() {
        Some(newest) => {
            let age = Span::between(*newest, ready.known.now);
            Point::pass(KIND, about, format!("the newest copy there is {age} old"))
        }
        None => {
            let saw = format!("no copy of it is in {}", sides.standby);
            Point::fail(KIND, about, saw, hint)
        }
    })
}

fn proof(ready: &Ready<'_>, declared: &Database) -> Point {
    const KIND: &str = "restore-proof";
    let about = Some(&declared.name);
    let hint = "run `muster run restore-test`";
    let points = || ready.known.points.values().filter(|one| one.component == declared.name);
    let last = points().filter_map(|one| one.tested.as_deref()).max_by_key(|one| one.restore.at);
    if let Some(last) = last
        && !last.proves()
    {
        let why = last.because.as_deref().unwrap_or("no check that proves data passed");
        return Point::fail(KIND, about, format!("the last restore test: {why}"), hint);
    }
    match points().filter_map(|one| one.verified_at).max() {
        Some(at) if ready.known.now.duration_since(at) <= PROOF_AGE_MAX => {
            Point::pass(KIND, about, format!("a restore was proven at {at}"))
        }
        Some(at) => {
            let saw = format!("a restore was last proven at {at}, too long ago");
            Point::unknown(KIND, about, saw, hint)
        }
        None => Point::unknown(KIND, about, "no restore of it was ever proven", hint),
    }
}

/// Whether the standby has room for snapshots.
pub(super) fn quota(ready: &Ready<'_>, sides: &Sides<'_>) -> Point {
    const KIND: &str = "snapshot-quota";
    let finding = format!("{KIND}/{}", sides.standby);
    let quota = ready.known.seen.and_then(|seen| seen.quotas.get(sides.standby));
    match quota {
        Some(Ok(quota)) if quota.is_short() => Point {
            finding: Some(finding),
            ..Point::fail(
                KIND,
                None,
                format!("{} of {} snapshots are used", quota.used, quota.max),
                "let old ones go, or ask AWS for more",
            )
        },
        Some(Ok(quota)) => {
            Point::pass(KIND, None, format!("{} of {} snapshots are used", quota.used, quota.max))
        }
        Some(Err(why)) => Point::unknown(KIND, None, why.clone(), READ),
        None => Point::unknown(KIND, None, "nobody has looked", READ),
    }
}
