//! What stands on a lost node of a real cluster starts anew, and what may write to a volume does not.

use std::{collections::BTreeMap, sync::Arc};

use muster::{
    clock::Clock,
    world::{inventory::takeover::Stay, kube::Kube, real::Real},
};
use muster_runbooks::{application::Application, value::Span};
use muster_state::{
    call::{Answer, Call, CallError, Done, Progress},
    step::Aim,
};
use muster_tests::{
    daemon::pause,
    emulator::{
        EAST, Emulator, WEST,
        calls::{application, call, look},
    },
    kubernetes::{Clusters, ROOM},
};
use serde_json::{Value, json};

use super::{workloads::is_done, world};

/// Three pods of a deployment, one of a stateful set, and a deployment whose pods leave a lost node sooner.
const SHOP: &str = r#"
{ "apiVersion": "v1", "kind": "List", "items": [
  { "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop" } },
  { "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web", "namespace": "shop" },
    "spec": { "replicas": 3, "selector": { "matchLabels": { "app": "web" } },
      "template": { "metadata": { "labels": { "app": "web" } },
        "spec": { "containers": [ { "name": "web", "image": "web:1" } ] } } } },
  { "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "brisk", "namespace": "shop" },
    "spec": { "replicas": 0, "selector": { "matchLabels": { "app": "brisk" } },
      "template": { "metadata": { "labels": { "app": "brisk" } },
        "spec": { "containers": [ { "name": "brisk", "image": "brisk:1" } ], "tolerations": [
          { "key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60 },
          { "key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60 }
        ] } } } },
  { "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": "queue", "namespace": "shop" },
    "spec": { "replicas": 1, "serviceName": "queue", "selector": { "matchLabels": { "app": "queue" } },
      "template": { "metadata": { "labels": { "app": "queue" } },
        "spec": { "containers": [ { "name": "queue", "image": "queue:1" } ] } } } }
] }"#;

/// A node of which nothing was heard for very long.
const DEAD: &str = "dead";

/// A node that has just said that it is not ready.
const LATE: &str = "late";

/// So often is it looked whether a controller has done its part.
const LOOKS_MAX: usize = 400;

fn shop(uid: &str) -> Application {
    application(json!({ "workloads": [{
        "name": "production", "namespace": "shop", "contexts": { EAST: EAST, WEST: WEST },
        "clusters": { WEST: uid },
        "exports": { "buckets": { EAST: "x", WEST: "y" }, "prefix": "objects" },
    }] }))
}

/// What is heard of the nodes, so that their controller calls none of them something else.
fn hear(clusters: &Clusters) {
    let now = Clock::Real.now();
    clusters.hear_of(WEST, ROOM, "True", now, now);
    clusters.hear_of(WEST, LATE, "False", now, now);
}

/// The UIDs of the pods of a label by name, as soon as there are so many.
async fn pods(clusters: &Clusters, label: &str, count: usize) -> BTreeMap<String, String> {
    for _ in 0..LOOKS_MAX {
        let list = ["get", "pods", "-n", "shop", "-l", label, "-o", "json"];
        let list: Value = serde_json::from_str(&clusters.kubectl(WEST, &list, "")).expect("JSON");
        let all = list["items"].as_array().cloned().unwrap_or_default();
        if all.len() >= count {
            let said =
                |pod: &Value, key: &str| pod["metadata"][key].as_str().expect(key).to_owned();
            return all.iter().map(|pod| (said(pod, "name"), said(pod, "uid"))).collect();
        }
        pause().await;
    }
    panic!("there are never {count} pods of {label}")
}

/// Whether a pod was deleted, and nobody says yet that it has ended.
fn is_going(clusters: &Clusters, pod: &str) -> bool {
    clusters.get(WEST, "pod", pod, "shop")["metadata"]["deletionTimestamp"].is_string()
}

/// Looks until `ends` says so, while new pods get a place.
async fn until(
    (world, clusters, real): (&Emulator, &Clusters, &Real),
    replacing: &mut Call,
    ends: impl Fn(&Progress) -> bool,
) -> Progress {
    for _ in 0..LOOKS_MAX {
        hear(clusters);
        clusters.place(WEST, "shop", 99, world.now());
        let progress = look(world, real, replacing).await;
        if ends(&progress) {
            return progress;
        }
        assert!(matches!(progress, Progress::InProgress { .. }), "{progress:?}");
        pause().await;
    }
    panic!("it does not come to that: {:?}", look(world, real, replacing).await)
}

/// Goal: of what stands on a node that is lost, the pods of replica sets are deleted, once and by their UID, and start
/// anew elsewhere; what stands on another node stays, also on one that has only just fallen silent; a pod of a
/// stateful set is left to a person, and it is done once that person has acted.
/// Method: real controllers, and no kubelet, so that a deleted pod never says that it has ended, as on a dead node.
#[tokio::test]
async fn what_stood_on_a_lost_node_starts_anew() {
    let world = world!();
    let Some(clusters) = Clusters::start() else { return };
    clusters.kubectl(WEST, &["apply", "-f", "-"], SHOP);
    let all = pods(&clusters, "app=web", 3).await;
    pods(&clusters, "app=queue", 1).await;
    for node in [ROOM, LATE, DEAD] {
        clusters.add_node(WEST, node);
    }
    let long_ago = "2026-01-01T00:00:00Z".parse().expect("an instant");
    clusters.hear_of(WEST, DEAD, "Unknown", long_ago, long_ago);
    let web: Vec<&str> = all.keys().map(String::as_str).collect();
    let [lost, well, late] = web[..] else { panic!("{web:?}") };
    for (pod, node) in [(lost, DEAD), (well, ROOM), (late, LATE), ("queue-0", DEAD)] {
        clusters.stand(WEST, "shop", pod, node, world.now());
    }
    let real = world.real_beside(&clusters).await;
    let shop = shop(&clusters.uid(WEST));
    let mut replacing = call(&world, &shop, "replace-lost-pods", json!({ "at": "standby" }));

    hear(&clusters);
    assert_eq!(real.begin(&replacing).await.expect("an answer"), Answer::Accepted);
    assert!(!is_going(&clusters, lost), "nothing is deleted that was not aimed at");
    let progress = look(&world, &real, &mut replacing).await;
    let Progress::NotStarted { before, targets } = progress else { panic!("{progress:?}") };
    let uid = &all[lost];
    assert_eq!(targets, [format!("{lost} {uid}")]);
    assert_eq!(before["nodes"], json!({ DEAD: "not ready since 2026-01-01T00:00:00Z" }));

    let kube = Kube::new(Some(clusters.kubeconfig()));
    let cluster = kube.cluster(&shop.workloads[0], &WEST.parse().unwrap()).await.unwrap();
    cluster.delete_pod(lost, "another-uid").await.expect("another one of its name is no trouble");
    cluster.delete_pod("never-there", uid).await.expect("one that is gone is no trouble");
    assert!(!is_going(&clusters, lost), "another one of its name is not deleted");

    replacing.aim = Some(Arc::new(Aim { at: world.now(), before, targets }));
    for _ in 0..2 {
        hear(&clusters);
        assert_eq!(real.begin(&replacing).await.expect("an answer"), Answer::Accepted);
    }
    let going = [lost, well, late, "queue-0"].map(|pod| is_going(&clusters, pod));
    assert_eq!(going, [true, false, false, false]);
    let is_refused = |progress: &Progress| matches!(progress, Progress::Refused { .. });
    let progress = until((&world, &clusters, &real), &mut replacing, is_refused).await;
    let Progress::Refused { reason } = progress else { panic!() };
    assert!(reason.contains("`queue-0` on `dead` (StatefulSet queue)"), "{reason}");
    assert!(!is_going(&clusters, "queue-0"), "that is a person's decision");

    let by_hand = ["delete", "pod", "queue-0", "-n", "shop", "--force", "--grace-period=0"];
    clusters.kubectl(WEST, &by_hand, "");
    let progress = until((&world, &clusters, &real), &mut replacing, is_done).await;
    let Progress::Done(Done { outputs, notes, .. }) = progress else { panic!() };
    assert_eq!([&outputs["replaced"], &outputs["nodes"]], [&json!(1), &json!([DEAD])]);
    assert!(notes.is_empty(), "{notes:?}");
    assert!(!is_going(&clusters, well) && !is_going(&clusters, late));

    let stays = cluster.sets().await.expect("an answer").sets;
    let stays: Vec<Stay> = stays.into_values().map(|set| set.stays).collect();
    let secs = |secs| Stay::For(Span::from_secs(secs));
    assert_eq!(stays, [secs(60), secs(300), Stay::UntilProven]);
}

/// Goal: nothing is deleted in a cluster that is not the declared one, and nothing where no node is ready.
#[tokio::test]
async fn nothing_is_deleted_where_nobody_knows() {
    let world = world!();
    let Some(clusters) = Clusters::start() else { return };
    clusters.kubectl(WEST, &["apply", "-f", "-"], SHOP);
    let real = world.real_beside(&clusters).await;
    let with = || json!({ "at": "standby" });
    let elsewhere = shop(&clusters.uid(EAST));
    let mut foreign = call(&world, &elsewhere, "replace-lost-pods", with());
    foreign.asked_at = world.now();
    for said in [real.observe(&foreign).await.map(drop), real.begin(&foreign).await.map(drop)] {
        assert!(matches!(said, Err(CallError::Refused { .. })), "{said:?}");
    }

    clusters.add_node(WEST, DEAD);
    let long_ago = "2026-01-01T00:00:00Z".parse().expect("an instant");
    clusters.hear_of(WEST, DEAD, "Unknown", long_ago, long_ago);
    let all = pods(&clusters, "app=web", 3).await;
    for pod in all.keys() {
        clusters.stand(WEST, "shop", pod, DEAD, world.now());
    }
    let mut deaf = call(&world, &shop(&clusters.uid(WEST)), "replace-lost-pods", with());
    let Progress::Refused { reason } = look(&world, &real, &mut deaf).await else { panic!() };
    assert!(reason.starts_with("1 of 1 nodes are not ready"), "{reason}");
    let targets = all.iter().map(|(pod, uid)| format!("{pod} {uid}")).collect();
    deaf.aim = Some(Arc::new(Aim { at: world.now(), before: Value::Null, targets }));
    let said = real.begin(&deaf).await.expect("an answer");
    assert!(matches!(said, Answer::Busy { .. }), "between the look and the begin: {said:?}");
    assert!(all.keys().all(|pod| !is_going(&clusters, pod)));
}
