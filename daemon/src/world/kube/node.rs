//! The nodes under the pods of a namespace, and pods that are deleted by their UID.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::api::{Api, DeleteParams, Preconditions};
use muster_state::call::CallError;

use super::{
    Cluster,
    scale::{Strengths, unplaced},
};

/// How the sets and pods of a namespace stand, and the nodes under them.
#[derive(Clone, Debug)]
pub struct Standing {
    /// What the API server's clock says. Since when a node is not ready is told by the same side, and Muster's own
    /// clock may be ahead of it.
    pub now: Timestamp,
    /// All nodes of the cluster, by name.
    pub nodes: BTreeMap<String, Health>,
    /// The pods of the namespace that have not run to their end.
    pub pods: Vec<Pod>,
    /// Its sets. What scales them is not looked at.
    pub strengths: Strengths,
}

/// Whether a node is ready, as its controller says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Health {
    /// It is.
    Ready,
    /// It says that it is not, or nothing was heard of it.
    NotReady {
        /// Since when, if anybody says so.
        since: Option<Timestamp>,
    },
}

/// A pod that runs, is about to, or is being ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// What tells it from another one of its name.
    pub uid: String,
    /// The node that it stands on, once it has one.
    pub node: Option<String>,
    /// Who sees to it that there is another one.
    pub owner: Owner,
    /// Whether it was deleted, and only its node does not say that it has ended.
    pub is_terminating: bool,
    /// Whether it takes requests, as far as anybody knows.
    pub is_ready: bool,
}

/// Who starts another pod in place of one, and when.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Owner {
    /// A replica set: at once when one is deleted, whatever became of that one.
    Replicas,
    /// A set of one pod for each node, or the node itself: a node that is gone needs none.
    EachNode,
    /// A job, by its own rules.
    Job,
    /// A set whose pods have names and volumes of their own, or a controller of which nobody here knows that its
    /// pods have not.
    Named {
        /// Such as `StatefulSet`.
        kind: String,
        /// Its name.
        name: String,
    },
    /// Nobody.
    Nobody,
}

impl Cluster<'_> {
    /// How the namespace stands, and the nodes under it.
    ///
    /// # Errors
    ///
    /// When the cluster is not the declared one, or a list could not be read to its end.
    pub async fn standing(&self) -> Result<Standing, CallError> {
        self.is_the_one(true).await?;
        // Before the nodes: no pod stands on a node that is not there yet, so one that is not found then is gone.
        let pods = self.all::<v1::Pod>("LIST pods").await?;
        let (now, nodes, sets) = futures::try_join!(self.now(), self.nodes(), self.strong())?;
        Ok(Standing {
            now,
            nodes,
            strengths: Strengths { sets, unplaced: unplaced(&pods) },
            pods: pods.into_iter().filter_map(pod).collect(),
        })
    }

    /// Deletes a pod, unless another one bears its name by now. That it is gone is as good.
    ///
    /// # Errors
    ///
    /// Without an answer, or when it is refused.
    pub async fn delete_pod(&self, name: &str, uid: &str) -> Result<(), CallError> {
        let pods: Api<v1::Pod> = Api::namespaced(self.client.clone(), &self.workload.namespace);
        let this = Preconditions { uid: Some(uid.to_owned()), ..Preconditions::default() };
        match pods.delete(name, &DeleteParams::default().preconditions(this)).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            Err(why) => Err(self.trouble("DELETE pods", why)),
        }
    }

    async fn nodes(&self) -> Result<BTreeMap<String, Health>, CallError> {
        let nodes: Api<v1::Node> = Api::all(self.client.clone());
        let all = self.listed("LIST nodes", &nodes).await?;
        let all =
            all.into_iter().filter_map(|node| Some((node.metadata.name.clone()?, health(&node))));
        Ok(all.collect())
    }
}

fn health(node: &v1::Node) -> Health {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    let ready = conditions.into_iter().flatten().find(|one| one.type_ == "Ready");
    match ready {
        Some(ready) if ready.status == "True" => Health::Ready,
        Some(ready) => {
            Health::NotReady { since: ready.last_transition_time.as_ref().map(|at| at.0) }
        }
        // It has just come, and nobody has looked.
        None => Health::NotReady { since: None },
    }
}

/// A pod as it counts; nothing of one that has run to its end.
fn pod(pod: v1::Pod) -> Option<Pod> {
    let status = pod.status.unwrap_or_default();
    if matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")) {
        return None;
    }
    let mut conditions = status.conditions.iter().flatten();
    let is_ready = conditions.any(|one| one.type_ == "Ready" && one.status == "True");
    let owner = owner(&pod.metadata);
    Some(Pod {
        owner,
        is_ready,
        is_terminating: pod.metadata.deletion_timestamp.is_some(),
        node: pod.spec.and_then(|spec| spec.node_name).filter(|node| !node.is_empty()),
        name: pod.metadata.name?,
        uid: pod.metadata.uid?,
    })
}

fn owner(pod: &ObjectMeta) -> Owner {
    let mut owners = pod.owner_references.iter().flatten();
    let Some(owner) = owners.find(|owner| owner.controller == Some(true)) else {
        return Owner::Nobody;
    };
    let OwnerReference { api_version, kind, name, .. } = owner;
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    match (group, kind.as_str()) {
        ("apps", "ReplicaSet") => Owner::Replicas,
        ("apps", "DaemonSet") | ("", "Node") => Owner::EachNode,
        ("batch", "Job") => Owner::Job,
        _ => Owner::Named { kind: kind.clone(), name: name.clone() },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Goal: only a replica set's pods are taken for ones that may be deleted, by group and kind of the owner that
    /// controls them; whatever nobody knows is one with a volume of its own.
    #[test]
    fn whose_a_pod_is() {
        let owned = |owners: Value| {
            let metadata = json!({ "name": "a", "ownerReferences": owners });
            owner(&serde_json::from_value(metadata).unwrap())
        };
        let of = |api_version: &str, kind: &str| json!([{ "apiVersion": api_version, "kind": kind, "name": "o", "uid": "u", "controller": true }]);
        let named = |kind: &str| Owner::Named { kind: kind.to_owned(), name: "o".to_owned() };
        for (owners, is) in [
            (of("apps/v1", "ReplicaSet"), Owner::Replicas),
            (of("example.com/v1", "ReplicaSet"), named("ReplicaSet")),
            (of("apps/v1", "DaemonSet"), Owner::EachNode),
            (of("v1", "Node"), Owner::EachNode),
            (of("batch/v1", "Job"), Owner::Job),
            (of("apps/v1", "StatefulSet"), named("StatefulSet")),
            (of("postgresql.cnpg.io/v1", "Cluster"), named("Cluster")),
            (json!([]), Owner::Nobody),
            (
                json!([{ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "o", "uid": "u" }]),
                Owner::Nobody,
            ),
        ] {
            assert_eq!(owned(owners.clone()), is, "{owners}");
        }
    }

    /// Goal: a node is ready when it says so, and since when it is not is never guessed; a pod that has run to its
    /// end is none that could be missed.
    #[test]
    fn what_is_ready() {
        let node = |conditions: Value| {
            let node =
                json!({ "metadata": { "name": "n" }, "status": { "conditions": conditions } });
            health(&serde_json::from_value(node).unwrap())
        };
        let ready = |status: &str, since: Value| {
            json!([{ "type": "MemoryPressure", "status": "True" },
                   { "type": "Ready", "status": status, "lastTransitionTime": since }])
        };
        let then = "2026-03-01T02:00:00Z";
        let since = Some(then.parse().unwrap());
        assert_eq!(node(ready("True", json!(then))), Health::Ready);
        assert_eq!(node(ready("False", json!(then))), Health::NotReady { since });
        assert_eq!(node(ready("Unknown", json!(then))), Health::NotReady { since });
        assert_eq!(node(ready("Unknown", Value::Null)), Health::NotReady { since: None });
        assert_eq!(node(json!([])), Health::NotReady { since: None });

        let of = |phase: &str| {
            let text =
                json!({ "metadata": { "name": "a", "uid": "u" }, "status": { "phase": phase } });
            pod(serde_json::from_value(text).unwrap()).is_some()
        };
        assert_eq!(
            ["Pending", "Running", "Unknown", "Succeeded", "Failed"].map(of),
            [true, true, true, false, false]
        );
    }
}
