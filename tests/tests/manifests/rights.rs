//! The rights that a cluster grants Muster, held against what Muster asks for when it does what they are for.
//!
//! The API server writes down every request of the account. Each part of the shipped rights is proven by itself: with it and
//! the base alone nothing is denied, and each single right in it was asked for.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use muster::{
    clock::Clock,
    world::{kube::Kube, real::Real},
};
use muster_runbooks::application::{Application, hook::ExecHook};
use muster_state::{
    call::{Answer, Call, CallError, Progress},
    progress::Peak,
    step::Aim,
};
use muster_tests::{
    account::{Right, heard, rights},
    daemon::pause,
    emulator::{
        EAST, Emulator, WEST,
        calls::{application, call, carry_out, look},
    },
    kubernetes::{Clusters, ROOM},
    manifests::{deploy, for_old_server, render},
};
use serde_json::{Value, json};

use super::{PRODUCTION, define_add_ons, rendered, shipped, yard::yard};

/// Rights that are granted and that this API server is never asked for: which part, which right, and why.
const UNASKED: &[(&str, &str, &str)] = &[
    (
        "hooks",
        "create pods/exec in covetpy-production",
        "API servers since 1.35 judge the GET as this, too",
    ),
    ("exports", "list cronjobs.batch in covetpy-production", "served here by no preferred version"),
    ("exports", "list csistoragecapacities.storage.k8s.io in covetpy-production", "since 1.24"),
    ("exports", "list resourceclaims.resource.k8s.io in covetpy-production", "since 1.34"),
    ("exports", "list resourceclaimtemplates.resource.k8s.io in covetpy-production", "since 1.34"),
    ("restore", "create cronjobs.batch in covetpy-production", "no export of this server has one"),
    (
        "restore",
        "get configmaps in covetpy-production",
        "held to be granted on; see `grants_nothing_it_lacks`",
    ),
    (
        "restore",
        "get secrets in covetpy-production",
        "held to be granted on; see `grants_nothing_it_lacks`",
    ),
];

/// Served beside the others by this server alone, as a second name of the same objects.
const OLD_SERVER: &str = r#"
{ "apiVersion": "v1", "kind": "List", "items": [
  { "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
    "metadata": { "name": "old-server", "namespace": "covetpy-production" },
    "rules": [ { "apiGroups": ["extensions"], "resources": ["ingresses"], "verbs": ["list"] } ] },
  { "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
    "metadata": { "name": "old-server", "namespace": "covetpy-production" },
    "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "old-server" },
    "subjects": [ { "kind": "ServiceAccount", "name": "muster", "namespace": "muster-access" } ] }
] }"#;

/// A node of which nothing was heard for very long.
const DEAD: &str = "dead";

/// So often is a controller given time.
const LOOKS_MAX: usize = 400;

/// The clusters, the account's way into them, and the application as Muster knows it.
struct Site {
    world: Emulator,
    clusters: Clusters,
    account: PathBuf,
    real: Real,
    covetpy: Application,
}

impl Site {
    /// Both clusters with the account and its base; the standby with all of CovetPy and more.
    async fn start() -> Option<Site> {
        let standby = render(&deploy("kubernetes/covetpy"))?;
        let access = render(&deploy("kubernetes/access"))?;
        let world = Emulator::start()?;
        let clusters = Clusters::start()?;
        define_add_ons(&clusters, WEST);
        clusters.kubectl(WEST, &["apply", "-f", "-"], &for_old_server(standby));
        clusters.kubectl(WEST, &["apply", "-f", "-"], &yard());
        clusters.kubectl(EAST, &["create", "namespace", PRODUCTION], "");
        for cluster in [EAST, WEST] {
            clusters.kubectl(cluster, &["apply", "-f", "-"], &for_old_server(access.clone()));
        }
        let account = clusters.account(&[EAST, WEST]).await;
        let base = rights(&access);
        for cluster in [EAST, WEST] {
            heard(&account, cluster, &base, true).await;
        }
        world.bucket(EAST, "exports-east").await;
        world.bucket(WEST, "exports-west").await;
        let real = world.real_by(account.clone()).await;
        let covetpy = application(json!({ "workloads": [{
            "name": "production", "namespace": PRODUCTION, "contexts": { EAST: EAST, WEST: WEST },
            "clusters": { EAST: clusters.uid(EAST), WEST: clusters.uid(WEST) },
            "workers": ["cronjob/nightly", "deployment/consumer", "statefulset/queue"],
            "restart_after_failover": ["deployment/api", "statefulset/queue"],
            "admission": { "ingress": "api", "stages": [50, 200], "every": "30s" },
            "jobs": [{ "name": "warm", "image": "warm:1", "limit": "10m", "command": ["/bin/warm"] }],
            "exports": { "buckets": { EAST: "exports-east", WEST: "exports-west" }, "prefix": "objects" },
        }] }));
        Some(Site { world, clusters, account, real, covetpy })
    }

    fn call(&self, action: &str, with: Value) -> Call {
        call(&self.world, &self.covetpy, action, with)
    }

    /// Looks, aims, begins: what a step does first.
    async fn begin(&self, call: &mut Call) {
        let progress = look(&self.world, &self.real, call).await;
        let Progress::NotStarted { before, targets } = progress else { panic!("{progress}") };
        call.aim = Some(Arc::new(Aim { at: self.world.now(), before, targets }));
        for _ in 0..LOOKS_MAX {
            match self.real.begin(call).await {
                Ok(answer) => {
                    assert_eq!(answer, Answer::Accepted);
                    return;
                }
                // A controller has changed it since it was read: nobody else's change is overwritten.
                Err(CallError::NoAnswer { .. }) => pause().await,
                Err(why) => panic!("{why}"),
            }
        }
        panic!("{} is never begun", call.token)
    }

    /// Gives the account a part of the shipped rights in some clusters.
    async fn grant(&self, part: &str, clusters: &[&str]) -> BTreeSet<Right> {
        let objects = shipped(&format!("kubernetes/access/with/{part}/rights.yaml"));
        let granted = rights(&objects);
        let list = for_old_server(objects);
        for cluster in clusters {
            self.clusters.kubectl(cluster, &["apply", "-f", "-"], &list);
            heard(&self.account, cluster, &granted, true).await;
        }
        granted
    }

    /// Takes it away again.
    async fn withdraw(&self, part: &str, base: &BTreeSet<Right>) {
        let objects = shipped(&format!("kubernetes/access/with/{part}/rights.yaml"));
        let own = rights(&objects).difference(base).cloned().collect();
        self.clusters.kubectl(WEST, &["delete", "-f", "-"], &for_old_server(objects));
        heard(&self.account, WEST, &own, false).await;
    }

    /// Judges what was asked for since `after` in each cluster by the rights of a part.
    fn judge(&self, part: &str, granted: &BTreeSet<Right>, after: [usize; 2]) {
        let asked = [EAST, WEST].into_iter().zip(after);
        let asked: Vec<_> =
            asked.flat_map(|(cluster, after)| self.clusters.asked(cluster, after)).collect();
        assert!(!asked.is_empty(), "{part}: nothing was asked for");
        let denied: BTreeSet<String> =
            asked.iter().filter(|one| !one.allowed).map(|one| one.what.to_string()).collect();
        assert!(denied.is_empty(), "{part}: denied: {denied:#?}");
        let unasked: BTreeSet<String> = granted
            .iter()
            .filter(|right| !asked.iter().any(|one| right.covers(&one.what)))
            .map(ToString::to_string)
            .collect();
        let known = UNASKED.iter().filter(|(of, ..)| *of == part);
        let known: BTreeSet<String> = known.map(|(_, right, _)| (*right).to_owned()).collect();
        assert_eq!(
            unasked, known,
            "{part}: granted and never asked for (left), and known so (right)"
        );
    }

    fn so_far(&self) -> [usize; 2] {
        [EAST, WEST].map(|cluster| self.clusters.asked_so_far(cluster))
    }
}

/// Goal: the account may do all that Muster does there, by each part of the rights alone, and nothing that Muster never does.
/// Method: every action that reaches a cluster, carried out by the real world with the account's token against a real API server
/// whose log says what was asked for and whether it might.
#[tokio::test]
async fn every_right_is_needed_and_none_is_missing() {
    let Some(mut site) = Site::start().await else { return };
    let base = rights(&rendered!("kubernetes/access"));
    let after = site.so_far();
    full_strength(&site).await;
    site.judge("base", &base, after);

    // Pods get a place before anything rolls them out.
    for part in ["node-loss", "hooks", "jobs", "workers", "restart", "admission"] {
        let granted = site.grant(part, &[WEST]).await;
        let after = site.so_far();
        match part {
            "workers" => workers(&site).await,
            "restart" => {
                site.begin(&mut site.call("restart-workload", json!({ "at": "standby" }))).await
            }
            "admission" => {
                site.begin(&mut site.call("limit-admission", json!({ "at": "standby" }))).await
            }
            "node-loss" => node_loss(&site).await,
            "jobs" => job(&site).await,
            "hooks" => hook(&site).await,
            other => panic!("nobody carries out what `{other}` is for"),
        }
        site.judge(part, &granted, after);
        site.withdraw(part, &base).await;
    }

    for cluster in [EAST, WEST] {
        site.clusters.kubectl(cluster, &["apply", "-f", "-"], OLD_SERVER);
    }
    let granted = site.grant("exports", &[EAST, WEST]).await;
    let after = site.so_far();
    let export = export(&mut site).await;
    site.judge("exports", &granted, after);

    let granted = site.grant("restore", &[EAST]).await;
    let after = site.so_far();
    grants_nothing_it_lacks(&site, &export).await;
    let with = json!({ "export": export, "at": "active" });
    let mut restoring = site.call("apply-objects", with);
    let restored = carry_out(&mut site.world, &site.real, &mut restoring, 5).await;
    assert!(restored.done.outputs["present"].as_u64().is_some_and(|n| n > 20), "{restored:?}");
    site.judge("restore", &granted, after);
}

/// Goal: every part that is shipped is one that was proven.
/// Method: the folders beside the list of the test above.
#[test]
fn every_part_is_proven() {
    let parts = std::fs::read_dir(deploy("kubernetes/access/with")).expect("a folder");
    let parts: BTreeSet<String> = parts
        .map(|part| part.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    let proven =
        ["admission", "exports", "hooks", "jobs", "node-loss", "restart", "restore", "workers"];
    assert_eq!(parts, BTreeSet::from(proven.map(str::to_owned)));
}

/// What every workload needs: it is looked at, scaled with its autoscaler, and asked for before its exports go.
async fn full_strength(site: &Site) {
    let kube = Kube::new(Some(site.account.clone()));
    let workload = &site.covetpy.workloads[0];
    let cluster = kube.cluster(workload, &WEST.parse().unwrap()).await.unwrap();
    assert!(cluster.has_namespace().await.expect("an answer"));
    assert!(cluster.sets().await.expect("an answer").sets.contains_key("deployment/api"));
    let mut shop = site.covetpy.clone();
    // Workers are not scaled, and here the queue's set is to be.
    shop.workloads[0].workers.clear();
    let mut scaling =
        call(&site.world, &shop, "scale-workload", json!({ "at": "standby", "to": "source-peak" }));
    let sets = [("deployment/api".to_owned(), 5), ("statefulset/queue".to_owned(), 2)].into();
    let region = EAST.parse().unwrap();
    scaling.peak = Some(Arc::new(Peak { at: site.world.now(), region, sets }));
    site.begin(&mut scaling).await;
    look(&site.world, &site.real, &mut scaling).await;
}

async fn workers(site: &Site) {
    let mut stopping = site.call("suspend-workers", json!({ "at": "standby" }));
    site.begin(&mut stopping).await;
    look(&site.world, &site.real, &mut stopping).await;
    let mut starting = site.call("resume-workers", json!({ "at": "standby" }));
    site.begin(&mut starting).await;
}

/// A pod of the application stands on a node that is lost.
async fn node_loss(site: &Site) {
    let clusters = &site.clusters;
    let list = ["get", "pods", "-n", PRODUCTION, "-l", "app=api", "-o", "json"];
    let mut pods = Vec::new();
    for _ in 0..LOOKS_MAX {
        let said: Value = serde_json::from_str(&clusters.kubectl(WEST, &list, "")).expect("JSON");
        pods = said["items"].as_array().cloned().unwrap_or_default();
        if !pods.is_empty() {
            break;
        }
        pause().await;
    }
    let lost = pods.first().expect("a pod of the application");
    let lost = lost["metadata"]["name"].as_str().expect("a name");
    let nodes = [ROOM, "second-room"];
    let hear = || {
        let now = Clock::Real.now();
        for node in nodes {
            clusters.hear_of(WEST, node, "True", now, now);
        }
    };
    for node in [ROOM, "second-room", DEAD] {
        clusters.add_node(WEST, node);
    }
    let long_ago = "2026-01-01T00:00:00Z".parse().expect("an instant");
    clusters.hear_of(WEST, DEAD, "Unknown", long_ago, long_ago);
    clusters.stand(WEST, PRODUCTION, lost, DEAD, site.world.now());
    clusters.place(WEST, PRODUCTION, 99, site.world.now());
    hear();
    let mut replacing = site.call("replace-lost-pods", json!({ "at": "standby" }));
    let progress = look(&site.world, &site.real, &mut replacing).await;
    let Progress::NotStarted { before, targets } = progress else { panic!("{progress}") };
    assert_eq!(targets.len(), 1, "{targets:?}");
    replacing.aim = Some(Arc::new(Aim { at: site.world.now(), before, targets }));
    hear();
    assert_eq!(site.real.begin(&replacing).await.expect("an answer"), Answer::Accepted);
    let pod = clusters.get(WEST, "pod", lost, PRODUCTION);
    assert!(pod["metadata"]["deletionTimestamp"].is_string(), "it is deleted: {pod}");
}

/// A job that has ended: its pod's log is asked for, though no node is there to have one.
async fn job(site: &Site) {
    let clusters = &site.clusters;
    let mut warming = site.call("run-job", json!({ "at": "standby", "job": "warm" }));
    site.begin(&mut warming).await;
    let name = warming.token.as_str().to_owned();
    let mut looks = 0;
    let mut job = clusters.get(WEST, "job", &name, PRODUCTION);
    while job["status"]["active"] != json!(1) {
        looks += 1;
        assert!(looks < LOOKS_MAX, "its controller makes no pod: {job}");
        pause().await;
        job = clusters.get(WEST, "job", &name, PRODUCTION);
    }
    job["status"] =
        json!({ "succeeded": 1, "conditions": [{ "type": "Complete", "status": "True" }] });
    let place = format!("/apis/batch/v1/namespaces/{PRODUCTION}/jobs/{name}/status");
    clusters.kubectl(WEST, &["replace", "--raw", &place, "-f", "-"], &job.to_string());
    let ended = look(&site.world, &site.real, &mut warming).await;
    assert!(matches!(ended, Progress::Done(_)), "{ended}");
}

/// A command in a pod: the API server lets it through, and finds no node behind it.
async fn hook(site: &Site) {
    site.clusters.place(WEST, PRODUCTION, 99, site.world.now());
    let kube = Kube::new(Some(site.account.clone()));
    let workload = &site.covetpy.workloads[0];
    let cluster = kube.cluster(workload, &WEST.parse().unwrap()).await.unwrap();
    let hook: ExecHook = serde_json::from_value(json!({
        "workload": "production", "selector": "app=api", "container": "api", "command": ["/bin/true"],
    }))
    .expect("a hook");
    let said = cluster.exec(&kube, &hook, "muster-r00000000001-run-hooks-1").await;
    // What it was let through to is not there; that it was not kept out is what the server's log shows.
    assert!(!matches!(said, Ok(Ok(()))), "{said:?}");
}

/// Exports the namespace of the standby into the other side's bucket, and answers where it lies.
async fn export(site: &mut Site) -> String {
    let mut exporting = site.call("export-objects", json!({ "at": "standby", "to": "active" }));
    let exported = carry_out(&mut site.world, &site.real, &mut exporting, 1).await;
    assert_eq!(exported.done.outputs["left_out"], json!(""), "{exported:?}");
    exported.done.outputs["export"].as_str().expect("an ARN").to_owned()
}

/// Goal: whoever may create Roles may not grant more than it has.
/// Method: without the two rights that the application's own Role grants, the restore is refused, and names that Role.
async fn grants_nothing_it_lacks(site: &Site, export: &str) {
    let with = json!({ "export": export, "at": "active" });
    let restoring = site.call("apply-objects", with);
    let own = ["get", "role", "muster-restore", "--namespace", PRODUCTION, "-o", "json"];
    let whole = site.clusters.kubectl(EAST, &own, "");
    let mut less: Value = serde_json::from_str(&whole).expect("JSON");
    let rules = less["rules"].as_array_mut().expect("rules");
    let is_get = |rule: &Value| rule["verbs"] == json!(["get"]);
    rules.retain(|rule| !is_get(rule));
    less["metadata"].as_object_mut().expect("a map").remove("resourceVersion");
    site.clusters.kubectl(EAST, &["replace", "-f", "-"], &less.to_string());
    let gone = ["configmaps", "secrets"].map(|resource| Right {
        verb: "get".to_owned(),
        resource: resource.to_owned(),
        group: String::new(),
        name: None,
        namespace: Some(PRODUCTION.to_owned()),
    });
    heard(&site.account, EAST, &BTreeSet::from(gone.clone()), false).await;
    let mut said = site.real.begin(&restoring).await;
    // The definitions of custom resources come first, and are served a moment later.
    for _ in 0..LOOKS_MAX {
        if !matches!(said, Ok(Answer::Busy { .. })) {
            break;
        }
        pause().await;
        said = site.real.begin(&restoring).await;
    }
    let Err(CallError::Refused { message, .. }) = said else { panic!("{said:?}") };
    assert!(message.contains("Role api: "), "{message}");
    assert!(
        message.contains("attempting to grant RBAC permissions not currently held"),
        "{message}"
    );
    let mut whole: Value = serde_json::from_str(&whole).expect("JSON");
    whole["metadata"].as_object_mut().expect("a map").remove("resourceVersion");
    site.clusters.kubectl(EAST, &["replace", "-f", "-"], &whole.to_string());
    heard(&site.account, EAST, &BTreeSet::from(gone), true).await;
}
