//! An ingress with what it admits, in the cluster that is meant.

use k8s_openapi::api::networking::v1::Ingress;
use kube::{
    ResourceExt as _,
    api::{Api, Patch, PatchParams},
};
use muster_state::call::CallError;
use serde_json::{Value, json};

use super::{Cluster, MANAGER};

/// An ingress as it was read.
#[derive(Debug)]
pub struct Door {
    ingress: Ingress,
}

impl Door {
    /// An annotation of it.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.ingress.annotations().get(name).map(String::as_str)
    }
}

impl Cluster<'_> {
    /// An ingress of the namespace; nothing where it is not there.
    ///
    /// # Errors
    ///
    /// When the cluster is not the declared one, or it could not be read.
    pub async fn door(&self, name: &str) -> Result<Option<Door>, CallError> {
        self.is_the_one(true).await?;
        let found = self.ingresses().get_opt(name).await;
        let found = found.map_err(|why| self.trouble("GET ingresses", why))?;
        Ok(found.map(|ingress| Door { ingress }))
    }

    /// Sets annotations of an ingress, or removes those without a value, unless somebody has changed it since it
    /// was read.
    ///
    /// # Errors
    ///
    /// No answer where somebody has: look again.
    pub async fn annotate(&self, door: &Door, annotations: Value) -> Result<(), CallError> {
        let version = &door.ingress.metadata.resource_version;
        let change =
            json!({ "metadata": { "resourceVersion": version, "annotations": annotations } });
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..Default::default() };
        let name = door.ingress.name_any();
        let sent = self.ingresses().patch(&name, &params, &Patch::Merge(&change)).await;
        sent.map(drop).map_err(|why| self.trouble("PATCH ingresses", why))
    }

    fn ingresses(&self) -> Api<Ingress> {
        Api::namespaced(self.client.clone(), &self.workload.namespace)
    }
}
