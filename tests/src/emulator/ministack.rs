//! The second emulated AWS, for what the first lacks: buckets that replicate, and another's idea of a
//! global database. It runs on real time and answers at once.

mod events;

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use jiff::Timestamp;
use muster::{
    clock::Clock,
    world::{
        aws::Access,
        real::{Real, Settings},
    },
};
use muster_state::{
    call::{Answer, Call, Done, Progress},
    step::Aim,
};

use super::{EAST, WEST, aws, python, skip};
use crate::{
    daemon::pause,
    daemon::{PATIENCE, free_port},
};

/// Its account.
pub const ACCOUNT: &str = "000000000000";

/// One of the few versions of Aurora that it knows.
pub const VERSION: &str = "16.14";

/// A running one. Killed when it is dropped.
#[derive(Debug)]
pub struct Ministack {
    child: Child,
    endpoint: String,
    port: u16,
    http: reqwest::Client,
    folder: tempfile::TempDir,
    python: PathBuf,
}

impl Drop for Ministack {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ministack {
    /// Starts an empty one; `None`, and a skip, where the python of the test world is missing.
    ///
    /// # Panics
    ///
    /// When it does not answer in time.
    pub async fn start() -> Option<Ministack> {
        let Some(python) = python() else {
            skip("emulated-aws", "the python of the test world is missing: tests/world/setup.sh");
            return None;
        };
        let (port, folder) = (free_port(), tempfile::tempdir().expect("a folder"));
        let world = Path::new(env!("CARGO_MANIFEST_DIR")).join("world");
        let child = Command::new(&python)
            .args(["-m", "muster_ministack"])
            .env("PYTHONPATH", world)
            // Where it unpacks the functions that it runs.
            .env("TMPDIR", folder.path())
            .env("BIND_HOST", "127.0.0.1")
            .env("MINISTACK_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the second emulated AWS starts");
        let endpoint = format!("http://127.0.0.1:{port}");
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let stack = Ministack { child, endpoint, port, http, folder, python };
        let patience = Clock::Real.now() + PATIENCE;
        while stack.http.get(&stack.endpoint).send().await.is_err() {
            assert!(Clock::Real.now() < patience, "ministack does not answer");
            pause().await;
        }
        Some(stack)
    }

    /// The port of this machine that it answers at.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The world under test.
    pub async fn real(&self) -> Real {
        let settings = Settings {
            access: Access::Emulator { endpoint: self.endpoint.clone() },
            kubeconfig: None,
            receivers: Vec::new(),
            rates: super::unhurried(),
            clock: Clock::Real,
            epoch: 7,
            comparisons: Some(self.folder.path().join("comparisons")),
        };
        Real::new(settings).await.expect("the clients are made")
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        Clock::Real.now()
    }

    /// A bucket in each region; what is written below a prefix in the first comes to the second.
    pub async fn replicated(&self, from: &str, to: &str, prefix: &str) {
        for (region, name) in [(EAST, from), (WEST, to)] {
            let place = format!(
                "<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint>\
                 </CreateBucketConfiguration>"
            );
            let body = if region == EAST { String::new() } else { place };
            self.put(region, name, body).await;
            let versions =
                "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
            self.put(region, &format!("{name}?versioning"), versions.to_owned()).await;
        }
        let rule = format!(
            "<ReplicationConfiguration><Role>arn:aws:iam::{ACCOUNT}:role/replication</Role><Rule>\
             <ID>all</ID><Status>Enabled</Status><Priority>1</Priority><Filter><Prefix>{prefix}</Prefix>\
             </Filter><DeleteMarkerReplication><Status>Disabled</Status></DeleteMarkerReplication>\
             <Destination><Bucket>arn:aws:s3:::{to}</Bucket></Destination></Rule>\
             </ReplicationConfiguration>"
        );
        self.put(EAST, &format!("{from}?replication"), rule).await;
    }

    async fn put(&self, region: &str, path: &str, body: String) {
        let request = self.http.put(format!("{}/{path}", self.endpoint)).body(body);
        aws::send(request, "s3", region).await;
    }

    /// The global cluster `orders`, written in the east; answers the ARNs of its two clusters.
    pub async fn global_pair(&self) -> [String; 2] {
        let arn =
            |region: &str, name: &str| format!("arn:aws:rds:{region}:{ACCOUNT}:cluster:{name}");
        let (east, west) = (arn(EAST, "orders-east"), arn(WEST, "orders-west"));
        let engine = [("Engine", "aurora-postgresql"), ("EngineVersion", VERSION)];
        let own = [("MasterUsername", "root"), ("MasterUserPassword", "only-for-tests")];
        let name = [("DBClusterIdentifier", "orders-east")];
        self.rds(EAST, "CreateDBCluster", &[&name[..], &engine, &own].concat()).await;
        self.instance(EAST, "orders-east").await;
        let with = [("GlobalClusterIdentifier", "orders"), ("SourceDBClusterIdentifier", &*east)];
        self.rds(EAST, "CreateGlobalCluster", &with).await;
        let name = [("DBClusterIdentifier", "orders-west"), ("GlobalClusterIdentifier", "orders")];
        self.rds(WEST, "CreateDBCluster", &[&name[..], &engine].concat()).await;
        self.instance(WEST, "orders-west").await;
        [east, west]
    }

    async fn instance(&self, region: &str, cluster: &str) {
        let name = format!("{cluster}-1");
        let with = [
            ("DBInstanceIdentifier", name.as_str()),
            ("DBClusterIdentifier", cluster),
            ("DBInstanceClass", "db.r6g.large"),
            ("Engine", "aurora-postgresql"),
        ];
        self.rds(region, "CreateDBInstance", &with).await;
    }

    /// One call of RDS; the answer as text.
    pub async fn rds(&self, region: &str, action: &str, with: &[(&str, &str)]) -> String {
        aws::rds(&self.http, &self.endpoint, region, action, with).await
    }

    /// Looks, begins once, and looks until it is done. Answers that and what every look saw.
    ///
    /// # Panics
    ///
    /// When it ends badly, or not in time.
    pub async fn carry_out(&self, real: &Real, call: &mut Call) -> (Done, Vec<String>) {
        let mut seen = Vec::new();
        let patience = self.now() + PATIENCE;
        let mut begun = false;
        while self.now() < patience {
            call.asked_at = self.now();
            let progress = real.observe(call).await.expect("an answer").progress;
            seen.push(progress.to_string());
            match progress {
                Progress::Done(done) => return (done, seen),
                Progress::InProgress { .. } => {}
                Progress::NotStarted { before, targets } => {
                    assert!(!begun, "nothing is begun a second time: {seen:?}");
                    begun = true;
                    call.aim = Some(Aim { at: self.now(), before, targets }.into());
                    assert_eq!(real.begin(call).await.expect("an answer"), Answer::Accepted);
                }
                Progress::Failed { .. } | Progress::Refused { .. } | Progress::Foreign { .. } => {
                    panic!("it ended badly: {seen:?}")
                }
            }
            pause().await;
        }
        panic!("it does not end: {seen:?}")
    }
}
