//! Who writes: where, whether the old side still can, and whether a side serves (facts §7).

use aws_sdk_rds::types::{DbCluster, GlobalCluster};
use jiff::SignedDuration;
use muster_runbooks::{
    action::{
        check::CheckActive,
        database::{Fence, Verdict},
    },
    application::{Application, Database},
    name::Region,
    value::Span,
};
use muster_state::call::{Call, CallError, Done, Progress};
use serde_json::json;

use super::{
    Arn, cluster_in, database, global, instance,
    poller::Desk,
    write_lease::{self, Fenced},
};
use crate::world::http::probe;
use crate::world::{
    dns,
    real::{Real, on},
    sql::canary,
    whereabouts::agree,
};

/// For how long the old side is asked before "it does not answer" is the answer. A person waits for
/// it, and the recovery time runs.
pub(super) const SILENCE_MAX: SignedDuration = SignedDuration::from_secs(20);

/// Where a database is written, or in words why that is unknown.
pub async fn locate(
    real: &Real,
    application: &Application,
    database: &Database,
) -> Result<Region, String> {
    let ask = async |region: &Region| {
        let side = real.aws.side(region);
        // Either side may be lost: short tries for both.
        let desk = real.desk_by(&side, &side.spare);
        let seen = global::describe(desk, &database.global_cluster).await;
        let seen = seen.map_err(|why| why.to_string())?;
        let writer = seen.as_ref().and_then(global::writer).and_then(Arn::parse);
        Ok(writer.map(|arn| arn.region).ok_or_else(|| format!("{region} shows no writer")))
    };
    let (home, standby) = futures::join!(ask(&application.home), ask(&application.standby));
    agree(home, standby)
}

/// Finds out whether the old side can still write. It only looks: what stops a writer is Aurora's own
/// fence inside the promotion, or the application's lease.
pub async fn observe_fence(
    real: &Real,
    call: &Call,
    _action: &Fence,
) -> Result<Progress, CallError> {
    let (on, database) = (on(call)?, database(call)?);
    if let Some(lease) = &on.application.write_lease {
        match write_lease::fenced(real, call, lease, on.standby).await {
            Fenced::Proven(because) => return Ok(told((Verdict::Proven, because))),
            Fenced::Soon(note) => return Ok(Progress::in_progress(note)),
            // What the old side says itself may still be a proof.
            Fenced::No => {}
        }
    }
    let side = real.aws.side(on.active);
    let arn = cluster_in(call, database, on.active)?;
    // The old side may be dead: short tries, whatever the runbook says about the step.
    let desk = Desk { clients: &side.spare, ..real.desk(&side, call) };
    let seen = futures::try_join!(
        global::describe(desk, &database.global_cluster),
        instance::cluster(desk, arn),
    );
    let waited = call.asked_at.duration_since(call.started_at);
    match seen {
        Ok((global, cluster)) => Ok(told(fenced(global.as_ref(), cluster.as_ref(), arn))),
        Err(CallError::NoAnswer { .. }) if waited < SILENCE_MAX => {
            Ok(Progress::in_progress(format!("{} does not answer", on.active)))
        }
        Err(why) => Ok(told((Verdict::Impossible, why.to_string()))),
    }
}

/// Checks that a side writes, is what the name servers say, and answers.
pub async fn observe_active(
    real: &Real,
    call: &Call,
    action: &CheckActive,
) -> Result<Progress, CallError> {
    let (on, database) = (on(call)?, database(call)?);
    let region = on.region(action.at);
    let side = real.aws.side(region);
    let desk = real.desk(&side, call);
    let arn = cluster_in(call, database, region)?;
    let global = global::describe(desk, &database.global_cluster).await?;
    let writer = global.as_ref().and_then(global::writer);
    if writer != Some(arn) {
        let writer = writer.unwrap_or("nobody");
        return Ok(Progress::in_progress(format!("`{writer}` writes, not {region}")));
    }
    if let Some(progress) = instance::not_writing(desk, arn).await? {
        return Ok(progress);
    }
    let mut answers = "no traffic is declared".to_owned();
    if let Some(traffic) = &on.application.traffic {
        let heard = dns::ask(traffic).await?;
        answers = heard.to_string();
        if !heard.is(region) {
            return Ok(Progress::in_progress(format!("the name servers say {answers}")));
        }
    }
    if let Some(url) = on.application.probes.get(region.as_str()) {
        let status = probe(&real.http, url).await?;
        if !status.is_success() {
            return Ok(Progress::in_progress(format!("the probe of {region} answers {status}")));
        }
    }
    let wrote = match wrote(real, call, database, region).await? {
        Ok(wrote) => wrote,
        Err(note) => return Ok(Progress::in_progress(note)),
    };
    let outputs = [("writer", json!(region)), ("answers", json!(answers)), ("wrote", json!(wrote))];
    Ok(Progress::Done(Done::with(outputs)))
}

/// The canary's row that committed since the step began; `Err` as long as there is none. A cluster that calls
/// itself the writer and takes no writes is what this finds out.
async fn wrote(
    real: &Real,
    call: &Call,
    database: &Database,
    region: &Region,
) -> Result<Result<String, String>, CallError> {
    let Some(canary) = &database.canary else {
        return Ok(Ok("nothing: no canary is declared".to_owned()));
    };
    let newest = canary::newest_at(real, database, canary, region).await?;
    let waited = call.asked_at.duration_since(call.started_at);
    Ok(match newest {
        Some(row) if row.age <= waited => {
            let age = Span::between(call.asked_at - row.age, call.asked_at);
            Ok(format!("canary row {} committed in {region} {age} ago", row.sequence))
        }
        Some(_) | None => Err(format!("no row of the canary has committed in {region} yet")),
    })
}

fn told((verdict, because): (Verdict, String)) -> Progress {
    Progress::Done(Done {
        notes: vec![format!("fence {verdict}: {because}")],
        ..Done::with([("verdict", json!(verdict))])
    })
}

/// What the old side's own words prove. Only "I am a reader" is a proof; a cluster that left the
/// global one writes on by itself and is fenced by nobody (facts §1.1, §7).
fn fenced(
    global: Option<&GlobalCluster>,
    cluster: Option<&DbCluster>,
    arn: &str,
) -> (Verdict, String) {
    let Some(global) = global else {
        return (Verdict::Attempted, "the old side knows no global cluster".to_owned());
    };
    let members = global.global_cluster_members();
    let Some(member) = members.iter().find(|member| member.db_cluster_arn() == Some(arn)) else {
        return (Verdict::Attempted, format!("`{arn}` is no member and may write by itself"));
    };
    let is_reader = member.is_writer() == Some(false);
    let has_writer = cluster.is_some_and(|cluster| instance::writer(cluster).is_some());
    let other_writes = global::writer(global).is_some();
    if is_reader && other_writes && !has_writer {
        (Verdict::Proven, format!("`{arn}` says itself that it is a reader"))
    } else if is_reader {
        (
            Verdict::Attempted,
            format!("`{arn}` is a reader that still shows an instance that writes"),
        )
    } else {
        (Verdict::Attempted, format!("`{arn}` is still the writer"))
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_rds::types::{DbClusterMember, GlobalClusterMember};

    use super::*;

    const OLD: &str = "arn:aws:rds:us-east-1:123456789012:cluster:orders-east";
    const NEW: &str = "arn:aws:rds:us-west-2:123456789012:cluster:orders-west";

    fn orders(members: &[(&str, bool)]) -> GlobalCluster {
        let member = |(arn, writes): &(&str, bool)| {
            GlobalClusterMember::builder().db_cluster_arn(*arn).is_writer(*writes).build()
        };
        let members = members.iter().map(member).collect();
        GlobalCluster::builder().set_global_cluster_members(Some(members)).build()
    }

    /// Goal: nothing but the old side's own word that it reads is a proof.
    /// Method: every shape in which the old side can answer.
    #[test]
    fn what_proves_a_fence() {
        let reads = DbCluster::builder().build();
        let instance =
            DbClusterMember::builder().db_instance_identifier("a").is_cluster_writer(true);
        let writes = DbCluster::builder().db_cluster_members(instance.build()).build();
        let moved = orders(&[(OLD, false), (NEW, true)]);
        let table = [
            (Some(&moved), Some(&reads), Verdict::Proven),
            (Some(&moved), Some(&writes), Verdict::Attempted),
            (Some(&orders(&[(OLD, true), (NEW, false)])), Some(&writes), Verdict::Attempted),
            (Some(&orders(&[(OLD, false), (NEW, false)])), Some(&reads), Verdict::Attempted),
            (Some(&orders(&[(NEW, true)])), Some(&reads), Verdict::Attempted),
            (None, None, Verdict::Attempted),
        ];
        for (global, cluster, verdict) in table {
            assert_eq!(fenced(global, cluster, OLD).0, verdict, "{global:?} {cluster:?}");
        }
    }
}
