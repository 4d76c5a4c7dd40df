//! Jobs that a workload declares, for the steps that run one: what runs, as whom, and for how long.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Application, Workload};
use crate::{
    name::{ComponentName, Region},
    value::Span,
};

/// The longest that a job may run.
pub const JOB_LIMIT_MAX: Span = Span::from_hours(24);

/// The most jobs of a workload.
pub const JOBS_MAX: usize = 16;

/// What its one container is called.
pub const CONTAINER: &str = "job";

/// The annotation that holds the outside name.
pub const ANNOTATION: &str = "muster/token";

/// A job in the namespace of its workload. It has one container, and one pod at a time.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// What it is called, unique in the application.
    pub name: ComponentName,
    /// The image. `{region}` stands for the region in which it runs, so that it need not come out of the
    /// registry of a region that was lost.
    pub image: String,
    /// The command and its arguments, without a shell. `{region}` and `{token}` are filled in.
    pub command: Vec<String>,
    /// The environment. Nothing here is secret; `{region}` and `{token}` are filled in.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Secrets of the namespace whose keys become variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_from_secrets: Vec<String>,
    /// As which service account; the namespace's default one when nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,
    /// How often a pod that failed is followed by another.
    #[serde(default)]
    pub retries: u32,
    /// How long it may run in all; then the cluster ends it.
    pub limit: Span,
    /// How long it is kept once it has ended.
    #[serde(default = "Job::default_kept_for")]
    pub kept_for: Span,
}

/// A text of the file with what stands in braces filled in.
pub fn filled(text: &str, region: &Region, token: &str) -> String {
    text.replace("{region}", region.as_str()).replace("{token}", token)
}

impl Job {
    /// Unless the file says otherwise: long enough for a person to look, short enough to leave no heap.
    pub fn default_kept_for() -> Span {
        Span::from_hours(24)
    }

    /// The object that is created. What created it stands in its annotations, and decides whether one of
    /// this name is ours.
    pub fn manifest(&self, namespace: &str, region: &Region, token: &str) -> Value {
        let env: Vec<Value> = self
            .env
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": filled(value, region, token) }))
            .collect();
        let secrets = self.env_from_secrets.iter();
        let from: Vec<Value> =
            secrets.map(|name| json!({ "secretRef": { "name": name } })).collect();
        let labels = json!({ "app.kubernetes.io/managed-by": "muster" });
        let mut pod = json!({
            "restartPolicy": "Never",
            "containers": [{
                "name": CONTAINER,
                "image": filled(&self.image, region, token),
                "command": self.command_for(region, token),
                "env": env,
                "envFrom": from,
            }],
        });
        if let Some(account) = &self.service_account {
            pod["serviceAccountName"] = json!(account);
        }
        json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "name": token,
                "namespace": namespace,
                "labels": labels,
                "annotations": { ANNOTATION: token },
            },
            "spec": {
                "completions": 1,
                "parallelism": 1,
                "backoffLimit": self.retries,
                "activeDeadlineSeconds": self.limit.secs(),
                "ttlSecondsAfterFinished": self.kept_for.secs(),
                "template": { "metadata": { "labels": labels }, "spec": pod },
            },
        })
    }

    /// The command as it is carried out.
    pub fn command_for(&self, region: &Region, token: &str) -> Vec<String> {
        self.command.iter().map(|one| filled(one, region, token)).collect()
    }
}

impl Application {
    /// The job of a name, and the workload that declares it.
    pub fn job(&self, name: &str) -> Option<(&Workload, &Job)> {
        let mut all =
            self.workloads.iter().flat_map(|one| one.jobs.iter().map(move |job| (one, job)));
        all.find(|(_, job)| job.name.as_str() == name)
    }
}
