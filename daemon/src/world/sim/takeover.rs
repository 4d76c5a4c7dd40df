//! Whether the other side of the simulated world could take over, read through the same doors as
//! everything else.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_runbooks::{
    application::{Application, Database, Traffic},
    name::Region,
    value::Span,
};
use muster_state::call::CallError;

use super::{
    Sim, observers,
    wire::{Door, Side},
    workers,
};
use crate::world::inventory::{
    Said,
    takeover::{
        Engine, GlobalSide, InstanceSide, MemberSide, RecordSide, SetSide, Stay, Takeover,
        TrafficSide, WorkloadSide,
    },
};

/// What every instance and every container of this world is.
const CLASS: &str = "db.r6g.large";
const IMAGE: &str = "registry.example/app@sha256:5f2c";

pub(super) fn look(sim: &mut Sim, now: Timestamp, application: &Application) -> Takeover {
    let mut seen = Takeover::default();
    for region in [&application.home, &application.standby] {
        for declared in &application.databases {
            let side = member(sim, now, application, declared, region);
            seen.members.insert((declared.name.clone(), region.clone()), side);
        }
        for workload in &application.workloads {
            let door = Door::kubernetes(region, "LIST deployments");
            let side = said(sim.ask(now, door)).map(|_| workload_side());
            seen.workloads.insert((workload.name.clone(), region.clone()), side);
            if !workload.workers.is_empty() {
                let side = workers::look(sim, now, (application, workload), region);
                let side = side.map_err(|why| why.to_string());
                seen.workers.insert((workload.name.clone(), region.clone()), side);
            }
        }
        if application.probes.contains_key(region.as_str()) {
            let asked = said(sim.ask(now, Door::http(region)));
            let status = if sim.serves(&application.name, region, now) { 200 } else { 503 };
            seen.probes.insert(region.clone(), asked.map(|_| status));
        }
    }
    seen.traffic =
        application.traffic.as_ref().map(|declared| traffic(sim, now, application, declared));
    for observer in &application.observers {
        let asked = if observers::is_silent(sim, observer, now) {
            Err("it does not answer".to_owned())
        } else {
            Ok(())
        };
        seen.observers.insert(observer.name.clone(), asked);
    }
    seen
}

fn member(
    sim: &mut Sim,
    now: Timestamp,
    application: &Application,
    declared: &Database,
    region: &Region,
) -> MemberSide {
    let asked = |sim: &mut Sim, operation| said(sim.ask(now, Door::rds(region, operation)));
    let clusters = asked(sim, "DescribeDBClusters");
    let globals = asked(sim, "DescribeGlobalClusters");
    let instances = asked(sim, "DescribeDBInstances");
    let settings = asked(sim, "DescribeDBClusterParameters");
    let key = (application.name.clone(), declared.name.clone());
    let aurora = sim.databases.get(&key);
    let engine = || Engine { name: "aurora-postgresql".to_owned(), version: "16.4".to_owned() };
    let global = |at: Timestamp| {
        let aurora = aurora?;
        let connected = || Some("connected".to_owned());
        Some(GlobalSide {
            writer: Some(aurora.arn(aurora.writer(at)).to_owned()),
            moving: aurora.in_progress(at).map(|one| format!("moving to {}", one.to)),
            members: declared.clusters.values().map(|arn| (arn.clone(), connected())).collect(),
        })
    };
    let instance = InstanceSide { class: CLASS.to_owned(), status: "available".to_owned() };
    MemberSide {
        engine: clusters.map(|_| aurora.map(|_| engine())),
        global: globals.map(global),
        instances: instances.map(|_| BTreeMap::from([("instance-1".to_owned(), instance)])),
        settings: settings.map(|_| BTreeMap::new()),
    }
}

fn workload_side() -> WorkloadSide {
    let stays = Stay::For(Span::from_secs(60));
    let set = SetSide { wanted: 3, ready: 3, images: [IMAGE.to_owned()].into(), stays };
    WorkloadSide { sets: [("deployment/app".to_owned(), set)].into() }
}

fn traffic(
    sim: &mut Sim,
    now: Timestamp,
    application: &Application,
    declared: &Traffic,
) -> TrafficSide {
    let marker = said(sim.ask(now, Door::s3(&declared.marker.region, "GetObject")));
    let listed =
        Door { service: "route53", operation: "ListResourceRecordSets", side: Side::Global };
    let listed = said(sim.ask(now, listed));
    let names = sim.names.get(&application.name);
    let record = |is_primary, region: &Region| RecordSide {
        id: region.to_string(),
        is_primary,
        is_guarded: true,
    };
    TrafficSide {
        marker: marker.map(|at| names.is_some_and(|names| names.has_marker(at))),
        records: listed.map(|_| {
            let other = application.other(&declared.primary).unwrap_or(&application.standby);
            vec![record(true, &declared.primary), record(false, other)]
        }),
    }
}

fn said<T>(asked: Result<T, CallError>) -> Said<T> {
    asked.map_err(|why| why.to_string())
}
