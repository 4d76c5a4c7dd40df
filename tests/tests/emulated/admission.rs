//! Users are let in by and by, at the ingress of a real API server.

use std::sync::Arc;

use muster::world::real::Real;
use muster_runbooks::application::Application;
use muster_state::{
    call::{Answer, Call, Progress},
    step::Aim,
};
use muster_tests::{
    emulator::{
        EAST, Emulator, WEST,
        calls::{application, call, look},
    },
    kubernetes::Clusters,
};
use serde_json::{Value, json};

use super::world;

const LIMIT: &str = "nginx.ingress.kubernetes.io/limit-rps";

fn shop(uid: &str) -> Application {
    application(json!({ "workloads": [{
        "name": "production", "namespace": "shop", "contexts": { EAST: EAST, WEST: WEST },
        "clusters": { WEST: uid },
        "exports": { "buckets": { EAST: "x", WEST: "y" }, "prefix": "objects" },
        "admission": { "ingress": "web", "stages": [50, 200], "every": "30s" },
    }] }))
}

/// An ingress that admits so much before anybody limits it.
fn ingress(clusters: &Clusters, admits: Option<&str>) {
    let annotations = match admits {
        Some(value) => json!({ LIMIT: value, "team": "shop" }),
        None => json!({ "team": "shop" }),
    };
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": [
        { "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop" } },
        { "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
          "metadata": { "name": "web", "namespace": "shop", "annotations": annotations },
          "spec": { "defaultBackend": { "service": { "name": "web", "port": { "number": 80 } } } } },
    ] });
    clusters.kubectl(WEST, &["apply", "-f", "-"], &list.to_string());
}

fn annotations(clusters: &Clusters) -> Value {
    let found = clusters.get(WEST, "ingresses.v1.networking.k8s.io", "web", "shop");
    let mut all = found["metadata"]["annotations"].clone();
    all.as_object_mut().expect("a map").remove("kubectl.kubernetes.io/last-applied-configuration");
    all
}

/// Aims at what has not begun, and begins it.
async fn begin(world: &Emulator, real: &Real, call: &mut Call) {
    let progress = look(world, real, call).await;
    let Progress::NotStarted { before, targets } = progress else { panic!("{progress}") };
    call.aim = Some(Arc::new(Aim { at: world.now(), before, targets }));
    assert_eq!(real.begin(call).await.expect("an answer"), Answer::Accepted);
}

/// Goal: few users come in at first, then more, and in the end as many as before, whatever that was; how far it
/// is stands at the ingress, so that another process goes on from there, and nobody else's annotation is touched.
/// Method: an ingress that somebody had limited, and one that nobody had.
#[tokio::test]
async fn users_are_let_in_by_and_by() {
    let mut world = world!();
    let Some(clusters) = Clusters::start() else { return };
    for before in [Some("5000"), None] {
        ingress(&clusters, before);
        let real = world.real_beside(&clusters).await;
        let shop = shop(&clusters.uid(WEST));
        let mut limiting = call(&world, &shop, "limit-admission", json!({ "at": "standby" }));
        begin(&world, &real, &mut limiting).await;
        assert_eq!(annotations(&clusters)[LIMIT], "50");
        assert!(matches!(look(&world, &real, &mut limiting).await, Progress::Done(_)));
        // The first answer was lost, and it is asked again: what stood there before is not forgotten.
        assert_eq!(real.begin(&limiting).await.expect("an answer"), Answer::Accepted);

        let real = world.real_beside(&clusters).await;
        let mut raising = call(&world, &shop, "raise-admission", json!({ "at": "standby" }));
        // It is aimed, and not due yet: a call that comes too early changes nothing.
        begin(&world, &real, &mut raising).await;
        let waits = look(&world, &real, &mut raising).await;
        assert!(waits.to_string().contains("limit-rps 50 until"), "{waits}");
        world.pass(31);
        begin(&world, &real, &mut raising).await;
        assert_eq!(annotations(&clusters)[LIMIT], "200");
        assert!(matches!(look(&world, &real, &mut raising).await, Progress::InProgress { .. }));
        world.pass(31);
        begin(&world, &real, &mut raising).await;
        let mut left = json!({ "team": "shop" });
        if let Some(before) = before {
            left[LIMIT] = json!(before);
        }
        assert_eq!(annotations(&clusters), left, "as it was");
        assert!(matches!(look(&world, &real, &mut raising).await, Progress::Done(_)));
        clusters.kubectl(WEST, &["delete", "ingress", "web", "--namespace", "shop"], "");
        let gone = look(&world, &real, &mut limiting).await;
        assert!(matches!(gone, Progress::Refused { .. }), "{gone}");
    }
}
