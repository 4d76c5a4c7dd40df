//! Brings the sets of a namespace to full strength (facts §6): replicas and autoscalers up, never down,
//! and done only when what the API server wants is really there.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    autoscaling::v1::HorizontalPodAutoscaler,
    core::v1::Pod,
};
use kube::{
    Resource,
    api::{Api, ListParams, Patch, PatchParams},
};
use muster_state::call::{Answer, CallError};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Cluster, MANAGER, unfit};

/// So many objects of a kind are read at once.
const LIST_MAX: u32 = 500;

/// The most pages of them.
const PAGES_MAX: usize = 20;

/// How the sets of a namespace stand.
#[derive(Clone, Debug, Default)]
pub struct Strengths {
    /// Each set by kind and name.
    pub sets: BTreeMap<String, Set>,
    /// The pods that no node has room for, oldest first: since when, and what the scheduler says.
    pub unplaced: Vec<(Timestamp, String)>,
}

/// A deployment or a stateful set.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Set {
    /// How many replicas are wanted.
    pub wanted: u32,
    /// How many of the newest version are available.
    pub available: u32,
    /// Whether its controller has seen what is wanted now.
    pub is_observed: bool,
    /// Its autoscaler.
    pub scaler: Option<Scaler>,
}

/// An autoscaler.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Scaler {
    /// Its name.
    pub name: String,
    /// The least replicas that it keeps.
    pub least: u32,
    /// The most.
    pub most: u32,
}

impl Set {
    /// Whether nothing has to be changed for so many replicas.
    pub fn is_asked_for(&self, replicas: u32) -> bool {
        self.wanted >= replicas
            && self.scaler.as_ref().is_none_or(|scaler| scaler.least >= replicas)
    }

    /// Whether so many are really there.
    pub fn is_there(&self, replicas: u32) -> bool {
        self.is_observed && self.available >= replicas.max(self.wanted)
    }

    /// What stands before a change.
    pub fn before(&self) -> Value {
        let scaler = self.scaler.as_ref().map(|Scaler { name, least, most }| {
            json!({ "autoscaler": name, "least": least, "most": most })
        });
        json!({ "replicas": self.wanted, "autoscaler": scaler })
    }
}

impl Cluster<'_> {
    /// How strong every set is now.
    ///
    /// # Errors
    ///
    /// When the cluster is not the declared one, or a list could not be read to its end.
    pub async fn strengths(&self) -> Result<Strengths, CallError> {
        self.is_the_one(true).await?;
        let (mut sets, scalers, pods) =
            futures::try_join!(self.strong(), self.scalers(), self.all::<Pod>("LIST pods"))?;
        for (of, scaler) in scalers {
            if let Some(set) = sets.get_mut(&of) {
                set.scaler = Some(scaler);
            }
        }
        Ok(Strengths { sets, unplaced: unplaced(&pods) })
    }

    /// How strong every set is now, whatever scales it.
    pub(super) async fn strong(&self) -> Result<BTreeMap<String, Set>, CallError> {
        let (deployments, stateful) = futures::try_join!(
            self.all::<Deployment>("LIST deployments"),
            self.all::<StatefulSet>("LIST statefulsets"),
        )?;
        let mut sets = BTreeMap::new();
        for one in deployments {
            let (spec, status) = (one.spec.unwrap_or_default(), one.status.unwrap_or_default());
            let set = Set {
                wanted: count(spec.replicas.or(Some(1))),
                available: count(status.updated_replicas).min(count(status.available_replicas)),
                is_observed: status.observed_generation >= one.metadata.generation,
                scaler: None,
            };
            sets.insert(format!("deployment/{}", one.metadata.name.unwrap_or_default()), set);
        }
        for one in stateful {
            let (spec, status) = (one.spec.unwrap_or_default(), one.status.unwrap_or_default());
            let set = Set {
                wanted: count(spec.replicas.or(Some(1))),
                available: count(status.ready_replicas),
                is_observed: status.observed_generation >= one.metadata.generation,
                scaler: None,
            };
            sets.insert(format!("statefulset/{}", one.metadata.name.unwrap_or_default()), set);
        }
        Ok(sets)
    }

    /// The autoscalers by the kind and name of what they scale.
    pub(in crate::world) async fn scalers(&self) -> Result<BTreeMap<String, Scaler>, CallError> {
        // Served by every version since 1.2, and what it does not know of it leaves alone.
        let all = self.all::<HorizontalPodAutoscaler>("LIST horizontalpodautoscalers").await?;
        let scalers = all.into_iter().filter_map(|one| {
            let spec = one.spec?;
            let target = spec.scale_target_ref;
            let of = format!("{}/{}", target.kind.to_ascii_lowercase(), target.name);
            let scaler = Scaler {
                name: one.metadata.name.unwrap_or_default(),
                least: count(spec.min_replicas.or(Some(1))),
                most: count(Some(spec.max_replicas)),
            };
            Some((of, scaler))
        });
        Ok(scalers.collect())
    }

    /// Asks for more of one set: its autoscaler first, which would else take it back.
    ///
    /// # Errors
    ///
    /// When a change was not answered, or refused.
    pub async fn strengthen(
        &self,
        name: &str,
        set: &Set,
        replicas: u32,
    ) -> Result<Answer, CallError> {
        if let Some(Scaler { name, least, most }) = &set.scaler
            && *least < replicas
        {
            let spec =
                json!({ "spec": { "minReplicas": replicas, "maxReplicas": most.max(&replicas) } });
            self.patch::<HorizontalPodAutoscaler>("PATCH horizontalpodautoscalers", name, &spec)
                .await?;
        }
        if set.wanted < replicas {
            let spec = json!({ "spec": { "replicas": replicas } });
            match name.split_once('/') {
                Some(("deployment", name)) => {
                    self.patch::<Deployment>("PATCH deployments", name, &spec).await?;
                }
                Some(("statefulset", name)) => {
                    self.patch::<StatefulSet>("PATCH statefulsets", name, &spec).await?;
                }
                Some(_) | None => {
                    return Err(unfit(
                        &self.service,
                        format!("`{name}` is no set that can be scaled"),
                    ));
                }
            }
        }
        Ok(Answer::Accepted)
    }

    /// Everything of a kind in the namespace.
    pub(super) async fn all<K>(&self, operation: &'static str) -> Result<Vec<K>, CallError>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope> + Clone + DeserializeOwned,
        K: std::fmt::Debug,
        K::DynamicType: Default,
    {
        let api = Api::namespaced(self.client.clone(), &self.workload.namespace);
        self.listed(operation, &api).await
    }

    /// Everything that a list shows, page by page.
    pub(super) async fn listed<K>(
        &self,
        operation: &'static str,
        api: &Api<K>,
    ) -> Result<Vec<K>, CallError>
    where
        K: Clone + DeserializeOwned + std::fmt::Debug,
    {
        let (mut all, mut page) = (Vec::new(), ListParams::default().limit(LIST_MAX));
        loop {
            let list = api.list(&page).await.map_err(|why| self.trouble(operation, why))?;
            all.extend(list.items);
            if all.len() > PAGES_MAX * LIST_MAX as usize {
                let why = format!("{operation} shows more than {PAGES_MAX} pages of {LIST_MAX}");
                return Err(unfit(&self.service, why));
            }
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = ListParams::default().limit(LIST_MAX).continue_token(&token),
                None => return Ok(all),
            }
        }
    }

    async fn patch<K>(
        &self,
        operation: &'static str,
        name: &str,
        change: &Value,
    ) -> Result<(), CallError>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope> + Clone + DeserializeOwned,
        K: std::fmt::Debug,
        K::DynamicType: Default,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), &self.workload.namespace);
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..Default::default() };
        let sent = api.patch(name, &params, &Patch::Merge(change)).await;
        sent.map(drop).map_err(|why| self.trouble(operation, why))
    }
}

/// What is not said is not there.
fn count(number: Option<i32>) -> u32 {
    number.and_then(|number| u32::try_from(number).ok()).unwrap_or_default()
}

/// The pods that no node has room for, oldest first.
pub(super) fn unplaced(pods: &[Pod]) -> Vec<(Timestamp, String)> {
    let mut unplaced: Vec<_> = pods.iter().filter_map(no_room).collect();
    unplaced.sort();
    unplaced
}

/// Since when no node has room for a pod, and why.
fn no_room(pod: &Pod) -> Option<(Timestamp, String)> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let placed = conditions.iter().find(|one| one.type_ == "PodScheduled")?;
    if placed.status != "False" || placed.reason.as_deref() != Some("Unschedulable") {
        return None;
    }
    let since = placed.last_transition_time.as_ref()?.0;
    Some((since, placed.message.clone().unwrap_or_else(|| "no node has room".to_owned())))
}
