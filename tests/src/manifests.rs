//! The shipped manifests, as `kubectl kustomize` renders them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use muster_runbooks::tree;
use serde_json::{Value, json};

use crate::emulator::skip;

/// The first kubectl whose kustomize knows what the manifests are written in. Debian 12 has an older one.
const KUBECTL_MINOR_MIN: u32 = 21;

/// What the API server of the test world is too old for, and how it knows it.
const CONVERTED: &[(&str, &str, &str)] = &[
    ("HorizontalPodAutoscaler", "autoscaling/v2", "autoscaling/v2beta2"),
    ("PodDisruptionBudget", "policy/v1", "policy/v1beta1"),
    ("CronJob", "batch/v1", "batch/v1beta1"),
];

/// Kinds of add-ons of the reference cluster, for which the test world has definitions without a schema.
const ADD_ONS: &[(&str, &str, &str, &str)] = &[
    ("external-secrets.io", "v1", "externalsecrets", "ExternalSecret"),
    ("external-secrets.io", "v1", "pushsecrets", "PushSecret"),
    ("external-secrets.io", "v1", "secretstores", "SecretStore"),
    ("elbv2.k8s.aws", "v1beta1", "targetgroupbindings", "TargetGroupBinding"),
    ("networking.k8s.aws", "v1alpha1", "policyendpoints", "PolicyEndpoint"),
    ("vpcresources.k8s.aws", "v1beta1", "securitygrouppolicies", "SecurityGroupPolicy"),
];

/// A file or folder of what is shipped, from `deploy/` on.
pub fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(path)
}

/// The objects that a kustomization comes to; `None`, and a skip, without a kubectl that knows how.
///
/// # Panics
///
/// When it cannot be rendered, or what comes out is no YAML.
pub fn render(kustomization: &Path) -> Option<Vec<Value>> {
    if let Err(why) = can_kustomize() {
        skip("kustomize", &why);
        return None;
    }
    let rendered = Command::new("kubectl").arg("kustomize").arg(kustomization).output();
    let rendered = rendered.expect("kubectl starts");
    let said = String::from_utf8_lossy(&rendered.stderr);
    assert!(rendered.status.success(), "{}: {said}", kustomization.display());
    assert!(
        said.trim().is_empty(),
        "{} is rendered with a warning: {said}",
        kustomization.display()
    );
    Some(documents(&String::from_utf8_lossy(&rendered.stdout)))
}

fn can_kustomize() -> Result<(), String> {
    let asked = Command::new("kubectl").args(["version", "--client", "-o", "json"]).output();
    let Ok(asked) = asked else { return Err("there is no kubectl".to_owned()) };
    let said: Value = serde_json::from_slice(&asked.stdout).unwrap_or_default();
    let minor = said["clientVersion"]["minor"].as_str().unwrap_or_default();
    // Builds of others have a `+` behind it.
    let minor: u32 = minor.trim_end_matches('+').parse().unwrap_or_default();
    if minor >= KUBECTL_MINOR_MIN {
        return Ok(());
    }
    Err(format!(
        "kubectl 1.{minor} has an older kustomize; 1.{KUBECTL_MINOR_MIN} or newer is needed"
    ))
}

/// The documents of a YAML file.
///
/// # Panics
///
/// When it cannot be read.
pub fn read(file: &Path) -> Vec<Value> {
    documents(&fs::read_to_string(file).expect("a shipped file can be read"))
}

/// The documents of a text. A line of three dashes stands between two of them, and nowhere else: what is quoted in a
/// document is indented.
fn documents(text: &str) -> Vec<Value> {
    let documents = text.split("\n---\n").filter(|document| {
        document.lines().any(|line| !line.trim().is_empty() && !line.starts_with('#'))
    });
    let parsed = documents.map(|document| {
        tree::parse(document).unwrap_or_else(|why| panic!("{why} at {}:\n{document}", why.place))
    });
    parsed.map(|document| document.to_json()).collect()
}

/// The same objects as the API server of the test world takes them, as one list. What was changed is printed.
pub fn for_old_server(mut objects: Vec<Value>) -> String {
    for object in &mut objects {
        for (kind, version, old) in CONVERTED {
            if object["kind"] == *kind && object["apiVersion"] == *version {
                say(&format!("{kind} {}: {version} becomes {old}", object["metadata"]["name"]));
                object["apiVersion"] = json!(old);
            }
        }
    }
    json!({ "apiVersion": "v1", "kind": "List", "items": objects }).to_string()
}

/// Definitions of what the add-ons of the reference cluster bring.
pub fn add_ons() -> String {
    let definition = |(group, version, plural, kind): &(&str, &str, &str, &str)| {
        let any = json!({ "openAPIV3Schema": {
            "type": "object", "x-kubernetes-preserve-unknown-fields": true,
        } });
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": { "name": format!("{plural}.{group}") },
            "spec": {
                "group": group, "scope": "Namespaced",
                "names": { "plural": plural, "singular": kind.to_lowercase(), "kind": kind },
                "versions": [{ "name": version, "served": true, "storage": true, "schema": any }],
            },
        })
    };
    let all: Vec<Value> = ADD_ONS.iter().map(definition).collect();
    json!({ "apiVersion": "v1", "kind": "List", "items": all }).to_string()
}

/// The names of these definitions, as `kubectl wait` takes them.
pub fn add_on_names() -> Vec<String> {
    ADD_ONS.iter().map(|(group, _, plural, _)| format!("crd/{plural}.{group}")).collect()
}

/// Printed with the output of the test, which is shown when it fails or by `--nocapture`.
#[expect(clippy::print_stderr, reason = "what a test does to a manifest is said aloud")]
fn say(what: &str) {
    eprintln!("test world: {what}");
}
