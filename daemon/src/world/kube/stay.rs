//! For how long pods stay on a node that is lost, as their template says.

use k8s_openapi::api::core::v1::{PodTemplateSpec, Toleration};
use muster_runbooks::value::Span;

use crate::world::inventory::takeover::Stay;

/// The taints that a node gets when it says that it is not ready, and when nothing is heard of it.
const TAINTS: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

/// What the API server gives every pod that says nothing of such a taint, unless it was started with another
/// number.
const BY_ADMISSION: Span = Span::from_mins(5);

/// How long pods of a template stay, by the taint that they bear longer.
pub(super) fn stay(template: &PodTemplateSpec) -> Stay {
    let said = || template.spec.iter().filter_map(|spec| spec.tolerations.as_ref()).flatten();
    let stays = TAINTS.map(|taint| match said().find(|one| tolerates(one, taint)) {
        None => Stay::For(BY_ADMISSION),
        Some(Toleration { toleration_seconds: None, .. }) => Stay::Forever,
        // What is below zero counts as zero; what no number of ours holds is longer than anybody waits.
        Some(Toleration { toleration_seconds: Some(secs), .. }) => u32::try_from((*secs).max(0))
            .map_or(Stay::Forever, |secs| Stay::For(Span::from_secs(secs))),
    });
    stays.into_iter().max().unwrap_or(Stay::Forever)
}

/// Whether a toleration is about a taint that ends pods, by the rules of the API.
fn tolerates(toleration: &Toleration, taint: &str) -> bool {
    let is_empty = |text: &Option<String>| text.as_deref().is_none_or(str::is_empty);
    let says = |text: &Option<String>, word: &str| is_empty(text) || text.as_deref() == Some(word);
    // These taints have no value, so `Equal`, which is meant where nothing is said, wants none.
    let is_met = match toleration.operator.as_deref() {
        Some("Exists") => true,
        Some("Equal" | "") | None => is_empty(&toleration.value),
        Some(_) => false,
    };
    says(&toleration.effect, "NoExecute") && says(&toleration.key, taint) && is_met
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Goal: what is said of the time that pods stay is what the cluster would do: the default where nothing is
    /// said, no end where none is given, and the longer of the two taints.
    /// Method: one template for each way of saying it.
    #[test]
    fn for_how_long_pods_stay() {
        const NOT_READY: &str = TAINTS[0];
        const UNREACHABLE: &str = TAINTS[1];
        let one = |key: &str, more: Value| {
            let mut toleration = json!({ "key": key, "operator": "Exists", "effect": "NoExecute" });
            for (name, value) in more.as_object().unwrap() {
                toleration[name] = value.clone();
            }
            toleration
        };
        let secs = |secs: i64| json!({ "tolerationSeconds": secs });
        let both = |secs: Value| json!([one(NOT_READY, secs.clone()), one(UNREACHABLE, secs)]);
        let for_secs = |secs| Stay::For(Span::from_secs(secs));
        for (tolerations, is) in [
            (json!(null), for_secs(300)),
            (json!([]), for_secs(300)),
            (both(secs(60)), for_secs(60)),
            (both(secs(-1)), for_secs(0)),
            (both(json!({})), Stay::Forever),
            (json!([one(NOT_READY, secs(60))]), for_secs(300)),
            (json!([one(NOT_READY, secs(60)), one(UNREACHABLE, secs(90))]), for_secs(90)),
            (json!([one(NOT_READY, secs(60)), one(UNREACHABLE, json!({}))]), Stay::Forever),
            // A key that is not said is every key, and so is an effect.
            (json!([{ "operator": "Exists" }]), Stay::Forever),
            (
                json!([{ "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30 }]),
                for_secs(30),
            ),
            (both(json!({ "effect": "NoSchedule", "tolerationSeconds": 60 })), for_secs(300)),
            (
                both(json!({ "operator": "Equal", "value": "x", "tolerationSeconds": 60 })),
                for_secs(300),
            ),
            (both(json!({ "operator": null, "tolerationSeconds": 60 })), for_secs(60)),
        ] {
            let template = json!({ "spec": { "containers": [], "tolerations": tolerations } });
            let template: PodTemplateSpec = serde_json::from_value(template).unwrap();
            assert_eq!(stay(&template), is, "{tolerations}");
        }
    }
}
