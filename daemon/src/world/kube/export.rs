//! The objects of a namespace as one list that `kubectl create -f` takes too.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kube::api::DynamicObject;
use muster_state::call::CallError;
use serde_json::{Value, json};

use super::{
    Cluster,
    clean::{cleaned, rank},
    served::Kind,
};

/// An object of an export.
pub type Object = DynamicObject;

/// The most bytes of an export. What is larger is no set of declarations.
pub const BYTES_MAX: usize = 64 << 20;

/// An export, before it is written anywhere.
#[derive(Debug)]
pub struct Export {
    /// The list as JSON.
    pub body: Vec<u8>,
    /// How many objects it holds.
    pub objects: u32,
    /// When the API server was asked, by its own clock: nothing in the list is older.
    pub data_time: Timestamp,
    /// What could not be read.
    pub left_out: Vec<String>,
}

impl Cluster<'_> {
    /// Reads every object of the namespace, the namespace itself, and the definitions of the custom
    /// resources that are used in it.
    ///
    /// # Errors
    ///
    /// When anything but an aggregated group that is away could not be read: half a list is none.
    pub async fn export(&self) -> Result<Export, CallError> {
        self.is_the_one(false).await?;
        let data_time = self.now().await?;
        let served = self.served().await?;
        let mut items: Vec<Value> = Vec::new();
        let mut seen: BTreeSet<String> = BTreeSet::new();
        let mut used: BTreeSet<String> = BTreeSet::new();
        for kind in served.kinds.iter().filter(|kind| kind.namespaced) {
            for object in self.list(kind).await? {
                let is_new = object.metadata.uid.clone().is_none_or(|uid| seen.insert(uid));
                if let Some(item) = cleaned(typed(object, kind)).filter(|_| is_new) {
                    used.insert(format!("{}.{}", kind.resource.plural, kind.resource.group));
                    items.push(item);
                }
            }
        }
        items.extend(self.own_namespace(&served.kinds).await?);
        items.extend(self.definitions(&served.kinds, &used).await?);
        items.sort_by_cached_key(|item| {
            let text = |key: &str| item.pointer(key).and_then(Value::as_str).unwrap_or_default();
            let kind = text("/kind").to_owned();
            (rank(&kind), kind, text("/metadata/name").to_owned())
        });
        let objects = u32::try_from(items.len()).unwrap_or(u32::MAX);
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": items });
        let body = serde_json::to_vec_pretty(&list).map_err(|why| self.no_answer("LIST", why))?;
        if body.len() > BYTES_MAX {
            let why = format!("the objects take {} bytes, over {BYTES_MAX}", body.len());
            return Err(super::unfit(&self.service, why));
        }
        Ok(Export { body, objects, data_time, left_out: served.silent })
    }

    async fn own_namespace(&self, kinds: &[Kind]) -> Result<Option<Value>, CallError> {
        let Some(kind) = kinds.iter().find(|kind| is(kind, "", "Namespace")) else {
            return Ok(None);
        };
        let found = self.api(kind).get(&self.workload.namespace).await;
        let found = found.map_err(|why| self.trouble("GET namespaces", why))?;
        Ok(cleaned(typed(found, kind)))
    }

    async fn definitions(
        &self,
        kinds: &[Kind],
        used: &BTreeSet<String>,
    ) -> Result<Vec<Value>, CallError> {
        const GROUP: &str = "apiextensions.k8s.io";
        let Some(kind) = kinds.iter().find(|kind| is(kind, GROUP, "CustomResourceDefinition"))
        else {
            return Ok(Vec::new());
        };
        let all = self.list(kind).await?.into_iter();
        let wanted = all
            .filter(|object| object.metadata.name.as_ref().is_some_and(|name| used.contains(name)));
        Ok(wanted.filter_map(|object| cleaned(typed(object, kind))).collect())
    }
}

fn is(kind: &Kind, group: &str, name: &str) -> bool {
    kind.resource.group == group && kind.resource.kind == name
}

/// Objects of a list do not say what they are.
fn typed(mut object: DynamicObject, kind: &Kind) -> DynamicObject {
    object.types = Some(kube::core::TypeMeta {
        api_version: kind.resource.api_version.clone(),
        kind: kind.resource.kind.clone(),
    });
    object
}

/// The objects of an export, read back.
///
/// # Errors
///
/// With the reason, when the bytes are no export.
pub fn items(body: &[u8]) -> Result<Vec<DynamicObject>, String> {
    let list: BTreeMap<String, Value> =
        serde_json::from_slice(body).map_err(|why| format!("it is no JSON list: {why}"))?;
    let Some(Value::Array(items)) = list.get("items") else {
        return Err("it has no `items`".to_owned());
    };
    let read = items.iter().enumerate().map(|(at, item)| {
        let object: DynamicObject =
            serde_json::from_value(item.clone()).map_err(|why| format!("item {at}: {why}"))?;
        match (&object.types, &object.metadata.name) {
            (Some(_), Some(_)) => Ok(object),
            _ => Err(format!("item {at} has no kind or no name")),
        }
    });
    read.collect()
}
