//! What an API server serves, and its objects, page by page.

use kube::{
    api::{Api, DynamicObject, ListParams},
    core::ApiResource,
};
use muster_state::call::CallError;

use super::Cluster;

/// The most objects on a page; the API server may give fewer.
const PAGE: u32 = 200;

/// How often a list that expired between two pages is begun anew.
const RESTARTS_MAX: u32 = 2;

/// The most objects of one kind.
const OF_A_KIND_MAX: usize = 20_000;

/// One kind that an API server serves.
#[derive(Clone, Debug)]
pub(super) struct Kind {
    /// How it is asked for.
    pub(super) resource: ApiResource,
    /// Whether its objects live in a namespace.
    pub(super) namespaced: bool,
}

/// The kinds that can be listed and created, and the groups that did not answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Served {
    /// The kinds, those of the server's own groups first.
    pub(super) kinds: Vec<Kind>,
    /// Groups whose server is another one, and is away.
    pub(super) silent: Vec<String>,
}

impl Served {
    /// The kind of an object, if it is served.
    pub(super) fn kind(&self, api_version: &str, kind: &str) -> Option<&Kind> {
        self.kinds.iter().find(|served| {
            served.resource.api_version == api_version && served.resource.kind == kind
        })
    }
}

impl Cluster<'_> {
    /// Asks for every group once. An aggregated server that is away does not hide the others.
    pub(super) async fn served(&self) -> Result<Served, CallError> {
        let mut served = Served::default();
        let core = self.client.list_core_api_resources("v1").await;
        served.take("v1", core.map_err(|why| self.trouble("GET /api/v1", why))?.resources);
        let groups = self.client.list_api_groups().await;
        let mut groups = groups.map_err(|why| self.trouble("GET /apis", why))?.groups;
        // The same objects under their old group come last, and are then known by their UID.
        groups.sort_by_key(|group| group.name == "extensions");
        for group in groups {
            let preferred = group.preferred_version.or_else(|| group.versions.first().cloned());
            let Some(version) = preferred.map(|version| version.group_version) else { continue };
            match self.client.list_api_group_resources(&version).await {
                Ok(list) => served.take(&version, list.resources),
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 503) => {
                    served.silent.push(version);
                }
                Err(why) => return Err(self.trouble("GET /apis/GROUP", why)),
            }
        }
        Ok(served)
    }

    /// Every object of a kind, in the workload's namespace if it lives in one.
    pub(super) async fn list(&self, kind: &Kind) -> Result<Vec<DynamicObject>, CallError> {
        const OPERATION: &str = "LIST";
        let api = self.api(kind);
        let mut restarts = 0;
        let mut objects = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut page = ListParams::default().limit(PAGE);
            page.continue_token = token.take();
            let listed = match api.list(&page).await {
                Ok(listed) => listed,
                Err(kube::Error::Api(status)) if status.code == 410 && restarts < RESTARTS_MAX => {
                    restarts += 1;
                    objects.clear();
                    continue;
                }
                Err(why) => return Err(self.trouble(OPERATION, why)),
            };
            objects.extend(listed.items);
            if objects.len() > OF_A_KIND_MAX {
                let plural = &kind.resource.plural;
                let why = format!("more than {OF_A_KIND_MAX} {plural}");
                return Err(self.no_answer(OPERATION, why));
            }
            let next = listed.metadata.continue_.filter(|next| !next.is_empty());
            if next.is_some() && next == page.continue_token {
                return Err(self.no_answer(OPERATION, "a page's token repeats".to_owned()));
            }
            match next {
                Some(next) => token = Some(next),
                None => return Ok(objects),
            }
        }
    }

    pub(super) fn api(&self, kind: &Kind) -> Api<DynamicObject> {
        let client = self.client.clone();
        if kind.namespaced {
            Api::namespaced_with(client, &self.workload.namespace, &kind.resource)
        } else {
            Api::all_with(client, &kind.resource)
        }
    }
}

impl Served {
    fn take(
        &mut self,
        version: &str,
        resources: Vec<k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResource>,
    ) {
        let (group, short) = version.split_once('/').unwrap_or(("", version));
        let usable = resources.into_iter().filter(|one| {
            let can = |verb: &str| one.verbs.iter().any(|known| known == verb);
            !one.name.contains('/') && can("list") && can("create")
        });
        self.kinds.extend(usable.map(|one| Kind {
            namespaced: one.namespaced,
            resource: ApiResource {
                group: group.to_owned(),
                version: short.to_owned(),
                api_version: version.to_owned(),
                kind: one.kind,
                plural: one.name,
            },
        }));
    }
}
