//! What runs in a namespace, brought to full strength in a real cluster.

use std::{collections::BTreeMap, sync::Arc};

use muster::world::real::Real;
use muster_runbooks::application::Application;
use muster_state::{
    call::{Answer, Call, CallError, Done, Progress},
    progress::Peak,
    step::Aim,
};
use muster_tests::{
    daemon::pause,
    emulator::{
        EAST, Emulator, WEST,
        calls::{application, call, look},
    },
    kubernetes::Clusters,
};
use serde_json::{Value, json};

use super::world;

/// A deployment with an autoscaler, and one without.
const SHOP: &str = r#"
{ "apiVersion": "v1", "kind": "List", "items": [
  { "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop" } },
  { "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web", "namespace": "shop" },
    "spec": { "replicas": 1, "selector": { "matchLabels": { "app": "web" } },
      "template": { "metadata": { "labels": { "app": "web" } },
        "spec": { "containers": [ { "name": "web", "image": "web:1" } ] } } } },
  { "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "jobs", "namespace": "shop" },
    "spec": { "replicas": 1, "selector": { "matchLabels": { "app": "jobs" } },
      "template": { "metadata": { "labels": { "app": "jobs" } },
        "spec": { "containers": [ { "name": "jobs", "image": "jobs:1" } ] } } } },
  { "apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler",
    "metadata": { "name": "web", "namespace": "shop" },
    "spec": { "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
      "minReplicas": 1, "maxReplicas": 3, "targetCPUUtilizationPercentage": 70 } }
] }"#;

/// So often is a rollout looked at; its controller takes a moment each time.
const LOOKS_MAX: usize = 200;

fn shop(uid: &str) -> Application {
    application(json!({ "workloads": [{
        "name": "production", "namespace": "shop", "contexts": { EAST: EAST, WEST: WEST },
        "clusters": { WEST: uid },
        "exports": { "buckets": { EAST: "x", WEST: "y" }, "prefix": "objects" },
    }] }))
}

async fn start(world: &Emulator) -> Option<(Clusters, Real)> {
    let clusters = Clusters::start()?;
    clusters.kubectl(WEST, &["apply", "-f", "-"], SHOP);
    let real = world.real_beside(&clusters).await;
    Some((clusters, real))
}

fn scaling(world: &Emulator, shop: &Application, sets: &[(&str, u32)]) -> Call {
    let with = json!({ "at": "standby", "to": "source-peak" });
    let mut scaling = call(world, shop, "scale-workload", with);
    let sets: BTreeMap<String, u32> =
        sets.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
    let region = EAST.parse().expect("a region");
    scaling.peak = (!sets.is_empty()).then(|| Arc::new(Peak { at: world.now(), region, sets }));
    scaling
}

/// Aims, and begins twice: the first answer was lost.
pub(super) async fn ask(world: &Emulator, real: &Real, scaling: &mut Call) -> Vec<String> {
    let Progress::NotStarted { before, targets } = look(world, real, scaling).await else {
        panic!()
    };
    scaling.aim = Some(Arc::new(Aim { at: world.now(), before, targets: targets.clone() }));
    for _ in 0..2 {
        begun(real, scaling).await;
    }
    targets
}

/// Begins. A controller that writes at the same moment makes it a conflict, after which the engine asks again.
async fn begun(real: &Real, scaling: &Call) {
    for _ in 0..LOOKS_MAX {
        match real.begin(scaling).await {
            Err(CallError::NoAnswer { .. }) => pause().await,
            answer => return assert_eq!(answer.expect("it is taken"), Answer::Accepted),
        }
    }
    panic!("the other one never ends writing");
}

/// Looks until `ends` says so, while pods get a place as long as there is room.
pub(super) async fn until(
    (world, clusters, real): (&Emulator, &Clusters, &Real),
    scaling: &mut Call,
    room: usize,
    ends: impl Fn(&Progress) -> bool,
) -> Progress {
    for _ in 0..LOOKS_MAX {
        clusters.place(WEST, "shop", room, world.now());
        let progress = look(world, real, scaling).await;
        if ends(&progress) {
            return progress;
        }
    }
    panic!("it does not come to that: {:?}", look(world, real, scaling).await)
}

pub(super) fn is_done(progress: &Progress) -> bool {
    matches!(progress, Progress::Done(_))
}

fn scaler(clusters: &Clusters) -> Value {
    let found = clusters.get(WEST, "horizontalpodautoscalers.v1.autoscaling", "web", "shop");
    json!([found["spec"]["minReplicas"], found["spec"]["maxReplicas"]])
}

fn replicas(clusters: &Clusters, name: &str) -> Value {
    clusters.get(WEST, "deployment", name, "shop")["spec"]["replicas"].clone()
}

/// Goal: a side is at full strength only when every wanted replica is available, its autoscaler does not
/// take it back, and a strength that is there is never taken away.
/// Method: real controllers; a peak of four and two, asked for twice; then a smaller peak.
#[tokio::test]
async fn a_side_becomes_as_strong_as_the_source_was() {
    let world = world!();
    let Some((clusters, real)) = start(&world).await else { return };
    let shop = shop(&clusters.uid(WEST));
    let sets = [("deployment/web", 4), ("deployment/jobs", 2)];
    let mut asked = scaling(&world, &shop, &sets);
    assert_eq!(ask(&world, &real, &mut asked).await, ["deployment/jobs", "deployment/web"]);
    assert_eq!(scaler(&clusters), json!([4, 4]), "the most is raised with the least");
    assert_eq!([replicas(&clusters, "web"), replicas(&clusters, "jobs")], [json!(4), json!(2)]);
    let progress = look(&world, &real, &mut asked).await;
    assert!(matches!(progress, Progress::InProgress { .. }), "{progress:?}");
    let progress = until((&world, &clusters, &real), &mut asked, 99, is_done).await;
    let Progress::Done(Done { outputs, .. }) = progress else { panic!() };
    assert_eq!(outputs["replicas"], json!(6));
    assert_eq!(outputs["wanted"], json!(["deployment/jobs 2", "deployment/web 4"]));

    let mut less = scaling(&world, &shop, &[("deployment/web", 2)]);
    assert_eq!(ask(&world, &real, &mut less).await, Vec::<String>::new());
    assert!(is_done(&look(&world, &real, &mut less).await), "nothing is made smaller");
    assert_eq!([scaler(&clusters), replicas(&clusters, "web")], [json!([4, 4]), json!(4)]);
}

/// Goal: no room is called so, within its limit, and is told from a slow rollout.
/// Method: room for two pods of six; the world's clock passes; then room for all.
#[tokio::test]
async fn a_side_without_room_says_capacity() {
    let mut world = world!();
    let Some((clusters, real)) = start(&world).await else { return };
    let shop = shop(&clusters.uid(WEST));
    let mut asked = scaling(&world, &shop, &[("deployment/web", 5)]);
    ask(&world, &real, &mut asked).await;
    let says_capacity = |progress: &Progress| progress.to_string().contains("capacity: ");
    let progress = until((&world, &clusters, &real), &mut asked, 2, says_capacity).await;
    assert!(matches!(progress, Progress::InProgress { .. }), "not at once: {progress:?}");
    world.pass(121);
    let Progress::Failed { reason } = look(&world, &real, &mut asked).await else { panic!() };
    assert!(reason.contains("Insufficient cpu"), "{reason}");
    until((&world, &clusters, &real), &mut asked, 99, is_done).await;
}

/// Goal: nothing is scaled where nobody knows how far, where a set is missing, or in a cluster that is not
/// the declared one.
#[tokio::test]
async fn what_is_not_known_is_not_scaled() {
    let world = world!();
    let Some((clusters, real)) = start(&world).await else { return };
    let shop_there = shop(&clusters.uid(WEST));
    let refused = |progress: Progress| {
        let Progress::Refused { reason } = progress else { panic!("{progress:?}") };
        reason
    };
    let unknown = refused(look(&world, &real, &mut scaling(&world, &shop_there, &[])).await);
    assert!(unknown.contains("declares no `replicas`"), "{unknown}");
    let mut missing = scaling(&world, &shop_there, &[("deployment/other", 2)]);
    let missing = refused(look(&world, &real, &mut missing).await);
    assert_eq!(missing, "not there to be scaled: deployment/other");
    let elsewhere = shop(&clusters.uid(EAST));
    let mut foreign = scaling(&world, &elsewhere, &[("deployment/web", 2)]);
    foreign.asked_at = world.now();
    for said in [real.observe(&foreign).await.map(drop), real.begin(&foreign).await.map(drop)] {
        assert!(matches!(said, Err(CallError::Refused { .. })), "{said:?}");
    }
    assert_eq!(replicas(&clusters, "web"), json!(1));
    let mut declared = shop_there.clone();
    declared.workloads[0].replicas = [("deployment/jobs".to_owned(), 3)].into();
    let mut asked = scaling(&world, &declared, &[]);
    assert_eq!(ask(&world, &real, &mut asked).await, ["deployment/jobs"], "its file says how far");
}

/// Goal: a set that is restarted has new pods only, each available; asked for twice it restarts once, and
/// what nobody would roll out is not called restarted.
/// Method: real controllers; begun twice; then a rollout that is paused, and a set that is not there.
#[tokio::test]
async fn clients_start_anew() {
    let world = world!();
    let Some((clusters, real)) = start(&world).await else { return };
    let mut shop = shop(&clusters.uid(WEST));
    shop.workloads[0].restart_after_failover = vec!["deployment/web".parse().unwrap()];
    let with = || json!({ "at": "standby" });
    let mut restart = call(&world, &shop, "restart-workload", with());
    let mut strong = scaling(&world, &shop, &[("deployment/web", 1), ("deployment/jobs", 1)]);
    ask(&world, &real, &mut strong).await;
    until((&world, &clusters, &real), &mut strong, 99, is_done).await;
    let pods = || {
        let list = ["get", "pods", "-n", "shop", "-l", "app=web", "-o", "name"];
        clusters.kubectl(WEST, &list, "").trim().to_owned()
    };
    let old = pods();

    let progress = look(&world, &real, &mut restart).await;
    assert!(matches!(progress, Progress::NotStarted { .. }), "{progress:?}");
    for _ in 0..2 {
        assert_eq!(real.begin(&restart).await.expect("an answer"), Answer::Accepted);
    }
    let generation =
        || clusters.get(WEST, "deployment", "web", "shop")["metadata"]["generation"].clone();
    let once = generation();
    let progress = look(&world, &real, &mut restart).await;
    assert!(matches!(progress, Progress::InProgress { .. }), "{progress:?}");
    let progress = until((&world, &clusters, &real), &mut restart, 99, is_done).await;
    let Progress::Done(Done { outputs, .. }) = progress else { panic!() };
    assert_eq!(outputs["restarted"], json!(["deployment/web"]));
    assert_eq!(generation(), once, "asked for twice, restarted once");
    assert!(!pods().is_empty() && pods() != old, "{old}");

    clusters.kubectl(WEST, &["rollout", "pause", "deployment", "web", "-n", "shop"], "");
    let Progress::Refused { reason } = look(&world, &real, &mut restart).await else { panic!() };
    assert_eq!(reason, "deployment/web is paused: restart its pods by hand");
    shop.workloads[0].restart_after_failover.push("statefulset/other".parse().unwrap());
    let mut missing = call(&world, &shop, "restart-workload", with());
    let Progress::Refused { reason } = look(&world, &real, &mut missing).await else { panic!() };
    assert_eq!(reason, "not there to be restarted: statefulset/other");
}
