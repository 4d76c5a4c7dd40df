//! What `muster plan` tells people to allow is what the actions really call, and what the shipped roles
//! allow is what they need and no more.

mod beside;
mod rebuild;
mod roles;
mod sql;

use std::collections::BTreeSet;

use muster::{clock::Clock, world::real::Real};
use muster_runbooks::{
    action::{Action, ComponentKind, On},
    application::Application,
    name::Token,
};
use muster_state::{
    call::{Call, Done, Progress},
    catalog::{PointChange, RecoveryPoint},
};
use muster_tests::{
    daemon::{PATIENCE, pause},
    emulator::{
        EAST, Emulator, WEST,
        accounts::VAULT_EXPIRY_ROLE,
        calls::{about, application, call, carry_out},
        site::Site,
    },
    kubernetes::Clusters,
    policy::allowed_as,
};
use serde_json::{Value, json};

use self::{
    beside::{alarms, datastores, nodes, traffic, write_lease},
    rebuild::rebuild,
    roles::{Roles, duty, is_operates, is_rebuilds, operate_allows, rebuild_allows},
};
use super::world;

const HOME: &str = "192.0.2.1";
const AWAY: &str = "198.51.100.1";

/// The IAM actions that one call needs. A call that creates something with tags also tags it, and a
/// copy under a key uses the key; who asks S3 for what is not there must be allowed to list, or the
/// answer is 403.
fn needed(service: &str, operation: &str) -> Vec<String> {
    if operation.starts_with("POST /") && operation.contains("/rrset") {
        return vec!["route53:ChangeResourceRecordSets".to_owned()];
    }
    let more: &[&str] = match operation {
        "HeadObject" | "GetObject" => &["s3:ListBucket"],
        "CreateDBClusterSnapshot" => &["rds:AddTagsToResource"],
        "CreateDBInstance" | "CreateGlobalCluster" => &["rds:AddTagsToResource"],
        "RestoreDBClusterFromSnapshot" => {
            &["rds:AddTagsToResource", "kms:CreateGrant", "kms:DescribeKey"]
        }
        "ModifyDBCluster" => {
            &["secretsmanager:CreateSecret", "secretsmanager:TagResource", "kms:DescribeKey"]
        }
        "CreateSnapshot" => &["elasticache:AddTagsToResource"],
        "CopyDBClusterSnapshot" => &["rds:AddTagsToResource", "kms:CreateGrant", "kms:DescribeKey"],
        _ => &[],
    };
    let name = if service == "s3" { allowed_as(operation) } else { operation };
    let own = format!("{service}:{name}");
    std::iter::once(own).chain(more.iter().map(|&name| name.to_owned())).collect()
}

fn declared(call: &Call) -> BTreeSet<String> {
    let binding = call.binding.as_ref().unwrap();
    let on = On {
        application: &binding.application,
        active: &binding.active,
        standby: &binding.standby,
        component: call.component.as_deref(),
        token: call.token.as_str(),
    };
    call.action.describe(&on).permissions.into_iter().collect()
}

/// Carries a call out and compares what it called with what it says it needs.
struct Judge {
    world: Emulator,
    real: Real,
    judged: BTreeSet<&'static str>,
    roles: Roles,
    /// What was declared by all that the daemon's own role is for.
    operate: BTreeSet<String>,
    /// And by what only a rebuild does.
    rebuild: BTreeSet<String>,
}

impl Judge {
    async fn judge(&mut self, call: &mut Call) -> Done {
        // A list that an earlier call asked for would do for this one, too.
        self.world.pass(2);
        self.world.forget_calls().await;
        self.roles.skip(&self.world).await;
        let done = carry_out(&mut self.world, &self.real, call, 5).await.done;
        let called = self.world.called().await;
        assert!(!called.is_empty(), "{:?} called nothing", call.action);
        let used: BTreeSet<String> =
            called.iter().flat_map(|(service, operation)| needed(service, operation)).collect();
        assert_eq!(declared(call), used, "{:?} after {called:?}", call.action);
        self.judged.insert(call.action.spec().name);
        let duty = duty(&call.action);
        self.roles.judge(&self.world, &duty).await;
        if is_operates(&duty) {
            self.operate.extend(used);
        } else if is_rebuilds(&duty) {
            self.rebuild.extend(used);
        }
        done
    }

    async fn act(&mut self, shop: &Application, action: &str, with: Value) -> Done {
        let mut call = call(&self.world, shop, action, with);
        self.judge(&mut call).await
    }

    /// One snapshot of a database of a run of its own.
    async fn point(&mut self, shop: &Application, run: u32) -> RecoveryPoint {
        self.made(shop, "snapshot-database", json!({ "at": "active" }), run).await
    }

    /// What an action makes in a run of its own.
    async fn made(
        &mut self,
        shop: &Application,
        action: &str,
        with: Value,
        run: u32,
    ) -> RecoveryPoint {
        let mut taking = call(&self.world, shop, action, with);
        taking.run = format!("r0000000000{run}").parse().unwrap();
        taking.token = Token::new(&taking.run, &taking.step, 1, false);
        match self.judge(&mut taking).await.points.as_slice() {
            [PointChange::Recorded(point)] => (**point).clone(),
            other => panic!("{other:?}"),
        }
    }
}

/// The databases with a key for copies, the bucket, the zone, the marker and two sides that serve.
async fn shop(world: &mut Emulator, site: &Site) -> Application {
    world.global_pair().await;
    world.lag(WEST, "orders-west", json!(1_500)).await;
    world.pass(60);
    for (region, name) in [(EAST, "files-east"), (WEST, "files-west"), (WEST, "markers")] {
        world.bucket(region, name).await;
    }
    let zone = world.zone(HOME, AWAY).await;
    world.serve_names("markers");
    let mut shop = application(json!({
        "traffic": {
            "name": "app.example.com", "zone": zone, "primary": EAST,
            "marker": { "region": WEST, "bucket": "markers", "key": "moved" },
            "answers": { EAST: [HOME], WEST: [AWAY] },
            "name_servers": world.name_servers(),
        },
        "probes": { EAST: site.url(), WEST: site.url() },
        "caches": [{ "name": "sessions", "replication_groups": { EAST: "sessions" },
            "retention": { "keep_for": "24h" } }],
    }));
    world.cache(EAST, "sessions").await;
    let key = world.key(WEST).await;
    shop.databases[0].copy_keys.insert(WEST.to_owned(), key);
    shop
}

/// Goal: nobody is told to allow too little, which is found out in the night of the failover, nor more
/// than is used.
/// Method: every action that calls AWS is carried out to its end against the emulator; what the proxy
/// saw is compared with what the action declares, both ways. A new action must be judged here too.
#[tokio::test]
async fn what_is_declared_is_what_is_called() {
    let mut world = world!();
    let site = Site::start(200);
    let shop = shop(&mut world, &site).await;
    let clusters = Clusters::start();
    let real = match &clusters {
        Some(clusters) => world.real_beside(clusters).await,
        None => world.real(Vec::new()).await,
    };
    let (judged, operate, rebuilds) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut judge =
        Judge { world, real, judged, roles: Roles::shipped(), operate, rebuild: rebuilds };

    let copy = backups(&mut judge, &shop).await;
    restores(&mut judge, &shop, copy.clone()).await;
    rebuild(&mut judge, &shop, copy).await;
    vault(&mut judge, &shop).await;
    canary(&mut judge, &shop).await;
    buckets(&mut judge, &shop).await;
    traffic(&mut judge, &shop).await;
    alarms(&mut judge, &shop).await;
    write_lease(&mut judge, &shop).await;
    databases(&mut judge, &shop).await;
    datastores(&mut judge, &shop).await;
    nodes(&mut judge, &shop).await;
    // Without an API server its skip is written down, and says that these were not judged.
    match &clusters {
        Some(clusters) => objects(&mut judge, clusters).await,
        None => judge.judged.extend(["export-objects", "apply-objects"]),
    }
    sql::reached(&mut judge, &shop).await;

    // What Kubernetes is asked stands under its own roles.
    let without_aws = [
        "approval",
        "wait",
        "gate",
        "open-window",
        "close-window",
        "check-calendar",
        "notify",
        "rehearse",
        "stamp-point",
        "start-run",
        "move-application",
        "probe",
        "check-observers",
        "scale-workload",
        "flush-cache",
        "limit-admission",
        "raise-admission",
        "call-http",
        "run-job",
        "restart-workload",
        "replace-lost-pods",
        "suspend-workers",
        "resume-workers",
    ];
    for spec in Action::SPECS {
        let is_known = judge.judged.contains(spec.name) || without_aws.contains(&spec.name);
        assert!(is_known, "`{}` calls AWS and is not judged here", spec.name);
    }
    // Asked only where objects are compared one by one, and the comparison above went by the lists.
    judge.operate.extend(["s3:GetObject", "s3:GetObjectVersion"].map(str::to_owned));
    assert_eq!(operate_allows(), judge.operate, "`operate.json` says what is declared and no more");
    assert_eq!(rebuild_allows(), judge.rebuild, "`rebuild.json` says what is declared and no more");
    let Roles { allowed, refused, .. } = judge.roles;
    assert!(allowed > 10 && refused > 10, "{allowed} allowed, {refused} refused");
}

/// A restore test of the copy, to its end.
async fn restores(judge: &mut Judge, shop: &Application, copy: RecoveryPoint) {
    let mut choosing = call(&judge.world, shop, "choose-point", json!({ "at": "standby" }));
    choosing.points = [copy].into();
    let chosen = judge.judge(&mut choosing).await.outputs;
    // The list of the choice serves those who come right after it.
    judge.world.pass(60);
    let with = json!({ "at": "standby", "point": chosen["point"] });
    let restored = judge.act(shop, "restore-cluster", with).await.outputs;
    let with = json!({ "at": "standby", "cluster": restored["cluster"] });
    let rotated = judge.act(shop, "rotate-password", with).await.outputs;
    let with = json!({
        "at": "standby", "cluster": restored["cluster"], "secret": rotated["secret"],
        "began_at": restored["began_at"],
    });
    judge.act(shop, "start-instance", with).await;
    let leaks = judge.act(shop, "find-leaks", json!({})).await;
    assert_eq!(leaks.outputs["leaks"], json!(2), "no run is open here");
    judge.act(shop, "remove-instance", json!({ "at": "standby" })).await;
    judge.act(shop, "remove-cluster", json!({ "at": "standby" })).await;
}

/// Goal: the policy that is shipped for looking allows what an inventory calls, and nothing more.
/// Method: an inventory of everything that there can be; what the proxy saw is compared with the file.
#[tokio::test]
async fn a_look_needs_what_its_policy_says() {
    let mut world = world!();
    let site = Site::start(200);
    let mut shop = shop(&mut world, &site).await;
    let more = application(json!({
        "secrets": [{ "name": "password", "secret": "shop/database" }],
        "objects": [{ "name": "state", "buckets": { EAST: "files-east" }, "keys": ["a"] }],
        "observers": [{
            "name": "alarms", "domain": "cloudwatch",
            "alarms": { EAST: { "region": WEST, "name": "east-is-down" } },
        }],
    }));
    (shop.secrets, shop.objects) = (more.secrets, more.objects);
    shop.observers = more.observers;
    let real = world.real(Vec::new()).await;
    world.forget_calls().await;
    real.inventory(&shop, world.now()).await;
    let called = world.called().await;
    let used: BTreeSet<String> =
        called.iter().flat_map(|(service, operation)| needed(service, operation)).collect();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/iam/look.json");
    let policy: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let allowed = policy["Statement"][0]["Action"].as_array().unwrap();
    let mut allowed: BTreeSet<String> =
        allowed.iter().map(|action| action.as_str().unwrap().to_owned()).collect();
    // Asked only about a parameter group that somebody has made, and the emulator's clusters have none.
    assert!(allowed.remove("rds:DescribeDBClusterParameters"));
    assert_eq!(allowed, used, "{called:?}");
}

async fn backups(judge: &mut Judge, shop: &Application) -> RecoveryPoint {
    let (mut points, mut saved) = (Vec::new(), Vec::new());
    for run in 1..=4 {
        points.push(judge.point(shop, run).await);
        let with = json!({ "at": "active" });
        saved.push(judge.made(shop, "snapshot-cache", with, run).await);
        judge.world.pass(24 * 3600);
    }
    let newest = &points[3];
    let with = json!({ "snapshot": newest.id, "data_time": newest.data_time, "to": "standby" });
    let copied = judge.act(shop, "copy-snapshot", with).await;
    let [PointChange::Recorded(copy)] = copied.points.as_slice() else { panic!("{copied:?}") };
    expires(judge, shop, ComponentKind::Databases, points).await;
    expires(judge, shop, ComponentKind::Caches, saved).await;
    (**copy).clone()
}

/// Marks the oldest of four points of a kind, and a day later deletes it.
async fn expires(
    judge: &mut Judge,
    shop: &Application,
    kind: ComponentKind,
    mut points: Vec<RecoveryPoint>,
) {
    let marking = call(&judge.world, shop, "mark-expired", json!({ "at": "active" }));
    let mut marking = about(marking, kind);
    marking.points = points.clone().into();
    assert_eq!(judge.judge(&mut marking).await.outputs["marked"], json!(1), "{kind}");
    points[0].marked_at = Some(judge.world.now());
    judge.world.pass(25 * 3600);
    let with = json!({ "at": "active", "cap": 3 });
    let mut deleting = about(call(&judge.world, shop, "delete-expired", with), kind);
    deleting.points = points.into();
    assert_eq!(judge.judge(&mut deleting).await.outputs["deleted"], json!(1), "{kind}");
}

/// Four nights of copies in another account, of which one goes. Each call is of a run of its own, so that
/// each takes the role anew.
async fn vault(judge: &mut Judge, shop: &Application) {
    let mut shop = shop.clone();
    let mut vault = judge.world.vault(EAST).await;
    vault["expiry_role"] = json!(VAULT_EXPIRY_ROLE);
    shop.databases[0].vault = serde_json::from_value(vault).unwrap();
    let mut copies = Vec::new();
    for run in 5..=8 {
        let taken = judge.point(&shop, run).await;
        let with = json!({ "snapshot": taken.id, "at": "active" });
        judge.act(&shop, "share-snapshot", with.clone()).await;
        let copy = json!({ "snapshot": taken.id, "data_time": taken.data_time, "at": "active" });
        let mut copying = call(&judge.world, &shop, "copy-to-vault", copy);
        copying.run = format!("r0000000000{run}").parse().unwrap();
        copying.token = Token::new(&copying.run, &copying.step, 1, false);
        match judge.judge(&mut copying).await.points.as_slice() {
            [PointChange::Recorded(copy)] => copies.push((**copy).clone()),
            other => panic!("{other:?}"),
        }
        judge.act(&shop, "unshare-snapshot", with).await;
        judge.world.pass(24 * 3600);
    }
    let mut marking = call(&judge.world, &shop, "mark-expired", json!({ "at": "vault" }));
    marking.points = copies.clone().into();
    assert_eq!(judge.judge(&mut marking).await.outputs["marked"], json!(1));
    copies[0].marked_at = Some(judge.world.now());
    judge.world.pass(25 * 3600);
    let with = json!({ "at": "vault", "cap": 3 });
    let mut deleting = call(&judge.world, &shop, "delete-expired", with);
    deleting.run = "r00000000009".parse().unwrap();
    deleting.points = copies.into();
    assert_eq!(judge.judge(&mut deleting).await.outputs["deleted"], json!(1));
}

/// The emulator replicates nothing: the replica is put by hand, after the first look found nothing.
async fn canary(judge: &mut Judge, shop: &Application) {
    let mut writing = call(&judge.world, shop, "write-canary", json!({ "at": "active" }));
    judge.world.forget_calls().await;
    judge.real.observe(&writing).await.unwrap();
    judge.real.begin(&writing).await.unwrap();
    let path = format!("files-west/canaries/{}", writing.token);
    let metadata = [("muster-token", writing.token.as_str())];
    judge.world.put(WEST, &path, &metadata).await;
    let put = judge.world.called().await;
    judge.judged.insert("write-canary");
    let used: BTreeSet<String> =
        put.iter().flat_map(|(service, operation)| needed(service, operation)).collect();
    assert_eq!(declared(&writing), used, "{put:?}");
    judge.operate.extend(used);
    carry_out(&mut judge.world, &judge.real, &mut writing, 1).await;
}

async fn objects(judge: &mut Judge, clusters: &Clusters) {
    judge.world.bucket(EAST, "exports-east").await;
    let shop = application(json!({ "workloads": [{
        "name": "production", "namespace": "shop", "contexts": { EAST: EAST, WEST: WEST },
        "clusters": { EAST: clusters.uid(EAST) },
        "exports": {
            "buckets": { EAST: "exports-east", WEST: "exports-west" },
            // The one that the shipped role speaks of.
            "prefix": "muster/objects",
            "retention": { "keep_for": "24h" },
        },
    }] }));
    clusters.kubectl(EAST, &["create", "namespace", "shop"], "");
    let mut exports = Vec::new();
    for run in 1..=4 {
        let with = json!({ "at": "active", "to": "active" });
        let mut export = judge.made(&shop, "export-objects", with, run).await;
        // An API server shows the time of its machine, and not that of this world.
        export.data_time = judge.world.now();
        exports.push(export);
        judge.world.pass(24 * 3600);
    }
    let with = json!({ "export": exports[3].id, "at": "active" });
    judge.act(&shop, "apply-objects", with).await;
    expires(judge, &shop, ComponentKind::Workloads, exports).await;
}

/// The canary lies on both sides by now. A comparison goes on by itself, so it is looked at until it is
/// over, and its calls are judged then.
async fn buckets(judge: &mut Judge, shop: &Application) {
    judge.world.replicates(EAST, "files-east", "files-west", "Enabled").await;
    for name in [
        "ReplicationLatency",
        "OperationsPendingReplication",
        "OperationsFailedReplication",
        "BytesPendingReplication",
    ] {
        let pair = ["files-east", "files-west"];
        judge.world.replication_sample(EAST, pair, name, 0.0).await;
    }
    judge.world.pass(60);
    judge.act(shop, "check-bucket-replication", json!({ "from": "active" })).await;

    let with = json!({ "from": "active", "depth": "list" });
    let comparing = call(&judge.world, shop, "compare-buckets", with);
    judge.world.forget_calls().await;
    let until = Clock::Real.now() + PATIENCE;
    while let Progress::InProgress { note, .. } =
        judge.real.observe(&comparing).await.unwrap().progress
    {
        assert!(Clock::Real.now() < until, "it does not end: {note}");
        pause().await;
    }
    let called = judge.world.called().await;
    let used: BTreeSet<String> =
        called.iter().flat_map(|(service, operation)| needed(service, operation)).collect();
    assert_eq!(declared(&comparing), used, "{called:?}");
    judge.operate.extend(used);
    judge.judged.insert("compare-buckets");
}

async fn databases(judge: &mut Judge, shop: &Application) {
    judge.act(shop, "check-readiness", json!({ "lag_max": "5m" })).await;
    judge.act(shop, "predict-loss", json!({})).await;
    judge.act(shop, "check-replication", json!({ "lag_max": "5m" })).await;
    judge.act(shop, "check-active", json!({ "at": "active" })).await;
    judge.act(shop, "fence", json!({})).await;
    judge.act(shop, "failover-in-region", json!({ "at": "active" })).await;
    judge.act(shop, "switchover-database", json!({ "to": "standby" })).await;
    judge.act(shop, "switchover-database", json!({ "to": "active" })).await;
    let with = json!({ "to": "standby", "data_loss_max": "5m" });
    judge.act(shop, "failover-database", with).await;
}
