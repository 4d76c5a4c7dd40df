//! What may run on one side only, stopped and started in a real cluster.

use std::collections::BTreeMap;

use muster::world::{kube::Kube, real::Real};
use muster_runbooks::application::Application;
use muster_state::{
    call::{Answer, Call, CallError, Done, Progress},
    progress::Peak,
};
use muster_tests::{
    emulator::{
        EAST, Emulator, WEST,
        calls::{application, call, look},
    },
    kubernetes::Clusters,
};
use serde_json::{Value, json};

use super::{
    workloads::{ask, is_done, until},
    world,
};

/// A consumer of a queue, a cron job that is due once a year, and something that is no worker.
const SHOP: &str = r#"
{ "apiVersion": "v1", "kind": "List", "items": [
  { "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop" } },
  { "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "consumer", "namespace": "shop" },
    "spec": { "replicas": 3, "selector": { "matchLabels": { "app": "consumer" } },
      "template": { "metadata": { "labels": { "app": "consumer" } },
        "spec": { "containers": [ { "name": "consumer", "image": "consumer:1" } ] } } } },
  { "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web", "namespace": "shop" },
    "spec": { "replicas": 2, "selector": { "matchLabels": { "app": "web" } },
      "template": { "metadata": { "labels": { "app": "web" } },
        "spec": { "containers": [ { "name": "web", "image": "web:1" } ] } } } },
  { "apiVersion": "batch/v1beta1", "kind": "CronJob", "metadata": { "name": "nightly", "namespace": "shop" },
    "spec": { "schedule": "0 0 1 1 *", "jobTemplate": { "spec": { "template": {
      "spec": { "restartPolicy": "Never", "containers": [ { "name": "nightly", "image": "nightly:1" } ] } } } } } }
] }"#;

const REMEMBERED: &str = "muster/before-suspension";

fn shop(uid: &str, workers: Value) -> Application {
    application(json!({ "workloads": [{
        "name": "production", "namespace": "shop", "contexts": { EAST: EAST, WEST: WEST },
        "clusters": { WEST: uid }, "workers": workers,
        "exports": { "buckets": { EAST: "x", WEST: "y" }, "prefix": "objects" },
    }] }))
}

async fn start(world: &Emulator) -> Option<(Clusters, Real)> {
    let clusters = Clusters::start()?;
    clusters.kubectl(WEST, &["apply", "-f", "-"], SHOP);
    let real = world.real_beside(&clusters).await;
    Some((clusters, real))
}

fn suspending(world: &Emulator, shop: &Application) -> Call {
    call(world, shop, "suspend-workers", json!({ "at": "standby" }))
}

fn resuming(world: &Emulator, shop: &Application) -> Call {
    call(world, shop, "resume-workers", json!({ "at": "standby" }))
}

/// Whether the cron job is suspended, how many the consumer wants, and what both remember.
fn stand(clusters: &Clusters) -> Value {
    let nightly = clusters.get(WEST, "cronjobs.v1beta1.batch", "nightly", "shop");
    let consumer = clusters.get(WEST, "deployment", "consumer", "shop");
    let of = |one: &Value| one["metadata"]["annotations"][REMEMBERED].clone();
    json!([
        [nightly["spec"]["suspend"], of(&nightly)],
        [consumer["spec"]["replicas"], of(&consumer)]
    ])
}

fn refused(progress: Progress) -> String {
    let Progress::Refused { reason } = progress else { panic!("{progress:?}") };
    reason
}

/// Goal: workers have stopped only when nothing of them works any more, what is no worker goes on, and
/// started again they are what they were; done twice, or by somebody before, it is the same.
/// Method: real controllers; pods with a place and a job under way keep the step open until they are gone.
#[tokio::test]
async fn workers_stop_on_one_side_and_are_what_they_were_again() {
    let world = world!();
    let Some((clusters, real)) = start(&world).await else { return };
    let shop = shop(&clusters.uid(WEST), json!(["cronjob/nightly", "deployment/consumer"]));
    let nightly = clusters.get(WEST, "cronjobs.v1beta1.batch", "nightly", "shop");
    let by_hand = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": { "name": "by-hand", "namespace": "shop", "ownerReferences": [{
            "apiVersion": "batch/v1beta1", "kind": "CronJob", "name": "nightly",
            "uid": nightly["metadata"]["uid"],
        }] },
        "spec": nightly["spec"]["jobTemplate"]["spec"],
    });
    clusters.kubectl(WEST, &["create", "-f", "-"], &by_hand.to_string());
    let mut running = resuming(&world, &shop);
    ask(&world, &real, &mut running).await;
    until((&world, &clusters, &real), &mut running, 99, is_done).await;

    let mut stopping = suspending(&world, &shop);
    assert_eq!(ask(&world, &real, &mut stopping).await, ["cronjob/nightly", "deployment/consumer"]);
    assert_eq!(stand(&clusters), json!([[true, "suspended"], [0, "3"]]));
    let says_pods = |progress: &Progress| {
        let text = progress.to_string();
        text.contains("cronjob/nightly: still there: by-hand")
            && text.contains("deployment/consumer: still there: consumer-")
    };
    until((&world, &clusters, &real), &mut stopping, 99, says_pods).await;
    clusters.kubectl(WEST, &["delete", "job", "by-hand", "-n", "shop", "--cascade=orphan"], "");
    let gone =
        ["delete", "pods", "-n", "shop", "-l", "app=consumer", "--force", "--grace-period=0"];
    clusters.kubectl(WEST, &gone, "");
    let progress = until((&world, &clusters, &real), &mut stopping, 99, is_done).await;
    let Progress::Done(Done { outputs, notes, .. }) = progress else { panic!() };
    assert_eq!(outputs["stopped"], json!(["cronjob/nightly", "deployment/consumer"]));
    assert!(notes.is_empty(), "{notes:?}");
    assert_eq!(clusters.get(WEST, "deployment", "web", "shop")["spec"]["replicas"], json!(2));

    let mut again = suspending(&world, &shop);
    assert_eq!(ask(&world, &real, &mut again).await, Vec::<String>::new());
    assert_eq!(
        stand(&clusters),
        json!([[true, "suspended"], [0, "3"]]),
        "it still knows the three"
    );
    assert!(is_done(&look(&world, &real, &mut again).await));

    let mut starting = resuming(&world, &shop);
    assert_eq!(ask(&world, &real, &mut starting).await, ["cronjob/nightly", "deployment/consumer"]);
    assert_eq!(stand(&clusters), json!([[false, null], [3, null]]));
    let progress = until((&world, &clusters, &real), &mut starting, 99, is_done).await;
    let Progress::Done(Done { outputs, .. }) = progress else { panic!() };
    assert_eq!(outputs["running"], json!(["cronjob/nightly", "deployment/consumer 3"]));
}

/// Goal: a set that stands at none is started only as strong as somebody knows it must be; nobody guesses.
/// Method: no annotation, a spoilt one, a line under `replicas`, a peak of the source, an autoscaler that
/// keeps fewer; a worker that is not there.
#[tokio::test]
async fn what_nobody_remembers_is_not_started() {
    let world = world!();
    let Some((clusters, real)) = start(&world).await else { return };
    let uid = clusters.uid(WEST);
    let mut shop = shop(&uid, json!(["deployment/consumer"]));
    clusters.kubectl(
        WEST,
        &["scale", "deployment", "consumer", "-n", "shop", "--replicas", "0"],
        "",
    );
    let said = refused(look(&world, &real, &mut resuming(&world, &shop)).await);
    assert!(said.starts_with("deployment/consumer has no replicas"), "{said}");
    let spoilt = format!("{REMEMBERED}=some");
    clusters.kubectl(WEST, &["annotate", "deployment", "consumer", "-n", "shop", &spoilt], "");
    shop.workloads[0].replicas = [("deployment/consumer".to_owned(), 2)].into();
    let said = refused(look(&world, &real, &mut resuming(&world, &shop)).await);
    assert!(said.contains("says `some`"), "{said}");
    let removed = format!("{REMEMBERED}-");
    clusters.kubectl(WEST, &["annotate", "deployment", "consumer", "-n", "shop", &removed], "");

    let mut declared = resuming(&world, &shop);
    ask(&world, &real, &mut declared).await;
    assert_eq!(stand(&clusters)[1], json!([2, null]), "as its file says");
    let mut peak = resuming(&world, &shop);
    let sets: BTreeMap<String, u32> = [("deployment/consumer".to_owned(), 5)].into();
    peak.peak = Some(Peak { at: world.now(), region: EAST.parse().unwrap(), sets }.into());
    ask(&world, &real, &mut peak).await;
    assert_eq!(stand(&clusters)[1], json!([5, null]), "as the source was");
    let mut less = resuming(&world, &shop);
    assert_eq!(ask(&world, &real, &mut less).await, Vec::<String>::new());
    assert_eq!(stand(&clusters)[1], json!([5, null]), "never fewer");

    let mut stopping = suspending(&world, &shop);
    ask(&world, &real, &mut stopping).await;
    assert_eq!(stand(&clusters)[1], json!([0, "5"]));
    let scaler = ["autoscale", "deployment", "consumer", "-n", "shop", "--min", "1", "--max", "3"];
    clusters.kubectl(WEST, &scaler, "");
    let mut starting = resuming(&world, &shop);
    ask(&world, &real, &mut starting).await;
    assert_eq!(stand(&clusters)[1], json!([3, null]), "no more than its autoscaler would leave");

    shop.workloads[0].workers.push("statefulset/other".parse().unwrap());
    let said = refused(look(&world, &real, &mut resuming(&world, &shop)).await);
    assert_eq!(said, "not there to be started: statefulset/other");
    let mut stopping = suspending(&world, &shop);
    let targets = ask(&world, &real, &mut stopping).await;
    assert_eq!(targets, ["deployment/consumer"], "what is not there needs no stopping");
}

/// Goal: nothing is changed in a cluster that is not the declared one, nor over somebody else's change.
/// Method: the UID of the other cluster; a scale between the read and the change.
#[tokio::test]
async fn nobody_elses_change_is_overwritten() {
    let world = world!();
    let Some((clusters, real)) = start(&world).await else { return };
    let workers = json!(["cronjob/nightly", "deployment/consumer"]);
    let elsewhere = shop(&clusters.uid(EAST), workers.clone());
    for foreign in [suspending(&world, &elsewhere), resuming(&world, &elsewhere)] {
        for said in [real.observe(&foreign).await.map(drop), real.begin(&foreign).await.map(drop)] {
            assert!(matches!(said, Err(CallError::Refused { .. })), "{said:?}");
        }
    }
    assert_eq!(stand(&clusters)[1], json!([3, null]));

    let shop = shop(&clusters.uid(WEST), workers);
    let kube = Kube::new(Some(clusters.kubeconfig()));
    let workload = &shop.workloads[0];
    let cluster = kube.cluster(workload, &WEST.parse().unwrap()).await.unwrap();
    let found = cluster.controllers(&workload.workers).await.unwrap();
    let (_, consumer) = found.into_iter().next_back().unwrap();
    clusters.kubectl(
        WEST,
        &["scale", "deployment", "consumer", "-n", "shop", "--replicas", "7"],
        "",
    );
    let stale = cluster.change(&consumer.unwrap(), json!({ "spec": { "replicas": 0 } })).await;
    assert!(matches!(stale, Err(CallError::NoAnswer { .. })), "look again: {stale:?}");
    assert_eq!(stand(&clusters)[1], json!([7, null]));
    let mut stopping = suspending(&world, &shop);
    ask(&world, &real, &mut stopping).await;
    assert_eq!(stand(&clusters)[1], json!([0, "7"]));
    stopping.not_after = world.now();
    let late = real.begin(&stopping).await.unwrap();
    assert_eq!(late, Answer::Accepted, "with nothing left to change nothing is late");
}
