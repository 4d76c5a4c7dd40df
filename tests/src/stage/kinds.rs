//! The stages that there are: what each has that the plain one has not.

use serde_json::{Value, json};

use super::Stage;
use crate::{
    emulator::{EAST, Emulator, WEST, calls},
    watcher::Watcher,
};

/// What the reference environment's Terraform stands for. Run twice it changes nothing the second time.
const INFRASTRUCTURE: &str = r#"python - <<'END'
import boto3, os
assert os.environ["MUSTER_TOKEN"].startswith("muster-") and os.environ["REGION"] == "us-west-2"
boto3.client("sqs").create_queue(QueueName="built")
rds = boto3.client("rds")
known = [one["DBClusterIdentifier"] for one in rds.describe_db_clusters()["DBClusters"]]
if os.environ["MUSTER_DATABASES"] == "joined" and "orders-west" not in known:
    own = {"DBClusterIdentifier": "orders-west", "Engine": "aurora-postgresql"}
    key = boto3.client("kms").create_key()["KeyMetadata"]["Arn"]
    rds.create_db_cluster(
        GlobalClusterIdentifier="orders", EngineVersion="16.4", StorageEncrypted=True, KmsKeyId=key, **own
    )
    rds.create_db_instance(
        DBInstanceIdentifier="orders-west-1", DBInstanceClass="db.r6g.large", **own
    )
END"#;

/// What deploys: it finds what the other one made.
const DEPLOYMENT: &str = r#"python - <<'END'
import boto3
sqs = boto3.client("sqs")
sqs.get_queue_url(QueueName="built")
sqs.create_queue(QueueName="deployed")
END"#;

impl Stage {
    /// Builds everything and starts the daemon with these schedules; `None`, and a skip, where the
    /// python of the test world is missing.
    ///
    /// # Panics
    ///
    /// When something cannot be started.
    pub async fn set(schedules: &str) -> Option<Stage> {
        Stage::with(schedules, "").await
    }

    /// The same with a runbook of the user's own.
    ///
    /// # Panics
    ///
    /// When something cannot be started.
    pub async fn with(schedules: &str, runbook: &str) -> Option<Stage> {
        Stage::build(schedules, runbook, "", async |_, _| {}).await
    }

    /// The same with another account that keeps copies of the database, in the west.
    ///
    /// # Panics
    ///
    /// When something cannot be started.
    pub async fn with_vault(schedules: &str) -> Option<Stage> {
        let vault = async |world: &Emulator, shop: &mut Value| {
            shop["databases"][0]["vault"] = world.vault(WEST).await;
        };
        Stage::build(schedules, "", "", vault).await
    }

    /// The same without schedules, watched by three real observers, which are put into `watchers`. They look
    /// at `observers` for the home and at `sides` for the standby.
    ///
    /// # Panics
    ///
    /// When something cannot be started.
    pub async fn watched(watchers: &mut Vec<Watcher>) -> Option<Stage> {
        let seen = async |_: &Emulator, shop: &mut Value| {
            let one = shop["observers"][0].clone();
            let (home, away) = (one["sees"][EAST].clone(), shop["probes"][WEST].clone());
            let control = one["control"].as_str().expect("a URL").to_owned();
            let sees = json!({ EAST: home, WEST: away });
            let mut observers = Vec::new();
            for name in ["one", "two", "three"] {
                let watcher = Watcher::start("shop", &sees, &control).await;
                observers.push(json!({
                    "name": name, "domain": name, "report": watcher.url, "key": watcher.key,
                }));
                watchers.push(watcher);
            }
            shop["observers"] = json!(observers);
        };
        Stage::build("[]", "", "", seen).await
    }

    /// The same without schedules, under a lease in a bucket of a third region.
    ///
    /// # Panics
    ///
    /// When something cannot be started.
    pub async fn under_a_lease(region: &str, more: &str) -> Option<Stage> {
        let lease = format!("lease: {{ region: {region}, bucket: muster-lease, key: lease }}\n");
        let bucket = async |world: &Emulator, _: &mut Value| {
            world.bucket(region, "muster-lease").await;
        };
        Stage::build("[]", "", &format!("{lease}{more}"), bucket).await
    }

    /// The same without schedules, with a bucket in each region for the pages for doing it by hand.
    ///
    /// # Panics
    ///
    /// When something cannot be started.
    pub async fn with_pages() -> Option<Stage> {
        let copies = [EAST, WEST].map(|region| {
            format!("    - {{ region: {region}, bucket: pages-{region}, prefix: by-hand }}\n")
        });
        let more = format!("by_hand:\n  copies:\n{}", copies.concat());
        let buckets = async |world: &Emulator, _: &mut Value| {
            for region in [EAST, WEST] {
                world.bucket(region, &format!("pages-{region}")).await;
            }
        };
        Stage::build("[]", "", &more, buckets).await
    }

    /// The same without schedules, with a bucket in each region that says whether the application is frozen.
    ///
    /// # Panics
    ///
    /// When something cannot be started.
    pub async fn with_freezes() -> Option<Stage> {
        let copies = [EAST, WEST].map(|region| {
            format!("    - {{ region: {region}, bucket: said-{region}, prefix: freezes }}\n")
        });
        let more = format!("freeze:\n  copies:\n{}", copies.concat());
        let buckets = async |world: &Emulator, _: &mut Value| {
            for region in [EAST, WEST] {
                world.bucket(region, &format!("said-{region}")).await;
            }
        };
        Stage::build("[]", "", &more, buckets).await
    }

    /// The same with everything that `deploy/terraform` makes for the daemon itself and calls `shop`, the queues
    /// left out: a lease and the shipped log in a third region, pages and freezes in both.
    ///
    /// # Panics
    ///
    /// When something cannot be started.
    pub async fn as_deployed(schedules: &str, third: &str) -> Option<Stage> {
        let copies = |prefix: &str| {
            let copy = |region| json!({ "region": region, "bucket": format!("shop-by-hand-{region}"), "prefix": prefix });
            json!({ "copies": [copy(EAST), copy(WEST)] })
        };
        let more = json!({
            "lease": { "region": third, "bucket": "shop-muster-lease", "key": "lease" },
            "ship": { "region": third, "bucket": "shop-muster-log", "prefix": "log" },
            "by_hand": copies("by-hand"),
            "freeze": copies("freezes"),
        });
        let lines = more.as_object().into_iter().flatten();
        let more: String = lines.map(|(key, value)| format!("{key}: {value}\n")).collect();
        let buckets = async |world: &Emulator, _: &mut Value| {
            for region in [EAST, WEST] {
                world.bucket(region, &format!("shop-by-hand-{region}")).await;
            }
            for name in ["shop-muster-lease", "shop-muster-log"] {
                world.bucket(third, name).await;
            }
        };
        Stage::build(schedules, "", &more, buckets).await
    }

    /// The same without schedules, with builds that make the west anew: one makes a queue `built`, and the cluster
    /// too where it is told to; the other makes a queue `deployed`.
    ///
    /// # Panics
    ///
    /// When something cannot be started.
    pub async fn rebuildable() -> Option<Stage> {
        let builds = async |world: &Emulator, shop: &mut Value| {
            world.build_project(WEST, "shop-infrastructure", INFRASTRUCTURE).await;
            world.build_project(WEST, "shop-deployment", DEPLOYMENT).await;
            shop["builds"] = calls::builds();
            shop["databases"][0]["rebuild"] = calls::rebuild();
        };
        Stage::build("[]", "", "", builds).await
    }

    /// The same without schedules, with an alarm in the west that keeps a drill from moving users, and one that
    /// stops it.
    ///
    /// # Panics
    ///
    /// When something cannot be started.
    pub async fn drilled() -> Option<Stage> {
        let alarms = async |world: &Emulator, shop: &mut Value| {
            for name in ["before", "meanwhile"] {
                world.alarm(WEST, name, "OK").await;
            }
            shop["drills"] = json!({
                "blocking_alarms": [{ "region": WEST, "name": "before" }],
                "outcome_alarms": [{ "region": WEST, "name": "meanwhile" }],
            });
        };
        Stage::build("[]", "", "", alarms).await
    }
}
