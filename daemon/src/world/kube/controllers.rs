//! Single objects that start pods, by kind and name: read as they are, and changed only as they were read.

use futures::future::try_join_all;
use k8s_openapi::{
    api::{batch::v1::Job, core::v1::Pod},
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use kube::{
    api::{Api, DynamicObject, ListParams, Patch, PatchParams},
    core::{ApiResource, Selector},
};
use muster_runbooks::application::{Controller, ControllerKind};
use muster_state::call::CallError;
use serde_json::{Value, json};

use super::{Cluster, MANAGER};

/// The most pods or jobs of one object that are read; with more the answer is no.
const LEFT_MAX: u32 = 500;

/// An object as it was read.
#[derive(Clone, Debug)]
pub struct Found {
    object: DynamicObject,
    kind: ControllerKind,
}

/// How far a set has come to its newest template.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Rollout {
    /// Every pod is new, and available.
    Over,
    /// It goes on.
    Under(String),
    /// Its own time limit is over.
    Stuck(String),
}

impl Found {
    /// How many replicas are wanted; for a cron job one, or none while it is suspended.
    pub fn wanted(&self) -> u32 {
        match self.kind {
            ControllerKind::CronJob => u32::from(self.spec()["suspend"] != json!(true)),
            // Where nothing is said one is wanted (the API's default).
            ControllerKind::Deployment | ControllerKind::StatefulSet => {
                self.spec()["replicas"].as_u64().map_or(1, count)
            }
        }
    }

    /// How many of the newest version are available; none before its controller has seen what is
    /// wanted. A cron job is as it is wanted at once.
    pub fn available(&self) -> u32 {
        let status = &self.object.data["status"];
        let number = |key: &str| status[key].as_u64().map_or(0, count);
        let seen = status["observedGeneration"].as_i64() >= self.object.metadata.generation;
        match self.kind {
            ControllerKind::CronJob => self.wanted(),
            ControllerKind::Deployment | ControllerKind::StatefulSet if !seen => 0,
            ControllerKind::Deployment => {
                number("updatedReplicas").min(number("availableReplicas"))
            }
            ControllerKind::StatefulSet => number("readyReplicas"),
        }
    }

    /// An annotation of its own.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.object.metadata.annotations.as_ref()?.get(key).map(String::as_str)
    }

    /// An annotation of the pods that it makes.
    pub fn template_annotation(&self, key: &str) -> Option<&str> {
        self.spec()["template"]["metadata"]["annotations"][key].as_str()
    }

    /// Why a change of its template would change no pod, if that is so.
    pub fn holds_still(&self) -> Option<&'static str> {
        let strategy = &self.spec()["updateStrategy"];
        if self.spec()["paused"] == json!(true) {
            Some("is paused")
        } else if strategy["type"] == json!("OnDelete") {
            Some("changes its pods only when somebody deletes them")
        } else if strategy["rollingUpdate"]["partition"].as_u64().is_some_and(|kept| kept > 0) {
            Some("keeps some of its pods back by a partition")
        } else {
            None
        }
    }

    /// How far its pods are those of its newest template.
    pub fn rollout(&self) -> Rollout {
        let status = &self.object.data["status"];
        let number = |key: &str| status[key].as_u64().map_or(0, count);
        if status["observedGeneration"].as_i64() < self.object.metadata.generation {
            return Rollout::Under("its controller has not seen the change".to_owned());
        }
        let conditions = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is_stuck = conditions.iter().find(|one| {
            one["type"] == "Progressing" && one["reason"] == "ProgressDeadlineExceeded"
        });
        if let Some(stuck) = is_stuck {
            let said = stuck["message"].as_str().unwrap_or("its time is over");
            return Rollout::Stuck(said.to_owned());
        }
        let (wanted, new) = (self.wanted(), number("updatedReplicas"));
        let (all, available) = (number("replicas"), self.available());
        // All new, none old, each available (facts §6).
        if new == wanted && all == wanted && available == wanted {
            return Rollout::Over;
        }
        Rollout::Under(format!("{new} of {wanted} are new, {available} available, {all} in all"))
    }

    fn spec(&self) -> &Value {
        &self.object.data["spec"]
    }

    fn name(&self) -> &str {
        self.object.metadata.name.as_deref().unwrap_or_default()
    }

    fn resource(&self, cluster: &Cluster<'_>) -> Result<ApiResource, CallError> {
        let types = self.object.types.as_ref();
        let version = types.map(|types| types.api_version.as_str()).unwrap_or_default();
        match version.split_once('/') {
            Some((group, version)) => Ok(resource(self.kind, group, version)),
            None => Err(cluster.no_answer("GET", format!("`{}` has no version", self.name()))),
        }
    }
}

impl Cluster<'_> {
    /// Objects of the namespace in the cluster that is meant; nothing where one is not there.
    ///
    /// # Errors
    ///
    /// When the cluster is not the declared one, or one of them could not be read.
    pub async fn controllers(
        &self,
        wanted: &[Controller],
    ) -> Result<Vec<(Controller, Option<Found>)>, CallError> {
        self.is_the_one(true).await?;
        let has_cron = wanted.iter().any(|one| one.kind == ControllerKind::CronJob);
        let cron = if has_cron { self.cron_version().await? } else { "v1" };
        let all = wanted.iter().map(async |one| {
            let resource = match one.kind {
                ControllerKind::CronJob => resource(one.kind, "batch", cron),
                ControllerKind::Deployment | ControllerKind::StatefulSet => {
                    resource(one.kind, "apps", "v1")
                }
            };
            let found = self.dynamic(&resource).get_opt(&one.name).await;
            let found = found.map_err(|why| self.trouble(operation(one.kind, Verb::Get), why))?;
            let found = found.map(|object| Found { object, kind: one.kind });
            Ok::<_, CallError>((one.clone(), found))
        });
        try_join_all(all).await
    }

    /// The pods and jobs of an object that are not over yet, by name.
    ///
    /// # Errors
    ///
    /// When they could not be listed to the end.
    pub async fn left(&self, found: &Found) -> Result<Vec<String>, CallError> {
        match found.kind {
            ControllerKind::CronJob => self.jobs_of(found).await,
            ControllerKind::Deployment | ControllerKind::StatefulSet => self.pods_of(found).await,
        }
    }

    /// Changes an object, unless somebody has changed it since it was read.
    ///
    /// # Errors
    ///
    /// No answer where somebody has: look again.
    pub async fn change(&self, found: &Found, mut change: Value) -> Result<(), CallError> {
        change["metadata"]["resourceVersion"] = json!(found.object.metadata.resource_version);
        let api = self.dynamic(&found.resource(self)?);
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..Default::default() };
        let sent = api.patch(found.name(), &params, &Patch::Merge(&change)).await;
        sent.map(drop).map_err(|why| self.trouble(operation(found.kind, Verb::Patch), why))
    }

    /// Clusters of 1.20 know cron jobs only as `v1beta1`, those of 1.25 only as `v1`.
    async fn cron_version(&self) -> Result<&'static str, CallError> {
        const OPERATION: &str = "GET /apis/batch/v1";
        let served = self.client.list_api_group_resources("batch/v1").await;
        let served = served.map_err(|why| self.trouble(OPERATION, why))?;
        let is_there = served.resources.iter().any(|one| one.name == "cronjobs");
        Ok(if is_there { "v1" } else { "v1beta1" })
    }

    async fn pods_of(&self, found: &Found) -> Result<Vec<String>, CallError> {
        const OPERATION: &str = "LIST pods";
        let selector: LabelSelector = serde_json::from_value(found.spec()["selector"].clone())
            .map_err(|why| self.no_answer(OPERATION, why))?;
        let selector =
            Selector::try_from(selector).map_err(|why| self.no_answer(OPERATION, why))?;
        // One that selects everything would name the pods of others.
        if selector.to_string().is_empty() {
            let why = format!("`{}` selects no pods by label", found.name());
            return Err(super::unfit(&self.service, why));
        }
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &self.workload.namespace);
        let page = ListParams::default().labels_from(&selector).limit(LEFT_MAX);
        let listed = api.list(&page).await.map_err(|why| self.trouble(OPERATION, why))?;
        self.is_whole(OPERATION, listed.metadata.continue_.as_deref())?;
        let left = listed.items.into_iter().filter(|pod| {
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            !matches!(phase, Some("Succeeded" | "Failed"))
        });
        Ok(left.filter_map(|pod| pod.metadata.name).collect())
    }

    async fn jobs_of(&self, found: &Found) -> Result<Vec<String>, CallError> {
        const OPERATION: &str = "LIST jobs";
        let api: Api<Job> = Api::namespaced(self.client.clone(), &self.workload.namespace);
        let listed = api.list(&ListParams::default().limit(LEFT_MAX)).await;
        let listed = listed.map_err(|why| self.trouble(OPERATION, why))?;
        self.is_whole(OPERATION, listed.metadata.continue_.as_deref())?;
        let uid = found.object.metadata.uid.as_deref();
        let is_own = |job: &Job| {
            let mut owners = job.metadata.owner_references.iter().flatten();
            owners.any(|owner| Some(owner.uid.as_str()) == uid)
        };
        let is_over = |job: &Job| {
            let conditions = job.status.as_ref().and_then(|status| status.conditions.as_ref());
            conditions.into_iter().flatten().any(|one| {
                matches!(one.type_.as_str(), "Complete" | "Failed") && one.status == "True"
            })
        };
        let left = listed.items.into_iter().filter(|job| is_own(job) && !is_over(job));
        Ok(left.filter_map(|job| job.metadata.name).collect())
    }

    /// A part of a list says nothing about what is left.
    fn is_whole(&self, operation: &'static str, next: Option<&str>) -> Result<(), CallError> {
        match next.filter(|next| !next.is_empty()) {
            None => Ok(()),
            Some(_) => Err(self.no_answer(operation, format!("more than {LEFT_MAX}"))),
        }
    }

    fn dynamic(&self, resource: &ApiResource) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.workload.namespace, resource)
    }
}

/// How objects of a kind are asked for.
fn resource(kind: ControllerKind, group: &str, version: &str) -> ApiResource {
    let (kind, plural) = match kind {
        ControllerKind::CronJob => ("CronJob", "cronjobs"),
        ControllerKind::Deployment => ("Deployment", "deployments"),
        ControllerKind::StatefulSet => ("StatefulSet", "statefulsets"),
    };
    ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version: format!("{group}/{version}"),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    }
}

#[derive(Clone, Copy)]
enum Verb {
    Get,
    Patch,
}

fn operation(kind: ControllerKind, verb: Verb) -> &'static str {
    match (kind, verb) {
        (ControllerKind::CronJob, Verb::Get) => "GET cronjobs",
        (ControllerKind::CronJob, Verb::Patch) => "PATCH cronjobs",
        (ControllerKind::Deployment, Verb::Get) => "GET deployments",
        (ControllerKind::Deployment, Verb::Patch) => "PATCH deployments",
        (ControllerKind::StatefulSet, Verb::Get) => "GET statefulsets",
        (ControllerKind::StatefulSet, Verb::Patch) => "PATCH statefulsets",
    }
}

fn count(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
