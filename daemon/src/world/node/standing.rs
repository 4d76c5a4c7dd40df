//! What of a namespace stands on lost nodes, and what may be done about it.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use muster_runbooks::{action::node::ReplaceLostPods, value::Span};
use serde_json::{Map, Value, json};

use super::NODES;
use crate::world::kube::node::{Health, Owner, Pod, Standing};

/// When the cluster's own node controller takes what it sees for its own trouble: so many of a hundred nodes, and
/// never fewer than three, are not ready (`--unhealthy-zone-threshold`).
const UNREADY_PERCENT_MAX: usize = 55;
const UNREADY_MIN: usize = 3;

impl Standing {
    fn is_lost(&self, node: &str, lost_for: SignedDuration) -> bool {
        match self.nodes.get(node) {
            None => true,
            Some(Health::Ready) => false,
            // Nobody says since when: nobody guesses.
            Some(Health::NotReady { since: None }) => false,
            Some(Health::NotReady { since: Some(since) }) => {
                self.now.duration_since(*since) >= lost_for
            }
        }
    }

    /// The pods on lost nodes that are missed there: not those that stand on every node.
    pub(super) fn lost(&self, action: &ReplaceLostPods) -> impl Iterator<Item = &Pod> {
        let lost_for = action.lost_for().duration();
        let is_missed = |pod: &&Pod| pod.owner != Owner::EachNode;
        self.pods
            .iter()
            .filter(is_missed)
            .filter(move |pod| pod.node.as_deref().is_some_and(|node| self.is_lost(node, lost_for)))
    }

    /// Those of them that may be deleted, and have not been.
    pub(super) fn replaceable(&self, action: &ReplaceLostPods) -> Vec<&Pod> {
        self.lost(action).filter(|pod| is_replaceable(pod)).collect()
    }

    /// Those of them that are left to a person. What a node leaves behind whose object is gone, the cluster takes
    /// away by itself, and its set starts it anew; only what nobody starts is missed then.
    pub(super) fn kept(&self, action: &ReplaceLostPods) -> Vec<&Pod> {
        let is_kept = |pod: &&Pod| match &pod.owner {
            Owner::Replicas | Owner::EachNode | Owner::Job => false,
            Owner::Named { .. } => {
                pod.node.as_ref().is_some_and(|node| self.nodes.contains_key(node))
            }
            Owner::Nobody => true,
        };
        self.lost(action).filter(is_kept).collect()
    }

    /// A node under pods that could be replaced which is not ready, and not lost yet.
    pub(super) fn nearly_lost(&self, action: &ReplaceLostPods) -> Option<String> {
        self.pods.iter().filter(|pod| is_replaceable(pod)).find_map(|pod| {
            let node = pod.node.as_deref()?;
            let Some(Health::NotReady { since: Some(since) }) = self.nodes.get(node) else {
                return None;
            };
            let stood = Span::from_secs(Span::between(*since, self.now).secs().try_into().ok()?);
            Some(format!(
                "`{node}` is not ready for {stood}; it is lost after {}",
                action.lost_for()
            ))
        })
    }

    /// Why what is seen is no loss of a node: where most of them are not ready, or all, it is the control plane that
    /// does not hear them. Their pods may well serve, nothing could start elsewhere, and as soon as the nodes are
    /// heard again they would end everything that was deleted.
    pub(super) fn is_no_loss_of_a_node(&self) -> Option<String> {
        let all = self.nodes.len();
        let ready = self.nodes.values().filter(|health| **health == Health::Ready).count();
        let unready = all - ready;
        let is_most = unready >= UNREADY_MIN && unready * 100 >= UNREADY_PERCENT_MAX * all;
        (ready == 0 || is_most).then(|| {
            format!(
                "{unready} of {all} nodes are not ready: that is no loss of a node but of their network or of the \
                 control plane, and their pods may still serve; nothing more is deleted. See what the nodes say; if \
                 users are not served, fail over to the other region"
            )
        })
    }

    /// What stands before: the lost nodes under the namespace, and since when.
    pub(super) fn before(&self, action: &ReplaceLostPods) -> Value {
        let nodes: Map<String, Value> = self
            .lost(action)
            .filter_map(|pod| {
                let node = pod.node.clone()?;
                let since = match self.nodes.get(&node) {
                    Some(Health::NotReady { since: Some(since) }) => {
                        format!("not ready since {since}")
                    }
                    Some(Health::NotReady { since: None } | Health::Ready) | None => {
                        "gone".to_owned()
                    }
                };
                Some((node, json!(since)))
            })
            .collect();
        json!({ NODES: nodes })
    }

    /// The sets that have not all replicas, but for those that wait for a person.
    pub(super) fn behind(&self, action: &ReplaceLostPods, kept: &[&Pod]) -> Vec<String> {
        let waiting: BTreeSet<String> = kept.iter().filter_map(|pod| set_of(pod)).collect();
        let sets = || self.strengths.sets.iter().filter(|(name, _)| !waiting.contains(*name));
        let behind: Vec<String> = sets()
            .filter(|(_, set)| !set.is_there(0))
            .map(|(name, set)| format!("{name}: {} of {} available", set.available, set.wanted))
            .collect();
        if !behind.is_empty() {
            return behind;
        }
        // A set counts a moment later than a pod is deleted: until the pods themselves say so, it is not believed.
        let lost: BTreeSet<&str> = self.lost(action).map(|pod| pod.uid.as_str()).collect();
        let counts = |pod: &&Pod| {
            let is_of_set = pod.owner == Owner::Replicas
                || set_of(pod).is_some_and(|set| sets().any(|(name, _)| *name == set));
            is_of_set && pod.is_ready && !pod.is_terminating && !lost.contains(pod.uid.as_str())
        };
        let ready = self.pods.iter().filter(counts).count();
        let wanted: u32 = sets().map(|(_, set)| set.wanted).sum();
        if ready < wanted as usize {
            vec![format!("{ready} of {wanted} pods are ready")]
        } else {
            behind
        }
    }
}

/// Whether another pod starts as soon as this one is deleted.
fn is_replaceable(pod: &Pod) -> bool {
    pod.owner == Owner::Replicas && !pod.is_terminating
}

/// The set that a pod belongs to by its name, as sets are called here.
fn set_of(pod: &Pod) -> Option<String> {
    match &pod.owner {
        Owner::Named { kind, name } => Some(format!("{}/{name}", kind.to_ascii_lowercase())),
        Owner::Replicas | Owner::EachNode | Owner::Job | Owner::Nobody => None,
    }
}
