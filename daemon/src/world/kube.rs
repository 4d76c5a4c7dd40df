//! Kubernetes: one client per context of the kubeconfig, never its current one (facts §6).

pub mod apply;
pub mod clean;
pub mod controllers;
pub mod exec;
pub mod export;
pub mod ingress;
pub mod job;
pub mod node;
pub mod scale;
mod served;
mod sets;
mod stay;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Client, Config,
    api::{Api, ListParams},
    client::Body,
    config::{KubeConfigOptions, Kubeconfig},
};
use muster_runbooks::{application::Workload, name::Region};
use muster_state::call::{Call, CallError};

/// The context that stands for the cluster in which Muster itself runs.
pub const IN_CLUSTER: &str = "in-cluster";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const READ_TIMEOUT: Duration = Duration::from_secs(15);

/// With the time to connect it is less than the ten seconds that a call to the side being left may take.
const SPARE_TIMEOUT: Duration = Duration::from_secs(5);

/// Who changed it, as the API server keeps it.
const MANAGER: &str = "muster";

/// The namespace whose UID tells one cluster from another: it lives as long as its cluster.
const IDENTITY: &str = "kube-system";

/// What a client is for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Use {
    /// Questions, each with an answer.
    Ask,
    /// Questions to the side being left: nobody waits for it.
    Spare,
    /// A stream that may be silent for as long as its user bears.
    Stream,
}

/// All clusters.
pub struct Kube {
    kubeconfig: Option<PathBuf>,
    clients: Mutex<BTreeMap<(String, Use), Client>>,
}

impl std::fmt::Debug for Kube {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kube")
    }
}

/// One cluster, as a call reaches it.
pub struct Cluster<'a> {
    client: Client,
    service: String,
    context: &'a str,
    workload: &'a Workload,
    uid: Option<&'a str>,
}

impl Kube {
    /// Clusters by the contexts of a kubeconfig; of the one that `KUBECONFIG` names, without it.
    pub fn new(kubeconfig: Option<PathBuf>) -> Kube {
        Kube { kubeconfig, clients: Mutex::default() }
    }

    /// The cluster of a workload in a region. Asks nobody yet.
    ///
    /// # Errors
    ///
    /// When the kubeconfig does not lead there.
    pub async fn cluster<'a>(
        &self,
        workload: &'a Workload,
        region: &Region,
    ) -> Result<Cluster<'a>, CallError> {
        self.reach(workload, region, Use::Ask).await
    }

    /// The same for a call, with the patience that its step has.
    ///
    /// # Errors
    ///
    /// When the kubeconfig does not lead there.
    pub async fn cluster_for<'a>(
        &self,
        call: &Call,
        workload: &'a Workload,
        region: &Region,
    ) -> Result<Cluster<'a>, CallError> {
        let for_what = if call.best_effort { Use::Spare } else { Use::Ask };
        self.reach(workload, region, for_what).await
    }

    async fn reach<'a>(
        &self,
        workload: &'a Workload,
        region: &Region,
        for_what: Use,
    ) -> Result<Cluster<'a>, CallError> {
        let service = format!("kubernetes {region}");
        let context = workload.contexts.get(region.as_str());
        let context = context.ok_or_else(|| {
            unfit(&service, format!("`{}` has no context in {region}", workload.name))
        })?;
        let client = self
            .client(context, for_what)
            .await
            .map_err(|why| unusable(&service, context, &why))?;
        let uid = workload.clusters.get(region.as_str()).map(String::as_str);
        Ok(Cluster { client, service, context, workload, uid })
    }

    async fn client(&self, context: &str, for_what: Use) -> Result<Client, String> {
        let key = (context.to_owned(), for_what);
        let known = |clients: &BTreeMap<(String, Use), Client>| clients.get(&key).cloned();
        if let Some(client) = known(&self.clients.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(client);
        }
        let mut config = if context == IN_CLUSTER {
            Config::incluster().map_err(|why| why.to_string())?
        } else {
            let file = match &self.kubeconfig {
                Some(path) => Kubeconfig::read_from(path),
                None => Kubeconfig::read(),
            };
            let file = file.map_err(|why| why.to_string())?;
            let options =
                KubeConfigOptions { context: Some(context.to_owned()), ..Default::default() };
            Config::from_custom_kubeconfig(file, &options).await.map_err(|why| why.to_string())?
        };
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        config.read_timeout = match for_what {
            Use::Ask => Some(READ_TIMEOUT),
            Use::Spare => Some(SPARE_TIMEOUT),
            Use::Stream => None,
        };
        // Whether and when something is tried again is the engine's to decide.
        config.default_retry = false;
        let client = Client::try_from(config).map_err(|why| why.to_string())?;
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(clients.entry(key).or_insert(client).clone())
    }
}

impl Cluster<'_> {
    /// What the API server's clock says.
    async fn now(&self) -> Result<Timestamp, CallError> {
        const OPERATION: &str = "GET /version";
        let request = kube::core::Request::new("/version").list(&ListParams::default());
        let request = request.map_err(|why| self.no_answer(OPERATION, why))?.map(Body::from);
        let answer = self.client.send(request).await.map_err(|why| self.trouble(OPERATION, why))?;
        let date = answer.headers().get("date").and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
        date.map(|date| date.timestamp()).ok_or_else(|| {
            self.no_answer(OPERATION, "the API server does not say what time it is".to_owned())
        })
    }

    /// Whether the namespace of the workload is there, in the cluster that is meant.
    ///
    /// # Errors
    ///
    /// Without an answer, when it may not be asked, or when the context leads elsewhere.
    pub async fn has_namespace(&self) -> Result<bool, CallError> {
        self.is_the_one(false).await?;
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let found = namespaces.get_metadata_opt(&self.workload.namespace).await;
        let found = found.map_err(|why| self.trouble("GET namespaces", why))?;
        // One that is being deleted is on its way out with everything in it.
        Ok(found.is_some_and(|found| found.metadata.deletion_timestamp.is_none()))
    }

    /// Makes sure that the context leads to the cluster that is meant.
    async fn is_the_one(&self, must_be_declared: bool) -> Result<(), CallError> {
        let Some(wanted) = self.uid else {
            if !must_be_declared {
                return Ok(());
            }
            let message = format!(
                "`clusters` of `{}` does not say which cluster is meant, so nothing is written; \
                 declare the UID of its namespace `{IDENTITY}`",
                self.workload.name
            );
            return Err(unfit(&self.service, message));
        };
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let found = namespaces.get_metadata(IDENTITY).await;
        let found = found.map_err(|why| self.trouble("GET namespaces", why))?;
        match found.metadata.uid.as_deref() {
            Some(uid) if uid == wanted => Ok(()),
            Some(uid) => Err(unfit(
                &self.service,
                format!("the context leads to the cluster {uid}, and {wanted} is declared"),
            )),
            None => Err(self.no_answer("GET namespaces", format!("`{IDENTITY}` has no UID"))),
        }
    }

    /// What an error of the API server means.
    fn trouble(&self, operation: &'static str, error: kube::Error) -> CallError {
        let service = self.service.clone();
        let kube::Error::Api(status) = error else {
            return CallError::NoAnswer { service, operation, source: Box::new(error) };
        };
        let status = *status;
        let code =
            if status.reason.is_empty() { status.code.to_string() } else { status.reason.clone() };
        match status.code {
            401 => CallError::Credentials { service, operation, code },
            // A list that expired between two pages, a conflict, too many requests, trouble there.
            410 | 409 | 429 | 0 | 500.. => {
                let source = format!("{code}: {}", status.message).into();
                CallError::NoAnswer { service, operation, source }
            }
            _ => CallError::Refused { service, operation, code, message: status.message },
        }
    }

    fn no_answer(
        &self,
        operation: &'static str,
        why: impl Into<muster_state::call::BoxError>,
    ) -> CallError {
        CallError::NoAnswer { service: self.service.clone(), operation, source: why.into() }
    }
}

fn unusable(service: &str, context: &str, why: &str) -> CallError {
    unfit(service, format!("context `{context}` of the kubeconfig cannot be used: {why}"))
}

fn unfit(service: &str, message: String) -> CallError {
    CallError::Refused {
        service: service.to_owned(),
        operation: "connect",
        code: "NotConfigured".to_owned(),
        message,
    }
}
