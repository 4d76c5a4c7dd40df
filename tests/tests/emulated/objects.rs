//! Kubernetes objects: exported from a real API server, created again in another one.

use muster::world::real::Real;
use muster_runbooks::application::Application;
use muster_state::{
    call::{Answer, CallError, Progress},
    catalog::PointChange,
};
use muster_tests::{
    emulator::{
        EAST, Emulator, WEST,
        calls::{application, call, call_at, carry_out, look},
    },
    kubernetes::Clusters,
};
use serde_json::{Value, json};

use super::world;

/// What stands in the namespace of the application, and what its cluster adds to that.
const SHOP: &str = r#"
{ "apiVersion": "v1", "kind": "List", "items": [
  { "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop", "labels": { "team": "sales" } } },
  { "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "settings", "namespace": "shop" },
    "data": { "mode": "production" } },
  { "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "database", "namespace": "shop" },
    "stringData": { "password": "tell-nobody", "user": "shop" } },
  { "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web", "namespace": "shop" },
    "spec": { "selector": { "app": "web" }, "ports": [ { "port": 80 } ] } },
  { "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web", "namespace": "shop" },
    "spec": { "replicas": 2, "selector": { "matchLabels": { "app": "web" } },
      "template": { "metadata": { "labels": { "app": "web" } },
        "spec": { "containers": [ { "name": "web", "image": "web:1" } ] } } } }
] }"#;

/// A kind of the application's own, and an object of it.
const DEFINITION: &str = r#"
{ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
  "metadata": { "name": "coupons.shop.example" },
  "spec": { "group": "shop.example", "scope": "Namespaced",
    "names": { "plural": "coupons", "singular": "coupon", "kind": "Coupon" },
    "versions": [ { "name": "v1", "served": true, "storage": true,
      "schema": { "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } } } ] } }"#;
const COUPON: &str = r#"
{ "apiVersion": "shop.example/v1", "kind": "Coupon", "metadata": { "name": "spring", "namespace": "shop" },
  "percent": 20 }"#;

fn shop(uids: Value) -> Application {
    application(json!({ "workloads": [{
        "name": "production",
        "namespace": "shop",
        "contexts": { EAST: EAST, WEST: WEST },
        "clusters": uids,
        "exports": { "buckets": { EAST: "exports-east", WEST: "exports-west" }, "prefix": "objects" },
    }] }))
}

async fn start(world: &Emulator) -> Option<(Clusters, Real)> {
    let clusters = Clusters::start()?;
    world.bucket(EAST, "exports-east").await;
    world.bucket(WEST, "exports-west").await;
    clusters.kubectl(EAST, &["apply", "-f", "-"], SHOP);
    clusters.kubectl(EAST, &["apply", "-f", "-"], DEFINITION);
    let established = ["wait", "--for=condition=Established", "crd/coupons.shop.example"];
    clusters.kubectl(EAST, &established, "");
    clusters.kubectl(EAST, &["apply", "-f", "-"], COUPON);
    let real = world.real_beside(&clusters).await;
    Some((clusters, real))
}

/// Goal: a namespace that is lost with its region lives again on the other side, without a Secret
/// having left its cluster.
/// Method: exported from one real cluster into the other side's bucket, created in the other cluster,
/// twice; what the cluster added itself is not in it.
#[tokio::test]
async fn a_namespace_lives_again_on_the_other_side() {
    let mut world = world!();
    let Some((clusters, real)) = start(&world).await else { return };
    let uids = json!({ EAST: clusters.uid(EAST), WEST: clusters.uid(WEST) });
    let shop = shop(uids);

    let mut exporting =
        call(&world, &shop, "export-objects", json!({ "at": "active", "to": "standby" }));
    let exported = carry_out(&mut world, &real, &mut exporting, 1).await;
    let export = exported.done.outputs["export"].as_str().expect("an ARN").to_owned();
    assert_eq!(
        export,
        format!("arn:aws:s3:::exports-west/objects/shop/production/{}.json", exporting.token)
    );
    // Namespace, settings, Secret, Service, Deployment, Coupon and its definition: no ReplicaSet, no
    // default account, no endpoints, no certificate of the cluster.
    assert_eq!(exported.done.outputs["objects"], json!(7), "{:?}", exported.done);
    assert_eq!(exported.done.outputs["left_out"], json!(""));
    let [PointChange::Recorded(point)] = &exported.done.points[..] else { panic!() };
    assert_eq!((point.region.as_str(), point.component.as_str()), (WEST, "production"));
    let body = world.get(WEST, &export.replace("arn:aws:s3:::", "")).await;
    assert!(!body.contains("tell-nobody") && !body.contains("dGVsbC1ub2JvZHk"), "{body}");
    let list: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(list["items"][0]["kind"], json!("Namespace"));
    assert!(!body.contains("clusterIP") && !body.contains("managedFields"), "{body}");

    let restore = json!({ "export": export, "at": "standby" });
    let mut restoring = call(&world, &shop, "apply-objects", restore.clone());
    let Progress::NotStarted { targets, .. } = look(&world, &real, &mut restoring).await else {
        panic!()
    };
    assert!(targets.contains(&"Deployment web".to_owned()), "{targets:?}");
    let restored = carry_out(&mut world, &real, &mut restoring, 5).await;
    assert_eq!(restored.done.outputs["present"], json!(6));
    assert_eq!(restored.done.outputs["secrets"], json!("database (password user)"));
    let coupon = clusters.get(WEST, "coupon", "spring", "shop");
    assert_eq!(coupon["percent"], json!(20));
    assert_eq!(
        clusters.get(WEST, "namespace", "shop", "default")["metadata"]["labels"]["team"],
        json!("sales")
    );

    // Once more over what runs: a person has scaled it meanwhile, and that stays.
    clusters.kubectl(WEST, &["scale", "deployment/web", "--replicas=5", "--namespace", "shop"], "");
    clusters.kubectl(WEST, &["delete", "configmap/settings", "--namespace", "shop"], "");
    let mut again = call_at(world.now(), &shop, "apply-objects", restore);
    carry_out(&mut world, &real, &mut again, 5).await;
    assert_eq!(clusters.get(WEST, "deployment", "web", "shop")["spec"]["replicas"], json!(5));
    assert_eq!(
        clusters.get(WEST, "configmap", "settings", "shop")["data"]["mode"],
        json!("production")
    );
}

/// Goal: nothing is created in a cluster that is not certainly the one that is meant.
/// Method: the UID of the other cluster, and none.
#[tokio::test]
async fn a_context_that_leads_elsewhere_is_refused() {
    let mut world = world!();
    let Some((clusters, real)) = start(&world).await else { return };
    let known = shop(json!({}));
    let mut exporting =
        call(&world, &known, "export-objects", json!({ "at": "active", "to": "standby" }));
    let exported = carry_out(&mut world, &real, &mut exporting, 1).await;
    let restore = json!({ "export": exported.done.outputs["export"], "at": "standby" });
    let swapped = json!({ EAST: clusters.uid(EAST), WEST: clusters.uid(EAST) });
    for (uids, says) in [(json!({}), "does not say which cluster"), (swapped, "is declared")] {
        let shop = shop(uids);
        let restoring = call(&world, &shop, "apply-objects", restore.clone());
        let Err(CallError::Refused { message, .. }) = real.begin(&restoring).await else {
            panic!("it was begun")
        };
        assert!(message.contains(says), "{message}");
    }
    let namespaces = clusters.kubectl(WEST, &["get", "namespaces", "-o", "name"], "");
    assert!(!namespaces.contains("namespace/shop"), "{namespaces}");
}

/// Goal: a reply that is lost makes no second export, and a cluster that is away makes none at all.
/// Method: the reply of the writing is lost; then the API server's context points nowhere.
#[tokio::test]
async fn an_export_is_written_once() {
    let world = world!();
    let Some((clusters, real)) = start(&world).await else { return };
    let mut shop = shop(json!({}));
    let with = json!({ "at": "active", "to": "standby" });
    let mut exporting = call(&world, &shop, "export-objects", with.clone());
    assert_eq!(real.begin(&exporting).await.unwrap(), Answer::Accepted);
    let first = look(&world, &real, &mut exporting).await;
    clusters.kubectl(EAST, &["delete", "configmap/settings", "--namespace", "shop"], "");
    // The engine did not hear the first answer and begins again under the same token.
    assert_eq!(real.begin(&exporting).await.unwrap(), Answer::Accepted);
    assert_eq!(look(&world, &real, &mut exporting).await, first);

    shop.workloads[0].contexts.insert(EAST.to_owned(), "nowhere".to_owned());
    let mut lost = call_at(world.now(), &shop, "export-objects", with);
    lost.token = muster_runbooks::name::Token::new(&lost.run, &lost.step, 2, false);
    let Err(CallError::Refused { message, .. }) = real.begin(&lost).await else { panic!() };
    assert!(message.contains("context `nowhere`"), "{message}");
    assert_eq!(look(&world, &real, &mut lost).await, Progress::not_started());
}
