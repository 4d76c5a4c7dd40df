//! What runs in the namespace: deployments and stateful sets, and how much of them is ready.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    core::v1::PodTemplateSpec,
};
use kube::api::{Api, ListParams};
use muster_state::call::CallError;

use super::{Cluster, stay::stay};
use crate::world::inventory::takeover::{SetSide, Stay, WorkloadSide};

/// The most sets of a kind that are read; a namespace with more is not judged by a part of it.
const SETS_MAX: u32 = 500;

impl Cluster<'_> {
    /// Lists what runs in the namespace.
    ///
    /// # Errors
    ///
    /// When the context leads to another cluster than was declared, or a list could not be read to its end.
    pub async fn sets(&self) -> Result<WorkloadSide, CallError> {
        const DEPLOYMENTS: &str = "LIST deployments";
        const STATEFUL: &str = "LIST statefulsets";
        self.is_the_one(false).await?;
        let page = ListParams::default().limit(SETS_MAX);
        let namespace = &self.workload.namespace;
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), namespace);
        let stateful: Api<StatefulSet> = Api::namespaced(self.client.clone(), namespace);
        let (deployments, stateful) = futures::join!(deployments.list(&page), stateful.list(&page));
        let deployments = deployments.map_err(|why| self.trouble(DEPLOYMENTS, why))?;
        let stateful = stateful.map_err(|why| self.trouble(STATEFUL, why))?;
        if deployments.metadata.continue_.is_some() || stateful.metadata.continue_.is_some() {
            let why = format!("`{namespace}` has more than {SETS_MAX} of a kind");
            return Err(super::unfit(&self.service, why));
        }
        let mut sets = BTreeMap::new();
        for one in deployments.items {
            let spec = one.spec.unwrap_or_default();
            let ready = one.status.and_then(|status| status.ready_replicas);
            let side = side(spec.replicas, ready, &spec.template, stay(&spec.template));
            sets.insert(format!("deployment/{}", one.metadata.name.unwrap_or_default()), side);
        }
        for one in stateful.items {
            let spec = one.spec.unwrap_or_default();
            let ready = one.status.and_then(|status| status.ready_replicas);
            let side = side(spec.replicas, ready, &spec.template, Stay::UntilProven);
            sets.insert(format!("statefulset/{}", one.metadata.name.unwrap_or_default()), side);
        }
        Ok(WorkloadSide { sets })
    }
}

/// Where nothing is said one replica is wanted (the API's default), and none is ready.
fn side(
    wanted: Option<i32>,
    ready: Option<i32>,
    template: &PodTemplateSpec,
    stays: Stay,
) -> SetSide {
    let count = |number: i32| u32::try_from(number).unwrap_or_default();
    let containers = template.spec.iter().flat_map(|spec| &spec.containers);
    let images: BTreeSet<String> = containers.filter_map(|one| one.image.clone()).collect();
    SetSide { wanted: count(wanted.unwrap_or(1)), ready: count(ready.unwrap_or(0)), images, stays }
}
