//! Creates what an export holds and a cluster lacks. Nothing that exists is changed: a restore that
//! overwrote what runs would be the second accident.

use std::collections::{BTreeMap, BTreeSet};

use kube::api::{DynamicObject, PostParams};
use muster_state::call::{Answer, CallError};

use super::{
    Cluster,
    clean::{SECRET_KEYS, rank},
    served::{Kind, Served},
};

/// The most names that a message lists.
const NAMED_MAX: usize = 10;

/// How far the objects of an export are there.
#[derive(Debug, Default)]
pub struct Presence {
    /// How many exist.
    pub present: u32,
    /// What does not, as `Kind name`.
    pub missing: Vec<String>,
    /// The Secrets that the application needs, with the names of their keys. An export holds none.
    pub secrets: Vec<String>,
}

impl Cluster<'_> {
    /// Looks which objects exist. Changes nothing.
    ///
    /// # Errors
    ///
    /// When a kind could not be listed.
    pub async fn presence(&self, items: &[DynamicObject]) -> Result<Presence, CallError> {
        let served = self.served().await?;
        let mut names: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
        let mut presence = Presence::default();
        for item in items {
            let (api_version, kind) = kind_of(item);
            let name = item.metadata.name.clone().unwrap_or_default();
            if kind == "Secret" {
                let keys = item.metadata.annotations.as_ref().and_then(|all| all.get(SECRET_KEYS));
                presence.secrets.push(format!("{name} ({})", keys.map_or("", String::as_str)));
                continue;
            }
            let key = (api_version.to_owned(), kind.to_owned());
            if !names.contains_key(&key) {
                let listed = match served.kind(api_version, kind) {
                    Some(kind) => self.names(kind).await?,
                    None => BTreeSet::new(),
                };
                names.insert(key.clone(), listed);
            }
            if names.get(&key).is_some_and(|known| known.contains(&name)) {
                presence.present += 1;
            } else {
                presence.missing.push(format!("{kind} {name}"));
            }
        }
        Ok(presence)
    }

    /// Creates what is missing, in an order in which it can live.
    ///
    /// # Errors
    ///
    /// When the cluster is not the declared one, does not serve a kind, or refused an object.
    pub async fn create_missing(&self, items: &[DynamicObject]) -> Result<Answer, CallError> {
        self.is_the_one(true).await?;
        let mut items: Vec<&DynamicObject> =
            items.iter().filter(|item| kind_of(item).1 != "Secret").collect();
        items.sort_by_key(|item| rank(kind_of(item).1));
        let first = rank("CustomResourceDefinition");
        let (ground, rest): (Vec<&DynamicObject>, Vec<&DynamicObject>) =
            items.into_iter().partition(|item| rank(kind_of(item).1) <= first);
        self.create_all(&ground, &self.served().await?).await?;
        let served = self.served().await?;
        let unserved: BTreeSet<String> = rest
            .iter()
            .map(|item| kind_of(item))
            .filter(|(api_version, kind)| served.kind(api_version, kind).is_none())
            .map(|(api_version, kind)| format!("{kind} of {api_version}"))
            .collect();
        if !unserved.is_empty() {
            let list = unserved.into_iter().collect::<Vec<_>>().join(", ");
            // A definition that was just created is served a moment later.
            if ground.iter().any(|item| kind_of(item).1 == "CustomResourceDefinition") {
                return Ok(Answer::Busy {
                    reason: format!("the cluster does not serve {list} yet"),
                });
            }
            return Err(self.refused(format!("the cluster does not serve {list}")));
        }
        self.create_all(&rest, &served).await?;
        Ok(Answer::Accepted)
    }

    async fn create_all(&self, items: &[&DynamicObject], served: &Served) -> Result<(), CallError> {
        const OPERATION: &str = "CREATE";
        let mut refused = Vec::new();
        for item in items {
            let (api_version, kind) = kind_of(item);
            let Some(served) = served.kind(api_version, kind) else {
                refused.push(format!("{kind} of {api_version} is not served"));
                continue;
            };
            match self.api(served).create(&PostParams::default(), item).await {
                Ok(_) => {}
                // It exists: as wanted, or as somebody else wants it.
                Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => {}
                Err(kube::Error::Api(status)) if matches!(status.code, 400 | 403 | 404 | 422) => {
                    let name = item.metadata.name.as_deref().unwrap_or_default();
                    refused.push(format!("{kind} {name}: {}", status.message));
                }
                Err(why) => return Err(self.trouble(OPERATION, why)),
            }
        }
        if refused.is_empty() {
            return Ok(());
        }
        let more = refused.len().saturating_sub(NAMED_MAX);
        refused.truncate(NAMED_MAX);
        if more > 0 {
            refused.push(format!("and {more} more"));
        }
        Err(self.refused(refused.join("; ")))
    }

    async fn names(&self, kind: &Kind) -> Result<BTreeSet<String>, CallError> {
        let listed = self.list(kind).await?;
        Ok(listed.into_iter().filter_map(|object| object.metadata.name).collect())
    }

    fn refused(&self, message: String) -> CallError {
        CallError::Refused {
            service: self.service.clone(),
            operation: "CREATE",
            code: "Invalid".to_owned(),
            message,
        }
    }
}

fn kind_of(item: &DynamicObject) -> (&str, &str) {
    item.types.as_ref().map_or(("", ""), |types| (&types.api_version, &types.kind))
}
