//! The manifests for Kubernetes: what they come to, and that a real API server takes them.

mod rights;
mod yard;

use std::{collections::BTreeSet, fs};

use muster::{catalogue::Catalogue, config::Config};
use muster_runbooks::tree;
use muster_tests::{
    account::{Right, heard, may, rights},
    emulator::{EAST, WEST},
    kubernetes::Clusters,
    manifests::{add_on_names, add_ons, deploy, for_old_server, read, render},
};
use serde_json::{Value, json};

/// The namespace of the reference application.
const PRODUCTION: &str = "covetpy-production";

/// Each probe, and what it asks below `/health/`.
const PROBES: [(&str, &str); 3] =
    [("livenessProbe", "live"), ("readinessProbe", "ready"), ("startupProbe", "startup")];

/// A kustomization that was rendered, or the end of the test with a skip that is written down.
macro_rules! rendered {
    ($path:expr) => {
        match render(&deploy($path)) {
            Some(objects) => objects,
            None => return,
        }
    };
}
use rendered;

/// The one object of a kind and name.
fn one<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let is_it = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == name;
    let mut found = objects.iter().filter(is_it);
    let first = found.next().unwrap_or_else(|| panic!("there is no {kind} {name}"));
    assert!(found.next().is_none(), "{kind} {name} is there twice");
    first
}

/// Every template of pods.
fn templates(objects: &[Value]) -> Vec<&Value> {
    let found: Vec<&Value> = objects
        .iter()
        .filter(|object| matches!(object["kind"].as_str(), Some("Deployment" | "StatefulSet")))
        .map(|object| &object["spec"]["template"]["spec"])
        .collect();
    assert!(!found.is_empty());
    found
}

/// Goal: the reference application has the figures of its architecture guide, in both regions.
/// Method: each figure against what the overlays come to.
#[test]
fn the_figures_are_the_guides() {
    for (overlay, region) in [("primary", EAST), ("standby", WEST)] {
        let all = rendered!(&format!("kubernetes/overlays/{overlay}"));
        let api = &one(&all, "Deployment", "api")["spec"];
        assert_eq!(api["replicas"], json!(3));
        let pod = &api["template"]["spec"];
        let container = &pod["containers"][0];
        assert_eq!(
            container["resources"],
            json!({ "limits": { "cpu": "2000m", "memory": "4Gi" },
                    "requests": { "cpu": "500m", "memory": "1Gi" } })
        );
        let image = container["image"].as_str().expect("an image");
        assert!(image.contains(&format!(".{region}.")) && !image.ends_with(":latest"), "{image}");
        for (probe, path) in PROBES {
            assert_eq!(container[probe]["httpGet"]["path"], format!("/health/{path}"), "{probe}");
        }
        for toleration in pod["tolerations"].as_array().expect("tolerations") {
            assert_eq!(toleration["tolerationSeconds"], json!(60));
        }
        let spread = &pod["topologySpreadConstraints"][0];
        assert_eq!(spread["topologyKey"], "topology.kubernetes.io/zone");

        let scaler = &one(&all, "HorizontalPodAutoscaler", "api")["spec"];
        assert_eq!([&scaler["minReplicas"], &scaler["maxReplicas"]], [&json!(3), &json!(50)]);
        let target = |at: usize| &scaler["metrics"][at]["resource"]["target"]["averageUtilization"];
        assert_eq!([target(0), target(1)], [&json!(70), &json!(80)]);

        let service = &one(&all, "Service", "api")["spec"];
        let ports: Vec<&Value> =
            service["ports"].as_array().expect("ports").iter().map(|port| &port["port"]).collect();
        assert_eq!(ports, [&json!(8000), &json!(9090)]);

        let limits = &one(&all, "Ingress", "api")["metadata"]["annotations"];
        let limit = |name: &str| limits[format!("nginx.ingress.kubernetes.io/{name}")].clone();
        assert_eq!(
            json!([limit("limit-rpm"), limit("proxy-body-size"), limit("proxy-read-timeout")]),
            json!(["100", "50m", "60"])
        );
        let socket = one(&all, "Ingress", "websocket");
        let wide = "nginx.ingress.kubernetes.io/proxy-read-timeout";
        assert_eq!(socket["metadata"]["annotations"][wide], "3600");
        assert_eq!(socket["spec"]["rules"][0]["http"]["paths"][0]["path"], "/ws");

        let store = &one(&all, "SecretStore", "aws")["spec"]["provider"]["aws"];
        assert_eq!(store["region"], region, "secrets come from the region's own replicas");
        for name in ["covetpy-database", "covetpy-redis", "covetpy-jwt"] {
            assert_eq!(one(&all, "ExternalSecret", name)["spec"]["refreshInterval"], "1h");
        }
    }
}

/// Goal: nothing runs as root, with a file system that can be written, or with rights over its node; nothing comes in or
/// goes out that no policy speaks of; no secret is in a manifest.
/// Method: every template of pods, every namespace and every Secret of every overlay.
#[test]
fn everything_is_restricted() {
    for overlay in ["primary", "standby", "third"] {
        let all = rendered!(&format!("kubernetes/overlays/{overlay}"));
        let mut namespaces = BTreeSet::new();
        for pod in templates(&all) {
            let inside = &pod["securityContext"];
            assert_eq!(inside["runAsNonRoot"], json!(true));
            assert!(inside["runAsUser"].as_u64().is_some_and(|user| user > 0));
            assert_eq!(inside["seccompProfile"]["type"], "RuntimeDefault");
            for forbidden in ["hostNetwork", "hostPID", "hostIPC", "initContainers"] {
                assert!(pod[forbidden].is_null(), "{forbidden}");
            }
            for container in pod["containers"].as_array().expect("containers") {
                let inside = &container["securityContext"];
                assert_eq!(
                    *inside,
                    json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] },
                            "readOnlyRootFilesystem": true })
                );
                assert!(!container["resources"]["limits"]["memory"].is_null());
            }
            for volume in pod["volumes"].as_array().expect("volumes") {
                assert!(volume["hostPath"].is_null(), "{volume}");
            }
        }
        for object in &all {
            match object["kind"].as_str() {
                Some("Deployment" | "StatefulSet") => {
                    namespaces
                        .insert(object["metadata"]["namespace"].as_str().expect("a namespace"));
                }
                Some("Secret") => {
                    let kind = "kubernetes.io/service-account-token";
                    assert_eq!(object["type"], kind, "a Secret that holds something");
                    assert!(object["data"].is_null() && object["stringData"].is_null());
                }
                Some("Namespace") => {
                    let label = "pod-security.kubernetes.io/enforce";
                    assert_eq!(object["metadata"]["labels"][label], "restricted");
                }
                Some(_) | None => {}
            }
        }
        for namespace in namespaces {
            let denies = all.iter().any(|object| {
                object["kind"] == "NetworkPolicy"
                    && object["metadata"]["namespace"] == namespace
                    && object["spec"]
                        == json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"] })
            });
            assert!(denies, "{namespace} has no policy that denies everything");
        }
    }
}

/// Goal: the daemon's pod starts with the configuration that is shipped: the files lie where it says, its probes ask the port
/// that answers them, and it differs from the one for a host in where it listens alone.
/// Method: the ConfigMaps are laid out as the volume would lay them, and loaded by the program's own reader.
#[test]
fn the_daemon_reads_what_its_pod_holds() {
    let all = rendered!("kubernetes/overlays/third");
    let daemon = one(&all, "StatefulSet", "muster");
    assert_eq!(daemon["spec"]["replicas"], json!(1), "two would be two journals");
    let pod = &daemon["spec"]["template"]["spec"];
    let folder = tempfile::tempdir().expect("a folder");
    let volumes = pod["volumes"].as_array().expect("volumes");
    let is_configuration = |volume: &&Value| volume["name"] == "configuration";
    let volume = volumes.iter().find(is_configuration).expect("a volume");
    for source in volume["projected"]["sources"].as_array().expect("sources") {
        let map = &source["configMap"];
        if map["optional"] == json!(true) {
            continue;
        }
        let data = &one(&all, "ConfigMap", map["name"].as_str().expect("a name"))["data"];
        for (key, text) in data.as_object().expect("files") {
            let items = map["items"].as_array();
            let item = items.and_then(|items| items.iter().find(|item| item["key"] == **key));
            let path = item.map_or(key.as_str(), |item| item["path"].as_str().expect("a path"));
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text.as_str().expect("a text")).expect("written");
        }
    }
    let config = Config::load(&folder.path().join("muster.yaml")).expect("a configuration");
    Catalogue::load(&config).expect("its applications and schedules");
    assert!(config.listen.http.ip().is_loopback(), "beyond loopback it needs tokens");
    let container = &pod["containers"][0];
    let mounted = |path: &std::path::Path| {
        let mounts = container["volumeMounts"].as_array().expect("mounts");
        mounts.iter().any(|mount| path.starts_with(mount["mountPath"].as_str().expect("a path")))
    };
    assert!(mounted(&config.state), "the journal would be lost with the pod");
    assert!(mounted(&config.kubeconfig.clone().expect("a kubeconfig")));
    for (probe, path) in PROBES {
        let asked = &container[probe]["httpGet"];
        assert_eq!(asked["path"], format!("/health/{path}"));
        assert_eq!(asked["port"], "metrics");
    }
    assert_eq!(container["ports"][0]["containerPort"], json!(config.listen.metrics.port()));

    let read = |path: &str| {
        let text = fs::read_to_string(deploy(path)).expect("a file");
        let mut all = tree::parse(&text).expect("YAML").to_json();
        for own in ["listen", "kubeconfig", "applications"] {
            all.as_object_mut().expect("a map").remove(own);
        }
        all
    };
    assert_eq!(read("kubernetes/daemon/muster.yaml"), read("covetpy/muster.yaml"));
}

/// Goal: a real API server takes every overlay, twice, and starts nothing anew the second time.
/// Method: the primary's and the third region's in one cluster, the standby's in the other; what the server is too old for is
/// converted, aloud, and the add-ons' kinds are defined beforehand.
#[tokio::test]
async fn a_cluster_takes_them() {
    let overlays = [(EAST, "primary"), (EAST, "third"), (WEST, "standby")];
    let mut lists = Vec::new();
    for (cluster, overlay) in overlays {
        let objects = rendered!(&format!("kubernetes/overlays/{overlay}"));
        lists.push((cluster, for_old_server(objects)));
    }
    let Some(clusters) = Clusters::start() else { return };
    for cluster in [EAST, WEST] {
        define_add_ons(&clusters, cluster);
    }
    for _ in 0..2 {
        for (cluster, list) in &lists {
            clusters.kubectl(cluster, &["apply", "-f", "-"], list);
        }
    }
    let sets = [
        (EAST, "deployment", "api", PRODUCTION),
        (WEST, "deployment", "api", PRODUCTION),
        (EAST, "statefulset", "muster", "muster"),
    ];
    for (cluster, kind, name, namespace) in sets {
        let found = clusters.get(cluster, kind, name, namespace);
        assert_eq!(
            found["metadata"]["generation"],
            json!(1),
            "{name} was changed by the second time"
        );
    }
    let scaler = clusters.get(EAST, "horizontalpodautoscalers.v1.autoscaling", "api", PRODUCTION);
    assert_eq!(scaler["spec"]["targetCPUUtilizationPercentage"], json!(70));
}

/// Goal: of what the account of the shipped overlays does not need, nothing is granted.
/// Method: a real API server is asked, as the account, for what somebody who took its token would try next.
#[tokio::test]
async fn what_nobody_needs_is_denied() {
    let objects = rendered!("kubernetes/overlays/standby");
    let granted = rights(&objects);
    let Some(clusters) = Clusters::start() else { return };
    define_add_ons(&clusters, WEST);
    clusters.kubectl(WEST, &["apply", "-f", "-"], &for_old_server(objects));
    let account = clusters.account(&[WEST]).await;
    heard(&account, WEST, &granted, true).await;
    let tries = [
        ("get watch create update patch delete", "secrets", ""),
        ("create update delete deletecollection", "deployments", "apps"),
        ("create update delete", "statefulsets", "apps"),
        ("create update patch deletecollection", "pods", ""),
        ("create get", "pods/exec", ""),
        ("create", "pods/eviction", ""),
        ("create", "serviceaccounts/token", ""),
        ("create update patch delete escalate bind", "roles", "rbac.authorization.k8s.io"),
        ("create update patch delete escalate bind", "rolebindings", "rbac.authorization.k8s.io"),
        ("create delete", "jobs", "batch"),
        ("patch get", "ingresses", "networking.k8s.io"),
        ("delete patch", "networkpolicies", "networking.k8s.io"),
    ];
    let everywhere = [
        ("list create update patch delete", "clusterroles", "rbac.authorization.k8s.io"),
        ("create", "clusterrolebindings", "rbac.authorization.k8s.io"),
        ("list create delete", "namespaces", ""),
        ("get update patch delete", "nodes", ""),
        ("create update delete", "customresourcedefinitions", "apiextensions.k8s.io"),
        ("impersonate", "users", ""),
        ("list", "pods", ""),
        ("list", "secrets", ""),
        ("patch", "deployments", "apps"),
    ];
    let mut rows: Vec<Right> = Vec::new();
    for (namespace, tries) in [(Some(PRODUCTION), &tries[..]), (None, &everywhere[..])] {
        for (verbs, resource, group) in tries {
            rows.extend(verbs.split(' ').map(|verb| Right {
                verb: verb.to_owned(),
                resource: (*resource).to_owned(),
                group: (*group).to_owned(),
                name: None,
                namespace: namespace.map(str::to_owned),
            }));
        }
    }
    let elsewhere: Vec<Right> = granted
        .iter()
        .filter(|right| right.namespace.is_some())
        .map(|right| Right { namespace: Some("kube-system".to_owned()), ..right.clone() })
        .collect();
    rows.extend(elsewhere);
    let granted: Vec<String> =
        rows.iter().filter(|right| may(&account, WEST, right)).map(ToString::to_string).collect();
    assert!(granted.is_empty(), "{granted:?}");
}

/// Defines the kinds of the add-ons, and waits until they are served.
fn define_add_ons(clusters: &Clusters, cluster: &str) {
    clusters.kubectl(cluster, &["apply", "-f", "-"], &add_ons());
    let names = add_on_names();
    let mut wait = vec!["wait", "--for=condition=Established"];
    wait.extend(names.iter().map(String::as_str));
    clusters.kubectl(cluster, &wait, "");
}

/// The documents of a shipped file that is no kustomization.
fn shipped(path: &str) -> Vec<Value> {
    read(&deploy(path))
}
