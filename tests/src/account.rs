//! The shipped account of Muster in a cluster: what it is granted, what it asks for, and what it would be refused.

use std::{
    collections::BTreeSet,
    fmt, fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::{
    daemon::pause,
    kubernetes::{Clusters, kubectl},
};

/// The namespace in which the account is.
const NAMESPACE: &str = "muster-access";

/// The Secret with its token.
const TOKEN: &str = "muster-token";

/// So often is a controller given time.
const LOOKS_MAX: usize = 400;

/// One right: one verb on one kind of object.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Right {
    /// Such as `list`.
    pub verb: String,
    /// The kind, with its subresource: `pods/log`.
    pub resource: String,
    /// Its group; empty for the oldest one.
    pub group: String,
    /// The one object that is meant; all, without.
    pub name: Option<String>,
    /// The namespace that is meant; all, without.
    pub namespace: Option<String>,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Right { verb, resource, group, name, namespace } = self;
        write!(f, "{verb} {resource}")?;
        if !group.is_empty() {
            write!(f, ".{group}")?;
        }
        if let Some(name) = name {
            write!(f, " {name}")?;
        }
        match namespace {
            Some(namespace) => write!(f, " in {namespace}"),
            None => write!(f, " everywhere"),
        }
    }
}

/// Something that was asked of an API server.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What for; always of one namespace, or of none where the kind lives in none.
    pub what: Right,
    /// Whether it might.
    pub allowed: bool,
    /// What the server answered.
    pub code: u64,
}

impl Right {
    /// Whether this one is enough for what was asked.
    pub fn covers(&self, asked: &Right) -> bool {
        let within = |grant: &Option<String>, asked: &Option<String>| {
            grant.is_none() || grant.as_ref() == asked.as_ref()
        };
        self.verb == asked.verb
            && self.resource == asked.resource
            && self.group == asked.group
            && within(&self.name, &asked.name)
            && within(&self.namespace, &asked.namespace)
    }
}

/// Every single right that the Roles and ClusterRoles of Muster grant, of which no part is a wildcard.
///
/// # Panics
///
/// When one is a wildcard, or no role.
pub fn rights(objects: &[Value]) -> BTreeSet<Right> {
    let mut all = BTreeSet::new();
    let is_ours = |role: &&Value| {
        let name = role["metadata"]["name"].as_str().unwrap_or_default();
        name == "muster" || name.starts_with("muster-")
    };
    let roles = objects.iter().filter(|object| {
        matches!(object["kind"].as_str(), Some("Role" | "ClusterRole")) && is_ours(object)
    });
    for role in roles {
        let is_narrow = role["kind"] == "Role";
        let namespace = is_narrow.then(|| text(&role["metadata"]["namespace"]));
        for rule in role["rules"].as_array().expect("rules") {
            assert!(rule["nonResourceURLs"].is_null(), "{rule}");
            let names = match rule["resourceNames"].as_array() {
                None => vec![None],
                Some(names) => names.iter().map(|name| Some(text(name))).collect(),
            };
            for (group, resource, verb) in triples(rule) {
                assert!([&group, &resource, &verb].iter().all(|word| *word != "*"), "{rule}");
                for name in &names {
                    let (name, namespace) = (name.clone(), namespace.clone());
                    let (verb, resource, group) = (verb.clone(), resource.clone(), group.clone());
                    all.insert(Right { verb, resource, group, name, namespace });
                }
            }
        }
    }
    all
}

fn triples(rule: &Value) -> Vec<(String, String, String)> {
    let list = |key: &str| -> Vec<String> {
        rule[key]
            .as_array()
            .unwrap_or_else(|| panic!("`{key}` of {rule}"))
            .iter()
            .map(text)
            .collect()
    };
    let mut all = Vec::new();
    for group in list("apiGroups") {
        for resource in list("resources") {
            all.extend(
                list("verbs").into_iter().map(|verb| (group.clone(), resource.clone(), verb)),
            );
        }
    }
    all
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

impl Clusters {
    /// A kubeconfig that knows the account alone, in clusters that have it.
    ///
    /// # Panics
    ///
    /// When a cluster issues no token for it.
    pub async fn account(&self, clusters: &[&str]) -> PathBuf {
        let shown = Command::new("kubectl")
            .arg("--kubeconfig")
            .arg(self.kubeconfig())
            .args(["config", "view", "--raw", "--flatten", "-o", "json"])
            .output()
            .expect("kubectl starts");
        let mut config: Value = serde_json::from_slice(&shown.stdout).expect("kubectl prints JSON");
        let mut users = Vec::new();
        for cluster in clusters {
            let token = self.token(cluster).await;
            users.push(json!({ "name": cluster, "user": { "token": token } }));
        }
        // Of the administrator nothing is left, so that nothing can succeed in its name.
        config["users"] = Value::Array(users);
        let path = self.folder(clusters[0]).join("account.kubeconfig");
        fs::write(&path, config.to_string()).expect("the kubeconfig is written");
        path
    }

    async fn token(&self, cluster: &str) -> String {
        let template = "go-template={{ if .data }}{{ .data.token | base64decode }}{{ end }}";
        let get = ["get", "secret", TOKEN, "--namespace", NAMESPACE, "-o", template];
        for _ in 0..LOOKS_MAX {
            let token = self.kubectl(cluster, &get, "");
            if !token.trim().is_empty() {
                return token.trim().to_owned();
            }
            pause().await;
        }
        panic!("{cluster} issues no token for the shipped account")
    }

    /// What the account has asked for in a cluster, less the questions whether it may. The first `after` are left out.
    ///
    /// # Panics
    ///
    /// When the server's log is not what it should be.
    pub fn asked(&self, cluster: &str, after: usize) -> Vec<Asked> {
        let log = fs::read_to_string(self.folder(cluster).join("audit.log"));
        let log = log.unwrap_or_default();
        log.lines().skip(after).filter_map(asked).collect()
    }

    /// How much the account has asked for in a cluster.
    pub fn asked_so_far(&self, cluster: &str) -> usize {
        let log = fs::read_to_string(self.folder(cluster).join("audit.log"));
        log.unwrap_or_default().lines().count()
    }
}

/// A line of the server's log; nothing for what is about no object.
fn asked(line: &str) -> Option<Asked> {
    let event: Value = serde_json::from_str(line).expect("the log has a JSON object on each line");
    let about = event.get("objectRef")?;
    let word = |key: &str| about[key].as_str().unwrap_or_default().to_owned();
    let named = |key: &str| about[key].as_str().filter(|name| !name.is_empty()).map(str::to_owned);
    let mut resource = word("resource");
    if resource == "selfsubjectaccessreviews" {
        return None;
    }
    if let Some(part) = named("subresource") {
        resource = format!("{resource}/{part}");
    }
    let verb = event["verb"].as_str().unwrap_or_default().to_owned();
    let decision = &event["annotations"]["authorization.k8s.io/decision"];
    Some(Asked {
        what: Right {
            verb,
            resource,
            group: word("apiGroup"),
            name: named("name"),
            namespace: named("namespace"),
        },
        allowed: decision == "allow",
        code: event["responseStatus"]["code"].as_u64().unwrap_or_default(),
    })
}

/// Whether the account may, as the API server says when the account itself asks.
///
/// # Panics
///
/// When it gets no answer.
pub fn may(account: &Path, cluster: &str, right: &Right) -> bool {
    let (resource, part) = right.resource.split_once('/').unwrap_or((&right.resource, ""));
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": { "resourceAttributes": {
            "verb": right.verb, "group": right.group, "resource": resource, "subresource": part,
            "name": right.name.clone().unwrap_or_default(),
            "namespace": right.namespace.clone().unwrap_or_default(),
        } },
    });
    let create = ["create", "-f", "-", "-o", "json"];
    let said = kubectl(account, cluster, &create, &review.to_string());
    let answer: Value = serde_json::from_str(&said).expect("kubectl prints JSON");
    answer["status"]["allowed"].as_bool().unwrap_or_default()
}

/// Waits until the API server has heard whether the account may do all of these, or none.
///
/// # Panics
///
/// When it never does.
pub async fn heard(account: &Path, cluster: &str, rights: &BTreeSet<Right>, wanted: bool) {
    for right in rights {
        let mut looks = 0;
        while may(account, cluster, right) != wanted {
            looks += 1;
            assert!(looks < LOOKS_MAX, "{cluster}: {right}: never {wanted}");
            pause().await;
        }
    }
}
