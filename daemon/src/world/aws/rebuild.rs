//! Databases brought back under their own names, where nothing of them stands any more (facts §2, restore).
//!
//! A cluster that stands is never restored over and never deleted: whose it is its tags say, and whether its data
//! comes from the global cluster that one says.

use aws_sdk_rds::types::{DbCluster, DbInstance, GlobalCluster, Tag};
use muster_runbooks::{
    action::rebuild::{
        CheckSecrets, MadeBy, MakeGlobalCluster, RestoreDatabase, StartDatabaseInstance, declared,
    },
    application::Rebuild,
};
use muster_state::call::{Answer, Call, CallError, Done, Progress};
use serde_json::json;

use super::{
    cluster_in, database, error, global,
    restore::{CLUSTER_LOST, INSTANCE_LOST, engine_of, see_cluster, see_instance},
    snapshot::{self, RUN, STEP, marks},
};
use crate::world::real::{Real, Verbs, on, verbs};

/// Looks for every secret of the application at a side. Their values are not asked for.
pub async fn observe_secrets(
    real: &Real,
    call: &Call,
    action: &CheckSecrets,
) -> Result<Progress, CallError> {
    let on = on(call)?;
    let region = on.region(action.at);
    let (side, clients) = (real.aws.side(region), real.aws.beside(region));
    let mut missing = Vec::new();
    for secret in &on.application.secrets {
        match clients.secrets.describe_secret().secret_id(&secret.secret).send().await {
            Ok(found) if found.deleted_date().is_none() => {}
            Ok(_) => missing.push(format!("`{}` is about to be deleted", secret.secret)),
            Err(why) => match error::trouble(why) {
                why if why.code == "ResourceNotFoundException" => {
                    missing.push(format!("`{}` is not there", secret.secret));
                }
                why => return Err(why.at(side.name("secretsmanager"), "DescribeSecret")),
            },
        }
    }
    Ok(if missing.is_empty() {
        Progress::Done(Done::with([("secrets", json!(on.application.secrets.len()))]))
    } else {
        Progress::in_progress(format!("in {region}: {}", missing.join(", ")))
    })
}

/// The verbs of `restore-database`.
pub(in crate::world) fn cluster<'a>(
    real: &'a Real,
    call: &'a Call,
    with: &'a RestoreDatabase,
) -> Verbs<'a> {
    verbs(call, observe_cluster(real, call, with), begin_cluster(real, call, with))
}

/// Looks for the cluster of the side, and for what the global cluster says about it.
async fn observe_cluster(
    real: &Real,
    call: &Call,
    action: &RestoreDatabase,
) -> Result<Progress, CallError> {
    let (database, region) = (database(call)?, on(call)?.region(action.at));
    let arn = cluster_in(call, database, region)?;
    let side = real.aws.side(region);
    let (found, global) = futures::try_join!(
        see_cluster(&side, snapshot::cluster_name(arn)),
        global::describe(real.desk(&side, call), &database.global_cluster),
    )?;
    Ok(stands(call, arn, found.as_ref(), global.as_ref()))
}

/// Restores the point. What is not passed AWS fills with defaults, so nothing is left out (facts §2). The
/// password of the point stays: the application's own secret holds it.
async fn begin_cluster(
    real: &Real,
    call: &Call,
    action: &RestoreDatabase,
) -> Result<Answer, CallError> {
    let (on, database) = (on(call)?, database(call)?);
    let region = on.region(action.at);
    let place = place(call, action.at)?;
    let cluster = snapshot::cluster_name(cluster_in(call, database, region)?);
    let side = real.aws.side(region);
    let engine = engine_of(real, &side, call, &action.point).await?;
    let sent = side
        .act
        .rds
        .restore_db_cluster_from_snapshot()
        .db_cluster_identifier(cluster)
        .snapshot_identifier(&action.point)
        .set_engine(engine)
        .set_engine_version(place.engine_version.clone())
        .db_subnet_group_name(&place.subnet_group)
        .set_vpc_security_group_ids(Some(place.security_groups.clone()))
        .set_db_cluster_parameter_group_name(place.parameter_group.clone())
        .deletion_protection(true)
        .copy_tags_to_snapshot(true)
        .set_tags(Some(tags(real, call)))
        .send()
        .await;
    match sent {
        Ok(_) => Ok(Answer::Accepted),
        // One of this name that came in between: the next look reads whose it is.
        Err(why) => {
            error::trouble(why).begun_named(side.name("rds"), "RestoreDBClusterFromSnapshot")
        }
    }
}

/// What a cluster of the side's name means.
fn stands(
    call: &Call,
    arn: &str,
    found: Option<&DbCluster>,
    global: Option<&GlobalCluster>,
) -> Progress {
    let name = snapshot::cluster_name(arn);
    let Some(found) = found else { return Progress::not_started() };
    let status = found.status().unwrap_or("without a status");
    let is_ours = is_ours(call, found.tag_list());
    let members = global.map(GlobalCluster::global_cluster_members).unwrap_or_default();
    let member = members.iter().find(|member| member.db_cluster_arn() == Some(arn));
    let is_reader = member.is_some_and(|member| member.is_writer() == Some(false));
    let made = match (is_ours, is_reader) {
        (true, _) => MadeBy::Restore,
        (false, true) => MadeBy::Replication,
        (false, false) => {
            let what = if member.is_some() { "writes" } else { "is of unknown origin" };
            return Progress::Refused {
                reason: format!(
                    "`{name}` stands and {what}: it is not restored over. Look whether its data is what is \
                     wanted, and skip this step if it is"
                ),
            };
        }
    };
    match status {
        "available" => Progress::Done(Done::with([
            ("cluster", json!(name)),
            ("arn", json!(arn)),
            ("made", json!(made)),
        ])),
        status if CLUSTER_LOST.contains(&status) => Progress::Refused {
            reason: format!(
                "`{name}` is {status}; nothing is deleted here to make room for another"
            ),
        },
        status => Progress::in_progress(format!("`{name}` is {status}")),
    }
}

/// The verbs of `start-database-instance`.
pub(in crate::world) fn instance<'a>(
    real: &'a Real,
    call: &'a Call,
    with: &'a StartDatabaseInstance,
) -> Verbs<'a> {
    verbs(call, observe_instance(real, call, with), begin_instance(real, call, with))
}

/// Looks for the instance that bears the call's token, or else for any that the cluster has.
async fn observe_instance(
    real: &Real,
    call: &Call,
    action: &StartDatabaseInstance,
) -> Result<Progress, CallError> {
    let (database, region) = (database(call)?, on(call)?.region(action.at));
    let name = snapshot::cluster_name(cluster_in(call, database, region)?);
    let side = real.aws.side(region);
    let (of, own) =
        futures::try_join!(see_cluster(&side, name), see_instance(&side, call.token.as_str()))?;
    let Some(of) = of else {
        return Ok(Progress::in_progress(format!("`{name}` cannot be seen")));
    };
    if let Some(own) = own {
        if !is_ours(call, own.tag_list()) {
            let saw = format!("`{}` exists and does not bear the marks of this run", call.token);
            return Ok(Progress::Foreign { saw });
        }
        return Ok(started(call, &of, &own, MadeBy::Start));
    }
    let mut last = None;
    for member in of.db_cluster_members() {
        let Some(member) = member.db_instance_identifier() else { continue };
        let Some(other) = see_instance(&side, member).await? else { continue };
        let progress = started(call, &of, &other, MadeBy::Others);
        if matches!(progress, Progress::Done(_)) {
            return Ok(progress);
        }
        last = Some(progress);
    }
    Ok(match last {
        // One that is not ours failed: ours may stand beside it.
        Some(Progress::Failed { .. }) | None => Progress::not_started(),
        Some(progress) => progress,
    })
}

/// Starts it, never reachable from outside.
async fn begin_instance(
    real: &Real,
    call: &Call,
    action: &StartDatabaseInstance,
) -> Result<Answer, CallError> {
    let (database, region) = (database(call)?, on(call)?.region(action.at));
    let name = snapshot::cluster_name(cluster_in(call, database, region)?);
    let place = place(call, action.at)?;
    let side = real.aws.side(region);
    let Some(of) = see_cluster(&side, name).await? else {
        return Err(error::unfit(call, &format!("`{name}` is not there")));
    };
    let sent = side
        .act
        .rds
        .create_db_instance()
        .db_instance_identifier(call.token.as_str())
        .db_cluster_identifier(name)
        .db_instance_class(&place.instance_class)
        .set_engine(of.engine().map(str::to_owned))
        .publicly_accessible(false)
        // Nothing changes by itself inside a global database (facts §1.2).
        .auto_minor_version_upgrade(false)
        .set_tags(Some(tags(real, call)))
        .send()
        .await;
    match sent {
        Ok(_) => Ok(Answer::Accepted),
        Err(why) => error::trouble(why).begun_named(side.name("rds"), "CreateDBInstance"),
    }
}

/// Where an instance of a cluster stands.
fn started(call: &Call, of: &DbCluster, one: &DbInstance, made: MadeBy) -> Progress {
    let name = one.db_instance_identifier().unwrap_or(call.token.as_str());
    match one.db_instance_status().unwrap_or("without a status") {
        "available" => {}
        status if INSTANCE_LOST.contains(&status) => {
            return Progress::Failed { reason: format!("`{name}` is {status}") };
        }
        status => return Progress::in_progress(format!("`{name}` is {status}")),
    }
    match (of.status(), of.endpoint(), of.port()) {
        (Some("available"), Some(endpoint), Some(port)) => Progress::Done(Done::with([
            ("instance", json!(name)),
            ("endpoint", json!(endpoint)),
            ("port", json!(port)),
            ("made", json!(made)),
        ])),
        (Some("available"), ..) => Progress::in_progress("its cluster has no address yet"),
        (status, ..) => {
            let status = status.unwrap_or("without a status");
            Progress::in_progress(format!("its cluster is {status}"))
        }
    }
}

/// The verbs of `make-global-cluster`.
pub(in crate::world) fn global<'a>(
    real: &'a Real,
    call: &'a Call,
    with: &'a MakeGlobalCluster,
) -> Verbs<'a> {
    verbs(call, observe_global(real, call, with), begin_global(real, call, with))
}

/// Looks at the global cluster from the side that is to write.
async fn observe_global(
    real: &Real,
    call: &Call,
    action: &MakeGlobalCluster,
) -> Result<Progress, CallError> {
    let (database, region) = (database(call)?, on(call)?.region(action.to));
    let arn = cluster_in(call, database, region)?;
    let side = real.aws.side(region);
    let found = global::describe(real.desk(&side, call), &database.global_cluster).await?;
    Ok(made(&database.global_cluster, arn, found.as_ref()))
}

/// Makes it of the side's cluster.
async fn begin_global(
    real: &Real,
    call: &Call,
    action: &MakeGlobalCluster,
) -> Result<Answer, CallError> {
    let (database, region) = (database(call)?, on(call)?.region(action.to));
    let arn = cluster_in(call, database, region)?;
    let side = real.aws.side(region);
    let sent = side
        .act
        .rds
        .create_global_cluster()
        .global_cluster_identifier(&database.global_cluster)
        .source_db_cluster_identifier(arn)
        .deletion_protection(true)
        .set_tags(Some(tags(real, call)))
        .send()
        .await;
    real.poller.forget_writers(&side).await;
    match sent {
        Ok(_) => Ok(Answer::Accepted),
        Err(why) => error::trouble(why).begun_named(side.name("rds"), "CreateGlobalCluster"),
    }
}

/// What a global cluster of the name means for whoever would make it.
fn made(name: &str, arn: &str, found: Option<&GlobalCluster>) -> Progress {
    let Some(found) = found else { return Progress::not_started() };
    match (global::writer(found), found.status().unwrap_or("without a status")) {
        (Some(writer), "available") if writer == arn => {
            Progress::Done(Done::with([("writer", json!(arn))]))
        }
        (Some(writer), status) if writer == arn => {
            Progress::in_progress(format!("`{name}` is {status}"))
        }
        (None, "creating") => Progress::in_progress(format!("`{name}` is creating")),
        (writer, _) => Progress::Refused {
            reason: format!(
                "`{name}` exists and `{}` is its writer: it may come back. Fail over to a member that stands, or \
                 take the lost one away by hand, and try again",
                writer.unwrap_or("nobody")
            ),
        },
    }
}

/// The place that is declared for the database, or a refusal.
fn place(call: &Call, at: muster_runbooks::action::Role) -> Result<&Rebuild, CallError> {
    let on = on(call)?;
    declared(&on, at).ok_or_else(|| {
        let region = on.region(at);
        error::unfit(call, &format!("no `rebuild` is declared for {region}"))
    })
}

/// Whether the very step of a call made it: its name is not ours, so its tags say so.
fn is_ours(call: &Call, tags: &[Tag]) -> bool {
    let says = |key: &str, value: &str| {
        tags.iter().any(|tag| tag.key() == Some(key) && tag.value() == Some(value))
    };
    says(RUN, call.run.as_str()) && says(STEP, call.step.as_str())
}

fn tags(real: &Real, call: &Call) -> Vec<Tag> {
    let marks = marks(call, real.epoch(), None, None, None).into_iter();
    marks.map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

#[cfg(test)]
mod tests {
    use aws_sdk_rds::types::GlobalClusterMember;

    use super::*;
    use crate::world::aws::fixture::{EAST, WEST, call};

    fn cluster(status: &str, run: Option<&str>) -> DbCluster {
        let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
        let tags = run.map(|run| vec![tag(RUN, run), tag(STEP, "work")]);
        DbCluster::builder().db_cluster_arn(WEST).status(status).set_tag_list(tags).build()
    }

    fn global(members: &[(&str, bool)], status: &str) -> GlobalCluster {
        let member = |(arn, is_writer): &(&str, bool)| {
            GlobalClusterMember::builder().db_cluster_arn(*arn).is_writer(*is_writer).build()
        };
        let members = members.iter().map(member).collect();
        GlobalCluster::builder().status(status).set_global_cluster_members(Some(members)).build()
    }

    /// Goal: nothing that stands is restored over, whatever it is called and whoever made it.
    /// Method: a cluster of the name by every maker, in and out of the global cluster.
    #[test]
    fn what_a_cluster_of_the_name_means() {
        let with = json!({ "at": "standby", "point": "arn:point" });
        let call = call("restore-database", with);
        let (run, both) = (call.run.as_str(), global(&[(EAST, true), (WEST, false)], "available"));
        let writes = global(&[(WEST, true)], "available");
        let table = [
            (None, None, "not started"),
            (None, Some(&both), "not started"),
            (Some(cluster("creating", Some(run))), None, "`orders-west` is creating"),
            (Some(cluster("available", Some(run))), None, "done"),
            (Some(cluster("failed", Some(run))), None, "refused: `orders-west` is failed"),
            (Some(cluster("available", None)), Some(&both), "done"),
            (Some(cluster("creating", None)), Some(&both), "`orders-west` is creating"),
            (
                Some(cluster("available", None)),
                None,
                "refused: `orders-west` stands and is of unknown",
            ),
            (
                Some(cluster("available", None)),
                Some(&writes),
                "refused: `orders-west` stands and writes",
            ),
            (
                Some(cluster("available", Some("r00000000009"))),
                None,
                "refused: `orders-west` stands",
            ),
        ];
        for (found, global, meant) in table {
            let progress = stands(&call, WEST, found.as_ref(), global);
            assert!(progress.to_string().starts_with(meant), "{progress}, not {meant}");
        }
    }

    /// Goal: no global cluster is taken from a writer that may come back.
    #[test]
    fn what_a_global_cluster_of_the_name_means() {
        let table = [
            (None, "not started"),
            (Some(global(&[], "creating")), "`orders` is creating"),
            (Some(global(&[(WEST, true)], "creating")), "`orders` is creating"),
            (Some(global(&[(WEST, true)], "available")), "done"),
            (Some(global(&[(EAST, true)], "available")), "refused: `orders` exists and `arn:"),
            (Some(global(&[], "available")), "refused: `orders` exists and `nobody`"),
        ];
        for (found, meant) in table {
            let progress = made("orders", WEST, found.as_ref());
            assert!(progress.to_string().starts_with(meant), "{progress}, not {meant}");
        }
    }
}
